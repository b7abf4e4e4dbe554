"""Routes: for a service, the fewest stops between two releases such that every floor and every blocker is respected."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from saltus.catalog.releases import load_releases
from saltus.catalog.schemas import ALIASES, load_schemas, read_numbers
from saltus.catalog.services import Blocker, Service, Services, load_services
from saltus.errors import Refused

Available = Callable[[str, str], bool]
"""Can the tools of (service, release) be had? Everything can, unless somebody knows better."""


class NoRoute(Refused):
    """The databases of a service cannot be taken from one release to the other, for all the reasons given."""

    def __init__(self, *, what: str, reasons: list[str], do: str | None = None, nearest: str | None = None) -> None:
        self.nearest = nearest
        """The release nearest to the target that it can reach instead."""
        super().__init__(what=what, reasons=reasons, do=do or _instead(nearest))


@dataclass(frozen=True)
class Stop:
    """A release whose tools run; the last stop of a route is its target."""

    release: str
    why: str
    sync_to: tuple[tuple[str, str], ...] = ()
    """((database, version), ...): first to here, then this release's data migrations, then to its heads."""
    creates: bool = False
    """The service begins here: its databases are made, with the rows that it inherits, else empty."""


@dataclass(frozen=True)
class Route:
    service: str
    source: str
    stops: tuple[Stop, ...]
    conditions: tuple[str, ...] = ()
    """Ids of blockers whose data migration the source cloud must have run itself; its rows tell where they can."""

    @property
    def releases(self) -> tuple[str, ...]:
        return tuple(stop.release for stop in self.stops)


def find_route(
    service: str,
    source: str,
    target: str,
    *,
    prefer: Collection[str] = (),
    available: Available | None = None,
    services: Services | None = None,
    begins: bool = False,
) -> Route:
    """The fewest stops; among equals those at releases of `prefer`, then the newest. Raises NoRoute with reasons.

    `begins`: the cloud has no databases of the service, although its release knows it.
    """
    entry = (services or load_services()).get(service)
    source, target = load_releases().get(source).name, load_releases().get(target).name
    can_have = available or (lambda service, release: True)
    _refuse_backwards(service, source, target)
    _refuse_impossible(entry, source, target, can_have, begins)
    if begins or not entry.exists_in(source):
        heritage = entry.inherits and f"with the rows that {entry.inherits.service} kept in {entry.inherits.database}"
        why = f"{service} begins in {entry.since}: its databases are made by {target}, {heritage or 'empty'}"
        return Route(service, source, (Stop(target, why, creates=True),))
    search = _Search(entry, source, target, frozenset(prefer), can_have)
    found = search.best(source, search.satisfied_by_source())
    if found is None:
        raise NoRoute(
            what=f"{service} cannot go from {source} to {target}",
            reasons=search.reasons(),
            nearest=_nearest(entry, source, target, can_have, begins),
        )
    stops = tuple(
        Stop(release, search.why(previous, release, following), search.partial(previous, release, done))
        for previous, release, following, done in search.told(found)
    )
    return Route(service, source, stops, tuple(sorted(search.satisfied_by_source() & search.passed(target))))


def find_routes(
    source: str,
    target: str,
    *,
    names: Collection[str] | None = None,
    available: Available | None = None,
    begins: Collection[str] = (),
) -> dict[str, Route]:
    """{service: route}, all in the order of the catalogue, sharing stops where they can: a toolbox serves them all.

    `begins`: services of which the cloud has no databases yet. Raises NoRoute once, with the reasons of every service
    that has none.
    """
    _refuse_backwards("the databases", load_releases().get(source).name, load_releases().get(target).name)
    order = [s.name for s in load_services().services if names is None or s.name in names]
    order = [name for name in order if load_services().get(name).exists_in(target)]
    routes: dict[str, Route] = {}
    reasons: list[str] = []
    nearest: dict[str, str | None] = {}
    # The most constrained first: the others then stop where it must.
    first: dict[str, Route] = {}
    for name in order:
        try:
            first[name] = find_route(name, source, target, available=available, begins=name in begins)
        except NoRoute as exc:
            reasons += [f"{name}: {reason}" for reason in exc.reasons]
            nearest[name] = exc.nearest
    if reasons:
        instead = ", ".join(f"{name} {release or 'nothing'}" for name, release in nearest.items())
        raise NoRoute(
            what=f"no route from {source} to {target}",
            reasons=reasons,
            do=f"the nearest that can be reached: {instead}; or leave them out with --service; or give the missing"
            " packages: --source SERVICE=PATH",
        )
    used: set[str] = {target}
    for name in sorted(first, key=lambda n: -len(first[n].stops)):
        routes[name] = find_route(name, source, target, prefer=used, available=available, begins=name in begins)
        used |= set(routes[name].releases)
    return {name: routes[name] for name in order}


