"""Computes as nova and neutron see them: kept from new instances, emptied, heard from, let in again."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal, Protocol

from openstack import exceptions as sdk_errors

from saltus.errors import OperatorError
from saltus.verify.connection import translated

COMPUTE = "nova-compute"
DRAIN_KEY = "saltus:drain"
"""Of an instance's metadata: `none`, `live-migrate` or `cold-migrate`, whatever its host says."""
How = Literal["none", "live-migrate", "cold-migrate"]
POLL_S = 2.0
OURS, BEFORE = "Saltus: ", " | before: "
"""Beginning of our reasons why a compute is disabled, and what stands before that of whoever had disabled it before."""
AUTO = "AUTO:"
"""Beginning of nova's own, when libvirt is away; it takes them back itself (nova/virt/libvirt/driver.py)."""


@dataclass(frozen=True)
class Heard:
    """What is known of one agent: whether it is called alive, and when it reported last ("": never)."""

    alive: bool
    at: str
    because: str = ""


@dataclass(frozen=True)
class Moved:
    """An instance that was taken off a compute."""

    id: str
    name: str
    how: str
    seconds: float


class Computes(Protocol):
    """The APIs that know of computes. Nodes go by the names that nova has for their hosts."""

    def disable(self, nodes: Sequence[str], reason: str) -> dict[str, str]:
        """Keep new instances away from them -> {node: why it could not be done}."""

    def enable(self, nodes: Sequence[str]) -> dict[str, str]:
        """Let instances come, but to those that others keep closed -> {node: why it could not be done}."""

    def closed(self, nodes: Sequence[str]) -> dict[str, str]:
        """{node: why} of those that somebody else has disabled: they stay so, with that reason."""

    def drain(self, node: str, how: How, timeout_s: float, say: Callable[[str], None]) -> list[Moved]:
        """Move its instances away, those first whose metadata says so. Raises OperatorError for one that stays."""

    def heard(self, nodes: Collection[str], agents: Collection[str]) -> Mapping[str, Mapping[str, Heard]]:
        """{node: {binary: what is known of it}}; one that has never reported is missing."""


