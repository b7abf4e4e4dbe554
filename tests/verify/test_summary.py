"""Files of the watcher into numbers, and outages into steps."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from saltus.verify.watcher.summary import Outage, StepSpan, attribute, summarise

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def outage(begin: float, end: float | None) -> Outage:
    return Outage(
        target="nova",
        kind="read",
        started=at(begin),
        first_failure=at(begin + 0.4),
        ended=None if end is None else at(end),
        seconds=(40 if end is None else end) - begin,
        failures=3,
        error="503",
    )


STEPS = [
    StepSpan(step="real-upgrade/stop", started=at(0), ended=at(10)),
    StepSpan(step="real-upgrade/db_sync-nova", started=at(10), ended=at(30)),
    StepSpan(step="real-upgrade/db_sync-heat", started=at(10), ended=at(20)),
    StepSpan(step="real-upgrade/verify", started=at(35), ended=None),
]


@pytest.mark.parametrize(
    ("begin", "end", "began_in", "seconds"),
    [
        pytest.param(2, 6, "real-upgrade/stop", {"real-upgrade/stop": 4}, id="within one step"),
        pytest.param(
            8,
            32,
            "real-upgrade/stop",
            {"real-upgrade/stop": 2, "real-upgrade/db_sync-nova": 20, "real-upgrade/db_sync-heat": 10},
            id="over several, two of them side by side",
        ),
        pytest.param(
            9.8,
            12,
            "real-upgrade/db_sync-nova",
            {"real-upgrade/stop": 0.2, "real-upgrade/db_sync-nova": 2, "real-upgrade/db_sync-heat": 2},
            id="the last good answer stood in the step before",
        ),
        pytest.param(31, 34, None, {}, id="between steps"),
        pytest.param(33, 36, None, {"real-upgrade/verify": 1}, id="begun between steps, ended in one"),
        pytest.param(36, None, "real-upgrade/verify", {"real-upgrade/verify": 4}, id="neither has ended"),
    ],
)
def test_an_outage_is_attributed_to_the_steps_it_fell_in(
    begin: float, end: float | None, began_in: str | None, seconds: dict[str, float]
) -> None:
    [attributed] = attribute([outage(begin, end)], STEPS)
    assert attributed.began_in == began_in
    assert attributed.seconds == seconds


def write_session(directory: Path, name: str, *, begun: float, until: float, events: list[str], failures: int) -> None:
    counters = {
        "target": "nova",
        "kind": "read",
        "period_s": 0.5,
        "samples": 10,
        "failures": failures,
        "slowest_s": 0.2,
    }
    state = {"format": 1, "begun": at(begun).isoformat(), "at": at(until).isoformat(), "ended": False}
    (directory / f"{name}.state.json").write_text(json.dumps({**state, "probes": [counters]}))
    (directory / f"{name}.jsonl").write_text("".join(events))


def event(kind: str, seconds: float, **more: object) -> str:
    if kind == "down":
        more["first_failure"] = at(seconds).isoformat()
    return json.dumps({"event": kind, "target": "nova", "kind": "read", "at": at(seconds).isoformat(), **more}) + "\n"


def test_sessions_add_up_and_the_time_between_them_is_told(tmp_path: Path) -> None:
    down = event("down", 5, error="503")
    write_session(tmp_path, "1", begun=0, until=8, events=[down, event("up", 7, failures=2)], failures=2)
    write_session(tmp_path, "2", begun=18, until=30, events=[event("down", 25, error="refused")], failures=4)
    summary = summarise(tmp_path)
    probe = summary.probe("nova", "read")
    assert (probe.samples, probe.failures, probe.outage_s, probe.longest_s) == (20, 6, 7.0, 5.0)
    assert [outage.ended for outage in summary.outages] == [at(7), None]
    assert summary.unwatched_s == 10


def test_a_line_that_is_being_written_is_left_for_later(tmp_path: Path) -> None:
    down, up = event("down", 5, error="503"), event("up", 7, failures=2)
    write_session(tmp_path, "1", begun=0, until=8, events=[down, up[:20]], failures=2)
    assert [outage.ended for outage in summarise(tmp_path).outages] == [None]


def test_a_directory_without_a_session_is_an_empty_summary(tmp_path: Path) -> None:
    assert summarise(tmp_path).probes == ()
