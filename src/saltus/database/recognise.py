"""Which release a cloud's databases are of; and refusals of those that cannot be taken anywhere."""

from __future__ import annotations

from collections.abc import Mapping

from saltus.catalog.releases import load_releases
from saltus.catalog.schemas import load_schemas
from saltus.catalog.services import Services, load_services
from saltus.errors import Refused

MARKS = {
    "keystone": {"project", "user", "assignment"},
    "glance": {"images", "image_properties"},
    "placement": {"resource_providers", "allocations", "alembic_version"},
    "nova_api": {"cell_mappings", "instance_mappings", "request_specs"},
    "nova_cell0": {"instances", "compute_nodes", "block_device_mapping"},
    "nova": {"instances", "compute_nodes", "block_device_mapping"},
    "neutron": {"ports", "networks", "subnets"},
    "cinder": {"volumes", "snapshots", "volume_types"},
    "heat": {"stack", "resource", "raw_template"},
}
"""{database: tables that it has in every release, and that tell it from the others}"""


class WrongDumps(Refused):
    """These databases cannot be rehearsed. Nothing was changed but the clone."""


def recognise(
    versions: Mapping[str, tuple[str, ...]], tables: Mapping[str, set[str]], *, said: str | None = None
) -> str:
    """The one release of which all these databases are. Raises WrongDumps with every reason.

    `said` is what `--from` names. Where several releases fit, as after a release without a migration, the oldest is
    taken: what it has still to do is done again at worst, and harmlessly.
    """
    reasons: list[str] = []
    fits: dict[str, set[str]] = {}
    for database in sorted(versions):
        if database not in MARKS:
            continue
        if reason := _is_another(database, tables[database]):
            reasons.append(reason)
            continue
        place = load_schemas().get(database).place(versions[database])
        spelt = " ".join(versions[database])
        if not versions[database]:
            reasons.append(f"{database} has no schema version: it is empty, or its dump lacks alembic_version")
        elif place.kind == "unknown":
            reasons.append(f"{database} is at {spelt}, which no release that the catalogue knows has")
        elif place.kind == "between":
            older, newer = place.releases[0], place.releases[-1]
            reasons.append(
                f"{database} is at {spelt}, between {older} and {newer}: a db_sync was begun and not finished, or it is"
                " of a point in between that was never released"
            )
        else:
            fits[database] = set(place.releases)
    if not fits and not reasons:
        reasons.append(f"none of the databases is of a service that the catalogue knows: {', '.join(sorted(versions))}")
    common = set.intersection(*fits.values()) if fits else set()
    if fits and not common:
        told = "; ".join(f"{d} is of {_span(releases)}" for d, releases in sorted(fits.items()))
        reasons.append(f"the databases are of different releases: {told}")
    if said and common and said not in common:
        reasons.append(f"--from says {said}, and the schemas are of {_span(common)}")
    if reasons:
        raise WrongDumps(
            what="these databases cannot be rehearsed",
            reasons=reasons,
            do="dump all databases of one cloud, at one time, with its services stopped or in one transaction",
        )
    return said or min(common, key=load_releases().index)


def missing_databases(present: set[str], release: str, services: Services | None = None) -> dict[str, list[str]]:
    """{service: databases of it that are not there}, for services of which some are."""
    found = {}
    for service in (services or load_services()).services:
        needed = service.databases_in(release)
        lacking = [d for d in needed if d not in present]
        if lacking and len(lacking) < len(needed):
            found[service.name] = lacking
    return found


def _is_another(database: str, tables: set[str]) -> str | None:
    """The dump of one service under the name of another."""
    if tables >= MARKS[database]:
        return None
    others = [name for name, marks in MARKS.items() if tables >= marks and name != database]
    if others:
        return (
            f"the database called {database} is {others[0]}'s: it has the tables {', '.join(sorted(MARKS[others[0]]))}"
        )
    lacking = ", ".join(sorted(MARKS[database] - tables))
    return f"the database called {database} is not {database}'s, or not whole: it lacks {lacking}"


def _span(releases: set[str]) -> str:
    ordered = sorted(releases, key=load_releases().index)
    return ordered[0] if len(ordered) == 1 else f"{ordered[0]} to {ordered[-1]}"
