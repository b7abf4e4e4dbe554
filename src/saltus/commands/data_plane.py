"""Plans of the data plane: whom a target means is asked of Salt here, so that planning itself asks nobody."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from saltus.commands.upgrades import saved
from saltus.commands.workplace import Workplace
from saltus.errors import OperatorError
from saltus.fleet.port import Fleet
from saltus.model.cloud import Cloud
from saltus.plan import Plan
from saltus.planner import plans
from saltus.planner.computes import ComputeRequest
from saltus.planner.facts import Facts
from saltus.planner.gateways import GatewayRequest
from saltus.planner.rolling import RollingRequest, check_shape

Request = TypeVar("Request", bound=RollingRequest)


@dataclass(frozen=True)
class Kind(Generic[Request]):
    """Nodes of one kind: how all of them are meant, and who plans their upgrade and their way back."""

    everybody: str
    request: type[Request]
    plan: Callable[[Cloud, Facts, plans.Catalog, Request], Plan]
    plan_rollback: Callable[[Cloud, Facts, plans.Catalog, Sequence[str]], Plan]


COMPUTES = Kind("I@nova:compute", ComputeRequest, plans.plan_compute, plans.plan_compute_rollback)
GATEWAYS = Kind("I@neutron:gateway", GatewayRequest, plans.plan_gateway, plans.plan_gateway_rollback)


def plan_upgrade(
    workplace: Workplace,
    kind: Kind[Request],
    request: Request,
    *,
    target: str | None = None,
    limit: str | None = None,
    exclude: str | None = None,
) -> Plan:
    """The nodes of `target`, or everybody of that kind, to the request's release. Saved; nothing is touched."""
    check_shape(request)
    workplace.master.ensure_started()
    nodes = find_nodes(workplace.fleet, workplace.cloud, target or kind.everybody, limit=limit, exclude=exclude)
    asked = replace(request, nodes=nodes)
    return saved(workplace, lambda: kind.plan(workplace.cloud, workplace.gather(), workplace.catalog, asked))


def plan_rollback(workplace: Workplace, kind: Kind[Request], nodes: Sequence[str]) -> Plan:
    """These nodes back to what was kept on them before their upgrade."""
    return saved(workplace, lambda: kind.plan_rollback(workplace.cloud, workplace.gather(), workplace.catalog, nodes))


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
