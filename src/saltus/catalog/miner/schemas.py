"""Schema chains, read from the wheels of the services: which revisions a release carries, and where they end.

    python -m saltus.catalog.miner.schemas WHEELS > src/saltus/catalog/data/schemas.yaml

WHEELS holds one directory a release (`WHEELS/zed/nova-26.3.0-py3-none-any.whl`). Nothing is imported or run: alembic
scripts are parsed, sqlalchemy-migrate scripts are numbered files.
"""

from __future__ import annotations

import ast
import re
import sys
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from saltus.catalog.releases import load_releases

# {database: the folders inside the wheel that hold its scripts}, over all releases that have wheels.
ALEMBIC: dict[str, tuple[str, ...]] = {
    "keystone": ("keystone/common/sql/migrations/versions/",),
    "glance": ("glance/db/sqlalchemy/alembic_migrations/versions/",),
    "placement": ("placement/db/sqlalchemy/alembic/versions/",),
    "nova_api": ("nova/db/api/migrations/versions/",),
    "nova": ("nova/db/main/migrations/versions/",),
    "neutron": ("neutron/db/migration/alembic_migrations/versions/",),
    "cinder": ("cinder/db/migrations/versions/",),
    "heat": ("heat/db/migrations/versions/", "heat/db/sqlalchemy/migrations/versions/"),
}
# {database: {repository id in migrate_version: folders}}
MIGRATE: dict[str, dict[str, tuple[str, ...]]] = {
    "keystone": {
        "keystone": ("keystone/common/sql/migrate_repo/versions/",),
        "keystone_expand": (
            "keystone/common/sql/expand_repo/versions/",
            "keystone/common/sql/legacy_migrations/expand_repo/versions/",
        ),
        "keystone_data_migrate": (
            "keystone/common/sql/data_migration_repo/versions/",
            "keystone/common/sql/legacy_migrations/data_migration_repo/versions/",
        ),
        "keystone_contract": (
            "keystone/common/sql/contract_repo/versions/",
            "keystone/common/sql/legacy_migrations/contract_repo/versions/",
        ),
    },
    "glance": {"Glance Migrations": ("glance/db/sqlalchemy/migrate_repo/versions/",)},
    "nova_api": {
        "nova_api": (
            "nova/db/sqlalchemy/api_migrations/migrate_repo/versions/",
            "nova/db/api/legacy_migrations/versions/",
        )
    },
    "nova": {"nova": ("nova/db/sqlalchemy/migrate_repo/versions/", "nova/db/main/legacy_migrations/versions/")},
    "cinder": {
        "cinder": ("cinder/db/sqlalchemy/migrate_repo/versions/", "cinder/db/legacy_migrations/versions/"),
    },
    "heat": {"heat": ("heat/db/sqlalchemy/migrate_repo/versions/",)},
}


@dataclass
class Script:
    """One alembic script: its revision, what it follows and needs, and the releases it names as its milestone."""

    revision: str
    down: tuple[str, ...]
    needs: tuple[str, ...] = ()
    milestones: tuple[str, ...] = ()


@dataclass
class Chain:
    """What one package carries for one database."""

    package: str
    scripts: dict[str, Script] = field(default_factory=dict)
    numbered: dict[str, list[int]] = field(default_factory=dict)

    def heads(self) -> list[str]:
        """What alembic_version holds at the end: a revision that another one needs is implied by it, and not kept."""
        passed = {d for s in self.scripts.values() for d in (*s.down, *s.needs)}
        return sorted(r for r in self.scripts if r not in passed)


def parse_script(text: str) -> Script | None:
    """The revision of an alembic script; None for another Python file."""
    names: dict[str, object] = {}
    for node in ast.parse(text).body:
        target, value = None, None
        if isinstance(node, ast.Assign) and len(node.targets) == 1:
            target, value = node.targets[0], node.value
        elif isinstance(node, ast.AnnAssign) and node.value is not None:
            target, value = node.target, node.value
        if not isinstance(target, ast.Name) or value is None:
            continue
        if target.id == "neutron_milestone":
            names[target.id] = re.findall(r"attr='([A-Z_0-9]+)'", ast.dump(value))
        elif isinstance(value, ast.Constant | ast.Tuple | ast.List):
            try:
                names[target.id] = ast.literal_eval(value)
            except ValueError:
                continue
        elif isinstance(value, ast.Name):  # `revision = NAME`, as some scripts of neutron have it
            names[target.id] = names.get(value.id)
    revision = names.get("revision")
    if not isinstance(revision, str):
        return None
    return Script(
        revision,
        as_names(names.get("down_revision")),
        as_names(names.get("depends_on")),
        tuple(m.lower() for m in as_names(names.get("neutron_milestone"))),
    )


