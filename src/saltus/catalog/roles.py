"""What a role is: packages, units, files, databases, endpoints. The one place where this stands.

The image builder takes the packages, the pillar (and so the formulas) everything, the planner the units.
One YAML file a role beside this module; `since` and `until` bound an entry by release, `suites` by Debian suite.
"""

from __future__ import annotations

import difflib
import functools
from importlib import resources
from typing import Annotated, Any, TypeVar

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from saltus.catalog.releases import load_releases
from saltus.errors import OperatorError


class UnknownRole(OperatorError):
    """The name is no role of the catalogue."""


class _Data(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Bounded(_Data):
    """An entry that holds for some releases (`since` and `until` are included) and some suites (all when empty)."""

    since: str | None = None
    until: str | None = None
    suites: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _releases_exist(self) -> Bounded:
        for name in (self.since, self.until):
            if name is not None:
                load_releases().get(name)
        return self

    def holds(self, release: str, suite: str) -> bool:
        releases = load_releases()
        if self.since is not None and releases.is_newer(self.since, release):
            return False
        if self.until is not None and releases.is_newer(release, self.until):
            return False
        return not self.suites or suite in self.suites


class Name(Bounded):
    """A package or a unit."""

    name: str


def _named(entry: object) -> object:
    return {"name": entry} if isinstance(entry, str) else entry


BoundedName = Annotated[Name, BeforeValidator(_named)]


class File(_Data):
    """A file made from a template of `formulas/templates/`; `values` are handed to the template."""

    path: str
    template: str
    owner: str = "root"
    group: str = "root"
    mode: Annotated[str, Field(pattern=r"^0[0-7]{3}$")] = "0644"
    values: dict[str, str | int | bool] = {}


class BoundedFile(File, Bounded):
    """A file of some releases."""


class Directory(_Data):
    """A directory that must be there: itself, never what is in it."""

    path: str
    owner: str = "root"
    group: str = "root"
    mode: Annotated[str, Field(pattern=r"^0[0-7]{3}$")] = "0755"


class Database(_Data):
    """A database and the user that owns it; the user's password is the secret `database.<user>`."""

    name: str
    user: str


class Endpoint(_Data):
    """An entry of keystone's catalogue. `{vip}` in `url` stands for where everybody reaches the APIs."""

    name: str
    type: str
    url: str


class Api(_Data):
    """An HTTP API: where it listens, what to ask, and the answer codes that mean that it is alive."""

    name: str
    port: int
    path: str
    alive: tuple[int, ...]
    watched: bool = True
    """Whether it is one of the APIs that users call; the metadata API is not."""
    internal_port: int | None = None
    """Where it listens on the loopback of the proxy's own machine, which stands before it."""


class Command(_Data):
    """One command as it is run."""

    argv: tuple[str, ...]
    user: str
    secrets: dict[str, str] = {}
    """{environment variable: path of a secret}: passwords never stand in argv."""


class RoleSlice(_Data):
    """What one role needs on one release and suite: what the pillar carries under `saltus:roles`."""

    service: str
    packages: tuple[str, ...]
    version_packages: tuple[str, ...]
    """The packages whose version is the component's."""
    units: tuple[str, ...]
    """To be enabled and running, in this order."""
    unwanted_units: tuple[str, ...]
    """What the packages bring, too, and must neither be enabled nor run; masked."""
    directories: tuple[Directory, ...]
    files: tuple[File, ...]
    databases: tuple[Database, ...]
    endpoints: tuple[Endpoint, ...]
    apis: tuple[Api, ...]
    user: str | None
    """The service's user in keystone, with the role admin in the project `service`."""
    first_schema: tuple[Command, ...]
    """What creates the schema in empty databases, in order. Never run on a database that has tables."""
    secrets: tuple[str, ...]
    configured_parts: tuple[str, ...]
    starting_parts: tuple[str, ...]
    running_parts: tuple[str, ...]


class Role(_Data):
    """What a role is on every release."""

    format: int
    role: str
    service: str
    order: int
    """Place in the order in which roles are configured and started."""
    packages: tuple[BoundedName, ...]
    version_packages: tuple[BoundedName, ...] = ()
    units: tuple[BoundedName, ...] = ()
    unwanted_units: tuple[str, ...] = ()
    directories: tuple[Directory, ...] = ()
    files: tuple[BoundedFile, ...] = ()
    databases: tuple[Database, ...] = ()
    endpoints: tuple[Endpoint, ...] = ()
    apis: tuple[Api, ...] = ()
    user: str | None = None
    first_schema: tuple[Command, ...] = ()
    secrets: tuple[str, ...] = ()
    """Paths in the secret store, as `service.nova`."""
    keeps_databases: bool = False
    """Keeps the databases of every role."""
    starts_early: bool = False
    """Its API may be started in the idle slot while the old one serves and its databases are still the old release's:
    it reads no table until it is asked, and has no loop of its own that writes."""
    fronts_apis: bool = False
    """Passes requests on to the APIs of every role."""
    configured_parts: tuple[str, ...] = ()
    """Further states, `formulas/saltus/parts/<part>.jinja`, that need no unit running: in the idle slot, too."""
    starting_parts: tuple[str, ...] = ()
    """Further states of the role that its units need before they start."""
    running_parts: tuple[str, ...] = ()
    """Further states of the role that need its units running."""


Entry = TypeVar("Entry", bound=Bounded)


class Roles(_Data):
    """All roles, in the order in which they are started."""

    roles: tuple[Role, ...]

    def get(self, name: str) -> Role:
        """Raises UnknownRole with the nearest names."""
        for role in self.roles:
            if role.role == name:
                return role
        known = [role.role for role in self.roles]
        near = difflib.get_close_matches(name, known, n=2)
        raise UnknownRole(
            what=f"no role is called {name!r}",
            because="the catalogue knows " + ", ".join(known),
            do=f"did you mean {' or '.join(near)}?" if near else "correct the class in the model",
        )

    def in_order(self, names: tuple[str, ...]) -> tuple[str, ...]:
        """Those roles in the order in which they are started; stopping goes the other way."""
        return tuple(sorted(names, key=lambda name: (self.get(name).order, name)))

    def resolve(self, name: str, release: str, suite: str) -> RoleSlice:
        """The role on that release and suite. Raises UnknownRole or UnknownRelease."""
        role = self.get(name)
        release = load_releases().get(release).name

        def names(entries: tuple[Name, ...]) -> tuple[str, ...]:
            return tuple(entry.name for entry in entries if entry.holds(release, suite))

        databases = tuple(d for r in self.roles for d in r.databases) if role.keeps_databases else role.databases
        apis = tuple(a for r in self.roles for a in r.apis) if role.fronts_apis else role.apis
        of_databases = tuple(dict.fromkeys(f"database.{database.user}" for database in databases))
        of_user = (f"service.{role.user}",) if role.user else ()
        return RoleSlice(
            service=role.service,
            packages=names(role.packages),
            version_packages=names(role.version_packages),
            units=names(role.units),
            unwanted_units=role.unwanted_units,
            directories=role.directories,
            files=tuple(
                File.model_validate(file.model_dump(exclude={"since", "until", "suites"}))
                for file in role.files
                if file.holds(release, suite)
            ),
            databases=databases,
            endpoints=role.endpoints,
            apis=apis,
            user=role.user,
            first_schema=role.first_schema,
            secrets=tuple(dict.fromkeys((*of_databases, *of_user, *role.secrets))),
            configured_parts=role.configured_parts,
            starting_parts=role.starting_parts,
            running_parts=role.running_parts,
        )

    def packages(self, names: tuple[str, ...], release: str, suite: str) -> tuple[str, ...]:
        """The packages of an image for those roles, each once."""
        ordered = self.in_order(names)
        return tuple(dict.fromkeys(p for name in ordered for p in self.resolve(name, release, suite).packages))

    def secrets(self, names: tuple[str, ...], release: str, suite: str) -> tuple[str, ...]:
        """The paths of every secret that those roles need, each once."""
        ordered = self.in_order(names)
        return tuple(dict.fromkeys(s for name in ordered for s in self.resolve(name, release, suite).secrets))


@functools.cache
def load_roles() -> Roles:
    """The roles that come with Saltus."""
    folder = resources.files("saltus.catalog").joinpath("data/roles")
    found: list[dict[str, Any]] = [
        yaml.safe_load(file.read_text(encoding="utf-8")) for file in folder.iterdir() if file.name.endswith(".yaml")
    ]
    roles = [Role.model_validate(data) for data in found]
    return Roles(roles=tuple(sorted(roles, key=lambda role: (role.order, role.role))))
