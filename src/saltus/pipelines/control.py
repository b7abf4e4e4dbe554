"""The control plane: a new slot built while the old one serves, and a window that holds only what must be in it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from saltus.pipelines.scene import Pair, Scene
from saltus.plan import Gate, Impact, Stage, Step
from saltus.plan.actions import (
    ApplyState,
    BootInstance,
    BuildImage,
    CompareLists,
    CompareMachines,
    CreateMachine,
    ListApis,
    PrepareStart,
    ReachProxy,
    RecordVersions,
    StartServices,
    StopMachine,
    StopServices,
    SwitchProxy,
)
from saltus.plan.databases import BackUpDatabases, DbSync, PrepareBackup, PrepareDbSync

FROZEN = "frozen"
"""The label of the backup that a rollback returns to."""

BEFORE = "before"
"""The label of the API lists taken just before the window."""

UNSWITCHED = "unswitched"
"""The label of the new slot's API lists, asked before anybody else can ask it."""


def prepare(scene: Scene) -> Stage:
    """Build the idle slot: machines created, packages installed, configuration written, nothing that writes started."""

    def build(pair: Pair) -> Iterator[Step]:
        lane = pair.node
        yield Step(
            id=f"prepare/image-{pair.node}",
            title=f"Build the image {pair.image}",
            action=BuildImage(image=pair.image, node=pair.node, release=scene.target),
            lane=lane,
        )
        yield Step(
            id=f"prepare/machine-{pair.node}",
            title=f"Create {pair.new}",
            action=CreateMachine(
                machine=pair.new, node=pair.node, release=scene.target, image=pair.image, slot=pair.new_slot, fresh=True
            ),
            lane=lane,
        )
        yield Step(
            id=f"prepare/configure-{pair.node}",
            title=f"Configure {pair.new}",
            action=ApplyState(target=pair.new, states=("saltus.configured",)),
            lane=lane,
        )

    return Stage(
        id="prepare",
        title=f"Build the idle slot on {scene.target} while the old one serves",
        impact=Impact.NONE,
        way_back=f"destroy {' and '.join(pair.new for pair in scene.pairs)}: nothing uses them yet",
        steps=(
            *(step for pair in scene.pairs for step in build(pair)),
            *(
                Step(
                    id=f"prepare/start-{pair.node}",
                    title=f"Start what {pair.new} may start before the window",
                    action=StartServices(machine=pair.new, wait=False)
                    if pair in scene.proxies
                    else StartServices(machine=pair.new, services=scene.early),
                    lane=pair.node,
                )
                for pair in scene.pairs
                if scene.early or pair in scene.proxies
            ),
            *(
                Step(
                    id=f"prepare/differences-{pair.node}",
                    title=f"Compare the packages and the configuration of {pair.old} and {pair.new}",
                    action=CompareMachines(node=pair.node, before=pair.old, after=pair.new),
                    lane=pair.node,
                )
                for pair in scene.pairs
            ),
            Step(
                id="prepare/reach",
                title=f"Let {_new(scene.control)} find the virtual address at {scene.proxies[0].new}, and nobody else",
                action=ReachProxy(
                    machines=tuple(pair.new for pair in scene.control), proxy=scene.proxies[0].new, address=scene.vip
                ),
            ),
            *(
                Step(
                    id=f"prepare/warm-{pair.node}",
                    title=f"Let the services of {pair.new} wait, imported and ready",
                    action=PrepareStart(machine=pair.new),
                )
                for pair in scene.control
            ),
            Step(
                id="prepare/db_sync",
                title=f"Let the manage commands wait on {scene.control[0].new}, imported and ready",
                action=PrepareDbSync(machine=scene.control[0].new, commands=scene.commands),
            ),
        ),
    )


