"""Waiting for returns, on a bus whose minions do as they are told."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from saltus.fleet.port import Job
from saltus.fleet.waiting import Patience, wait_for_returns

QUICK = Patience(look_every_s=0.02, answer_within_s=0.03, looks=2)
JOB = Job(jid="1", function="test.sleep", minions=("ctl01", "cmp01"))


class ScriptedBus:
    """`find_job` is answered by `at_it` (True), `idle` ({}), and nobody else; `events` come in their order."""

    def __init__(
        self, events: list[Mapping[str, Any]], at_it: tuple[str, ...] = (), idle: tuple[str, ...] = ()
    ) -> None:
        self.events, self.at_it, self.idle = list(events), at_it, idle
        self.cached: dict[str, Mapping[str, Any]] = {}
        self.looks = 0

    def new_jid(self) -> str:
        self.looks += 1
        return f"look {self.looks}"

    def publish(self, job: Job, arguments: list[Any]) -> tuple[str, ...]:
        assert arguments == [JOB.jid]
        self.events += [returned(m, {"jid": JOB.jid}, job.jid) for m in job.minions if m in self.at_it]
        self.events += [returned(m, {}, job.jid) for m in job.minions if m in self.idle]
        return job.minions

    def next_return(self, wait_s: float) -> Mapping[str, Any] | None:
        if self.events:
            return self.events.pop(0)
        time.sleep(min(wait_s, 0.01))
        return None

    def cached_returns(self, jid: str) -> Mapping[str, Mapping[str, Any]]:
        return self.cached if jid == JOB.jid else {}


def returned(minion: str, value: object, jid: str = "1") -> dict[str, Any]:
    return {"jid": jid, "id": minion, "return": value, "retcode": 0, "success": True}


def test_it_ends_with_the_last_return_and_other_jobs_do_not_count() -> None:
    bus = ScriptedBus([returned("ctl01", 1), returned("cmp01", 9, jid="other"), returned("cmp01", 2)])
    awaited = wait_for_returns(bus, JOB, timeout_s=5, patience=QUICK)
    assert {m: load["return"] for m, load in awaited.returns.items()} == {"ctl01": 1, "cmp01": 2}
    assert not awaited.lost
    assert bus.looks == 0


def test_a_minion_that_answers_no_look_is_lost_after_the_second() -> None:
    bus = ScriptedBus([returned("ctl01", 1)])
    awaited = wait_for_returns(bus, JOB, timeout_s=60, patience=QUICK)
    assert awaited.lost == {"cmp01": "it does not answer"}
    assert list(awaited.returns) == ["ctl01"]
    assert bus.looks == 2


def test_a_minion_that_is_not_at_the_job_any_more_is_lost() -> None:
    bus = ScriptedBus([returned("ctl01", 1)], idle=("cmp01",))
    awaited = wait_for_returns(bus, JOB, timeout_s=60, patience=QUICK)
    assert "not at this job" in awaited.lost["cmp01"]


def test_a_minion_that_is_at_it_is_waited_for_until_the_time_is_over() -> None:
    bus = ScriptedBus([returned("ctl01", 1)], at_it=("cmp01",))
    awaited = wait_for_returns(bus, JOB, timeout_s=0.4, patience=QUICK)
    assert bus.looks > 3
    assert "within" in awaited.lost["cmp01"]


def test_a_return_that_passed_unseen_is_taken_from_the_job_cache() -> None:
    bus = ScriptedBus([returned("ctl01", 1)], idle=("cmp01",))
    bus.cached = {"cmp01": {"return": 2, "retcode": 0}}
    awaited = wait_for_returns(bus, JOB, timeout_s=60, patience=QUICK)
    assert awaited.returns["cmp01"]["return"] == 2
    assert not awaited.lost


def test_a_queued_job_is_not_a_return_of_it() -> None:
    bus = ScriptedBus([returned("ctl01", {"queued": True}), returned("cmp01", 2), returned("ctl01", 1)])
    awaited = wait_for_returns(bus, JOB, timeout_s=5, patience=QUICK)
    assert awaited.returns["ctl01"]["return"] == 1
