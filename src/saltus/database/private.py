"""A MariaDB of our own: a socket and a data directory, no network, no root. For clones that may be thrown away."""

from __future__ import annotations

import getpass
import hashlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pymysql

from saltus.catalog.schemas import spell_versions
from saltus.errors import OperatorError

# What is lost in a crash is loaded again, so nothing is written twice and nothing waits for the disk.
_FAST = (
    "--skip-log-bin",
    "--innodb-flush-log-at-trx-commit=0",
    "--innodb-doublewrite=0",
    "--sync-binlog=0",
    "--innodb-flush-method=nosync",
    "--innodb-log-file-size=256M",
    "--innodb-autoinc-lock-mode=2",
    "--loose-skip-innodb-file-per-table",
    "--max-allowed-packet=256M",
    "--max-connections=200",
)
# MariaDB 11.8: its new default collation breaks foreign keys to tables of a dump (errno 150), and snapshot isolation
# makes keystone fail with error 1020. Older servers do not know these options: loose.
_AS_BEFORE = (
    "--character-set-server=utf8mb4",
    "--collation-server=utf8mb4_general_ci",
    "--loose-character-set-collations=utf8mb3=utf8mb3_general_ci,utf8mb4=utf8mb4_general_ci",
    "--loose-innodb-snapshot-isolation=OFF",
)


class NoMariaDB(OperatorError):
    """The programs of MariaDB are not on this machine, or the server did not come up."""


def find_program(*names: str) -> str:
    """The first of `names` on the PATH or in the directories where distributions keep servers."""
    path = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin", "/usr/libexec"])
    for name in names:
        if found := shutil.which(name, path=path):
            return found
    raise NoMariaDB(
        what=f"{names[0]} was not found",
        because="a rehearsal loads the dumps into a MariaDB of its own, and its programs are not installed here",
        do="apt install --no-install-recommends mariadb-server; its own service may stay off",
    )


