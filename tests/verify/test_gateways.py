"""Gateways as neutron has them: what is asked, in which order, and when a router counts as moved."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from saltus.errors import OperatorError
from saltus.verify.gateways import Carried, OpenStackGateways


class Thing:
    def __init__(self, **fields: Any) -> None:
        self.__dict__.update(fields)


class Neutron:
    """Two L3 and two DHCP agents, a router of each kind and a network; as far as gateways ask for them.

    A router's ports become active on its new agent when they are looked at the second time.
    """

    def __init__(self) -> None:
        self.network = self
        self.asked: list[str] = []
        self.all = [
            Thing(id=f"{kind}-{host}", host=host, binary=f"neutron-{kind}-agent", is_alive=True, is_admin_state_up=True,
                  configuration={"agent_mode": "legacy", "routers": load, "networks": load})
            for kind in ("l3", "dhcp")
            for host, load in (("gtw01", 1), ("gtw02", 5), ("gtw03", 2))
        ]  # fmt: skip
        self.all.append(
            Thing(id="l3-cmp01", host="cmp01", binary="neutron-l3-agent", is_alive=True, is_admin_state_up=True,
                  configuration={"agent_mode": "dvr", "routers": 0})
        )  # fmt: skip
        self.hosts = {"plain": ["gtw01"], "spare": ["gtw01", "gtw02"], "net": ["gtw01"]}
        self.settled: dict[str, int] = {}
        self.refuses: set[str] = set()
        self.wants_dhcp = True

    def agents(self, binary: str) -> Iterator[Any]:
        return (agent for agent in self.all if agent.binary == binary)

    def update_agent(self, agent: Any, **attributes: Any) -> None:
        agent.is_admin_state_up = attributes["is_admin_state_up"]
        self.asked.append(f"{agent.id} up={agent.is_admin_state_up}")

    def agent_hosted_routers(self, agent: Any) -> Iterator[Any]:
        return (self.get_router(n) for n in ("plain", "spare") if agent.host in self.hosts[n])

    def dhcp_agent_hosting_networks(self, agent: Any) -> Iterator[Any]:
        return (Thing(id="net", name="office") for _ in range(agent.host in self.hosts["net"]))

    def routers_hosting_l3_agents(self, router: str) -> list[Any]:
        return [agent for agent in self.all if agent.binary == "neutron-l3-agent" and agent.host in self.hosts[router]]

    def network_hosting_dhcp_agents(self, network: str) -> list[Any]:
        return [a for a in self.all if a.binary == "neutron-dhcp-agent" and a.host in self.hosts[network]]

    def get_router(self, name: str) -> Any:
        return Thing(id=name, name=name, is_ha=name == "spare", external_gateway_info={"network_id": "ext"})

    def find_router(self, name: str, ignore_missing: bool) -> Any:
        return self.get_router(name) if name in self.hosts else None

    def find_network(self, name: str, ignore_missing: bool) -> Any:
        return Thing(id=name) if name in self.hosts else None

    def subnets(self, network_id: str) -> list[Any]:
        return [Thing(is_dhcp_enabled=self.wants_dhcp)]

    def ports(self, **query: str) -> list[Any]:
        owner = query.get("device_id") or query["network_id"]
        looks = self.settled[owner] = self.settled.get(owner, 0) + 1
        kind = "network:dhcp" if owner == "net" else "network:router_gateway"
        status = "ACTIVE" if looks > 1 else "DOWN"
        return [
            *(Thing(id=f"p-{h}", device_owner=kind, binding_host_id=h, status=status) for h in self.hosts[owner][-1:]),
            Thing(id="p-vm", device_owner="compute:nova", binding_host_id="cmp01", status="DOWN"),
        ]

    def post(self, path: str, json: dict[str, str]) -> Any:
        (thing,) = json.values()
        host = path.split("/")[2].partition("-")[2]
        self.asked.append(f"add {thing} {host}")
        if thing in self.refuses:
            return Thing(status_code=409, headers={}, text="", content=b"", reason="Conflict", url=path)
        self.hosts[thing].append(host)
        return Thing(status_code=201, headers={})

    def delete(self, path: str) -> Any:
        _, _, agent, _, thing = path.split("/")
        host = agent.partition("-")[2]
        self.asked.append(f"remove {thing} {host}")
        self.hosts[thing].remove(host)
        return Thing(status_code=204, headers={})


PLAIN = Carried("router", "plain", "plain", outside=True)
SPARE, NETWORK = Carried("router", "spare", "spare"), Carried("dhcp", "net", "office")


@pytest.fixture
def neutron(monkeypatch: pytest.MonkeyPatch) -> Neutron:
    monkeypatch.setattr("saltus.verify.gateways.POLL_S", 0.01)
    return Neutron()


def test_what_a_gateway_carries_is_its_routers_and_its_dhcp(neutron: Neutron) -> None:
    """Only of a router without a standby is it certain that its way out is there."""
    assert OpenStackGateways(neutron).carried("gtw01") == [PLAIN, SPARE, NETWORK]
    assert OpenStackGateways(neutron).carried("gtw03") == []


def test_the_least_busy_gateway_comes_first_and_no_compute_takes_a_router(neutron: Neutron) -> None:
    gateways = OpenStackGateways(neutron)
    assert gateways.takers("router", ["gtw01"]) == ["gtw03", "gtw02"]
    neutron.all[1].is_alive = False
    neutron.all[2].is_admin_state_up = False
    assert gateways.takers("router", ["gtw01"]) == []


def test_a_router_runs_in_one_place_and_is_waited_for(neutron: Neutron) -> None:
    assert OpenStackGateways(neutron).move(PLAIN, "gtw01", ["gtw03", "gtw02"], 5) == "gtw03"
    assert neutron.asked == ["remove plain gtw01", "add plain gtw03"]
    assert neutron.settled["plain"] == 2, "looked at until its ports were active there"


def test_dhcp_is_served_by_the_next_before_the_old_one_ends(neutron: Neutron) -> None:
    OpenStackGateways(neutron).move(NETWORK, "gtw01", ["gtw03"], 5)
    assert neutron.asked == ["add net gtw03", "remove net gtw01"]


def test_a_network_that_wants_no_dhcp_has_no_port_to_wait_for(neutron: Neutron) -> None:
    neutron.wants_dhcp = False
    OpenStackGateways(neutron).move(NETWORK, "gtw01", ["gtw03"], 5)
    assert "net" not in neutron.settled


def test_a_router_with_a_standby_elsewhere_only_leaves(neutron: Neutron) -> None:
    assert OpenStackGateways(neutron).move(SPARE, "gtw01", ["gtw02"], 5) == ""
    assert neutron.asked == ["remove spare gtw01"]


def test_what_nobody_takes_stays_and_is_told(neutron: Neutron) -> None:
    with pytest.raises(OperatorError, match="router plain stays on gtw01") as raised:
        OpenStackGateways(neutron).move(PLAIN, "gtw01", [], 5)
    assert raised.value.because == "no other gateway that lives takes it"
    assert neutron.asked == []


def test_a_router_that_neutron_refuses_to_give_is_told(neutron: Neutron) -> None:
    neutron.refuses.add("plain")
    with pytest.raises(OperatorError, match="cannot move router plain off gtw01"):
        OpenStackGateways(neutron).move(PLAIN, "gtw01", ["gtw03"], 5)


def test_a_router_that_does_not_become_active_is_told_with_its_ports(neutron: Neutron) -> None:
    neutron.settled["plain"] = -(10**9)
    with pytest.raises(OperatorError, match="router plain does not work on gtw03") as raised:
        OpenStackGateways(neutron).move(PLAIN, "gtw01", ["gtw03"], 0.05)
    assert "port p-gtw03" in raised.value.because


def test_what_was_moved_comes_back_and_is_taken_from_who_had_it(neutron: Neutron) -> None:
    gateways = OpenStackGateways(neutron)
    neutron.hosts["plain"] = ["gtw03"]
    assert gateways.bring(PLAIN, "gtw01", 5)
    assert neutron.asked == ["remove plain gtw03", "add plain gtw01"]
    neutron.asked.clear()
    neutron.hosts["spare"] = ["gtw02"]
    assert gateways.bring(SPARE, "gtw01", 5)
    assert neutron.asked == ["add spare gtw01"], "a standby is one more place"
    del neutron.hosts["net"]
    assert not gateways.bring(NETWORK, "gtw01", 5), "removed by its owner"


def test_a_gateway_is_closed_with_both_its_agents(neutron: Neutron) -> None:
    gateways = OpenStackGateways(neutron)
    assert gateways.close(["gtw01"]) == {}
    assert neutron.asked == ["l3-gtw01 up=False", "dhcp-gtw01 up=False"]
    failed = gateways.open(["gtw01", "cmp09"])
    assert failed == {"cmp09": "neutron knows no neutron-l3-agent and no neutron-dhcp-agent on it"}