def as_names(value: object) -> tuple[str, ...]:
    """None, one name or a sequence of names, as alembic allows them all."""
    if value is None:
        return ()
    if isinstance(value, str):
        return (value,)
    return tuple(map(str, value)) if isinstance(value, tuple | list) else ()


def read_wheel(path: Path) -> dict[str, Chain]:
    """{database: chain} of one wheel; empty for a package without databases."""
    package = "-".join(path.name.split("-")[:2])
    chains: dict[str, Chain] = {}
    with zipfile.ZipFile(path) as wheel:
        names = [n for n in wheel.namelist() if n.endswith(".py")]
        for database, folders in ALEMBIC.items():
            for name in (n for n in names if n.startswith(folders)):
                script = parse_script(wheel.read(name).decode())
                if script:
                    chains.setdefault(database, Chain(package)).scripts[script.revision] = script
        for database, repositories in MIGRATE.items():
            for repository, folders in repositories.items():
                numbers = sorted(
                    int(m.group(1))
                    for n in names
                    if n.startswith(folders) and (m := re.match(r"(\d+)_", PurePosixPath(n).name))
                )
                if numbers:
                    chains.setdefault(database, Chain(package)).numbered[repository] = numbers
    return chains


def describe(chain: Chain) -> dict[str, object]:
    """One release: the heads as `schemas.py` spells versions, and where each sqlalchemy-migrate chain begins."""
    entry: dict[str, object] = {"package": chain.package}
    if chain.scripts:
        entry["heads"] = chain.heads()
    elif len(chain.numbered) == 1:
        entry["heads"] = [str(numbers[-1]) for numbers in chain.numbered.values()]
    else:
        entry["heads"] = sorted(f"{repository}={numbers[-1]}" for repository, numbers in chain.numbered.items())
    entry["engine"] = "alembic" if chain.scripts else "sqlalchemy-migrate"
    if chain.numbered:
        entry["migrate"] = {r: [numbers[0], numbers[-1]] for r, numbers in sorted(chain.numbered.items())}
    return entry


def walk(chain: Chain) -> Iterator[str]:
    """The revisions, each after those it follows; branches in the order of their ids."""
    done: set[str] = set()

    def visit(revision: str) -> Iterator[str]:
        if revision in done or revision not in chain.scripts:
            return
        done.add(revision)
        for before in (*chain.scripts[revision].down, *chain.scripts[revision].needs):
            yield from visit(before)
        yield revision

    for head in chain.heads():
        yield from visit(head)


def mine(wheels: Path) -> dict[str, object]:
    """The whole of `schemas.yaml`, from every wheel below `wheels`."""
    databases: dict[str, Any] = {}
    order = [r.name for r in load_releases().releases]
    for release in order:
        for wheel in sorted((wheels / release).glob("*.whl")):
            for database, chain in read_wheel(wheel).items():
                data = databases.setdefault(database, {"releases": {}, "revisions": {}})
                data["releases"][release] = describe(chain)
                note_revisions(data["revisions"], chain, release, order)
    return {
        "format": 1,
        "databases": {name: {k: v for k, v in databases[name].items() if v} for name in sorted(databases)},
    }


def note_revisions(known: dict[str, dict[str, Any]], chain: Chain, release: str, order: list[str]) -> None:
    """Remember of every revision what it follows, the first release seen with it, and the last."""
    for revision in walk(chain):
        script = chain.scripts[revision]
        entry = known.setdefault(revision, {"follows": [*script.down, *script.needs], "first": release})
        entry["last"] = release
        milestones = [m for m in script.milestones if m in order]
        if milestones:
            entry["milestones"] = milestones


def main(arguments: Iterable[str]) -> None:
    (folder,) = arguments
    print("# Mined from the wheels of the services by saltus.catalog.miner.schemas; do not edit: run it again.")
    print(yaml.safe_dump(mine(Path(folder)), sort_keys=False, width=120, default_flow_style=None), end="")


if __name__ == "__main__":
    main(sys.argv[1:])
