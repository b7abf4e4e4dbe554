"""Performers of what is done to images and machines."""

from __future__ import annotations

from dataclasses import dataclass

from saltus.machines.images import Image as Built
from saltus.machines.images import ImageSpec
from saltus.machines.provider import MachineSpec, Volume
from saltus.plan.actions import BuildImage, CreateMachine, DestroyMachine, StartMachine, StopMachine
from saltus.planner.images import Image, image_of
from saltus.runner.performer import Outcome, StepContext
from saltus.runner.performers.ground import Ground

ANSWER_TIMEOUT_S = 420.0


@dataclass(frozen=True)
class ImageBuilder:
    ground: Ground

    def perform(self, action: BuildImage, context: StepContext) -> Outcome:
        ground = self.ground
        node = ground.cloud.node(action.node)
        catalog = ground.catalog
        image = image_of(ground.cloud, node, action.release, catalog.roles, catalog.releases)
        before = ground.images.find(image.name)
        built = self._build(image, context)
        if before is not None and before.fingerprint == built.fingerprint:
            return Outcome(f"{image.name} is up to date")
        return Outcome(
            f"{image.name}: {len(image.packages)} packages and what they need, on {image.suite}",
            {"image": image.name, "fingerprint": built.fingerprint, "seconds": round(built.build_s, 1)},
        )

    def _build(self, image: Image, context: StepContext) -> Built:
        if image.parent:
            parent = self._build(image.parent, context).name
        else:
            base = ImageSpec(name=f"base-{image.suite}", suite=image.suite)
            parent = self.ground.images.build(base, context.say).name
        spec = ImageSpec(name=image.name, suite=image.suite, packages=image.packages, parent=parent)
        return self.ground.images.build(spec, context.say)


@dataclass(frozen=True)
class MachineCreator:
    ground: Ground

    def perform(self, action: CreateMachine, context: StepContext) -> Outcome:
        ground = self.ground
        existing = ground.provider.get(action.machine)
        if existing is not None and action.fresh and not context.noted().get("created"):
            context.say(f"removing the {action.machine} of an earlier run")
            _destroy(ground, action.machine)
            existing = None
        if existing is None:
            context.note({"created": True})
            ground.provider.create(self._spec(action))
        boot_and_wait(ground, action.machine, context)
        return Outcome(f"{action.machine} is up on {action.image}", {"machine": action.machine})

    def _spec(self, action: CreateMachine) -> MachineSpec:
        cloud = self.ground.cloud
        node = cloud.node(action.node)
        network = cloud.networks.management
        grains = {"node": action.node, "slot": action.slot, "release": action.release}
        return MachineSpec(
            name=action.machine,
            image=action.image,
            address=f"{cloud.machine(action.machine).address}/{network.cidr.prefixlen}",
            gateway=str(network.master),
            hostname=action.node,
            isolated=action.isolated,
            hypervisor=node.external,
            volumes=tuple(
                Volume(f"{cloud.name}-{node.name}-{name}", volume.path) for name, volume in node.volumes.items()
            ),
            files=self.ground.minion_files(action.machine, grains),
            labels={"cloud": cloud.name, "node": action.node, "slot": action.slot or "", "release": action.release},
        )


@dataclass(frozen=True)
class MachineStarter:
    ground: Ground

    def perform(self, action: StartMachine, context: StepContext) -> Outcome:
        boot_and_wait(self.ground, action.machine, context)
        return Outcome(f"{action.machine} is up")


@dataclass(frozen=True)
class MachineStopper:
    ground: Ground

    def perform(self, action: StopMachine, context: StepContext) -> Outcome:
        self.ground.provider.stop(action.machine)
        return Outcome(f"{action.machine} is off, its disk kept")


@dataclass(frozen=True)
class MachineDestroyer:
    ground: Ground

    def perform(self, action: DestroyMachine, context: StepContext) -> Outcome:
        if self.ground.provider.get(action.machine) is None:
            return Outcome(f"there is no {action.machine}")
        _destroy(self.ground, action.machine)
        return Outcome(f"{action.machine} and its disk are gone")


def boot_and_wait(ground: Ground, machine: str, context: StepContext) -> None:
    """Boot it and return when its minion answers and has the formulas' modules."""
    context.say(f"booting {machine}")
    ground.provider.start(machine)
    context.say(f"waiting for the minion of {machine}")
    ground.fleet.wait_for([machine], ANSWER_TIMEOUT_S)
    ground.fleet.sync_modules([machine])


def _destroy(ground: Ground, machine: str) -> None:
    ground.provider.destroy(machine)
    ground.forget_minion(machine)