class PrivateServer:
    """One server on one directory: `data/`, the socket and `mariadbd.log`. May be started again on the same data."""

    def __init__(self, directory: Path, *, buffer_pool_mb: int = 1024) -> None:
        self.directory = directory
        self.data = directory / "data"
        self.log = directory / "mariadbd.log"
        self._buffer_pool_mb = buffer_pool_mb
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def socket(self) -> Path:
        # The path of a UNIX socket holds at most 107 bytes, and directories of runs can be deep.
        short = self.directory / "s"
        if len(os.fsencode(short)) < 100:
            return short
        name = hashlib.sha256(os.fsencode(self.directory)).hexdigest()[:12]
        return Path(tempfile.gettempdir()) / f"saltus-{os.getuid()}-{name}.s"

    def own_tmpdir(self) -> str:
        """A server that starts deletes the temporary tables that it finds: in a shared directory, those of others."""
        place = self.directory / "tmp"
        place.mkdir(parents=True, exist_ok=True)
        return f"--tmpdir={place}"

    @property
    def how_to_look(self) -> str:
        """What a person types to look into it once it is stopped."""
        return (
            f"{find_program('mariadbd', 'mysqld')} --no-defaults --user={getpass.getuser()} --skip-networking"
            f" --datadir={self.data} --socket={self.socket} & then: mariadb -u root -S {self.socket}"
        )

    def create(self) -> None:
        """An empty server; nothing to do when it exists. Only whoever may enter the directory can reach it."""
        if (self.data / "mysql").is_dir():
            return
        self.directory.mkdir(parents=True, exist_ok=True)
        self.directory.chmod(0o700)
        install = find_program("mariadb-install-db", "mysql_install_db")
        done = subprocess.run(
            [
                install, "--no-defaults", f"--datadir={self.data}", "--auth-root-authentication-method=normal",
                "--skip-test-db", f"--user={getpass.getuser()}", "--skip-name-resolve", self.own_tmpdir(),
            ],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode:
            shutil.rmtree(self.data, ignore_errors=True)  # half of one would be taken for a whole one next time
            raise NoMariaDB(
                what=f"no empty MariaDB could be made in {self.data}",
                because=(done.stderr or done.stdout).strip()[-600:],
                do="free the disk or choose another directory, then say it again",
            )

    def start(self, *, timeout_s: float = 60) -> None:
        """Start and wait until it answers; nothing to do when it runs already, from this process or an earlier one."""
        if self.answers():
            return
        self.socket.unlink(missing_ok=True)
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [
                    find_program("mariadbd", "mysqld"), "--no-defaults", f"--datadir={self.data}",
                    f"--socket={self.socket}", "--skip-networking", f"--pid-file={self.directory / 'pid'}",
                    f"--user={getpass.getuser()}", f"--innodb-buffer-pool-size={self._buffer_pool_mb}M",
                    self.own_tmpdir(), *_FAST, *_AS_BEFORE,
                ],
                stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        deadline = time.monotonic() + timeout_s
        while not self.answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                tail = "\n".join(self.log.read_text(errors="replace").splitlines()[-8:])
                raise NoMariaDB(
                    what=f"the private MariaDB in {self.directory} did not start", because=tail, do=f"see {self.log}"
                )
            time.sleep(0.05)

    def answers(self) -> bool:
        try:
            self.connect().close()
        except (pymysql.Error, OSError):
            return False
        return True

    def stop(self, *, timeout_s: float = 60) -> None:
        """Shut it down in good order, whoever started it. Its data stay."""
        pid = self._pid()
        if pid is None:
            return
        os.kill(pid, signal.SIGTERM)
        deadline = time.monotonic() + timeout_s
        while self._alive(pid):
            if self._process is not None:
                self._process.poll()
            if time.monotonic() > deadline:
                os.kill(pid, signal.SIGKILL)
            time.sleep(0.05)
        self.socket.unlink(missing_ok=True)

    def remove(self) -> None:
        """Stop it and delete its directory."""
        self.stop()
        shutil.rmtree(self.directory, ignore_errors=True)

    def _pid(self) -> int | None:
        try:
            pid = int((self.directory / "pid").read_text())
        except (OSError, ValueError):
            return None
        return pid if self._alive(pid) else None

    def _alive(self, pid: int) -> bool:
        """Is that process the server of this very directory? A pid may have been given to another one since."""
        try:
            words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except OSError:
            return False
        return os.fsencode(f"--datadir={self.data}") in words

    @contextmanager
    def running(self) -> Iterator[PrivateServer]:
        self.create()
        self.start()
        try:
            yield self
        finally:
            self.stop()

    # -- asking

    def connect(self, database: str | None = None) -> pymysql.Connection[Any]:
        return pymysql.connect(
            unix_socket=str(self.socket), user="root", database=database, autocommit=True, charset="utf8mb4"
        )

    def query(
        self, sql: str, arguments: Sequence[object] = (), *, database: str | None = None
    ) -> list[tuple[Any, ...]]:
        """The rows of one statement. Raises pymysql.Error."""
        connection = self.connect(database)
        try:
            with connection.cursor() as cursor:
                cursor.execute(sql, tuple(arguments) or None)
                return list(cursor.fetchall())
        finally:
            connection.close()

    def databases(self) -> list[str]:
        """The names of all databases but the server's own."""
        own = ("information_schema", "mysql", "performance_schema", "sys")
        return sorted(name for (name,) in self.query("SHOW DATABASES") if name not in own)

    def tables(self, database: str) -> list[str]:
        rows = self.query(
            "SELECT table_name FROM information_schema.tables WHERE table_schema = %s AND table_type = 'BASE TABLE'",
            [database],
        )
        return sorted(name for (name,) in rows)

    def create_database(self, name: str, *, charset: str = "utf8mb3") -> None:
        """Nothing to do when it exists. New tables take their charset from it: older releases know three-byte UTF-8."""
        self.query(f"CREATE DATABASE IF NOT EXISTS `{name}` CHARACTER SET {charset} COLLATE {charset}_general_ci")

    def drop_database(self, name: str) -> None:
        self.query(f"DROP DATABASE IF EXISTS `{name}`")

    def read_versions(self, database: str) -> tuple[str, ...]:
        """The schema versions of `database`, spelt as in `catalog.schemas`; empty when it has none."""
        tables = set(self.tables(database))
        alembic = (
            [v for (v,) in self.query(f"SELECT version_num FROM `{database}`.alembic_version")]
            if "alembic_version" in tables
            else []
        )
        migrate = (
            dict(self.query(f"SELECT repository_id, version FROM `{database}`.migrate_version"))
            if "migrate_version" in tables
            else {}
        )
        return spell_versions(alembic, migrate)

    def count_rows(self, database: str) -> dict[str, int]:
        """{table: rows}, counted, not estimated."""
        tables = self.tables(database)
        if not tables:
            return {}
        counts = " UNION ALL ".join(f"SELECT %s, COUNT(*) FROM `{database}`.`{table}`" for table in tables)
        return dict(self.query(counts, tables))

    def url(self, database: str) -> str:
        """For `connection =` of a service's configuration."""
        return f"mysql+pymysql://root@localhost/{database}?unix_socket={self.socket}&charset=utf8"