def _instead(nearest: str | None) -> str:
    reach = f"the nearest release that it can reach: {nearest}" if nearest else "saltus catalog list"
    return f"{reach}; or give the missing package: --source SERVICE=PATH"


def _nearest(service: Service, source: str, target: str, can_have: Available, begins: bool) -> str | None:
    """The release nearest to `target`, older or newer, that it can reach; of two the older."""
    order = load_releases()
    place = order.index(target)
    later = [r.name for r in order.releases[order.index(source) + 1 :] if r.name != target]
    for release in sorted(later, key=lambda name: (abs(order.index(name) - place), order.index(name))):
        if _impossible(service, source, release, can_have):
            continue
        if begins or not service.exists_in(source):
            return release
        search = _Search(service, source, release, frozenset(), can_have)
        if search.best(source, search.satisfied_by_source()) is not None:
            return release
    return None


def _refuse_backwards(what: str, source: str, target: str) -> None:
    order = load_releases()
    if order.index(target) > order.index(source):
        return
    newer = [r.name for r in order.releases[order.index(source) + 1 :]]
    raise NoRoute(
        what=f"{what} cannot go from {source} to {target}",
        reasons=[f"{target} is not newer than {source}: no database goes back"],
        do=f"name a newer one: {', '.join(newer)}" if newer else "there is none newer that the catalogue knows",
    )


def _refuse_impossible(service: Service, source: str, target: str, can_have: Available, begins: bool) -> None:
    if reasons := _impossible(service, source, target, can_have):
        raise NoRoute(
            what=f"{service.name} cannot go from {source} to {target}",
            reasons=reasons,
            nearest=_nearest(service, source, target, can_have, begins),
        )


def _impossible(service: Service, source: str, target: str, can_have: Available) -> list[str]:
    """Why no route can end there, whatever its stops."""
    reasons = []
    if not service.exists_in(target):
        reasons.append(f"{service.name} does not exist before {service.since}")
    elif any(load_schemas().get(d).heads(target) is None for d in service.databases_in(target)):
        reasons.append(f"the catalogue does not know the schema of {service.name} in {target}")
    elif not can_have(service.name, target):
        reasons.append(f"the tools of {service.name} {target} cannot be had")
    return reasons


