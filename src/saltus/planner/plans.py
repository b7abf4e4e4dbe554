"""The plans that Saltus makes: each a pure function of model, catalogue, facts and request."""

from __future__ import annotations

import functools
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta

from saltus.catalog.releases import Releases, load_releases
from saltus.catalog.roles import Roles, load_roles
from saltus.catalog.services import Services, load_services
from saltus.model.cloud import Cloud
from saltus.pipelines import central, compute, control, deploy, gateway, rehearse, rollback, rolling
from saltus.pipelines.control import FROZEN
from saltus.pipelines.scene import Scene
from saltus.pipelines.waves import ComputeScene, RollingScene
from saltus.plan import Impact, Plan, Stage
from saltus.plan.actions import CreateMachine
from saltus.plan.databases import CheckWrites
from saltus.planner import refusals
from saltus.planner.computes import COMPUTES, ComputeRequest, behind_the_last, make_compute_scene
from saltus.planner.facts import Facts, binding_facts
from saltus.planner.gateways import GatewayRequest, make_gateway_scene, make_gateway_way_back
from saltus.planner.images import image_of
from saltus.planner.rolling import control_machines, make_way_back
from saltus.planner.scenes import Slot, make_scene, other, serving_slot, slotted


@dataclass(frozen=True)
class Catalog:
    """Everything known of releases, services and roles."""

    releases: Releases
    services: Services
    roles: Roles

    @classmethod
    def load(cls) -> Catalog:
        """The catalogue that comes with Saltus."""
        return cls(releases=load_releases(), services=load_services(), roles=load_roles())


def plan_control(
    cloud: Cloud, facts: Facts, catalog: Catalog, *, target: str, expires_after: timedelta | None = None
) -> Plan:
    """Check, rehearse, build the idle slot, move over, verify. Raises Refused with every reason."""
    scene = _upgrade_scene(cloud, facts, catalog, target)
    return _plan(
        "control",
        scene,
        (
            rehearse.check(scene),
            rehearse.rehearse(scene, expires_after=expires_after),
            control.prepare(scene),
            control.real_upgrade(scene),
            control.verify(scene, expires_after=expires_after),
        ),
    )


def plan_rehearsal(cloud: Cloud, facts: Facts, catalog: Catalog, *, target: str) -> Plan:
    """The rehearsal alone, without a gate: nothing follows it that would need one."""
    scene = _upgrade_scene(cloud, facts, catalog, target)
    stage = rehearse.rehearse(scene).model_copy(update={"gate": None})
    return _plan("rehearse", scene, (rehearse.check(scene), stage, rehearse.clean_up(scene)))


def plan_compute(cloud: Cloud, facts: Facts, catalog: Catalog, request: ComputeRequest) -> Plan:
    """Test nodes, a sample, all the others in batches, the end; or the end alone. Raises Refused with every reason."""
    scene = make_compute_scene(cloud, facts, request, releases=catalog.releases, services=catalog.services)
    stages = (
        *(_compute_waves(scene) if scene.nodes else (rolling.ask(compute.end_of(scene), scene.upgraded),)),
        *((central.central(scene),) if scene.central and scene.is_last else ()),
        compute.finish(scene),
    )
    return _rolling_plan("compute", scene, stages)


def _compute_waves(scene: ComputeScene) -> Iterator[Stage]:
    upgrade, last = functools.partial(compute.upgrade, scene), compute.ask_for_the_end(scene)
    yield rolling.test(scene)
    yield rolling.sample(scene, upgrade, proof=compute.PROOF, last=last)
    if scene.batches:
        yield rolling.everything(scene, upgrade, last=last)


def plan_compute_rollback(cloud: Cloud, facts: Facts, catalog: Catalog, nodes: Sequence[str]) -> Plan:
    """These computes back to what they were before their upgrade. Raises Refused with every reason."""
    wave, release = make_way_back(cloud, facts, nodes, COMPUTES, more=behind_the_last(cloud, facts))
    question = f"Return {', '.join(nodes)} to {release}? Instances that run there go on running."
    stages = (
        rolling.ask(question, tuple(nodes)),
        compute.roll_back(wave, release, control_machines(cloud, facts)),
    )
    return _way_back_plan("compute-rollback", cloud, facts, catalog, tuple(nodes), release, stages)


def plan_gateway(cloud: Cloud, facts: Facts, catalog: Catalog, request: GatewayRequest) -> Plan:
    """Test nodes, a sample, all the others, each emptied before and filled again. Raises Refused with every reason."""
    scene = make_gateway_scene(cloud, facts, request, releases=catalog.releases)
    upgrade = functools.partial(gateway.upgrade, scene)
    stages = (
        rolling.test(scene),
        rolling.sample(scene, upgrade, proof=gateway.PROOF),
        *((rolling.everything(scene, upgrade),) if scene.batches else ()),
    )
    return _rolling_plan("gateway", scene, stages)


