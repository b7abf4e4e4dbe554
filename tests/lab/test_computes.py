"""The data plane of a real cloud: Epoxy's control plane over Zed's computes, until all computes run Epoxy.

Two computes run real guests, two pretend. Needs root and about 20 GiB; an hour on two cores. One story in order: the
control plane moves; an expired gate touches nobody; the sample and its way back; instances that are moved before their
host is upgraded; a failure within a batch, and beside it no end of the transition; all the others; the end, and no way
back behind it. The tests share the cloud, and each says what it expects of the one before.

It lies beside the cloud of test_upgrade.py, in a state directory and networks of its own, and takes its images. What
the tests leave for each other is kept in that directory, too: a story that failed is taken up where it stopped by
naming the tests that are left, on the cloud that was kept.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Iterator
from ipaddress import IPv4Interface
from pathlib import Path
from typing import Any

import pytest

from lab import typed
from saltus.commands.settings import Settings, shipped
from saltus.commands.workplace import Workplace
from saltus.fleet.port import values
from saltus.verify import instances
from saltus.verify.computes import DRAIN_KEY
from saltus.verify.connection import connect

pytestmark = [pytest.mark.lab, pytest.mark.timeout(7200)]

MODEL = shipped("lab") / "clouds" / "computes"
REAL, PRETENDED = ("cmp01", "cmp02"), ("cmp03", "cmp04")
DEMO = "10.82.0.11"
FLOATING = "10.82.0.50"
GUESTS = {"demo-1": DEMO, "demo-2": "10.82.0.12", "demo-3": FLOATING}
"""{instance: where it answers through the whole story}; the last one behind a router of the gateways."""
MOVED = {"moved-live": ("10.82.0.13", "live-migrate"), "moved-cold": ("10.82.0.14", "cold-migrate")}
"""{instance: where it answers, and how it is moved off a compute that is upgraded}."""
GATEWAYS = ("gtw01", "gtw02")
BEHIND, BEHIND_CIDR, INNER = "behind", "192.168.55.0/24", "192.168.55.10"


def _state() -> Path:
    return Settings.from_options(state=None, model=None, journal=None).state / "computes"


def saltus(*words: str, exit_code: int = 0) -> subprocess.CompletedProcess[str]:
    """Typed for this story's own cloud."""
    state = _state()
    journal = f"sqlite:///{state / 'journal.db'}"
    return typed.saltus("--model", str(MODEL), "--state", str(state), "--journal", journal, *words, exit_code=exit_code)


@pytest.fixture(scope="module")
def workplace() -> Iterator[Workplace]:
    if os.geteuid() != 0:
        pytest.skip("machines need root")
    state = _state()
    state.mkdir(parents=True, exist_ok=True)
    images = state.parent / "images"
    if images.is_dir() and not (state / "images").exists():
        (state / "images").symlink_to(images)  # built from the same roles: a quarter of an hour less
    place = Workplace(
        Settings.from_options(state=str(state), model=str(MODEL), journal=f"sqlite:///{state / 'journal.db'}")
    )
    yield place
    place.journal.close()


def cloud(workplace: Workplace) -> Any:
    return connect(workplace.login(str(workplace.cloud.networks.management.vip)))


def call(workplace: Workplace, node: str, function: str, *args: object) -> Any:
    return values(workplace.fleet.call([node], function, *args, timeout_s=300))[node]


def packages(workplace: Workplace, node: str) -> str:
    done = workplace.provider.run(node, ["dpkg-query", "--show"], timeout_s=60)
    assert done.returncode == 0
    return done.stdout


def releases(workplace: Workplace) -> dict[str, str | None]:
    machines = workplace.gather().machines
    return {name: machines[name].release for name in (*REAL, *PRETENDED)}


def gateway_releases(workplace: Workplace) -> dict[str, str | None]:
    machines = workplace.gather().machines
    return {name: machines[name].release for name in GATEWAYS}


def services(workplace: Workplace) -> dict[str, tuple[str, str]]:
    """{compute: (status, state)} as nova has them."""
    found = cloud(workplace).compute.services(binary="nova-compute")
    return {service.host: (service.status, service.state) for service in found}


