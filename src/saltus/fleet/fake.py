"""A fleet in memory, for tests of what stands on one: scripted answers, silent minions, states that fail.

fleet = FakeFleet(["ctl01-a", "cmp01"])
fleet.answer("saltus_node.versions", {"nova": "26.1.0"})
fleet.answer("saltus_node.stop", raises="no such unit", minion="ctl01-a")
fleet.silence("cmp01")
fleet.fail_state("ctl01-a", "nova.conf", "template not found")
"""

from __future__ import annotations

import fnmatch
import itertools
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from saltus.fleet import returns
from saltus.fleet.errors import NoReturn, NoSuchTarget, PillarRefused, StateFailed, listed
from saltus.fleet.port import (
    CallReturn,
    FoundJob,
    Job,
    OnJob,
    OnReturn,
    OnStateReturn,
    StateResult,
    StateReturn,
)


@dataclass(frozen=True)
class Asked:
    """One thing that was asked of the fleet."""

    function: str
    minions: tuple[str, ...]
    arguments: tuple[object, ...] = ()
    keywords: dict[str, object] = field(default_factory=dict)


class FakeFleet:
    """`Fleet` without Salt. Keeps what it was asked in `asked`, in order."""

    def __init__(self, minions: Iterable[str]) -> None:
        self.known = sorted(minions)
        self.targets: dict[str, tuple[str, ...]] = {}
        """{expression: minions} for what is no list of globs, such as `I@nova:compute`."""
        self.asked: list[Asked] = []
        self.jobs: dict[str, FoundJob] = {}
        """{jid: what `lookup` finds}; finished jobs are added, tests may put in others."""
        self.broken_pillars: dict[str, str] = {}
        self._answers: dict[tuple[str, str | None], Callable[..., CallReturn]] = {}
        self._silent: set[str] = set()
        self._failures: dict[str, list[StateResult]] = {}
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()

    def answer(self, function: str, value: Any = None, *, raises: str | None = None, minion: str | None = None) -> None:
        """Script a function, everywhere or on one minion. A callable is called with (minion, *args, **kwargs)."""

        def answered(asked: str, *args: object, **kwargs: object) -> CallReturn:
            if raises is not None:
                return CallReturn(minion=asked, error=raises, exit_code=1)
            return CallReturn(minion=asked, value=value(asked, *args, **kwargs) if callable(value) else value)

        self._answers[function, minion] = answered

    def silence(self, *minions: str) -> None:
        """They do not answer from now on."""
        self._silent.update(minions)

    def wake(self, *minions: str) -> None:
        self._silent.difference_update(minions)

    def fail_state(self, minion: str, state_id: str, comment: str, function: str = "file.managed") -> None:
        """From now on that state fails on that minion, whichever states are applied."""
        failed = StateResult(id=state_id, function=function, name=state_id, result=False, comment=comment)
        self._failures.setdefault(minion, []).append(failed)

    def minions(self) -> tuple[str, ...]:
        return tuple(self.known)

    def target(self, expression: str) -> tuple[str, ...]:
        globs = expression.removeprefix("L@").replace(" or ", ",").split(",")
        found = self.targets.get(expression) or tuple(
            minion for minion in self.known if any(fnmatch.fnmatch(minion, glob.strip()) for glob in globs)
        )
        if not found:
            raise NoSuchTarget(
                what=f"the target {expression!r} matches no minion",
                because=f"these minions are known: {listed(self.known, 20) or 'none'}",
                do="correct the target",
            )
        return found

    def call(
        self,
        target: str | Sequence[str],
        function: str,
        *args: object,
        kwargs: Mapping[str, object] | None = None,
        timeout_s: float = 600,
        lenient: bool = False,
        on_job: OnJob | None = None,
        on_return: OnReturn | None = None,
    ) -> dict[str, CallReturn]:
        job = self._job(target, function, args, kwargs or {}, on_job)
        done: dict[str, CallReturn] = {}
        for minion in self._answering(job):
            default = (
                (lambda asked, *_, **__: CallReturn(minion=asked, value=True)) if function == "test.ping" else None
            )
            script = self._answers.get((function, minion)) or self._answers.get((function, None)) or default
            if script is None:
                error = f"'{function}' is not available."
                done[minion] = CallReturn(minion=minion, value=error, error=error, exit_code=1)
            else:
                done[minion] = script(minion, *args, **(kwargs or {}))
            if on_return:
                on_return(done[minion])
        self._finish(job, done, {}, lenient)
        return done

    def apply(
        self,
        target: str | Sequence[str],
        states: Sequence[str] = (),
        *,
        pillar: Mapping[str, object] | None = None,
        timeout_s: float = 3600,
        on_job: OnJob | None = None,
        on_return: OnStateReturn | None = None,
    ) -> dict[str, StateReturn]:
        function = "state.sls" if states else "state.highstate"
        job = self._job(target, function, tuple(states), {"pillar": pillar} if pillar else {}, on_job)
        worked = StateResult(id="worked", function="test.nop", name="worked", result=True)
        done = {}
        for minion in self._answering(job):
            done[minion] = StateReturn(minion=minion, results=(worked, *self._failures.get(minion, ())))
            if on_return:
                on_return(done[minion])
        failures = {minion: returns.failures(answer) for minion, answer in done.items() if not answer.worked}
        if failures:
            raise StateFailed(what=f"states failed on {listed(tuple(failures))}", do="correct them", failures=failures)
        self._finish(job, {minion: CallReturn(minion=minion) for minion in done}, done, lenient=False)
        return done

    def lookup(self, jid: str) -> FoundJob | None:
        return self.jobs.get(jid)

    def wait_for(self, minions: Sequence[str], timeout_s: float) -> None:
        self.call(minions, "test.ping", timeout_s=timeout_s)

    def refresh_pillar(self, target: str | Sequence[str]) -> None:
        for minion in self._resolve(target):
            if minion in self.broken_pillars:
                raise PillarRefused(
                    what=f"the pillar of {minion} cannot be computed",
                    because=self.broken_pillars[minion],
                    do="correct the model or the catalogue",
                )

    def sync_modules(self, target: str | Sequence[str]) -> None:
        self._resolve(target)

    def _resolve(self, target: str | Sequence[str]) -> tuple[str, ...]:
        return self.target(target if isinstance(target, str) else "L@" + ",".join(target))

    def _job(
        self,
        target: str | Sequence[str],
        function: str,
        args: Sequence[object],
        kwargs: Mapping[str, object],
        on_job: OnJob | None,
    ) -> Job:
        minions = self._resolve(target)
        with self._lock:
            job = Job(jid=f"{next(self._numbers):020d}", function=function, minions=minions)
            self.asked.append(Asked(function, minions, tuple(args), dict(kwargs)))
        if on_job:
            on_job(job)
        return job

    def _answering(self, job: Job) -> list[str]:
        return [minion for minion in job.minions if minion not in self._silent]

    def _finish(self, job: Job, calls: dict[str, CallReturn], states: dict[str, StateReturn], lenient: bool) -> None:
        lost = tuple(minion for minion in job.minions if minion not in calls)
        self.jobs[job.jid] = FoundJob(job=job, calls=calls, states=states, lost=lost)
        if lost and not lenient:
            raise NoReturn(
                what=f"{listed(lost)} did not return from {job.function}",
                because="it does not answer",
                do="see that the machine runs",
                jid=job.jid,
                missing=dict.fromkeys(lost, "it does not answer"),
            )
