"""A whole upgrade of a real cloud and its way back, by the commands an operator types. Needs root and about 10 GiB.

One story in order: Zed with a tenant's instance; what goes wrong on the way, and what an operator does then; Epoxy;
what tenants then write; back to Zed, every table as it was; Epoxy again, for good. The tests share the cloud, and each
says what it expects of the state the one before has left.
"""

from __future__ import annotations

import json
import signal
import subprocess
import time
from typing import Any

import pytest

from lab.typed import SALTUS, planned, saltus
from saltus.commands.workplace import Workplace
from saltus.verify import instances
from saltus.verify.connection import connect

pytestmark = [pytest.mark.lab, pytest.mark.timeout(3600)]

APIS = ("keystone", "glance", "placement", "nova", "neutron", "cinder", "heat")
DEMO = "10.78.0.11"
IN_THE_WAY = "CREATE TABLE nova.share_mapping (id int)"
"""A table that a migration of nova between Zed and Epoxy makes itself."""
OUT_OF_THE_WAY = "DROP TABLE nova.share_mapping"


def report() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(saltus("report", "-f", "json").stdout)
    return found


def on(machine: str, shell: str) -> None:
    saltus("lab", "exec", machine, "sh", "-c", shell)


def last_run(workplace: Workplace) -> str:
    return workplace.journal.runs()[-1].id


def failed_steps(workplace: Workplace, run: str) -> list[str]:
    return [step for step, _ in workplace.journal.state(run).failures()]


def serves(workplace: Workplace, proxy: str) -> bool:
    """Whether this proxy, and no other, has the virtual address."""
    holders = [name for name, machine in workplace.gather().machines.items() if machine.holds_vip]
    return holders == [proxy]


def test_a_zed_cloud_boots_with_a_tenants_instance(workplace: Workplace, story: dict[str, Any]) -> None:
    saltus("lab", "up", "--pristine")
    story["boot_id"] = instances.boot_id(DEMO, within_s=120)
    assert story["boot_id"], "the tenant's instance does not answer"
    facts = workplace.gather()
    assert {machine.release for machine in facts.machines.values()} == {"zed"}


def test_a_second_highstate_changes_nothing(workplace: Workplace) -> None:
    for machine in ("dbs01", "msg01", "prx01-a", "ctl01-a", "cmp01"):
        applied = workplace.fleet.apply([machine])[machine]
        assert [f"{result.function} {result.name}" for result in applied.changed] == []


def test_an_unknown_release_is_refused_with_three_lines() -> None:
    done = saltus("plan", "control", "--to", "epxy", exit_code=1)
    assert done.stderr.splitlines()[0].startswith("error: no release is called 'epxy'")
    assert "epoxy" in done.stderr


def test_a_full_disk_fails_the_backup_and_the_cloud_serves_on(workplace: Workplace, story: dict[str, Any]) -> None:
    plan = planned("control", "--to", "epoxy")
    on("dbs01", "mkdir -p /var/backups/saltus && mount -t tmpfs -o size=64k tmpfs /var/backups/saltus")
    try:
        done = saltus("run", plan, exit_code=1)
    finally:
        on("dbs01", "umount /var/backups/saltus")
    assert "dbs01: the backup rehearsal was not begun" in done.stderr
    assert "/var/backups/saltus has 0 MB free" in done.stderr
    assert serves(workplace, "prx01-a")
    story["run"] = last_run(workplace)
    assert failed_steps(workplace, story["run"]) == ["rehearse/backup"]


def test_a_db_sync_that_fails_is_found_by_the_rehearsal(workplace: Workplace, story: dict[str, Any]) -> None:
    on("dbs01", f"mariadb -e '{IN_THE_WAY}'")
    done = saltus("run", story["run"], exit_code=1)
    assert failed_steps(workplace, story["run"]) == ["rehearse/db_sync-nova"]
    assert "share_mapping" in done.stderr, "the error names what was in the way"
    assert serves(workplace, "prx01-a")
    on("dbs01", f"mariadb -e '{OUT_OF_THE_WAY}'")
    saltus("retry", story["run"], "--from", "rehearse/backup")


