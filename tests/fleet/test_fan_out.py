"""A step over many nodes on a real master: minions that die or are restarted in its middle."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from typing import Any, cast

import pytest
from conftest import Lab, Minion

from saltus.runner.performer import StepContext
from saltus.runner.performers import fanout
from saltus.runner.performers.fanout import Tally, fan_out
from saltus.runner.performers.ground import Ground

pytestmark = pytest.mark.salt


class Stand:
    """What fan_out asks of its ground."""

    def __init__(self, lab: Lab) -> None:
        self.fleet = lab.fleet


class Context:
    """A step's context that keeps what it is told."""

    cancelled = False

    def __init__(self) -> None:
        self.notes: dict[str, Any] = {}
        self.said: list[str] = []

    def say(self, text: str, fraction: float | None = None) -> None:
        self.said.append(text)

    def note(self, data: dict[str, Any]) -> None:
        self.notes.update(data)

    def wait(self, seconds: float) -> None:
        time.sleep(seconds)


@pytest.fixture
def victim(lab: Lab) -> Iterator[Minion]:
    minion = lab.add("vic02")
    try:
        lab.fleet.wait_for(["vic02"], 90)
        yield minion
    finally:
        minion.signal(signal.SIGCONT)
        lab.remove("vic02")


def spread(lab: Lab, *args: object, timeout_s: float = 120) -> tuple[Tally, Context, float]:
    context, began = Context(), time.monotonic()
    tally = Tally(cast(StepContext, context))
    fan_out(
        cast(Ground, Stand(lab)), cast(StepContext, context), tally, ["cmp001", "vic02"], *args, timeout_s=timeout_s
    )  # type: ignore[arg-type]
    return tally, context, time.monotonic() - began


def test_a_minion_killed_in_the_middle_fails_alone_within_a_minute_and_its_job_is_named(
    lab: Lab, victim: Minion, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fanout, "BACK_WITHIN_S", 5.0)
    threading.Timer(2, victim.kill).start()
    tally, context, seconds = spread(lab, "test.sleep", 6)
    assert tally.worked == {"cmp001": True}
    assert "its minion did not return from test.sleep (job 2" in tally.failed["vic02"]
    assert context.notes["jid"] in tally.failed["vic02"], "the job is in the journal before it is awaited"
    assert context.notes["node cmp001"] is True, "what worked is written down"
    assert seconds < 60


def test_a_minion_restarted_in_the_middle_is_asked_again(lab: Lab, victim: Minion) -> None:
    def restart() -> None:
        victim.kill()
        victim.start()

    threading.Timer(2, restart).start()
    tally, context, _ = spread(lab, "test.sleep", 6)
    assert tally.worked == {"cmp001": True, "vic02": True}
    assert any(text.startswith("waiting for vic02: lost in the middle") for text in context.said)


def test_every_answer_is_written_down_as_it_comes(lab: Lab, victim: Minion) -> None:
    tally, context, _ = spread(lab, "test.echo", "hello")
    assert tally.worked == {"cmp001": "hello", "vic02": "hello"}
    assert {key for key in context.notes if key.startswith("node ")} == {"node cmp001", "node vic02"}
