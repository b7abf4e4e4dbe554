"""What the pages stand on: the journal, the states of runs kept at hand, and what starts a runner."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from saltus.journal.approvals import Person
from saltus.journal.history import last_durations
from saltus.journal.store import Journal
from saltus.plan import Plan
from saltus.runner.clock import Clock, SystemClock
from saltus.web.fleet import Fleet, steps_by_machine
from saltus.web.states import States

Starter = Callable[[str, Person], None]
"""Takes the run of that id up in a process of its own, in the name of the person who pressed the button."""


@dataclass
class Site:
    """One `saltus web`."""

    journal: Journal
    start: Starter | None = None
    """None: runs are started at the command line only, and the page says so."""
    offer_way_back: Starter | None = None
    """Called when the run of that id was aborted at the page: makes the plan that takes it back."""
    clock: Clock = field(default_factory=SystemClock)
    behind_tls: bool = False
    """The browser speaks TLS, to us or to a proxy: cookies are marked so, and the browser is told to insist on it."""

    def __post_init__(self) -> None:
        self.states = States(self.journal)
        self._durations: dict[str, dict[str, float]] = {}
        self._fleets: dict[str, Fleet] = {}

    def earlier_durations(self, run: str, plan: Plan) -> dict[str, float]:
        """{step: seconds} of the runs of such a plan on this cloud that were made before this one."""
        if run not in self._durations:
            found = last_durations(self.journal, plan_name=plan.name, cloud=plan.cloud, before=run)
            self._durations[run] = found
        return self._durations[run]

    def fleet(self, run: str, plan: Plan) -> Fleet:
        """{machine: ids of the steps that name it}: of a plan of thousands of steps, worth keeping."""
        if run not in self._fleets:
            self._fleets[run] = steps_by_machine(plan)
        return self._fleets[run]
