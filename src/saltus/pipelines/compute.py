"""The data plane: what would change, a sample, all the others in batches, and the end of the transition.

A step is one job over a whole wave of nodes. A node that fails in one step is left out of those behind it and stays
disabled with its error; the wave's last step counts, and pauses the run when the budget is spent.
"""

from __future__ import annotations

from collections.abc import Iterator

from saltus.pipelines.waves import ComputeScene, Kind, Wave
from saltus.plan import Gate, Impact, Stage, Step
from saltus.plan.actions import Action, ApplyState, CheckFacts, Command, RecordVersions, RunManage, WaitFor
from saltus.plan.data_plane import (
    AwaitAgents,
    CheckBudget,
    CheckNetwork,
    ComparePackages,
    ConfigureNodes,
    DisableComputes,
    DrainComputes,
    EnableComputes,
    ProveComputes,
    RecordNodes,
    RestartUnits,
    RestoreNodes,
    UpgradePackages,
)

NOVA_COMPUTE = "nova-compute"
LIBVIRT = "libvirtd.service"
CONTROL_UNITS = ("nova-conductor.service", "nova-scheduler.service", "nova-api.service", "nova-api-metadata.service")
"""What holds the RPC versions of computes, read once when it starts (`[upgrade_levels] compute = auto`)."""


def test(scene: ComputeScene) -> Stage:
    """The difference of packages on a few nodes, and the question whether to touch any."""
    return Stage(
        id="test",
        title=f"Look what {scene.target} would change on {_few(scene.test.nodes)}{_left_out(scene)}",
        impact=Impact.NONE,
        way_back="nothing to undo: apt looks from a directory of its own, and nothing of the node is changed",
        steps=(
            Step(id="test/facts", title="Compare the cloud with the facts of this plan", action=CheckFacts()),
            Step(id="test/versions", title="Write the versions down", action=RecordVersions()),
            *(
                Step(
                    id=f"test/packages{_of(kind, scene.test)}",
                    title=f"Compute the difference of packages on {_few(kind.nodes)}",
                    action=ComparePackages(
                        nodes=kind.nodes,
                        suite=kind.suite,
                        release=scene.target,
                        held=kind.backend.held,
                        whole=kind.backend.whole,
                    ),
                )
                for kind in scene.test.kinds()
            ),
        ),
        gate=Gate(
            id="test/approve",
            question=f"Upgrade the sample {_few(scene.sample.nodes)} like this?",
            evidence=tuple(f"test/packages{_of(kind, scene.test)}" for kind in scene.test.kinds()),
        ),
    )


def sample(scene: ComputeScene) -> Stage:
    """The whole upgrade on a few nodes; then a question that expires, so that a forgotten run goes no further."""
    wave = scene.sample
    gate = Gate(
        id="sample/approve",
        question=f"{_few(wave.nodes)} {_verb(wave.nodes, 'run')} {scene.target}. Upgrade the other {_count(scene)}?",
        expires_after=scene.expiry,
        on_expiry="abort",
        evidence=("sample/prove", "sample/budget"),
    )
    return Stage(
        id="sample",
        title=f"Upgrade the sample {_few(wave.nodes)} to {scene.target}",
        impact=_impact(wave),
        way_back=_way_back(wave),
        steps=tuple(_upgrade(scene, wave, "sample", max_failures=0)),
        gate=gate if scene.batches else None,
    )


def everything(scene: ComputeScene) -> Stage:
    """All the others, batch by batch."""
    waves = scene.batches
    steps: list[Step] = []
    for number, wave in enumerate(waves):
        if number and scene.pause:
            seconds = scene.pause.total_seconds()
            steps.append(
                Step(id=f"all/{wave.name}-pause", title=f"Wait {seconds:.0f} s", action=WaitFor(seconds=seconds))
            )
        steps += _upgrade(scene, wave, f"all/{wave.name}", max_failures=scene.max_failures)
    impacts = [_impact(wave) for wave in waves]
    return Stage(
        id="all",
        title=f"Upgrade the other {_count(scene)} in {len(waves)} {'batch' if len(waves) == 1 else 'batches'},"
        f" as long as no more than {scene.max_failures} fail",
        impact=Impact.PACKETS if Impact.PACKETS in impacts else Impact.NONE,
        way_back="saltus plan compute --rollback NODE...: packages and configuration of each node as they were",
        steps=tuple(steps),
    )


