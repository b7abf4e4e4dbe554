"""The clone of a cloud's databases on another server, and what was written since a backup."""

import base64
import io
import secrets
import tarfile
from typing import cast

import pytest
from salt.exceptions import CommandExecutionError

from saltus.database import clone as cloning
from saltus.database.clone import CloneDone, CloneFailed
from saltus.fleet.errors import CallFailed
from saltus.fleet.port import Fleet

from .conftest import LocalFleet, PrivateMariaDB

pytestmark = pytest.mark.mariadb
OWN = "10.77.0.51"


@pytest.fixture(scope="module")
def fleet(server: PrivateMariaDB, another_server: PrivateMariaDB) -> LocalFleet:
    server["saltus_mariadb"].back_up("rehearsal", "logical")
    return LocalFleet({"dbs01": server, "upg01": another_server})


def clone(fleet: LocalFleet, label: str = "rehearsal") -> CloneDone:
    return cloning.clone(cast(Fleet, fleet), label=label, source="dbs01", target="upg01", own_address=OWN)


def test_a_clone_has_every_row_and_nothing_in_it_points_home(
    fleet: LocalFleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    server, target = fleet.minions["dbs01"], fleet.minions["upg01"]
    endpoints = server.query("SELECT id, url FROM endpoint ORDER BY id", "keystone")
    monkeypatch.setattr(cloning, "CHUNK_BYTES", 50_000)
    done = clone(fleet)
    assert fleet.called.count(("upg01", "saltus_clone.write_chunk")) == -(-done.bytes_carried // 50_000) > 1
    assert done.turned == len(endpoints) + 3  # Three addresses stand in the mappings of cell0 and cell1.

    here, there = server["saltus_mariadb"].checksums(), target["saltus_mariadb"].checksums()
    assert {table for table in here if here[table] != there[table]} == {"keystone.endpoint", "nova_api.cell_mappings"}
    assert here.keys() == there.keys()
    turned = target.query("SELECT id, url FROM endpoint ORDER BY id", "keystone")
    assert turned == [[key, (url or "").replace("10.77.0.10", OWN)] for key, url in endpoints]
    assert target.query("SELECT transport_url, database_connection FROM cell_mappings ORDER BY id", "nova_api") == [
        ["none:///", f"mysql+pymysql://nova:labpass@{OWN}/nova_cell0"],
        [f"rabbit://openstack:labpass@{OWN}:5672/", f"mysql+pymysql://nova:labpass@{OWN}/nova"],
    ]
    assert target["saltus_clone"].rehome(OWN) == {"changed": 0, "elsewhere": []}
    assert server.query("SELECT id, url FROM endpoint ORDER BY id", "keystone") == endpoints
    assert target["saltus_mariadb"].list_backups() == {}
    assert not [*server.backups.glob(".*.tar"), *target.backups.glob(".*.tar")]


def test_a_clone_may_be_repeated(fleet: LocalFleet) -> None:
    target = fleet.minions["upg01"]
    clone(fleet)
    before = target["saltus_mariadb"].checksums()
    target.query("DELETE FROM task_log; CREATE TABLE of_a_later_release (id INT)", "nova")
    clone(fleet)
    assert target["saltus_mariadb"].checksums() == before


def test_an_address_that_cannot_be_turned_makes_the_clone_unusable(fleet: LocalFleet) -> None:
    source = fleet.minions["dbs01"]
    source.query("UPDATE endpoint SET url = '//10.77.0.10:5000/v3' LIMIT 1", "keystone")
    source["saltus_mariadb"].back_up("odd", "logical")
    try:
        with pytest.raises(CloneFailed, match=r"keystone\.endpoint\.url"):
            clone(fleet, "odd")
    finally:
        source["saltus_mariadb"].restore("rehearsal")


def test_a_backup_that_did_not_arrive_as_it_was_sent_is_not_loaded(fleet: LocalFleet) -> None:
    target = fleet.minions["upg01"]
    before = target["saltus_mariadb"].checksums()
    packed = fleet.minions["dbs01"]["saltus_clone"].pack("rehearsal")
    target["saltus_clone"].write_chunk("rehearsal", 0, base64.b64encode(secrets.token_bytes(10_000)).decode())
    with pytest.raises(CommandExecutionError, match="nothing was loaded"):
        target["saltus_clone"].load("rehearsal", packed["sha256"])
    assert target["saltus_mariadb"].checksums() == before


def test_a_packed_file_cannot_reach_outside_its_place(fleet: LocalFleet) -> None:
    target = fleet.minions["upg01"]
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        tar.addfile(tarfile.TarInfo("../../outside"))
    target["saltus_clone"].write_chunk("evil", 0, base64.b64encode(packed.getvalue()).decode())
    digest = target["saltus_clone"]._sha256(target["saltus_clone"]._packed("evil"))
    with pytest.raises(CommandExecutionError, match="which no backup has"):
        target["saltus_clone"].load("evil", digest)
    assert not (target.home.parent / "outside").exists()


def test_what_fails_on_a_node_is_told_with_its_words(fleet: LocalFleet) -> None:
    with pytest.raises(CallFailed, match="dbs01"):
        clone(fleet, "never-taken")


@pytest.mark.parametrize(
    ("home", "turned"),
    [
        ("http://10.77.0.10:8776/v3/%(project_id)s", f"http://{OWN}:8776/v3/%(project_id)s"),
        ("https://api.example.org/identity", f"https://{OWN}/identity"),
        ("rabbit://u:p@one:5672,u:p@two:5672//v?ssl=0", f"rabbit://u:p@{OWN}:5672//v?ssl=0"),
        ("mysql+pymysql://u:p%40q@[fd00::1]/nova?charset=utf8", f"mysql+pymysql://u:p%40q@{OWN}/nova?charset=utf8"),
        ("none:///", "none:///"),
        (
            "{scheme}://{username}:{password}@{hostname}:{port}/n",
            "{scheme}://{username}:{password}@{hostname}:{port}/n",
        ),
    ],
)
def test_an_address_keeps_everything_but_its_host(fleet: LocalFleet, home: str, turned: str) -> None:
    module = fleet.minions["upg01"]["saltus_clone"]
    assert module._turned(home, OWN) == turned
    assert module._hosts(turned) <= {OWN}


def test_what_tenants_wrote_since_the_backup_is_told(fleet: LocalFleet) -> None:
    server = fleet.minions["dbs01"]
    server["saltus_mariadb"].back_up("freeze", "logical", frozen=True)
    since = server["saltus_writes"].since
    assert since("freeze") == []
    server.query("UPDATE services SET updated_at = UTC_TIMESTAMP() + INTERVAL 1 HOUR", "nova")
    assert since("freeze") == [], "a heartbeat is nothing that a tenant wrote"
    server.query(
        "INSERT INTO images SET id = 'x', name = 'mine', created_at = UTC_TIMESTAMP() + INTERVAL 1 HOUR, deleted = 0,"
        " status = 'active', min_disk = 0, min_ram = 0, protected = 0, visibility = 'private', os_hidden = 0",
        "glance",
    )
    assert [(write["verb"], write["kind"], write["name"]) for write in since("freeze")] == [("create", "image", "mine")]
    server["saltus_mariadb"].restore("freeze")
    assert since("freeze") == []
