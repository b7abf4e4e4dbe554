"""A case of planning as it lies in a directory: `request.yml` and, but for a new cloud, `facts.json`."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import yaml

from saltus.commands.durations import duration
from saltus.model import Cloud, read_cloud
from saltus.plan import Plan
from saltus.planner import plans
from saltus.planner.computes import ComputeRequest
from saltus.planner.facts import Facts
from saltus.planner.gateways import GatewayRequest
from saltus.planner.plans import Catalog

SHAPES = Path(__file__).parents[1] / "lab" / "clouds"
SMALL = SHAPES / "small"


@functools.cache
def catalog() -> Catalog:
    return Catalog.load()


@functools.cache
def small() -> Cloud:
    """The shape `small`, checked against the catalogue."""
    return shape(SMALL)


def shape(path: Path, overrides: dict[str, Any] | None = None) -> Cloud:
    """A shape of the lab, checked against the catalogue; `overrides` have the last word on every node."""
    releases, roles = catalog().releases.releases, catalog().roles.roles
    return read_cloud(
        path,
        overrides=overrides,
        known_releases=[name for release in releases for name in (release.name, release.series)],
        known_roles={role.role: [database.name for database in role.databases] for role in roles},
    )


def cloud_of(case: Path) -> Cloud:
    """The cloud that a case plans for: `shape` of its request with the `model` that it overrides; else `small`.

    `roles` are further ones, by node.
    """
    request = yaml.safe_load((case / "request.yml").read_text())
    cloud = shape(SHAPES / request["shape"], request.get("model")) if "shape" in request else small()
    further = request.get("roles", {})
    nodes = tuple(n.model_copy(update={"roles": (*n.roles, *further.get(n.name, ()))}) for n in cloud.nodes)
    return cloud.model_copy(update={"nodes": nodes}) if further else cloud


def facts_of(case: Path) -> Facts:
    return Facts.model_validate_json((case / "facts.json").read_text())


def make_plan(case: Path, cloud: Cloud | None = None) -> Plan:
    """The plan that the request asks for. Raises what the planner raises."""
    request = yaml.safe_load((case / "request.yml").read_text())
    cloud, kind = cloud or cloud_of(case), request.pop("plan")
    if kind == "deploy":
        return plans.plan_deploy(cloud, catalog())
    facts = facts_of(case)
    if kind == "control":
        expires = request.get("expires_after")
        return plans.plan_control(
            cloud, facts, catalog(), target=request["to"], expires_after=duration(expires) if expires else None
        )
    if kind == "compute":
        request["batch"] = str(request.get("batch", "100%"))
        wishes = {key: request[key] for key in ("test", "sample", "batch", "max_failures", "window") if key in request}
        times = {key: duration(request[key]) for key in ("pause", "expiry") if key in request}
        asked = ComputeRequest(target=request["to"], nodes=tuple(request["nodes"]), **wishes, **times)
        return plans.plan_compute(cloud, facts, catalog(), asked)
    if kind == "gateway":
        ours = {key: request[key] for key in ("sample", "batch") if key in request}
        return plans.plan_gateway(
            cloud, facts, catalog(), GatewayRequest(target=request["to"], nodes=tuple(request["nodes"]), **ours)
        )
    if kind == "gateway-rollback":
        return plans.plan_gateway_rollback(cloud, facts, catalog(), request["nodes"])
    if kind == "compute-rollback":
        return plans.plan_compute_rollback(cloud, facts, catalog(), request["nodes"])
    if kind == "rehearse":
        return plans.plan_rehearsal(cloud, facts, catalog(), target=request["to"])
    if kind == "rollback":
        return plans.plan_rollback(cloud, facts, catalog(), discard_writes=request.get("discard_writes", False))
    assert kind == "accept", f"{case.name} asks for {kind}"
    # `begun`: the case whose accept was given up half-way.
    begun = make_plan(case.parent / request["begun"]) if "begun" in request else None
    return plans.plan_accept(cloud, facts, catalog(), begun=begun)
