"""The fake answers as the real fleet does."""

from __future__ import annotations

import pytest

from saltus.fleet.errors import CallFailed, NoReturn, NoSuchTarget, PillarRefused, StateFailed
from saltus.fleet.fake import FakeFleet
from saltus.fleet.port import Fleet, values


def test_it_is_a_fleet_and_answers_as_scripted() -> None:
    fake = FakeFleet(["ctl01", "cmp01"])
    fleet: Fleet = fake
    fake.answer("test.echo", lambda minion, text: f"{minion} {text}")
    fake.answer("test.echo", raises="broken", minion="cmp01")
    assert values(fleet.call("ctl*", "test.echo", "hello")) == {"ctl01": "ctl01 hello"}
    with pytest.raises(CallFailed, match="cmp01: broken"):
        values(fleet.call("*", "test.echo", "hello"))
    assert "not available" in str(fleet.call("ctl01", "test.nosuch")["ctl01"].error)
    assert [asked.function for asked in fake.asked] == ["test.echo", "test.echo", "test.nosuch"]


def test_silence_failures_and_unknown_targets_are_the_same_errors() -> None:
    fake = FakeFleet(["ctl01", "cmp01"])
    jids: list[str] = []
    fake.silence("cmp01")
    with pytest.raises(NoReturn) as silent:
        fake.call("*", "test.ping", on_job=lambda job: jids.append(job.jid))
    assert (silent.value.jid, list(silent.value.missing)) == (jids[0], ["cmp01"])
    found = fake.lookup(jids[0])
    assert found is not None
    assert found.lost == ("cmp01",)
    assert list(fake.call("*", "test.ping", lenient=True)) == ["ctl01"]
    with pytest.raises(NoSuchTarget):
        fake.call("gtw*", "test.ping")
    fake.fail_state("ctl01", "nova.conf", "template not found")
    with pytest.raises(StateFailed, match="template not found"):
        fake.apply("ctl01")
    fake.broken_pillars["ctl01"] = "no such class"
    with pytest.raises(PillarRefused, match="no such class"):
        fake.refresh_pillar("ctl01")


def test_what_a_function_says_in_three_lines_is_said_again_in_three_lines() -> None:
    failed = CallFailed({"dbs01": "ERROR: the backup was not begun\nbecause: there is no room\ndo: make some"})
    assert (failed.what, failed.because, failed.do) == (
        "dbs01: the backup was not begun",
        "there is no room",
        "make some",
    )


def test_what_several_say_or_one_in_its_own_words_is_the_reason_as_it_is() -> None:
    assert CallFailed({"dbs01": "Boom"}).because == "dbs01: Boom"
    two = CallFailed({"a": "x\nbecause: y\ndo: z", "b": "w"})
    assert two.what == "a function failed on a, b"
    assert two.because.startswith("\n  - a: x")
