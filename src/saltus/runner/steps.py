"""One step from its first event to its last, whatever happens in between."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from saltus.errors import Abort, OperatorError
from saltus.journal.events import (
    Event,
    Evidence,
    StepFailed,
    StepFinished,
    StepNoted,
    StepProgress,
    StepStarted,
)
from saltus.journal.fold import Failure, RunStatus
from saltus.journal.redactor import Redactor
from saltus.plan.plan import Plan, Stage, Step
from saltus.runner.clock import Clock
from saltus.runner.interrupt import Interrupts
from saltus.runner.ledger import Ledger
from saltus.runner.performer import Outcome, PauseRun, Performer, Performers, Verdict, Verifier
from saltus.runner.progress import Progress

log = logging.getLogger(__name__)

_PROGRESS_EVERY_S = 5.0
"""The journal keeps a step's progress no more often than this; the terminal sees all of it."""


class Halt(Exception):
    """The run stops here, in order."""

    def __init__(self, status: RunStatus, reason: str, *, step: str | None = None, now: bool = False) -> None:
        self.status, self.reason, self.step, self.now = status, reason, step, now
        super().__init__(reason)


@dataclass
class StepDesk:
    """What all steps of one run share: the ledger, who performs, whom to tell, who may interrupt."""

    plan: Plan
    ledger: Ledger
    performers: Performers
    progress: Progress
    interrupts: Interrupts
    clock: Clock
    by: str
    redactor: Redactor
    last_s: Mapping[str, float]
    may_go_on: Callable[[], None]
    """Raises Halt when the run is to pause or end before anything new begins."""

    def do(self, stage: Stage, step: Step) -> None:
        """Bring `step` to its end. Raises Halt when the run cannot go on behind it."""
        state = self.ledger.state.steps[step.id]
        if state.is_over:
            return
        if state.status == "unknown" and self._settle(stage, step):
            return
        while True:
            self.may_go_on()
            attempt = self.ledger.state.steps[step.id].attempt + 1
            if self.ledger.state.steps[step.id].is_over:  # a person skipped it just now
                return
            if self.ledger.append_if_current(self._event(StepStarted, step, attempt=attempt)):
                break
        self._perform(stage, step, attempt)

    def _event(self, kind: Callable[..., Event], step: Step, **said: object) -> Event:
        return kind(at=self.clock.now(), by=self.by, step=step.id, **said)

    def _perform(self, stage: Stage, step: Step, attempt: int) -> None:
        began = self.clock.monotonic()
        self.progress.step_begins(stage, step, self.last_s.get(step.id))
        context = Context(self, stage, step, attempt)
        try:
            with self.interrupts.breakable():
                outcome = self._performer(step).perform(step.action, context)
        except OperatorError as exc:
            halt: RunStatus = "paused" if isinstance(exc, PauseRun) else "failed"
            self._failed(stage, step, Failure(exc.what, exc.because, exc.do), began, context, halt=halt)
        except Abort:
            raise
        except Exception as exc:
            log.exception("step %s", step.id)
            self._failed(
                stage,
                step,
                Failure(
                    f"{step.title}: {type(exc).__name__}: {exc}",
                    "this is a bug of Saltus, not of your cloud",
                    "report it with the traceback in the log; saltus run goes on from this step",
                ),
                began,
                context,
            )
        else:
            self._finished(stage, step, outcome, self.clock.monotonic() - began)

    def _performer(self, step: Step) -> Performer:
        try:
            return self.performers[step.action.kind]
        except KeyError:
            raise OperatorError(
                what=f"nobody here can perform {step.action.kind}",
                because="this command was given performers for other kinds of action only",
                do="this is a bug of Saltus; please report it with the name of the command",
            ) from None

    def _finished(self, stage: Stage, step: Step, outcome: Outcome, seconds: float, *, verified: bool = False) -> None:
        summary = self.redactor.text(outcome.summary)
        self.ledger.append(
            self._event(
                StepFinished,
                step,
                summary=summary,
                evidence=self.redactor.mapping(outcome.evidence),
                seconds=round(seconds, 3),
                verified=verified,
            )
        )
        self.progress.step_ends(stage, step, summary, seconds, self.last_s.get(step.id))

    def _failed(
        self,
        stage: Stage,
        step: Step,
        failure: Failure,
        began: float,
        context: Context,
        *,
        halt: RunStatus = "failed",
    ) -> None:
        seconds = self.clock.monotonic() - began
        text = self.redactor.text
        failure = Failure(text(failure.what), text(failure.because), text(failure.do))
        self.ledger.append(
            self._event(
                StepFailed,
                step,
                what=failure.what,
                because=failure.because,
                do=failure.do,
                evidence=context.kept,
                seconds=round(seconds, 3),
            )
        )
        self.progress.step_fails(stage, step, failure, seconds)
        raise Halt(halt, failure.what, step=step.id)

    def _settle(self, stage: Stage, step: Step) -> bool:
        """The step was begun and nobody knows how it ended. True: it was done. False: do it (again)."""
        rule = step.action.after_a_crash
        if rule == "repeat":
            self.progress.note(f"{step.title}: begun by a runner that stopped; safe to do again")
            return False
        performer = self._performer(step)
        if rule == "verify" and isinstance(performer, Verifier):
            verdict = self._look(step, performer)
            if verdict.found == "done":
                outcome = verdict.outcome or Outcome("found done")
                self._finished(
                    stage, step, Outcome(f"found done: {outcome.summary}", outcome.evidence), 0, verified=True
                )
                return True
            if verdict.found == "not done":
                self.progress.note(f"{step.title}: begun by a runner that stopped, and found not done")
                return False
            because = verdict.because
        else:
            because = "only a person can tell"
        raise Halt(
            "paused",
            f"{step.title}: it was begun and its outcome is unknown ({because}). Look, then `saltus retry"
            f" {self.ledger.run} --from {step.id}` to do it again, or `saltus skip {self.ledger.run} {step.id}"
            f" --because ...` when it is done",
            step=step.id,
        )

    def _look(self, step: Step, performer: Verifier) -> Verdict:
        stage = next(stage for stage in self.plan.stages if step in stage.steps)
        context = Context(self, stage, step, self.ledger.state.steps[step.id].attempt)
        try:
            with self.interrupts.breakable():
                return performer.verify(step.action, context)
        except OperatorError as exc:
            return Verdict.unknown(f"it could not be looked at: {exc.what}: {exc.because}")


