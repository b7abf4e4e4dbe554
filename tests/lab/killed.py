"""A real `saltus run`, killed with SIGKILL at every journal position and in the middle of every step, until it is done.

    python tests/lab/killed.py DIRECTORY RUN [POINTS]

Each life is a process of its own (a fork, so that nothing is imported anew). It passes *points* and dies at the first
one at which none has died before. DIRECTORY keeps where each of them died, beside the output of all; what is printed
last is JSON. `POINTS` names the kinds of points, all by default:

    after    behind an append to the journal: the event is in it, nothing was done since
    before   before the append of what a step came to: its work is done, and nobody knows
    middle   a moment after a step was begun, or gave a job to Salt
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Collection
from pathlib import Path
from typing import Any

# Imported before the first fork: what every life needs.
from saltus.cli import app
from saltus.commands import reporting, upgrades  # noqa: F401
from saltus.journal.events import Event
from saltus.journal.store import Journal

MOMENT_S = 1.5
"""Into a step, when it dies in the middle. One that is done sooner dies before that is written down."""
KINDS = ("after", "before", "middle")


class Points:
    """Where lives end: a line in a file for each."""

    def __init__(self, path: Path, kinds: Collection[str]) -> None:
        self._path, self._kinds, self._lock = path, kinds, threading.Lock()
        self._known = set(path.read_text().splitlines()) if path.exists() else set()

    def pass_one(self, kind: str, where: str) -> None:
        point = f"{kind} {where}"
        if kind not in self._kinds or point in self._known:
            return
        with self._lock:  # two lanes do not both die
            handle = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            os.write(handle, f"{point}\n".encode())
            os.fsync(handle)
            os.kill(os.getpid(), signal.SIGKILL)
            time.sleep(60)


class WatchedJournal(Journal):
    """The journal of a life. Made in place of `Journal` where commands open theirs."""

    points: Points

    def append(self, run: str, *events: Event, **more: Any) -> int:
        for event in events:
            if event.kind in ("step.finished", "step.failed"):
                self.points.pass_one("before", _where(event))
        last = super().append(run, *events, **more)
        for event in events:
            self.points.pass_one("after", _where(event))
            if event.kind in ("step.started", "step.noted"):
                moment = threading.Timer(MOMENT_S, self._in_the_middle, (run, str(event.step)))
                moment.daemon = True
                moment.start()
        return last

    def _in_the_middle(self, run: str, step: str) -> None:
        if self.state(run).steps[step].status == "running":
            self.points.pass_one("middle", step)


def _where(event: Event) -> str:
    """An event's place in the run: what it says of which step or gate. How often it is said does not count."""
    return " ".join(filter(None, (event.kind, getattr(event, "step", None), getattr(event, "gate", None))))


def live(directory: Path, run: str, kinds: Collection[str]) -> None:
    """One life, in a process of its own; never returns."""
    from saltus.commands import journals

    WatchedJournal.points = Points(directory / "points", kinds)
    journals.Journal = WatchedJournal  # type: ignore[misc]
    output = os.open(directory / "output", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for stream in (1, 2):
        os.dup2(output, stream)
    os._exit(app.main(["run", run, "--approve-as", "test"]))


def main(directory: Path, run: str, kinds: Collection[str] = KINDS) -> int:
    directory.mkdir(parents=True, exist_ok=True)
    began, killed, points = time.monotonic(), 0, directory / "points"
    while True:
        before = points.read_text() if points.exists() else ""
        child = os.fork()
        if child == 0:
            live(directory, run, kinds)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        died_at = points.read_text()[len(before) :].strip() if points.exists() else ""
        if status != -signal.SIGKILL:
            break
        killed += 1
        print(f"{killed}: killed {died_at}", file=sys.stderr, flush=True)
        if not died_at:
            print("killed by somebody else", file=sys.stderr)
            return 1
    print(json.dumps({"exit": status, "killed": killed, "seconds": round(time.monotonic() - began)}))
    return 0


if __name__ == "__main__":
    raise SystemExit(main(Path(sys.argv[1]), sys.argv[2], sys.argv[3].split(",") if sys.argv[3:] else KINDS))
