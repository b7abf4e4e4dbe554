"""The computes of a wave, from the first step to the proof, their way back, and the end of the transition."""

from __future__ import annotations

from collections.abc import Iterator

from saltus.pipelines.rolling import Make, budget, few, impact, maker, of, opening, renewal, spelled, step_id, verb
from saltus.pipelines.waves import ComputeScene, Wave
from saltus.plan import Gate, Impact, Stage, Step
from saltus.plan.actions import ApplyState, RecordVersions, RunManage
from saltus.plan.data_plane import (
    AwaitAgents,
    CheckAllUpgraded,
    CheckBudget,
    CheckNetwork,
    ConfigureNodes,
    DisableComputes,
    DrainComputes,
    EnableComputes,
    ProveComputes,
    RestartUnits,
    RestoreNodes,
)
from saltus.plan.databases import Command

NOVA_COMPUTE = "nova-compute"
LIBVIRT = "libvirtd.service"
PROOF = "prove"
"""The step that shows that a compute works."""
CONTROL_UNITS = ("nova-conductor.service", "nova-scheduler.service", "nova-api.service", "nova-api-metadata.service")
"""What holds the RPC versions of computes, read once when it starts (`[upgrade_levels] compute = auto`)."""


def ask_for_the_end(scene: ComputeScene) -> Gate | None:
    """The question behind the last wave, when the transition ends with it. It waits for as long as you want to look."""
    if not scene.is_last:
        return None
    ids = f"all/{scene.batches[-1].name}" if scene.batches else "sample"
    return Gate(id=f"{ids.partition('/')[0]}/end", question=end_of(scene), evidence=(step_id(ids, "budget"),))


def end_of(scene: ComputeScene) -> str:
    return f"End the transition to {scene.target}? Until here any compute can return, and none behind it."


def finish(scene: ComputeScene) -> Stage:
    """What waited for the last compute. While one is left behind, only the versions are written down."""
    versions = Step(id="finish/versions", title="Write the versions down", action=RecordVersions())
    if not scene.is_last:
        return Stage(
            id="finish",
            title=f"Not yet the end: {few(scene.others)} {verb(scene.others, 'stay')} older than {scene.target},"
            " so the workaround for old computes stays, too",
            impact=Impact.NONE,
            way_back="nothing is changed",
            steps=(versions,),
        )
    computes = (*scene.upgraded, *scene.nodes)
    first = scene.control[0]
    return Stage(
        id="finish",
        title="End the transition: no compute is old any more",
        impact=Impact.API_DOWN,
        way_back="none: nova takes no compute back that is older than all of them; until here, and not from here on,"
        " saltus plan compute --rollback NODE... returns any",
        steps=(
            Step(
                id="finish/all-upgraded",
                title="Look that no compute was left behind",
                action=CheckAllUpgraded(nodes=computes),
            ),
            # Control nodes first: computes ask a conductor for the oldest version, which it read when it started.
            *(
                Step(
                    id=f"finish/control-{machine}",
                    title=f"Configure {machine} without the workaround",
                    action=ApplyState(target=machine, states=("saltus.prepared",)),
                )
                for machine in scene.control
            ),
            Step(
                id="finish/restart-control",
                title="Restart nova on the control plane: it pins RPC versions when it starts",
                action=RestartUnits(nodes=scene.control, units=CONTROL_UNITS),
            ),
            Step(
                id="finish/computes",
                title="Configure the computes without the workaround for old ones",
                action=ConfigureNodes(nodes=computes, release=scene.target),
            ),
            Step(
                id="finish/restart-computes",
                title="Restart nova-compute, whose pinned RPC versions end with it",
                action=RestartUnits(nodes=computes, units=(f"{NOVA_COMPUTE}.service",)),
            ),
            Step(
                id="finish/alive",
                title="Wait until nova hears from all of them",
                action=AwaitAgents(nodes=computes, agents=(NOVA_COMPUTE,)),
            ),
            Step(
                id="finish/enable",
                title="Let instances come to all of them",
                action=EnableComputes(nodes=computes, release=scene.target),
            ),
            Step(
                id="finish/budget",
                title="Count the failures",
                action=CheckBudget(nodes=computes, max_failures=0, again="finish/computes"),
            ),
            Step(
                id="finish/check",
                title="nova-status upgrade check",
                action=RunManage(
                    machine=first,
                    # 1 is a warning, 2 a failure (nova doc/source/cli/nova-status.rst).
                    command=Command(argv=("nova-status", "upgrade", "check"), user="nova", exit_codes=(0, 1)),
                ),
            ),
            *(
                Step(
                    id=f"finish/migrations-{number}",
                    title=f"Run the online data migrations to their end: {' '.join(command.argv)}",
                    action=RunManage(machine=first, command=command, repeat_on=again, timeout_s=4 * 3600),
                )
                for number, (command, again) in enumerate(scene.migrations, 1)
            ),
            versions,
        ),
    )


