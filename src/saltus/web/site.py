"""What the pages stand on: the journal, the states of runs kept at hand, and the desk that plans and starts runners."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Protocol

from saltus.commands.errands import Errands
from saltus.commands.planning import PlanRequest
from saltus.commands.reporting import report_of
from saltus.commands.toolboxes import Table
from saltus.errors import OperatorError
from saltus.journal.approvals import Person
from saltus.journal.history import last_durations
from saltus.journal.store import Journal
from saltus.model.cloud import Cloud
from saltus.plan import Plan
from saltus.report.report import Report
from saltus.runner.clock import Clock, SystemClock
from saltus.web.fleet import Fleet, steps_by_machine
from saltus.web.provider import Provider
from saltus.web.states import States

_KEPT_REPORTS = 16


class Desk(Protocol):
    """What is done at the place where the page runs, with its model, its Salt, its files: `commands.web.Desk`."""

    errands: Errands
    """Tools built and tried, and rehearsals of dumps."""

    def make_plan(self, who: Person, request: PlanRequest) -> Plan: ...

    def start(self, name: str, who: Person) -> str:
        """Takes the run or plan of that name up in a process of its own, in the name of `who`; returns the run's id."""

    def offer_way_back(self, run: str, who: Person) -> None:
        """Makes the plan that takes the aborted run back."""

    def model(self) -> Cloud: ...

    def toolboxes(self) -> Table: ...


@dataclass
class Site:
    """One `saltus web`."""

    journal: Journal
    desk: Desk | None = None
    """None: runs and plans are made at the command line only, and the page says so."""
    clock: Clock = field(default_factory=SystemClock)
    behind_tls: bool = False
    """The browser speaks TLS, to us or to a proxy: cookies are marked so, and the browser is told to insist on it."""
    provider: Provider | None = None
    """Where people sign on, beside the passwords and tokens of their accounts."""

    def __post_init__(self) -> None:
        self.states = States(self.journal)
        self._durations: dict[str, dict[str, float]] = {}
        self._fleets: dict[str, Fleet] = {}
        self._reports: OrderedDict[str, tuple[int, Report]] = OrderedDict()

    def demand_desk(self, what: str, instead: str) -> Desk:
        """Raises OperatorError where this page has none; `instead` is the command that does it."""
        if self.desk is None:
            raise OperatorError(what=what, because="this page only reads the journal", do=instead)
        return self.desk

    def earlier_durations(self, run: str, plan: Plan) -> dict[str, float]:
        """{step: seconds} of the runs of such a plan on this cloud that were made before this one."""
        if run not in self._durations:
            found = last_durations(self.journal, plan_name=plan.name, cloud=plan.cloud, before=run)
            self._durations[run] = found
        return self._durations[run]

    def report(self, run: str) -> Report:
        """By all events so far. Kept until there are more of them: of a fleet it takes most of a second to make."""
        state = self.states.now(run)
        seq, plan = state.seq, state.plan
        kept = self._reports.get(run)
        if kept is None or kept[0] != seq:
            kept = self._reports[run] = (seq, report_of(self.journal, run, last_s=self.earlier_durations(run, plan)))
            while len(self._reports) > _KEPT_REPORTS:
                self._reports.popitem(last=False)
        return kept[1]

    def fleet(self, run: str, plan: Plan) -> Fleet:
        """{machine: ids of the steps that name it}: of a plan of thousands of steps, worth keeping."""
        if run not in self._fleets:
            self._fleets[run] = steps_by_machine(plan)
        return self._fleets[run]
