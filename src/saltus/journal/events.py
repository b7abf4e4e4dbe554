"""What can be said of a run, in the past tense. Events are appended after the fact they state, and never changed.

To add one: a class here and in the union at the end; `fold.py` says what it means for the state of a run.
"""

from __future__ import annotations

from datetime import UTC
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, JsonValue, TypeAdapter

FORMAT: Literal[1] = 1
"""Of the events that this version writes. A journal with a newer one is refused by name (store.py)."""

Utc = Annotated[AwareDatetime, AfterValidator(lambda at: at.astimezone(UTC))]
Evidence = dict[str, JsonValue]


class EventBase(BaseModel):
    """What every event has: when it happened and by whose hand (an account, else the user of the operating system)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    is_promise: ClassVar[bool] = True
    """Something rests on it: written through to the disk before `append` returns. Progress is not worth an fsync."""

    format: Literal[1] = FORMAT
    at: Utc
    by: str


class RunCreated(EventBase):
    kind: Literal["run.created"] = "run.created"
    fingerprint: str
    plan: str
    cloud: str
    undoes: str | None = None
    """The run that this one takes back; it may take over that run's locks."""


class RunnerCame(EventBase):
    """Which process took the run up, and of which Saltus."""

    runner: str
    host: str
    pid: int
    saltus: str


class RunStarted(RunnerCame):
    kind: Literal["run.started"] = "run.started"


class RunResumed(RunnerCame):
    """A runner took the run up again. Whatever was running until now has an unknown outcome."""

    kind: Literal["run.resumed"] = "run.resumed"


class StepStarted(EventBase):
    kind: Literal["step.started"] = "step.started"
    step: str
    attempt: int


class StepProgress(EventBase):
    is_promise: ClassVar[bool] = False
    kind: Literal["step.progress"] = "step.progress"
    step: str
    text: str
    fraction: float | None = None


class StepNoted(EventBase):
    """What a later attempt must know, written before it is awaited: `{"jid": "20261122183012345678"}`."""

    kind: Literal["step.noted"] = "step.noted"
    step: str
    data: Evidence


class StepFinished(EventBase):
    kind: Literal["step.finished"] = "step.finished"
    step: str
    summary: str
    evidence: Evidence = {}
    seconds: float
    verified: bool = False
    """Not performed by this attempt: the world was looked at after a crash, and the work was there."""


class StepFailed(EventBase):
    kind: Literal["step.failed"] = "step.failed"
    step: str
    what: str
    because: str
    do: str
    evidence: Evidence = {}
    seconds: float = 0.0


class StepSkipped(EventBase):
    """A person took the step out of the run."""

    kind: Literal["step.skipped"] = "step.skipped"
    step: str
    because: str


class GateAsked(EventBase):
    kind: Literal["gate.asked"] = "gate.asked"
    gate: str
    fingerprint: str
    asking: str
    """Names this one asking; an answer to an earlier one does not count."""
    expires_at: Utc | None = None


class GateAnswerBase(EventBase):
    """What approvals and rejections share; `journal/approvals.py` makes, signs and judges them."""

    gate: str
    fingerprint: str
    asking: str
    comment: str = ""
    origin: str = ""
    """From where: the operating-system user and host, or the address of the browser."""
    signature: str = ""


class GateApproved(GateAnswerBase):
    kind: Literal["gate.approved"] = "gate.approved"


class GateRejected(GateAnswerBase):
    kind: Literal["gate.rejected"] = "gate.rejected"


class AnswerRefused(EventBase):
    """Somebody answered a gate and it did not count."""

    kind: Literal["gate.answer-refused"] = "gate.answer-refused"
    gate: str
    because: str
    origin: str = ""


class GateExpired(EventBase):
    kind: Literal["gate.expired"] = "gate.expired"
    gate: str
    asking: str


class PauseRequested(EventBase):
    kind: Literal["pause.requested"] = "pause.requested"
    reason: str = ""


