"""Fill a private MariaDB from dumps, several clients at once; or take a physical backup as it is."""

from __future__ import annotations

import concurrent.futures
import contextlib
import getpass
import os
import queue
import re
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from saltus.database.dumps import Source, UnusableDump, open_dump, pieces
from saltus.database.private import PrivateServer, find_program
from saltus.errors import OperatorError

Say = Callable[[str, float | None], None]
_CHUNK = 256 * 1024
_SETTINGS = (
    b"SET NAMES utf8mb4, FOREIGN_KEY_CHECKS=0, UNIQUE_CHECKS=0, SQL_MODE='NO_AUTO_VALUE_ON_ZERO', TIME_ZONE='+00:00';\n"
)


def load(source: Source, server: PrivateServer, *, clients: int | None = None, say: Say | None = None) -> list[str]:
    """Load everything that `source` holds; returns the names of the databases. The dumps are only read.

    Safe to repeat: a table that is there already is dropped by the dump itself. A physical backup replaces the whole
    data directory, and so must come first. Raises UnusableDump.
    """
    say = say or (lambda text, fraction: None)
    if source.kind == "physical":
        take_physical(source.directory, server)
    else:
        server.create()
        server.start()
        with Clients(server, clients or count_clients()) as pool:
            if source.kind == "mydumper":
                _load_mydumper(source.directory, server, pool, say)
            else:
                _load_dumps(source.files, server, pool, say)
    return settle(server)


def count_clients() -> int:
    return max(2, os.cpu_count() or 2)


def settle(server: PrivateServer) -> list[str]:
    """What is done when everything is loaded; the names of the databases."""
    found = server.databases()
    for database in found:
        _take_charset_of_tables(server, database)
    return found


def take_physical(backup: Path, server: PrivateServer) -> None:
    """Copy a mariabackup (the backup itself is not touched), prepare the copy and start on it."""
    if (server.data / "mysql").is_dir():
        server.stop()
        shutil.rmtree(server.data)
    server.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    shutil.copytree(backup, server.data)
    prepare(server, backup)


