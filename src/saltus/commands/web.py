"""What `saltus web` needs of the rest: the first account, and runners started from the page."""

from __future__ import annotations

from collections.abc import Callable

from saltus.commands import upgrades
from saltus.commands.workplace import Workplace
from saltus.journal.approvals import Person
from saltus.journal.store import Journal
from saltus.runner.gates import this_person


def first_token(journal: Journal) -> str | None:
    """On the first start, a token for the first account; None when there are accounts."""
    return journal.accounts.first_token(by=this_person().name)


def starter(workplace: Workplace) -> Callable[[str, Person], None]:
    """Starts a runner in a process of its own, in the name of the person at the page."""

    def start(run: str, who: Person) -> None:
        upgrades.run_detached(workplace, run, approve_as=None, who=who)

    return start


def way_back_offerer(workplace: Workplace) -> Callable[[str, Person], None]:
    """Makes the plan that takes an aborted run back."""

    def offer(run: str, who: Person) -> None:
        upgrades.offer_way_back(workplace, workplace.journal, run, who.name)

    return offer
