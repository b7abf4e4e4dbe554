"""What the watcher sees is in the journal while the run goes on; and a run that nobody watched says so."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from saltus.commands.reporting import outages_of, report_of
from saltus.commands.watching import Scribe
from saltus.journal.events import Event, OutageSeen, RunFinished, RunStarted, StepStarted, WatchFailed, WatchSummary
from saltus.journal.store import Journal
from saltus.plan import Impact, Plan, Stage, Step
from saltus.plan.actions import StopServices
from saltus.report.html import render_html
from saltus.report.text import render
from saltus.verify.watcher.process import Watcher
from saltus.verify.watcher.targets import Targets
from verify.fake_cloud import PASSWORD, FakeCloud


@pytest.fixture
def cloud() -> Iterator[FakeCloud]:
    cloud = FakeCloud()
    yield cloud
    cloud.close()


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    journal = Journal(f"sqlite:///{tmp_path}/journal.db")
    yield journal
    journal.close()


@pytest.fixture
def run(journal: Journal) -> str:
    """A run in the middle of its only step."""
    step = Step(id="window/stop", title="Stop", action=StopServices(machine="ctl01-a"))
    stage = Stage(id="window", title="The window", impact=Impact.API_DOWN, way_back="start them", steps=(step,))
    plan = Plan(name="control", cloud="small", source="zed", target="epoxy", stages=(stage,))
    run, now = journal.create_run(plan, by="ann"), datetime.now(UTC)
    journal.append(
        run,
        RunStarted(at=now, by="ann", runner="r", host="h", pid=1, saltus="0"),
        StepStarted(at=now, by="ann", step="window/stop", attempt=1),
    )
    return run


def fast(cloud: FakeCloud) -> Targets:
    times = {"read_s": 0.2, "write_s": 0.2, "down_s": 0.1, "answer_timeout_s": 1.0}
    return Targets(auth_url=cloud.auth_url, username="admin", project="admin", **times)  # type: ignore[arg-type]


@contextmanager
def watching(cloud: FakeCloud, journal: Journal, run: str, directory: Path) -> Iterator[Watcher]:
    watcher = Watcher(fast(cloud), PASSWORD, directory).start()
    with Scribe(journal, run, directory).following(watcher):
        yield watcher


def events(journal: Journal, run: str, kind: type) -> list[Event]:
    return [event for _, event in journal.read(run) if isinstance(event, kind)]


def until(holds: Callable[[], object], seconds: float = 90.0) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.1)


def test_an_outage_is_in_the_journal_while_it_lasts_and_once_in_the_report(
    cloud: FakeCloud, journal: Journal, run: str, tmp_path: Path
) -> None:
    def of_nova() -> list[OutageSeen]:
        return [e for e in events(journal, run, OutageSeen) if isinstance(e, OutageSeen) and e.target == "nova"]

    with watching(cloud, journal, run, tmp_path / "watch"):
        until(lambda: events(journal, run, WatchSummary))
        cloud.apis["nova"].stop()
        until(lambda: of_nova())
        assert of_nova()[0].ended is None, "written down before it is over"
        assert of_nova()[0].step == "window/stop"
        assert any(outage.seconds is None for outage in report_of(journal, run).outages)
        cloud.apis["nova"].start()
        until(lambda: any(event.ended for event in of_nova()))
    outages = [outage for outage in outages_of(events(journal, run, OutageSeen)) if outage.target == "nova"]
    assert {outage.what for outage in outages} <= {"read", "write"}
    assert len(outages) == len({(outage.what, outage.started) for outage in outages}), "each once"
    assert all(outage.seconds for outage in outages)
    stage = report_of(journal, run).stages[0]
    assert stage.outage_s is not None
    assert stage.outage_s > 0


def test_a_watcher_that_breaks_in_the_middle_is_told(
    cloud: FakeCloud, journal: Journal, run: str, tmp_path: Path
) -> None:
    with watching(cloud, journal, run, tmp_path / "watch") as watcher:
        until(lambda: events(journal, run, WatchSummary))
        assert watcher._process is not None
        watcher._process.kill()
        until(lambda: events(journal, run, WatchFailed))
    report = report_of(journal, run)
    assert report.not_watched.startswith("the outage watcher broke")
    assert "Not watched in all of the run: the outage watcher broke" in render(report)


def test_a_run_whose_watcher_did_not_start_says_not_watched_and_never_no_outage(journal: Journal, run: str) -> None:
    now = datetime.now(UTC)
    because = "the outage watcher did not start: keystone does not accept admin"
    journal.append(run, WatchFailed(at=now, by="ann", because=because), RunFinished(at=now, by="ann", status="done"))
    report = report_of(journal, run)
    for text in (render(report), render_html(report)):
        assert "keystone does not accept admin" in text
        assert "ot watched" in text
        assert "No outage was seen" not in text
        assert "No API had an outage" not in text
        assert ">none<" not in text
        assert "| none" not in text


def test_a_run_of_which_nothing_is_known_was_not_watched_either(journal: Journal, run: str) -> None:
    assert report_of(journal, run).not_watched == "no watcher has written anything down"
    assert report_of(journal, run).stages[0].outage_s is None
