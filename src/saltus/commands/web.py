"""What `saltus web` needs of the rest: the first account, plans made and runners started from the page, the model."""

from __future__ import annotations

from pathlib import Path

from saltus.commands import planning, toolboxes, upgrades
from saltus.commands.errands import Errands
from saltus.commands.workplace import Workplace
from saltus.journal.approvals import Person
from saltus.journal.store import Journal
from saltus.model.cloud import Cloud
from saltus.plan import Plan
from saltus.runner.gates import this_person


def first_token(journal: Journal) -> str | None:
    """On the first start, a token for the first account; None when there are accounts."""
    return journal.accounts.first_token(by=this_person().name)


class Desk:
    """What the page asks of the place that it runs at, and that is more than reading the journal.

    Each question gets a workplace of its own: the model may have been changed since the last one.
    """

    def __init__(self, workplace: Workplace, *, dumps: Path | None = None) -> None:
        """`dumps` is the administrator's directory of what may be rehearsed on."""
        self._settings, self._journal = workplace.settings, workplace.journal
        self.errands = Errands(self._settings, self._journal, dumps=dumps)

    def _workplace(self) -> Workplace:
        fresh = Workplace(self._settings)
        fresh.journal = self._journal
        return fresh

    def make_plan(self, who: Person, request: planning.PlanRequest) -> Plan:
        return planning.make_plan(self._workplace(), who, request)

    def start(self, name: str, who: Person) -> str:
        """Start a runner of the run or plan `name` in a process of its own, in the name of `who`; the run's id."""
        return upgrades.run_detached(self._workplace(), name, approve_as=None, who=who)[0]

    def offer_way_back(self, run: str, who: Person) -> None:
        """Make the plan that takes the aborted run back."""
        upgrades.offer_way_back(self._workplace(), self._journal, run, who.name)

    def model(self) -> Cloud:
        """The model, checked. Raises ModelRefused with every mistake."""
        return self._workplace().cloud

    def toolboxes(self) -> toolboxes.Table:
        return toolboxes.list_toolboxes(toolboxes.shelf(self._settings, None))
