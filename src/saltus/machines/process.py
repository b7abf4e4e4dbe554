"""The process of a machine: how it is launched, found again by any later process, and ended.

The process table is the only record of what runs: a machine is running when there is a systemd-nspawn for its root
directory. Nothing is written down that could outlive it, and a number given to another process cannot mislead.
"""

import os
import shlex
import signal
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from saltus.machines.execute import execute

PROGRAM = "systemd-nspawn"
POWER_OFF = signal.SIGRTMIN + 4
"""Asks a systemd that is PID 1 to power off (systemd(1), 'Signals')."""
POLL_S = 0.05


@dataclass(frozen=True)
class Process:
    pid: int
    started: int
    """In clock ticks since boot: with the number, it names one process for good."""

    @property
    def is_alive(self) -> bool:
        return _start_time(self.pid) == self.started

    def signal(self, number: int) -> None:
        if self.is_alive:
            try:
                os.kill(self.pid, number)
            except ProcessLookupError:
                return

    def wait(self, timeout_s: float) -> bool:
        """Whether it ended in time."""
        deadline = time.monotonic() + timeout_s
        while self.is_alive:
            if time.monotonic() > deadline:
                return False
            time.sleep(POLL_S)
        return True


def find(root: Path) -> Process | None:
    """The systemd-nspawn that runs the machine at `root`."""
    wanted = f"--directory={root}"
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            try:
                words = Path(entry.path, "cmdline").read_bytes().decode(errors="replace").split("\0")
            except OSError:
                continue
            if Path(words[0]).name == PROGRAM and wanted in words:
                started = _start_time(int(entry.name))
                # Its children bear the same command line until they become something else.
                if started is not None and not _is_child_of_nspawn(int(entry.name)):
                    return Process(int(entry.name), started)
    return None


def leader(nspawn: Process) -> Process | None:
    """The machine's own PID 1, once it is systemd."""
    try:
        children = Path(f"/proc/{nspawn.pid}/task/{nspawn.pid}/children").read_text().split()
    except OSError:
        return None
    for child in children:
        if _name(int(child)) == "systemd" and (started := _start_time(int(child))) is not None:
            return Process(int(child), started)
    return None


def launch(argv: Sequence[str], *, unit: str, console: Path, memory_bytes: int | None) -> None:
    """Start a machine's process so that it outlives this one and the session of whoever called it."""
    if Path("/run/systemd/system").is_dir():
        limits = [f"--property=MemoryMax={memory_bytes}"] if memory_bytes else []
        execute(
            [
                "systemd-run", "--quiet", "--collect", f"--unit={unit}", "--slice=saltus.slice", "--service-type=exec",
                "--property=Delegate=yes", "--property=KillMode=mixed", "--property=TasksMax=infinity",
                "--setenv=SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1",
                f"--property=StandardOutput=file:{console}", f"--property=StandardError=file:{console}", *limits, *argv,
            ],
            purpose=f"launch {unit}",
        )  # fmt: skip
        return
    groups = " ".join(shlex.quote(str(group / "cgroup.procs")) for group in _make_groups(unit, memory_bytes))
    # Control groups of its own: systemd-nspawn makes `payload` below the one it is started in. Machines that share one
    # have their services of one name in one group, where the stop of one kills the other's.
    script = f'for group in {groups}; do echo $$ > "$group" || exit; done; exec "$@" < /dev/null > "$CONSOLE" 2>&1'
    execute(
        ["setsid", "--fork", "sh", "-c", script, "sh", *argv],
        purpose=f"launch {unit}",
        environment={"CONSOLE": str(console), "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1"},
    )


def remove_groups(unit: str) -> None:
    """Take away the control groups of a machine that has ended."""
    for group in _groups(unit):
        # The group of all machines goes with the last one's.
        below = [Path(path) for path, _, _ in os.walk(group, topdown=False)]
        for path in (*below, group.parent):
            with suppress(OSError):
                path.rmdir()


def _groups(unit: str) -> list[Path]:
    top = Path("/sys/fs/cgroup")
    if (top / "cgroup.controllers").exists():
        return [top / "saltus" / unit]
    hierarchies = [top / name for name in ("systemd", "unified", "memory", "pids")]
    return [path / "saltus" / unit for path in hierarchies if (path / "cgroup.procs").exists()]


def _make_groups(unit: str, memory_bytes: int | None) -> list[Path]:
    groups = _groups(unit)
    for group in groups:
        group.mkdir(parents=True, exist_ok=True)
        if memory_bytes:
            for limit in ("memory.max", "memory.limit_in_bytes"):
                if (group / limit).exists():
                    (group / limit).write_text(str(memory_bytes))
    return groups


def _stat(pid: int) -> list[str]:
    """Fields of /proc/PID/stat after the name, which may itself hold blanks and parentheses."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def _start_time(pid: int) -> int | None:
    fields = _stat(pid)
    return int(fields[19]) if fields and fields[0] not in "ZX" else None


def _is_child_of_nspawn(pid: int) -> bool:
    fields = _stat(pid)
    return bool(fields) and _name(int(fields[1])) == PROGRAM


def _name(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""
