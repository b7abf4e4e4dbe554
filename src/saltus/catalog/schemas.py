"""Schema versions: what each release's databases end at, which release a database is of, and which code can take it on.

A version is spelt as the database tells it: alembic's revision ids; for sqlalchemy-migrate its number, or
`repository=number` where one database holds several repositories (keystone from Newton to Xena).
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from importlib import resources
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict

from saltus.catalog.releases import load_releases

Versions = tuple[str, ...]

ALIASES = {"nova_cell0": "nova"}
"""Databases that have the schema of another: every cell has nova's."""


def spell_versions(alembic: Iterable[str], migrate: Mapping[str, int]) -> Versions:
    """The versions of one database, from its rows in `alembic_version` and `migrate_version` ({repository: number}).

    alembic wins: services that moved to it leave their old `migrate_version` behind, stale for ever.
    """
    revisions = tuple(sorted(alembic))
    if revisions:
        return revisions
    if len(migrate) == 1:
        return tuple(str(number) for number in migrate.values())
    return tuple(sorted(f"{repository}={number}" for repository, number in migrate.items()))


def read_numbers(versions: Versions, repository: str) -> dict[str, int]:
    """The spelling undone: {repository: number}, empty when these are alembic's revisions."""
    if len(versions) == 1 and versions[0].isdigit() and len(versions[0]) < 5:
        return {repository: int(versions[0])}
    pairs = [v.partition("=") for v in versions]
    return {name: int(number) for name, equals, number in pairs if equals}


class _Data(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ReleaseSchema(_Data):
    """Where one release's own tools leave a database."""

    package: str
    heads: Versions
    engine: Literal["alembic", "sqlalchemy-migrate"]
    migrate: dict[str, tuple[int, int]] = {}
    """{repository: first and last numbered script}: the code refuses a database below `first - 1`."""


class Revision(_Data):
    """One alembic revision, and the releases whose packages carry it."""

    follows: tuple[str, ...]
    first: str
    last: str
    milestones: tuple[str, ...] = ()


class Place(_Data):
    """Where a database stands among the releases."""

    kind: Literal["release", "between", "unknown"]
    releases: tuple[str, ...] = ()
    """All releases that have just this schema; for `between`, the ones before and after."""


class DatabaseSchema(_Data):
    """What is known of one database over all releases."""

    releases: dict[str, ReleaseSchema]
    revisions: dict[str, Revision] = {}
    renamed: dict[str, str] = {}
    """{revision: its name in later packages}, where the later code itself renames it in the database."""

    def heads(self, release: str) -> Versions | None:
        """The versions at the end of that release's db_sync; None where the catalogue does not know."""
        known = self.releases.get(release)
        return known.heads if known else None

    def carries(self, release: str, revision: str) -> bool:
        """Does that release's package hold the script?"""
        order = load_releases()
        names = (revision, self.renamed.get(revision, revision))
        scripts = [self.revisions[name] for name in names if name in self.revisions]
        return release in self.releases and any(
            order.index(s.first) <= order.index(release) <= order.index(s.last) for s in scripts
        )

    def accepts(self, release: str, versions: Versions, repository: str) -> bool:
        """Can the db_sync of `release` take a database at `versions` on, by its chain of scripts alone?"""
        if release not in self.releases:
            return False
        numbers = read_numbers(versions, repository)
        if not numbers:
            return bool(versions) and all(self.carries(release, v) for v in versions)
        chains = self.releases[release].migrate
        return bool(chains) and all(first - 1 <= numbers.get(name, 0) <= last for name, (first, last) in chains.items())

    def place(self, versions: Versions) -> Place:
        """Which release a database at `versions` is of."""
        exact = tuple(name for name, schema in self.releases.items() if set(schema.heads) == set(versions))
        if exact:
            return Place(kind="release", releases=exact)
        around = self._around_numbers(versions) or self._around_revisions(versions)
        return Place(kind="between", releases=around) if around else Place(kind="unknown")

    def _around_numbers(self, versions: Versions) -> tuple[str, ...]:
        numbers = read_numbers(versions, "")
        if not numbers:
            return ()
        older, newer = [], []
        for name, schema in self.releases.items():
            heads = read_numbers(schema.heads, "")
            if set(heads) == set(numbers):
                if all(heads[r] <= numbers[r] for r in heads):
                    older.append(name)
                elif all(heads[r] >= numbers[r] for r in heads):
                    newer.append(name)
        return (older[-1], newer[0]) if older and newer else ()

    def _around_revisions(self, versions: Versions) -> tuple[str, ...]:
        """A revision in the middle: after the last release that lacks it, before the first that has it."""
        scripts = [self.revisions[v] for v in versions if v in self.revisions]
        if not versions or len(scripts) != len(versions):
            return ()
        order = [r.name for r in load_releases().releases]
        newest = max((s.first for s in scripts), key=order.index)
        before = [r for r in order[: order.index(newest)] if r in self.releases]
        return (*before[-1:], newest)


class Schemas(_Data):
    """Every database of the catalogue."""

    format: Literal[1]
    databases: dict[str, DatabaseSchema]

    def get(self, database: str) -> DatabaseSchema:
        return self.databases[ALIASES.get(database, database)]


@functools.cache
def load_schemas() -> Schemas:
    """The mined chains, with what the registry's packages cannot tell (`schemas-older.yaml`) over them."""
    data = resources.files("saltus.catalog").joinpath("data")
    mined = yaml.safe_load(data.joinpath("schemas.yaml").read_text(encoding="utf-8"))
    older = yaml.safe_load(data.joinpath("schemas-older.yaml").read_text(encoding="utf-8"))
    for database, names in older["renamed"].items():
        mined["databases"][database]["renamed"] = names
    for database, releases in older["databases"].items():
        known = mined["databases"][database]
        merged = {**known["releases"], **releases}
        known["releases"] = {r.name: merged[r.name] for r in load_releases().releases if r.name in merged}
    return Schemas.model_validate(mined)
