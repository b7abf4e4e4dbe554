"""What an operator sees while a run goes on: the port, a silent one, and the terminal's."""

from __future__ import annotations

import shutil
import sys
import threading
import time
from datetime import UTC, datetime
from typing import Protocol, TextIO

from saltus.errors import because_line
from saltus.journal.fold import Failure
from saltus.plan.plan import Gate, Plan, Stage, Step


class Progress(Protocol):
    """Told of everything that happens, possibly from several threads; what it is told holds no secrets."""

    def run_begins(self, run: str, plan: Plan, done: int, steps: int) -> None: ...

    def stage_begins(self, stage: Stage) -> None: ...

    def step_begins(self, stage: Stage, step: Step, last_s: float | None) -> None: ...

    def step_says(self, stage: Stage, step: Step, text: str, fraction: float | None) -> None: ...

    def step_ends(self, stage: Stage, step: Step, summary: str, seconds: float, last_s: float | None) -> None: ...

    def step_fails(self, stage: Stage, step: Step, failure: Failure, seconds: float) -> None: ...

    def gate_opens(self, gate: Gate, expires_at: datetime | None) -> None: ...

    def gate_closes(self, gate: Gate, text: str) -> None: ...

    def note(self, text: str) -> None:
        """Anything else: paused, resumed, drift, a lease taken over."""

    def close(self) -> None: ...


class SilentProgress:
    def run_begins(self, run: str, plan: Plan, done: int, steps: int) -> None:
        pass

    def stage_begins(self, stage: Stage) -> None:
        pass

    def step_begins(self, stage: Stage, step: Step, last_s: float | None) -> None:
        pass

    def step_says(self, stage: Stage, step: Step, text: str, fraction: float | None) -> None:
        pass

    def step_ends(self, stage: Stage, step: Step, summary: str, seconds: float, last_s: float | None) -> None:
        pass

    def step_fails(self, stage: Stage, step: Step, failure: Failure, seconds: float) -> None:
        pass

    def gate_opens(self, gate: Gate, expires_at: datetime | None) -> None:
        pass

    def gate_closes(self, gate: Gate, text: str) -> None:
        pass

    def note(self, text: str) -> None:
        pass

    def close(self) -> None:
        pass


def has_expired(expires_at: datetime | None) -> bool:
    return expires_at is not None and expires_at <= datetime.now(UTC)


def spell_expiry(expires_at: datetime | None) -> str:
    """`, until 2017-09-01 12:00:00 CEST`, or `, expired at ...`; nothing for a gate that waits without an end."""
    if expires_at is None:
        return ""
    verb = "expired at" if has_expired(expires_at) else "until"
    return f", {verb} {expires_at.astimezone():%Y-%m-%d %H:%M:%S %Z}"


