"""What the events of a run add up to. Pure and total: any sequence of events gives a state, whatever its order.

Status, page and resume read nothing else. No clock is read here: a gate's answer is judged by the answer's own time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Literal

from saltus.journal.events import (
    AbortRequested,
    DriftAccepted,
    DriftSeen,
    Event,
    Evidence,
    FactsHeld,
    GateAnswer,
    GateApproved,
    GateAsked,
    GateExpired,
    GateRejected,
    Paused,
    PauseRequested,
    ResumeRequested,
    RetryRequested,
    RunCreated,
    RunFinished,
    RunResumed,
    RunStarted,
    StepFailed,
    StepFinished,
    StepNoted,
    StepProgress,
    StepSkipped,
    StepStarted,
    WayBackOffered,
)
from saltus.plan.order import Block, GateAhead, walk
from saltus.plan.plan import Gate, Plan, Step

StepStatus = Literal["pending", "running", "done", "failed", "skipped", "unknown"]
GateStatus = Literal["ahead", "asked", "approved", "rejected", "expired"]
RunStatus = Literal["created", "running", "waiting", "paused", "failed", "done", "aborted"]


ASKED = "asked "
"""Beginning of the keys of notes that hold what a person was asked: who asks for a retry has not answered yes."""


@dataclass(frozen=True)
class Failure:
    what: str
    because: str
    do: str


@dataclass(frozen=True)
class StepState:
    status: StepStatus = "pending"
    attempt: int = 0
    started_at: datetime | None = None
    ended_at: datetime | None = None
    seconds: float | None = None
    summary: str = ""
    evidence: Evidence = field(default_factory=dict)
    failure: Failure | None = None
    notes: Evidence = field(default_factory=dict)
    """What was noted in this and earlier attempts, later notes over earlier ones."""
    progress: str = ""
    fraction: float | None = None

    @property
    def is_over(self) -> bool:
        return self.status in ("done", "skipped")


@dataclass(frozen=True)
class GateState:
    status: GateStatus = "ahead"
    asking: str = ""
    asked_at: datetime | None = None
    expires_at: datetime | None = None
    approvals: tuple[GateApproved, ...] = ()
    """Those that count: in time, for this plan and this asking, each person once."""
    rejection: GateRejected | None = None

    def in_time(self, at: datetime) -> bool:
        return self.expires_at is None or at <= self.expires_at


Genuine = Callable[[GateAnswer], bool]


@dataclass
class RunState:
    """The state of a run after the events up to `seq`. `take` adds one more event."""

    plan: Plan
    genuine: Genuine = field(default=lambda _answer: True, repr=False)
    """Says whether an answer's signature holds; one that does not is as if it had never been written."""
    seq: int = 0
    status: RunStatus = "created"
    reason: str = ""
    """Why it is paused, failed or aborted."""
    steps: dict[str, StepState] = field(default_factory=dict)
    gates: dict[str, GateState] = field(default_factory=dict)
    starters: frozenset[str] = frozenset()
    """Who made or ran it: their own answer does not count where two persons are asked for."""
    created_at: datetime | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    runner: str | None = None
    pause_requested: str | None = None
    abort_requested: str | None = None
    drift: tuple[str, ...] = ()
    """How the cloud differed from what it should be when its facts were last taken, without what was accepted."""
    accepted: frozenset[str] = frozenset()
    """Differences that a person has seen and accepted."""
    undoes: str | None = None
    way_back: WayBackOffered | None = None
    """After an abort: the plan that takes back what the run has done, or why there is none."""

    def __post_init__(self) -> None:
        self.steps = {step.id: StepState() for step in self.plan.steps()}
        self.gates = {gate.id: GateState() for gate in self.plan.gates()}
        self._gates = {gate.id: gate for gate in self.plan.gates()}
        self._fingerprint = self.plan.fingerprint
        self._open: set[str] = set()  # ids of steps that are running or unknown: few, while a plan may have thousands

    @property
    def is_over(self) -> bool:
        return self.status in ("done", "aborted")

    @property
    def unknown_steps(self) -> tuple[str, ...]:
        return tuple(step for step in self._open if self.steps[step].status == "unknown")

    def waiting_gate(self) -> Gate | None:
        return next((gate for gate in self.plan.gates() if self.gates[gate.id].status == "asked"), None)

    def gate(self, name: str) -> Gate:
        return self._gates[name]

    def failures(self) -> tuple[tuple[str, Failure], ...]:
        return tuple(
            (step, state.failure) for step, state in self.steps.items() if state.status == "failed" and state.failure
        )

    def is_passed(self, block: Block | GateAhead) -> bool:
        if isinstance(block, GateAhead):
            return self.gates[block.gate.id].status == "approved"
        return all(self.steps[step.id].is_over for step in block.steps)

    def next_block(self) -> Block | GateAhead | None:
        return next((block for block in walk(self.plan) if not self.is_passed(block)), None)

    def next_steps(self) -> tuple[Step, ...]:
        """What may run now: the first step of each lane that is not over. Empty at a gate and at the end."""
        block = self.next_block()
        if not isinstance(block, Block):
            return ()
        heads = (next((s for s in lane if not self.steps[s.id].is_over), None) for lane in block.lanes)
        return tuple(step for step in heads if step)

    def take(self, seq: int, event: Event) -> None:
        """Add the event that stands at `seq`."""
        self.seq = max(self.seq, seq)
        match event:
            case RunCreated():
                self.created_at, self.undoes = event.at, event.undoes
                self.starters |= {event.by}
            case RunStarted() | RunResumed():
                self._lose_sight_of_running_steps()
                self.started_at = self.started_at or event.at
                self.runner, self.reason, self.ended_at = event.runner, "", None
                self.status = "waiting" if self.waiting_gate() else "running"
                self.pause_requested = None
                self.starters |= {event.by}
            case StepStarted() | StepProgress() | StepNoted() | StepFinished() | StepFailed() | StepSkipped():
                if event.step in self.steps:
                    self._take_step(event)
            case GateAsked() | GateApproved() | GateRejected() | GateExpired():
                if event.gate in self.gates:
                    self._take_gate(event)
            case PauseRequested():
                self.pause_requested = event.reason or f"{event.by} asked for it"
            case ResumeRequested():
                self.pause_requested = None
            case AbortRequested():
                self.abort_requested = event.reason or f"{event.by} asked for it"
            case RetryRequested():
                self._retry(event.step)
            case DriftSeen():
                self.drift = event.differences
            case FactsHeld():
                self.drift = ()
            case DriftAccepted():
                self.accepted |= set(event.differences)
                self.drift = tuple(line for line in self.drift if line not in self.accepted)
            case Paused():
                self._lose_sight_of_running_steps()
                self.status, self.reason = "paused", event.reason
            case RunFinished():
                self._lose_sight_of_running_steps()
                self.status, self.reason, self.ended_at = event.status, event.reason, event.at
            case WayBackOffered():
                self.way_back = event
            case _:  # progress of others, outages, refusals: nothing that a run turns on
                pass

    def _take_step(
        self, event: StepStarted | StepProgress | StepNoted | StepFinished | StepFailed | StepSkipped
    ) -> None:
        old = self.steps[event.step]
        match event:
            case StepStarted():
                new = StepState("running", event.attempt, event.at, notes=old.notes)
            case StepProgress():
                new = replace(old, progress=event.text, fraction=event.fraction)
            case StepNoted():
                new = replace(old, notes={**old.notes, **event.data})
            case StepFinished():
                new = replace(
                    old,
                    status="done",
                    ended_at=event.at,
                    seconds=event.seconds,
                    summary=event.summary,
                    evidence=event.evidence,
                    failure=None,
                )
            case StepFailed():
                new = replace(
                    old,
                    status="failed",
                    ended_at=event.at,
                    seconds=event.seconds,
                    evidence=event.evidence,
                    failure=Failure(event.what, event.because, event.do),
                )
            case StepSkipped():
                new = replace(old, status="skipped", ended_at=event.at, summary=event.because, failure=None)
        self.steps[event.step] = new
        if new.status in ("running", "unknown"):
            self._open.add(event.step)
        else:
            self._open.discard(event.step)

    def _lose_sight_of_running_steps(self) -> None:
        """Their runner is gone, or another has come: nobody will say how they ended."""
        for step in self._open:
            self.steps[step] = replace(self.steps[step], status="unknown")

    def _take_gate(self, event: GateAsked | GateApproved | GateRejected | GateExpired) -> None:
        old = self.gates[event.gate]
        match event:
            case GateAsked():
                self.gates[event.gate] = GateState("asked", event.asking, event.at, event.expires_at)
                if self.status == "running":
                    self.status = "waiting"
            case GateExpired():
                if old.status == "asked" and event.asking == old.asking:
                    self.gates[event.gate] = replace(old, status="expired")
                    self._leave_waiting()
            case GateApproved() | GateRejected():
                if self.why_not(event) is None:
                    self._count(old, event)

    def why_not(self, answer: GateAnswer) -> str | None:
        """Why `answer` does not count, in words; None when it does."""
        gate, state = self._gates.get(answer.gate), self.gates.get(answer.gate)
        if gate is None or state is None:
            return f"the plan has no gate {answer.gate}"
        if answer.fingerprint != self._fingerprint:
            return f"it answers for the plan {answer.fingerprint[:12]}, and this run is of {self._fingerprint[:12]}"
        if state.status != "asked":
            word = {"ahead": "has not been asked yet", "expired": "has expired"}.get(state.status, f"is {state.status}")
            return f"the gate {word}"
        if answer.asking != state.asking:
            return "it answers an earlier asking of this gate"
        if not state.in_time(answer.at):
            return f"it came at {answer.at:%F %T} UTC, and the gate expired at {state.expires_at:%F %T} UTC"
        if isinstance(answer, GateApproved):
            if gate.answers > 1 and answer.by in self.starters:
                return f"{answer.by} started this run, and the gate wants {gate.answers} other persons"
            if any(answer.by == earlier.by for earlier in state.approvals):
                return f"{answer.by} has already answered"
        if not self.genuine(answer):
            return "its signature does not hold"
        return None

    def _count(self, old: GateState, answer: GateAnswer) -> None:
        if isinstance(answer, GateRejected):
            self.gates[answer.gate] = replace(old, status="rejected", rejection=answer)
        else:
            approvals = (*old.approvals, answer)
            enough = len(approvals) >= self._gates[answer.gate].answers
            self.gates[answer.gate] = replace(old, approvals=approvals, status="approved" if enough else "asked")
            if not enough:
                return
        self._leave_waiting()

    def _leave_waiting(self) -> None:
        if self.status == "waiting":
            self.status = "running"

    def _retry(self, first: str | None) -> None:
        """Put steps back to pending: those that failed or are unknown, or `first` and all that stands behind it."""
        if first is not None and first not in self.steps:
            return
        reached = False
        for block in walk(self.plan):
            if isinstance(block, GateAhead):
                if reached:
                    self.gates[block.gate.id] = GateState()
                continue
            for lane in block.lanes:
                in_lane = False
                for step in lane:
                    in_lane = in_lane or step.id == first
                    old = self.steps[step.id]
                    again = reached or in_lane if first else old.status in ("failed", "unknown")
                    if again and old.status != "pending" and old.status != "running":
                        notes = {key: value for key, value in old.notes.items() if not key.startswith(ASKED)}
                        self.steps[step.id] = StepState(attempt=old.attempt, notes=notes)
                        self._open.discard(step.id)
            reached = reached or any(step.id == first for step in block.steps)


def fold(plan: Plan, events: Iterable[tuple[int, Event]], *, genuine: Genuine | None = None) -> RunState:
    """The state of the run of `plan` after `events`, pairs of sequence number and event."""
    state = RunState(plan) if genuine is None else RunState(plan, genuine)
    for seq, event in events:
        state.take(seq, event)
    return state
