"""Machines: created once, created anew, booted, destroyed with their keys."""

from typing import Any

from world import World

from saltus.machines.provider import MachineState
from saltus.plan.actions import CreateMachine, DestroyMachine, StartMachine, StopMachine


def new_control(**more: Any) -> CreateMachine:
    return CreateMachine(machine="ctl01-b", node="ctl01", release="epoxy", image="ctl-epoxy", slot="b", **more)


def test_a_machine_is_created_as_the_model_and_the_plan_say(world: World) -> None:
    assert world.perform(new_control()).status == "done"
    machine = world.provider.get("ctl01-b")
    assert machine is not None
    assert machine.state is MachineState.RUNNING
    spec = machine.spec
    assert (spec.address, spec.gateway, spec.hostname) == ("10.77.0.12/24", "10.77.0.1", "ctl01")
    assert spec.labels == {"cloud": "small", "node": "ctl01", "slot": "b", "release": "epoxy"}
    assert [volume.name for volume in spec.volumes] == ["small-ctl01-images"]
    assert "'release': 'epoxy'" in str(world.provider.disk("ctl01-b")["/etc/salt/minion.d/saltus.conf"])


def test_a_rehearsals_machine_is_isolated(world: World) -> None:
    action = CreateMachine(machine="upg01", node="upg01", release="epoxy", image="upg-epoxy", isolated=True)
    assert world.perform(action).status == "done"
    machine = world.provider.get("upg01")
    assert machine is not None
    assert machine.spec.isolated


def test_fresh_destroys_what_an_earlier_run_left_and_forgets_its_key(world: World) -> None:
    world.create("ctl01-b", release="antelope")
    assert world.perform(new_control(fresh=True)).status == "done"
    assert world.provider.calls == [("destroy", "ctl01-b"), ("create", "ctl01-b"), ("start", "ctl01-b")]
    assert world.forgotten == ["ctl01-b"]


def test_a_second_attempt_builds_on_the_machine_that_the_first_created(world: World) -> None:
    world.provider.cannot_boot["ctl01-b"] = "kernel panic"
    failed = world.perform(new_control(fresh=True))
    assert failed.status == "failed"
    assert failed.failure is not None
    assert "kernel panic" in failed.failure.because
    del world.provider.cannot_boot["ctl01-b"]
    run = world.journal.runs()[-1].id
    assert world.run(run).status == "done"
    assert world.provider.calls == [("create", "ctl01-b"), ("start", "ctl01-b")]


def test_a_machine_whose_minion_never_answers_fails_the_step(world: World) -> None:
    world.fleet.silence("ctl01-b")
    state = world.perform(new_control())
    assert state.failure is not None
    assert state.failure.what == "ctl01-b did not return from test.ping"


def test_starting_and_stopping_may_be_repeated(world: World) -> None:
    world.create("ctl01-a")
    for action in (StopMachine(machine="ctl01-a"), StopMachine(machine="ctl01-a")):
        assert world.perform(action).summary == "ctl01-a is off, its disk kept"
    for action in (StartMachine(machine="ctl01-a"), StartMachine(machine="ctl01-a")):
        assert world.perform(action).summary == "ctl01-a is up"
    assert world.provider.calls == [("stop", "ctl01-a"), ("start", "ctl01-a")]


def test_a_machine_is_destroyed_with_its_key_and_one_that_is_gone_is_nothing_to_do(world: World) -> None:
    world.create("ctl01-a")
    assert world.perform(DestroyMachine(machine="ctl01-a")).summary == "ctl01-a and its disk are gone"
    assert world.perform(DestroyMachine(machine="ctl01-a")).summary == "there is no ctl01-a"
    assert world.forgotten == ["ctl01-a"]
