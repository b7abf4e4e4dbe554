"""Back to the old slot and to the moment of the freeze; and, when nobody wants back any more, the end of that way."""

from __future__ import annotations

from collections.abc import Iterable

from saltus.pipelines.control import BEFORE, FROZEN
from saltus.pipelines.scene import Scene
from saltus.plan import Gate, Impact, Stage, Step
from saltus.plan.actions import (
    CompareLists,
    DestroyMachine,
    ListApis,
    RecordVersions,
    StartMachine,
    StartServices,
    StopMachine,
    StopServices,
    SwitchProxy,
)
from saltus.plan.databases import CheckWrites, ForgetBackup, RestoreDatabases


def prepare(scene: Scene, *, discard_writes: bool) -> Stage:
    """Boot the old machines, their services still stopped, and look whether tenants would lose anything."""
    return Stage(
        id="prepare",
        title=f"Boot the old slot ({scene.source}) and look what would be lost",
        impact=Impact.NONE,
        way_back="stop the old machines again",
        steps=(
            Step(
                id="prepare/writes",
                title=f"Look for what tenants wrote through {scene.target}",
                action=CheckWrites(server=scene.database, label=FROZEN, discard=discard_writes),
            ),
            *(
                Step(
                    id=f"prepare/boot-{pair.node}",
                    title=f"Boot {pair.old}",
                    action=StartMachine(machine=pair.old),
                    lane=pair.node,
                )
                for pair in scene.pairs
            ),
        ),
    )


def roll_back(scene: Scene, *, discard_writes: bool) -> Stage:
    """The window of the way back: stop, look for writes once more, restore, start, switch."""
    return Stage(
        id="rollback",
        title=f"Take the control plane back to {scene.source}",
        impact=Impact.API_DOWN,
        way_back=f"none: what was written through {scene.target} is lost; saltus plan control starts again",
        steps=(
            *(
                Step(
                    id=f"rollback/stop-{pair.node}",
                    title=f"Stop the services of {pair.new}",
                    action=StopServices(machine=pair.new),
                )
                for pair in scene.control
            ),
            Step(
                id="rollback/writes",
                title="Look for what tenants wrote until now",
                action=CheckWrites(server=scene.database, label=FROZEN, discard=discard_writes),
            ),
            Step(
                id="rollback/restore",
                title=f"Restore the databases of {scene.database} to the moment of the freeze",
                action=RestoreDatabases(server=scene.database, label=FROZEN, databases=scene.databases),
            ),
            *(
                Step(
                    id=f"rollback/start-{pair.node}",
                    title=f"Start the services of {pair.old}",
                    action=StartServices(machine=pair.old),
                    lane=pair.node,
                )
                for pair in scene.pairs
            ),
            *(
                Step(
                    id=f"rollback/switch-{pair.node}",
                    title=f"Switch the virtual address to {pair.old}",
                    action=SwitchProxy(take=pair.old, leave=pair.new, address=scene.vip),
                )
                for pair in scene.proxies
            ),
        ),
    )


def start_again(scene: Scene) -> Stage:
    """The way back from a window that stopped before its freeze: no database has changed, the old services start."""
    return Stage(
        id="start-again",
        title=f"Start {scene.source} again: nothing was frozen, and no database has changed",
        impact=Impact.NONE,
        way_back="saltus plan control starts again",
        steps=(
            *(
                Step(
                    id=f"start-again/boot-{pair.node}",
                    title=f"Boot {pair.old}, if it is off",
                    action=StartMachine(machine=pair.old),
                    lane=pair.node,
                )
                for pair in scene.pairs
            ),
            *(
                Step(
                    id=f"start-again/stop-{pair.node}",
                    title=f"Stop the services of {pair.new}",
                    action=StopServices(machine=pair.new),
                )
                for pair in scene.control
            ),
            *(
                Step(
                    id=f"start-again/start-{pair.node}",
                    title=f"Start the services of {pair.old}",
                    action=StartServices(machine=pair.old),
                    lane=pair.node,
                )
                for pair in scene.pairs
            ),
            *(
                Step(
                    id=f"start-again/switch-{pair.node}",
                    title=f"Give {pair.old} the virtual address",
                    action=SwitchProxy(take=pair.old, leave=pair.new, address=scene.vip),
                )
                for pair in scene.proxies
            ),
            Step(
                id="start-again/lists",
                title="Ask the APIs",
                action=ListApis(auth_host=scene.vip, label="started-again"),
            ),
            *(
                Step(
                    id=f"start-again/power-off-{pair.new}",
                    title=f"Power {pair.new} off",
                    action=StopMachine(machine=pair.new),
                    lane=pair.node,
                )
                for pair in scene.pairs
            ),
        ),
    )


def verify(scene: Scene) -> Stage:
    """The cloud as it was: the lists of before the upgrade, and the new machines off."""
    return Stage(
        id="verify",
        title=f"Verify that the cloud is as it was on {scene.source}",
        impact=Impact.NONE,
        way_back="saltus plan control starts again",
        steps=(
            Step(
                id="verify/lists",
                title="Ask the APIs",
                action=ListApis(auth_host=scene.vip, label="rolled-back", like=BEFORE),
            ),
            Step(
                id="verify/compare",
                title="Compare them with the lists taken before the upgrade",
                action=CompareLists(before=BEFORE, after="rolled-back"),
            ),
            Step(id="verify/versions", title="Write the versions down", action=RecordVersions()),
            *(
                Step(
                    id=f"verify/power-off-{pair.new}",
                    title=f"Power {pair.new} off",
                    action=StopMachine(machine=pair.new),
                    lane=pair.node,
                )
                for pair in scene.pairs
            ),
            Step(
                id="verify/forget",
                title=f"Remove the frozen backup on {scene.database}: the databases are at it again",
                action=ForgetBackup(server=scene.database, label=FROZEN),
            ),
        ),
    )


def accept(scene: Scene) -> Stage:
    """The end of the way back: the old machines and the frozen backup are removed, after a person said so."""
    return Stage(
        id="accept",
        title=f"Give up the way back to {scene.source}",
        impact=Impact.NONE,
        way_back="none: what is removed is gone; saltus accept removes the rest",
        steps=(
            *(
                Step(
                    id=f"accept/destroy-{pair.old}",
                    title=f"Destroy {pair.old} with its disk",
                    action=DestroyMachine(machine=pair.old),
                )
                for pair in scene.pairs
            ),
            Step(
                id="accept/forget",
                title=f"Remove the frozen backup on {scene.database}",
                action=ForgetBackup(server=scene.database, label=FROZEN),
            ),
        ),
    )


def clean_up(machines: Iterable[str]) -> Stage:
    """The way back from before the window: what was created for the upgrade, and nothing uses yet, is removed."""
    return Stage(
        id="clean-up",
        title="Remove what was created for the upgrade and nothing uses",
        impact=Impact.NONE,
        way_back="none: saltus plan control makes it anew",
        steps=tuple(
            Step(id=f"clean-up/destroy-{name}", title=f"Destroy {name}", action=DestroyMachine(machine=name), lane=name)
            for name in machines
        ),
    )


def ask(question: str) -> Stage:
    """A question and nothing else: what follows has no way back."""
    return Stage(
        id="ask",
        title="Ask",
        impact=Impact.NONE,
        way_back="nothing is changed",
        steps=(),
        gate=Gate(
            id="ask/approve",
            question=question,
        ),
    )
