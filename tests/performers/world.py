"""A small cloud of fakes, and steps run on it by the real runner, so that what a step tells is what the journal has."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from planning import catalog, cloud_of, facts_of, small
from saltus.fleet.fake import FakeFleet
from saltus.journal.fold import StepState
from saltus.journal.store import Journal
from saltus.machines.fake import FakeProvider
from saltus.machines.images import ImageStore
from saltus.machines.provider import FileContent
from saltus.model.cloud import Cloud
from saltus.plan import Impact, Plan, Stage, Step
from saltus.planner.facts import Facts
from saltus.runner.gates import AutoApprover
from saltus.runner.performers.ground import Ground
from saltus.runner.performers.machines import MachineCreator
from saltus.runner.performers.registry import performers
from saltus.runner.run import Runner
from saltus.verify.computes import FakeComputes
from saltus.verify.connection import Login
from saltus.verify.gateways import FakeGateways

PLANS = Path(__file__).parents[1] / "plans"


@dataclass
class World:
    """What the performers stand on; a test scripts `fleet` and `provider` and looks at what they were asked."""

    provider: FakeProvider
    fleet: FakeFleet
    journal: Journal
    ground: Ground
    facts: Facts
    forgotten: list[str]
    recorded: list[tuple[str, str]]
    """(machine, release) of what pillars were to be computed for."""
    computes: FakeComputes
    gateways: FakeGateways

    def perform(self, action: Any, *, facts: dict[str, str] | None = None) -> StepState:
        """Run a plan of that one step; a failure is in the state, as an operator would find it."""
        step = Step(id="stage/step", title="Do it", action=action)
        stage = Stage(id="stage", title="Do it", impact=Impact.NONE, way_back="none: a test", steps=(step,))
        plan = Plan(name="control", cloud="small", source="zed", target="epoxy", facts=facts or {}, stages=(stage,))
        return self.run(self.journal.create_run(plan, by="ann"))

    def run(self, run: str) -> StepState:
        runner = Runner(self.journal, performers(self.ground), AutoApprover("ann"), by="ann")
        return runner.run(run).steps["stage/step"]

    def calls(self) -> list[tuple[str, str]]:
        """[(minion, function)] in the order in which they were asked, pings left out."""
        return [(asked.minions[0], asked.function) for asked in self.fleet.asked if asked.function != "test.ping"]

    def create(self, *machines: str, release: str = "zed") -> None:
        """Machines that exist and run, as an earlier plan made them."""
        creator = MachineCreator(self.ground)
        for name in machines:
            machine = self.ground.cloud.machine(name)
            action = {"machine": name, "node": machine.node, "slot": machine.slot, "release": release, "image": "any"}
            self.provider.create(creator._spec(_create(action)))
            self.provider.start(name)
        self.provider.calls.clear()


def _create(fields: dict[str, Any]) -> Any:
    from saltus.plan.actions import CreateMachine

    return CreateMachine.model_validate(fields)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """The shape `small` before its control plane moves."""
    with made_of(small(), facts_of(PLANS / "control-zed-to-epoxy"), tmp_path) as made:
        yield made


@pytest.fixture
def computes(tmp_path: Path) -> Iterator[World]:
    """The shape `computes`, whose control plane has moved already."""
    case = PLANS / "compute-zed-to-epoxy"
    with made_of(cloud_of(case), facts_of(case), tmp_path) as made:
        yield made


@contextmanager
def made_of(cloud: Cloud, facts: Facts, tmp_path: Path) -> Iterator[World]:
    fleet, provider = FakeFleet(machine.name for machine in cloud.machines()), FakeProvider()
    forgotten: list[str] = []
    recorded: list[tuple[str, str]] = []
    computes = FakeComputes([node.name for node in cloud.with_role("nova.compute")])
    gateways = FakeGateways([node.name for node in cloud.with_role("neutron.gateway")])
    files: Callable[[str, Any], dict[str, FileContent]] = lambda minion, grains: {  # noqa: E731
        "/etc/salt/minion.d/saltus.conf": FileContent(f"id: {minion}\ngrains: {dict(grains)}\n")
    }
    ground = Ground(
        cloud=cloud,
        catalog=catalog(),
        provider=provider,
        images=ImageStore(tmp_path / "images"),
        fleet=fleet,
        minion_files=files,
        forget_minion=forgotten.append,
        record_release=lambda machine, release: recorded.append((machine, release)),
        forget_older=lambda machines: recorded.extend((machine, "through") for machine in machines),
        computes=lambda: computes,
        gateways=lambda: gateways,
        login=lambda host: Login(host=host, username="admin", project="admin", password="secret", region="RegionOne"),
        gather=lambda: world.facts,
        guest=tmp_path / "guest",
        tenant_password=lambda: "secret",
        lists=tmp_path / "lists",
    )
    journal = Journal(f"sqlite:///{tmp_path}/journal.db")
    world = World(provider, fleet, journal, ground, facts, forgotten, recorded, computes, gateways)
    yield world
    journal.close()
