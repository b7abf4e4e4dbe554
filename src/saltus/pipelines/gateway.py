"""The gateways of a wave: emptied, upgraded while nothing runs through them, and given back what they carried."""

from __future__ import annotations

from collections.abc import Iterator

from saltus.pipelines.rolling import Make, budget, few, impact, maker, of, opening, renewal, spelled
from saltus.pipelines.waves import GatewayScene, Wave
from saltus.plan import Stage, Step
from saltus.plan.data_plane import (
    AwaitAgents,
    CheckNetwork,
    EmptyGateways,
    RefillGateways,
    RestartUnits,
    RestoreNodes,
)

PROOF = "refill"
"""The step that shows that a gateway works: what it carried runs there again."""


def upgrade(scene: GatewayScene, wave: Wave, ids: str, max_failures: int) -> Iterator[Step]:
    """Everything that is done to the gateways of one wave, in order."""
    step = maker(ids, f"{wave.title}: " if ids != "sample" else "")
    yield from opening(scene, wave, step)
    yield _empty(wave, step)
    yield from renewal(scene, wave, step)
    yield from _start(wave, step)
    yield _refill(wave, step, scene.target)
    yield step("budget", "Count the failures", budget(wave, ids, max_failures, first="record"))


def roll_back(wave: Wave, source: str) -> Stage:
    """Each gateway back to the packages and the configuration kept on it, while nothing runs through it."""
    nodes, ids = wave.nodes, "rollback"
    step = maker(ids)
    return Stage(
        id="rollback",
        title=f"Return {few(nodes)} to {source}",
        impact=impact(wave),
        way_back=f"saltus plan gateway --to RELEASE -T {','.join(nodes)}: the upgrade again",
        steps=(
            _empty(wave, step),
            step("restore", "Put packages and configuration back as they were", RestoreNodes(nodes=nodes)),
            *_start(wave, step),
            _refill(wave, step, source),
            step("budget", "Count the failures", budget(wave, ids, 0, first="empty")),
        ),
    )


def _empty(wave: Wave, step: Make) -> Step:
    return step(
        "empty",
        f"Move routers, DHCP and metadata off {few(wave.nodes)}, and keep new ones away",
        EmptyGateways(nodes=wave.nodes),
    )


def _refill(wave: Wave, step: Make, release: str) -> Step:
    return step(
        PROOF,
        f"Move what {few(wave.nodes)} carried back, and let new routers come",
        RefillGateways(nodes=wave.nodes, release=release),
    )


def _start(wave: Wave, step: Make) -> Iterator[Step]:
    for kind in wave.kinds():
        suffix, backend = of(kind, wave), kind.backend
        yield step(
            f"restart{suffix}",
            f"Restart in order: {spelled(backend.restart)}",
            RestartUnits(nodes=kind.nodes, units=backend.restart),
        )
        yield step(
            f"alive{suffix}",
            f"Wait until {', '.join(backend.agents)} are heard from",
            AwaitAgents(nodes=kind.nodes, agents=backend.agents),
        )
        yield step(
            f"network{suffix}",
            "Look that bridges and flows have come back",
            CheckNetwork(nodes=kind.nodes, backend="ovs"),
        )
