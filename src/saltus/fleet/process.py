"""A daemon of ours that outlives the command that started it, and is found again by the next one.

A pid alone is not an identity: numbers are used again. The file says pid and start time, both from /proc.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class DaemonProcess:
    """A process with its own session, remembered in `file`."""

    file: Path

    def start(self, argv: Sequence[str], *, log: Path, environment: Mapping[str, str]) -> int:
        with log.open("ab") as output:
            child = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=dict(environment),
                cwd="/",
                start_new_session=True,
            )
        # The number of a child that has ended is not used again before we ask: its start time can always be read.
        self.file.write_text(f"{child.pid} {_start_time(child.pid)}\n")
        return child.pid

    @property
    def pid(self) -> int | None:
        """Of the running process; None when it does not run, or when its number is another's now."""
        try:
            pid, started = self.file.read_text().split()
        except (FileNotFoundError, ValueError):
            return None
        return int(pid) if _start_time(int(pid)) == started else None

    def stop(self, timeout_s: float = 20) -> bool:
        """End it with everything it started (its session); whether there was something to end."""
        pid = self.pid
        if pid is None:
            self.file.unlink(missing_ok=True)
            return False
        group = _session_members(pid)
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
        end = time.monotonic() + timeout_s
        while self.pid is not None and time.monotonic() < end:
            _reap(pid)
            time.sleep(0.05)
        for member, started in (group | _session_members(pid)).items():
            if _start_time(member) == started:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(member, signal.SIGKILL)
        _reap(pid)
        self.file.unlink(missing_ok=True)
        return True


def _reap(pid: int) -> None:
    """Let go of a child of ours that has ended; a process of another parent is not ours to wait for."""
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)


def _stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat behind the name, which may hold anything; empty for the dead and for zombies."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return []
    fields = text.rpartition(")")[2].split()
    return [] if fields[0] in "ZX" else fields


def _start_time(pid: int) -> str | None:
    fields = _stat(pid)
    return fields[19] if fields else None


def _session_members(leader: int) -> dict[int, str]:
    """{pid: start time} of the processes in the leader's session: workers, and whatever they have left behind."""
    members = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (fields := _stat(int(entry.name))) and int(fields[3]) == leader:
            members[int(entry.name)] = fields[19]
    return members