class _Search:
    """Shortest path over (release, blockers whose data migration has run)."""

    def __init__(self, service: Service, source: str, target: str, prefer: frozenset[str], can_have: Available) -> None:
        self._service, self._source, self._target, self._prefer = service, source, target, prefer
        self._order = load_releases()
        names = [r.name for r in self._order.releases]
        between = names[self._order.index(source) + 1 : self._order.index(target) + 1]
        self._stops = [r for r in between if service.exists_in(r) and can_have(service.name, r)]
        self._known: dict[tuple[str, frozenset[str]], tuple[str, ...] | None] = {}

    # -- what holds

    def satisfied_by_source(self) -> frozenset[str]:
        """Blockers that the source cloud has met in its own time: its release carries their data migration, or did."""
        return frozenset(
            b.id
            for b in self._service.blockers
            if b.carried_by.since is None or self._order.index(self._source) >= self._order.index(b.carried_by.since)
        )

    def passed(self, target: str) -> frozenset[str]:
        """Blockers that lie between the source and `target`."""
        return frozenset(b.id for b in self._service.blockers if self._lies_between(b, self._source, target))

    def _lies_between(self, blocker: Blocker, a: str, b: str) -> bool:
        return self._order.index(a) < self._order.index(blocker.at) <= self._order.index(b)

    def obstacles(self, a: str, b: str, done: frozenset[str]) -> list[str]:
        """Why the tools of `b` cannot take a database of `a` on; empty when they can."""
        schemas, found = load_schemas(), []
        for database in self._service.databases_in(a):
            if database in ALIASES:  # has the schema of another one, which is asked
                continue
            heads = schemas.get(database).heads(a)
            if heads is None:
                found.append(f"the catalogue does not know the schema of {database} in {a}")
            elif not self._takes_on(database, b, heads):
                found.append(f"{b} takes on no {database} of {a} ({' '.join(heads)}): {self._floor(database, b)}")
        for blocker in self._service.blockers:
            if self._lies_between(blocker, a, b) and blocker.id not in done and not self._met_on_the_way(blocker, b):
                since, until = blocker.carried_by.since, blocker.carried_by.until
                carriers = since if since == until else f"{since} to {until or 'now'}"
                found.append(f"{blocker.at} asks for {blocker.needs}: only the code of {carriers} can do that")
        return found

    def _takes_on(self, database: str, release: str, heads: tuple[str, ...]) -> bool:
        repository = self._service.repositories[database]
        for adoption in self._service.adopts:
            if adoption.holds(release) and read_numbers(heads, repository):
                return heads == (adoption.version,)
        return load_schemas().get(database).accepts(release, heads, repository)

    def _floor(self, database: str, release: str) -> str:
        schema = load_schemas().get(database)
        oldest = next((r for r, s in schema.releases.items() if self._takes_on(database, release, s.heads)), None)
        return f"its chain of scripts begins at {oldest}" if oldest else "it knows no older schema"

    @staticmethod
    def _met_on_the_way(blocker: Blocker, release: str) -> bool:
        """The code of `release` carries the data migration, and runs it before the schema asks for it."""
        return (blocker.in_db_sync or bool(blocker.sync_to)) and blocker.carried_by.holds(release)

    def after(self, release: str, done: frozenset[str]) -> frozenset[str]:
        """What has been met once the data migrations of `release` have run."""
        return done | {b.id for b in self._service.blockers if b.carried_by.holds(release)}

    # -- the search

    def best(self, at: str, done: frozenset[str]) -> tuple[str, ...] | None:
        """The best stops from a database of `at` to the target; None when there are none."""
        if at == self._target:
            return ()
        key = (at, done)
        if key not in self._known:
            place = self._order.index(at)
            ways = []
            for stop in self._stops:
                if self._order.index(stop) > place and not self.obstacles(at, stop, done):
                    rest = self.best(stop, self.after(stop, done))
                    if rest is not None:
                        ways.append((stop, *rest))
            self._known[key] = min(ways, key=self._cost) if ways else None
        return self._known[key]

    def _cost(self, way: tuple[str, ...]) -> tuple[int, int, tuple[int, ...]]:
        strangers = sum(stop not in self._prefer for stop in way)
        return len(way), strangers, tuple(-self._order.index(stop) for stop in way)

    def told(self, way: tuple[str, ...]) -> list[tuple[str, str, str | None, frozenset[str]]]:
        """[(from, stop, the next one, what has been met before it)]"""
        steps, done, previous = [], self.satisfied_by_source(), self._source
        for index, stop in enumerate(way):
            steps.append((previous, stop, way[index + 1] if index + 1 < len(way) else None, done))
            done, previous = self.after(stop, done), stop
        return steps

    def why(self, previous: str, stop: str, following: str | None) -> str:
        """What stands in the way of passing this stop by."""
        if following is None:
            return "the target"
        way = self.best(self._source, self.satisfied_by_source()) or ()
        met = {release: done for _, release, _, done in self.told(way)}[stop]
        return "; ".join(self.obstacles(previous, following, met)) or f"{following} needs what {stop} does"

    def partial(self, previous: str, stop: str, done: frozenset[str]) -> tuple[tuple[str, str], ...]:
        """Where this stop's schema is to wait for its data migrations."""
        waits: dict[str, str] = {}
        for blocker in self._service.blockers:
            if self._lies_between(blocker, previous, stop) and blocker.id not in done:
                waits |= blocker.sync_to
        return tuple(sorted(waits.items()))

    def reasons(self) -> list[str]:
        """What stands in the way of the direct hop, and of every last hop that could be tried."""
        found = self.obstacles(self._source, self._target, self.satisfied_by_source())
        missing = [r.name for r in self._order.releases if self._is_between(r.name) and r.name not in self._stops]
        if missing:
            found.append(f"tools that cannot be had: {self._service.name} of {', '.join(missing)}")
        return found

    def _is_between(self, release: str) -> bool:
        return self._order.index(self._source) < self._order.index(release) <= self._order.index(self._target)


def needed_releases(routes: Mapping[str, Route]) -> dict[str, tuple[str, ...]]:
    """{release: the services that stop there}, oldest first: the toolboxes to have."""
    order = load_releases()
    found: dict[str, list[str]] = {}
    for route in routes.values():
        for stop in route.stops:
            found.setdefault(stop.release, []).append(route.service)
    return {release: tuple(found[release]) for release in sorted(found, key=order.index)}
