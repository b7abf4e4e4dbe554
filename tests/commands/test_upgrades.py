"""Which run a name means: a run, the unfinished run of a plan, or a new one; and whose locks a rollback takes over."""

from pathlib import Path

import pytest

from planning import make_plan
from saltus.commands.settings import Settings
from saltus.commands.upgrades import find_or_create_run, latest_run
from saltus.commands.workplace import Workplace
from saltus.errors import OperatorError
from saltus.runner.gates import AutoApprover, JournalAsker
from saltus.runner.performers.fake import EveryKind, FakePerformer
from saltus.runner.run import Runner

PLANS = Path(__file__).parents[1] / "plans"


@pytest.fixture
def workplace(tmp_path: Path) -> Workplace:
    return Workplace(Settings.from_options(state=str(tmp_path), model=None, journal=None))


def walk(workplace: Workplace, run: str, fake: FakePerformer, *, answers: bool = True) -> str:
    asker = AutoApprover("demo") if answers else JournalAsker(waits=False)
    return Runner(workplace.journal, EveryKind(fake), asker, by="ann").run(run).status


def test_a_plan_is_begun_once_and_then_resumed_by_its_own_name(workplace: Workplace) -> None:
    plan = make_plan(PLANS / "control-zed-to-epoxy")
    workplace.journal.save_plan(plan)
    run = find_or_create_run(workplace, plan.short, "ann")
    fake = FakePerformer(fail_at={"real-upgrade/freeze": 1})
    assert walk(workplace, run, fake) == "failed"
    assert find_or_create_run(workplace, plan.short, "bob") == run
    assert walk(workplace, run, fake) == "done"
    assert sorted(set(fake.performed)) == sorted(step.id for step in plan.steps())
    assert [step for step in fake.performed if fake.performed.count(step) > 1] == ["real-upgrade/freeze"] * 2


def test_a_run_that_waits_at_a_gate_is_resumed(workplace: Workplace) -> None:
    plan = make_plan(PLANS / "control-zed-to-epoxy")
    workplace.journal.save_plan(plan)
    run = find_or_create_run(workplace, plan.fingerprint, "ann")
    assert walk(workplace, run, FakePerformer(), answers=False) == "waiting"
    assert find_or_create_run(workplace, plan.short, "ann") == run
    assert find_or_create_run(workplace, run, "ann") == run


def test_a_plan_whose_run_is_over_begins_another(workplace: Workplace) -> None:
    plan = make_plan(PLANS / "rehearse-zed-to-epoxy")
    workplace.journal.save_plan(plan)
    first = find_or_create_run(workplace, plan.short, "ann")
    assert walk(workplace, first, FakePerformer()) == "done"
    second = find_or_create_run(workplace, plan.short, "ann")
    assert second != first
    assert latest_run(workplace) == second


def test_a_rollback_takes_over_from_the_run_that_it_undoes(workplace: Workplace) -> None:
    control, rollback = (make_plan(PLANS / case) for case in ("control-zed-to-epoxy", "rollback-after-success"))
    for plan in (control, rollback):
        workplace.journal.save_plan(plan)
    failed = find_or_create_run(workplace, control.short, "ann")
    assert walk(workplace, failed, FakePerformer(fail_at={"real-upgrade/db_sync-nova": 1})) == "failed"
    assert workplace.journal.locks.held("small"), "a failed run keeps what it holds"
    back = find_or_create_run(workplace, rollback.short, "ann")
    assert workplace.journal.find_run(back).undoes == failed
    assert walk(workplace, back, FakePerformer()) == "done"
    assert workplace.journal.state(failed).status == "aborted"
    assert workplace.journal.locks.held("small") == {}


def test_without_a_run_there_is_nothing_to_report(workplace: Workplace) -> None:
    with pytest.raises(OperatorError, match="there is no run"):
        latest_run(workplace)