def plan_gateway_rollback(cloud: Cloud, facts: Facts, catalog: Catalog, nodes: Sequence[str]) -> Plan:
    """These gateways back to what they were before their upgrade. Raises Refused with every reason."""
    wave, release = make_gateway_way_back(cloud, facts, tuple(nodes))
    question = f"Return {', '.join(nodes)} to {release}? What they carry moves to other gateways meanwhile."
    stages = (rolling.ask(question, tuple(nodes)), gateway.roll_back(wave, release))
    return _way_back_plan("gateway-rollback", cloud, facts, catalog, tuple(nodes), release, stages)


def plan_deploy(cloud: Cloud, catalog: Catalog) -> Plan:
    """A new cloud from its model, at the model's release, in slot a. The rehearsal's machine is not part of it."""
    release = catalog.releases.get(cloud.release).name
    places = tuple(
        deploy.Place(
            machine=node.machines()[0].name,
            node=node.name,
            slot=node.machines()[0].slot,
            image=image_of(cloud, node, release, catalog.roles, catalog.releases).name,
            roles=node.roles,
        )
        for node in cloud.nodes
        if not node.rehearsal
    )
    stages = (
        deploy.images(places, release),
        deploy.machines(places, release),
        *deploy.roles(places, proxy_address=str(cloud.networks.management.vip)),
        deploy.seed(),
    )
    return Plan(name="deploy", cloud=cloud.name, source=release, target=release, stages=stages)


def plan_rollback(cloud: Cloud, facts: Facts, catalog: Catalog, *, discard_writes: bool) -> Plan:
    """Back to the slot of the older release, from wherever its upgrade has come to. Raises Refused."""
    scene = _way_back(cloud, facts, catalog, "the upgrade cannot be rolled back")
    if FROZEN not in facts.backups:
        return _plan("rollback", scene, (rollback.start_again(scene),))
    refusals.refuse(
        f"a rollback would lose {len(facts.writes)} writes of tenants",
        [] if discard_writes else list(facts.writes),
        "saltus rollback --discard-writes loses them; saltus accept keeps the new release",
    )
    return _plan(
        "rollback",
        scene,
        (
            rollback.prepare(scene, discard_writes=discard_writes),
            rollback.ask(
                f"Take {scene.cloud} back to {scene.source}? What is written through {scene.target} is then lost."
            ),
            rollback.roll_back(scene, discard_writes=discard_writes),
            rollback.verify(scene),
        ),
    )


def plan_way_back(cloud: Cloud, facts: Facts, catalog: Catalog, *, of: Plan, begun: Collection[str]) -> Plan | None:
    """The way back from where a run of the plan `of` was given up; `begun` are the steps that it began.

    From its window it is the rollback; from before, what the run created and nothing uses is destroyed. None when there
    is nothing to undo, or no plan can: then the stage's own words are all there is. Raises Refused.
    """
    started = [step for step in of.steps() if step.id in begun]
    stages = [stage for stage in of.stages if any(step in stage.steps for step in started)]
    if of.name in ("control", "rollback") and any(stage.impact is not Impact.NONE for stage in stages):
        discard = any(isinstance(step.action, CheckWrites) and step.action.discard for step in of.steps())
        return plan_rollback(cloud, facts, catalog, discard_writes=discard)
    created = [step.action.machine for step in started if isinstance(step.action, CreateMachine)]
    left = tuple(name for name in dict.fromkeys(created) if name in facts.machines)
    if of.name not in ("control", "rehearse") or not left:
        return None
    return Plan(
        name="clean-up",
        cloud=of.cloud,
        source=of.source,
        target=of.target,
        facts=binding_facts(facts),
        stages=(rollback.clean_up(left),),
    )


def plan_accept(cloud: Cloud, facts: Facts, catalog: Catalog, *, begun: Plan | None = None) -> Plan:
    """Give the way back up: the old machines and the frozen backup. Raises Refused.

    `begun` is an accept that was given up half-way: what machines that are gone cannot say any more, it does.
    """
    scene = _rest_of_accept(cloud, facts, catalog, begun) if begun else None
    scene = scene or _way_back(cloud, facts, catalog, "the upgrade cannot be accepted", accepting=True)
    question = f"Give up the way back to {scene.source}? Its machines and the frozen databases are removed for good."
    return _plan("accept", scene, (rollback.ask(question), rollback.accept(scene)))


def _upgrade_scene(cloud: Cloud, facts: Facts, catalog: Catalog, target: str) -> Scene:
    target = catalog.releases.get(target).name
    reasons = [*refusals.of_shape(cloud), *refusals.of_facts(cloud, facts)]
    slot = serving_slot(cloud, facts)
    source = _release_of_slot(cloud, facts, slot) if slot else None
    if slot and source is None:
        reasons.append("the release of the control plane is unknown: its machines do not say what they are deployed as")
    of_hop = list(refusals.of_hop(source, target, catalog.releases)) if source else []
    reasons += of_hop or refusals.of_suites(cloud, source, target, catalog.releases)
    if source:
        reasons += [] if of_hop else refusals.of_routes(cloud, source, target)
        reasons += refusals.of_schemas(cloud, facts, source, catalog.services)
    if FROZEN in facts.backups:
        reasons.append(
            "an earlier upgrade is neither accepted nor rolled back, and its frozen backup would be written over:"
            " saltus accept, or saltus rollback"
        )
    refusals.refuse(
        f"the cloud {cloud.name} cannot go to {target} now",
        reasons,
        "nothing was touched; mend what is named, then plan again",
    )
    assert slot is not None
    assert source is not None
    return _scene(cloud, facts, catalog, source, target, slot)


