"""The facts are taken again whenever a run is taken up and after every gate; what differs pauses it, until accepted."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from planning import facts_of, make_plan
from saltus.commands import runs
from saltus.errors import OperatorError
from saltus.journal.approvals import Person
from saltus.journal.store import Journal
from saltus.plan import Plan
from saltus.planner.facts import binding_facts
from saltus.runner.drift import expected_facts
from saltus.runner.gates import JournalAsker
from saltus.runner.performer import Outcome, StepContext, Verdict
from saltus.runner.performers.fake import EveryKind
from saltus.runner.run import Runner

PLANS = Path(__file__).parents[1] / "plans"
ANN, BOB = Person("ann", "ann@ctl"), Person("bob", "bob@ctl")


class World:
    """A cloud that is nothing but its facts, told by kinds of action; it knows nothing of what the runner expects."""

    def __init__(self, facts: Mapping[str, str]) -> None:
        self.facts = dict(facts)
        self.taken = 0
        self.performed: list[str] = []
        self.before: dict[str, int] = {}
        """{step: how often the facts had been taken when it was performed}"""

    def take(self) -> dict[str, str]:
        self.taken += 1
        return dict(self.facts)

    def perform(self, action: Any, context: StepContext) -> Outcome:
        self.performed.append(context.step.id)
        self.before[context.step.id] = self.taken
        if action.kind == "machine.create":
            self.facts[f"{action.machine} is deployed as"] = action.release
        elif action.kind == "machine.destroy":
            self.facts.pop(f"{action.machine} is deployed as", None)
        elif action.kind == "proxy.switch":
            self.facts["virtual address at"] = action.take
        elif action.kind == "database.db_sync" and action.database_server == "dbs01":
            self.facts |= {f"schema of {name}": " ".join(sorted(heads)) for name, heads in action.heads.items()}
        elif action.kind == "database.restore":
            self.facts |= {f"schema of {name}": "restored" for name in action.databases}
        return Outcome("done")

    def verify(self, action: Any, context: StepContext) -> Verdict:
        return Verdict.not_done()


class Pausing(World):
    """Asks for a pause in the middle of every step, so that the run is taken up again behind each of them."""

    def __init__(self, facts: Mapping[str, str], journal: Journal) -> None:
        super().__init__(facts)
        self._journal = journal

    def perform(self, action: Any, context: StepContext) -> Outcome:
        outcome = super().perform(action, context)
        runs.pause(self._journal, context.run, ANN)
        return outcome


def case(name: str) -> tuple[Plan, dict[str, str]]:
    return make_plan(PLANS / name), binding_facts(facts_of(PLANS / name))


def go_on(journal: Journal, run: str, world: World) -> str:
    runner = Runner(journal, EveryKind(world), JournalAsker(waits=False), by="ann", facts=world.take)
    return runner.run(run).status


def kinds(journal: Journal, run: str) -> list[str]:
    return [event.kind for _, event in journal.read(run)]


@pytest.fixture
def plan() -> Plan:
    return case("control-zed-to-epoxy")[0]


@pytest.fixture
def world() -> World:
    return World(case("control-zed-to-epoxy")[1])


def test_the_facts_are_taken_before_the_first_step_and_after_every_gate(
    journal: Journal, plan: Plan, world: World
) -> None:
    run = journal.create_run(plan, by="ann")
    assert go_on(journal, run, world) == "waiting"
    assert world.before[world.performed[0]] == 1
    runs.approve(journal, run, BOB)
    held = world.taken
    assert go_on(journal, run, world) == "waiting"
    first_behind = next(step.id for stage in plan.stages[2:] for step in stage.steps)
    assert world.before[first_behind] == held + 1
    assert kinds(journal, run).count("facts.held") == world.taken
    assert "facts hold" in "".join(line.text for line in runs.audit(journal, run))


@pytest.mark.parametrize(
    "name",
    [
        "control-zed-to-epoxy",
        "rollback-after-success-discarding-writes",
        "rollback-from-the-middle-of-the-window",
        "rollback-from-before-the-freeze",
        "accept-after-success",
    ],
)
def test_what_the_run_itself_changes_is_no_drift_wherever_it_is_taken_up(journal: Journal, name: str) -> None:
    plan, facts = case(name)
    world = Pausing(facts, journal)
    run, status = journal.create_run(plan, by="ann"), ""
    for _ in range(3 * len(list(plan.steps()))):
        status = go_on(journal, run, world)
        assert not journal.state(run).drift
        if status == "waiting":
            runs.approve(journal, run, BOB)
        if status == "done":
            break
    assert status == "done"
    assert set(world.performed) == {step.id for step in plan.steps()}
    assert world.taken > len(plan.stages)


def test_a_difference_pauses_is_shown_and_pauses_again_until_it_is_mended(
    journal: Journal, plan: Plan, world: World
) -> None:
    run = journal.create_run(plan, by="ann")
    go_on(journal, run, world)
    runs.approve(journal, run, BOB)
    done = list(world.performed)
    was = world.facts["schema of nova"]
    world.facts["schema of nova"] = "ffff"
    for _ in range(2):
        assert go_on(journal, run, world) == "paused"
        state = journal.state(run)
        assert state.drift == (f"schema of nova: {was} expected, ffff found",)
        assert state.drift[0] in state.reason
        assert f"saltus resume {run} --accept-drift" in state.reason
    assert world.performed == done
    world.facts["schema of nova"] = was
    assert go_on(journal, run, world) == "waiting"
    assert journal.state(run).drift == ()


def test_what_a_person_accepts_is_on_record_and_nothing_else_is_accepted_with_it(
    journal: Journal, plan: Plan, world: World
) -> None:
    run = journal.create_run(plan, by="ann")
    world.facts["cmp01 is deployed as"] = "antelope"
    assert go_on(journal, run, world) == "paused"
    assert world.performed == []
    runs.accept_drift(journal, run, BOB, comment="upgraded by hand yesterday")
    (line,) = [line for line in runs.audit(journal, run) if line.what == "drift.accepted"]
    assert (line.by, line.origin) == ("bob", "bob@ctl")
    assert line.text.endswith("antelope found because: upgraded by hand yesterday")
    assert go_on(journal, run, world) == "waiting"
    runs.approve(journal, run, BOB)
    world.facts["virtual address at"] = "nobody"
    assert go_on(journal, run, world) == "paused"
    assert journal.state(run).drift == ("virtual address at: prx01-a expected, nobody found",)


def test_what_an_unfinished_step_may_have_changed_is_not_compared(journal: Journal, plan: Plan, world: World) -> None:
    run = journal.create_run(plan, by="ann")
    go_on(journal, run, world)
    runs.skip(journal, run, ANN, step="real-upgrade/switch-prx01", because="by hand")
    runs.skip(journal, run, ANN, step="real-upgrade/db_sync-nova", because="by hand")
    expected = expected_facts(journal.state(run))
    assert {"virtual address at", "schema of nova"}.isdisjoint(expected)
    assert "schema of keystone" in expected


def test_facts_that_cannot_be_taken_pause_and_the_next_start_tries_again(
    journal: Journal, plan: Plan, world: World
) -> None:
    run = journal.create_run(plan, by="ann")

    class Deaf(World):
        def take(self) -> dict[str, str]:
            raise OperatorError(what="the Salt master does not answer", because="it is off", do="start it")

    assert go_on(journal, run, Deaf({})) == "paused"
    assert "the Salt master does not answer" in journal.state(run).reason
    assert go_on(journal, run, world) == "waiting"


def test_when_nothing_is_left_to_do_nothing_is_compared(journal: Journal, plan: Plan, world: World) -> None:
    run = journal.create_run(plan, by="ann")
    for _ in range(2):
        go_on(journal, run, world)
        runs.approve(journal, run, BOB)
    world.facts["cmp01 is deployed as"] = "antelope"
    assert go_on(journal, run, world) == "done"
