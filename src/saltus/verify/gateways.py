"""Gateways as neutron sees them: what they carry, moved from one to another, kept from new routers, let in again."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from openstack import exceptions as sdk_errors

from saltus.errors import OperatorError
from saltus.verify.connection import translated

L3, DHCP = "neutron-l3-agent", "neutron-dhcp-agent"
Kind = Literal["router", "dhcp"]
POLL_S = 1.0
CENTRAL = ("legacy", "dvr_snat")
"""Modes of L3 agents that carry routers of the whole cloud; those of computes (`dvr`) carry their own floating ones."""


@dataclass(frozen=True)
class Carried:
    """A router, or the DHCP server of a network, that runs on a gateway."""

    kind: Kind
    id: str
    name: str
    outside: bool = False
    """Of a router: whether it must have a way to the outside there. One with a standby has it in one of its places."""

    @property
    def told(self) -> str:
        return f"router {self.name}" if self.kind == "router" else f"DHCP of {self.name}"


class Gateways(Protocol):
    """The API that knows of gateways. Nodes go by the names that neutron has for their hosts."""

    def carried(self, node: str) -> list[Carried]:
        """What runs on it; nothing where it has no such agents."""

    def takers(self, kind: Kind, away_from: Collection[str]) -> list[str]:
        """The nodes whose agent of that kind lives and takes what is given to it, the least busy first."""

    def close(self, nodes: Sequence[str]) -> dict[str, str]:
        """Keep new routers and networks away, once they are empty -> {node: why it could not be done}.

        Whatever an agent still carries then stops: neutron takes the services of a closed agent down.
        """

    def open(self, nodes: Sequence[str]) -> dict[str, str]:
        """Let routers and networks come -> {node: why it could not be done}."""

    def move(self, carried: Carried, source: str, to: Collection[str], timeout_s: float) -> str:
        """Take it from `source` to the first of `to` that does not carry it, and wait until it works there.

        Where others carry it too (routers with a standby, networks with several DHCP servers) and none of `to` is left,
        it only leaves `source`. Returns the node, or "". Raises OperatorError.
        """

    def bring(self, carried: Carried, to: str, timeout_s: float) -> bool:
        """Have it run on `to` again, taken from whoever took it; False when it exists no more. Raises OperatorError."""


class OpenStackGateways:
    """`Gateways` through neutron, as a user with the admin role."""

    def __init__(self, connection: Any) -> None:
        self._network = connection.network

    def carried(self, node: str) -> list[Carried]:
        with translated(f"cannot list what {node} carries"):
            return list(self._carried(node))

    def _carried(self, node: str) -> Iterator[Carried]:
        for agent in self._agents(L3):
            if agent.host == node and _is_central(agent):
                for router in self._network.agent_hosted_routers(agent):
                    outside = bool(router.external_gateway_info) and not router.is_ha
                    yield Carried("router", router.id, router.name or router.id, outside)
        for agent in self._agents(DHCP):
            if agent.host == node:
                for network in self._network.dhcp_agent_hosting_networks(agent):
                    yield Carried("dhcp", network.id, network.name or network.id)

    def takers(self, kind: Kind, away_from: Collection[str]) -> list[str]:
        with translated("cannot list the agents of neutron"):
            agents = [agent for agent in self._agents(_binary(kind)) if agent.host not in away_from]
        fit = [a for a in agents if a.is_alive and a.is_admin_state_up and (kind == "dhcp" or _is_central(a))]
        return [agent.host for agent in sorted(fit, key=lambda agent: (_load(agent), agent.host))]

    def close(self, nodes: Sequence[str]) -> dict[str, str]:
        return self._set(nodes, up=False)

    def open(self, nodes: Sequence[str]) -> dict[str, str]:
        return self._set(nodes, up=True)

    def _set(self, nodes: Sequence[str], *, up: bool) -> dict[str, str]:
        failed: dict[str, str] = {}
        with translated("cannot list the agents of neutron"):
            agents = [agent for binary in (L3, DHCP) for agent in self._agents(binary) if agent.host in nodes]
        for node in nodes:
            if node not in {agent.host for agent in agents}:
                failed[node] = f"neutron knows no {L3} and no {DHCP} on it"
        for agent in agents:
            try:
                with translated(f"neutron does not {'open' if up else 'close'} {agent.binary} of {agent.host}"):
                    self._network.update_agent(agent, is_admin_state_up=up)
            except OperatorError as error:
                failed[agent.host] = f"{error.what}: {error.because}"
        return failed

    def move(self, carried: Carried, source: str, to: Collection[str], timeout_s: float) -> str:
        with translated(f"cannot move {carried.told} off {source}"):
            hosts = self._hosts(carried)
            free = [node for node in to if node not in hosts]
            if not free and not [host for host, alive in hosts.items() if alive and host != source]:
                raise OperatorError(
                    what=f"{carried.told} stays on {source}",
                    because="no other gateway that lives takes it",
                    do="bring another gateway up (openstack network agent list), then retry the step",
                )
            return self._hand_over(carried, source, free[0] if free else "", timeout_s)

    def bring(self, carried: Carried, to: str, timeout_s: float) -> bool:
        with translated(f"cannot bring {carried.told} back to {to}"):
            if not self._exists(carried):
                return False
            hosts = self._hosts(carried)
            if to in hosts:
                self._await(carried, to, timeout_s)
            elif carried.kind == "router" and self._network.get_router(carried.id).is_ha:
                self._add(carried, to)  # as one more place: who is active is its own affair
            else:
                self._hand_over(carried, next(iter(hosts), ""), to, timeout_s)
            return True

    def _hand_over(self, carried: Carried, source: str, to: str, timeout_s: float) -> str:
        """A router runs in one place: it is silent between the two. What may run in two does so meanwhile."""
        if carried.kind == "router" and not self._network.get_router(carried.id).is_ha:
            if source:
                self._remove(carried, source)
            self._add(carried, to)
            self._await(carried, to, timeout_s)
            return to
        if to:
            self._add(carried, to)
        if carried.kind == "dhcp" and to:
            self._await(carried, to, timeout_s)
        if source:
            self._remove(carried, source)
        if carried.kind == "router":
            self._await(carried, "", timeout_s, left=source)
        return to

    def _agents(self, binary: str) -> Iterator[Any]:
        yield from self._network.agents(binary=binary)

    def _agent(self, carried: Carried, node: str) -> Any:
        for agent in self._agents(_binary(carried.kind)):
            if agent.host == node:
                return agent
        raise OperatorError(
            what=f"{node} cannot carry {carried.told}",
            because=f"neutron knows no {_binary(carried.kind)} on it",
            do=f"look at it: journalctl -u {_binary(carried.kind)}",
        )

    def _hosts(self, carried: Carried) -> dict[str, bool]:
        """{node that carries it: whether its agent lives}."""
        if carried.kind == "router":
            agents = self._network.routers_hosting_l3_agents(carried.id)
        else:
            agents = self._network.network_hosting_dhcp_agents(carried.id)
        return {agent.host: bool(agent.is_alive) for agent in agents}

    def _exists(self, carried: Carried) -> bool:
        find = self._network.find_router if carried.kind == "router" else self._network.find_network
        return find(carried.id, ignore_missing=True) is not None

    # Not the SDK's own calls: they do not look at what neutron answers.
    def _add(self, carried: Carried, node: str) -> None:
        key, field = ("l3-routers", "router_id") if carried.kind == "router" else ("dhcp-networks", "network_id")
        path = f"/agents/{self._agent(carried, node).id}/{key}"
        sdk_errors.raise_from_response(self._network.post(path, json={field: carried.id}))

    def _remove(self, carried: Carried, node: str) -> None:
        key = "l3-routers" if carried.kind == "router" else "dhcp-networks"
        path = f"/agents/{self._agent(carried, node).id}/{key}/{carried.id}"
        answer = self._network.delete(path)
        if answer.status_code != 404:
            sdk_errors.raise_from_response(answer)

    def _await(self, carried: Carried, node: str, timeout_s: float, *, left: str = "") -> None:
        """Wait until it works on `node`; one with a standby, until it works anywhere but on the node that it `left`."""
        deadline = time.monotonic() + timeout_s
        while waiting := self._not_there(carried, node, left):
            if time.monotonic() > deadline:
                raise OperatorError(
                    what=f"{carried.told} does not work on {node or 'another gateway'}",
                    because=f"within {timeout_s:.0f} s not active there: {', '.join(waiting)}",
                    do=f"read the log of {_binary(carried.kind)} and of neutron-openvswitch-agent there",
                )
            time.sleep(POLL_S)

    def _not_there(self, carried: Carried, node: str, left: str) -> list[str]:
        """Its ports that are not active where they should be; a DHCP server that has not made its port there yet."""
        if carried.kind == "dhcp":
            if not self._serves_dhcp(carried):
                return []
            owned = [p for p in self._network.ports(network_id=carried.id) if p.device_owner == "network:dhcp"]
            there = [port for port in owned if port.binding_host_id == node and port.status == "ACTIVE"]
            return [] if there else ["its port"]
        ports = [p for p in self._network.ports(device_id=carried.id) if p.device_owner in PORTS_OF_ROUTERS]
        astray = [p for p in ports if p.binding_host_id == left or (node and p.binding_host_id != node)]
        return [f"port {port.id}" for port in ports if port in astray or port.status != "ACTIVE"]

    def _serves_dhcp(self, carried: Carried) -> bool:
        """An agent makes no port in a network none of whose subnets wants DHCP."""
        return any(subnet.is_dhcp_enabled for subnet in self._network.subnets(network_id=carried.id))


PORTS_OF_ROUTERS = (
    "network:router_interface",
    "network:ha_router_replicated_interface",
    "network:router_gateway",
    "network:router_centralized_snat",
)


def _binary(kind: Kind) -> str:
    return L3 if kind == "router" else DHCP


def _is_central(agent: Any) -> bool:
    return (agent.configuration or {}).get("agent_mode", "legacy") in CENTRAL


def _load(agent: Any) -> int:
    said: Mapping[str, Any] = agent.configuration or {}
    return int(said.get("routers", said.get("networks", 0)) or 0)


class FakeGateways:
    """Gateways that carry what they are told to; `calls` are all requests, `stuck` what does not move."""

    def __init__(self, nodes: Sequence[str]) -> None:
        self.on: dict[str, list[Carried]] = {node: [] for node in nodes}
        self.closed: set[str] = set()
        self.calls: list[tuple[str, ...]] = []
        self.stuck: dict[str, str] = {}
        self.gone: set[str] = set()

    def carried(self, node: str) -> list[Carried]:
        return list(self.on.get(node, []))

    def takers(self, kind: Kind, away_from: Collection[str]) -> list[str]:
        open_ones = [node for node in self.on if node not in self.closed and node not in away_from]
        return sorted(open_ones, key=lambda node: (len(self.on[node]), node))

    def close(self, nodes: Sequence[str]) -> dict[str, str]:
        self.calls.append(("close", *nodes))
        self.closed |= set(nodes)
        return {}

    def open(self, nodes: Sequence[str]) -> dict[str, str]:
        self.calls.append(("open", *nodes))
        self.closed -= set(nodes)
        return {}

    def move(self, carried: Carried, source: str, to: Collection[str], timeout_s: float) -> str:
        if carried.id in self.stuck or not to:
            because = self.stuck.get(carried.id, "no other gateway that lives takes it")
            raise OperatorError(what=f"{carried.told} stays on {source}", because=because, do="move it by hand")
        target = next(iter(to))
        self.calls.append(("move", carried.id, source, target))
        self.on[source].remove(carried)
        self.on[target].append(carried)
        return target

    def bring(self, carried: Carried, to: str, timeout_s: float) -> bool:
        if carried.id in self.gone:
            return False
        self.calls.append(("bring", carried.id, to))
        for held in self.on.values():
            if carried in held:
                held.remove(carried)
        self.on[to].append(carried)
        return True
