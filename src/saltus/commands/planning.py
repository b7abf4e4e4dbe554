"""Making plans by words, typed or from the page: the kinds that `saltus plan` knows, with what each takes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from datetime import timedelta

from saltus.commands import data_plane, upgrades
from saltus.commands.durations import duration
from saltus.commands.identity import demand
from saltus.commands.workplace import Workplace
from saltus.errors import OperatorError
from saltus.journal.approvals import Person
from saltus.plan import Plan

ROLLING = ("to", "target", "limit", "exclude", "test", "sample", "batch", "max_failures", "pause", "window", "expires")
"""What the plans of the data plane take."""


@dataclass(frozen=True)
class PlanRequest:
    """What somebody wants planned. What the kind does not take is refused, not passed over."""

    kind: str
    to: str = ""
    """The release; the model's own when empty."""
    expires: str = ""
    """`90m`, `2h`, `1d`: gates expire after that; never when empty."""
    discard_writes: bool = False
    target: str = ""
    """Of computes, in Salt's words; every compute when empty. Of those only `limit`, and not `exclude`."""
    limit: str = ""
    exclude: str = ""
    test: int = 1
    sample: int = 1
    batch: str = ""
    """A number of nodes, a share as `25%`, or zone, rack, aggregate; all at once when empty."""
    max_failures: int = 0
    pause: str = ""
    window: str = ""
    """`22:00-06:00`: a batch begins then only."""
    nodes: str = ""
    """Computes that return, by name, with spaces or commas between."""


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
    "compute": Kind(
        "Move computes to the control plane's release: packages compared, a sample, then the others in batches",
        ROLLING,
        lambda place, wish: _rolling(place, data_plane.COMPUTES, wish),
    ),
    "compute-rollback": Kind(
        "Return computes to what was kept on them before their upgrade",
        ("nodes",),
        lambda place, wish: data_plane.plan_rollback(place, data_plane.COMPUTES, _names(wish.nodes)),
    ),
    "gateway": Kind(
        "Move gateways to the control plane's release: what they carry is moved off before, and back after",
        ROLLING,
        lambda place, wish: _rolling(place, data_plane.GATEWAYS, wish),
    ),
    "gateway-rollback": Kind(
        "Return gateways to what was kept on them before their upgrade",
        ("nodes",),
        lambda place, wish: data_plane.plan_rollback(place, data_plane.GATEWAYS, _names(wish.nodes)),
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
    for field in fields(PlanRequest):
        if field.name not in ("kind", *kind.takes) and getattr(request, field.name) != field.default:
            raise OperatorError(
                what=f"the plan {request.kind} was not made",
                because=f"it takes no {field.name.replace('_', ' ')}",
                do="leave it out",
            )
    return kind.make(workplace, request)


def _rolling(workplace: Workplace, kind: data_plane.Kind[data_plane.Request], wish: PlanRequest) -> Plan:
    of = kind.request
    request = of(
        target=wish.to or workplace.cloud.release,
        nodes=(),
        test=wish.test,
        sample=wish.sample,
        batch=wish.batch or of.batch,
        max_failures=wish.max_failures,
        pause=duration(wish.pause) if wish.pause else timedelta(),
        window=wish.window or None,
        expiry=duration(wish.expires) if wish.expires else of.expiry,
    )
    return data_plane.plan_upgrade(
        workplace, kind, request, target=wish.target, limit=wish.limit or None, exclude=wish.exclude or None
    )


def _names(text: str) -> list[str]:
    names = list(dict.fromkeys(text.replace(",", " ").split()))
    if not names:
        raise OperatorError(
            what="no node is named", because="the way back is planned for nodes by their names", do="say cmp01 cmp02"
        )
    return names
