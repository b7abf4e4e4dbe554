"""What the nodes of the lab's cloud are told, from its model and the catalogue."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from saltus.catalog.releases import load_releases
from saltus.commands.settings import Settings
from saltus.commands.workplace import Workplace
from saltus.errors import OperatorError
from saltus.fleet.keys import MinionKeys, fingerprint
from saltus.fleet.master import MasterSettings
from saltus.fleet.pillar import pillar_for
from saltus.model.load import read_cloud
from saltus.model.secrets import SecretStore

SMALL = Path(__file__).parents[2] / "lab" / "clouds" / "small"


def paths(state: Path, model: Path = SMALL) -> dict[str, str]:
    """What the master is configured with."""
    return {
        "model_path": str(model),
        "secrets_path": str(state),
        "grains_path": str(state / "salt" / "grains"),
        "keys_path": str(state / "salt" / "gpgkeys"),
    }


@pytest.fixture
def pillar(tmp_path: Path) -> Any:
    """machine -> its pillar; all machines of `small` were made, slot a and the computes as zed, slot b as epoxy."""
    cloud = read_cloud(SMALL)
    SecretStore(tmp_path, cloud.name).generate(cloud)
    keys = MinionKeys(MasterSettings(tmp_path / "salt", tmp_path))
    for machine in cloud.machines():
        release = "epoxy" if machine.slot == "b" or machine.node == "upg01" else "zed"
        keys.record(machine.name, {"node": machine.node, "slot": machine.slot, "release": release})

    return lambda machine: pillar_for(machine, **paths(tmp_path))


def test_a_node_is_handed_its_reclass_parameters_and_what_is_computed(pillar: Any) -> None:
    found = pillar("ctl01-b")
    assert found["nova"]["controller"]["enabled"] is True
    own = found["saltus"]
    assert (own["node"], own["slot"], own["release"], own["suite"]) == (
        "ctl01",
        "b",
        "epoxy",
        load_releases().get("epoxy").suite,
    )
    assert own["hosts"]["ctl01"] == own["address"]
    assert own["database"]["host"] == own["hosts"]["dbs01"]
    assert own["messaging"]["host"] == own["hosts"]["msg01"]
    assert own["roles"]["nova.controller"]["units"]
    assert own["secrets"]["service"]["nova"]


def test_the_new_control_node_starts_beside_an_old_compute_and_the_old_one_needs_nothing_for_it(pillar: Any) -> None:
    assert pillar("ctl01-b")["saltus"]["quirks"].get("disable_compute_service_check_for_ffu") is True
    assert "disable_compute_service_check_for_ffu" not in pillar("ctl01-a")["saltus"]["quirks"]


def test_the_check_of_old_computes_stays_off_until_the_last_one_has_come_through(tmp_path: Path) -> None:
    """A compute that is configured has not started yet: until it has, nova's own record of it is the old one."""
    place = Workplace(Settings.from_options(state=str(tmp_path), model=str(SMALL), journal=None))
    SecretStore(place.settings.secrets, place.cloud.name).generate(place.cloud)
    for machine, release in (("ctl01-b", "epoxy"), ("prx01-b", "epoxy"), ("cmp01", "zed")):
        place.record_release(machine, release)

    def is_off(machine: str) -> bool:
        found = pillar_for(machine, **paths(tmp_path) | {"secrets_path": str(place.settings.secrets)})
        return "disable_compute_service_check_for_ffu" in found["saltus"]["quirks"]

    assert (is_off("ctl01-b"), is_off("cmp01")) == (True, False)
    for _ in range(2):
        place.record_release("cmp01", "epoxy")
        assert (is_off("ctl01-b"), is_off("cmp01")) == (True, True)
    place.forget_older(["cmp01"])
    assert (is_off("ctl01-b"), is_off("cmp01")) == (False, False)
    place.record_release("cmp01", "zed")
    assert (is_off("ctl01-b"), is_off("cmp01")) == (True, False)


def test_a_proxy_serves_the_control_machines_of_its_own_slot(pillar: Any) -> None:
    for slot in "ab":
        assert pillar(f"prx01-{slot}")["saltus"]["control"] == [pillar(f"ctl01-{slot}")["saltus"]["address"]]


def test_a_rehearsal_knows_no_address_but_its_own(pillar: Any) -> None:
    own = pillar("upg01")["saltus"]
    assert own["rehearsal"] is True
    assert {own["vip"], own["database"]["host"], *own["hosts"].values(), *own["control"]} == {own["address"]}
    assert own["messaging"]["host"] == own["address"]


def test_a_node_gets_the_secrets_of_its_roles_and_no_others(pillar: Any) -> None:
    secrets = pillar("cmp01")["saltus"]["secrets"]
    assert "keystone" not in secrets.get("database", {})
    assert "fernet" not in secrets


def test_a_machine_that_is_not_in_the_model_gets_nothing(pillar: Any) -> None:
    with pytest.raises(OperatorError, match="no machine of the model"):
        pillar("ctl09")


def test_a_machine_that_was_not_made_by_us_gets_nothing(pillar: Any, tmp_path: Path) -> None:
    (tmp_path / "salt" / "grains" / "cmp01.yml").unlink()
    with pytest.raises(OperatorError, match="made as"):
        pillar("cmp01")


def test_a_changed_model_is_read_again(pillar: Any, tmp_path: Path) -> None:
    import shutil

    lab = tmp_path / "lab"
    shutil.copytree(SMALL.parents[1], lab, symlinks=True)
    model = lab / "clouds" / "small"
    where = paths(tmp_path, model)
    before = pillar_for("ctl01-a", **where)["saltus"]["region"]
    for file in model.rglob("*.yml"):
        file.write_text(file.read_text().replace(before, "RegionTwo"))
    assert pillar_for("ctl01-a", **where)["saltus"]["region"] == "RegionTwo"


def test_the_files_of_a_minion_make_it_trust_this_master_and_no_other(tmp_path: Path) -> None:
    keys = MinionKeys(MasterSettings(tmp_path / "salt", tmp_path, address="10.77.0.1"))
    files = {
        str(path): (text, mode) for path, (text, mode) in keys.minion_files("ctl01-a", grains={"node": "ctl01"}).items()
    }
    configuration = yaml.safe_load(files["/etc/salt/minion"][0])
    assert configuration["master"] == "10.77.0.1"
    assert configuration["grains"] == {"saltus": {"node": "ctl01"}}
    assert configuration["master_finger"] == fingerprint(keys.master_public_key())
    assert files["/etc/salt/pki/minion/minion_master.pub"][0] == keys.master_public_key()
    assert files["/etc/salt/pki/minion/minion.pem"][1] == 0o400
    accepted = tmp_path / "salt" / "pki" / "minions" / "ctl01-a"
    assert accepted.read_text() == files["/etc/salt/pki/minion/minion.pub"][0]
    keys.remove("ctl01-a")
    assert not accepted.exists()
    with pytest.raises(OperatorError, match="cannot be the id"):
        keys.remove("../master")
