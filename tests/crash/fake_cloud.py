"""A cloud of files, a runner in a process of its own, and a way to kill that process at a chosen point.

A *point* is passed before and after every append to the journal, and before and after the effect of every step. The
process counts them and sends itself SIGKILL at the one it was given: nothing is flushed, closed or caught.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from saltus.journal import leases
from saltus.journal.signatures import Signer
from saltus.journal.store import Journal
from saltus.runner.gates import AutoApprover
from saltus.runner.performer import Outcome, StepContext, Verdict
from saltus.runner.performers.fake import EveryKind
from saltus.runner.run import Runner


class Points:
    """Counts what is passed; dies at number `last`."""

    def __init__(self, last: int | None) -> None:
        self.passed = 0
        self._last, self._lock = last, threading.Lock()

    def pass_one(self) -> None:
        with self._lock:
            self.passed += 1
            if self.passed == self._last:
                os.kill(os.getpid(), signal.SIGKILL)
                time.sleep(60)


class World:
    """What steps change: a line in a file for each effect, appended in one write. Beside it, who was at work when."""

    def __init__(self, directory: Path) -> None:
        self._effects, self._work = directory / "effects", directory / "work"

    def happen(self, step: str) -> None:
        _append(self._effects, step)

    def effects(self) -> list[str]:
        return self._effects.read_text().split() if self._effects.exists() else []

    def at_work(self) -> None:
        """This process performs something, now."""
        _append(self._work, f"{time.monotonic_ns()} {os.getpid()}")

    def shifts(self) -> list[int]:
        """The processes that performed anything, by time; one that comes twice was interrupted by another."""
        lines = self._work.read_text().splitlines() if self._work.exists() else []
        workers = [int(pid) for _, pid in sorted((int(at), pid) for at, pid in map(str.split, lines))]
        return [pid for number, pid in enumerate(workers) if number == 0 or workers[number - 1] != pid]


def _append(path: Path, line: str) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.write(handle, f"{line}\n".encode())
    os.close(handle)


class Worker:
    """Changes the world, between two points; looks at it when asked."""

    def __init__(self, world: World, points: Points, slow_s: float) -> None:
        self._world, self._points, self._slow_s = world, points, slow_s

    def perform(self, action: Any, context: StepContext) -> Outcome:
        self._world.at_work()
        context.note({"job": f"{context.step.id}-{context.attempt}"})
        self._points.pass_one()
        time.sleep(self._slow_s)
        self._world.happen(context.step.id)
        time.sleep(self._slow_s)
        self._points.pass_one()
        self._world.at_work()
        return Outcome("changed", {"attempt": context.attempt})

    def verify(self, action: Any, context: StepContext) -> Verdict:
        assert context.noted().get("job") or context.step.id not in self._world.effects()
        return Verdict.done("changed") if context.step.id in self._world.effects() else Verdict.not_done()


class WatchedJournal(Journal):
    points: Points

    def append(self, run: str, *events: Any, **more: Any) -> int:
        self.points.pass_one()
        last = super().append(run, *events, **more)
        self.points.pass_one()
        return last


def open_journal(url: str, directory: Path) -> Journal:
    return Journal(url, signer=Signer.from_file(directory / "key"))


def run_here(
    url: str, directory: Path, run: str, last: int | None, slow_s: float, ttl_s: float, insists: str, told: Any
) -> None:
    """In the process of its own. `insists`: one that is refused the lease asks again, until the run is over."""
    if insists == "elsewhere":
        # As on hosts of their own: no process is seen to be gone, and a lease ends by its time alone.
        leases.here = lambda: f"the host of {os.getpid()}"
    journal = WatchedJournal(url, signer=Signer.from_file(directory / "key"))
    journal.points = Points(last)
    worker = Worker(World(directory), journal.points, slow_s)
    refused = 0
    while True:
        try:
            state = Runner(journal, EveryKind(worker), AutoApprover("demo"), by="ann", ttl_s=ttl_s).run(run)
            told.put((state.status, journal.points.passed, refused))
        except leases.LeaseHeld as exc:
            refused += 1
            if insists:
                time.sleep(0.01)
                continue
            told.put((type(exc).__name__, journal.points.passed, refused))
        except Exception as exc:
            told.put((type(exc).__name__, journal.points.passed, refused))
        return


@dataclass(frozen=True)
class Life:
    """How one process ended: a run's status or an error's name, None when it was killed; the points it passed, and how
    often it was refused the lease."""

    ended: str | None
    passed: int | None
    refused: int = 0


_context = multiprocessing.get_context("fork")  # nothing to import again: hundreds of processes in a minute


class Process:
    """A runner in a process of its own."""

    def __init__(
        self,
        url: str,
        directory: Path,
        run: str,
        *,
        last: int | None = None,
        slow_s: float = 0,
        ttl_s: float = 30,
        insists: str = "",
    ) -> None:
        self._told = _context.Queue()
        arguments = (url, directory, run, last, slow_s, ttl_s, insists, self._told)
        self._process = _context.Process(target=run_here, args=arguments)
        self._process.start()

    def kill(self) -> None:
        self._process.kill()

    @property
    def is_alive(self) -> bool:
        return self._process.is_alive()

    @property
    def pid(self) -> int:
        assert self._process.pid
        return self._process.pid

    def wait(self) -> Life:
        self._process.join(240)
        if self._process.exitcode == -signal.SIGKILL:
            return Life(None, None)
        assert self._process.exitcode == 0, f"the runner ended with {self._process.exitcode}"
        return Life(*self._told.get(timeout=60))
