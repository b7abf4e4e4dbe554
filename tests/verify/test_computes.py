"""Computes as nova and neutron have them: what is asked of real HTTP servers, and what is made of their answers."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from openstack.compute.v2.server import Server

from saltus.verify.computes import FakeComputes, OpenStackComputes, await_agents


class Sdk:
    """What of an openstacksdk connection is used: two proxies that keep what they were asked."""

    def __init__(self) -> None:
        self.compute = self.network = self
        self.asked: list[tuple[str, Any]] = []
        self.moving: dict[str, list[Any]] = {}
        self.reported = "t"
        self.has: dict[str, tuple[str, str | None]] = {}

    def services(self, **query: Any) -> Iterator[Any]:
        for host in ("cmp01", "cmp02", "ctl01"):
            status, reason = self.has.get(host, ("enabled", None))
            yield Thing(
                host=host, id=f"id-{host}", state="up", updated_at=self.reported, status=status, disabled_reason=reason
            )

    def agents(self, **query: Any) -> Iterator[Any]:
        yield Thing(host="cmp01", binary="neutron-openvswitch-agent", is_alive=True, last_heartbeat_at="t")
        yield Thing(host="cmp01", binary="neutron-dhcp-agent", is_alive=True, last_heartbeat_at="t")

    def put(self, path: str, **more: Any) -> Any:
        self.asked.append((path, more["json"]))
        return Thing(status_code=200 if "cmp01" in path else 409, headers={}, text="", reason="Conflict", url=path)

    def servers(self, **query: Any) -> Iterator[Any]:
        assert query == {"all_projects": True, "compute_host": "cmp01"}
        # What the SDK does not know it looks for in the answers, where a compute has another name: nothing is found.
        assert set(query) <= set(Server._query_mapping._mapping)
        yield Thing(id="1", name="web", status="ACTIVE", metadata={})
        yield Thing(id="2", name="pinned", status="ACTIVE", metadata={"saltus:drain": "none"})
        yield Thing(id="3", name="cold", status="ACTIVE", metadata={"saltus:drain": "cold-migrate"})

    def live_migrate_server(self, server: Any, **more: Any) -> None:
        self.asked.append(("live", server.name))

    def migrate_server(self, server: Any) -> None:
        self.asked.append(("cold", server.name))
        self.moving[server.id] = ["VERIFY_RESIZE", "ACTIVE"]

    def confirm_server_resize(self, server: Any) -> None:
        self.asked.append(("confirm", server.id))

    def get_server(self, name: str) -> Any:
        status = self.moving.get(name, ["ACTIVE"]).pop(0)
        return Thing(id=name, status=status, task_state=None, compute_host="cmp02", fault=None)


class Thing:
    def __init__(self, **fields: Any) -> None:
        self.__dict__.update(fields)


@pytest.fixture
def sdk(monkeypatch: pytest.MonkeyPatch) -> Sdk:
    monkeypatch.setattr("saltus.verify.computes.POLL_S", 0.01)
    return Sdk()


def test_a_compute_is_disabled_with_its_reason_and_an_unknown_one_is_told(sdk: Sdk) -> None:
    failed = OpenStackComputes(sdk).disable(["cmp01", "cmp09"], "Saltus: upgrade\nto epoxy" + "x" * 300)
    ((path, body),) = sdk.asked
    assert path == "/os-services/id-cmp01"
    assert body["status"] == "disabled"
    assert body["disabled_reason"].startswith("Saltus: upgrade to epoxy")
    assert len(body["disabled_reason"]) == 255
    assert failed == {"cmp09": "nova knows no nova-compute on it"}


@pytest.mark.parametrize("reason", ["bad DIMM", None])
def test_what_somebody_else_has_disabled_stays_so_with_their_reason(sdk: Sdk, reason: str | None) -> None:
    computes, told = OpenStackComputes(sdk), reason or "no reason given"
    sdk.has["cmp01"] = ("disabled", reason)
    assert computes.closed(["cmp01", "cmp02"]) == {"cmp01": told}
    for words in ("Saltus: upgrade to epoxy", "Saltus: the disk is full" + "x" * 300):
        computes.disable(["cmp01"], words)
        sdk.has["cmp01"] = ("disabled", sdk.asked[-1][1]["disabled_reason"])
        assert sdk.has["cmp01"][1].startswith(words[:200])
    assert computes.closed(["cmp01", "cmp02"]) == {"cmp01": told}
    computes.enable(["cmp01"])
    assert sdk.asked[-1][1] == {"status": "disabled", "disabled_reason": told}


@pytest.mark.parametrize("reason", ["Saltus: upgrade to epoxy", "AUTO: Connection to libvirt lost: 0"])
def test_what_we_or_nova_itself_disabled_is_enabled(sdk: Sdk, reason: str) -> None:
    sdk.has["cmp01"] = ("disabled", reason)
    assert OpenStackComputes(sdk).closed(["cmp01"]) == {}
    OpenStackComputes(sdk).enable(["cmp01"])
    assert sdk.asked[-1][1] == {"status": "enabled"}


def test_instances_are_moved_as_their_host_says_and_as_their_own_metadata_says(sdk: Sdk) -> None:
    moved = OpenStackComputes(sdk).drain("cmp01", "live-migrate", 5, lambda text: None)
    assert [(one.name, one.how) for one in moved] == [("web", "live-migrate"), ("cold", "cold-migrate")]
    assert sdk.asked == [("live", "web"), ("cold", "cold"), ("confirm", "3")]


def test_where_the_host_says_nothing_only_those_that_ask_are_moved(sdk: Sdk) -> None:
    assert [one.name for one in OpenStackComputes(sdk).drain("cmp01", "none", 5, lambda text: None)] == ["cold"]


def test_only_the_agents_that_are_asked_for_are_looked_at(sdk: Sdk) -> None:
    heard = OpenStackComputes(sdk).heard(["cmp01"], ["nova-compute", "neutron-openvswitch-agent"])
    assert sorted(heard) == ["cmp01"]
    assert sorted(heard["cmp01"]) == ["neutron-openvswitch-agent", "nova-compute"]


def test_an_agent_is_alive_when_it_has_reported_anew(sdk: Sdk) -> None:
    """What was reported before the restart is no sign of life."""
    silent = await_agents(OpenStackComputes(sdk), ["cmp01"], ["nova-compute"], timeout_s=0.1)
    assert silent == {"cmp01": "not heard from within 0 s: nova-compute"}
    assert await_agents(FakeComputes(["cmp01"]), ["cmp01"], ["nova-compute"], timeout_s=5) == {}


def test_what_was_reported_since_a_moment_is_new_whatever_was_known_before(sdk: Sdk) -> None:
    sdk.reported = "2017-09-01T10:00:05.000000"
    computes, hosts, agents = OpenStackComputes(sdk), ["cmp01"], ["nova-compute"]
    before, behind = datetime(2017, 9, 1, 10, 0, 4, tzinfo=UTC), datetime(2017, 9, 1, 10, 0, 6, tzinfo=UTC)
    assert await_agents(computes, hosts, agents, timeout_s=0.1, since=before) == {}
    assert list(await_agents(computes, hosts, agents, timeout_s=0.1, since=behind)) == ["cmp01"]