def test_ctrl_c_pauses_and_the_same_command_goes_on(workplace: Workplace, story: dict[str, Any]) -> None:
    running = subprocess.Popen([str(SALTUS), "run", story["run"]], stderr=subprocess.PIPE, text=True)
    time.sleep(15)
    running.send_signal(signal.SIGINT)
    _, told = running.communicate(timeout=300)
    assert running.returncode == 3, told
    assert workplace.journal.state(story["run"]).status == "paused"
    saltus("run", story["run"], exit_code=3)
    assert workplace.journal.state(story["run"]).status == "waiting", "the rehearsal passed, and its gate asks"


def test_a_db_sync_that_fails_in_the_window_ends_with_the_old_cloud_serving(
    workplace: Workplace, story: dict[str, Any]
) -> None:
    on("dbs01", f"mariadb -e '{IN_THE_WAY}'")
    saltus("run", story["run"], "--approve-as", "test", exit_code=1)
    assert "real-upgrade/db_sync-nova" in failed_steps(workplace, story["run"])
    assert serves(workplace, "prx01-a"), "nobody was sent to the new slot"
    saltus("rollback", "--approve-as", "test")
    assert report()["status"] == "done"
    assert serves(workplace, "prx01-a")
    assert instances.boot_id(DEMO) == story["boot_id"]
    on("dbs01", f"mariadb -e '{OUT_OF_THE_WAY}'")


def test_the_control_plane_moves_to_epoxy_and_users_hardly_notice(story: dict[str, Any]) -> None:
    saltus("run", planned("control", "--to", "epoxy"), "--approve-as", "test")
    told = report()
    assert told["status"] == "done"
    before, after = told["versions"]["nova on ctl01"]
    assert (before.split(":")[1][:3], after.split(":")[1][:3]) == ("26.", "31.")
    watched = {(each["target"], each["what"]): each for each in told["watched"]}
    assert {target for target, what in watched if what == "read"} >= set(APIS)
    for api in APIS:
        assert 0 < watched[(api, "read")]["outage_s"] < 300, f"{api} was stopped, so its outage must be seen"
    assert watched[("demo-1", "ping")]["asked"] > 100
    assert watched[("demo-1", "ping")]["lost"] == 0
    assert instances.boot_id(DEMO) == story["boot_id"]
    assert any("ACTIVE on cmp01" in line for line in told["highlights"])


def test_new_control_nodes_are_configured_to_the_end(workplace: Workplace) -> None:
    for machine in ("prx01-b", "ctl01-b"):
        applied = workplace.fleet.apply([machine])[machine]
        assert [f"{result.function} {result.name}" for result in applied.changed] == []


def test_a_rollback_that_would_lose_a_tenants_writes_is_refused(workplace: Workplace) -> None:
    cloud = connect(workplace.login(str(workplace.cloud.networks.management.vip)))
    cloud.network.create_network(name="written-on-epoxy")
    done = saltus("rollback", "--approve-as", "test", exit_code=1)
    assert "a rollback would lose" in done.stderr
    assert "written-on-epoxy" in done.stderr
    assert {machine.holds_vip for name, machine in workplace.gather().machines.items() if name == "prx01-b"} == {True}


def test_the_way_back_ends_with_every_table_as_it_was(workplace: Workplace, story: dict[str, Any]) -> None:
    saltus("rollback", "--approve-as", "test", "--discard-writes")
    told = report()
    assert told["status"] == "done"
    run = workplace.journal.state(told["run"])
    restored = run.steps["rollback/restore"].evidence["restored"]
    assert isinstance(restored, dict)
    assert restored["differences"] == []
    assert isinstance(restored["compared"], int)
    assert restored["compared"] > 500, "every table of every service is compared by CHECKSUM TABLE"
    assert run.steps["verify/compare"].status == "done"
    facts = workplace.gather()
    assert facts.machines["prx01-a"].holds_vip
    assert instances.boot_id(DEMO) == story["boot_id"]
    cloud = connect(workplace.login(str(workplace.cloud.networks.management.vip)))
    assert cloud.network.find_network("written-on-epoxy") is None


def test_an_upgrade_that_is_accepted_has_no_way_back_and_leaves_nothing_of_the_old_slot(workplace: Workplace) -> None:
    saltus("run", planned("control", "--to", "epoxy"), "--approve-as", "test")
    saltus("accept", "--approve-as", "test")
    assert report()["status"] == "done"
    machines = {machine.name: machine.state for machine in workplace.provider.list()}
    assert "ctl01-a" not in machines
    assert "prx01-a" not in machines
    done = saltus("rollback", "--approve-as", "test", exit_code=1)
    assert done.stderr.startswith("error: ")
    assert serves(workplace, "prx01-b")
