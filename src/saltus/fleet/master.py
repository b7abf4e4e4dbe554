"""A Salt master of our own: its configuration, its start and its end.

It is no system service: it lives in a directory, is started by the first command that needs it, outlives that command,
and is found again by the next. Two masters in two directories with other ports do not know of each other.
"""

from __future__ import annotations

import fcntl
import os
import socket
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from saltus.fleet.bus import ping
from saltus.fleet.errors import NoMaster
from saltus.fleet.process import DaemonProcess

EXTENSION = Path(__file__).parent / "extension"
"""What the master loads of ours: `pillar/saltus_pillar.py`."""

LONGEST_SOCKET_PATH = 107
"""sun_path has 108 bytes; the longest socket that Salt makes is `sock/master_event_pull.ipc`."""


@dataclass(frozen=True)
class MasterSettings:
    """What a master is told. `address` is where minions reach it: the bridge's, or 127.0.0.1."""

    directory: Path
    formulas: Path
    address: str = "127.0.0.1"
    publish_port: int = 4505
    return_port: int = 4506
    pillar: Mapping[str, str] = field(default_factory=dict)
    """What `fleet.pillar.pillar_for` is given beside the minion's id: `model_path`, `secrets_path`."""
    extension: Path = EXTENSION
    """Where the master finds `pillar/saltus_pillar.py`; the tests bring one of their own."""
    workers: int = 3

    @property
    def config(self) -> Path:
        return self.directory / "master"

    @property
    def keys(self) -> Path:
        return self.directory / "pki"

    @property
    def grains(self) -> Path:
        """What each machine was made as, `<minion id>.yml`: what the pillar believes, whatever the minion says."""
        return self.directory / "grains"

    @property
    def gpg(self) -> Path:
        """GnuPG's directory with the key that the secrets of the model are encrypted for; Salt's own default place."""
        return self.directory / "gpgkeys"


@dataclass(frozen=True)
class MasterStatus:
    pid: int | None
    address: str
    accepted: int

    @property
    def is_running(self) -> bool:
        return self.pid is not None