def plan(*words: str, of: str = "compute") -> str:
    """Plan, and return the plan's fingerprint."""
    made = saltus("plan", of, "--to", "epoxy", *words)
    last = made.stdout.strip().splitlines()[-1]
    assert last.startswith("next: saltus run ")
    return last.rpartition(" ")[2]


def latest(workplace: Workplace) -> Any:
    record = workplace.journal.runs()[-1]
    return record.id, workplace.journal.state(record.id)


def boot_ids() -> dict[str, str | None]:
    return {name: instances.boot_id(address, within_s=120) for name, address in GUESTS.items()}


def boot_behind_a_router(connection: Any, host: str) -> None:
    """An instance in a tenant's own network, reached at a floating address through a gateway."""
    network = connection.network.create_network(name=BEHIND)
    subnet = connection.network.create_subnet(name=BEHIND, network_id=network.id, ip_version=4, cidr=BEHIND_CIDR)
    outside = connection.network.find_network(instances.NETWORK, ignore_missing=False)
    router = connection.network.create_router(name=BEHIND, external_gateway_info={"network_id": outside.id})
    connection.network.add_interface_to_router(router, subnet.id)
    instances.open_to_ping(connection)
    port = connection.network.create_port(name="demo-3", network_id=network.id, fixed_ips=[{"ip_address": INNER}])
    server = connection.compute.create_server(
        name="demo-3",
        image_id=instances.image_for(connection, IPv4Interface(f"{INNER}/24"), subnet.gateway_ip).id,
        flavor_id=connection.compute.find_flavor(instances.FLAVOR, ignore_missing=False).id,
        networks=[{"port": port.id}],
        availability_zone=f"nova:{host}",
    )
    connection.compute.wait_for_server(server, interval=1, wait=240)
    connection.network.create_ip(floating_network_id=outside.id, port_id=port.id, floating_ip_address=FLOATING)


def boot_to_be_moved(workplace: Workplace, name: str, host: str) -> None:
    """An instance that asks to be moved, and that no pretended compute takes: its image wants qemu."""
    connection, gateway = cloud(workplace), str(workplace.cloud.networks.external.host)
    address, how = IPv4Interface(f"{MOVED[name][0]}/24"), MOVED[name][1]
    connection.image.update_image(instances.image_for(connection, address, gateway), img_hv_type="qemu")
    booted = instances.boot(connection, name, host=host, address=address, gateway=gateway)
    connection.compute.set_server_metadata(booted.id, **{DRAIN_KEY: how})


def hosts(workplace: Workplace) -> dict[str, str]:
    """{instance: its compute}."""
    return {server.name: server.compute_host for server in cloud(workplace).compute.servers(all_projects=True)}


def log_in(workplace: Workplace, source: str, target: str) -> int:
    """The exit code of ssh from one compute to another, as nova: sshd must run what is installed."""
    address = str(workplace.cloud.node(target).machines()[0].address)
    return workplace.provider.run(
        source, ["runuser", "-u", "nova", "--", "ssh", address, "true"], timeout_s=60
    ).returncode


def carriers(workplace: Workplace) -> dict[str, set[str]]:
    """{gateway: the names of what it carries}."""
    gateways = workplace.ground.gateways()
    return {node: {one.told for one in gateways.carried(node)} for node in GATEWAYS}


def lost_pings(run: str) -> dict[str, int]:
    """{step and instance: pings lost in it}, printed for whoever reads the log."""
    told = json.loads(saltus("report", run, "-f", "json").stdout)
    lost: dict[str, int] = {}
    for outage in told["outages"]:
        if outage["what"] == "ping":
            key = f"{outage['step']} {outage['target']}"
            lost[key] = lost.get(key, 0) + outage["lost"]
    asked = {each["target"]: each["asked"] for each in told["watched"] if each["what"] == "ping"}
    print(f"pings of {run}: asked {asked}, lost {lost or 'none'}")
    assert set(GUESTS) <= set(asked)
    return lost