def prepare(server: PrivateServer, backup: Path | str) -> None:
    """Start on a physical backup that lies in the data directory; `backup` is what it is called in errors."""
    done = subprocess.run(
        [find_program("mariadb-backup", "mariabackup"), "--prepare", f"--target-dir={server.data}"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise UnusableDump(
            what=f"the physical backup of {backup} cannot be prepared",
            because=done.stderr.strip()[-600:],
            do="use mariadb-backup of the version that took it (xtrabackup_info names it), or take a backup again",
        )
    _start_without_grants(server)


def _start_without_grants(server: PrivateServer) -> None:
    """A backup brings production's accounts: only root over our own socket is let in, without a password."""
    process = subprocess.run(
        [
            find_program("mariadbd", "mysqld"), "--no-defaults", f"--datadir={server.data}", "--bootstrap",
            f"--user={getpass.getuser()}", "--skip-networking", server.own_tmpdir(),
        ],
        input="FLUSH PRIVILEGES;\nCREATE OR REPLACE USER root@localhost IDENTIFIED BY '';\n"
        "GRANT ALL ON *.* TO root@localhost WITH GRANT OPTION;\n",
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if process.returncode:
        raise OperatorError(
            what="the accounts of the physical backup could not be replaced in the clone",
            because=process.stderr.strip()[-600:],
            do="take a logical dump instead: mariadb-dump --single-transaction --all-databases",
        )
    server.start()


def _load_dumps(files: Iterable[Path], server: PrivateServer, pool: Clients, say: Say) -> None:
    files = list(files)
    sizes = {path: path.stat().st_size for path in files}
    done, lock = [0], threading.Lock()

    def one(path: Path) -> None:
        made: set[str] = set()
        for piece in pieces(path):
            if piece.database in ("mysql", "sys"):
                for _ in piece.lines:
                    pass
                continue
            if piece.database not in made:
                server.create_database(piece.database)
                made.add(piece.database)
            pool.give(piece.lines)
        with lock:
            done[0] += sizes[path]
            say(f"{path.name} read", done[0] / max(1, sum(sizes.values())))

    # Largest first: the last one to end should be a small one.
    with concurrent.futures.ThreadPoolExecutor(4) as readers:
        for result in [readers.submit(one, p) for p in sorted(files, key=lambda p: -sizes[p])]:
            result.result()


def _load_mydumper(directory: Path, server: PrivateServer, pool: Clients, say: Say) -> None:
    files = [p for p in directory.iterdir() if re.search(r"\.sql(\.gz|\.zst)?$", p.name)]
    creates = [p for p in files if "-schema-create.sql" in p.name]
    schemas = [p for p in files if "-schema.sql" in p.name]
    later = [p for p in files if re.search(r"-schema-(triggers|post|view)\.sql", p.name)]
    data = [p for p in files if p not in {*creates, *schemas, *later}]
    for path in creates:
        server.create_database(path.name.partition("-schema-create.sql")[0])
    for step, paths in (("tables", schemas), ("rows", data), ("triggers", later)):
        for path in sorted(paths, key=lambda p: -p.stat().st_size):
            pool.give(_file_lines(path, path.name.partition(".")[0]))
        pool.drain()
        say(f"{step} loaded", None)


def _file_lines(path: Path, database: str) -> Iterator[bytes]:
    yield f"USE `{database}`;\n".encode()
    with open_dump(path) as stream:
        try:
            yield from stream
        except EOFError as exc:
            raise UnusableDump(
                what=f"{path.name} is truncated", because=str(exc), do="copy it again, or dump again"
            ) from exc


def _take_charset_of_tables(server: PrivateServer, database: str) -> None:
    """The database's own default becomes what most of its tables have: what migrations create must fit foreign keys."""
    rows = server.query(
        "SELECT c.character_set_name, COUNT(*) FROM information_schema.tables t"
        " JOIN information_schema.collation_character_set_applicability c ON t.table_collation IN (c.collation_name)"
        " WHERE t.table_schema = %s GROUP BY 1 ORDER BY 2 DESC LIMIT 1",
        [database],
    )
    if rows and rows[0][0] in ("utf8mb3", "utf8mb4", "utf8"):
        charset = rows[0][0]
        server.query(f"ALTER DATABASE `{database}` CHARACTER SET {charset} COLLATE {charset}_general_ci")


class Clients:
    """Several `mariadb` clients that take pieces in turn; each piece goes whole to one of them."""

    def __init__(self, server: PrivateServer, count: int) -> None:
        self._server = server
        self._idle: queue.Queue[_Client] = queue.Queue()
        self._all = [_Client(server) for _ in range(count)]
        for client in self._all:
            self._idle.put(client)

    def __enter__(self) -> Clients:
        return self

    def __exit__(self, kind: object, value: object, trace: object) -> None:
        failures = [f for client in self._all if (f := client.close())]
        if failures and kind is None:
            raise _refused(failures[0])

    def give(self, lines: Iterable[bytes]) -> None:
        """Hand one piece over; it is read to its end before this returns, and loaded meanwhile."""
        client = self._idle.get()
        try:
            client.take(lines)
        finally:
            self._idle.put(client)

    def drain(self) -> None:
        """Wait until everything that was given is loaded."""
        for index, client in enumerate(self._all):
            if failure := client.close():
                raise _refused(failure)
            self._all[index] = _Client(self._server)
        self._idle = queue.Queue()
        for client in self._all:
            self._idle.put(client)


def _refused(stderr: str) -> UnusableDump:
    return UnusableDump(
        what="MariaDB refused a statement of the dump",
        because=stderr.strip()[-600:],
        do="check that the dump is whole, and that this MariaDB is not older than the one that it came from",
    )


class _Client:
    """One `mariadb` process, fed by a thread so that reading a dump does not wait for it."""

    def __init__(self, server: PrivateServer) -> None:
        self._process = subprocess.Popen(
            [
                find_program("mariadb", "mysql"), "--no-defaults", f"--socket={server.socket}", "--user=root",
                "--max-allowed-packet=256M", "--default-character-set=utf8mb4",
            ],
            stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        )  # fmt: skip
        self._chunks: queue.Queue[bytes | None] = queue.Queue(maxsize=128)
        self._stderr = b""
        self._feeder = threading.Thread(target=self._feed, daemon=True)
        self._feeder.start()
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    def take(self, lines: Iterable[bytes]) -> None:
        chunk = bytearray(_SETTINGS)
        for line in lines:
            chunk += line
            if len(chunk) >= _CHUNK:
                self._chunks.put(bytes(chunk))
                chunk.clear()
        self._chunks.put(bytes(chunk))

    def close(self) -> str:
        """Wait for its end; returns what it complained of when it failed."""
        self._chunks.put(None)
        self._feeder.join()
        code = self._process.wait()
        self._listener.join()
        return self._stderr.decode(errors="replace") if code else ""

    def _feed(self) -> None:
        stdin = self._process.stdin
        assert stdin is not None
        broken = False
        while (chunk := self._chunks.get()) is not None:
            try:
                if not broken:
                    stdin.write(chunk)
            except BrokenPipeError:  # it met an error: go on emptying the queue, `close` tells
                broken = True
        with contextlib.suppress(BrokenPipeError):
            stdin.close()

    def _listen(self) -> None:
        assert self._process.stderr is not None
        self._stderr = self._process.stderr.read()
