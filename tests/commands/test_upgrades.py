"""Which run a name means: a run, the unfinished run of a plan, or a new one; whose locks a rollback takes over; and
what an abort leads to.
"""

from pathlib import Path

import pytest

from fake_workplace import FakeWorkplace, FileWorker
from planning import facts_of, make_plan
from saltus.cli.app import main
from saltus.commands import runs, upgrades
from saltus.commands.reporting import report_of
from saltus.commands.settings import Settings
from saltus.commands.upgrades import find_or_create_run, latest_run
from saltus.commands.workplace import Workplace
from saltus.errors import OperatorError
from saltus.journal.approvals import Person
from saltus.journal.events import WayBackOffered
from saltus.pipelines.control import FROZEN
from saltus.runner.gates import AutoApprover, JournalAsker
from saltus.runner.performer import StepContext
from saltus.runner.performers.fake import EveryKind, FakePerformer
from saltus.runner.progress import SilentProgress
from saltus.runner.run import Runner

PLANS = Path(__file__).parents[1] / "plans"
ANN = Person("ann", "ann@ctl")


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


# -- abort, and the way back


@pytest.fixture
def fake(tmp_path: Path) -> FakeWorkplace:
    """The command line's own objects on a cloud of files, as it is before the upgrade."""
    (tmp_path / "facts.json").write_text(facts_of(PLANS / "control-zed-to-epoxy").model_dump_json())
    return FakeWorkplace(Settings.from_options(state=str(tmp_path), model=None, journal=None))


def begin(fake: FakeWorkplace, *, until: str) -> str:
    """A run of the upgrade that pauses behind the step `until`."""
    run = find_or_create_run(fake, upgrades.plan_control(fake, "epoxy", expires_after=None).short, "ann")

    def stop(context: StepContext) -> None:
        FileWorker(fake.settings.state).perform(context.step.action, context)
        if context.step.id == until:
            runs.pause(fake.journal, run, ANN)

    runner = Runner(fake.journal, EveryKind(FakePerformer(do=stop)), AutoApprover("demo"), by="ann")
    assert runner.run(run).status == "paused"
    return run


def abort(fake: FakeWorkplace, run: str) -> WayBackOffered:
    _, state = upgrades.abort(fake, fake.journal, run, ANN, reason="another day")
    assert (state.status, state.reason) == ("aborted", "another day")
    assert state.way_back
    return state.way_back


def test_an_abort_before_anything_was_created_has_nothing_to_take_back(fake: FakeWorkplace) -> None:
    offered = abort(fake, begin(fake, until="check/lists"))
    assert (offered.plan, offered.says) == (None, "nothing is changed")


def test_an_abort_before_the_window_offers_to_destroy_what_was_created_and_it_runs(fake: FakeWorkplace) -> None:
    before = set(fake.gather().machines)
    run = begin(fake, until="prepare/warm-ctl01")
    assert set(fake.gather().machines) - before == {"ctl01-b", "prx01-b", "upg01"} - before
    offered = abort(fake, run)
    assert offered.plan
    plan = fake.journal.find_plan(offered.plan)
    assert [step.title for step in plan.steps()] == ["Destroy upg01", "Destroy ctl01-b", "Destroy prx01-b"]
    assert runs.show_status(fake.journal, run).way_back.startswith(f"saltus run {plan.short}: ")
    assert f"`saltus run {plan.short}`" in report_of(fake.journal, run).way_back
    back, state = upgrades.run(fake, plan.short, JournalAsker(waits=False), SilentProgress())
    assert (back.startswith("clean-up-"), state.status) == (True, "done")
    assert {"ctl01-b", "prx01-b", "upg01"}.isdisjoint(fake.gather().machines)


def test_an_abort_in_the_window_offers_the_rollback(fake: FakeWorkplace) -> None:
    run = begin(fake, until="real-upgrade/freeze")
    facts = fake.gather()
    (fake.settings.state / "facts.json").write_text(facts.model_copy(update={"backups": (FROZEN,)}).model_dump_json())
    offered = abort(fake, run)
    assert offered.plan
    plan = fake.journal.find_plan(offered.plan)
    assert (plan.name, plan.source, plan.target) == ("rollback", "zed", "epoxy")
    assert "Take the control plane back to zed" in offered.says
    assert find_or_create_run(fake, plan.short, "ann").startswith("rollback-")