def test_a_zed_cloud_boots_with_an_instance_on_each_real_compute(workplace: Workplace, story: dict[str, Any]) -> None:
    story.clear()
    saltus("lab", "up", "--pristine")
    second = instances.boot(
        cloud(workplace),
        "demo-2",
        host="cmp02",
        address=IPv4Interface(f"{GUESTS['demo-2']}/24"),
        gateway=str(workplace.cloud.networks.external.host),
    )
    assert second.host == "cmp02"
    boot_behind_a_router(cloud(workplace), "cmp02")
    story["boot_ids"] = boot_ids()
    assert all(story["boot_ids"].values()), story["boot_ids"]
    assert set(releases(workplace).values()) == {"zed"}


def test_computes_do_not_go_before_the_control_plane() -> None:
    done = saltus("plan", "compute", "--to", "epoxy", "-T", "cmp*", exit_code=1)
    assert "the control plane runs zed" in done.stderr


def test_the_control_plane_goes_first(workplace: Workplace, story: dict[str, Any]) -> None:
    made = json.loads(saltus("plan", "control", "--to", "epoxy", "-f", "json").stdout)
    assert made["target"] == "epoxy"
    shown = saltus("plan", "control", "--to", "epoxy").stdout.strip().splitlines()[-1]
    saltus("run", shown.rpartition(" ")[2], "--approve-as", "test")
    assert boot_ids() == story["boot_ids"]
    assert set(releases(workplace).values()) == {"zed"}


def test_a_target_that_means_nobody_is_refused() -> None:
    assert "matches no minion" in saltus("plan", "compute", "--to", "epoxy", "-T", "cpm*", exit_code=1).stderr


def test_gateways_are_emptied_before_they_are_upgraded_and_filled_behind_it(
    workplace: Workplace, story: dict[str, Any]
) -> None:
    """What the instance behind the router loses is what four moves of that router cost, and nothing else."""
    before = carriers(workplace)
    assert {f"router {BEHIND}", f"DHCP of {BEHIND}"} <= set.union(*before.values())
    saltus("run", plan(of="gateway"), "--approve-as", "test")
    run, state = latest(workplace)
    assert state.status == "done", state.failures()
    assert set(gateway_releases(workplace).values()) == {"epoxy"}
    assert carriers(workplace) == before, "each has what it had"
    assert boot_ids() == story["boot_ids"]
    lost = lost_pings(run)
    moves = ("-empty demo-3", "-refill demo-3", "/empty demo-3", "/refill demo-3")
    assert [where for where in lost if not where.endswith(moves)] == []


def test_the_difference_is_told_and_nothing_on_the_node_is_changed(workplace: Workplace) -> None:
    before = {node: packages(workplace, node) for node in REAL}
    sources = call(workplace, "cmp01", "file.read", "/etc/apt/sources.list")
    name = plan("-T", "cmp*", "--expiry", "5s")
    saltus("run", name, exit_code=3)  # stops at the gate: there is no terminal
    run, state = latest(workplace)
    differences = state.steps["test/packages"].evidence["differences"]
    changes = {change["package"]: change for change in differences[0]["changes"]}
    assert changes["nova-compute"]["what"] == "upgrade"
    assert changes["nova-compute"]["candidate"].split(":")[1].startswith("31.")
    assert changes["nova-compute"]["size"] > 0
    assert {node: packages(workplace, node) for node in REAL} == before
    assert call(workplace, "cmp01", "file.read", "/etc/apt/sources.list") == sources
    saltus("reject", run)
    saltus("run", run, exit_code=1)


