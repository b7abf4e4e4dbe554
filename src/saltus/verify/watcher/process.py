"""Start and stop the watcher. It lives no longer than the process that started it; what it saw stays on disk."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType

from saltus.errors import OperatorError
from saltus.verify.watcher.summary import WatchSummary, summarise
from saltus.verify.watcher.targets import Targets

STARTING_S = 30.0
STOPPING_S = 15.0


class Watcher:
    """One session of watching, written into `directory` beside those before it.

    >>> with Watcher(targets, password, directory) as watcher: ...
    >>> watcher.summary()
    """

    def __init__(self, targets: Targets, password: str, directory: Path) -> None:
        self._targets, self._password, self.directory = targets, password, directory
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> Watcher:
        """Returns when the first samples are being taken. Raises OperatorError when keystone refuses the login."""
        self.directory.mkdir(parents=True, exist_ok=True)
        targets = self.directory / "targets.json"
        targets.write_text(self._targets.model_dump_json(indent=1) + "\n")
        before = self._states()
        with self._log.open("ab") as log:
            # A session of its own: ctrl-C is the runner's to answer, and watching goes on meanwhile.
            self._process = subprocess.Popen(
                [sys.executable, "-m", "saltus.verify.watcher", str(targets), str(self.directory)],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._say(self._password)
        deadline = time.monotonic() + STARTING_S
        while self._states() == before:
            if self._process.poll() is not None or time.monotonic() > deadline:
                self._kill()
                raise OperatorError(
                    what="the outage watcher did not start",
                    because=self._last_words() or f"it wrote nothing within {STARTING_S:.0f} s",
                    do=f"read {self._log}; the admin of the cloud must be able to log in before it can be watched",
                )
            time.sleep(0.05)
        return self

    def ping(self, name: str, address: str) -> None:
        """Watch one more instance from now on."""
        self._say(f"ping {name} {address}")

    @property
    def is_alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def summary(self) -> WatchSummary:
        return summarise(self.directory)

    def stop(self) -> WatchSummary:
        """End the session. Nothing to do when it has ended."""
        if self._process and self._process.stdin:
            self._process.stdin.close()
            try:
                self._process.wait(STOPPING_S)
            except subprocess.TimeoutExpired:
                self._kill()
        return self.summary()

    def __enter__(self) -> Watcher:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def _log(self) -> Path:
        return self.directory / "watcher.log"

    def _states(self) -> set[Path]:
        return set(self.directory.glob("*.state.json"))

    def _say(self, line: str) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(f"{line}\n".encode())
            self._process.stdin.flush()
        except BrokenPipeError:
            pass  # it has ended; `is_alive` and the log say why

    def _kill(self) -> None:
        if self._process:
            self._process.kill()
            self._process.wait()

    def _last_words(self) -> str:
        lines = self._log.read_text(errors="replace").strip().splitlines()
        return lines[-1] if lines else ""
