"""The states of runs, kept at hand: each look reads only the events that came since the last one."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from saltus.journal.events import Event
from saltus.journal.fold import RunState
from saltus.journal.store import Journal

_KEPT = 64


@dataclass
class _Kept:
    lock: threading.RLock = field(default_factory=threading.RLock)
    state: RunState | None = None


class States:
    """Safe to share between threads. A state is only to be looked at within `at`: it moves on with the run."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._kept: OrderedDict[str, _Kept] = OrderedDict()
        self._lock = threading.Lock()

    @contextmanager
    def at(self, run: str) -> Iterator[RunState]:
        """The state of `run` (its full id) by all events so far, held still while it is looked at."""
        kept = self._of(run)
        with kept.lock:
            yield self._caught_up(run, kept)

    def now(self, run: str) -> RunState:
        """The same for who looks at once and keeps nothing."""
        with self.at(run) as state:
            return state

    def since(self, run: str, seq: int) -> list[tuple[int, Event]]:
        return self._journal.read(run, seq)

    def _of(self, run: str) -> _Kept:
        with self._lock:
            kept = self._kept.setdefault(run, _Kept())
            self._kept.move_to_end(run)
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
            return kept

    def _caught_up(self, run: str, kept: _Kept) -> RunState:
        if kept.state is None:
            signer = self._journal.signer
            plan = self._journal.plan_of(run)
            kept.state = RunState(plan, signer.genuine) if signer else RunState(plan)
        for seq, event in self._journal.read(run, kept.state.seq):
            kept.state.take(seq, event)
        return kept.state