def _way_back(cloud: Cloud, facts: Facts, catalog: Catalog, what: str, *, accepting: bool = False) -> Scene:
    """The scene of the upgrade that was begun: the older release's slot is the old one."""
    reasons = [
        *refusals.of_shape(cloud),
        *refusals.of_machines([node.name for node in cloud.with_role("mariadb.server")], facts),
    ]
    a, b = (_release_of_slot(cloud, facts, slot) for slot in ("a", "b"))
    reasons += [f"slot {slot} has no machines" for slot, release in (("a", a), ("b", b)) if release is None]
    old: Slot = "b" if a and b and catalog.releases.is_newer(a, b) else "a"
    source = b if old == "b" else a
    if FROZEN not in facts.backups and (accepting or not _is_untouched(cloud, facts, catalog, source)):
        reasons.append("there is no frozen backup: no upgrade has reached its window, or its way back was given up")
    if not accepting and a and b:
        proxies = [f"{node.name}-{old}" for node in slotted(cloud, "haproxy.proxy")]
        reasons += [f"the machine {name} does not exist any more" for name in proxies if name not in facts.machines]
    if accepting and a and b and serving_slot(cloud, facts) != other(old):
        reasons.append(f"slot {other(old)} does not serve the APIs: finish the upgrade first, or roll it back")
    refusals.refuse(what, reasons, "nothing was touched; mend what is named, then plan again")
    assert a is not None
    assert b is not None
    source, target = (b, a) if old == "b" else (a, b)
    return _scene(cloud, facts, catalog, source, target, old)


def _rest_of_accept(cloud: Cloud, facts: Facts, catalog: Catalog, begun: Plan) -> Scene | None:
    """The scene of an accept that has removed old control nodes already, and not yet the backup, which goes last.

    None where that is not what is found. Raises Refused where it is, and yet the new release has not all that it needs.
    """
    serving = serving_slot(cloud, facts)
    if serving is None or _release_of_slot(cloud, facts, serving) != begun.target or FROZEN not in facts.backups:
        return None
    if _release_of_slot(cloud, facts, other(serving)) is not None:
        return None
    reasons = [*refusals.of_shape(cloud), *refusals.of_facts(cloud, facts)]
    reasons += refusals.of_schemas(cloud, facts, begun.target, catalog.services)
    refusals.refuse(
        "the rest of the accept cannot be planned",
        reasons,
        "the frozen backup is kept meanwhile; mend what is named, then: saltus accept",
    )
    return _scene(cloud, facts, catalog, begun.source, begun.target, other(serving))


def _is_untouched(cloud: Cloud, facts: Facts, catalog: Catalog, source: str | None) -> bool:
    """Every schema is the older release's: the upgrade stopped before its freeze; there is nothing to restore."""
    return source is not None and not any(refusals.of_schemas(cloud, facts, source, catalog.services))


def _release_of_slot(cloud: Cloud, facts: Facts, slot: str) -> str | None:
    names = [f"{node.name}-{slot}" for node in slotted(cloud, "keystone.server")]
    found = {facts.machines[name].release for name in names if name in facts.machines}
    return found.pop() if len(found) == 1 else None


def _scene(cloud: Cloud, facts: Facts, catalog: Catalog, source: str, target: str, old: Slot) -> Scene:
    return make_scene(
        cloud,
        facts,
        source=source,
        target=target,
        old_slot=old,
        roles=catalog.roles,
        services=catalog.services,
        releases=catalog.releases,
    )


def _plan(name: str, scene: Scene, stages: tuple[Stage, ...]) -> Plan:
    return Plan(
        name=name, cloud=scene.cloud, source=scene.source, target=scene.target, facts=scene.facts, stages=stages
    )


def _rolling_plan(name: str, scene: RollingScene, stages: tuple[Stage, ...]) -> Plan:
    return Plan(
        name=name, cloud=scene.cloud, source=scene.source, target=scene.target, facts=scene.facts, stages=stages
    )


def _way_back_plan(
    name: str,
    cloud: Cloud,
    facts: Facts,
    catalog: Catalog,
    nodes: tuple[str, ...],
    release: str,
    stages: tuple[Stage, ...],
) -> Plan:
    newest = max((facts.machines[node].release or release for node in nodes), key=catalog.releases.index)
    return Plan(name=name, cloud=cloud.name, source=newest, target=release, facts=binding_facts(facts), stages=stages)
