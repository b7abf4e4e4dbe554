"""Why a plan is refused: every reason is collected before anything is said, and nothing was touched."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from saltus.catalog.releases import Releases
from saltus.catalog.routes import NoRoute, find_routes
from saltus.catalog.schemas import load_schemas
from saltus.catalog.services import Services
from saltus.errors import Refused
from saltus.model.cloud import Cloud
from saltus.planner.facts import Facts
from saltus.planner.scenes import serving_slot, slotted

GIB = 1024**3
BACKUPS_TAKEN = 3
"""Room on the database server in multiples of its databases: the rehearsal's dump, the frozen backup, the restore."""
SLOTTED = ("keystone.server", "haproxy.proxy")
"""The roles whose nodes an upgrade builds anew in their other slot."""


LOOKED_FOR = (
    "a model without a control node for rehearsals, without nodes of two slots, or with several database servers",
    "a target that is no step forward, or whose packages no suite of the nodes carries",
    "a schema that the tools of the target cannot take along, or only by a stop at another release",
    "a schema that is not where its own release ends, or of which no release knows",
    "a machine that is missing, off, or whose minion does not answer; APIs that nobody serves",
    "a database server without room for its backups",
    "an earlier upgrade that is neither accepted nor rolled back",
)
"""What refuses the plan of an upgrade, all of it looked for each time: shown beside what was found."""


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


def of_suites(cloud: Cloud, source: str | None, target: str, releases: Releases) -> Iterator[str]:
    """Nodes that would be built anew on `target`, and for which no Debian suite has its packages."""
    if releases.get(target).suite is not None:
        return
    built = [node for role in SLOTTED for node in slotted(cloud, role)] + [cloud.rehearsal]
    names = dict.fromkeys(node.name for node in built if node is not None and node.suite is None)
    if names:
        carried = [r.name for r in releases.releases if r.suite and source and releases.is_newer(r.name, source)]
        yield (
            f"{', '.join(names)} cannot be built on {target}: no Debian suite carries it, and the model names none"
            f" (machine:suite){'; Debian carries ' + ', '.join(carried) if carried else ''}"
        )


def of_routes(cloud: Cloud, source: str, target: str) -> Iterator[str]:
    """Databases that cannot be taken to `target` at all, or not by the tools of `target` alone."""
    try:
        routes = find_routes(source, target, names=cloud.services)
    except NoRoute as no:
        yield from no.reasons
        return
    for service, route in routes.items():
        for stop in route.stops[:-1]:
            yield f"{service} must stop at {stop.release} on its way to {target}: {stop.why}. Go there first"


def of_facts(cloud: Cloud, facts: Facts) -> Iterator[str]:
    """What is wrong with the cloud as it is."""
    slot = serving_slot(cloud, facts)
    if slot is None:
        yield f"no proxy holds the virtual address {cloud.networks.management.vip}: nothing serves the APIs"
    names = [machine.name for machine in cloud.machines() if machine.slot in (None, slot)]
    yield from of_machines([name for name in names if not cloud.node_of(name).rehearsal], facts)
    yield from of_disk(cloud, facts)


def of_machines(names: Iterable[str], facts: Facts) -> Iterator[str]:
    """Machines that must be there and answer, and do not."""
    for name in names:
        found = facts.machines.get(name)
        if found is None:
            yield f"the machine {name} of the model does not exist"
        elif not found.running:
            yield f"the machine {name} is off"
        elif not found.answers:
            yield f"the minion of {name} does not answer"


def of_disk(cloud: Cloud, facts: Facts) -> Iterator[str]:
    """A database server without room for what an upgrade keeps there."""
    for node in cloud.with_role("mariadb.server"):
        found = facts.machines.get(node.name)
        if found is None or found.free_bytes is None or facts.database_bytes is None:
            continue
        needed = facts.database_bytes * BACKUPS_TAKEN + GIB
        if found.free_bytes < needed:
            yield (
                f"{node.name} has {found.free_bytes / GIB:.1f} GiB free and its backups need {needed / GIB:.1f} GiB"
                f" ({BACKUPS_TAKEN} times its databases and 1 GiB)"
            )


def of_schemas(cloud: Cloud, facts: Facts, source: str, services: Services) -> Iterator[str]:
    """Databases that do not stand where the release of the control plane has them.

    Nothing is said of databases while their server is silent: that is a reason of its own.
    """
    servers = [facts.machines.get(node.name) for node in cloud.with_role("mariadb.server")]
    if not any(server and server.answers for server in servers):
        return
    for service in services.services:
        if service.name not in cloud.services:
            continue
        for database, heads in services.heads(service.name, source).items():
            found = facts.schemas.get(database)
            if found is None:
                yield f"the database {database} has no schema version: it is missing or empty"
            elif set(found) != set(heads):
                yield (
                    f"the database {database} is at {' '.join(found)} ({_place(database, found)}), and"
                    f" {service.name} of {source} ends at {' '.join(heads)}: finish its own db_sync first"
                )


def _place(database: str, versions: tuple[str, ...]) -> str:
    """Where a database stands, in words."""
    place = load_schemas().get(database).place(versions)
    if place.kind == "release":
        return f"as {' and '.join(place.releases)} {'has' if len(place.releases) == 1 else 'have'} it"
    if place.kind == "between":
        return "between " + " and ".join(place.releases)
    return "which no release in the catalogue knows"
