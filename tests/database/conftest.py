"""A real MariaDB in a directory of its own, and the execution modules as Salt would load them for it."""

from __future__ import annotations

import gzip
import importlib.util
import json
import os
import pwd
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from saltus.fleet.port import CallReturn

ROOT = Path(__file__).parents[2]
DUMPS = ROOT / "tests" / "data" / "databases"


@dataclass
class PrivateMariaDB:
    """One server: its files below `home`, reached by its socket as root without a password."""

    home: Path
    modules: dict[str, ModuleType] = field(default_factory=dict)

    @property
    def socket(self) -> Path:
        return self.home / "s"

    @property
    def datadir(self) -> Path:
        return self.home / "data"

    @property
    def backups(self) -> Path:
        return self.home / "backups"

    def __getitem__(self, module: str) -> Any:
        return self.modules[module]

    def create(self) -> None:
        # mariadbd refuses to run as root; as mysql it shows besides that restored files go back to their owner.
        user = "mysql" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
        config = self.home / "my.cnf"
        config.write_text(
            f"[mysqld]\nuser={user}\ndatadir={self.datadir}\nsocket={self.socket}\npid-file={self.home}/pid\n"
            f"log-error={self.home}/error.log\ntmpdir={self.home}/tmp\nskip-networking\ninnodb_buffer_pool_size=64M\n"
            "innodb_log_file_size=16M\ninnodb_flush_log_at_trx_commit=0\n"
        )
        self.home.chmod(0o755)
        (self.home / "tmp").mkdir()
        if os.geteuid() == 0:
            shutil.chown(self.home, user)
            shutil.chown(self.home / "tmp", user)
        pid = self.home / "pid"
        install = ["mariadb-install-db", f"--defaults-file={config}", "--auth-root-authentication-method=normal"]
        subprocess.run([*install, "--skip-test-db"], check=True, capture_output=True)
        options = {
            "saltus_mariadb": {
                "socket": str(self.socket),
                "datadir": str(self.datadir),
                "backups": str(self.backups),
                "defaults_file": str(config),
                "stop": ["sh", "-c", f"test -e {pid} && kill $(cat {pid}); while test -e {pid}; do sleep 0.05; done"],
                "start": ["sh", "-c", f"setsid mariadbd --defaults-file={config} </dev/null >/dev/null 2>&1 &"],
            }
        }
        functions: dict[str, Any] = {}
        for name in ("saltus_mariadb", "saltus_clone", "saltus_writes"):
            module = load_module(name)
            module.__opts__ = options  # type: ignore[attr-defined]
            module.__salt__ = functions  # type: ignore[attr-defined]
            functions |= {f"{name}.{key}": value for key, value in vars(module).items() if not key.startswith("_")}
            self.modules[name] = module
        for module in self.modules.values():
            module.__salt__ = functions  # type: ignore[attr-defined]

    def start(self) -> None:
        subprocess.run(self["saltus_mariadb"]._settings()["start"], check=True)
        deadline = time.monotonic() + 60
        while subprocess.run(self.client("-e", "SELECT 1"), capture_output=True).returncode:
            assert time.monotonic() < deadline, (self.home / "error.log").read_text()[-2000:]
            time.sleep(0.1)

    def stop(self) -> None:
        if (self.home / "pid").exists():
            subprocess.run(self["saltus_mariadb"]._settings()["stop"], check=False)

    def client(self, *arguments: str) -> list[str]:
        return ["mariadb", "--no-defaults", f"--socket={self.socket}", "--user=root", *arguments]

    def load(self, dump: Path, database: str | None = None) -> None:
        if database:
            self.query(f"CREATE DATABASE {database}")
        sql = gzip.decompress(dump.read_bytes())
        subprocess.run(self.client(*([database] if database else [])), input=sql, check=True)

    def query(self, statement: str, database: str | None = None) -> list[list[str | None]]:
        rows: list[list[str | None]] = self["saltus_mariadb"].query(statement, database)
        return rows


class LocalFleet:
    """Of a Fleet, the calls: each minion is a PrivateMariaDB, and what is sent is no more than JSON could carry."""

    def __init__(self, minions: Mapping[str, PrivateMariaDB]) -> None:
        self.minions = minions
        self.called: list[tuple[str, str]] = []

    def call(self, target: Sequence[str], function: str, *args: object, **options: Any) -> dict[str, CallReturn]:
        (minion,) = target
        self.called.append((minion, function))
        module, _, name = function.partition(".")
        sent = json.loads(json.dumps(args))
        try:
            value = getattr(self.minions[minion][module], name)(*sent)
        except Exception as exc:
            return {minion: CallReturn(minion=minion, error=str(exc), exit_code=1)}
        return {minion: CallReturn(minion=minion, value=json.loads(json.dumps(value)))}


def load_module(name: str) -> ModuleType:
    path = ROOT / "formulas" / "_modules" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.dont_write_bytecode, before = True, sys.dont_write_bytecode
    spec.loader.exec_module(module)
    sys.dont_write_bytecode = before
    return module


def private_mariadb() -> Iterator[PrivateMariaDB]:
    if not shutil.which("mariadb-install-db") or not shutil.which("mariadb-backup"):
        pytest.skip("needs mariadb-server and mariadb-backup")
    # Not pytest's directory: it is closed to other users, and the path of a socket must be short.
    server = PrivateMariaDB(Path(tempfile.mkdtemp(prefix="saltus-db-")))
    try:
        server.create()
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(server.home)


@pytest.fixture(scope="module")
def server() -> Iterator[PrivateMariaDB]:
    """A server with the databases of the Zed cloud, for the tests of one module."""
    for server in private_mariadb():
        server.load(DUMPS / "zed-lab.sql.gz")
        yield server


@pytest.fixture(scope="module")
def another_server() -> Iterator[PrivateMariaDB]:
    """An empty server beside it."""
    yield from private_mariadb()
