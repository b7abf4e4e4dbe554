"""A clone of a server that runs: its files copied where they are at hand, else all its databases dumped side by side.

Who may read it stands in an option file of MariaDB's clients, never in words of a command. The server is only read.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import os
import shutil
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pymysql

from saltus.catalog.services import load_services
from saltus.database.dumps import Piece, UnusableDump, split, truncated
from saltus.database.load import Clients, count_clients, prepare, settle
from saltus.database.private import PrivateServer, find_program
from saltus.errors import OperatorError

Say = Callable[[str, float | None], None]

_LOCK_WAIT_S = 10


class CannotRead(OperatorError):
    """The running server cannot be read. Nothing was changed on it."""


@dataclass(frozen=True)
class RunningServer:
    """The server that an option file names: host or socket, user, password, and TLS, in its section [client]."""

    options: Path

    @property
    def label(self) -> str:
        """What it is called in plans and reports."""
        return str(self._ask("SELECT @@hostname")[0][0])

    @property
    def identity(self) -> str:
        """Tells two servers from each other."""
        return "/".join(map(str, self._ask("SELECT @@hostname, @@port, @@datadir")[0]))

    def databases(self) -> list[str]:
        """Those of services that the catalogue knows; no other is read."""
        known = {database for service in load_services().services for database in service.databases}
        found = sorted(known & {name for (name,) in self._ask("SHOW DATABASES")})
        if not found:
            raise CannotRead(
                what=f"{self.label} has no database that a rehearsal could use",
                because="this account sees none of " + ", ".join(sorted(known)),
                do="GRANT SELECT, SHOW VIEW, TRIGGER on them to the account in the option file",
            )
        return found

    def clone_into(self, server: PrivateServer, *, clients: int | None = None, say: Say | None = None) -> list[str]:
        """Fill `server` with the databases; returns their names. Raises CannotRead, UnusableDump."""
        say = say or (lambda text, fraction: None)
        names = self.databases()
        if self._files_are_here():
            try:
                self._copy_files(server, say)
            except OperatorError as exc:
                say(f"its files cannot be copied ({exc.what}): its databases are dumped instead", None)
                server.remove()
            else:
                for database in set(server.databases()) - set(names):
                    server.drop_database(database)
                return settle(server)
        server.create()
        server.start()
        self._dump_all(names, server, clients or count_clients(), say)
        return settle(server)

    # -- its files

    def _files_are_here(self) -> bool:
        (hostname, datadir) = self._ask("SELECT @@hostname, @@datadir")[0]
        with contextlib.suppress(OperatorError):
            find_program("mariadb-backup", "mariabackup")
            return hostname == socket.gethostname() and os.access(Path(datadir, "ibdata1"), os.R_OK)
        return False

    def _copy_files(self, server: PrivateServer, say: Say) -> None:
        """A mariadb-backup straight into the data directory of the clone."""
        say("copying its files", None)
        shutil.rmtree(server.data, ignore_errors=True)
        server.data.mkdir(parents=True)
        server.directory.chmod(0o700)
        self._run([
            find_program("mariadb-backup", "mariabackup"), f"--defaults-file={self.options}", "--backup",
            f"--target-dir={server.data}", f"--parallel={count_clients() * 2}",
        ])  # fmt: skip
        prepare(server, self.label)

    @staticmethod
    def _run(argv: list[str]) -> None:
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        if done.returncode:
            raise CannotRead(
                what=f"{Path(argv[0]).name} failed", because=done.stderr.strip()[-600:], do="see what it says"
            )

    # -- its rows

    def _dump_all(self, names: list[str], server: PrivateServer, clients: int, say: Say) -> None:
        """One mariadb-dump a database, all on the same instant of the server, loaded while they are read."""
        for name in names:
            server.create_database(name)
        begun = threading.Barrier(len(names) + 1)
        with (
            Clients(server, clients) as pool,
            concurrent.futures.ThreadPoolExecutor(len(names)) as readers,
            self._held_still(say) as consistent,
        ):
            reading = [readers.submit(self._read, name, pool, begun) for name in names]
            with contextlib.suppress(threading.BrokenBarrierError):  # whoever broke it says why
                begun.wait(timeout=60)
            consistent.release()
            failures = [failure for result in reading if (failure := result.exception())]
            for failure in sorted(failures, key=lambda f: isinstance(f, threading.BrokenBarrierError)):
                raise failure

    def _read(self, name: str, pool: Clients, begun: threading.Barrier) -> None:
        dump = subprocess.Popen(
            [
                find_program("mariadb-dump", "mysqldump"), f"--defaults-file={self.options}", "--single-transaction",
                "--quick", "--skip-lock-tables", "--no-tablespaces", "--triggers", "--hex-blob", name,
            ],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        assert dump.stdout is not None
        assert dump.stderr is not None
        told: list[bytes] = []
        listener = threading.Thread(target=lambda: told.append(dump.stderr.read() if dump.stderr else b""))
        listener.start()
        try:
            whole = split(dump.stdout, Path(f"{name}.sql"))
            # The first piece is there: the transaction that all others are read in has begun.
            first = next(whole, None)
            begun.wait(timeout=60)
            for piece in _with(first, whole):
                pool.give(piece.lines)
            if dump.wait():
                raise truncated(Path(f"{name}.sql"), "mariadb-dump says that it failed")
        except UnusableDump:
            dump.wait()
            listener.join()
            because = b"".join(told).decode(errors="replace").strip()[-600:]
            begun.abort()
            raise (
                CannotRead(
                    what=f"{name} of {self.label} could not be dumped",
                    because=because,
                    do="GRANT SELECT, SHOW VIEW, TRIGGER on it to the account in the option file",
                )
                if because
                else truncated(Path(f"{name}.sql"), "its dump ended early")
            ) from None
        finally:
            if dump.poll() is None:
                dump.terminate()
            dump.wait()
            listener.join()

    @contextlib.contextmanager
    def _held_still(self, say: Say) -> Iterator[_Hold]:
        """For the moment in which the dumps begin nobody writes, so that all are of one instant."""
        hold = _Hold(self._connect())
        try:
            hold.take()
        except pymysql.Error as exc:
            say(f"every database is of one instant, but not all of the same ({exc.args[-1]}): GRANT RELOAD helps", None)
        try:
            yield hold
        finally:
            hold.close()

    def _connect(self) -> pymysql.Connection[Any]:
        if not self.options.is_file():
            raise CannotRead(
                what=f"{self.options} is no option file",
                because="--from-server names a file with a section [client]: host or socket, user, password",
                do="write it, readable for you alone",
            )
        try:
            return pymysql.connect(read_default_file=str(self.options), autocommit=True, connect_timeout=10)
        except pymysql.Error as exc:
            raise CannotRead(
                what=f"the server that {self.options} names does not let us in",
                because=str(exc.args[-1]),
                do="see that host or socket, user and password in its section [client] are right",
            ) from exc

    def _ask(self, sql: str) -> list[tuple[Any, ...]]:
        connection = self._connect()
        try:
            with connection.cursor() as cursor:
                cursor.execute(sql)
                return list(cursor.fetchall())
        finally:
            connection.close()


class _Hold:
    """FLUSH TABLES WITH READ LOCK, for as long as it takes."""

    def __init__(self, connection: pymysql.Connection[Any]) -> None:
        self._connection = connection

    def take(self) -> None:
        with self._connection.cursor() as cursor:
            # Behind a long query every writer would queue up behind us.
            cursor.execute(f"SET SESSION lock_wait_timeout = {_LOCK_WAIT_S}")
            cursor.execute("FLUSH TABLES WITH READ LOCK")

    def release(self) -> None:
        with self._connection.cursor() as cursor:
            cursor.execute("UNLOCK TABLES")

    def close(self) -> None:
        self._connection.close()


def _with(first: Piece | None, others: Iterator[Piece]) -> Iterator[Piece]:
    if first is not None:
        yield first
    yield from others
