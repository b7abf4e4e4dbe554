"""From model, facts and request to the waves in which gateways are upgraded, or every reason why not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from saltus.catalog.releases import Releases
from saltus.model.cloud import Cloud, Node
from saltus.pipelines.backends.gateway import BACKEND
from saltus.pipelines.waves import GatewayScene, Member, Wave
from saltus.planner.facts import Facts, binding_facts
from saltus.planner.refusals import refuse
from saltus.planner.rolling import Chosen, Role, RollingRequest, choose, make_way_back


@dataclass(frozen=True)
class GatewayRequest(RollingRequest):
    """What the operator asked for of gateways: one at a time, unless said otherwise."""

    batch: str = "1"


def make_gateway_scene(cloud: Cloud, facts: Facts, request: GatewayRequest, *, releases: Releases) -> GatewayScene:
    """The waves of the upgrade. Raises Refused with every reason."""

    def further(chosen: Chosen) -> Iterator[str]:
        yield from _of_shape(cloud, request.nodes)
        _, sample, batches = chosen.waves(cloud, request)
        for wave in (sample, *batches):
            for reason in _of_room(cloud, facts, wave):
                yield f"{reason} (smaller --sample or --batch, or one more gateway)"

    chosen = choose(cloud, facts, request, GATEWAYS, releases=releases, further=further)
    test, sample, batches = chosen.waves(cloud, request)
    return GatewayScene(
        cloud=cloud.name,
        source=chosen.source(releases),
        target=releases.get(request.target).name,
        test=test,
        sample=sample,
        batches=batches,
        left_out=chosen.left_out,
        max_failures=request.max_failures,
        pause=request.pause,
        window=request.window,
        expiry=request.expiry,
        facts=binding_facts(facts),
    )


def make_gateway_way_back(cloud: Cloud, facts: Facts, nodes: tuple[str, ...]) -> tuple[Wave, str]:
    """The gateways that return, and the release they return to. Raises Refused."""
    wave, release = make_way_back(cloud, facts, nodes, GATEWAYS)
    refuse(
        f"{', '.join(nodes)} cannot be rolled back",
        list(_of_room(cloud, facts, wave)),
        "nothing was touched; roll back some of them first",
    )
    return wave, release


def _of_shape(cloud: Cloud, nodes: tuple[str, ...]) -> Iterator[str]:
    for node in cloud.with_role("neutron.gateway"):
        if node.name in nodes and node.runs("nova.compute"):
            yield f"{node.name} is compute and gateway at once: its packages cannot be upgraded apart"


def _of_room(cloud: Cloud, facts: Facts, wave: Wave) -> Iterator[str]:
    """Somebody must be left to take what the wave carries."""
    gateways = [node.name for node in cloud.with_role("neutron.gateway")]
    live = [name for name in gateways if name in facts.machines and facts.machines[name].answers]
    if wave.members and not set(live) - set(wave.nodes):
        yield f"no gateway that answers is left beside {', '.join(wave.nodes)} to take the routers"


def _member(node: Node, suite: str, source: str) -> Member:
    return Member(node.name, BACKEND, suite, source)


GATEWAYS = Role("neutron.gateway", "gateway", _member)
