"""The verbs that look at runs and steer them: each is an event in the journal, which the runner reads between steps."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from pydantic import JsonValue

from saltus.commands.identity import demand
from saltus.errors import OperatorError
from saltus.journal.approvals import Person, answer_gate
from saltus.journal.events import (
    AbortRequested,
    DriftAccepted,
    Event,
    GateAnswer,
    GateApproved,
    GateRejected,
    PauseRequested,
    ResumeRequested,
    RetryRequested,
    RunFinished,
    StepNoted,
    StepSkipped,
)
from saltus.journal.fold import RunState, fold
from saltus.journal.leases import Lease
from saltus.journal.store import Journal, JournalMoved, NotReadable, RunRecord
from saltus.journal.words import tell
from saltus.runner.clock import Clock, SystemClock


class RunIsOver(OperatorError):
    """Done and aborted runs are not steered any more."""


@dataclass(frozen=True)
class RunLine:
    run: str
    plan: str
    cloud: str
    status: str
    """The journal's; where it says running and nobody runs it: `interrupted` in the middle of a step, or `ready`."""
    done: int
    steps: int
    now: str
    """What runs or is waited for."""
    started_by: str
    created_at: datetime


@dataclass(frozen=True)
class StepLine:
    stage: str
    step: str
    title: str
    status: str
    attempt: int
    seconds: float | None
    summary: str


@dataclass(frozen=True)
class RunStatus:
    """All that `saltus status` shows."""

    run: str
    line: RunLine
    reason: str
    runner: Lease | None
    steps: tuple[StepLine, ...]
    gate: str | None
    """The gate that waits."""
    question: str
    answers: str
    """`1 of 2 (ann)`"""
    expires_at: datetime | None
    way_back: str
    """Of the stage that the run stands in; after an abort, the plan that was offered."""


@dataclass(frozen=True)
class LogLine:
    seq: int
    at: datetime
    by: str
    kind: str
    text: str


@dataclass(frozen=True)
class AuditLine:
    """Who did what: a decision of a person, or a process that came or went."""

    seq: int
    at: datetime
    by: str
    what: str
    text: str
    origin: str
    signature: str
    """`holds`, `does not hold`, or empty where none is asked for."""


def list_runs(journal: Journal, state_of: Callable[[str], RunState] | None = None) -> list[RunLine]:
    """Newest first. `state_of` is for those who keep the states of runs at hand."""
    state_of = state_of or journal.state
    return [_line_or_unreadable(journal, record, state_of) for record in reversed(journal.runs())]


def _line_or_unreadable(journal: Journal, record: RunRecord, state_of: Callable[[str], RunState]) -> RunLine:
    """A run of another version of Saltus is listed, and does not stop the others from being."""
    try:
        return _line(journal, record.id, state_of(record.id))
    except NotReadable as error:
        why = error.what
    made = record.created_by, record.created_at
    return RunLine(record.id, record.name, record.cloud, UNREADABLE, 0, 0, why, *made)


UNREADABLE = "unreadable"
"""The status of a run that this version of Saltus cannot read."""


def show_status(
    journal: Journal, run: str, state_of: Callable[[str], RunState] | None = None, *, with_steps: bool = True
) -> RunStatus:
    """Without steps for who shows them otherwise: of a fleet there are ten thousand."""
    run = journal.find_run(run).id
    state = (state_of or journal.state)(run)
    waiting = state.waiting_gate()
    answers = ""
    if waiting:
        names = ", ".join(approval.by for approval in state.gates[waiting.id].approvals)
        answers = f"{len(state.gates[waiting.id].approvals)} of {waiting.answers}" + (f" ({names})" if names else "")
    return RunStatus(
        run=run,
        line=_line(journal, run, state),
        reason=state.reason,
        runner=journal.leases.holder(run),
        steps=tuple(
            StepLine(
                stage=stage.id,
                step=step.id,
                title=step.title,
                status=state.steps[step.id].status,
                attempt=state.steps[step.id].attempt,
                seconds=state.steps[step.id].seconds,
                summary=_said(state, step.id),
            )
            for stage in state.plan.stages
            for step in stage.steps
            if with_steps
        ),
        gate=waiting.id if waiting else None,
        question=waiting.question if waiting else "",
        answers=answers,
        expires_at=state.gates[waiting.id].expires_at if waiting else None,
        way_back=tell_way_back(state),
    )


def tell_way_back(state: RunState) -> str:
    """`saltus run PLAN` after an abort that led to one; else the words of the stage that the run stands in."""
    if state.way_back is not None:
        command = f"saltus run {state.way_back.plan[:12]}: " if state.way_back.plan else ""
        return f"{command}{state.way_back.says}"
    begun = [stage for stage in state.plan.stages if any(state.steps[step.id].attempt for step in stage.steps)]
    return begun[-1].way_back if begun else "nothing was done"


def _said(state: RunState, step: str) -> str:
    found = state.steps[step]
    if found.failure:
        return found.failure.what
    return found.summary or (found.progress if found.status == "running" else "")


def _line(journal: Journal, run: str, state: RunState) -> RunLine:
    record = journal.find_run(run)
    status: str = state.status
    if status == "running" and journal.leases.holder(run) is None:
        begun = any(step.status in ("running", "unknown") for step in state.steps.values())
        status = "interrupted" if begun else "ready"
    running = [name for name, step in state.steps.items() if step.status in ("running", "unknown", "failed")]
    waiting = state.waiting_gate()
    return RunLine(
        run=run,
        plan=record.name,
        cloud=record.cloud,
        status=status,
        done=sum(step.is_over for step in state.steps.values()),
        steps=len(state.steps),
        now=f"gate {waiting.id}" if waiting and not state.is_over else _few(running),
        started_by=record.created_by,
        created_at=record.created_at,
    )


def _few(steps: Sequence[str]) -> str:
    """A fleet runs hundreds at a time: three of them, and how many more."""
    return ", ".join(steps[:3]) + (f" and {len(steps) - 3} more" if len(steps) > 3 else "")


def read_log(journal: Journal, run: str, step: str | None = None, *, after_seq: int = 0) -> list[LogLine]:
    """Every event in words; those of one step only when it is named."""
    return read_log_of(journal, run, None if step is None else [step], after_seq=after_seq)


def read_log_of(
    journal: Journal, run: str, steps: Collection[str] | None, *, after_seq: int = 0, machine: str | None = None
) -> list[LogLine]:
    """Every event of these steps in words, as they happened; with `machine`, without what they noted of others."""
    run = journal.find_run(run).id
    events = journal.read(run, after_seq, steps=steps)
    return [log_line(seq, event) for seq, event in events if machine is None or _concerns(machine, event)]


def _concerns(machine: str, event: Event) -> bool:
    if not isinstance(event, StepNoted):
        return True
    of_machines = [key for key in event.data if key.startswith("node ")]
    return not of_machines or f"node {machine}" in of_machines


def follow(journal: Journal, run: str) -> Iterator[LogLine]:
    """What happens from now on, until the run ends or stops and nobody runs it any more."""
    run = journal.find_run(run).id
    state = journal.state(run)

    def stopped() -> bool:
        return state.is_over or (state.status != "created" and journal.leases.holder(run) is None)

    for seq, event in journal.follow(run, state.seq, until=stopped):
        state.take(seq, event)
        if event.kind != "step.noted":
            yield log_line(seq, event)


def log_line(seq: int, event: Event) -> LogLine:
    return LogLine(seq, event.at, event.by, event.kind, tell(event))


_BY_PERSONS = (
    "run.created",
    "run.started",
    "run.resumed",
    "gate.asked",
    "gate.approved",
    "gate.rejected",
    "gate.answer-refused",
    "gate.expired",
    "pause.requested",
    "resume.requested",
    "abort.requested",
    "retry.requested",
    "step.skipped",
    "facts.held",
    "drift.seen",
    "drift.accepted",
    "run.paused",
    "run.finished",
    "way-back.offered",
)


def audit(journal: Journal, run: str) -> list[AuditLine]:
    """Who started, answered, refused, paused, skipped and ended, from where, and whether signatures hold.

    An answer that was written into the journal past `saltus approve` and does not count, forged or replayed, says why.
    """
    record = journal.find_run(run)
    genuine = journal.signer.genuine if journal.signer else None
    state = fold(journal.plan_of(record.id), [], genuine=genuine)
    lines = []
    for seq, event in journal.read(record.id):
        text, signature = tell(event), ""
        if isinstance(event, GateApproved | GateRejected):
            if because := state.why_not(event):
                text += f"; it does not count: {because}"
            if genuine:
                signature = "holds" if genuine(event) else "does not hold"
        state.take(seq, event)
        if event.kind in _BY_PERSONS:
            origin = getattr(event, "origin", "") or getattr(event, "host", "")
            lines.append(AuditLine(seq, event.at, event.by, event.kind, text, origin, signature))
    return lines


def audit_record(journal: Journal, run: str) -> dict[str, JsonValue]:
    """The whole record for a machine: the plan's fingerprint and every event as it stands in the journal."""
    record = journal.find_run(run)
    return {
        "run": record.id,
        "plan": record.fingerprint,
        "cloud": record.cloud,
        "events": [{"seq": seq, **event.model_dump(mode="json")} for seq, event in journal.read(record.id)],
    }


# -- steering


def approve(
    journal: Journal, run: str, who: Person, *, gate: str | None = None, comment: str = "", clock: Clock | None = None
) -> GateAnswer:
    """Approve the gate that waits. Raises AnswerNotCounted, and records it, when that is not theirs or not timely."""
    return _answer(journal, run, who, gate, comment, clock, approve=True)


def reject(
    journal: Journal, run: str, who: Person, *, gate: str | None = None, comment: str = "", clock: Clock | None = None
) -> GateAnswer:
    return _answer(journal, run, who, gate, comment, clock, approve=False)


def _answer(
    journal: Journal, run: str, who: Person, gate: str | None, comment: str, clock: Clock | None, *, approve: bool
) -> GateAnswer:
    run = journal.find_run(run).id
    now = (clock or SystemClock()).now()
    return answer_gate(journal, run, who, approve=approve, at=now, gate=gate, comment=comment)


def pause(journal: Journal, run: str, who: Person, *, reason: str = "", clock: Clock | None = None) -> str:
    """The runner pauses behind the running step. Returns the run's id, as all of these do."""
    return _steer(journal, run, who, "pause it", lambda at: PauseRequested(at=at, by=who.name, reason=reason), clock)


def resume(journal: Journal, run: str, who: Person, *, clock: Clock | None = None) -> str:
    """Take a pause back; a runner that waits goes on, and any other is started with `saltus run`."""
    return _steer(journal, run, who, "resume it", lambda at: ResumeRequested(at=at, by=who.name), clock)


def accept_drift(journal: Journal, run: str, who: Person, *, comment: str = "", clock: Clock | None = None) -> str:
    """Take the cloud as it was found: the differences that paused the run, and no others, do not pause it again."""
    run = journal.find_run(run).id
    if not (seen := journal.state(run).drift):
        raise OperatorError(
            what=f"nothing of {run} was accepted",
            because="no difference between its cloud and its plan is open",
            do=f"saltus status {run}",
        )
    event = lambda at: DriftAccepted(at=at, by=who.name, differences=seen, comment=comment, origin=who.origin)  # noqa: E731
    return _steer(journal, run, who, "accept the drift of it", event, clock)


def abort(journal: Journal, run: str, who: Person, *, reason: str = "", clock: Clock | None = None) -> str:
    """End the run for good, behind the running step; at once when nobody runs it. Its locks are given back."""
    clock = clock or SystemClock()
    run = _steer(journal, run, who, "abort it", lambda at: AbortRequested(at=at, by=who.name, reason=reason), clock)
    if journal.leases.holder(run) is None:
        why = reason or f"{who.name} asked for it"
        journal.append(run, RunFinished(at=clock.now(), by=who.name, status="aborted", reason=why))
        journal.locks.give_back(run)
    return run


def retry(journal: Journal, run: str, who: Person, *, step: str | None = None, clock: Clock | None = None) -> str:
    """Do again what failed or is unknown; with `step`, that one and everything behind it. Then `saltus run`."""
    run = journal.find_run(run).id
    if step is not None:
        _known_step(journal.state(run), run, step)
    _nobody_runs(journal, run, "retried")
    return _steer(journal, run, who, "retry it", lambda at: RetryRequested(at=at, by=who.name, step=step), clock)


def skip(journal: Journal, run: str, who: Person, *, step: str, because: str, clock: Clock | None = None) -> str:
    """Take a step out of the run, with the reason on record. A step that runs or is done cannot be skipped."""
    run = journal.find_run(run).id
    state = journal.state(run)
    _known_step(state, run, step)
    status = state.steps[step].status
    if status in ("done", "skipped") or (status == "running" and journal.leases.holder(run)):
        raise OperatorError(
            what=f"{step} was not skipped",
            because=f"it is {status}",
            do=f"saltus status {run}",
        )
    if not because.strip():
        raise OperatorError(
            what=f"{step} was not skipped",
            because="a step is skipped with a reason, for those who read the record",
            do=f'saltus skip {run} {step} --because "..."',
        )
    event = lambda at: StepSkipped(at=at, by=who.name, step=step, because=because)  # noqa: E731
    return _steer(journal, run, who, "skip a step of it", event, clock)


def _steer(
    journal: Journal, run: str, who: Person, what: str, event: Callable[[datetime], Event], clock: Clock | None
) -> str:
    run = journal.find_run(run).id
    demand(journal, who, "operator", what.replace(" it", f" {run}"))
    while True:
        state = journal.state(run)
        if state.is_over:
            raise RunIsOver(
                what=f"{run} is {state.status}",
                because="a run that is over is not steered any more",
                do=f"saltus report {run}; or plan again",
            )
        try:
            journal.append(run, event((clock or SystemClock()).now()), expected_seq=state.seq)
            return run
        except JournalMoved:
            continue


def _nobody_runs(journal: Journal, run: str, what: str) -> None:
    if lease := journal.leases.holder(run):
        raise OperatorError(
            what=f"{run} was not {what}",
            because=f"process {lease.pid} on {lease.host} is running it",
            do=f"saltus pause {run}, and say this again when it has paused",
        )


def _known_step(state: RunState, run: str, step: str) -> None:
    if step not in state.steps:
        near = [name for name in state.steps if step.rpartition("/")[2] in name]
        raise OperatorError(
            what=f"{run} has no step {step}",
            because=f"there is {', '.join(near[:5])}" if near else "its plan names none like it",
            do=f"saltus status {run} lists them",
        )