def roll_back(wave: Wave, source: str, control: tuple[str, ...]) -> Stage:
    """Each node back to the packages and the configuration kept on it. Its instances go on running."""
    nodes, ids = wave.nodes, "rollback"
    step = maker(ids)
    return Stage(
        id="rollback",
        title=f"Return {few(nodes)} to {source}",
        impact=impact(wave),
        way_back=f"saltus plan compute --to RELEASE -T {','.join(nodes)}: the upgrade again",
        steps=(
            step(
                "disable",
                f"Keep new instances away from {few(nodes)}",
                DisableComputes(nodes=nodes, reason=f"Saltus: returns to {source}"),
            ),
            step("restore", "Put packages and configuration back as they were", RestoreNodes(nodes=nodes)),
            *(
                step(
                    f"control-{machine}",
                    f"Configure {machine} for an older compute, should it be restarted",
                    ApplyState(target=machine, states=("saltus.prepared",)),
                )
                for machine in control
            ),
            *_start(wave, step),
            step("enable", f"Let instances come to {few(nodes)} again", EnableComputes(nodes=nodes, release=source)),
            step("budget", "Count the failures", budget(wave, ids, 0, first="disable")),
        ),
    )


def upgrade(scene: ComputeScene, wave: Wave, ids: str, max_failures: int) -> Iterator[Step]:
    """Everything that is done to the computes of one wave, in order."""
    nodes, prefix = wave.nodes, f"{wave.title}: " if ids != "sample" else ""

    step = maker(ids, prefix)
    yield from opening(scene, wave, step)
    yield step(
        "disable",
        f"Keep new instances away from {few(nodes)}",
        DisableComputes(nodes=nodes, reason=f"Saltus: upgrade to {scene.target}"),
    )
    live = tuple(c.name for c in wave.members if c.drain == "live-migrate")
    cold = tuple(c.name for c in wave.members if c.drain == "cold-migrate")
    yield step(
        "drain",
        _drained(live, cold),
        DrainComputes(nodes=nodes, live=live, cold=cold),
    )
    yield from renewal(scene, wave, step)
    yield from _start(wave, step)
    yield step(
        "enable",
        f"Let instances come to {few(nodes)} again",
        EnableComputes(nodes=nodes, release=scene.target),
    )
    yield step("budget", "Count the failures", budget(wave, ids, max_failures, first="record"))


def _start(wave: Wave, step: Make) -> Iterator[Step]:
    """From new packages and configuration to a compute that is proved to work."""
    for kind in wave.kinds():
        suffix = of(kind, wave)
        units = (*kind.backend.restart, LIBVIRT, f"{NOVA_COMPUTE}.service")
        yield step(
            f"restart{suffix}",
            f"Restart in order: {spelled(units)}",
            RestartUnits(nodes=kind.nodes, units=units),
        )
        agents = (NOVA_COMPUTE, *kind.backend.agents)
        yield step(
            f"alive{suffix}",
            f"Wait until {', '.join(agents)} are heard from",
            AwaitAgents(nodes=kind.nodes, agents=agents),
        )
        if kind.backend.restart:
            dvr = tuple(c.name for c in wave.members if c.dvr and c.name in kind.nodes)
            yield step(
                f"network{suffix}",
                "Look that bridges and flows have come back"
                + (", and the default routes of floating addresses" if dvr else ""),
                CheckNetwork(nodes=kind.nodes, backend=kind.backend.name, distributed=dvr),
            )
    yield step(PROOF, "Boot an instance on each and reach it over the network", ProveComputes(nodes=wave.nodes))


def _drained(live: tuple[str, ...], cold: tuple[str, ...]) -> str:
    moved = [f"off {few(nodes)} {how}" for nodes, how in ((live, "while they run"), (cold, "stopped")) if nodes]
    if not moved:
        return "Leave the instances where they are, but those whose metadata asks to be moved"
    return f"Move the instances {' and '.join(moved)}, but those whose metadata says otherwise"