class ResumeRequested(EventBase):
    kind: Literal["resume.requested"] = "resume.requested"


class AbortRequested(EventBase):
    kind: Literal["abort.requested"] = "abort.requested"
    reason: str = ""


class RetryRequested(EventBase):
    """Do again what failed or is unknown; with `step`, that step and everything behind it."""

    kind: Literal["retry.requested"] = "retry.requested"
    step: str | None = None


class Paused(EventBase):
    kind: Literal["run.paused"] = "run.paused"
    reason: str
    step: str | None = None
    """The step that a person must decide about, if it is one."""


class FactsHeld(EventBase):
    """The facts were taken again, and are as the plan and its done steps say."""

    kind: Literal["facts.held"] = "facts.held"
    facts: int


class DriftSeen(EventBase):
    """The facts were taken again, and the cloud is not as it should be by now: a line for each difference."""

    kind: Literal["drift.seen"] = "drift.seen"
    differences: tuple[str, ...]


class DriftAccepted(EventBase):
    """A person has seen these differences and goes on with the plan in spite of them; of others nothing is said."""

    kind: Literal["drift.accepted"] = "drift.accepted"
    differences: tuple[str, ...]
    comment: str = ""
    origin: str = ""


class OutageSeen(EventBase):
    """Written when an outage begins, and again when it ends: of a target, `what` and `started` the last one counts."""

    is_promise: ClassVar[bool] = False
    kind: Literal["outage.seen"] = "outage.seen"
    target: str
    """`nova`, or an instance's name."""
    what: Literal["read", "write", "ping"]
    started: Utc
    ended: Utc | None = None
    """None: not over yet, or not when the watcher stopped."""
    step: str | None = None
    lost: int = 0
    """Questions without a good answer."""


class WatchSummary(EventBase):
    """What the watcher counted of one target and kind of question, in the run so far: the last one counts."""

    kind: Literal["watch.summary"] = "watch.summary"
    target: str
    what: Literal["read", "write", "ping"]
    asked: int
    lost: int
    outage_s: float
    longest_s: float


class WatchFailed(EventBase):
    """Outages were not measured from here on: the watcher could not start, or it broke."""

    kind: Literal["watch.failed"] = "watch.failed"
    because: str


class NotificationFailed(EventBase):
    is_promise: ClassVar[bool] = False
    kind: Literal["notification.failed"] = "notification.failed"
    channel: str
    because: str


class RunFinished(EventBase):
    """The runner is through. `failed` may be taken up again; `done` and `aborted` are the end."""

    kind: Literal["run.finished"] = "run.finished"
    status: Literal["done", "failed", "aborted"]
    reason: str = ""


class WayBackOffered(EventBase):
    """The run was given up. `plan` is the fingerprint of the plan that takes it back; none: `says` why."""

    kind: Literal["way-back.offered"] = "way-back.offered"
    plan: str | None
    says: str


GateAnswer = GateApproved | GateRejected

Event = Annotated[
    RunCreated
    | RunStarted
    | RunResumed
    | StepStarted
    | StepProgress
    | StepNoted
    | StepFinished
    | StepFailed
    | StepSkipped
    | GateAsked
    | GateApproved
    | GateRejected
    | AnswerRefused
    | GateExpired
    | PauseRequested
    | ResumeRequested
    | AbortRequested
    | RetryRequested
    | Paused
    | FactsHeld
    | DriftSeen
    | DriftAccepted
    | OutageSeen
    | WatchSummary
    | WatchFailed
    | NotificationFailed
    | RunFinished
    | WayBackOffered,
    Field(discriminator="kind"),
]

_adapter: TypeAdapter[Any] = TypeAdapter(Event)


def parse_event(text: str | bytes) -> Event:
    """One event from its JSON. Raises pydantic's ValidationError for what this version does not know."""
    event: Event = _adapter.validate_json(text)
    return event