def spell_seconds(seconds: float) -> str:
    """`0.3 s`, `11.8 s`, `2 min 47 s`, `1 h 02 min`."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"


_PACE_AFTER = 3
"""So many steps must have ended before their pace says how long the others take."""


class _Running:
    """A step on the screen."""

    def __init__(self, stage: Stage, step: Step, last_s: float | None) -> None:
        self.stage, self.step, self.last_s = stage, step, last_s
        self.began = self.told = time.monotonic()
        self.text = ""
        self.fraction: float | None = None

    def line(self) -> str:
        parts = [f"{self.step.title} ... {spell_seconds(time.monotonic() - self.began)}"]
        if self.last_s is not None:
            parts.append(f"(last time {spell_seconds(self.last_s)})")
        if self.fraction is not None:
            parts.append(f"{self.fraction:.0%}")
        if self.text:
            parts.append(self.text)
        return " ".join(parts)


class TerminalProgress:
    """`[12:03:11] real-upgrade  db_sync nova: 64 revisions  11.8 s (last time 12.0 s)`

    A line for each step that ended. What is running is one live line on a terminal; elsewhere it is told once it has
    lasted `quiet_s`, and every 30 s from then on.
    """

    def __init__(self, out: TextIO | None = None, *, quiet_s: float = 5) -> None:
        self._out = out or sys.stderr
        self._live = self._out.isatty()
        self._quiet_s = quiet_s
        self._running: dict[str, _Running] = {}
        self._width = 0
        self._lock = threading.RLock()
        self._closed = threading.Event()
        self._shown = 0
        self._steps = self._over = self._ended = 0
        self._busy_s, self._busy_since = 0.0, 0.0
        threading.Thread(target=self._tick, daemon=True, name="progress").start()

    def run_begins(self, run: str, plan: Plan, done: int, steps: int) -> None:
        self._width = max((len(stage.id) for stage in plan.stages), default=0)
        self._steps, self._over = steps, done
        already = f", {done} of them done" if done else ""
        self.note(f"{run}: {plan.name} of {plan.cloud}, {plan.source} to {plan.target}, {steps} steps{already}")

    def stage_begins(self, stage: Stage) -> None:
        self._print(stage.id, f"-- {stage.title} ({stage.impact}; way back: {stage.way_back})")

    def step_begins(self, stage: Stage, step: Step, last_s: float | None) -> None:
        with self._lock:
            if not self._running:
                self._busy_since = time.monotonic()
            self._running[step.id] = _Running(stage, step, last_s)
            self._draw()

    def step_says(self, stage: Stage, step: Step, text: str, fraction: float | None) -> None:
        with self._lock:
            if running := self._running.get(step.id):
                running.text, running.fraction = text, fraction
                self._draw()

    def step_ends(self, stage: Stage, step: Step, summary: str, seconds: float, last_s: float | None) -> None:
        last = f" (last time {spell_seconds(last_s)})" if last_s is not None else ""
        with self._lock:
            self._running.pop(step.id, None)
            self._over, self._ended = self._over + 1, self._ended + 1
            if not self._running:
                self._busy_s += time.monotonic() - self._busy_since
            said = f": {summary}" if summary else ""
            self._print(stage.id, f"{step.title}{said}  {spell_seconds(seconds)}{last}")

    def step_fails(self, stage: Stage, step: Step, failure: Failure, seconds: float) -> None:
        with self._lock:
            self._running.pop(step.id, None)
            self._print(stage.id, f"{step.title}: FAILED after {spell_seconds(seconds)}")
            for line in (failure.what, because_line(failure.because), f"do: {failure.do}"):
                self._print(stage.id, f"  {line}")

    def gate_opens(self, gate: Gate, expires_at: datetime | None) -> None:
        self.note(f"gate {gate.id} waits for an answer{spell_expiry(expires_at)}")

    def gate_closes(self, gate: Gate, text: str) -> None:
        self.note(f"gate {gate.id}: {text}")

    def note(self, text: str) -> None:
        self._print("", text)

    def close(self) -> None:
        self._closed.set()
        with self._lock:
            self._running.clear()
            self._erase()

    def _print(self, stage: str, text: str) -> None:
        with self._lock:
            self._erase()
            name = f"{stage:<{self._width}}  " if stage else ""
            print(f"[{datetime.now():%H:%M:%S}] {name}{text}", file=self._out, flush=True)
            self._draw()

    def _tick(self) -> None:
        while not self._closed.wait(1):
            with self._lock:
                if self._live:
                    self._draw()
                    continue
                now = time.monotonic()
                for running in list(self._running.values()):
                    due = self._quiet_s if running.told == running.began else 30
                    if now - running.told >= due:
                        running.told = now
                        self._print(running.stage.id, self._how_far() + running.line())

    def _draw(self) -> None:
        if not self._live or self._closed.is_set():
            return
        self._erase()
        if self._running:
            oldest, *others = self._running.values()
            more = f"  (and {len(others)} more)" if others else ""
            line = (self._how_far() + oldest.line() + more)[: shutil.get_terminal_size().columns - 1]
            self._out.write(line)
            self._out.flush()
            self._shown = len(line)

    def _how_far(self) -> str:
        """`12 of 52, about 3 min 10 s left: `, by the pace so far; waiting for people does not count."""
        if not self._steps:
            return ""
        left = ""
        if self._ended >= _PACE_AFTER:
            busy_s = self._busy_s + time.monotonic() - self._busy_since
            left_s = busy_s / self._ended * max(self._steps - self._over, 0)
            left = f", about {spell_seconds(left_s)} left"
        return f"{self._over} of {self._steps}{left}: "

    def _erase(self) -> None:
        if self._live and self._shown:
            self._out.write("\r\x1b[K")
            self._shown = 0