def finish(scene: ComputeScene) -> Stage:
    """What waited for the last compute. While one is left behind, only the versions are written down."""
    versions = Step(id="finish/versions", title="Write the versions down", action=RecordVersions())
    if not scene.is_last:
        return Stage(
            id="finish",
            title=f"Not yet the end: {_few(scene.others)} {_verb(scene.others, 'stay')} older than {scene.target},"
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
        way_back="saltus plan compute --rollback NODE... sets the workaround for old computes again; rows that the"
        " online data migrations have moved stay where they are, which the older release's computes do not see",
        steps=(
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
    nodes = wave.nodes
    ids = "rollback"

    def step(key: str, title: str, action: Action) -> Step:
        return Step(id=f"{ids}/{key}", title=title, action=action)

    return Stage(
        id="rollback",
        title=f"Return {_few(nodes)} to {source}",
        impact=_impact(wave),
        way_back=f"saltus plan compute --to RELEASE -T {','.join(nodes)}: the upgrade again",
        steps=(
            step(
                "disable",
                f"Keep new instances away from {_few(nodes)}",
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
            *_start(wave, ids),
            step("enable", f"Let instances come to {_few(nodes)} again", EnableComputes(nodes=nodes, release=source)),
            step("budget", "Count the failures", _budget(wave, ids, 0, first="disable")),
        ),
    )


def ask(question: str, nodes: tuple[str, ...]) -> Stage:
    """A question, before which the facts of the plan are compared with the cloud."""
    return Stage(
        id="ask",
        title=f"Ask before anything is done to {_few(nodes)}",
        impact=Impact.NONE,
        way_back="nothing is changed",
        steps=(Step(id="ask/facts", title="Compare the cloud with the facts of this plan", action=CheckFacts()),),
        gate=Gate(id="ask/go", question=question, evidence=("ask/facts",)),
    )


def _upgrade(scene: ComputeScene, wave: Wave, ids: str, *, max_failures: int) -> Iterator[Step]:
    """Everything that is done to the computes of one wave, in order."""
    nodes, prefix = wave.nodes, f"{wave.title}: " if ids != "sample" else ""

    def step(key: str, title: str, action: Action) -> Step:
        return Step(id=_id(ids, key), title=f"{prefix}{title}", action=action)

    if scene.window:
        yield step("window", f"Wait for the maintenance window {scene.window}", WaitFor(window=scene.window))
    yield step("record", f"Keep packages and configuration of {_few(nodes)}", RecordNodes(nodes=nodes))
    yield step(
        "disable",
        f"Keep new instances away from {_few(nodes)}",
        DisableComputes(nodes=nodes, reason=f"Saltus: upgrade to {scene.target}"),
    )
    live = tuple(c.name for c in wave.computes if c.drain == "live-migrate")
    cold = tuple(c.name for c in wave.computes if c.drain == "cold-migrate")
    yield step(
        "drain",
        _drained(live, cold),
        DrainComputes(nodes=nodes, live=live, cold=cold),
    )
    for kind in wave.kinds():
        yield step(
            f"packages{_of(kind, wave)}",
            f"Upgrade the packages of {_few(kind.nodes)}"
            + (f"; held: {', '.join(kind.backend.held)}" if kind.backend.held else ""),
            UpgradePackages(
                nodes=kind.nodes,
                suite=kind.suite,
                release=scene.target,
                held=kind.backend.held,
                whole=kind.backend.whole,
            ),
        )
    yield step(
        "configure", f"Write the configuration of {scene.target}", ConfigureNodes(nodes=nodes, release=scene.target)
    )
    yield from _start(wave, ids, prefix)
    yield step(
        "enable",
        f"Let instances come to {_few(nodes)} again",
        EnableComputes(nodes=nodes, release=scene.target),
    )
    yield step("budget", "Count the failures", _budget(wave, ids, max_failures, first="record"))


def _start(wave: Wave, ids: str, prefix: str = "") -> Iterator[Step]:
    """From new packages and configuration to a compute that is proved to work."""

    def step(key: str, title: str, action: Action) -> Step:
        return Step(id=_id(ids, key), title=f"{prefix}{title}", action=action)

    for kind in wave.kinds():
        suffix = _of(kind, wave)
        units = (*kind.backend.restart, LIBVIRT, f"{NOVA_COMPUTE}.service")
        spelled = ", ".join(unit.partition(":")[2] or unit for unit in units)
        yield step(
            f"restart{suffix}",
            f"Restart in order: {spelled.replace('.service', '')}",
            RestartUnits(nodes=kind.nodes, units=units),
        )
        agents = (NOVA_COMPUTE, *kind.backend.agents)
        yield step(
            f"alive{suffix}",
            f"Wait until {', '.join(agents)} are heard from",
            AwaitAgents(nodes=kind.nodes, agents=agents),
        )
        if kind.backend.restart:
            dvr = tuple(c.name for c in wave.computes if c.dvr and c.name in kind.nodes)
            yield step(
                f"network{suffix}",
                "Look that bridges and flows have come back"
                + (", and the default routes of floating addresses" if dvr else ""),
                CheckNetwork(nodes=kind.nodes, backend=kind.backend.name, distributed=dvr),
            )
    yield step("prove", "Boot an instance on each and reach it over the network", ProveComputes(nodes=wave.nodes))


def _budget(wave: Wave, ids: str, max_failures: int, *, first: str) -> CheckBudget:
    return CheckBudget(nodes=wave.nodes, max_failures=max_failures, again=_id(ids, first))


def _id(ids: str, key: str) -> str:
    """`sample/record`, `all/batch-01-record`."""
    return f"{ids}{'-' if '/' in ids else '/'}{key}"


def _impact(wave: Wave) -> Impact:
    moved = any(compute.drain != "none" for compute in wave.computes)
    forwards = any(kind.backend.impact is Impact.PACKETS for kind in wave.kinds())
    return Impact.PACKETS if moved or forwards else Impact.NONE


def _way_back(wave: Wave) -> str:
    return f"saltus plan compute --rollback {' '.join(wave.nodes)}: packages and configuration as they were"


def _drained(live: tuple[str, ...], cold: tuple[str, ...]) -> str:
    moved = [f"off {_few(nodes)} {how}" for nodes, how in ((live, "while they run"), (cold, "stopped")) if nodes]
    if not moved:
        return "Leave the instances where they are, but those whose metadata asks to be moved"
    return f"Move the instances {' and '.join(moved)}, but those whose metadata says otherwise"


def _of(kind: Kind, wave: Wave) -> str:
    """`-ovn`, where a wave has more than one kind."""
    return f"-{kind.name}" if len(list(wave.kinds())) > 1 else ""


def _few(nodes: tuple[str, ...]) -> str:
    if len(nodes) <= 4:
        return " and ".join(filter(None, (", ".join(nodes[:-1]), *nodes[-1:])))
    return f"{nodes[0]}, {nodes[1]} ... {nodes[-1]} ({len(nodes)} nodes)"


def _verb(nodes: tuple[str, ...], verb: str) -> str:
    return f"{verb}s" if len(nodes) == 1 else verb


def _count(scene: ComputeScene) -> str:
    count = sum(len(wave.computes) for wave in scene.batches)
    return f"{count} {'compute' if count == 1 else 'computes'}"


def _left_out(scene: ComputeScene) -> str:
    if not scene.left_out:
        return ""
    return "; left out: " + ", ".join(f"{name} ({why})" for name, why in scene.left_out.items())
