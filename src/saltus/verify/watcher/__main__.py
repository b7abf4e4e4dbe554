"""The watcher's process: `python -m saltus.verify.watcher TARGETS.json DIRECTORY`.

Standard input carries the password in its first line and then stays open: `ping NAME ADDRESS` adds an instance, and its
end, which also a parent that was killed brings about, ends the watcher.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from saltus.errors import OperatorError
from saltus.verify.watcher.apis import APIS, Caller, Page, Reader, Writer
from saltus.verify.watcher.asking import Answer, Asker
from saltus.verify.watcher.ping import Pinger
from saltus.verify.watcher.record import Recorder, Series
from saltus.verify.watcher.session import BadLogin, Session
from saltus.verify.watcher.targets import Kind, Targets

CLEANING_S = 10.0
"""How long the end waits for the probes to remove what they made."""


class Probe(Protocol):
    def sample(self) -> Answer | None: ...
    def clean(self) -> None: ...


class Watch:
    """One session: a thread for every probe, so that a hanging API holds up nobody else."""

    def __init__(self, targets: Targets, password: str, recorder: Recorder) -> None:
        self._targets, self._recorder = targets, recorder
        self._asker = Asker(targets.connect_timeout_s, targets.answer_timeout_s)
        self._session = Session(targets, password, self._asker)
        self._threads: list[threading.Thread] = []
        self.stop = threading.Event()
        self.is_broken = False

    def begin(self) -> None:
        """Log in, then start every probe; with keystone away too, which is then what is first seen."""
        self._session.log_in()
        self._thread(lambda: self._session.keep_fresh(self.stop))
        for api in APIS:
            caller = Caller(api, self._session, self._asker)
            self._watch(api.name, "read", Reader(api, caller), self._targets.read_s)
            if self._targets.writes and api.write:
                self._watch(api.name, "write", Writer(api.write, caller), self._targets.write_s)
        if self._targets.horizon_url:
            self._watch("horizon", "read", Page(self._targets.horizon_url, self._asker), self._targets.read_s)
        for name, address in self._targets.instances.items():
            self.ping(name, address)

    def ping(self, name: str, address: str) -> None:
        pinger = Pinger(address, period_s=self._targets.ping_s, timeout_s=self._targets.ping_timeout_s)
        series = self._recorder.series(name, "ping", self._targets.ping_s)
        recorder = self._recorder
        self._thread(
            lambda: pinger.run(
                self.stop,
                lambda at, seconds: recorder.good(series, at, seconds),
                lambda sent: recorder.bad(series, sent, "no answer"),
            )
        )

    def end(self) -> None:
        self.stop.set()
        deadline = time.monotonic() + CLEANING_S
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))

    def _watch(self, target: str, kind: Kind, probe: Probe, period_s: float) -> None:
        series = self._recorder.series(target, kind, period_s)
        # Spread over the period: APIs that are all asked at once would queue for the same two cores.
        offset_s = period_s * (len(self._threads) % 8) / 8
        self._thread(lambda: self._ask(series, probe, offset_s))

    def _ask(self, series: Series, probe: Probe, offset_s: float) -> None:
        probe.clean()
        wait_s = offset_s
        while not self.stop.wait(wait_s):
            asked = time.monotonic()
            answer = probe.sample()
            answered = time.monotonic()
            if answer is None:
                self._not_asked(series, asked)
            elif answer.is_good:
                self._recorder.good(series, answered, answered - asked)
            else:
                self._recorder.bad(series, asked, answer.error)
            period_s = series.period_s if answer and answer.is_good else self._targets.down_s
            wait_s = max(0.05, period_s - (answered - asked))
        probe.clean()

    def _not_asked(self, series: Series, asked: float) -> None:
        """Without a first token nothing is known of the others; of keystone it is known that it gives none."""
        if series.target == "keystone":
            self._recorder.bad(series, asked, "no token")

    def _thread(self, body: Callable[[], None]) -> None:
        thread = threading.Thread(target=self._or_all_end, args=(body,), daemon=True)
        self._threads.append(thread)
        thread.start()

    def _or_all_end(self, body: Callable[[], None]) -> None:
        """A probe that breaks ends the watcher, loudly: seeing no outage because nobody looks would be a lie."""
        try:
            body()
        except BaseException:
            self.is_broken = True
            self.stop.set()
            raise


def listen(watch: Watch) -> None:
    """Obey standard input until it ends."""
    for line in sys.stdin:
        match line.split():
            case ["ping", name, address]:
                watch.ping(name, address)
    watch.stop.set()


def main(targets_path: str, directory: str) -> int:
    parent = os.getppid()
    targets = Targets.model_validate_json(Path(targets_path).read_text())
    recorder = Recorder(Path(directory))
    watch = Watch(targets, sys.stdin.readline().rstrip("\n"), recorder)
    try:
        watch.begin()
    except (BadLogin, OperatorError) as exc:
        print(exc, file=sys.stderr)
        return 1
    threading.Thread(target=listen, args=(watch,), daemon=True).start()
    # A child that the parent forked may hold our standard input open: look for the parent itself as well.
    while not watch.stop.is_set() and os.getppid() == parent:
        recorder.write_state()
        watch.stop.wait(1.0)
    watch.end()
    recorder.write_state(ended=not watch.is_broken)
    return 2 if watch.is_broken else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
