"""Gateways on fakes: emptied before they are touched, filled again behind it, and what happens when that cannot be."""

from __future__ import annotations

from pathlib import Path

import pytest
from world import PLANS, World, made_of

from planning import catalog, cloud_of, facts_of
from saltus.journal.fold import RunState
from saltus.plan import Plan
from saltus.planner.gateways import GatewayRequest
from saltus.planner.plans import plan_gateway, plan_gateway_rollback
from saltus.runner.gates import AutoApprover
from saltus.runner.performers import fanout
from saltus.runner.performers.registry import performers
from saltus.runner.run import Runner
from saltus.verify.gateways import Carried

NODES = ("gtw01", "gtw02")
ROUTER = Carried("router", "r1", "office", outside=True)
INNER = Carried("router", "r2", "inner")
NETWORK = Carried("dhcp", "n1", "office-net")
TABLE = {
    "suite": "trixie",
    "changes": [],
    "held": [],
    "kept_back": [],
    "blocked": None,
    "download_bytes": 10,
    "unpacked_bytes": 20,
    "digest": "d",
    "seconds": 1,
}


@pytest.fixture
def gateways(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):  # type: ignore[no-untyped-def]
    """The shape `computes` with its control plane moved, and things that its gateways carry."""
    case = PLANS / "gateway-zed-to-epoxy"
    with made_of(cloud_of(case), facts_of(case), tmp_path) as world:
        monkeypatch.setattr(fanout, "BACK_WITHIN_S", 0.1)
        monkeypatch.setattr("saltus.verify.computes.POLL_S", 0.01)
        answers = {
            "saltus_packages.difference": TABLE,
            "saltus_way_back.record": {"packages": 3, "files": 9, "seconds": 1, "free_bytes": 10},
            "saltus_way_back.restore": {"release": "zed", "put_back": 9, "removed": 1, "differences": [], "seconds": 1},
            "saltus_packages.upgrade": {"seconds": 1, "changed": 3, "set_aside": []},
            "saltus_compute.restart": {"neutron-l3-agent.service": 1.0},
            "saltus_compute.check_network": {"bridges": ["br-int", "br-ex"]},
            "saltus_compute.check_routers": {"r1": "default via 10.82.0.1"},
        }
        for function, value in answers.items():
            world.fleet.answer(function, value)
        world.create("ctl01-b", "dbs01", "msg01", "prx01-b", release="epoxy")
        world.create(*NODES, release="zed")
        world.computes._nodes.extend(NODES)
        world.gateways.on["gtw01"] += [ROUTER, NETWORK]
        world.gateways.on["gtw02"] += [INNER]
        yield world


def plan(world: World, nodes: tuple[str, ...] = NODES) -> Plan:
    request = GatewayRequest(target="epoxy", nodes=nodes)
    return plan_gateway(world.ground.cloud, world.facts, catalog(), request)


def walk(world: World, run: str) -> RunState:
    return Runner(world.journal, performers(world.ground), AutoApprover("ann"), by="ann").run(run)


def begin(world: World, made: Plan) -> tuple[str, RunState]:
    world.journal.save_plan(made)
    run = world.journal.create_run(made, by="ann")
    return run, walk(world, run)


def test_each_gateway_is_emptied_into_the_other_and_gets_back_what_it_had(gateways: World) -> None:
    _, state = begin(gateways, plan(gateways))
    assert state.status == "done", state.failures()
    assert set(gateways.gateways.on["gtw01"]) == {ROUTER, NETWORK}
    assert gateways.gateways.on["gtw02"] == [INNER]
    assert gateways.gateways.closed == set()
    order = [call[:2] for call in gateways.gateways.calls]
    assert order.index(("move", "r1")) < order.index(("close", "gtw01")) < order.index(("open", "gtw01"))
    assert order.index(("open", "gtw01")) < order.index(("close", "gtw02")), "never both at once"
    assert state.steps["sample/empty"].summary == "1 empty, 2 routers and networks moved"
    assert state.steps["sample/refill"].evidence["worked"] == {"gtw01": ["DHCP of office-net", "router office"]}
    assert {gateways.ground.provider.get(n).spec.labels["release"] for n in NODES} == {"epoxy"}  # type: ignore[union-attr]


def test_nothing_is_upgraded_before_the_gateway_is_empty(gateways: World) -> None:
    gateways.gateways.stuck["r1"] = "no other gateway that lives takes it"
    _, state = begin(gateways, plan(gateways))
    assert state.status == "paused"
    ((step, failure),) = state.failures()
    assert step == "sample/budget"
    assert "router office stays on gtw01" in failure.because
    assert "saltus_packages.upgrade" not in {function for _, function in gateways.calls()}
    assert ROUTER in gateways.gateways.on["gtw01"]
    assert gateways.gateways.closed == set()


def test_what_a_gateway_had_is_known_after_its_first_attempt_failed_half_way(gateways: World) -> None:
    """The network had been moved when the router was found stuck: it comes back, too."""
    gateways.gateways.stuck["r1"] = "its ports do not become active"
    run, state = begin(gateways, plan(gateways))
    assert state.status == "paused"
    assert NETWORK in gateways.gateways.on["gtw02"]
    gateways.gateways.stuck.clear()
    from saltus.commands import runs
    from saltus.journal.approvals import Person

    runs.retry(gateways.journal, run, Person("ann", "here"), step="sample/record")
    state = walk(gateways, run)
    assert state.status == "done", state.failures()
    assert set(gateways.gateways.on["gtw01"]) == {ROUTER, NETWORK}


def test_a_router_that_its_owner_removed_meanwhile_is_not_missed(gateways: World) -> None:
    gateways.gateways.gone.add("r1")
    _, state = begin(gateways, plan(gateways))
    assert state.status == "done", state.failures()
    assert state.steps["sample/refill"].evidence["worked"] == {"gtw01": ["DHCP of office-net"]}


def test_a_router_without_its_way_out_fails_the_gateway(gateways: World) -> None:
    gateways.fleet.answer(
        "saltus_compute.check_routers", raises="ERROR: the router r1 has no default route", minion="gtw01"
    )
    _, state = begin(gateways, plan(gateways))
    assert state.status == "paused"
    ((_, failure),) = state.failures()
    assert "the router r1 has no default route" in failure.because


def test_a_gateway_returns_empty_too(gateways: World) -> None:
    gateways.facts = facts_of(PLANS / "gateway-rollback")
    made = plan_gateway_rollback(gateways.ground.cloud, gateways.facts, catalog(), ["gtw01"])
    _, state = begin(gateways, made)
    assert state.status == "done", state.failures()
    functions = [call for call in gateways.calls() if call[1].startswith("saltus_way_back")]
    assert functions == [("gtw01", "saltus_way_back.restore")]
    assert set(gateways.gateways.on["gtw01"]) == {ROUTER, NETWORK}
    assert [call[0] for call in gateways.gateways.calls][-2:] == ["bring", "bring"]
