"""The services whose databases go from release to release: their manage commands, in order, and their heads."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from importlib import resources
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict

from saltus.catalog.releases import load_releases
from saltus.catalog.schemas import Versions, load_schemas
from saltus.errors import OperatorError
from saltus.plan.databases import Command

CONFIG = "{config}"
"""Stands in an argv where `--config-file ...` goes: nothing on a node that finds its own, a file in a rehearsal."""


class UnknownService(OperatorError):
    """No service of that name is in the catalogue."""


class _Data(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Range(_Data):
    """Releases from `since` to `until`, both included; open where left out."""

    since: str | None = None
    until: str | None = None

    def holds(self, release: str) -> bool:
        order = load_releases()
        place = order.index(release)
        return (self.since is None or place >= order.index(self.since)) and (
            self.until is None or place <= order.index(self.until)
        )


class ManageCommand(_Data):
    """One manage command as the catalogue knows it."""

    argv: tuple[str, ...]
    says: str
    """What it does, in a line for the plan."""
    exit_codes: tuple[int, ...] = (0,)
    repeat_on: tuple[int, ...] = ()
    """Exit codes that mean `more to do`: run it again."""
    tolerates: tuple[str, ...] = ()
    """Data migrations that may fail where no services run; the faults say why nothing is lost."""
    brings: tuple[str, ...] = ()
    """The databases whose schema it takes to the release's heads."""
    partly: tuple[str, ...] = ()
    """The argv that goes to `{version}` only, where the command can."""


class CommandList(Range):
    """The commands of a range of target releases, in their order."""

    commands: tuple[ManageCommand, ...]
    source: str


class Blocker(_Data):
    """A migration that refuses, or later code that breaks, until a data migration has run with code that carries it."""

    id: str
    database: str
    at: str
    """The first release whose db_sync (or code) asks for it."""
    needs: str
    carried_by: Range
    """Releases whose own tools can run the data migration."""
    sync_to: dict[str, str] = {}
    """{database: version}: newer code may sync to here, run its data migrations, and go on. Empty: a stop is needed."""
    may_fail: tuple[str, ...] = ()
    """Other data migrations of that code that need its whole schema: at `sync_to` they fail, and run again later."""
    in_db_sync: bool = False
    """The db_sync of the releases that carry it does the data migration itself."""
    undone: str | None = None
    """SQL that counts the rows for which it has not run yet."""
    source: str


class Cure(_Data):
    """Statements that Saltus runs itself, before the commands of a hop from a release of `coming_from`."""

    coming_from: Range
    create: tuple[str, ...] = ()
    """Databases that are made where they do not exist."""
    sql: tuple[str, ...] = ()
    """Safe to repeat; the database stands in it as `{database name}`."""


class Fault(Range):
    """A known fault of a release's tools, and what is done about it."""

    id: str
    says: str
    cure: str
    apply: Cure | None = None
    source: str


class CrossingStep(_Data):
    """One step of a crossing: a manage command, or SQL of our own."""

    id: str
    says: str
    argv: tuple[str, ...] = ()
    exit_codes: tuple[int, ...] = (0,)
    repeat_on: tuple[int, ...] = ()
    create: tuple[str, ...] = ()
    ahead: tuple[str, ...] = ()
    """SQL that writes in one go the very rows that the command would write one by one; it then looks and finds them."""
    ahead_script: str = ""
    """The same in Python, run by the release's own interpreter with its own code: a file of `data/ahead/`."""
    expect: dict[str, str] = {}
    """{database: version afterwards}; `head` stands for the release's own."""


class Crossing(Range):
    """A hop for which the plain db_sync is not enough: these steps replace it, with the tools of the releases named."""

    id: str
    coming_from: Range
    says: str
    steps: tuple[CrossingStep, ...]
    source: str


class RowCheck(Range):
    """A question to the databases after a hop: the answer must be 0."""

    id: str
    says: str
    sql: str
    databases: tuple[str, ...] = ()
    """Other services' databases that it looks into: asked only where they are there too."""
    only_warns: bool = False
    """The databases are sound, and somebody will nevertheless notice: a warning in the report, not a failure."""
    source: str


class Inheritance(_Data):
    """Rows that another service kept in its own database until this one began: they are moved when it begins."""

    service: str
    database: str
    coming_from: Range
    """Releases whose clouds keep them there."""
    not_before: str
    """The first release in which the tables have the shape that is taken over: the other service goes there first."""
    tables: tuple[str, ...]
    stamp: tuple[str, ...]
    """The argv that tells the tools which schema was taken over."""
    version: str
    """That schema's version; data migrations run there, before db_sync takes it on."""
    undone: dict[str, str] = {}
    """{what must hold after them: SQL that counts the rows for which it does not}"""
    source: str


class Adoption(Range):
    """Code that stamps a sqlalchemy-migrate database as its own without looking, and the one version that is safe."""

    version: str
    source: str


class Proof(_Data):
    """A real run that showed an entry to be true."""

    source_release: str
    target_release: str
    how: str