def test_an_abort_holds_where_no_way_back_can_be_planned_and_says_why(fake: FakeWorkplace) -> None:
    run = begin(fake, until="real-upgrade/freeze")
    facts = fake.gather()
    lost = facts.model_copy(update={"backups": (FROZEN,), "writes": ("nova: 2 instances of tenant blue",)})
    (fake.settings.state / "facts.json").write_text(lost.model_dump_json())
    offered = abort(fake, run)
    assert offered.plan is None
    assert "a rollback would lose 1 writes of tenants: nova: 2 instances of tenant blue" in offered.says
    assert "saltus rollback --discard-writes" in offered.says


def test_the_runner_itself_offers_the_way_back_of_what_ends_at_a_gate(fake: FakeWorkplace) -> None:
    run = find_or_create_run(fake, upgrades.plan_control(fake, "epoxy", expires_after=None).short, "ann")
    fake.journal.locks.give_back(run)
    assert upgrades.run(fake, run, JournalAsker(waits=False), SilentProgress())[1].status == "waiting"
    runs.reject(fake.journal, run, ANN, comment="not on a Friday")
    _, state = upgrades.run(fake, run, JournalAsker(waits=False), SilentProgress())
    assert (state.status, state.reason) == ("aborted", "gate rehearse/approve was rejected: not on a Friday")
    assert state.way_back
    assert state.way_back.plan
    assert state.way_back.says == "Remove what was created for the upgrade and nothing uses"
    again = upgrades.run(fake, run, JournalAsker(waits=False), SilentProgress())[1]
    assert again.way_back == state.way_back


def test_a_half_done_accept_is_gone_on_with_by_saying_accept_again(
    fake: FakeWorkplace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    facts = facts_of(PLANS / "accept-after-success")
    (tmp_path / "facts.json").write_text(facts.model_dump_json())
    monkeypatch.setattr("saltus.commands.workplace.Workplace", FakeWorkplace)
    say = ["--state", str(tmp_path), "accept", "--approve-as", "ann"]
    monkeypatch.setenv("FAKE_FAILS", "accept/destroy-prx01-a")
    assert main(say) == 1
    assert "ctl01-a" not in fake.gather().machines
    monkeypatch.delenv("FAKE_FAILS")
    capsys.readouterr()
    assert main(say) == 0
    assert "was begun and is not over: going on with it" in capsys.readouterr().err
    effects = (tmp_path / "effects").read_text().split()
    assert effects.count("accept/destroy-ctl01-a") == 1
    assert effects[-2:] == ["accept/destroy-prx01-a", "accept/forget"]
    assert main(say) == 1
    assert "error: the upgrade cannot be accepted" in capsys.readouterr().err


def test_an_accept_that_was_aborted_half_way_is_planned_again_for_what_is_left(
    fake: FakeWorkplace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    facts = facts_of(PLANS / "accept-after-success")
    (tmp_path / "facts.json").write_text(facts.model_dump_json())
    monkeypatch.setattr("saltus.commands.workplace.Workplace", FakeWorkplace)
    say = ["--state", str(tmp_path), "accept", "--approve-as", "ann"]
    monkeypatch.setenv("FAKE_FAILS", "accept/destroy-prx01-a")
    assert main(say) == 1
    monkeypatch.delenv("FAKE_FAILS")
    _, given_up = upgrades.abort(fake, fake.journal, latest_run(fake), ANN)
    assert given_up.way_back
    assert "saltus accept removes the rest" in given_up.way_back.says
    capsys.readouterr()
    assert main(say) == 0
    assert "Give up the way back to zed?" in capsys.readouterr().err
    machines = fake.gather().machines
    assert not {"ctl01-a", "prx01-a"} & set(machines)
    assert {"ctl01-b", "prx01-b"} <= set(machines)
    assert (tmp_path / "effects").read_text().split()[-1] == "accept/forget"
