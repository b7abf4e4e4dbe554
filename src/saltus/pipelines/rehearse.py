"""The rehearsal: the databases' whole route on a clone, one control node of the target release, its APIs compared."""

from __future__ import annotations

from datetime import timedelta

from saltus.pipelines.scene import Scene
from saltus.plan import Gate, Impact, Stage, Step
from saltus.plan.actions import (
    ApplyState,
    BuildImage,
    CompareLists,
    CompareMachines,
    CreateMachine,
    DestroyMachine,
    ListApis,
    RecordVersions,
    StartServices,
    StopMachine,
)
from saltus.plan.databases import BackUpDatabases, CloneDatabases, DbSync, PrepareDbSync


def check(scene: Scene) -> Stage:
    """Keep what every later comparison starts from: versions and lists."""
    return Stage(
        id="check",
        title="Look at the cloud as it is",
        impact=Impact.NONE,
        way_back="nothing is changed",
        steps=(
            Step(id="check/versions", title="Write the versions down", action=RecordVersions()),
            Step(
                id="check/lists",
                title=f"Keep the API lists of {scene.source}",
                action=ListApis(auth_host=scene.vip, label="source"),
            ),
        ),
    )


def rehearse(scene: Scene, *, expires_after: timedelta | None = None) -> Stage:
    """Clone, db_sync, start and ask, on a machine that reaches nothing of production; then a person decides."""
    upg, serves = scene.rehearsal, scene.control[0]

    def step(name: str, title: str, action: object, lane: str | None = None) -> Step:
        return Step.model_validate({"id": f"rehearse/{name}", "title": title, "action": action, "lane": lane})

    db_syncs = [
        step(
            f"db_sync-{service.name}",
            f"db_sync of {service.name} on the clone",
            DbSync(
                service=service.name,
                machine=upg,
                release=scene.target,
                commands=service.commands,
                heads=service.heads,
                database_server=upg,
            ),
            lane,
        )
        for lane, chain in scene.lanes()
        for service in chain
    ]
    return Stage(
        id="rehearse",
        title=f"Rehearse {scene.target} on a clone of the databases",
        impact=Impact.NONE,
        way_back=f"nothing to undo: {upg} reaches nothing of the cloud, and destroying it removes the clone",
        steps=(
            step(
                "image",
                f"Build the image of {upg}",
                BuildImage(image=scene.rehearsal_image, node=upg, release=scene.target),
                "machine",
            ),
            step(
                "machine",
                f"Create {upg}, isolated",
                CreateMachine(
                    machine=upg, node=upg, release=scene.target, image=scene.rehearsal_image, isolated=True, fresh=True
                ),
                "machine",
            ),
            step("configure", f"Configure {upg}", ApplyState(target=upg), "machine"),
            step(
                "backup",
                f"Back up the databases of {scene.database}, while they serve",
                BackUpDatabases(server=scene.database, label="rehearsal", method="logical", databases=scene.databases),
                "backup",
            ),
            step(
                "clone",
                f"Clone {len(scene.databases)} databases to {upg}",
                CloneDatabases(server=scene.database, label="rehearsal", to=upg, databases=scene.databases),
            ),
            step(
                "ready",
                f"Let the manage commands wait on {upg}, as they will before the window",
                PrepareDbSync(machine=upg, commands=scene.commands),
            ),
            *db_syncs,
            step("start", f"Start the services of {upg}", StartServices(machine=upg)),
            step(
                "lists",
                f"Ask the APIs of {upg}",
                ListApis(auth_host=scene.rehearsal_address, label="rehearsed"),
            ),
            step(
                "compare",
                "Compare them with the running cloud's",
                CompareLists(before="source", after="rehearsed", rehearsal=True),
            ),
            step(
                "differences",
                f"Compare the packages and the configuration of {serves.old} and {upg}",
                CompareMachines(node=serves.node, before=serves.old, after=upg),
            ),
            step("stop", f"Stop {upg}; its disk is kept until the next rehearsal", StopMachine(machine=upg)),
        ),
        gate=Gate(
            id="rehearse/approve",
            question=f"The rehearsal on {scene.target} passed. Upgrade the control plane for real?",
            expires_after=expires_after,
            evidence=("rehearse/compare", "rehearse/differences"),
        ),
    )


def clean_up(scene: Scene) -> Stage:
    """What a rehearsal leaves is removed; used at the end of a plan that only rehearses."""
    return Stage(
        id="clean-up",
        title="Remove the rehearsal's machine",
        impact=Impact.NONE,
        way_back="none: it is a clone, and a new rehearsal makes another",
        steps=(
            Step(
                id="clean-up/destroy",
                title=f"Destroy {scene.rehearsal} and its clone",
                action=DestroyMachine(machine=scene.rehearsal),
            ),
        ),
    )
