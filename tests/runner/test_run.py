"""The runner on a real journal, with a performer that only remembers."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta

import pytest
from plans import gate, plan, reference_plan, stage, step, verified

from saltus.errors import Abort
from saltus.journal.approvals import Person, answer_gate
from saltus.journal.events import AbortRequested, Event, PauseRequested, RunStarted, StepStarted
from saltus.journal.leases import LeaseHeld, LockHeld
from saltus.journal.store import Journal
from saltus.plan import Plan
from saltus.plan.actions import StartMachine
from saltus.runner.gates import AutoApprover, JournalAsker
from saltus.runner.performer import StepContext, Verdict
from saltus.runner.performers.fake import EveryKind, FakePerformer
from saltus.runner.run import Runner


def runner(journal: Journal, fake: FakePerformer, **more: object) -> Runner:
    asker = more.pop("asker", AutoApprover("demo"))
    return Runner(journal, EveryKind(fake), asker, by="ann", **more)  # type: ignore[arg-type]


def kinds(journal: Journal, run: str) -> list[str]:
    return [event.kind for _, event in journal.read(run)]


def test_a_plan_runs_to_its_end_in_order(journal: Journal) -> None:
    fake, the_plan = FakePerformer(), reference_plan()
    run = journal.create_run(the_plan, by="ann")
    assert run == f"control-{the_plan.short}-1"
    state = runner(journal, fake).run(run)
    assert state.status == "done"
    assert sorted(fake.performed) == sorted(step.id for step in the_plan.steps())
    at = fake.performed.index
    assert at("build/ctl-create") < at("build/ctl-state") < at("build/ctl-check") < at("build/stop-old")
    assert state.gates["build/accept"].approvals[0].by == "demo"
    assert journal.leases.holder(run) is None
    assert journal.locks.held("small") == {}


def test_lanes_run_side_by_side_and_a_step_without_one_waits_for_all(journal: Journal) -> None:
    together = threading.Barrier(2, timeout=10)

    def meet(context: StepContext) -> None:
        if context.step.lane:
            together.wait()

    fake = FakePerformer(do=meet)
    the_plan = plan(stage("build", step("build/a", "a"), step("build/b", "b"), step("build/end")))
    state = runner(journal, fake).run(journal.create_run(the_plan, by="ann"))
    assert state.status == "done"
    assert fake.performed[-1] == "build/end"


def test_a_failure_lets_the_running_step_of_the_other_lane_finish_and_begins_nothing_new(journal: Journal) -> None:
    failed, running = threading.Event(), threading.Event()

    def slow(context: StepContext) -> None:
        if context.step.id == "build/b1":
            running.set()
            failed.wait(60)
            time.sleep(0.3)

    class Failing(FakePerformer):
        def perform(self, action: object, context: StepContext):  # type: ignore[no-untyped-def]
            if context.step.id == "build/a1":
                running.wait(60)
                failed.set()
            return super().perform(action, context)

    fake = Failing(fail_at={"build/a1": 1}, do=slow)
    the_plan = plan(
        stage("build", step("build/a1", "a"), step("build/a2", "a"), step("build/b1", "b"), step("build/b2", "b"))
    )
    run = journal.create_run(the_plan, by="ann")
    state = runner(journal, fake).run(run)
    assert state.status == "failed"
    assert [(name, failure.what) for name, failure in state.failures()] == [("build/a1", "build/a1 failed")]
    assert state.steps["build/b1"].status == "done"
    assert state.steps["build/b2"].status == "pending"
    state = runner(journal, fake).run(run)
    assert state.status == "done"
    assert fake.performed.count("build/b1") == 1
    assert fake.performed.count("build/a1") == 2


def test_a_bug_in_a_performer_is_journalled_as_one(journal: Journal) -> None:
    def broken(_context: StepContext) -> None:
        raise KeyError("oops")

    run = journal.create_run(plan(stage("build", step("build/a"))), by="ann")
    state = runner(journal, FakePerformer(do=broken)).run(run)
    (_, failure), *_ = state.failures()
    assert "KeyError" in failure.what
    assert "bug of Saltus" in failure.because


def begun(journal: Journal, the_plan: Plan, *steps: str) -> str:
    """A run whose runner died in the middle of `steps`."""
    run, at = journal.create_run(the_plan, by="ann"), datetime.now(UTC)
    events: list[Event] = [RunStarted(at=at, by="ann", runner="dead", host="h", pid=1, saltus="0")]
    events += [StepStarted(at=at, by="ann", step=name, attempt=1) for name in steps]
    journal.append(run, *events)
    return run


def test_an_unknown_outcome_is_repeated_where_that_is_safe(journal: Journal) -> None:
    run, fake = begun(journal, plan(stage("build", step("build/a"))), "build/a"), FakePerformer()
    state = runner(journal, fake).run(run)
    assert (state.status, fake.performed, state.steps["build/a"].attempt) == ("done", ["build/a"], 2)


def test_an_unknown_outcome_is_looked_at_and_what_is_done_is_not_done_again(journal: Journal) -> None:
    run = begun(journal, plan(stage("build", verified("build/a"))), "build/a")
    fake = FakePerformer(finds=lambda _: Verdict.done("the job finished", {"jid": "1"}))
    state = runner(journal, fake).run(run)
    assert (state.status, fake.performed) == ("done", [])
    assert state.steps["build/a"].evidence == {"jid": "1"}


def test_an_outcome_that_nobody_can_tell_waits_for_a_person(journal: Journal) -> None:
    run = begun(journal, plan(stage("build", verified("build/a"))), "build/a")
    fake = FakePerformer(finds=lambda _: Verdict.unknown("the master has forgotten the job"))
    state = runner(journal, fake).run(run)
    assert (state.status, fake.performed) == ("paused", [])
    assert "the master has forgotten the job" in state.reason
    assert f"saltus skip {run} build/a" in state.reason


def test_an_action_that_asks_after_a_crash_is_never_performed_by_itself(journal: Journal) -> None:
    class Asks(StartMachine):
        after_a_crash = "ask"

    asks = step("build/a").model_copy(update={"action": Asks(machine="m")})
    the_plan = plan(stage("build", asks))
    run, fake = begun(journal, the_plan, "build/a"), FakePerformer()
    journal.plan_of = lambda _run: the_plan  # type: ignore[method-assign]  # the class above is in no union
    assert runner(journal, fake).run(run).status == "paused"
    assert fake.performed == []


def test_notes_of_an_earlier_attempt_and_evidence_of_earlier_steps_are_there(journal: Journal) -> None:
    seen: list[object] = []

    def do(context: StepContext) -> dict[str, object] | None:
        if context.step.id == "build/a":
            return {"rows": 7}
        seen.append((context.noted(), context.evidence_of("build/a")))
        context.note({"jid": f"j{context.attempt}"})
        if context.attempt == 1:
            raise Abort
        return None

    the_plan = plan(stage("build", step("build/a"), step("build/b")))
    run = journal.create_run(the_plan, by="ann")
    assert runner(journal, FakePerformer(do=do)).run(run).status == "paused"  # type: ignore[arg-type]
    assert runner(journal, FakePerformer(do=do)).run(run).status == "done"  # type: ignore[arg-type]
    assert seen == [({}, {"rows": 7}), ({"jid": "j1"}, {"rows": 7})]


def test_pause_and_abort_are_seen_between_two_steps(journal: Journal) -> None:
    at = datetime.now(UTC)
    the_plan = plan(stage("build", step("build/a"), step("build/b"), step("build/c")))
    run = journal.create_run(the_plan, by="ann")

    def do(context: StepContext) -> None:
        if context.step.id == "build/a":
            journal.append(run, PauseRequested(at=at, by="bob", reason="lunch"))
        if context.step.id == "build/b":
            journal.append(run, AbortRequested(at=at, by="bob", reason="no"))

    fake = FakePerformer(do=do)
    state = runner(journal, fake).run(run)
    assert (state.status, state.reason, fake.performed) == ("paused", "lunch", ["build/a"])
    state = runner(journal, fake).run(run)
    assert (state.status, state.reason, fake.performed) == ("aborted", "no", ["build/a", "build/b"])
    assert runner(journal, fake).run(run).status == "aborted"
    assert fake.performed == ["build/a", "build/b"]


def test_a_gate_is_answered_by_another_process_through_the_journal(journal: Journal) -> None:
    the_plan = plan(stage("build", step("build/a"), gate=gate()), stage("end", step("end/b")))
    run, fake = journal.create_run(the_plan, by="ann"), FakePerformer()
    assert runner(journal, fake, asker=JournalAsker(waits=False)).run(run).status == "waiting"
    assert fake.performed == ["build/a"]
    answer_gate(journal, run, Person("bob"), approve=True, at=datetime.now(UTC), comment="fine")
    assert runner(journal, fake, asker=JournalAsker(waits=False)).run(run).status == "done"


def test_a_rejected_gate_ends_the_run(journal: Journal) -> None:
    the_plan = plan(stage("build", step("build/a"), gate=gate()), stage("end", step("end/b")))
    run, fake = journal.create_run(the_plan, by="ann"), FakePerformer()
    runner(journal, fake, asker=JournalAsker(waits=False)).run(run)
    answer_gate(journal, run, Person("bob"), approve=False, at=datetime.now(UTC), comment="too slow")
    state = runner(journal, fake).run(run)
    assert (state.status, state.reason) == ("aborted", "gate build/accept was rejected: too slow")
    assert fake.performed == ["build/a"]


@pytest.mark.parametrize(("on_expiry", "ends"), [("abort", "aborted"), ("pause", "paused")])
def test_a_gate_without_an_answer_expires_and_nothing_was_touched(journal: Journal, on_expiry: str, ends: str) -> None:
    expiring = gate(expires_after=timedelta(seconds=0.5), on_expiry=on_expiry)
    the_plan = plan(stage("build", gate=expiring), stage("end", step("end/b")))
    run, fake = journal.create_run(the_plan, by="ann"), FakePerformer()
    state = runner(journal, fake, asker=JournalAsker()).run(run)
    assert (state.status, state.reason) == (ends, "gate build/accept expired without an answer")
    assert fake.performed == []


def test_two_runners_never_walk_one_run(journal: Journal) -> None:
    run = journal.create_run(plan(stage("build", step("build/a"))), by="ann")
    journal.leases.take(run, runner="other", host="ctl", pid=7, by="bob", ttl_s=60)
    with pytest.raises(LeaseHeld, match="process 7 on ctl, started by bob"):
        runner(journal, FakePerformer()).run(run)
    journal.leases.renew(run, "other", ttl_s=0.1)
    time.sleep(0.2)
    assert runner(journal, FakePerformer()).run(run).status == "done"


def test_what_a_run_that_is_over_has_left_locked_is_free(journal: Journal) -> None:
    """Its runner died between the end of the run and giving back its locks."""
    over, other = (journal.create_run(plan(stage("build", step("build/a"))), by="ann") for _ in range(2))
    assert runner(journal, FakePerformer()).run(over).status == "done"
    for again in (other, over):
        journal.locks.take(over, "small", frozenset({"a"}))
        assert runner(journal, FakePerformer()).run(again).status == "done"
        assert journal.locks.held("small") == {}


def test_two_runs_never_touch_one_machine(journal: Journal) -> None:
    first = journal.create_run(plan(stage("build", step("build/a"))), by="ann")
    second = journal.create_run(plan(stage("build", step("build/a"), step("build/b"))), by="ann")
    assert runner(journal, FakePerformer(fail_at={"build/a": 1})).run(first).status == "failed"
    with pytest.raises(LockHeld, match=f"{first} is not over and holds a of cloud small"):
        runner(journal, FakePerformer()).run(second)
    elsewhere = journal.create_run(plan(stage("build", step("build/a")), cloud="other"), by="ann")
    assert runner(journal, FakePerformer()).run(elsewhere).status == "done"
    third = journal.create_run(plan(stage("build", step("build/a"))), by="ann", undoes=first)
    assert runner(journal, FakePerformer()).run(third).status == "done"
    assert journal.state(first).status == "aborted"
