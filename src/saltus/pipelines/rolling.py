"""Nodes upgraded where they stand, in waves: a look at the packages, a sample, all the others in batches.

A step is one job over a whole wave of nodes. A node that fails in one step is left out of those behind it; the wave's
last step counts, and pauses the run when the budget is spent. What is done to the nodes of a wave is handed in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from saltus.pipelines.waves import Kind, RollingScene, Wave
from saltus.plan import Gate, Impact, Stage, Step
from saltus.plan.actions import Action, CheckFacts, RecordVersions, WaitFor
from saltus.plan.data_plane import CheckBudget, ComparePackages, ConfigureNodes, RecordNodes, UpgradePackages

Make = Callable[[str, str, Action], Step]
Upgrade = Callable[[Wave, str, int], Iterator[Step]]
"""(wave, prefix of the steps' ids, how many may fail) -> everything that is done to the nodes of one wave, in order."""


def test(scene: RollingScene) -> Stage:
    """The difference of packages on a few nodes, and the question whether to touch any."""
    return Stage(
        id="test",
        title=f"Look what {scene.target} would change on {few(scene.test.nodes)}{_left_out(scene)}",
        impact=Impact.NONE,
        way_back="nothing to undo: apt looks from a directory of its own, and nothing of the node is changed",
        steps=(
            Step(id="test/facts", title="Compare the cloud with the facts of this plan", action=CheckFacts()),
            Step(id="test/versions", title="Write the versions down", action=RecordVersions()),
            *(
                Step(
                    id=f"test/packages{of(kind, scene.test)}",
                    title=f"Compute the difference of packages on {few(kind.nodes)}",
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
            question=f"Upgrade the sample {few(scene.sample.nodes)} like this?",
            evidence=tuple(f"test/packages{of(kind, scene.test)}" for kind in scene.test.kinds()),
        ),
    )


def sample(scene: RollingScene, upgrade: Upgrade, *, proof: str, last: Gate | None = None) -> Stage:
    """The whole upgrade on a few nodes; then a question that expires, so that a forgotten run goes no further.

    `proof` is the step that shows that they work; `last` is asked instead where no others follow.
    """
    wave = scene.sample
    gate = Gate(
        id="sample/approve",
        question=f"{few(wave.nodes)} {verb(wave.nodes, 'run')} {scene.target}. Upgrade the other {_count(scene)}?",
        expires_after=scene.expiry,
        on_expiry="abort",
        evidence=(f"sample/{proof}", "sample/budget"),
    )
    return Stage(
        id="sample",
        title=f"Upgrade the sample {few(wave.nodes)} to {scene.target}",
        impact=impact(wave),
        way_back=_way_back(scene, wave),
        steps=tuple(upgrade(wave, "sample", 0)),
        gate=gate if scene.batches else last,
    )


def everything(scene: RollingScene, upgrade: Upgrade, *, last: Gate | None = None) -> Stage:
    """All the others, batch by batch; `last` is asked behind them."""
    waves = scene.batches
    steps: list[Step] = []
    for number, wave in enumerate(waves):
        if number and scene.pause:
            seconds = scene.pause.total_seconds()
            steps.append(
                Step(id=f"all/{wave.name}-pause", title=f"Wait {seconds:.0f} s", action=WaitFor(seconds=seconds))
            )
        steps += upgrade(wave, f"all/{wave.name}", scene.max_failures)
    impacts = [impact(wave) for wave in waves]
    return Stage(
        id="all",
        title=f"Upgrade the other {_count(scene)} in {len(waves)} {'batch' if len(waves) == 1 else 'batches'},"
        f" as long as no more than {scene.max_failures} fail",
        impact=Impact.PACKETS if Impact.PACKETS in impacts else Impact.NONE,
        way_back=f"saltus plan {scene.noun} --rollback NODE...: packages and configuration of each node as they were",
        steps=tuple(steps),
        gate=last,
    )


def ask(question: str, nodes: tuple[str, ...]) -> Stage:
    """A question, before which the facts of the plan are compared with the cloud."""
    return Stage(
        id="ask",
        title=f"Ask before anything is done to {few(nodes)}",
        impact=Impact.NONE,
        way_back="nothing is changed",
        steps=(Step(id="ask/facts", title="Compare the cloud with the facts of this plan", action=CheckFacts()),),
        gate=Gate(id="ask/go", question=question, evidence=("ask/facts",)),
    )


def maker(ids: str, prefix: str = "") -> Make:
    """Makes the steps of one wave: `make(key, title, action)`."""

    def make(key: str, title: str, action: Action) -> Step:
        return Step(id=step_id(ids, key), title=f"{prefix}{title}", action=action)

    return make


def opening(scene: RollingScene, wave: Wave, make: Make) -> Iterator[Step]:
    """What comes before anything of a node is changed: the window, and what its way back returns to."""
    if scene.window:
        yield make("window", f"Wait for the maintenance window {scene.window}", WaitFor(window=scene.window))
    yield make("record", f"Keep packages and configuration of {few(wave.nodes)}", RecordNodes(nodes=wave.nodes))


def renewal(scene: RollingScene, wave: Wave, make: Make) -> Iterator[Step]:
    """The packages and the configuration of the target release; nothing is restarted by it."""
    for kind in wave.kinds():
        yield make(
            f"packages{of(kind, wave)}",
            f"Upgrade the packages of {few(kind.nodes)}"
            + (f"; held: {', '.join(kind.backend.held)}" if kind.backend.held else ""),
            UpgradePackages(
                nodes=kind.nodes,
                suite=kind.suite,
                release=scene.target,
                held=kind.backend.held,
                whole=kind.backend.whole,
            ),
        )
    yield make(
        "configure",
        f"Write the configuration of {scene.target}",
        ConfigureNodes(nodes=wave.nodes, release=scene.target),
    )


def spelled(units: tuple[str, ...]) -> str:
    """The units of a restart as an operator reads them."""
    return ", ".join(unit.partition(":")[2] or unit for unit in units).replace(".service", "")


def budget(wave: Wave, ids: str, max_failures: int, *, first: str) -> CheckBudget:
    return CheckBudget(nodes=wave.nodes, max_failures=max_failures, again=step_id(ids, first))


def step_id(ids: str, key: str) -> str:
    """`sample/record`, `all/batch-01-record`."""
    return f"{ids}{'-' if '/' in ids else '/'}{key}"


def impact(wave: Wave) -> Impact:
    moved = any(member.drain != "none" for member in wave.members)
    forwards = any(kind.backend.impact is Impact.PACKETS for kind in wave.kinds())
    return Impact.PACKETS if moved or forwards else Impact.NONE


def _way_back(scene: RollingScene, wave: Wave) -> str:
    return f"saltus plan {scene.noun} --rollback {' '.join(wave.nodes)}: packages and configuration as they were"


def of(kind: Kind, wave: Wave) -> str:
    """`-ovn`, where a wave has more than one kind."""
    return f"-{kind.name}" if len(list(wave.kinds())) > 1 else ""


def few(nodes: tuple[str, ...]) -> str:
    if len(nodes) <= 4:
        return " and ".join(filter(None, (", ".join(nodes[:-1]), *nodes[-1:])))
    return f"{nodes[0]}, {nodes[1]} ... {nodes[-1]} ({len(nodes)} nodes)"


def verb(nodes: tuple[str, ...], verb: str) -> str:
    return f"{verb}s" if len(nodes) == 1 else verb


def _count(scene: RollingScene) -> str:
    count = sum(len(wave.members) for wave in scene.batches)
    return f"{count} {scene.noun}{'' if count == 1 else 's'}"


def _left_out(scene: RollingScene) -> str:
    if not scene.left_out:
        return ""
    return "; left out: " + ", ".join(f"{name} ({why})" for name, why in scene.left_out.items())
