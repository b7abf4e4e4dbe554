"""A whole upgrade of a real cloud and its way back, by the commands an operator types. Needs root and about 10 GiB.

One story in order: Zed with a tenant's instance; Epoxy; what tenants then write; back to Zed, every table as it was.
The tests share the cloud, and each says what it expects of the state the one before has left.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from saltus.commands.settings import Settings
from saltus.commands.workplace import Workplace
from saltus.verify import instances
from saltus.verify.connection import connect

pytestmark = [pytest.mark.lab, pytest.mark.timeout(3600)]

SALTUS = Path(sys.executable).parent / "saltus"
APIS = ("keystone", "glance", "placement", "nova", "neutron", "cinder", "heat")
DEMO = "10.78.0.11"


def saltus(*words: str, exit_code: int = 0) -> subprocess.CompletedProcess[str]:
    """Run the command as an operator does; its progress goes to this test's own stderr."""
    done = subprocess.run([str(SALTUS), *words], capture_output=True, text=True, check=False)
    sys.stderr.write(done.stderr)
    assert done.returncode == exit_code, f"saltus {' '.join(words)}: {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done


@pytest.fixture(scope="module")
def workplace() -> Iterator[Workplace]:
    if os.geteuid() != 0:
        pytest.skip("machines need root")
    place = Workplace(Settings.from_options(state=None, model=None, journal=None))
    yield place
    place.journal.close()


@pytest.fixture(scope="module")
def story() -> dict[str, Any]:
    """What earlier tests of the story leave for later ones."""
    return {}


def report() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(saltus("report", "-f", "json").stdout)
    return found


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


def test_the_control_plane_moves_to_epoxy_and_users_hardly_notice(story: dict[str, Any]) -> None:
    plan = json.loads(saltus("plan", "control", "--to", "epoxy", "-f", "json").stdout)
    assert plan["target"] == "epoxy"
    saltus("demo")
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
