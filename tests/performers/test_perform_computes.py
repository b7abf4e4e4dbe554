"""The data plane on fakes: the whole pipeline with its failures, and what is asked of whom."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import datetime, time, timedelta
from typing import Any

import pytest
from world import World

from planning import catalog
from saltus.commands import runs
from saltus.errors import Abort, OperatorError
from saltus.journal.approvals import Person
from saltus.journal.fold import RunState
from saltus.plan import Plan
from saltus.plan.actions import RunManage, WaitFor
from saltus.plan.data_plane import ComparePackages, ProveComputes, UpgradePackages
from saltus.planner.computes import ComputeRequest
from saltus.planner.plans import plan_compute, plan_compute_rollback
from saltus.runner.gates import AutoApprover
from saltus.runner.parts import parts_of
from saltus.runner.performers import computes as performers_of_computes
from saltus.runner.performers import fanout, instances
from saltus.runner.performers.computes import Waiter, is_open
from saltus.runner.performers.registry import performers
from saltus.runner.run import Runner

NODES = ("cmp01", "cmp02", "cmp03", "cmp04")


def table(**more: Any) -> dict[str, Any]:
    change = {"package": "nova-compute", "installed": "2:26", "candidate": "2:31", "source": "Debian", "size": 10}
    found = {"suite": "trixie", "changes": [{**change, "what": "upgrade"}], "held": [], "kept_back": []}
    return {**found, "blocked": None, "download_bytes": 10, "unpacked_bytes": 20, "digest": "d", "seconds": 1, **more}


class Node:
    """What a compute keeps in mind between the calls of the pipeline; `broken` is {function: error}."""

    def __init__(self) -> None:
        self.broken: dict[str, str] = {}
        self.upgraded = 0


@pytest.fixture
def nodes(computes: World, monkeypatch: pytest.MonkeyPatch) -> dict[str, Node]:
    """Every function of the pipeline answers, and each of the nodes can be broken."""
    found = {name: Node() for name in NODES}
    fleet = computes.fleet

    def answer(function: str, value: Any) -> None:
        fleet.answer(function, value)

    def upgrade(minion: str, *_: object) -> Any:
        found[minion].upgraded += 1
        return {"seconds": 1, "changed": 3, "set_aside": []}

    answer("saltus_packages.difference", table())
    answer("saltus_way_back.record", {"packages": 3, "files": 9, "seconds": 1, "free_bytes": 10})
    answer("saltus_way_back.restore", {"release": "zed", "put_back": 9, "removed": 1, "differences": [], "seconds": 1})
    answer("saltus_packages.upgrade", upgrade)
    answer("saltus_compute.restart", {"nova-compute.service": 1.0})
    answer("saltus_compute.check_network", {"bridges": ["br-int", "br-ex"]})
    answer("saltus_node.run_command", {"exit": 0, "output": "fine", "seconds": 1})
    monkeypatch.setattr(performers_of_computes, "prove", lambda ground, context, node: f"an instance ran on {node}")
    monkeypatch.setattr(fanout, "BACK_WITHIN_S", 0.1)
    monkeypatch.setattr("saltus.verify.computes.POLL_S", 0.01)
    computes.create("ctl01-b", "dbs01", "msg01", "prx01-b", release="epoxy")
    computes.create(*NODES, release="zed")
    return found


def break_(world: World, node: str, function: str, error: str) -> None:
    world.fleet.answer(function, raises=error, minion=node)


def mend(world: World, node: str, function: str, nodes: dict[str, Node]) -> None:
    def upgrade(minion: str, *_: object) -> Any:
        nodes[minion].upgraded += 1
        return {"seconds": 1, "changed": 3, "set_aside": []}

    world.fleet.answer(function, upgrade, minion=node)


def plan(world: World, **wishes: Any) -> Plan:
    request = ComputeRequest(target="epoxy", nodes=NODES, **wishes)
    return plan_compute(world.ground.cloud, world.facts, catalog(), request)


def walk(world: World, run: str) -> RunState:
    return Runner(world.journal, performers(world.ground), AutoApprover("ann"), by="ann").run(run)


def begin(world: World, made: Plan) -> tuple[str, RunState]:
    world.journal.save_plan(made)
    run = world.journal.create_run(made, by="ann")
    return run, walk(world, run)


def jobs(world: World, function: str) -> list[tuple[str, ...]]:
    return [asked.minions for asked in world.fleet.asked if asked.function == function]


def test_every_compute_comes_to_the_target_and_one_job_does_all_that_are_alike_in_a_wave(
    computes: World, nodes: dict[str, Node]
) -> None:
    _, state = begin(computes, plan(computes))
    assert state.status == "done", state.failures()
    assert jobs(computes, "saltus_packages.upgrade") == [("cmp01",), ("cmp02",), ("cmp03", "cmp04")]
    assert jobs(computes, "saltus_compute.restart")[:2] == [("cmp01",), ("cmp02", "cmp03", "cmp04")]
    assert {computes.ground.provider.get(n).spec.labels["release"] for n in NODES} == {"epoxy"}  # type: ignore[union-attr]
    assert computes.computes.disabled == {}
    assert state.steps["all/batch-01-enable"].summary == "3 serve on epoxy"
    assert state.steps["test/packages"].summary == "cmp01: 1 upgraded; 0 MiB to fetch"


def test_a_compute_that_somebody_keeps_disabled_is_upgraded_and_not_proved(
    computes: World, nodes: dict[str, Node]
) -> None:
    computes.computes.shut["cmp03"] = "bad DIMM"
    _, state = begin(computes, plan(computes))
    assert state.status == "done", state.failures()
    assert ("enable", ("cmp03",)) not in computes.computes.calls
    proved = state.steps["all/batch-01-prove"].evidence["worked"]
    assert proved["cmp03"] == "not asked: somebody keeps it disabled (bad DIMM)"  # type: ignore[index,call-overload]
    told = "3 serve on epoxy (cmp03 disabled, as somebody had left it)"
    assert state.steps["all/batch-01-enable"].summary == told


def test_a_node_that_fails_stays_disabled_with_its_error_and_the_run_pauses(
    computes: World, nodes: dict[str, Node]
) -> None:
    break_(
        computes, "cmp03", "saltus_packages.upgrade", "ERROR: the disk is full (3 MiB free): No space left on device"
    )
    run, state = begin(computes, plan(computes))
    assert state.status == "paused"
    ((step, failure),) = state.failures()
    assert step == "all/batch-01-budget"
    assert failure.what == "1 node has failed, more than the 0 of the budget: cmp03"
    assert "the disk is full" in failure.because
    assert f"saltus retry {run} --from all/batch-01-record" in failure.do
    assert computes.computes.disabled == {"cmp03": "Saltus: the disk is full (3 MiB free): No space left on device"}
    assert state.steps["all/batch-01-restart"].evidence["skipped"] == {
        "cmp03": "all/batch-01-packages: ERROR: the disk is full (3 MiB free): No space left on device"
    }
    assert ("cmp02", "cmp04") in jobs(computes, "saltus_compute.restart"), "the others of its batch go on"


def test_a_mended_node_is_done_again_alone(computes: World, nodes: dict[str, Node]) -> None:
    break_(computes, "cmp03", "saltus_packages.upgrade", "dpkg: error processing package nova-compute")
    run, state = begin(computes, plan(computes))
    assert state.status == "paused"
    mend(computes, "cmp03", "saltus_packages.upgrade", nodes)
    runs.retry(computes.journal, run, Person("ann", "here"), step="all/batch-01-record")
    state = walk(computes, run)
    assert state.status == "done", state.failures()
    assert [nodes[name].upgraded for name in NODES] == [1, 1, 1, 1], "who was done is not done again"
    assert computes.computes.disabled == {}


def test_a_run_taken_up_again_goes_on_without_those_that_failed(computes: World, nodes: dict[str, Node]) -> None:
    break_(computes, "cmp02", "saltus_compute.restart", "nova-compute.service does not start")
    run, state = begin(computes, plan(computes, batch="1"))
    assert state.status == "paused"
    assert nodes["cmp03"].upgraded == 0, "the batches behind are not begun"
    state = walk(computes, run)
    assert [step for step, _ in state.failures()] == ["finish/all-upgraded"]
    assert list(computes.computes.disabled) == ["cmp02"]
    assert computes.ground.provider.get("cmp02").spec.labels["release"] == "zed"  # type: ignore[union-attr]
    assert nodes["cmp04"].upgraded == 1


def test_failures_within_the_budget_do_not_stop_the_run(computes: World, nodes: dict[str, Node]) -> None:
    break_(computes, "cmp02", "saltus_compute.check_network", "br-int has 0 flows")
    break_(computes, "cmp03", "saltus_packages.upgrade", "broken")
    _, state = begin(computes, plan(computes, batch="1", max_failures=2))
    assert [step for step, _ in state.failures()] == ["finish/all-upgraded"]
    assert sorted(computes.computes.disabled) == ["cmp02", "cmp03"]
    assert nodes["cmp04"].upgraded == 1


def test_a_retry_that_fails_like_before_pauses_like_before(computes: World, nodes: dict[str, Node]) -> None:
    """Who asks for a retry has not said that it may go on without them."""
    break_(computes, "cmp03", "saltus_packages.upgrade", "dpkg: error processing package nova-compute")
    run, state = begin(computes, plan(computes))
    first = state.failures()
    runs.retry(computes.journal, run, Person("ann", "here"), step="all/batch-01-record")
    state = walk(computes, run)
    assert state.status == "paused"
    assert state.failures() == first


def test_the_transition_does_not_end_while_a_compute_is_left_behind(computes: World, nodes: dict[str, Node]) -> None:
    """Without the workaround for old computes, nova of the new release does not start beside one."""
    break_(computes, "cmp02", "saltus_packages.upgrade", "broken")
    run, state = begin(computes, plan(computes, batch="1", max_failures=1))
    for _ in range(2):
        assert state.status == "paused", "however often it is taken up"
        ((step, failure),) = state.failures()
        assert step == "finish/all-upgraded"
        assert failure.what == "the transition cannot end without cmp02"
        assert f"saltus retry {run} --from all/batch-01-record" in failure.do
        assert "through" not in {release for _, release in computes.recorded}
        assert state.steps["finish/computes"].status == "pending"
        state = walk(computes, run)
    mend(computes, "cmp02", "saltus_packages.upgrade", nodes)
    runs.retry(computes.journal, run, Person("ann", "here"), step="all/batch-01-record")
    state = walk(computes, run)
    assert state.status == "done", state.failures()
    assert {name for name, release in computes.recorded if release == "through"} == set(NODES)


def test_a_sample_that_fails_leaves_the_others_untouched(computes: World, nodes: dict[str, Node]) -> None:
    computes.computes.silent.add(("cmp01", "nova-compute"))
    made = plan(computes, max_failures=3)
    made = made.model_copy(
        update={
            "stages": tuple(
                stage.model_copy(
                    update={
                        "steps": tuple(
                            step.model_copy(update={"action": step.action.model_copy(update={"timeout_s": 0.1})})
                            if step.action.kind == "computes.await-agents"
                            else step
                            for step in stage.steps
                        )
                    }
                )
                for stage in made.stages
            )
        }
    )
    _, state = begin(computes, made)
    assert state.status == "paused", "the budget of the fleet is not the sample's"
    assert "not heard from within 0 s: nova-compute" in state.failures()[0][1].because
    assert [nodes[name].upgraded for name in NODES] == [1, 0, 0, 0]


def test_a_node_that_is_down_by_then_is_left_out_and_costs_nothing(computes: World, nodes: dict[str, Node]) -> None:
    computes.fleet.answer("saltus_way_back.record", {"packages": 1, "files": 1, "seconds": 1, "free_bytes": 1})
    made = plan(computes)
    world, silenced = computes, []

    def silence(minion: str, *_: object) -> Any:
        if minion == "cmp04" and not silenced:
            silenced.append(world.fleet.silence("cmp04"))
        return {"packages": 1, "files": 1, "seconds": 1, "free_bytes": 1}

    computes.fleet.answer("saltus_way_back.record", silence)
    _, state = begin(computes, made)
    assert state.steps["all/batch-01-disable"].evidence["skipped"] == {
        "cmp04": "it is down: its minion does not answer"
    }
    assert state.steps["all/batch-01-budget"].summary == (
        "0 failed so far, of 0 that may; left out because they are down: cmp04"
    )
    assert nodes["cmp04"].upgraded == 0


def test_a_minion_that_dies_in_the_middle_fails_its_node_alone_and_names_the_job(
    computes: World, nodes: dict[str, Node]
) -> None:
    original = computes.fleet.call

    def call(target: Any, function: str, *args: Any, **kwargs: Any) -> Any:
        if function == "saltus_packages.upgrade" and "cmp02" in target:
            computes.fleet.silence("cmp02")
        return original(target, function, *args, **kwargs)

    computes.fleet.call = call  # type: ignore[method-assign]
    _, state = begin(computes, plan(computes, max_failures=1))
    failed = state.steps["all/batch-01-packages"].evidence["failed"]
    assert isinstance(failed, dict)
    assert "its minion did not return from saltus_packages.upgrade (job 0" in str(failed["cmp02"])
    assert nodes["cmp03"].upgraded == 1


def test_a_node_is_tried_again_before_it_is_given_up(computes: World, nodes: dict[str, Node]) -> None:
    function, original, asked = "saltus_packages.upgrade", computes.fleet.call, Counter[str]()
    break_(computes, "cmp01", function, "the mirror is away")

    def call(target: Any, called: str, *args: object, **kwargs: Any) -> Any:
        asked[called] += 1
        if asked[function] == 2:
            mend(computes, "cmp01", function, nodes)
        return original(target, called, *args, **kwargs)

    computes.fleet.call = call  # type: ignore[method-assign]
    state = computes.perform(UpgradePackages(nodes=("cmp01",), suite="trixie", release="epoxy"))
    assert state.summary == "1 upgraded"
    assert asked[function] == 2


def test_an_instance_that_stays_silent_is_followed_by_another_and_that_is_told(
    computes: World, nodes: dict[str, Node], monkeypatch: pytest.MonkeyPatch
) -> None:
    booted = Counter[str]()

    def prove(_ground: object, _context: object, node: str) -> str:
        booted[node] += 1
        if node == "cmp02" or booted[node] == 1:
            raise OperatorError(what=f"no ping from {node}", because="its port stayed down", do="look there")
        return "it answered"

    monkeypatch.setattr(performers_of_computes, "prove", prove)
    state = computes.perform(ProveComputes(nodes=("cmp01", "cmp02")))
    assert state.evidence["worked"] == {"cmp01": "it answered; one before it did not: no ping from cmp01"}
    assert state.evidence["failed"] == {"cmp02": "no ping from cmp02: its port stayed down"}
    assert booted == {"cmp01": 2, "cmp02": 2}


def test_nodes_with_the_same_difference_are_told_as_one(computes: World, nodes: dict[str, Node]) -> None:
    other = table(digest="e", held=[{"package": "linux-image", "installed": "6"}])
    computes.fleet.answer("saltus_packages.difference", other, minion="cmp02")
    state = computes.perform(ComparePackages(nodes=NODES, suite="trixie", release="epoxy"))
    differences = state.evidence["differences"]
    assert isinstance(differences, list)
    assert [entry["nodes"] for entry in differences] == [["cmp01", "cmp03", "cmp04"], ["cmp02"]]  # type: ignore[index,call-overload]
    assert "cmp02: 1 upgraded, 1 held (linux-image)" in state.summary


def test_a_held_package_that_blocks_is_told_before_anything_is_touched(computes: World, nodes: dict[str, Node]) -> None:
    why = "E: Unable to correct problems, you have held broken packages."
    computes.fleet.answer("saltus_packages.difference", table(blocked=why), minion="cmp01")
    _, state = begin(computes, plan(computes))
    ((step, failure),) = state.failures()
    assert (state.status, step) == ("failed", "test/packages")
    assert failure.what == "the packages of cmp01 cannot be upgraded to epoxy"
    assert "apt-mark unhold" in failure.do
    assert not jobs(computes, "saltus_way_back.record")


def test_the_way_back_returns_the_sample_and_what_pillars_say_of_it(computes: World, nodes: dict[str, Node]) -> None:
    begin(computes, plan(computes))
    facts = computes.facts
    machines = {**facts.machines, "cmp01": facts.machines["cmp01"].model_copy(update={"release": "epoxy"})}
    computes.facts = facts.model_copy(update={"machines": machines, "ways_back": {"cmp01": "zed"}})
    made = plan_compute_rollback(computes.ground.cloud, computes.facts, catalog(), ["cmp01"])
    _, state = begin(computes, made)
    assert state.status == "done", state.failures()
    assert state.steps["rollback/restore"].summary == "1 have the packages and the configuration that were kept"
    assert ("cmp01", "zed") in computes.recorded
    assert computes.ground.provider.get("cmp01").spec.labels["release"] == "zed"  # type: ignore[union-attr]


def test_what_returned_and_does_not_work_is_of_the_release_that_it_returned_to(
    computes: World, nodes: dict[str, Node]
) -> None:
    """So that the upgrade can be planned again, whatever becomes of the run."""
    begin(computes, plan(computes))
    facts = computes.facts
    machines = {**facts.machines, "cmp01": facts.machines["cmp01"].model_copy(update={"release": "epoxy"})}
    computes.facts = facts.model_copy(update={"machines": machines, "ways_back": {"cmp01": "zed"}})
    break_(computes, "cmp01", "saltus_compute.restart", "ERROR: nova-compute.service did not start")
    _, state = begin(computes, plan_compute_rollback(computes.ground.cloud, computes.facts, catalog(), ["cmp01"]))
    assert state.status == "paused"
    assert computes.ground.provider.get("cmp01").spec.labels["release"] == "zed"  # type: ignore[union-attr]


def test_an_instance_that_cannot_be_moved_keeps_its_node_from_being_upgraded(
    computes: World, nodes: dict[str, Node]
) -> None:
    computes.computes.stuck["cmp01"] = "no valid host"
    _, state = begin(computes, plan(computes))
    assert state.status == "paused"
    assert "no valid host" in state.failures()[0][1].because
    assert nodes["cmp01"].upgraded == 0


def test_a_manage_command_is_run_as_often_as_it_asks(computes: World) -> None:
    exits = iter([1, 1, 0])
    computes.fleet.answer("saltus_node.run_command", lambda *_: {"exit": next(exits), "output": "", "seconds": 0})
    command = {"argv": ("nova-manage", "db", "online_data_migrations"), "user": "nova"}
    state = computes.perform(RunManage(machine="ctl01-b", command=command, repeat_on=(1,)))  # type: ignore[arg-type]
    assert state.summary == "exit 0 after 3 runs"


def test_a_manage_command_that_fails_says_what_it_said(computes: World) -> None:
    computes.fleet.answer("saltus_node.run_command", {"exit": 2, "output": "Older than N-1 computes", "seconds": 0})
    command = {"argv": ("nova-status", "upgrade", "check"), "user": "nova", "exit_codes": (0, 1)}
    state = computes.perform(RunManage(machine="ctl01-b", command=command))  # type: ignore[arg-type]
    assert state.failure is not None
    assert state.failure.because == "Older than N-1 computes"


@pytest.mark.parametrize(
    ("window", "now", "open_"),
    [
        ("22:00-06:00", time(23, 0), True),
        ("22:00-06:00", time(5, 59), True),
        ("22:00-06:00", time(6, 0), False),
        ("08:00-17:00", time(7, 59), False),
        ("08:00-17:00", time(8, 0), True),
    ],
)
def test_a_window_may_go_over_midnight(window: str, now: time, open_: bool) -> None:
    assert is_open(window, now) is open_


def test_a_batch_waits_for_its_window(computes: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(performers_of_computes, "LOOK_EVERY_S", 0.01)
    moments = iter([datetime(2026, 1, 1, 21, 59), datetime(2026, 1, 1, 22, 0)])

    class Context:
        def say(self, text: str, fraction: float | None = None) -> None: ...

        def wait(self, seconds: float) -> None: ...

    waiter = replace(Waiter(computes.ground), now=lambda: next(moments))
    assert waiter.perform(WaitFor(window="22:00-06:00"), Context()).summary == "waited 0 s"  # type: ignore[arg-type]
    with pytest.raises(StopIteration):
        next(moments)


def test_the_gate_of_the_sample_expires_after_two_hours_and_ends_the_run(computes: World) -> None:
    made = plan(computes)
    gate = next(gate for gate in made.gates() if gate.id == "sample/approve")
    assert gate.expires_after == timedelta(hours=2)
    assert gate.on_expiry == "abort"


def test_an_instance_on_a_pretended_compute_is_not_waited_for(computes: World) -> None:
    assert computes.ground.cloud.node("cmp03").driver == "fake"
    assert instances.prove.__doc__


def test_a_run_stopped_in_the_middle_of_a_wave_goes_on_with_the_others(computes: World, nodes: dict[str, Node]) -> None:
    stopped: list[str] = []

    def upgrade(minion: str, *_: object) -> Any:
        if minion == "cmp03" and not stopped:
            stopped.append(minion)
            raise Abort
        nodes[minion].upgraded += 1
        return {"seconds": 1, "changed": 3, "set_aside": []}

    computes.fleet.answer("saltus_packages.upgrade", upgrade)
    run, state = begin(computes, plan(computes))
    assert state.status == "paused"
    assert state.steps["all/batch-01-packages"].status in ("running", "unknown")
    state = walk(computes, run)
    assert state.status == "done", state.failures()
    assert [nodes[name].upgraded for name in NODES] == [1, 1, 1, 1]
    assert jobs(computes, "saltus_packages.upgrade")[-1] == ("cmp03", "cmp04")


def test_every_node_is_locked_for_its_run(computes: World) -> None:
    assert set(NODES) <= parts_of(plan(computes))