class Service(_Data):
    """One service: its databases, its manage commands, and what is known to be in the way."""

    name: str
    package: str
    """Its name in the Python registry."""
    user: str
    databases: tuple[str, ...]
    repositories: dict[str, str]
    """{database: its repository id in sqlalchemy-migrate's table}."""
    new_databases: dict[str, str] = {}
    """{database: the first release that has it}."""
    depends_on: tuple[str, ...] = ()
    node_config: tuple[str, ...] = ()
    """Configuration files that the manage command must be told of on a node; empty when it finds its own."""
    since: str | None = None
    """The first release that has the service as its own."""
    inherits: Inheritance | None = None
    db_sync: tuple[CommandList, ...]
    data_migrations: tuple[CommandList, ...] = ()
    blockers: tuple[Blocker, ...] = ()
    faults: tuple[Fault, ...] = ()
    adopts: tuple[Adoption, ...] = ()
    crossings: tuple[Crossing, ...] = ()
    row_checks: tuple[RowCheck, ...] = ()
    lookups: dict[str, str] = {}
    """{word of an argv: SQL that finds its value when the command is run}"""
    turn_home: tuple[str, ...] = ()
    """SQL that makes a clone point at itself: `{url:nova}` is the address of a database of the clone."""
    proved: tuple[Proof, ...] = ()
    source: str

    def commands(self, release: str, kind: Literal["db_sync", "data_migrations"]) -> tuple[ManageCommand, ...]:
        """The commands of that kind that `release`'s tools are to run; empty when it has none."""
        lists: tuple[CommandList, ...] = self.db_sync if kind == "db_sync" else self.data_migrations
        for entry in lists:
            if entry.holds(release):
                return entry.commands
        return ()

    def exists_in(self, release: str) -> bool:
        order = load_releases()
        return self.since is None or order.index(release) >= order.index(self.since)

    def databases_in(self, release: str) -> tuple[str, ...]:
        """The databases that the service has in that release."""
        order = load_releases()
        return tuple(
            d
            for d in self.databases
            if d not in self.new_databases or order.index(release) >= order.index(self.new_databases[d])
        )


class Services(_Data):
    """All services, each after those it depends on."""

    services: tuple[Service, ...]

    def get(self, name: str) -> Service:
        for service in self.services:
            if service.name == name:
                return service
        raise UnknownService(
            what=f"no service is called {name!r}",
            because="the catalogue knows " + ", ".join(s.name for s in self.services),
            do="saltus catalog list",
        )

    def db_sync(
        self, service: str, source: str, target: str, *, config: Sequence[str] | None = None
    ) -> tuple[Command, ...]:
        """The commands that take the databases of `service` to `target`, in order, as they run on a node of `target`.

        `source` says what they come from; whether one step suffices is the route's business (`routes.py`).
        `config` replaces the configuration files that the node would use.
        """
        load_releases().get(source)
        return self._render(self.get(service), "db_sync", target, config)

    def data_migrations(
        self, service: str, release: str, *, config: Sequence[str] | None = None
    ) -> tuple[Command, ...]:
        """The online data migrations of `release`, run with its tools after its db_sync; empty when it has none."""
        return self._render(self.get(service), "data_migrations", release, config)

    def heads(self, service: str, release: str) -> dict[str, Versions]:
        """{database: versions at the end of that release's db_sync}; one that the catalogue cannot tell is absent."""
        schemas = load_schemas()
        found = {d: schemas.get(d).heads(release) for d in self.get(service).databases_in(release)}
        return {database: heads for database, heads in found.items() if heads is not None}

    def of_database(self, database: str) -> Service | None:
        """The service that a database belongs to."""
        return next((s for s in self.services if database in s.databases), None)

    @staticmethod
    def _render(
        service: Service, kind: Literal["db_sync", "data_migrations"], release: str, config: Sequence[str] | None
    ) -> tuple[Command, ...]:
        files = service.node_config if config is None else config
        return tuple(
            Command(argv=fill(c.argv, files), user=service.user, exit_codes=c.exit_codes)
            for c in service.commands(release, kind)
        )


def fill(argv: Iterable[str], config: Sequence[str]) -> tuple[str, ...]:
    """`argv` with the configuration files at their place."""
    words: list[str] = []
    for word in argv:
        words += [w for path in config for w in ("--config-file", path)] if word == CONFIG else [word]
    return tuple(words)


@functools.cache
def load_services() -> Services:
    """The services that come with Saltus, in an order in which each stands after those it depends on."""
    folder = resources.files("saltus.catalog").joinpath("data/services")
    found = {
        entry.name.removesuffix(".yaml"): Service.model_validate(yaml.safe_load(entry.read_text(encoding="utf-8")))
        for entry in folder.iterdir()
        if entry.name.endswith(".yaml")
    }
    ordered: list[Service] = []

    def add(name: str) -> None:
        for before in found[name].depends_on:
            add(before)
        if found[name] not in ordered:
            ordered.append(found[name])

    for name in sorted(found):
        add(name)
    return Services(services=tuple(ordered))
