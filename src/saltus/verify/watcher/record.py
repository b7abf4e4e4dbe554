"""Samples become outages, and outages lines in a file, at the moment they begin and end: a crash loses none."""

from __future__ import annotations

import json
import os
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from saltus.verify.watcher.targets import Kind


class Series:
    """What was seen of one target in one way: counters, and whether it is away now."""

    def __init__(self, target: str, kind: Kind, period_s: float, begun: float) -> None:
        self.target, self.kind, self.period_s = target, kind, period_s
        self.samples = self.failures = 0
        self.slowest_s = 0.0
        self.last_good = begun
        self.failures_now = 0
        """Since the last good answer; 0 while the target answers."""

    def counters(self) -> dict[str, Any]:
        names = ("target", "kind", "period_s", "samples", "failures", "slowest_s")
        return {name: getattr(self, name) for name in names}


class Recorder:
    """Takes the samples of all threads. A session is `NAME.jsonl` (outages) and `NAME.state.json` (counters).

    Times given to it are of time.monotonic(); those it writes are UTC, on a clock that nobody can set back meanwhile.
    """

    def __init__(self, directory: Path) -> None:
        self._offset = time.time() - time.monotonic()
        self.begun = time.monotonic()
        name = f"{self._utc(self.begun):%Y%m%dT%H%M%S.%f}-{os.getpid()}"
        self._state = directory / f"{name}.state.json"
        self._lines = (directory / f"{name}.jsonl").open("a", buffering=1)
        self._lock = threading.Lock()
        self._series: list[Series] = []

    def series(self, target: str, kind: Kind, period_s: float) -> Series:
        series = Series(target, kind, period_s, time.monotonic())
        with self._lock:
            self._series.append(series)
        return series

    def good(self, series: Series, at: float, seconds: float) -> None:
        with self._lock:
            series.samples += 1
            series.slowest_s = max(series.slowest_s, round(seconds, 3))
            if series.failures_now:
                self._write(event="up", series=series, at=at, failures=series.failures_now)
            series.failures_now, series.last_good = 0, max(at, series.last_good)

    def bad(self, series: Series, asked: float, error: str) -> None:
        with self._lock:
            series.samples += 1
            series.failures += 1
            if not series.failures_now:
                first = self._utc(asked).isoformat()
                self._write(event="down", series=series, at=series.last_good, first_failure=first, error=error)
            series.failures_now += 1

    def write_state(self, *, ended: bool = False) -> None:
        """Replace the counters on disk as a whole."""
        with self._lock:
            probes = [series.counters() for series in self._series]
        state = {
            "format": 1,
            "begun": self._utc(self.begun).isoformat(),
            "at": self._utc(time.monotonic()).isoformat(),
            "ended": ended,
            "probes": probes,
        }
        draft = self._state.with_suffix(".draft")
        draft.write_text(json.dumps(state))
        draft.replace(self._state)

    def _write(self, *, event: str, series: Series, at: float, **more: Any) -> None:
        line = {"event": event, "target": series.target, "kind": series.kind, "at": self._utc(at).isoformat(), **more}
        self._lines.write(json.dumps(line) + "\n")

    def _utc(self, at: float) -> datetime:
        return datetime.fromtimestamp(at + self._offset, UTC)