class Context:
    """A step's StepContext. See the protocol for what each thing means."""

    def __init__(self, desk: StepDesk, stage: Stage, step: Step, attempt: int) -> None:
        self.run, self.plan, self.step, self.attempt = desk.ledger.run, desk.plan, step, attempt
        self._desk, self._stage = desk, stage
        self._said_at = desk.clock.monotonic()
        self._notes: Evidence = dict(desk.ledger.state.steps[step.id].notes)
        self.kept: Evidence = {}

    def say(self, text: str, fraction: float | None = None) -> None:
        text = self._desk.redactor.text(text)
        self._desk.progress.step_says(self._stage, self.step, text, fraction)
        now = self._desk.clock.monotonic()
        if now - self._said_at >= _PROGRESS_EVERY_S:
            self._said_at = now
            self._desk.ledger.append(self._desk._event(StepProgress, self.step, text=text[:500], fraction=fraction))

    def note(self, data: Evidence) -> None:
        self._desk.ledger.append(self._desk._event(StepNoted, self.step, data=data))
        self._notes.update(data)

    def noted(self) -> Evidence:
        return dict(self._notes)

    def evidence_of(self, step: str) -> Evidence:
        state = self._desk.ledger.state.steps.get(step)
        return dict(state.evidence) if state and state.status == "done" else {}

    @property
    def cancelled(self) -> bool:
        return self._desk.interrupts.stop_now.is_set() or self._desk.ledger.lost.is_set()

    def wait(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0 and not self.cancelled:
            time.sleep(min(left, 0.25))
        if self.cancelled:
            raise Abort
