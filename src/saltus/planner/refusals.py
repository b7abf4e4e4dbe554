"""Why a plan is refused: every reason is collected before anything is said, and nothing was touched."""

from __future__ import annotations

from collections.abc import Iterator

from saltus.catalog.releases import Releases
from saltus.catalog.services import Services
from saltus.errors import Refused
from saltus.model.cloud import Cloud
from saltus.planner.facts import Facts
from saltus.planner.scenes import serving_slot, slotted

GIB = 1024**3
BACKUPS_TAKEN = 3
"""Room on the database server in multiples of its databases: the rehearsal's dump, the frozen backup, the restore."""


def refuse(what: str, reasons: list[str], do: str) -> None:
    """Raise Refused when there is any reason."""
    if reasons:
        raise Refused(what=what, reasons=reasons, do=do)


def of_shape(cloud: Cloud) -> Iterator[str]:
    """What the model must have for a control plane to be moved between slots."""
    if cloud.rehearsal is None:
        yield "the model has no control node for rehearsals (a node with machine:rehearsal: true, as upg01)"
    for role, what in (("keystone.server", "control node"), ("haproxy.proxy", "proxy")):
        if not slotted(cloud, role):
            yield f"no {what} has two slots (machine:slots) in the model"
    if len(cloud.with_role("mariadb.server")) != 1:
        yield "the model must have one node with the role mariadb.server"


def of_hop(source: str, target: str, releases: Releases) -> Iterator[str]:
    """What is wrong with going from `source` to `target` at all."""
    if source == target:
        yield f"the cloud runs {target} already"
    elif not releases.is_newer(target, source):
        yield f"{target} is older than {source}: Saltus goes forward, and back only by a rollback of its own upgrade"


def of_facts(cloud: Cloud, facts: Facts) -> Iterator[str]:
    """What is wrong with the cloud as it is."""
    slot = serving_slot(cloud, facts)
    if slot is None:
        yield f"no proxy holds the virtual address {cloud.networks.management.vip}: nothing serves the APIs"
    wanted = [machine for machine in cloud.machines() if machine.slot in (None, slot)]
    for machine in wanted:
        if cloud.node(machine.node).rehearsal:
            continue
        found = facts.machines.get(machine.name)
        if found is None:
            yield f"the machine {machine.name} of the model does not exist"
        elif not found.running:
            yield f"the machine {machine.name} is off"
        elif not found.answers:
            yield f"the minion of {machine.name} does not answer"
    for name, found in facts.machines.items():
        if "mariadb.server" in cloud.node_of(name).roles and found.free_bytes is not None and facts.database_bytes:
            needed = facts.database_bytes * BACKUPS_TAKEN + GIB
            if found.free_bytes < needed:
                yield (
                    f"{name} has {found.free_bytes / GIB:.1f} GiB free and its backups need {needed / GIB:.1f} GiB"
                    f" ({BACKUPS_TAKEN} times its databases and 1 GiB)"
                )


def of_schemas(cloud: Cloud, facts: Facts, source: str, services: Services) -> Iterator[str]:
    """Databases that do not stand where the release of the control plane has them."""
    for service in services.services:
        if service.name not in cloud.services:
            continue
        for database, heads in services.heads(service.name, source).items():
            found = facts.schemas.get(database)
            if found is None:
                yield f"the database {database} has no schema version: it is missing or empty"
            elif tuple(sorted(found)) != tuple(sorted(heads)):
                yield (
                    f"the database {database} is at {' '.join(found)}, and {service.name} of {source} ends at"
                    f" {' '.join(heads)}: finish its own db_sync first"
                )
