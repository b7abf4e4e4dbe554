"""Plans of the data plane: whom a target means is asked of Salt here, so that planning itself asks nobody."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from saltus.commands.upgrades import saved
from saltus.commands.workplace import Workplace
from saltus.errors import OperatorError
from saltus.fleet.port import Fleet
from saltus.model.cloud import Cloud
from saltus.plan import Plan
from saltus.planner import plans
from saltus.planner.computes import ComputeRequest
from saltus.planner.gateways import GatewayRequest
from saltus.planner.rolling import check_shape


def plan_compute(
    workplace: Workplace, request: ComputeRequest, *, target: str, limit: str | None, exclude: str | None
) -> Plan:
    """The computes of `target` to the request's release. Saved; nothing is touched."""
    check_shape(request)
    workplace.master.ensure_started()
    nodes = find_nodes(workplace.fleet, workplace.cloud, target, limit=limit, exclude=exclude)
    asked = replace(request, nodes=nodes)
    return saved(workplace, lambda: plans.plan_compute(workplace.cloud, workplace.gather(), workplace.catalog, asked))


def plan_compute_rollback(workplace: Workplace, nodes: Sequence[str]) -> Plan:
    """These computes back to what was kept on them before their upgrade."""
    return saved(
        workplace, lambda: plans.plan_compute_rollback(workplace.cloud, workplace.gather(), workplace.catalog, nodes)
    )


def plan_gateway(
    workplace: Workplace, request: GatewayRequest, *, target: str, limit: str | None, exclude: str | None
) -> Plan:
    """The gateways of `target` to the request's release. Saved; nothing is touched."""
    check_shape(request)
    workplace.master.ensure_started()
    nodes = find_nodes(workplace.fleet, workplace.cloud, target, limit=limit, exclude=exclude)
    asked = replace(request, nodes=nodes)
    return saved(workplace, lambda: plans.plan_gateway(workplace.cloud, workplace.gather(), workplace.catalog, asked))


def plan_gateway_rollback(workplace: Workplace, nodes: Sequence[str]) -> Plan:
    """These gateways back to what was kept on them before their upgrade."""
    return saved(
        workplace, lambda: plans.plan_gateway_rollback(workplace.cloud, workplace.gather(), workplace.catalog, nodes)
    )


def find_nodes(
    fleet: Fleet, cloud: Cloud, target: str, *, limit: str | None = None, exclude: str | None = None
) -> tuple[str, ...]:
    """The nodes that `target` means, less those that `limit` does not mean, less those that `exclude` means.

    Every expression must mean somebody: a misspelt exclusion would otherwise exclude nobody. Raises NoSuchTarget.
    """
    known = {machine.name: machine.node for machine in cloud.machines()}
    found = fleet.target(target)
    if limit is not None:
        kept = set(fleet.target(limit))
        found = tuple(name for name in found if name in kept)
    if exclude is not None:
        gone = set(fleet.target(exclude))
        found = tuple(name for name in found if name not in gone)
    if not found:
        raise OperatorError(
            what=f"nothing is left of the target {target!r}",
            because=f"--limit {limit or '(none)'} and --exclude {exclude or '(none)'} take all of it away",
            do="say the three so that some node is meant",
        )
    return tuple(dict.fromkeys(known.get(name, name) for name in found))
