"""From model, catalogue and facts to the scene that pipelines write their stages from."""

from __future__ import annotations

from typing import Literal

from saltus.catalog.releases import Releases
from saltus.catalog.roles import Roles
from saltus.catalog.services import Services
from saltus.model.cloud import Cloud, Node
from saltus.pipelines.scene import Pair, Scene, ServiceHop
from saltus.planner.facts import Facts, binding_facts
from saltus.planner.images import image_of

Slot = Literal["a", "b"]

DUMPED_BELOW_BYTES = 512 * 1024**2
"""Databases smaller than this are dumped in the window, larger ones copied as files. Measured on the lab's (60 MB, two
cores): 0.8 s against 3.5 s; a dump grows with the rows, a copy reads at the disk's speed."""


def serving_slot(cloud: Cloud, facts: Facts) -> Slot | None:
    """The slot whose proxy holds the virtual address; a proxy of slot x passes on to the control nodes of slot x."""
    for name, machine in facts.machines.items():
        if machine.holds_vip and machine.slot in ("a", "b") and cloud.machine(name).slot == machine.slot:
            return machine.slot
    return None


def slotted(cloud: Cloud, role: str) -> tuple[Node, ...]:
    return tuple(node for node in cloud.with_role(role) if node.slots is not None)


def other(slot: Slot) -> Slot:
    return "b" if slot == "a" else "a"


def make_scene(
    cloud: Cloud,
    facts: Facts,
    *,
    source: str,
    target: str,
    old_slot: Slot,
    roles: Roles,
    services: Services,
    releases: Releases,
) -> Scene:
    """The hop of `cloud` from `old_slot` on `source` to the other slot on `target`."""
    new_slot = other(old_slot)

    def pair(node: Node) -> Pair:
        return Pair(
            node=node.name,
            old=f"{node.name}-{old_slot}",
            new=f"{node.name}-{new_slot}",
            new_slot=new_slot,
            image=image_of(cloud, node, target, roles, releases).name,
        )

    def hop(name: str) -> ServiceHop:
        service = services.get(name)
        heads = services.heads(name, target)
        return ServiceHop(
            name=name,
            commands=services.db_sync(name, source, target),
            heads=heads,
            needs_db_sync=any(set(facts.schemas.get(name, ())) != set(versions) for name, versions in heads.items()),
            after=tuple(other for other in service.depends_on if other in cloud.services),
        )

    rehearsal = cloud.rehearsal
    assert rehearsal is not None, "refusals.py has looked for it"
    in_cloud = [service.name for service in services.services if service.name in cloud.services]
    return Scene(
        cloud=cloud.name,
        source=source,
        target=target,
        control=tuple(pair(node) for node in slotted(cloud, "keystone.server")),
        proxies=tuple(pair(node) for node in slotted(cloud, "haproxy.proxy")),
        database=cloud.with_role("mariadb.server")[0].name,
        freeze="logical" if (facts.database_bytes or DUMPED_BELOW_BYTES) < DUMPED_BELOW_BYTES else "physical",
        databases=tuple(sorted(database.name for database in cloud.databases)),
        rehearsal=rehearsal.name,
        rehearsal_address=str(rehearsal.address),
        rehearsal_image=image_of(cloud, rehearsal, target, roles, releases).name,
        vip=str(cloud.networks.management.vip),
        computes=tuple(node.name for node in cloud.with_role("nova.compute")),
        services=tuple(hop(name) for name in in_cloud),
        early=tuple(
            dict.fromkeys(
                roles.get(name).service
                for node in slotted(cloud, "keystone.server")
                for name in roles.in_order(node.roles)
                if roles.get(name).starts_early
            )
        ),
        facts=binding_facts(facts),
    )
