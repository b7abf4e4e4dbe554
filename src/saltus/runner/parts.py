"""Which parts of its cloud a plan touches: the locks that its run holds."""

from __future__ import annotations

import re

from saltus.journal.leases import WHOLE_CLOUD
from saltus.plan.plan import Plan

_NAMES_A_MACHINE = ("machine", "server", "to", "take", "host")
_ONE_MINION = re.compile(r"[\w.-]+")


def parts_of(plan: Plan) -> frozenset[str]:
    """The machines that the plan's actions name; the whole cloud as soon as one targets more than a single minion."""
    parts = set()
    for step in plan.steps():
        for name in _NAMES_A_MACHINE:
            if machine := getattr(step.action, name, None):
                parts.add(str(machine))
        parts.update(getattr(step.action, "nodes", ()))
        if target := getattr(step.action, "target", None):
            parts.add(target if _ONE_MINION.fullmatch(target) else WHOLE_CLOUD)
    return frozenset({WHOLE_CLOUD} if WHOLE_CLOUD in parts else parts)