class Master:
    """The master of one state directory. Every method may be called by any process, in any order."""

    def __init__(self, settings: MasterSettings) -> None:
        self.settings = settings
        self._daemon = DaemonProcess(settings.directory / "master.pid")
        self._log = settings.directory / "master.log"

    @property
    def config(self) -> Path:
        """The configuration file: what `SaltFleet` and `salt -c` want (its directory)."""
        return self.settings.config

    def status(self) -> MasterStatus:
        accepted = self.settings.keys / "minions"
        return MasterStatus(
            pid=self._daemon.pid,
            address=self.settings.address,
            accepted=len(list(accepted.iterdir())) if accepted.is_dir() else 0,
        )

    def ensure_started(self, timeout_s: float = 180) -> None:
        """Start it unless it runs with this very configuration; return when it answers.

        A running master of an older configuration is started anew: minions reconnect by themselves.
        Raises NoMaster with the end of its log.
        """
        with self._alone():
            wanted = yaml.safe_dump(self._configuration(), sort_keys=True)
            same = self.config.is_file() and self.config.read_text() == wanted
            if self._daemon.pid is not None and same:
                self._wait_until_it_answers(timeout_s)
                return
            self._daemon.stop()
            self._refuse_what_cannot_work()
            self._prepare(wanted)
            self._start(timeout_s)

    def stop(self) -> bool:
        """End it with all its workers; whether it ran. Keys, caches and log stay."""
        if not self.settings.directory.is_dir():
            return False
        with self._alone():
            return self._daemon.stop()

    def log_tail(self, lines: int = 20) -> str:
        if not self._log.is_file():
            return "(no log)"
        return "\n".join(self._log.read_text(errors="replace").splitlines()[-lines:])

    def _configuration(self) -> dict[str, object]:
        s = self.settings
        return {
            "interface": s.address,
            "publish_port": s.publish_port,
            "ret_port": s.return_port,
            "user": _user_name(),
            "root_dir": str(s.directory),
            "pki_dir": str(s.keys),
            "cachedir": str(s.directory / "cache"),
            "sock_dir": str(s.directory / "sock"),
            "pidfile": str(s.directory / "salt-master.pid"),
            "log_file": str(self._log),
            "log_level": "warning",
            "log_level_logfile": "warning",
            "file_roots": {"base": [str(s.formulas)]},
            "pillar_roots": {"base": []},
            "module_dirs": [str(s.extension)],
            "ext_pillar": [{"saltus_pillar": {**s.pillar, "grains_path": str(s.grains), "keys_path": str(s.gpg)}}],
            # A minion is what has a key that we made (fleet.keys); nobody else may ask.
            "auto_accept": False,
            "file_recv": False,
            # jids carry our process number: two of our processes may make one in the same microsecond.
            "unique_jid": True,
            "keep_jobs_seconds": 30 * 86400,
            # One pool. Not `worker_pools_enabled: false`: in 3008.3 nothing then routes a request and each times out.
            "worker_threads": s.workers,
            "timeout": 10,
            "gather_job_timeout": 10,
            # Facts of the master's own machine that nobody asks for and that take seconds where there is no DNS.
            "enable_fqdns_grains": False,
            "enable_gpu_grains": False,
            "fileserver_update_niceness": 5,
            "max_open_files": 4096,
            "pillar_source_merging_strategy": "recurse",
        }

    def _refuse_what_cannot_work(self) -> None:
        s = self.settings
        longest = str(s.directory / "sock" / "master_event_pull.ipc")
        if len(longest.encode()) > LONGEST_SOCKET_PATH:
            raise NoMaster(
                what=f"the Salt master cannot live in {s.directory}",
                because=f"its sockets' paths would have {len(longest)} bytes and Unix allows {LONGEST_SOCKET_PATH}",
                do="choose a shorter state directory",
            )
        if not s.formulas.is_dir():
            raise NoMaster(
                what="the Salt master has no formulas",
                because=f"{s.formulas} is no directory",
                do="install Saltus anew: its formulas come with it",
            )
        for port in (s.publish_port, s.return_port):
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    probe.bind((s.address, port))
                except OSError as exc:
                    raise NoMaster(
                        what=f"the Salt master cannot listen on {s.address}:{port}",
                        because=str(exc.strerror or exc),
                        do="see who does (`ss -ltnp`); another master's port can be set, the bridge must be up first",
                    ) from exc

    def _prepare(self, wanted: str) -> None:
        s = self.settings
        for directory in (
            s.directory,
            s.grains,
            s.gpg,
            s.keys,
            s.keys / "minions",
            s.directory / "cache",
            s.directory / "sock",
        ):
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.config.write_text(wanted)

    def _start(self, timeout_s: float) -> None:
        program = Path(sys.executable).parent / "salt-master"
        if not program.is_file():
            raise NoMaster(
                what="the Salt master is not installed",
                because=f"there is no {program}",
                do="install Saltus with its dependencies: `uv sync`, or `pip install saltus`",
            )
        # RUST_BACKTRACE makes each pillar a third slower (reclass-rs); what else is set is ours to hand on.
        environment = {name: value for name, value in os.environ.items() if name != "RUST_BACKTRACE"}
        self._daemon.start(
            [sys.executable, str(program), "-c", str(self.settings.directory)], log=self._log, environment=environment
        )
        self._wait_until_it_answers(timeout_s)

    def _wait_until_it_answers(self, timeout_s: float) -> None:
        s = self.settings
        end = time.monotonic() + timeout_s
        sockets = [s.directory / "sock" / name for name in ("master_event_pub.ipc", "publish_pull.ipc")]
        while time.monotonic() < end:
            if self._daemon.pid is None:
                raise self._failed("it has ended")
            if all(path.exists() for path in sockets) and _listens(s.address, s.return_port):
                # A listening port is no answering master: a request must come back from a worker.
                if ping(self.config, timeout_s=max(1.0, end - time.monotonic())):
                    return
            else:
                time.sleep(0.1)
        raise self._failed(f"it does not answer after {timeout_s:.0f} s")

    def _failed(self, how: str) -> NoMaster:
        return NoMaster(
            what=f"the Salt master did not start: {how}",
            because=f"the end of its log:\n{self.log_tail()}",
            do=f"correct that and try again; the whole log is {self._log}",
        )

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Two commands at once start one master, not two."""
        self.settings.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        with (self.settings.directory / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def _listens(address: str, port: int) -> bool:
    try:
        socket.create_connection((address, port), timeout=1).close()
    except OSError:
        return False
    return True


def _user_name() -> str:
    import pwd

    return pwd.getpwuid(os.geteuid()).pw_name
