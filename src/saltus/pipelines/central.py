"""OVN's central, upgraded when every controller is: one node after another, so that a cluster keeps its quorum."""

from __future__ import annotations

from collections.abc import Iterator

from saltus.pipelines.rolling import few, spelled
from saltus.pipelines.waves import ComputeScene, Member
from saltus.plan import Impact, Stage, Step
from saltus.plan.actions import RunManage
from saltus.plan.data_plane import (
    CheckAllUpgraded,
    CheckBudget,
    CheckNetwork,
    ConfigureNodes,
    RecordNodes,
    RestartUnits,
    SettleNodes,
    UpgradePackages,
)
from saltus.plan.databases import Command

KEPT = "/var/backups/saltus"


def central(scene: ComputeScene) -> Stage:
    """Behind the last compute: an older northd writes nothing that a newer controller does not know."""
    nodes = tuple(member.name for member in scene.central)
    return Stage(
        id="central",
        title=f"Upgrade OVN's central on {few(nodes)}: every controller is new",
        impact=Impact.NONE,
        way_back=f"none by a plan: the databases are converted. As they were they lie in {KEPT} of each node"
        " (ovsdb-client restore)",
        steps=(
            Step(
                id="central/all-upgraded",
                title="Look that no compute was left behind",
                action=CheckAllUpgraded(nodes=(*scene.upgraded, *scene.nodes)),
            ),
            *(step for member in scene.central for step in _of(scene, member)),
            Step(
                id="central/budget",
                title="Count the failures",
                action=CheckBudget(nodes=nodes, max_failures=0, again=f"central/{nodes[0]}-record"),
            ),
        ),
    )


def _of(scene: ComputeScene, member: Member) -> Iterator[Step]:
    node, backend = member.name, member.backend
    one = (node,)
    yield Step(
        id=f"central/{node}-record",
        title=f"Keep packages and configuration of {node}",
        action=RecordNodes(nodes=one),
    )
    yield Step(
        id=f"central/{node}-back-up",
        title=f"Back both databases of {node} up",
        action=RunManage(machine=node, command=_back_up(scene.target)),
    )
    yield Step(
        id=f"central/{node}-packages",
        title=f"Upgrade the packages of {node}",
        action=UpgradePackages(nodes=one, suite=member.suite, release=scene.target),
    )
    yield Step(
        id=f"central/{node}-configure",
        title=f"Write the configuration of {scene.target} on {node}",
        action=ConfigureNodes(nodes=one, release=scene.target),
    )
    yield Step(
        id=f"central/{node}-restart",
        title=f"Restart in order on {node}: {spelled(backend.restart)}",
        action=RestartUnits(nodes=one, units=backend.restart),
    )
    yield Step(
        id=f"central/{node}-network",
        title=f"Look that what is written through {node} reaches the controllers' database",
        action=CheckNetwork(nodes=one, backend=backend.name),
    )
    yield Step(
        id=f"central/{node}-settle",
        title=f"Write down that {node} is of {scene.target}",
        action=SettleNodes(nodes=one, release=scene.target),
    )


def _back_up(target: str) -> Command:
    script = (
        f"umask 077; mkdir -p {KEPT} && for name in ovnnb ovnsb; do"
        f" ovsdb-client backup unix:/run/ovn/${{name}}_db.sock >{KEPT}/$name-before-{target} || exit 1; done"
    )
    return Command(argv=("sh", "-c", script), user="root")
