"""Making plans for somebody who is not at the terminal: the kinds that `saltus plan` knows, with what each takes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from saltus.commands import upgrades
from saltus.commands.durations import duration
from saltus.commands.identity import demand
from saltus.commands.workplace import Workplace
from saltus.errors import OperatorError
from saltus.journal.approvals import Person
from saltus.plan import Plan


@dataclass(frozen=True)
class PlanRequest:
    """What somebody wants planned. What the kind does not take is refused, not passed over."""

    kind: str
    to: str = ""
    """The release; the model's own when empty."""
    expires: str = ""
    """`90m`, `2h`, `1d`: gates expire after that; never when empty."""
    discard_writes: bool = False


@dataclass(frozen=True)
class Kind:
    about: str
    takes: tuple[str, ...]
    make: Callable[[Workplace, PlanRequest], Plan]


KINDS: dict[str, Kind] = {
    "control": Kind(
        "Rehearse on a clone, then move the control plane to another release",
        ("to", "expires"),
        lambda place, wish: upgrades.plan_control(
            place, wish.to or None, expires_after=duration(wish.expires) if wish.expires else None
        ),
    ),
    "rehearse": Kind(
        "The rehearsal alone, on a clone of the running cloud's databases",
        ("to",),
        lambda place, wish: upgrades.plan_rehearsal(place, wish.to or None),
    ),
    "rollback": Kind(
        "Back to the release before, from an upgrade that is not accepted",
        ("discard_writes",),
        lambda place, wish: upgrades.plan_rollback(place, discard_writes=wish.discard_writes),
    ),
    "accept": Kind(
        "Keep the new release for good: the way back is given up",
        (),
        lambda place, wish: upgrades.plan_accept(place),
    ),
}


def make_plan(workplace: Workplace, who: Person, request: PlanRequest) -> Plan:
    """The plan, saved; nothing is touched. Raises Refused with every reason why it cannot be."""
    demand(workplace.journal, who, "operator", "make plans")
    kind = KINDS.get(request.kind)
    if kind is None:
        raise OperatorError(
            what=f"no plan is called {request.kind!r}", because=f"there are {', '.join(KINDS)}", do="choose one of them"
        )
    for name, value in (("to", request.to), ("expires", request.expires), ("discard_writes", request.discard_writes)):
        if value and name not in kind.takes:
            raise OperatorError(
                what=f"the plan {request.kind} was not made",
                because=f"it takes no {name.replace('_', ' ')}",
                do="leave it out",
            )
    return kind.make(workplace, request)
