"""The outage watcher around a run: started before the first step, and what it sees put into the journal meanwhile."""

from __future__ import annotations

import ipaddress
import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from saltus.commands.workplace import Workplace
from saltus.errors import OperatorError
from saltus.journal.events import Event, OutageSeen, StepFailed, StepFinished, StepStarted, WatchFailed, WatchSummary
from saltus.journal.store import Journal
from saltus.plan import Impact, Plan
from saltus.runner.clock import SystemClock
from saltus.runner.gates import this_person
from saltus.runner.progress import Progress
from saltus.verify.connection import connect
from saltus.verify.lists import QUESTIONS, fetch, parse
from saltus.verify.watcher import summary as seen
from saltus.verify.watcher.process import Watcher
from saltus.verify.watcher.targets import Targets

log = logging.getLogger(__name__)

LOOK_S = 1.0
"""How often what the watcher has written is looked at: an outage is in the journal about this long after it began."""
TOTALS_S = 60.0
"""Totals are written down at the first look, when an outage has ended, and this often."""


def users_may_notice(plan: Plan) -> bool:
    """Whether outages are measured while the plan runs: only where it says that there may be any."""
    return any(stage.impact is not Impact.NONE for stage in plan.stages)


@contextmanager
def watched(workplace: Workplace, run: str, progress: Progress) -> Iterator[None]:
    """Watch every API and the tenants' instances while the body runs. A cloud that cannot be watched stops nothing."""
    directory = watch_directory(workplace, run)
    scribe = Scribe(workplace.journal, run, directory)
    watcher: Watcher | None = None
    try:
        watcher = Watcher(_targets(workplace, directory), _password(workplace), directory).start()
    except OperatorError as error:
        progress.note(f"outages are not measured: {error.what} ({error.because})")
        scribe.not_watched(f"{error.what}: {error.because}")
    with scribe.following(watcher):
        yield


def watch_directory(workplace: Workplace, run: str) -> Path:
    return workplace.settings.runs / run / "watch"


def _password(workplace: Workplace) -> str:
    return workplace.login("").password


def _targets(workplace: Workplace, directory: Path) -> Targets:
    """Those of the run's first session, when it is resumed; else the cloud's, with every instance that answers ping."""
    kept = directory / "targets.json"
    if kept.exists():
        return Targets.model_validate_json(kept.read_text())
    cloud = workplace.cloud
    login = workplace.login(str(cloud.networks.management.vip))
    horizon = cloud.with_role("horizon.server")
    return Targets(
        auth_url=login.auth_url,
        username=login.username,
        project=login.project,
        region=login.region,
        horizon_url=f"http://{login.host}/horizon/auth/login/" if horizon else None,
        instances=_instances(workplace),
    )


def _instances(workplace: Workplace) -> dict[str, str]:
    """{name: address} of the active instances that have an address in the external network."""
    cloud = workplace.cloud
    connection = connect(workplace.login(str(cloud.networks.management.vip)))
    question = next(question for question in QUESTIONS if question.name == "servers")
    found = {}
    for server in parse(question, fetch(connection.compute, question)):
        fields = server.model_dump()
        for address in (words.split()[-1] for words in fields["addresses"]):
            if fields["status"] == "ACTIVE" and ipaddress.ip_address(address) in cloud.networks.external.cidr:
                found[str(fields["name"])] = address
    return found


class Scribe:
    """Copies what the watcher writes in `directory` to the journal: outages as they begin and end, totals now and then.

    A runner that was killed has copied all but its last second; the next session of the run copies the rest.
    """

    def __init__(self, journal: Journal, run: str, directory: Path) -> None:
        self._journal, self._run, self._directory = journal, run, directory
        self._by = this_person().name
        self._clock = SystemClock()
        self._seq = 0
        self._spans: dict[str, seen.StepSpan] = {}
        self._known: dict[tuple[str, str, object], OutageSeen] = {}
        self._totals_at: float | None = None
        self._has_failed = False

    def not_watched(self, because: str) -> None:
        """Say once, for the record, that nobody looks from here on."""
        if not self._has_failed:
            self._has_failed = True
            self._journal.append(self._run, WatchFailed(at=self._clock.now(), by=self._by, because=because))

    @contextmanager
    def following(self, watcher: Watcher | None) -> Iterator[None]:
        """Write down what is seen while the body runs, and the totals at its end. Stops the watcher then."""
        over = threading.Event()
        follower = threading.Thread(target=self._follow, args=(watcher, over), daemon=True, name="scribe")
        if watcher is not None:
            follower.start()
        try:
            yield
        finally:
            over.set()
            if watcher is not None:
                follower.join()
                watcher.stop()
            self.write_down(with_totals=True)

    def _follow(self, watcher: Watcher, over: threading.Event) -> None:
        while not over.wait(LOOK_S):
            try:
                self.write_down()
                if not watcher.is_alive:
                    self.not_watched("the outage watcher broke in the middle of the run: see its watcher.log")
            except OperatorError as error:  # the journal is away: the end of the run writes everything down
                log.warning("what the watcher sees was not written down: %s", error.because)

    def write_down(self, *, with_totals: bool = False) -> None:
        """What is new since the last time."""
        if not list(self._directory.glob("*.state.json")):
            return
        self._read_on()
        summary = seen.summarise(self._directory)
        new = [event for event in self._outages(summary) if self._is_new(event)]
        ended = any(event.ended for event in new)
        now = self._clock.monotonic()
        due = self._totals_at is None or now - self._totals_at > TOTALS_S
        totals: list[Event] = self._totals(summary) if with_totals or ended or due else []
        if totals:
            self._totals_at = now
        if new or totals:
            self._journal.append(self._run, *new, *totals)

    def _read_on(self) -> None:
        """Where the run has come to, and which outages the journal has."""
        for seq, event in self._journal.read(self._run, self._seq):
            self._seq = seq
            match event:
                case StepStarted():
                    self._spans[f"{event.step} {event.attempt}"] = seen.StepSpan(
                        step=event.step, started=event.at, ended=None
                    )
                case StepFinished() | StepFailed():
                    for name, span in self._spans.items():
                        if span.step == event.step and span.ended is None:
                            self._spans[name] = span.model_copy(update={"ended": event.at})
                case OutageSeen():
                    self._known[event.target, event.what, event.started] = event

    def _outages(self, summary: seen.WatchSummary) -> list[OutageSeen]:
        now, spans = self._clock.now(), list(self._spans.values())
        return [
            OutageSeen(
                at=now,
                by=self._by,
                target=found.outage.target,
                what=found.outage.kind,
                started=found.outage.started,
                ended=found.outage.ended,
                step=found.began_in,
                lost=found.outage.failures,
            )
            for found in seen.attribute(summary.outages, spans)
        ]

    def _is_new(self, event: OutageSeen) -> bool:
        """Not in the journal, or there as not over."""
        known = self._known.get((event.target, event.what, event.started))
        return known is None or known.ended != event.ended

    def _totals(self, summary: seen.WatchSummary) -> list[Event]:
        now = self._clock.now()
        return [
            WatchSummary(
                at=now,
                by=self._by,
                target=probe.target,
                what=probe.kind,
                asked=probe.samples,
                lost=probe.failures,
                outage_s=probe.outage_s,
                longest_s=probe.longest_s,
            )
            for probe in summary.probes
        ]
