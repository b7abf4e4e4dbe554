"""A real Salt master and real minions on loopback, each in its own directory and as the user that runs the tests."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import pytest
import yaml

from saltus.fleet.keys import MinionKeys
from saltus.fleet.live import SaltFleet
from saltus.fleet.master import Master, MasterSettings
from saltus.fleet.waiting import Patience

HERE = Path(__file__).parent

PILLARS = {
    "ctl01": {"saltus": {"node": "ctl01"}, "nova": {"controller": {"enabled": True}}},
    "cmp001": {"saltus": {"node": "cmp001"}, "nova": {"compute": {"enabled": True}}},
    "cmp002": {"saltus": {"node": "cmp002"}, "nova": {"compute": {"enabled": True}}},
}

QUICK = Patience(look_every_s=2, answer_within_s=4, looks=2)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass
class Minion:
    """A salt-minion of our own."""

    root: Path
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        # As after a boot. What a killed minion left in there stops the next one until init has reaped the old process.
        shutil.rmtree(self.root / "run", ignore_errors=True)
        for directory in ("var/log/salt", "run/salt/minion", "var/cache/salt/minion"):
            (self.root / directory).mkdir(parents=True, exist_ok=True)
        self.process = subprocess.Popen(
            [sys.executable, str(Path(sys.executable).parent / "salt-minion"), "-c", str(self.root / "etc/salt")],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def signal(self, number: int) -> None:
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, number)

    def kill(self) -> None:
        if self.process is not None:
            self.signal(signal.SIGKILL)
            self.process.wait()
            self.process = None


@dataclass
class Lab:
    """One master and its minions."""

    directory: Path
    master: Master
    fleet: SaltFleet
    pillar_file: Path
    minions: dict[str, Minion] = field(default_factory=dict)

    def add(self, name: str) -> Minion:
        root = self.directory / name
        files = MinionKeys(self.master.settings).minion_files(
            name, grains={"node": name, "slot": None, "release": "zed"}, root=PurePosixPath(root)
        )
        for path, (text, mode) in files.items():
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            Path(path).write_text(text)
            Path(path).chmod(mode)
        minion = self.minions[name] = Minion(root)
        minion.start()
        return minion

    def remove(self, name: str) -> None:
        self.minions.pop(name).kill()
        MinionKeys(self.master.settings).remove(name)

    def set_pillars(self, pillars: dict[str, object]) -> None:
        self.pillar_file.write_text(yaml.safe_dump(pillars))


@pytest.fixture(scope="session")
def lab() -> Iterator[Lab]:
    directory = Path(tempfile.mkdtemp(prefix="saltus-fleet-"))  # short: sockets' paths are
    pillar_file = directory / "pillars.yml"
    settings = MasterSettings(
        directory=directory / "salt",
        formulas=HERE / "formulas",
        publish_port=free_port(),
        return_port=free_port(),
        extension=HERE / "extension",
        pillar={"file": str(pillar_file)},
    )
    master = Master(settings)
    lab = Lab(directory, master, SaltFleet(master.config, patience=QUICK), pillar_file)
    lab.set_pillars(dict(PILLARS))
    try:
        master.ensure_started()
        for name in PILLARS:
            lab.add(name)
        lab.fleet.wait_for(list(PILLARS), 90)
        yield lab
    finally:
        for minion in lab.minions.values():
            minion.kill()
        master.stop()
        shutil.rmtree(directory, ignore_errors=True)
