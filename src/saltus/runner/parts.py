"""Which parts of its cloud a plan touches: the locks that its run holds."""

from __future__ import annotations

import re

from saltus.journal.leases import WHOLE_CLOUD
from saltus.plan.plan import Plan

_NAMES_A_MACHINE = ("machine", "server", "to", "take", "host")
_NAMES_MACHINES = ("nodes", "machines", "hosts")
_ONE_MINION = re.compile(r"[\w.-]+")


def parts_of(plan: Plan) -> frozenset[str]:
    """The machines that the plan's actions name; the whole cloud as soon as one targets more than a single minion."""
    parts: set[str] = set()
    for step in plan.steps():
        parts.update(machines_of(step.action))
        target = getattr(step.action, "target", None)
        if target and not _ONE_MINION.fullmatch(target):
            parts.add(WHOLE_CLOUD)
    return frozenset({WHOLE_CLOUD} if WHOLE_CLOUD in parts else parts)


def machines_of(action: object) -> tuple[str, ...]:
    """The machines that an action names, each once."""
    found = [str(name) for field in _NAMES_A_MACHINE if (name := getattr(action, field, None))]
    for field in _NAMES_MACHINES:
        found += [str(name) for name in getattr(action, field, None) or ()]
    target = getattr(action, "target", None)
    if target and _ONE_MINION.fullmatch(target):
        found.append(target)
    return tuple(dict.fromkeys(found))
