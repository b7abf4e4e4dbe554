"""The journal's database: SQLite or PostgreSQL by URL, with the durability that each write needs.

SQLite: WAL; a write that something rests on is committed with `synchronous=FULL`, so that it survives a power cut;
progress with NORMAL. PostgreSQL: the same by `synchronous_commit`.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, SQLAlchemyError

from saltus import __version__
from saltus.errors import OperatorError
from saltus.journal.migrate import HEAD, known_versions, migrate

_BUSY_S = 30


class JournalUnreachable(OperatorError):
    """The journal's database does not answer, or is not one that Saltus can use."""


class Database:
    """Transactions on the journal's database. Threads and processes may share it."""

    def __init__(self, url: str) -> None:
        try:
            parsed = make_url(url)
        except ArgumentError as exc:
            raise JournalUnreachable(
                what="the journal's URL cannot be read",
                because=str(exc),
                do="write it as sqlite:////var/lib/saltus/journal.db or postgresql+psycopg://user@host/database",
            ) from exc
        self.shown = parsed.render_as_string(hide_password=True)
        self.is_sqlite = parsed.get_backend_name() == "sqlite"
        self._one_writer = threading.Lock()  # within this process; between processes the database sees to it
        try:
            if self.is_sqlite:
                if parsed.database and parsed.database != ":memory:":
                    Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
                self._read = _sqlite(url, "NORMAL", write=False)
                self._safe, self._quick = _sqlite(url, "FULL", write=True), _sqlite(url, "NORMAL", write=True)
            else:
                self._read = create_engine(url, isolation_level="AUTOCOMMIT", pool_pre_ping=True)
                self._safe = self._quick = _postgresql(url)
            version = self._version()
            if version is not None and version not in known_versions():
                raise JournalUnreachable(
                    what=f"the journal {self.shown} is of a newer Saltus",
                    because=f"its tables have the form {version}, and Saltus {__version__} knows them up to {HEAD}",
                    do="install the newer Saltus here too: all who share a journal need it",
                )
            if version != HEAD:
                with self.write() as connection:
                    if not self.is_sqlite:  # two that start at once: one migrates, the other finds it done
                        connection.execute(text("SELECT pg_advisory_xact_lock(5217)"))
                    migrate(connection)
        except (SQLAlchemyError, NoSuchModuleError, ImportError, OSError) as exc:
            raise self._unreachable(exc) from exc

    def _version(self) -> str | None:
        try:
            with self._read.connect() as connection:
                return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
        except DBAPIError:
            return None

    def _unreachable(self, exc: Exception) -> JournalUnreachable:
        reason = str(getattr(exc, "orig", None) or exc).strip().splitlines()[0]
        return JournalUnreachable(
            what=f"the journal {self.shown} cannot be used",
            because=reason,
            do="see that its directory or server is there, has room, and may be written by you; then say it again",
        )

    @contextlib.contextmanager
    def read(self) -> Iterator[Connection]:
        try:
            with self._read.connect() as connection:
                yield connection
        except DBAPIError as exc:
            raise self._unreachable(exc) from exc

    @contextlib.contextmanager
    def write(self, *, promise: bool = True) -> Iterator[Connection]:
        """One transaction, alone among writers on SQLite; committed at the end, to the disk if it is a promise."""
        try:
            with self._one_writer, (self._safe if promise else self._quick).begin() as connection:
                if not self.is_sqlite and not promise:
                    connection.execute(text("SET LOCAL synchronous_commit TO OFF"))
                yield connection
        except DBAPIError as exc:
            raise self._unreachable(exc) from exc

    def now(self, connection: Connection) -> float:
        """Seconds since 1970 by the database's clock: the one clock that runners on several hosts share."""
        if self.is_sqlite:
            return time.time()
        return float(connection.execute(text("SELECT extract(epoch FROM clock_timestamp())")).scalar_one())

    def close(self) -> None:
        for engine in {self._read, self._safe, self._quick}:
            engine.dispose()


def _postgresql(url: str) -> Engine:
    engine = create_engine(url, pool_use_lifo=True)

    @event.listens_for(engine, "connect")
    def _set_up(raw: Any, _record: Any) -> None:
        # A plan that was kept from when the tables were empty scans all events of a run for its last one.
        raw.execute("SET plan_cache_mode = force_custom_plan")
        raw.commit()

    return engine


def _sqlite(url: str, synchronous: str, *, write: bool) -> Engine:
    engine = create_engine(url, connect_args={"timeout": _BUSY_S}, isolation_level=None if write else "AUTOCOMMIT")

    @event.listens_for(engine, "connect")
    def _set_up(raw: Any, _record: Any) -> None:
        raw.isolation_level = None  # sqlite3 would begin transactions too late and deferred; we say BEGIN ourselves
        raw.execute("PRAGMA journal_mode = WAL")
        raw.execute(f"PRAGMA synchronous = {synchronous}")
        raw.execute("PRAGMA foreign_keys = ON")

    if write:

        @event.listens_for(engine, "begin")
        def _begin(connection: Connection) -> None:
            connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine
