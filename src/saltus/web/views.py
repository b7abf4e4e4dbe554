"""What a page shows of a run, taken from its folded state: plain data, so that templates decide nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from saltus.commands.forecast import foreseen, of_stage
from saltus.commands.runs import RunStatus, show_status
from saltus.journal.accounts import ROLES, Account, Role
from saltus.journal.approvals import why_not_allowed
from saltus.journal.events import GateApproved
from saltus.journal.fold import Failure, GateState, RunState
from saltus.plan import Gate, Stage, Step
from saltus.web.access import Asking
from saltus.web.site import Site

SHOWN_STEPS = 150
"""Of a longer stage the run's page shows what runs, failed or is unknown; the stage's own page has them all."""
SHOWN_IN_ALL = 450
"""Stages behind so many steps come folded and empty, and are fetched when somebody unfolds them."""
SHOWN_FAILURES = 5


@dataclass(frozen=True)
class StepView:
    run: str
    id: str
    name: str
    title: str
    lane: str | None
    status: str
    seconds: float | None
    started_at: datetime | None
    """Only while it runs: the page counts on from there."""
    last_s: float | None
    last_word: str
    """`last time`, or `rehearsed` in this very run."""
    attempt: int
    said: str
    fraction: float | None
    failure: Failure | None


@dataclass(frozen=True)
class StageView:
    run: str
    number: int
    id: str
    title: str
    impact: str
    way_back: str
    status: str
    seconds: float | None
    started_at: datetime | None
    """Only while it runs."""
    last_s: float | None
    done: int
    total: int
    counts: dict[str, int]
    steps: tuple[StepView, ...]
    hidden: int
    gate: str
    """Status of its gate; empty without one."""
    is_open: bool
    comes_later: bool
    """Its steps are fetched when it is unfolded."""


@dataclass(frozen=True)
class GateView:
    run: str
    id: str
    asking: str
    """Which asking of it: it may be asked again after a retry."""
    question: str
    stage: str
    way_back: str
    status: str
    role: str
    needed: int
    approvals: tuple[GateApproved, ...]
    rejected_by: str
    comment: str
    asked_at: datetime | None
    expires_at: datetime | None
    on_expiry: str
    evidence: tuple[StepView, ...]
    ahead: tuple[StageView, ...]
    """What an approval lets loose: the stages up to the next gate."""
    may: tuple[str, ...]
    """Names of those who may answer."""
    why_not: str
    """Why the person who looks may not; empty when they may."""


@dataclass(frozen=True)
class HeadView:
    """The top of the page: where the run stands, and what can be done with it now."""

    status: RunStatus
    name: str
    fingerprint: str
    source: str
    target: str
    state: str
    started_at: datetime | None
    ended_at: datetime | None
    failures: tuple[tuple[str, Failure], ...]
    """The first few; the stages show all."""
    more_failures: int
    drift: tuple[str, ...]
    pause_asked: str
    abort_asked: str
    may_operate: bool
    verbs: tuple[str, ...]
    """Of `start`, `pause`, `resume`, `retry`, `abort`: those that make sense now."""
    can_start: bool
    """False: this page starts no runners."""


class RunView:
    """One run for one person. Made while the state is held still."""

    def __init__(self, site: Site, asking: Asking, run: str, state: RunState) -> None:
        self._site, self._asking, self._state, self._last = site, asking, state, site.earlier_durations(run, state.plan)
        self.run = run
        self._status = show_status(site.journal, run, lambda _run: state, with_steps=False)
        self._current = self._where()
        self._expected = foreseen(state, self._last)

    def head(self) -> HeadView:
        state, plan = self._state, self._state.plan
        status, failures = self._status.line.status, state.failures()
        return HeadView(
            status=self._status,
            name=plan.name,
            fingerprint=plan.fingerprint,
            source=plan.source,
            target=plan.target,
            state=status,
            started_at=state.started_at,
            ended_at=state.ended_at if state.status in ("done", "failed", "aborted") else None,
            failures=failures[:SHOWN_FAILURES],
            more_failures=len(failures[SHOWN_FAILURES:]),
            drift=state.drift,
            pause_asked=state.pause_requested or "" if self._status.runner else "",
            abort_asked=state.abort_requested or "" if not state.is_over else "",
            may_operate=self._asking.may(self._site, "operator"),
            verbs=tuple(self._verbs()),
            can_start=self._site.desk is not None,
        )

    def _verbs(self) -> Iterable[str]:
        state, runner = self._state, self._status.runner
        if state.is_over:
            return
        if runner:
            yield "resume" if state.pause_requested else "pause"
        else:
            waiting = state.waiting_gate()
            if waiting is None:
                yield "start"
            if any(step.status in ("failed", "unknown") for step in state.steps.values()):
                yield "retry"
        if not state.abort_requested:
            yield "abort"

    def gate(self) -> GateView | None:
        """The gate that waits."""
        if self._state.is_over or (waiting := self._state.waiting_gate()) is None:
            return None
        return self._gate(waiting)

    def _gate(self, gate: Gate) -> GateView:
        state = self._state.gates[gate.id]
        stage = next(stage for stage in self._state.plan.stages if stage.gate == gate)
        steps = {step.id: step for step in self._state.plan.steps()}
        return GateView(
            run=self.run,
            id=gate.id,
            asking=state.asking,
            question=gate.question,
            stage=stage.title,
            way_back=self._status.way_back,
            status=state.status,
            role=gate.role,
            needed=gate.answers,
            approvals=state.approvals,
            rejected_by=state.rejection.by if state.rejection else "",
            comment=state.rejection.comment if state.rejection else "",
            asked_at=state.asked_at,
            expires_at=state.expires_at,
            on_expiry=gate.on_expiry,
            evidence=tuple(self.step(steps[name]) for name in gate.evidence if name in steps),
            ahead=tuple(self._ahead(stage)),
            may=tuple(self._who_may(gate, state)),
            why_not=self._why_not(gate, state),
        )

    def _ahead(self, stage: Stage) -> Iterable[StageView]:
        stages = self._state.plan.stages
        for number, following in enumerate(stages, start=1):
            if number > stages.index(stage) + 1:
                yield self.stage(number, following, shown=0)
                if following.gate:
                    return

    def _why_not(self, gate: Gate, state: GateState) -> str:
        """In the words of the journal, which judges the answer in the end."""
        who = self._asking.who
        trial = GateApproved(
            at=self._site.clock.now(), by=who.name, gate=gate.id, fingerprint=self._state.plan.fingerprint,
            asking=state.asking,
        )  # fmt: skip
        trial = self._site.journal.signer.sign(trial) if self._site.journal.signer else trial  # type: ignore[assignment]
        return why_not_allowed(self._site.journal, who, gate.role) or self._state.why_not(trial) or ""

    def _who_may(self, gate: Gate, state: GateState) -> Iterable[str]:
        answered = {approval.by for approval in state.approvals}
        for account in self._site.journal.accounts.all():
            starter = gate.answers > 1 and account.name in self._state.starters
            if _may(account, gate.role) and account.name not in answered and not starter:
                yield account.name

    def stages(self) -> list[StageView]:
        views: list[StageView] = []
        for number, stage in enumerate(self._state.plan.stages, start=1):
            room = SHOWN_IN_ALL - sum(len(view.steps) for view in views)
            views.append(self.stage(number, stage, later=room < min(len(stage.steps), SHOWN_STEPS)))
        return views

    def stage(self, number: int, stage: Stage, *, shown: int = SHOWN_STEPS, later: bool = False) -> StageView:
        """`later`: without its steps, unless it is unfolded from the beginning."""
        states = [self._state.steps[step.id] for step in stage.steps]
        counts: Counter[str] = Counter(state.status for state in states)
        status = self._stage_status(stage, counts)
        is_open = stage.id == self._current or bool({"failed", "unknown", "running"} & counts.keys())
        later = later and not is_open
        shown = 0 if later else shown
        started = [state.started_at for state in states if state.started_at]
        ended = [state.ended_at for state in states if state.ended_at]
        over = status == "done"
        steps = list(stage.steps)
        if len(steps) > shown:
            steps = [step for step in steps if self._state.steps[step.id].status in ("running", "failed", "unknown")]
        return StageView(
            run=self.run,
            number=number,
            id=stage.id,
            title=stage.title,
            impact=str(stage.impact),
            way_back=stage.way_back,
            status=status,
            seconds=(max(ended) - min(started)).total_seconds() if started and ended and over else None,
            started_at=min(started) if started and status == "running" else None,
            last_s=self._forecast(stage),
            done=sum(state.is_over for state in states),
            total=len(states),
            counts=dict(counts),
            steps=tuple(self.step(step) for step in steps[:shown]),
            hidden=len(stage.steps) - len(steps[:shown]),
            gate=self._state.gates[stage.gate.id].status if stage.gate else "",
            is_open=is_open,
            comes_later=later,
        )

    def _stage_status(self, stage: Stage, counts: Counter[str]) -> str:
        for status in ("failed", "unknown", "running"):
            if counts[status]:
                return status
        if counts["pending"] == len(stage.steps) and stage.steps:
            return "pending"
        if counts["pending"]:
            return "running" if self._state.status == "running" else "paused"
        gate = self._state.gates[stage.gate.id].status if stage.gate else "approved"
        return {"approved": "done", "asked": "waiting", "rejected": "rejected", "expired": "expired"}.get(gate, "done")

    def step(self, step: Step) -> StepView:
        state = self._state.steps[step.id]
        said = state.failure.what if state.failure else state.summary
        last_s = self._expected.get(step.id)
        word = "last time" if last_s == self._last.get(step.id) else "rehearsed"
        return StepView(
            run=self.run,
            id=step.id,
            name=step.id.rpartition("/")[2],
            title=step.title,
            lane=step.lane,
            status=state.status,
            seconds=state.seconds,
            started_at=state.started_at if state.status == "running" else None,
            last_s=last_s,
            last_word=word,
            attempt=state.attempt,
            said=state.progress if state.status == "running" else said,
            fraction=state.fraction if state.status == "running" else None,
            failure=state.failure,
        )

    def _where(self) -> str:
        """The stage that the run stands in; the last one when it is through."""
        ahead = self._state.next_block()
        return ahead.stage.id if ahead else self._state.plan.stages[-1].id

    def _forecast(self, stage: Stage) -> float | None:
        """How long the stage is expected to take: lanes side by side, the longest of them counts."""
        return of_stage(stage, self._expected)


def _may(account: Account, role: str) -> bool:
    wanted: Role | None = next((known for known in ROLES if known == role), None)
    return account.active and wanted is not None and ROLES.index(account.role) >= ROLES.index(wanted)
