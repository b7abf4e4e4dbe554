"""`saltus catalog ...`: what is known of releases and services, and the routes between them."""

from __future__ import annotations

from saltus.catalog.notes import written_between
from saltus.catalog.releases import Release, load_releases
from saltus.catalog.routes import Route, find_route
from saltus.catalog.schemas import load_schemas
from saltus.catalog.services import Service, Services, load_services
from saltus.errors import OperatorError
from saltus.toolbox.recipes import load_recipes

Table = tuple[tuple[str, ...], list[tuple[str, ...]]]


def can_have(service: str, release: str) -> bool:
    """Does the registry have that service's tools of that release?"""
    return service in load_recipes().available(release)


def route(service: str, source: str, target: str, *, with_sources: bool = False) -> Route:
    """The route by tools that the registry has; `with_sources` assumes that every package can be supplied."""
    return find_route(service, source, target, available=None if with_sources else can_have)


def route_table(found: Route) -> Table:
    rows: list[tuple[str, ...]] = []
    for stop in found.stops:
        first = ", ".join(f"{database} to {version}" for database, version in stop.sync_to)
        rows.append((stop.release, f"first {first}, then its data migrations" if first else "", stop.why))
    return ("stop", "in two parts", "why"), rows


def list_releases() -> Table:
    """Every release, and which services' tools of it the registry has."""
    rows: list[tuple[str, ...]] = [
        (
            r.name,
            r.series,
            r.date.isoformat(),
            "yes" if r.slurp else "",
            r.suite or "",
            ", ".join(load_recipes().available(r.name)) or "none",
        )
        for r in load_releases().releases
    ]
    return ("release", "series", "date", "slurp", "debian", "tools in the registry"), rows


def show_release(name: str) -> Table:
    """One release: each service's version, schema heads and the oldest release whose database it takes on."""
    release, services = load_releases().get(name), load_services()
    rows: list[tuple[str, ...]] = []
    for service in services.services:
        if not service.exists_in(release.name):
            continue
        heads = services.heads(service.name, release.name)
        rows.append(
            (
                service.name,
                release.versions.get(service.name, ""),
                load_recipes().packages.get(release.name, {}).get(service.name, ""),
                "; ".join(f"{d} {' '.join(versions)}" for d, versions in heads.items()) or "unknown",
                floor(service.name, release.name, services) or "unknown",
                "; ".join(_asked_for(service, release)),
            )
        )
    return ("service", "first", "in the registry", "schema heads", "takes on from", "asks for"), rows


def _asked_for(service: Service, release: Release) -> list[str]:
    """Data migrations that must have run before, and, of nova, what is around it."""
    found = [blocker.needs for blocker in service.blockers if blocker.at == release.name]
    return found + [f"{what} {least}" for what, least in _surroundings(release).items()] * (service.name == "nova")


def _surroundings(release: Release) -> dict[str, str]:
    """{what: the least that nova of that release works with}"""
    needs = release.compute
    told = {
        "computes of": needs.oldest_supported and f"{needs.oldest_supported} or later",
        "libvirt": needs.libvirt,
        "QEMU": needs.qemu,
        "Python": " or ".join(release.python),
    }
    return {what: least for what, least in told.items() if least}


def floor(service: str, release: str, services: Services) -> str | None:
    """The oldest release whose databases the code of `release` takes on by its chains of scripts."""
    entry, schemas = services.get(service), load_schemas()
    for older in load_releases().releases:
        if older.name == release:
            return release if services.heads(service, release) else None
        heads = services.heads(service, older.name)
        adopted = [a.version for a in entry.adopts if a.holds(release)]
        if heads and all(
            schemas.get(d).accepts(release, versions, entry.repositories[d]) or versions == tuple(adopted)
            for d, versions in heads.items()
        ):
            return older.name
    return None


def diff_releases(older: str, newer: str) -> Table:
    """What changes between two releases for whoever takes the databases along."""
    order, services = load_releases(), load_services()
    older, newer = order.get(older).name, order.get(newer).name
    if not order.is_newer(newer, older):
        raise OperatorError(
            what=f"nothing changes from {older} to {newer}",
            because=f"{newer} is not newer than {older}",
            do=f"saltus catalog diff {newer} {older}" if newer != older else "name two releases: saltus catalog list",
        )
    rows: list[tuple[str, ...]] = []
    for service in services.services:
        if not service.exists_in(newer):
            continue
        if not service.exists_in(older):
            rows.append((service.name, "new service", f"since {service.since}"))
        for database in service.databases_in(newer):
            if service.exists_in(older) and database not in service.databases_in(older):
                rows.append((service.name, "new database", database))
        before, after = services.heads(service.name, older), services.heads(service.name, newer)
        for database in after:
            if database in before and before[database] != after[database]:
                rows.append(
                    (
                        service.name,
                        f"schema of {database}",
                        f"{' '.join(before[database])} -> {' '.join(after[database])}",
                    )
                )
        if service.name == "nova":
            was, asks = _surroundings(order.get(older)), _surroundings(order.get(newer))
            rows += [
                (service.name, f"asks for {what}", f"{was.get(what, 'any')} -> {least}")
                for what, least in asks.items()
                if was.get(what) != least
            ]
        for blocker in service.blockers:
            if order.index(older) < order.index(blocker.at) <= order.index(newer):
                rows.append((service.name, f"asked for by {blocker.at}", blocker.needs))
        for fault in service.faults:
            begins = fault.since is not None and order.index(older) < order.index(fault.since) <= order.index(newer)
            if begins:
                rows.append((service.name, "known fault", f"{fault.says}; cure: {fault.cure}"))
        for note in written_between(older, newer):
            if note.service == service.name:
                rows.append(
                    (service.name, f"since {note.release}", f"{note.says}{f' ({note.done})' * bool(note.done)}")
                )
    return ("service", "what", "change"), rows
