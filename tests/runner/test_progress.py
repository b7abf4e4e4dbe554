"""What a terminal shows while a run goes on: how far it is, and how long it may still take."""

from __future__ import annotations

import io
import re
from datetime import UTC, datetime, timedelta

import plans

from saltus.runner.progress import TerminalProgress, has_expired, spell_expiry

PLAN = plans.plan(plans.stage("build", *(plans.step(f"build/m{n}") for n in range(5))))


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_the_pace_of_the_steps_so_far_says_how_long_the_others_take():
    screen = Terminal()
    progress = TerminalProgress(screen)
    pairs = [(stage, step) for stage in PLAN.stages for step in stage.steps]
    progress.run_begins("a-run", PLAN, 1, len(pairs) + 1)
    for ended, (stage, step) in enumerate(pairs, start=1):
        progress.step_begins(stage, step, None)
        live = screen.getvalue().rpartition("\x1b[K")[2].rpartition("\n")[2]
        estimate = r", about \d+\.\d s left" if ended > 3 else ""
        assert re.match(rf"{ended} of {len(pairs) + 1}{estimate}: {re.escape(step.title[:10])}", live), live
        progress.step_ends(stage, step, "", 0.1, None)
    progress.close()
    assert len(pairs) > 3


def test_a_gate_says_until_when_it_waits_and_when_it_is_too_late():
    later, earlier = (datetime.now(UTC) + timedelta(hours=hours) for hours in (1, -1))
    assert spell_expiry(None) == ""
    assert spell_expiry(later) == f", until {later.astimezone():%Y-%m-%d %H:%M:%S %Z}"
    assert spell_expiry(earlier) == f", expired at {earlier.astimezone():%Y-%m-%d %H:%M:%S %Z}"
    assert [has_expired(when) for when in (None, later, earlier)] == [False, False, True]