def test_the_sample_is_upgraded_where_it_stands_and_its_guest_lives_on(
    workplace: Workplace, story: dict[str, Any]
) -> None:
    """The gate behind it expires, the run ends, and no other node was touched."""
    others = [node for node in (*REAL, *PRETENDED) if node != "cmp01"]
    story["packages"] = {node: packages(workplace, node) for node in (*REAL, *PRETENDED)}
    story["qemu"] = workplace.provider.run("cmp01", ["pgrep", "-f", "qemu-system"], timeout_s=30).stdout.split()
    assert story["qemu"], "a real guest runs on cmp01"
    name = plan("-T", "cmp*", "--test", "1", "--sample", "1", "--expiry", "20s")
    saltus("run", name, exit_code=3)
    run, _ = latest(workplace)
    saltus("approve", run)  # the first gate has no expiry
    saltus("run", run, exit_code=3)
    _, state = latest(workplace)
    assert state.steps["sample/enable"].status == "done", state.failures()
    time.sleep(25)
    saltus("run", run, exit_code=1)
    _, state = latest(workplace)
    assert state.status == "aborted"
    assert "expired without an answer" in state.reason
    assert {node: packages(workplace, node) for node in others} == {n: story["packages"][n] for n in others}
    assert releases(workplace) == {"cmp01": "epoxy", "cmp02": "zed", "cmp03": "zed", "cmp04": "zed"}
    assert packages(workplace, "cmp01") != story["packages"]["cmp01"]
    assert workplace.provider.run("cmp01", ["pgrep", "-f", "qemu-system"], timeout_s=30).stdout.split() == story["qemu"]
    assert boot_ids() == story["boot_ids"]
    assert services(workplace)["cmp01"] == ("enabled", "up")
    assert log_in(workplace, "cmp02", "cmp01") == 0, "whoever must mend it can log in"


def test_the_sample_returns_to_exactly_what_it_was(workplace: Workplace, story: dict[str, Any]) -> None:
    made = saltus("plan", "compute", "--rollback", "cmp01")
    saltus("run", made.stdout.strip().splitlines()[-1].rpartition(" ")[2], "--approve-as", "test")
    _, state = latest(workplace)
    assert state.status == "done", state.failures()
    restored = state.steps["rollback/restore"].evidence
    assert restored["differences"] == {}, "every package and every file of /etc is as it was kept"
    assert packages(workplace, "cmp01") == story["packages"]["cmp01"]
    assert releases(workplace)["cmp01"] == "zed"
    assert services(workplace)["cmp01"] == ("enabled", "up")
    assert boot_ids() == story["boot_ids"]
    assert log_in(workplace, "cmp02", "cmp01") == 0


def test_a_node_that_fails_in_a_batch_stays_disabled_and_the_run_pauses(
    workplace: Workplace, story: dict[str, Any]
) -> None:
    """cmp03 has no room: its batch goes on without it, and nobody's instance is touched.

    Two instances ask to be moved: off cmp01 while both run Zed, and off cmp02 to a cmp01 that runs Epoxy.
    """
    for name in MOVED:
        boot_to_be_moved(workplace, name, "cmp01")
    story["moved"] = {name: instances.boot_id(address) for name, (address, _) in MOVED.items()}
    full = ["mount", "-t", "tmpfs", "-o", "size=1m", "none", "/var/cache/apt/archives"]
    assert workplace.provider.run("cmp03", full, timeout_s=30).returncode == 0
    name = plan("-T", "I@nova:compute", "--sample", "1", "--batch", "rack", "--max-failures", "0")
    saltus("run", name, "--approve-as", "test", exit_code=3)
    run, state = latest(workplace)
    story["run"] = run
    ((step, failure),) = state.failures()
    assert step.startswith("all/")
    assert step.endswith("-budget")
    assert "the disk is full" in failure.because
    story["again"] = f"{step.removesuffix('budget')}record"
    assert services(workplace)["cmp03"][0] == "disabled"
    assert releases(workplace)["cmp01"] == releases(workplace)["cmp02"] == "epoxy"
    assert boot_ids() == story["boot_ids"]


def test_instances_that_asked_for_it_were_moved_before_each_upgrade(
    workplace: Workplace, story: dict[str, Any]
) -> None:
    """Live, without a new start; stopped, with one. The others stayed where they were."""
    state = workplace.journal.state(story["run"])
    drains = {step: found.evidence["worked"] for step, found in state.steps.items() if step.endswith("drain")}
    print(f"moved: {drains}")
    moved = [(name, how) for worked in drains.values() for told in worked.values() for name, how in map(_told, told)]
    assert sorted(moved) == sorted(2 * [(name, how) for name, (_, how) in MOVED.items()])
    assert hosts(workplace) == {
        **dict.fromkeys(("demo-1", *MOVED), "cmp01"),
        **dict.fromkeys(("demo-2", "demo-3"), "cmp02"),
    }
    now = {name: instances.boot_id(address, within_s=120) for name, (address, _) in MOVED.items()}
    assert now["moved-live"] == story["moved"]["moved-live"] is not None
    assert now["moved-cold"] not in (None, story["moved"]["moved-cold"])