def real_upgrade(scene: Scene) -> Stage:
    """The window: stop, freeze, db_sync, start, ask the new slot through its own proxy, compare, switch.

    Services find keystone at the virtual address; since `prepare/reach` the new ones find it in their own slot.
    """
    first = scene.control[0]
    stops = [
        Step(
            id=f"real-upgrade/stop-{pair.node}",
            title=f"Stop the services of {pair.old}: writing ends",
            action=StopServices(machine=pair.old),
            lane=pair.node if len(scene.control) > 1 else None,
        )
        for pair in scene.control
    ]
    freeze = Step(
        id="real-upgrade/freeze",
        title=f"Freeze: back up the databases of {scene.database} and take their checksums",
        action=BackUpDatabases(
            server=scene.database, label=FROZEN, method=scene.freeze, frozen=True, databases=scene.databases
        ),
    )

    def chain() -> Iterator[Step]:
        for lane, services in scene.lanes():
            for service in services:
                if service.needs_db_sync:
                    yield Step(
                        id=f"real-upgrade/db_sync-{service.name}",
                        title=f"db_sync of {service.name}",
                        action=DbSync(
                            service=service.name,
                            machine=first.new,
                            release=scene.target,
                            commands=service.commands,
                            heads=service.heads,
                            database_server=scene.database,
                        ),
                        lane=lane,
                    )
            for service in services:
                for pair in scene.control:
                    yield Step(
                        id=f"real-upgrade/start-{service.name}-{pair.node}",
                        title=f"Start {service.name} on {pair.new}",
                        action=StartServices(machine=pair.new, services=(service.name,)),
                        lane=lane,
                    )

    return Stage(
        id="real-upgrade",
        title=f"Move the control plane to {scene.target}",
        impact=Impact.API_DOWN,
        way_back="saltus rollback: the frozen databases and slot "
        + ("a" if first.new_slot == "b" else "b")
        + ", until saltus accept",
        steps=(
            Step(
                id="real-upgrade/lists-before",
                title=f"Keep the API lists of {scene.source} as they are now",
                action=ListApis(auth_host=scene.vip, label=BEFORE),
            ),
            *stops,
            freeze,
            *chain(),
            Step(
                id="real-upgrade/lists",
                title=f"Ask the APIs of {scene.target} through {scene.proxies[0].new}, before users do",
                action=ListApis(auth_host=scene.vip, label=UNSWITCHED, by=scene.proxies[0].new),
            ),
            Step(
                id="real-upgrade/compare",
                title="Compare them with the lists taken before",
                action=CompareLists(before=BEFORE, after=UNSWITCHED, unswitched=True),
            ),
            *(
                Step(
                    id=f"real-upgrade/switch-{pair.node}",
                    title=f"Switch the virtual address to {pair.new}",
                    action=SwitchProxy(take=pair.new, leave=pair.old, address=scene.vip),
                )
                for pair in scene.proxies
            ),
        ),
    )


def verify(scene: Scene, *, expires_after: timedelta | None = None) -> Stage:
    """Look again through the front door, boot an instance on an old compute, power the old slot off, and ask."""
    boots = [
        Step(
            id=f"verify/boot-{host}",
            title=f"Boot an instance through {scene.target} on {host}, which still runs {scene.source}",
            action=BootInstance(name=f"saltus-verify-{host}", host=host),
        )
        for host in scene.computes[:1]
    ]
    return Stage(
        id="verify",
        title="Verify through the front door",
        impact=Impact.NONE,
        way_back="saltus rollback, until saltus accept",
        steps=(
            Step(
                id="verify/reach",
                title=f"Let {_new(scene.control)} find the virtual address where everybody does",
                action=ReachProxy(machines=tuple(pair.new for pair in scene.control), proxy=None, address=scene.vip),
            ),
            Step(
                id="verify/lists",
                title=f"Keep the API lists of {scene.target}",
                action=ListApis(auth_host=scene.vip, label="target", like=BEFORE),
            ),
            Step(
                id="verify/compare",
                title="Compare them with the lists taken before",
                action=CompareLists(before=BEFORE, after="target"),
            ),
            *boots,
            Step(
                id="verify/prepare-backup",
                title="Make the frozen backup ready to be put back",
                action=PrepareBackup(server=scene.database, label=FROZEN),
            ),
            Step(id="verify/versions", title="Write the versions down", action=RecordVersions()),
            *(
                Step(
                    id=f"verify/power-off-{pair.old}",
                    title=f"Power {pair.old} off; its disk is kept",
                    action=StopMachine(machine=pair.old),
                    lane=pair.node,
                )
                for pair in scene.pairs
            ),
        ),
        gate=Gate(
            id="verify/keep",
            question=f"The cloud runs {scene.target}. Keep it? (no: saltus rollback takes it back to {scene.source})",
            expires_after=expires_after,
            evidence=("verify/compare", *(step.id for step in boots)),
        ),
    )


def _new(pairs: tuple[Pair, ...]) -> str:
    return " and ".join(pair.new for pair in pairs)
