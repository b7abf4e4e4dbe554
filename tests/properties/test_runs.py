"""Whatever the plan, whatever befalls: the fold gives a state, a resume keeps the order, little is unknown."""

from __future__ import annotations

import tempfile
import threading
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from plans import gate, plan, stage, step, verified

from saltus.journal import events as e
from saltus.journal.fold import RunState, fold
from saltus.journal.store import Journal
from saltus.journal.words import tell
from saltus.plan import Plan, Stage
from saltus.plan.order import Block, blocks, walk
from saltus.runner.gates import AutoApprover
from saltus.runner.performer import Outcome, StepContext, Verdict
from saltus.runner.performers.fake import EveryKind
from saltus.runner.run import Runner

AT = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    """Up to three stages of up to six steps, in lanes or not, safe to repeat or to be verified, with gates or not."""

    def one(number: int) -> Stage:
        steps = []
        for i in range(draw(st.integers(0, 6))):
            make = draw(st.sampled_from([step, verified]))
            steps.append(make(f"stage-{number}/s{i}", draw(st.sampled_from([None, "a", "b", "c"]))))
        at_its_end = gate(f"stage-{number}/gate", expires_after=timedelta(hours=2)) if draw(st.booleans()) else None
        return stage(f"stage-{number}", *steps, gate=at_its_end)

    return plan(*(one(number) for number in range(draw(st.integers(1, 3)))))


def any_event(the_plan: Plan) -> st.SearchStrategy[e.Event]:
    """Any event at all: of steps and gates of the plan or of none, at any time, in no order."""
    steps = st.sampled_from([*(s.id for s in the_plan.steps()), "no/step"])
    gates = st.sampled_from([*(g.id for g in the_plan.gates()), "no/gate"])
    who = st.sampled_from(["ann", "bob", "eve"])
    when = st.integers(0, 300).map(lambda minutes: AT + timedelta(minutes=minutes))
    asking = st.sampled_from(["x", "y"])
    fingerprint = st.sampled_from([the_plan.fingerprint, "f" * 64])

    def make(kind: Any, **fields: Any) -> st.SearchStrategy[e.Event]:
        return st.builds(kind, at=when, by=who, **fields)

    runner = {"runner": st.just("r"), "host": st.just("h"), "pid": st.just(1), "saltus": st.just("0")}
    answer = {"gate": gates, "fingerprint": fingerprint, "asking": asking}
    expires = st.one_of(st.none(), when)
    text, one, second = st.just("words"), st.just(1), st.just(1.0)
    return st.one_of(
        make(e.RunCreated, fingerprint=fingerprint, plan=text, cloud=text),
        make(e.RunStarted, **runner),
        make(e.RunResumed, **runner),
        make(e.StepStarted, step=steps, attempt=st.integers(1, 3)),
        make(e.StepProgress, step=steps, text=text),
        make(e.StepNoted, step=steps, data=st.just({"jid": "1"})),
        make(e.StepFinished, step=steps, summary=text, seconds=st.just(1.0)),
        make(e.StepFailed, step=steps, what=text, because=text, do=text),
        make(e.StepSkipped, step=steps, because=text),
        make(e.GateAsked, **answer, expires_at=expires),
        make(e.GateApproved, **answer),
        make(e.GateRejected, **answer),
        make(e.GateExpired, gate=gates, asking=asking),
        make(e.AnswerRefused, gate=gates, because=text),
        make(e.PauseRequested),
        make(e.ResumeRequested),
        make(e.AbortRequested),
        make(e.RetryRequested, step=st.one_of(st.none(), steps)),
        make(e.Paused, reason=text),
        make(e.DriftSeen, differences=st.just(("a",))),
        make(e.FactsHeld, facts=one),
        make(e.DriftAccepted, differences=st.just(("a",))),
        make(e.OutageSeen, target=text, what=st.just("read"), started=when),
        make(e.WatchSummary, target=text, what=st.just("ping"), asked=one, lost=one, outage_s=second, longest_s=second),
        make(e.NotificationFailed, channel=text, because=text),
        make(e.WayBackOffered, plan=st.sampled_from([None, "f" * 64]), says=text),
        make(e.RunFinished, status=st.sampled_from(["done", "failed", "aborted"])),
    )  # fmt: skip