def _told(line: str) -> tuple[str, str]:
    """(instance, how) of `moved-live: live-migrate, 8.1 s`."""
    name, _, rest = line.partition(": ")
    return name, rest.partition(",")[0]


def test_the_transition_does_not_end_beside_a_compute_that_was_left_behind(
    workplace: Workplace, story: dict[str, Any]
) -> None:
    """Taken up as it is, the run goes on without cmp03, and waits where it could no longer be mended."""
    done = saltus("run", story["run"], "--approve-as", "test", exit_code=3)
    assert f"saltus retry {story['run']} --from {story['again']}" in done.stderr
    _, state = latest(workplace)
    ((step, failure),) = state.failures()
    assert step == "finish/all-upgraded"
    assert "cmp03" in failure.what
    assert services(workplace)["cmp03"][0] == "disabled"
    text = call(workplace, "ctl01-b", "file.read", "/etc/nova/nova.conf")
    assert "disable_compute_service_check_for_ffu" in text


def test_mended_and_retried_the_run_comes_to_the_question_before_the_end(
    workplace: Workplace, story: dict[str, Any]
) -> None:
    assert workplace.provider.run("cmp03", ["umount", "/var/cache/apt/archives"], timeout_s=30).returncode == 0
    run, _ = latest(workplace)
    saltus("retry", run, "--from", story["again"])
    saltus("run", run, exit_code=3)  # the question before the end, which nobody here answers
    assert "all/end" in saltus("status", run).stderr
    assert set(releases(workplace).values()) == {"epoxy"}
    assert set(services(workplace).values()) == {("enabled", "up")}
    saltus("abort", run)
    saltus("plan", "compute", "--rollback", "cmp03")  # made, and not run: until the end there is a way back


def test_the_transition_ends_by_a_plan_of_its_own(workplace: Workplace, story: dict[str, Any]) -> None:
    saltus("run", plan("-T", "cmp*"), "--approve-as", "test")
    end, state = latest(workplace)
    assert state.status == "done", state.failures()
    assert {step.partition("/")[0] for step in state.steps} == {"ask", "finish"}
    assert state.steps["finish/check"].status == "done"
    assert state.steps["finish/migrations-1"].status == "done"
    assert set(services(workplace).values()) == {("enabled", "up")}
    assert lost_pings(end) == {}


def test_guests_answered_throughout_and_new_instances_boot_everywhere(
    workplace: Workplace, story: dict[str, Any]
) -> None:
    lost = lost_pings(story["run"])
    own = [where for where in lost if where.rpartition(" ")[2] in GUESTS and "restart" not in where]
    assert own == [], "nothing is lost but while Open vSwitch is reloaded in userspace"
    moved = [where for where in lost if where.rpartition(" ")[2] in MOVED]
    assert [where for where in moved if "restart" not in where and "drain" not in where] == []
    assert boot_ids() == story["boot_ids"], "no guest was started anew"
    state = workplace.journal.state(story["run"])
    proved = {
        node
        for step, found in state.steps.items()
        if step.endswith("prove")
        for node in (found.evidence.get("worked") or {})  # type: ignore[union-attr]
    }
    assert proved == {*REAL, *PRETENDED}


def test_the_workaround_for_old_computes_is_gone_from_every_node(workplace: Workplace) -> None:
    for machine in ("ctl01-b", *REAL, *PRETENDED):
        text = call(workplace, machine, "file.read", "/etc/nova/nova.conf")
        assert "disable_compute_service_check_for_ffu" not in text, machine


def test_no_compute_returns_behind_the_last() -> None:
    done = saltus("plan", "compute", "--rollback", "cmp03", exit_code=1)
    assert "ServiceTooOld" in done.stderr


def test_a_second_highstate_changes_nothing(workplace: Workplace) -> None:
    for machine in (*REAL, *PRETENDED):
        applied = workplace.fleet.apply([machine])[machine]
        assert [f"{result.function} {result.name}" for result in applied.changed] == []


def test_the_cloud_is_taken_down(workplace: Workplace) -> None:
    saltus("lab", "down", "--destroy")
