"""Ctrl-C: the first pauses after the running step, the second stops at once. Both leave a run that can be resumed."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

from saltus.errors import Abort


class Interrupts:
    """Counts SIGINT and SIGTERM while it is entered (in the main thread; elsewhere nothing is caught)."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self.count = 0
        self.stop_now = threading.Event()
        self._breakable = False
        self._before: dict[int, Any] = {}

    @property
    def wants_pause(self) -> bool:
        return self.count > 0

    def __enter__(self) -> Interrupts:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, self._caught)
        return self

    def __exit__(self, *_exc: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _caught(self, _number: int, _frame: FrameType | None) -> None:
        self.count += 1
        if self.count == 1:
            self._say("pausing when the running step is done; ctrl-C again stops at once")
            return
        self.stop_now.set()
        if self._breakable:
            self._breakable = False
            raise Abort

    @contextlib.contextmanager
    def breakable(self) -> Iterator[None]:
        """Here the second ctrl-C raises Abort: while a performer works, never while the journal is written."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        self._breakable = True
        try:
            if self.stop_now.is_set():
                raise Abort
            yield
        finally:
            self._breakable = False
