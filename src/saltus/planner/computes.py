"""From model, facts and request to the waves in which computes are upgraded, or every reason why not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from saltus.catalog.releases import Releases
from saltus.catalog.services import Services
from saltus.model.cloud import Cloud, ComputeSection, Node
from saltus.pipelines.backends import BACKENDS, ovn_central
from saltus.pipelines.waves import ComputeScene, Member
from saltus.plan.databases import Command
from saltus.planner.facts import Facts, binding_facts
from saltus.planner.rolling import Role, RollingRequest, choose, control_machines, release_of


@dataclass(frozen=True)
class ComputeRequest(RollingRequest):
    """What the operator asked for of computes."""


def make_compute_scene(
    cloud: Cloud, facts: Facts, request: ComputeRequest, *, releases: Releases, services: Services
) -> ComputeScene:
    """The waves of the upgrade; none, when all have come through and the transition alone waits for its end.

    Raises Refused with every reason.
    """
    target = releases.get(request.target).name
    older = _older_before(cloud, facts, target)
    chosen = choose(cloud, facts, request, COMPUTES, releases=releases, may_be_none=bool(older))
    test, sample, batches = chosen.waves(cloud, request)
    names = {member.name for member in chosen.members}
    on_target = tuple(n.name for n in cloud.with_role("nova.compute") if release_of(facts, n.name) == target)
    others = [n.name for n in cloud.with_role("nova.compute") if n.name not in names and n.name not in on_target]
    return ComputeScene(
        cloud=cloud.name,
        source=chosen.source(releases) if chosen.members else min(older, key=releases.index),
        target=target,
        control=control_machines(cloud, facts),
        test=test,
        sample=sample,
        batches=batches,
        left_out=chosen.left_out,
        others=tuple(others),
        upgraded=on_target,
        central=tuple(_central(cloud, facts, target, releases)),
        max_failures=request.max_failures,
        pause=request.pause,
        window=request.window,
        expiry=request.expiry,
        migrations=tuple(
            (
                Command(argv=tuple(w for w in command.argv if w != "{config}"), user=services.get("nova").user,
                        exit_codes=command.exit_codes),
                command.repeat_on,
            )
            for command in services.get("nova").commands(target, "data_migrations")
        ),
        facts=binding_facts(facts),
    )  # fmt: skip


def _central(cloud: Cloud, facts: Facts, target: str, releases: Releases) -> Iterator[Member]:
    """A node of the central that is a compute, too, is none of them: its packages cannot be upgraded apart."""
    for node in cloud.with_role("ovn.central"):
        found = facts.machines.get(node.name)
        suite = node.suite or releases.get(target).suite
        if found and found.answers and found.release not in (None, target) and suite and not node.runs("nova.compute"):
            yield Member(node.name, ovn_central.BACKEND, suite, str(found.release))


def _older_before(cloud: Cloud, facts: Facts, target: str) -> set[str]:
    """What computes ran before, when all of the cloud run the target and their transition has not ended."""
    found = [facts.machines.get(node.name) for node in cloud.with_role("nova.compute")]
    if any(machine is None or machine.release != target for machine in found):
        return set()
    return {machine.was for machine in found if machine and machine.was}


def behind_the_last(cloud: Cloud, facts: Facts) -> Iterator[str]:
    """Why no compute returns once the transition has ended: nova refuses one that is older than all others, for good.

    It compares a service that comes up with the oldest on its record, which only goes up (nova/objects/service.py,
    `_check_minimum_version`; seen on a lab: Zed behind Epoxy, ServiceTooOld).
    """
    control = {release_of(facts, machine) for machine in control_machines(cloud, facts)}
    found = [facts.machines[node.name] for node in cloud.with_role("nova.compute") if node.name in facts.machines]
    if found and {machine.was or machine.release for machine in found} == control:
        yield (
            "the last compute has come through, and nova takes none back that is older than all of them"
            " (ServiceTooOld): repair them as they are"
        )


def _member(node: Node, suite: str, source: str) -> Member:
    said = node.compute or ComputeSection()
    return Member(node.name, BACKENDS[said.backend], suite, source, said.drain, said.dvr)


COMPUTES = Role("nova.compute", "compute", _member)