class OpenStackComputes:
    """`Computes` through nova and neutron, as a user with the admin role."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    def disable(self, nodes: Sequence[str], reason: str) -> dict[str, str]:
        return self._each(nodes, lambda found: _disabled(reason, before=_before(found.status, found.disabled_reason)))

    def enable(self, nodes: Sequence[str]) -> dict[str, str]:
        def wanted(found: Any) -> dict[str, str]:
            before = _before(found.status, found.disabled_reason)
            return {"status": "enabled"} if before is None else {"status": "disabled", "disabled_reason": before}

        return self._each(nodes, wanted)

    def closed(self, nodes: Sequence[str]) -> dict[str, str]:
        found = {node: _before(s.status, s.disabled_reason) for node, s in self._services(nodes).items()}
        return {node: why for node, why in found.items() if why is not None}

    def _each(self, nodes: Sequence[str], wanted: Callable[[Any], dict[str, str]]) -> dict[str, str]:
        services = self._services(nodes)
        failed = {}
        for node in nodes:
            if node not in services:
                failed[node] = f"nova knows no {COMPUTE} on it"
                continue
            try:
                with translated(f"nova does not do it for {node}"):
                    # Not the SDK's own call: it sends what differs from its object, and a reason alone is refused.
                    answer = self._connection.compute.put(
                        f"/os-services/{services[node].id}", json=wanted(services[node]), microversion="2.53"
                    )
                    sdk_errors.raise_from_response(answer)
            except OperatorError as error:
                failed[node] = f"{error.what}: {error.because}"
        return failed

    def _services(self, nodes: Collection[str]) -> dict[str, Any]:
        """One request for all of them: a cloud has thousands."""
        with translated("cannot list the services of nova"):
            return {s.host: s for s in self._connection.compute.services(binary=COMPUTE) if s.host in set(nodes)}

    def drain(self, node: str, how: How, timeout_s: float, say: Callable[[str], None]) -> list[Moved]:
        with translated(f"cannot list the instances of {node}"):
            servers = list(self._connection.compute.servers(all_projects=True, compute_host=node))
        moved = []
        for server in servers:
            wanted = (server.metadata or {}).get(DRAIN_KEY, how)
            if wanted in ("live-migrate", "cold-migrate"):
                say(f"{server.name}: {wanted} off {node}")
                moved.append(self._move(server, node, wanted, timeout_s))
            elif wanted != "none":
                raise OperatorError(
                    what=f"the instance {server.name} on {node} cannot be drained",
                    because=f"its metadata {DRAIN_KEY} says {wanted!r}",
                    do="say none, live-migrate or cold-migrate there",
                )
        return moved

    def _move(self, server: Any, node: str, how: str, timeout_s: float) -> Moved:
        begun = time.monotonic()
        compute = self._connection.compute
        # A stopped instance has no memory to move: nova refuses to move it live.
        live = how == "live-migrate" and server.status == "ACTIVE"
        was = server.status
        with translated(f"cannot move {server.name} off {node}"):
            if live:
                compute.live_migrate_server(server, block_migration="auto")
            else:
                compute.migrate_server(server)
            deadline = time.monotonic() + timeout_s
            while True:
                now = compute.get_server(server.id)
                if now.status == "VERIFY_RESIZE" and not now.task_state:
                    compute.confirm_server_resize(now)
                elif now.status == "ERROR":
                    raise self._stays(server, node, (now.fault or {}).get("message", "nova names no fault"))
                elif now.compute_host != node and now.status == was and not now.task_state:
                    return Moved(
                        server.id, server.name, how if live else "cold-migrate", round(time.monotonic() - begun, 1)
                    )
                elif (
                    now.compute_host == node
                    and not now.task_state
                    and now.status == was
                    and time.monotonic() > begun + 30
                ):
                    raise self._stays(server, node, "nova gave the migration up; nova-compute.log of both tells why")
                if time.monotonic() > deadline:
                    raise self._stays(server, node, f"it had not left within {timeout_s:.0f} s")
                time.sleep(POLL_S)

    @staticmethod
    def _stays(server: Any, node: str, because: str) -> OperatorError:
        return OperatorError(
            what=f"the instance {server.name} stays on {node}",
            because=because,
            do=f"move it by hand, or give it the metadata {DRAIN_KEY}=none: it then runs on through the upgrade",
        )

    def heard(self, nodes: Collection[str], agents: Collection[str]) -> dict[str, dict[str, Heard]]:
        wanted, found = set(nodes), {}
        for node, service in self._services(wanted).items() if COMPUTE in agents else ():
            found[node] = {COMPUTE: Heard(service.state == "up", service.updated_at or "")}
        if set(agents) - {COMPUTE}:
            with translated("cannot list the agents of neutron"):
                for agent in self._connection.network.agents():
                    if agent.host in wanted and agent.binary in agents:
                        heard = Heard(bool(agent.is_alive), agent.last_heartbeat_at or "")
                        found.setdefault(agent.host, {})[agent.binary] = heard
        return found


def _before(status: str, reason: str | None) -> str | None:
    """Why somebody else has disabled a compute that is as nova says; None when nobody has."""
    told = reason or "no reason given"
    if status != "disabled" or told.startswith(AUTO):
        return None
    return (told.partition(BEFORE)[2] or None) if told.startswith(OURS) else told


def _disabled(reason: str, *, before: str | None) -> dict[str, str]:
    """nova keeps 255 characters: of theirs so many stay that ours begins."""
    kept = f"{BEFORE}{before}"[:200] if before else ""
    return {"status": "disabled", "disabled_reason": reason.replace("\n", " ")[: 255 - len(kept)] + kept}


def await_agents(
    computes: Computes,
    nodes: Sequence[str],
    agents: Sequence[str],
    *,
    timeout_s: float,
    since: datetime | None = None,
    wait: Callable[[float], None] = time.sleep,
    on_alive: Callable[[str, float], None] = lambda node, seconds: None,
) -> dict[str, str]:
    """Wait until each agent of each node has reported anew and is called alive -> {node: why it is not}.

    Anew: behind `since` by the clock of the services, or else behind this call. An agent is called alive for a minute
    or two after its last report, whether it still runs or not.
    """
    begun = time.monotonic()
    first = computes.heard(nodes, agents) if since is None else {}

    def is_new(node: str, agent: str, at: str) -> bool:
        if since is not None:  # nova and neutron tell UTC without saying so
            return bool(at) and datetime.fromisoformat(at).replace(tzinfo=UTC) > since
        return agent not in first.get(node, {}) or first[node][agent].at != at

    def silent(node: str, found: Mapping[str, Heard]) -> list[str]:
        return [a for a in agents if a not in found or not found[a].alive or not is_new(node, a, found[a].at)]

    missing = list(nodes)
    while True:
        wait(POLL_S)
        now = computes.heard(missing, agents)
        for node in list(missing):
            if not silent(node, now.get(node, {})):
                missing.remove(node)
                on_alive(node, time.monotonic() - begun)
        if not missing or time.monotonic() - begun > timeout_s:
            break
    return {
        node: f"not heard from within {timeout_s:.0f} s: {', '.join(silent(node, now.get(node, {})))}"
        for node in missing
    }


class FakeComputes:
    """`Computes` in memory, for tests. `silent` agents never report, `stuck` nodes cannot be drained, others keep
    `shut` ones disabled."""

    def __init__(self, nodes: Sequence[str]) -> None:
        self.disabled: dict[str, str] = {}
        self.silent: set[tuple[str, str]] = set()
        self.stuck: dict[str, str] = {}
        self.shut: dict[str, str] = {}
        self.instances: dict[str, list[str]] = {}
        self.calls: list[tuple[str, tuple[str, ...]]] = []
        self._nodes, self._ticks = list(nodes), 0

    def disable(self, nodes: Sequence[str], reason: str) -> dict[str, str]:
        self.calls.append(("disable", tuple(nodes)))
        self.disabled.update(dict.fromkeys([node for node in nodes if node in self._nodes], reason))
        return {node: f"nova knows no {COMPUTE} on it" for node in nodes if node not in self._nodes}

    def enable(self, nodes: Sequence[str]) -> dict[str, str]:
        self.calls.append(("enable", tuple(nodes)))
        for node in nodes:
            self.disabled.pop(node, None)
        return {}

    def closed(self, nodes: Sequence[str]) -> dict[str, str]:
        return {node: why for node, why in self.shut.items() if node in nodes}

    def drain(self, node: str, how: How, timeout_s: float, say: Callable[[str], None]) -> list[Moved]:
        if node in self.stuck:
            raise OperatorError(what=f"an instance stays on {node}", because=self.stuck[node], do="move it by hand")
        gone = self.instances.pop(node, []) if how != "none" else []
        return [Moved(name, name, how, 0.0) for name in gone]

    def heard(self, nodes: Collection[str], agents: Collection[str]) -> dict[str, dict[str, Heard]]:
        self._ticks += 1
        return {
            node: {agent: Heard((node, agent) not in self.silent, str(self._ticks)) for agent in agents}
            for node in nodes
            if node in self._nodes
        }
