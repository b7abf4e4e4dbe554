"""The report of a whole run: made by the real runner with a performer that only remembers, at a clock moved by hand.

After a deliberate change of words: SALTUS_REWRITE=1 pytest, and read the difference.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from planning import make_plan
from saltus.commands.reporting import make_report, outages_of
from saltus.commands.settings import Settings
from saltus.commands.workplace import Workplace
from saltus.journal.events import Event, OutageSeen, Paused, RunFinished, RunResumed, StepStarted, WatchSummary
from saltus.plan import Plan
from saltus.report.chart import outage_charts
from saltus.report.report import Report
from saltus.report.text import render
from saltus.runner.clock import FakeClock
from saltus.runner.gates import AutoApprover
from saltus.runner.performer import StepContext
from saltus.runner.performers.fake import EveryKind, FakePerformer
from saltus.runner.run import Runner

HERE = Path(__file__).parent
PLANS = HERE.parent / "plans"
VERSIONS = {
    "check/versions": ({"ctl01-a": {"nova": "2:26.2.2-1"}, "cmp01": {"nova": "2:26.2.2-1"}}, "a"),
    "verify/versions": ({"ctl01-a": {"nova": "2:26.2.2-1"}, "ctl01-b": {"nova": "2:31.0.0-6"}}, "b"),
}


@pytest.fixture
def workplace(tmp_path: Path) -> Workplace:
    return Workplace(Settings.from_options(state=str(tmp_path), model=None, journal=None))


def plan_of(case: str) -> Plan:
    """The golden plan, its steps one after another: side by side they would share the clock."""
    plan = make_plan(PLANS / case)
    stages = [
        stage.model_copy(update={"steps": tuple(step.model_copy(update={"lane": None}) for step in stage.steps)})
        for stage in plan.stages
    ]
    return plan.model_copy(update={"stages": tuple(stages)})


def walk(workplace: Workplace, plan: Plan, **more: Any) -> str:
    clock = FakeClock()

    def do(context: StepContext) -> Any:
        clock.move(timedelta(seconds=2))
        if context.step.id in VERSIONS:
            versions, slot = VERSIONS[context.step.id]
            return {"versions": versions, "serving": {f"ctl01-{slot}": "ctl01", "cmp01": "cmp01"}}
        return None

    run = workplace.journal.create_run(plan, by="ann")
    Runner(workplace.journal, EveryKind(FakePerformer(do=do, **more)), AutoApprover("demo"), clock, by="ann").run(run)
    return run


def watch(workplace: Workplace, run: str, step: str) -> None:
    """What the watcher writes down when a run is over: one outage that began in `step`."""
    begun = next(e.at for _, e in workplace.journal.read(run) if isinstance(e, StepStarted) and e.step == step)
    common: dict[str, Any] = {"at": begun + timedelta(hours=1), "by": "ann"}
    end = begun + timedelta(seconds=41)
    workplace.journal.append(
        run,
        OutageSeen(**common, target="nova", what="write", started=begun, ended=end, step=step, lost=205),
        WatchSummary(**common, target="nova", what="write", asked=9000, lost=205, outage_s=41.0, longest_s=41.0),
        WatchSummary(**common, target="tenant", what="ping", asked=1793, lost=0, outage_s=0.0, longest_s=0.0),
    )


def test_the_report_of_an_upgrade_reads_like_this(workplace: Workplace) -> None:
    plan = plan_of("control-zed-to-epoxy")
    run = walk(workplace, plan)
    watch(workplace, run, "real-upgrade/stop-ctl01")
    text = render(make_report(workplace, run)).replace(plan.short, "PLAN")
    if os.environ.get("SALTUS_REWRITE"):
        (HERE / "report.md").write_text(text)
    assert text == (HERE / "report.md").read_text()


def test_a_report_is_the_same_after_it_was_written_down(workplace: Workplace) -> None:
    report = make_report(workplace, walk(workplace, plan_of("control-zed-to-epoxy")))
    assert Report.model_validate_json(report.model_dump_json()) == report


def test_lost_pings_are_counted_by_the_step_in_which_they_were_lost(workplace: Workplace) -> None:
    run = walk(workplace, plan_of("compute-zed-to-epoxy"))
    begun = next(e.at for _, e in workplace.journal.read(run) if isinstance(e, StepStarted))

    def lost(step: str, at: int, count: int) -> OutageSeen:
        started = begun + timedelta(seconds=at)
        return OutageSeen(at=started, by="ann", target="web", what="ping", started=started, step=step, lost=count)

    workplace.journal.append(
        run, lost("sample/restart", 1, 4), lost("sample/restart", 9, 3), lost("all/batch-01-restart", 20, 5)
    )
    workplace.journal.append(
        run,
        WatchSummary(at=begun, by="ann", target="web", what="ping", asked=900, lost=12, outage_s=12.0, longest_s=5.0),
    )
    text = render(make_report(workplace, run))
    table = [line for line in text.splitlines() if "restart" in line and "web" in line]
    assert [line.split("|")[1:4] for line in table] == [
        [" sample/restart       ", " web      ", "    7 "],
        [" all/batch-01-restart ", " web      ", "    5 "],
    ]


def test_an_outage_counts_for_the_stage_in_which_it_began(workplace: Workplace) -> None:
    run = walk(workplace, plan_of("control-zed-to-epoxy"))
    watch(workplace, run, "prepare/warm-ctl01")
    outages = {stage.id: stage.outage_s for stage in make_report(workplace, run).stages}
    assert outages == {"check": 0.0, "rehearse": 0.0, "prepare": 41.0, "real-upgrade": 0.0, "verify": 0.0}


@pytest.mark.parametrize(
    ("fails", "says"),
    [
        ("prepare/machine-ctl01", "The window was not reached"),
        ("real-upgrade/freeze", "Services are stopped, and nothing is frozen yet"),
        ("real-upgrade/db_sync-nova", "`saltus rollback` takes the control plane back to zed"),
    ],
)
def test_a_run_that_failed_tells_the_way_back_from_where_it_stands(workplace: Workplace, fails: str, says: str) -> None:
    report = make_report(workplace, walk(workplace, plan_of("control-zed-to-epoxy"), fail_at={fails: 1}))
    assert report.status == "failed"
    stage = next(stage for stage in report.stages if stage.id == fails.partition("/")[0])
    assert stage.status == "failed"
    assert says in report.way_back


def test_a_rollback_says_what_became_of_the_way_back(workplace: Workplace) -> None:
    report = make_report(workplace, walk(workplace, plan_of("rollback-after-success")))
    assert report.status == "done"
    assert report.way_back == "saltus plan control starts again"


def test_an_outage_that_its_watcher_did_not_see_the_end_of_lasted_at_least_so_long() -> None:
    start = datetime(2026, 11, 25, 13, tzinfo=UTC)

    def at(seconds: int) -> dict[str, Any]:
        return {"at": start + timedelta(seconds=seconds), "by": "ann"}

    def away(target: str, since: int, until: int | None = None) -> OutageSeen:
        ended = start + timedelta(seconds=until) if until else None
        begun = start + timedelta(seconds=since)
        return OutageSeen(**at(until or since), target=target, what="write", started=begun, ended=ended, lost=1)

    resumed = {"runner": "r", "host": "h", "pid": 1, "saltus": "0"}
    events: list[Event] = [
        away("nova", 10), Paused(**at(30), reason="ctrl-C"),
        away("heat", 20, 33),  # its end was written down behind the run's
        RunResumed(**at(100), **resumed), away("glance", 110), StepStarted(**at(120), step="a/b", attempt=1),
        RunResumed(**at(300), **resumed), away("cinder", 310),
    ]  # fmt: skip
    found = {outage.target: (outage.seconds, outage.at_least) for outage in outages_of(events)}
    assert found == {"nova": (20, True), "heat": (13, False), "glance": (10, True), "cinder": (None, False)}
    over = outages_of([*events, RunFinished(**at(400), status="done")])
    assert [outage.seconds for outage in over if outage.target == "cinder"] == [90]


def test_a_short_window_in_a_long_run_has_a_chart_of_its_own(workplace: Workplace) -> None:
    run = walk(workplace, plan_of("control-zed-to-epoxy"))
    watch(workplace, run, "real-upgrade/stop-ctl01")
    report = make_report(workplace, run)
    assert outage_charts(report).count("<svg") == 1, "the outages are all there is"
    (window,) = report.outages
    early = window.model_copy(update={"started": window.started - timedelta(hours=3), "step": None})
    charts = outage_charts(report.model_copy(update={"outages": (early, window)}))
    assert charts.count("<svg") == 2
    first, whole = charts.split("<h3>The whole run</h3>")
    assert first.startswith("<h3>real-upgrade</h3>")
    assert first.count('class="outage is-write"') == 1, "the one of the window alone"
    assert whole.count('class="outage is-write"') == 2
    assert ">41.0 s</text>" in first
