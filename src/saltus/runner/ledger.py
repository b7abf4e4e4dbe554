"""A runner's hand on the journal: its lease with a heartbeat, what it appends, and what others have appended since."""

from __future__ import annotations

import logging
import os
import secrets
import socket
import threading
import time
from collections.abc import Callable

from saltus import __version__
from saltus.journal.connection import JournalUnreachable
from saltus.journal.events import Event, RunResumed, RunStarted
from saltus.journal.fold import RunState
from saltus.journal.leases import LeaseLost
from saltus.journal.store import Journal, JournalMoved
from saltus.runner.clock import Clock

log = logging.getLogger(__name__)


class Ledger:
    """Holds the lease of `run` while it is entered. `state` is the run as the journal has it. Safe between threads."""

    def __init__(self, journal: Journal, run: str, *, by: str, clock: Clock, ttl_s: float) -> None:
        self._journal, self.run, self._by, self._clock, self._ttl_s = journal, run, by, clock, ttl_s
        self.runner = secrets.token_hex(6)
        self.lost = threading.Event()
        self._lock = threading.RLock()
        self._over = threading.Event()
        self.state: RunState = None  # type: ignore[assignment]  # set on entering

    def __enter__(self) -> Ledger:
        host, pid = socket.gethostname(), os.getpid()
        self._journal.leases.take(self.run, runner=self.runner, host=host, pid=pid, by=self._by, ttl_s=self._ttl_s)
        try:
            self.state = self._journal.state(self.run)
        except BaseException:
            self._journal.leases.give_back(self.run, self.runner)
            raise
        self._heart = threading.Thread(target=self._beat, daemon=True, name="heartbeat")
        self._heart.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self._over.set()
        self._heart.join()
        if not self.lost.is_set():
            self._journal.leases.give_back(self.run, self.runner)

    def begin(self) -> None:
        """Say that this runner has come."""
        came = RunStarted if self.state.started_at is None else RunResumed
        self.append(
            came(
                at=self._clock.now(),
                by=self._by,
                runner=self.runner,
                host=socket.gethostname(),
                pid=os.getpid(),
                saltus=__version__,
            )
        )

    def _beat(self) -> None:
        heard = time.monotonic()
        while not self._over.wait(self._ttl_s / 3):
            try:
                self._journal.leases.renew(self.run, self.runner, ttl_s=self._ttl_s)
                heard = time.monotonic()
            except LeaseLost:
                self.lost.set()
                return
            except JournalUnreachable as exc:
                log.warning("the lease of %s could not be renewed: %s", self.run, exc.because)
                if time.monotonic() - heard > self._ttl_s:
                    self.lost.set()
                    return

    def append(self, *events: Event) -> None:
        """Append what has happened, whatever others appended in between."""
        with self._lock:
            last = self._patiently(lambda: self._journal.append(self.run, *events, runner=self.runner))
            if last - len(events) > self.state.seq:
                self.catch_up()
                return
            for seq, event in enumerate(events, start=self.state.seq + 1):
                self.state.take(seq, event)

    def append_if_current(self, *events: Event) -> bool:
        """Append unless somebody else has appended something unseen; then take that in, and say False."""
        with self._lock:
            try:
                self._patiently(
                    lambda: self._journal.append(self.run, *events, expected_seq=self.state.seq, runner=self.runner)
                )
            except JournalMoved:
                self.catch_up()
                return False
            for seq, event in enumerate(events, start=self.state.seq + 1):
                self.state.take(seq, event)
            return True

    def catch_up(self) -> None:
        """Take in what others appended."""
        with self._lock:
            for seq, event in self._journal.read(self.run, self.state.seq):
                self.state.take(seq, event)

    def _patiently(self, append: Callable[[], int]) -> int:
        """Work that was done deserves to be written down: try for as long as the lease lasts.

        An append that reached the database without our hearing of it is made again: the fold bears the repetition.
        """
        give_up = time.monotonic() + self._ttl_s * 2 / 3
        while True:
            try:
                return append()
            except JournalUnreachable:
                if time.monotonic() > give_up or self._over.is_set():
                    raise
                time.sleep(min(1.0, self._ttl_s / 10))
