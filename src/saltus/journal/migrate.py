"""Brings the journal's tables to the form that this version knows. Alembic does it; its scripts are in the package."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection

HEAD = "0002"
"""The newest of `migrations/versions/`: a journal that is there needs no alembic to be opened."""

SCRIPTS = Path(__file__).parent / "migrations"


def known_versions() -> list[str]:
    """The forms of the tables that this version can take on, oldest first."""
    return sorted(path.name.partition("_")[0] for path in (SCRIPTS / "versions").glob("[0-9]*.py"))


def migrate(connection: Connection) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(SCRIPTS))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