@given(st.data())
@settings(max_examples=300, deadline=None)
def test_any_events_in_any_order_fold_to_a_state_and_to_words(data: st.DataObject) -> None:
    the_plan = data.draw(plans())
    happened = data.draw(st.lists(any_event(the_plan), max_size=40))
    state = fold(the_plan, enumerate(happened, start=1))
    assert set(state.steps) == {s.id for s in the_plan.steps()}
    assert state.seq == len(happened)
    for name, found in state.gates.items():
        if found.status == "approved":
            assert len({answer.by for answer in found.approvals}) >= state.gate(name).answers
            assert all(found.in_time(answer.at) for answer in found.approvals)
            assert all(answer.fingerprint == the_plan.fingerprint for answer in found.approvals)
    assert {s.id for s in state.next_steps()} <= set(state.steps)
    assert set(state.unknown_steps) == {name for name, found in state.steps.items() if found.status == "unknown"}
    for event in happened:
        assert tell(event)
        assert e.parse_event(event.model_dump_json()) == event


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_a_fold_in_two_halves_is_the_fold_of_the_whole(data: st.DataObject) -> None:
    the_plan = data.draw(plans())
    happened = list(enumerate(data.draw(st.lists(any_event(the_plan), max_size=30)), start=1))
    cut = data.draw(st.integers(0, len(happened)))
    state = fold(the_plan, happened[:cut])
    for seq, event in happened[cut:]:
        state.take(seq, event)
    assert state == fold(the_plan, happened)


@given(plans())
@settings(max_examples=100, deadline=None)
def test_blocks_hold_every_step_once_in_the_plans_order(the_plan: Plan) -> None:
    for one in the_plan.stages:
        walked = [s.id for block in blocks(one) for s in block.steps]
        assert sorted(walked) == sorted(s.id for s in one.steps)
        for block in blocks(one):
            assert len(block.lanes) == 1 or all(s.lane for s in block.steps)
    assert Plan.from_json(the_plan.to_json()) == the_plan


class Crash(BaseException):
    """The process is gone: nothing is written any more, whoever tries."""


class Fate:
    """Lets so many things happen, then crashes everything."""

    def __init__(self, left: int) -> None:
        self.left, self._lock = left, threading.Lock()

    def strike(self) -> None:
        with self._lock:
            self.left -= 1
            if self.left < 0:
                raise Crash


class MortalJournal(Journal):
    fate = Fate(0)

    def append(self, run: str, *happened: Any, **more: Any) -> int:
        self.fate.strike()
        last = super().append(run, *happened, **more)
        self.fate.strike()
        return last


class MortalWorker:
    def __init__(self, journal: MortalJournal) -> None:
        self._journal = journal
        self.effects: list[str] = []

    def perform(self, action: Any, context: StepContext) -> Outcome:
        self._journal.fate.strike()
        self.effects.append(context.step.id)
        self._journal.fate.strike()
        return Outcome("done")

    def verify(self, action: Any, context: StepContext) -> Verdict:
        return Verdict.done("found") if context.step.id in self.effects else Verdict.not_done()


def unknown_by_lane(the_plan: Plan, state: RunState) -> Counter[tuple[int, str | None]]:
    counted: Counter[tuple[int, str | None]] = Counter()
    for number, block in enumerate(walk(the_plan)):
        if isinstance(block, Block):
            for one in block.steps:
                counted[number, one.lane] += state.steps[one.id].status in ("unknown", "running")
    return counted


@given(plans(), st.lists(st.integers(0, 60), max_size=6))
@settings(max_examples=60, deadline=None)
def test_however_often_it_crashes_a_resume_keeps_the_order_and_repeats_nothing_finished(
    the_plan: Plan, fates: list[int]
) -> None:
    with tempfile.TemporaryDirectory() as directory:
        journal = MortalJournal(f"sqlite:///{directory}/journal.db")
        worker = MortalWorker(journal)
        journal.fate = Fate(10**9)
        run = journal.create_run(the_plan, by="ann")
        finished: list[tuple[set[str], int]] = []
        for life in [*fates, 10**9]:
            journal.fate = Fate(life)
            try:
                end = Runner(journal, EveryKind(worker), AutoApprover("demo"), by="ann").run(run)
            except Crash:
                state = journal.state(run)
                assert all(count <= 1 for count in unknown_by_lane(the_plan, state).values())
                done = {name for name, found in state.steps.items() if found.status == "done"}
                finished.append((done, len(worker.effects)))
        assert end.status == "done"
        journal.close()
    for done, count in finished:
        assert not done & set(worker.effects[count:])
    first = {name: worker.effects.index(name) for name in end.steps}
    behind = -1
    for block in walk(the_plan):
        if isinstance(block, Block):
            reached = [first[s.id] for s in block.steps]
            assert min(reached) > behind
            behind = max(reached)
            for lane in block.lanes:
                assert [first[s.id] for s in lane] == sorted(first[s.id] for s in lane)
    for s in the_plan.steps():
        assert s.action.after_a_crash == "repeat" or worker.effects.count(s.id) == 1
