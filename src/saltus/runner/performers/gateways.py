"""Performers of what is done to gateways through neutron: emptied before they are touched, then filled again."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any

from pydantic import JsonValue

from saltus.errors import OperatorError
from saltus.plan.data_plane import EmptyGateways, RefillGateways
from saltus.runner.performer import Outcome, StepContext
from saltus.runner.performers.fanout import leave_out_down, open_tally
from saltus.runner.performers.ground import Ground
from saltus.verify.gateways import Carried, Gateways

MOVED_AT_ONCE = 4
"""Routers that are on their way side by side: an L3 agent builds them one after another anyway."""
ROUNDS = 3
"""So often a gateway is looked at again: routers may be given to it until it is closed."""
ROUTES_S = 120.0
HAD = "had by "
"""Beginning of the keys of notes that hold what a gateway carried before it was emptied."""


@dataclass(frozen=True)
class GatewayEmptier:
    """Also where nodes that are down are found. What each carries is noted before the first of it is moved."""

    ground: Ground

    def perform(self, action: EmptyGateways, context: StepContext) -> Outcome:
        tally, nodes = open_tally(context, action.nodes)
        gateways = self.ground.gateways()
        for node in leave_out_down(self.ground, tally, nodes):
            tally.attempt(node, functools.partial(self._empty, gateways, node, action, context))
        count = sum(len(had) for had in tally.worked.values() if isinstance(had, list))
        return tally.outcome(f"empty, {count} routers and networks moved")

    def _empty(self, gateways: Gateways, node: str, action: EmptyGateways, context: StepContext) -> JsonValue:
        had: list[JsonValue] = _list(context.noted().get(f"{HAD}{node}"))
        for _ in range(ROUNDS):
            found = gateways.carried(node)
            had += [asdict(one) for one in found if asdict(one) not in had]
            context.note({f"{HAD}{node}": had})
            _side_by_side(found, lambda one: self._move(gateways, one, node, action, context))
            if failed := gateways.close([node]):
                raise OperatorError(
                    what=f"{node} still takes routers",
                    because=failed[node],
                    do="look at it: openstack network agent list",
                )
            if not gateways.carried(node):
                return had
        raise OperatorError(
            what=f"{node} is not empty",
            because=f"after {ROUNDS} rounds it carries {', '.join(one.told for one in gateways.carried(node))}",
            do="see who gives it routers, then retry the step",
        )

    def _move(self, gateways: Gateways, one: Carried, node: str, action: EmptyGateways, context: StepContext) -> None:
        begun = time.monotonic()
        to = gateways.move(one, node, gateways.takers(one.kind, action.nodes), action.timeout_s)
        context.say(f"{one.told}: {node} -> {to or 'those that carry it, too'}, {time.monotonic() - begun:.1f} s")


@dataclass(frozen=True)
class GatewayRefiller:
    """The proof of a gateway is that it carries again what it carried."""

    ground: Ground

    def perform(self, action: RefillGateways, context: StepContext) -> Outcome:
        tally, nodes = open_tally(context, action.nodes)
        gateways = self.ground.gateways()
        if nodes:
            self.ground.fleet.sync_modules(nodes)
        for node in nodes:
            tally.attempt(node, functools.partial(self._refill, gateways, node, action, context))
        return tally.outcome("carry again what they carried")

    def _refill(self, gateways: Gateways, node: str, action: RefillGateways, context: StepContext) -> JsonValue:
        had = had_by(context, node)
        if failed := gateways.open([node]):
            raise OperatorError(what=f"{node} takes no routers", because=failed[node], do="open its agents by hand")
        back: list[Carried] = []

        def bring(one: Carried) -> None:
            begun = time.monotonic()
            if gateways.bring(one, node, action.timeout_s):
                back.append(one)
                context.say(f"{one.told}: back on {node}, {time.monotonic() - begun:.1f} s")
            else:
                context.say(f"{one.told}: removed by its owner meanwhile")

        _side_by_side(had, bring)
        routers = {one.id: one.outside for one in back if one.kind == "router"}
        if routers:
            self.ground.call(context, node, "saltus_compute.check_routers", routers, timeout_s=ROUTES_S)
        self.ground.record_release(node, action.release)
        self.ground.relabel(node, action.release)
        return [one.told for one in sorted(back, key=lambda one: (one.kind, one.name))]


def had_by(context: StepContext, node: str) -> list[Carried]:
    """What the node carried before an earlier step of the plan emptied it."""
    found: list[Carried] = []
    for step in context.plan.steps():
        if step.id == context.step.id:
            break
        told = context.evidence_of(step.id).get("worked") if isinstance(step.action, EmptyGateways) else None
        if isinstance(told, dict):
            found += [Carried(**one) for one in _list(told.get(node)) if isinstance(one, dict)]
    return list(dict.fromkeys(found))


def _side_by_side(several: Sequence[Carried], do: Callable[[Carried], None]) -> None:
    """Raises the first error, when all are done."""
    with ThreadPoolExecutor(MOVED_AT_ONCE) as pool:
        waited = [pool.submit(do, one) for one in several]
    for one in waited:
        one.result()


def _list(value: JsonValue) -> list[Any]:
    return list(value) if isinstance(value, list) else []
