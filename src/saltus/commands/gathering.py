"""From a running cloud to the facts that plans are made from: machines from their provider, the rest through Salt."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from saltus.fleet.port import Fleet
from saltus.machines.provider import Machine, Provider
from saltus.model.cloud import Cloud
from saltus.pipelines.control import FROZEN
from saltus.planner.facts import Facts, MachineFacts
from saltus.runner.performers.databases import write_line

CALL_TIMEOUT_S = 60.0


def gather_facts(
    cloud: Cloud, provider: Provider, fleet: Fleet, *, was: Callable[[str], str | None] = lambda _machine: None
) -> Facts:
    """What is, now; `was` knows MachineFacts.was. That a machine is off or silent is an answer, not an error."""
    known = {machine.name for machine in cloud.machines()}
    machines = {machine.name: machine for machine in provider.list() if machine.name in known}
    running = sorted(name for name, machine in machines.items() if machine.is_running)
    node_of = {name: cloud.node_of(name) for name in machines}
    proxies = [name for name in running if node_of[name].runs("haproxy.proxy")]
    kept = [n for n in running if node_of[n].runs("nova.compute") or node_of[n].runs("neutron.gateway")]
    databases = [name for name in running if node_of[name].runs("mariadb.server") and not node_of[name].rehearsal]

    def ask(target: list[str], function: str, *args: object) -> dict[str, Any]:
        if not target:
            return {}
        returns = fleet.call(target, function, *args, timeout_s=CALL_TIMEOUT_S, lenient=True)
        return {minion: answer.value for minion, answer in returns.items() if answer.worked}

    with ThreadPoolExecutor(6) as pool:
        versions = pool.submit(ask, running, "saltus_node.versions")
        disks = pool.submit(ask, running, "saltus_node.disk")
        vips = pool.submit(ask, proxies, "saltus_node.has_vip")
        schemas = pool.submit(ask, databases, "saltus_mariadb.schema_versions")
        ways_back = pool.submit(ask, kept, "saltus_way_back.kept")
        backups = pool.submit(ask, databases, "saltus_mariadb.list_backups")
        sizes = pool.submit(ask, databases, "saltus_mariadb.sizes")
    labels = {name: sorted(found) for name, found in backups.result().items()}
    writes = ask([name for name in labels if FROZEN in labels[name]], "saltus_writes.since", FROZEN)
    return Facts(
        machines={
            name: _machine(machine, was(name), versions.result(), disks.result(), vips.result())
            for name, machine in sorted(machines.items())
        },
        schemas=_schemas(schemas.result()),
        backups=tuple(sorted(label for found in labels.values() for label in found)),
        ways_back={name: str(release) for name, release in sorted(ways_back.result().items()) if release},
        writes=tuple(write_line(write) for found in writes.values() for write in found),
        database_bytes=sum(size for found in sizes.result().values() for size in found.values()) or None,
    )


def _machine(
    machine: Machine,
    was: str | None,
    versions: Mapping[str, Any],
    disks: Mapping[str, Any],
    vips: Mapping[str, Any],
) -> MachineFacts:
    labels = machine.spec.labels
    free = [disk["free_bytes"] for disk in disks.get(machine.name, {}).values()]
    return MachineFacts(
        node=labels.get("node", machine.name),
        slot=labels.get("slot") or None,
        release=labels.get("release"),
        was=was,
        running=machine.is_running,
        answers=machine.name in versions,
        versions=versions.get(machine.name, {}),
        free_bytes=min(free) if free else None,
        holds_vip=bool(vips.get(machine.name)),
    )


def _schemas(found: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    return {
        database: tuple(sorted(str(version) for version in versions))
        for schemas in found.values()
        for database, versions in sorted(schemas.items())
        if versions
    }
