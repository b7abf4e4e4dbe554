"""The clone of a cloud's databases on another server, and what was written since a backup."""

import base64
import secrets
import shutil

import pytest

from .conftest import PrivateMariaDB

pytestmark = pytest.mark.mariadb
OWN = "10.77.0.51"


@pytest.fixture(scope="module")
def clone(server: PrivateMariaDB, another_server: PrivateMariaDB) -> PrivateMariaDB:
    """The databases of `server` on the other one, carried in chunks."""
    server["saltus_mariadb"].back_up("clone", "logical", replace=True)
    source, target = server["saltus_clone"], another_server["saltus_clone"]
    files = source.files("clone")
    for name, file in files.items():
        for offset in range(0, file["size"], 50_000):
            chunk = source.read_chunk("clone", name, offset, 50_000)
            written = target.write_chunk("clone", name, offset, chunk)
            assert target.write_chunk("clone", name, offset, chunk) == written
    assert target.files("clone") == files
    target.load("clone")
    return another_server


def test_a_clone_has_every_row_of_every_table(server: PrivateMariaDB, clone: PrivateMariaDB) -> None:
    assert clone["saltus_mariadb"].checksums() == server["saltus_mariadb"].checksums()


def test_a_chunk_that_did_not_arrive_whole_is_found_before_loading(clone: PrivateMariaDB) -> None:
    place = clone.backups / "clone"
    shutil.copytree(place, clone.backups / "halved")
    name = next(place.glob("nova.sql.*")).name
    clone["saltus_clone"].write_chunk("halved", name, 100, base64.b64encode(secrets.token_bytes(10)).decode())
    with pytest.raises(Exception, match="not complete; MariaDB was not touched"):
        clone["saltus_clone"].load("halved")


def test_a_file_outside_the_backup_is_neither_read_nor_written(clone: PrivateMariaDB) -> None:
    for name in ("../other/backup.json", "/etc/passwd", ".hidden"):
        with pytest.raises(ValueError, match="not a file of a backup"):
            clone["saltus_clone"].read_chunk("clone", name, 0, 10)
        with pytest.raises(ValueError, match="not a file of a backup"):
            clone["saltus_clone"].write_chunk("clone", name, 0, "")


def test_nothing_in_a_clone_points_home(server: PrivateMariaDB, clone: PrivateMariaDB) -> None:
    endpoints = clone.query("SELECT id, url FROM endpoint ORDER BY id", "keystone")
    result = clone["saltus_clone"].rehome(OWN)
    assert result["elsewhere"] == []
    assert result["changed"] == len(endpoints) + 3  # Three addresses stand in the mappings of cell0 and cell1.
    turned = clone.query("SELECT id, url FROM endpoint ORDER BY id", "keystone")
    assert turned == [[key, (url or "").replace("10.77.0.10", OWN)] for key, url in endpoints]
    mappings = clone.query("SELECT transport_url, database_connection FROM cell_mappings ORDER BY id", "nova_api")
    assert mappings == [
        ["none:///", f"mysql+pymysql://nova:labpass@{OWN}/nova_cell0"],
        [f"rabbit://openstack:labpass@{OWN}:5672/", f"mysql+pymysql://nova:labpass@{OWN}/nova"],
    ]
    assert clone["saltus_clone"].rehome(OWN) == {"changed": 0, "elsewhere": []}
    assert server.query("SELECT id, url FROM endpoint ORDER BY id", "keystone") == endpoints


@pytest.mark.parametrize(
    ("home", "turned"),
    [
        ("http://10.77.0.10:8776/v3/%(project_id)s", f"http://{OWN}:8776/v3/%(project_id)s"),
        ("https://api.example.org/identity", f"https://{OWN}/identity"),
        ("rabbit://u:p@one:5672,u:p@two:5672//v?ssl=0", f"rabbit://u:p@{OWN}:5672//v?ssl=0"),
        ("mysql+pymysql://u:p%40q@[fd00::1]/nova?charset=utf8", f"mysql+pymysql://u:p%40q@{OWN}/nova?charset=utf8"),
        ("none:///", "none:///"),
        (
            "{scheme}://{username}:{password}@{hostname}:{port}/nova",
            "{scheme}://{username}:{password}@{hostname}:{port}/nova",
        ),
    ],
)
def test_an_address_keeps_everything_but_its_host(server: PrivateMariaDB, home: str, turned: str) -> None:
    assert server["saltus_clone"]._turned(home, OWN) == turned
    assert server["saltus_clone"]._hosts(turned) <= {OWN}


def test_what_tenants_wrote_since_the_backup_is_told(server: PrivateMariaDB) -> None:
    server["saltus_mariadb"].back_up("freeze", "logical", frozen=True, replace=True)
    since = server["saltus_writes"].since
    assert since("freeze") == {}
    server.query("UPDATE services SET updated_at = UTC_TIMESTAMP() + INTERVAL 1 HOUR", "nova")
    assert since("freeze") == {}, "a heartbeat is nothing that a tenant wrote"
    server.query(
        "INSERT INTO images (id, name, created_at, status, min_disk, min_ram, deleted, protected, visibility, "
        "os_hidden) VALUES ('x', 'mine', UTC_TIMESTAMP() + INTERVAL 1 HOUR, 'active', 0, 0, 0, 0, 'private', 0)",
        "glance",
    )
    before = server.query("SELECT COUNT(*) FROM images", "glance")[0][0]
    server.query("DELETE FROM floatingips", "neutron")
    changed = since("freeze")
    assert changed["glance.images"] == {
        "before": int(before or 0) - 1,
        "now": int(before or 0),
        "created": ["mine"],
        "deleted": [],
    }
    assert set(changed) <= {"glance.images", "neutron.floatingips"}
    server["saltus_mariadb"].restore("freeze")
    assert since("freeze") == {}
