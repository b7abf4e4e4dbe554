"""Backups of a real MariaDB with the databases of a real Zed cloud: taken, broken, restored, compared."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from salt.exceptions import CommandExecutionError

from .conftest import DUMPS, PrivateMariaDB

pytestmark = pytest.mark.mariadb


def change_much(server: PrivateMariaDB) -> None:
    """As a db_sync and a tenant would: rows, columns, tables, a database less."""
    server.query("UPDATE instances SET display_name = 'changed'", "nova")
    server.query("ALTER TABLE cell_mappings ADD COLUMN of_a_later_release INT", "nova_api")
    server.query("DELETE FROM alembic_version", "neutron")
    server.query("CREATE TABLE of_a_later_release (id INT)", "keystone")
    server.query("DROP DATABASE IF EXISTS placement")


@pytest.mark.parametrize("method", ["physical", "logical"])
def test_after_a_restore_every_table_is_as_it_was(server: PrivateMariaDB, method: str) -> None:
    db = server["saltus_mariadb"]
    before = db.checksums()
    assert len(before) > 400
    assert before["nova.instances"]["rows"] > 0
    taken = db.back_up(f"frozen-{method}", method, frozen=True)
    assert taken["tables"] == len(before)
    change_much(server)
    result = db.restore(f"frozen-{method}")
    assert result["differences"] == []
    assert result["compared"] == len(before)
    assert db.checksums() == before
    assert result["kept"] is None
    assert not list(server.home.glob("data.*"))


def test_restored_files_belong_to_mariadb(server: PrivateMariaDB) -> None:
    server["saltus_mariadb"].back_up("owner", "physical")
    server["saltus_mariadb"].restore("owner")
    owners = {path.stat().st_uid for path in [server.datadir, *server.datadir.rglob("*")]}
    assert owners == {server.datadir.stat().st_uid}
    assert os.geteuid() != 0 or owners != {0}


@pytest.mark.root
def test_a_datadir_that_cannot_be_renamed_is_restored_too(server: PrivateMariaDB) -> None:
    """As where it is a volume of its own, or comes from the lower layer of an overlay."""
    if os.geteuid():
        pytest.skip("needs to mount")
    db = server["saltus_mariadb"]
    server.stop()
    subprocess.run(["mount", "--bind", server.datadir, server.datadir], check=True)
    try:
        server.start()
        before = db.checksums()
        db.back_up("mounted", "physical", frozen=True)
        change_much(server)
        result = db.restore("mounted", keep=True)
        assert result["differences"] == []
        assert db.checksums() == before
        assert Path(result["kept"], "nova").is_dir()
        assert f" {server.datadir} " in Path("/proc/self/mounts").read_text()
        shutil.rmtree(result["kept"])
    finally:
        server.stop()
        subprocess.run(["umount", "-l", server.datadir], check=True)
        server.start()


def test_a_table_that_differs_after_the_restore_is_named_and_the_old_files_are_kept(server: PrivateMariaDB) -> None:
    db = server["saltus_mariadb"]
    db.back_up("lied-about", "physical", frozen=True)
    record = server.backups / "lied-about" / "backup.json"
    content = json.loads(record.read_text())
    content["tables"]["nova.instances"]["checksum"] = "1"
    record.write_text(json.dumps(content))
    result = db.restore("lied-about")
    assert [difference["table"] for difference in result["differences"]] == ["nova.instances"]
    assert Path(result["kept"]).is_dir()
    shutil.rmtree(result["kept"])


def test_a_backup_may_be_prepared_before_it_is_needed(server: PrivateMariaDB) -> None:
    db = server["saltus_mariadb"]
    assert db.back_up("prepared", "physical", frozen=True)["prepared"] is False
    assert db.prepare("prepared")["prepared"] is True
    assert db.prepare("prepared")["prepared"] is True
    assert db.restore("prepared")["differences"] == []


def test_a_restore_that_was_cut_off_is_repeated(server: PrivateMariaDB) -> None:
    db = server["saltus_mariadb"]
    before = db.checksums()
    db.back_up("cut-off", "physical", frozen=True)
    change_much(server)
    # As after a crash between the two renames: no datadir, the old one beside it, half a new one.
    subprocess.run(db._settings()["stop"], check=True)
    server.datadir.rename(server.home / "data.before-cut-off")
    (server.home / "data.new").mkdir()
    assert db.restore("cut-off")["differences"] == []
    assert db.checksums() == before


@pytest.mark.parametrize("method", ["physical", "logical"])
def test_a_truncated_backup_is_refused_and_nothing_is_touched(server: PrivateMariaDB, method: str) -> None:
    db = server["saltus_mariadb"]
    before = db.checksums()
    db.back_up("truncated", method, frozen=True, replace=True)
    files = [path for path in (server.backups / "truncated").rglob("*") if path.suffix != ".json"]
    largest = max(files, key=lambda path: path.stat().st_size)
    os.truncate(largest, largest.stat().st_size // 2)
    with pytest.raises(CommandExecutionError, match=r"not complete; MariaDB was not touched(.|\n)*instead of"):
        db.restore("truncated")
    assert db.checksums() == before


def test_a_dump_with_other_content_is_refused(server: PrivateMariaDB) -> None:
    server["saltus_mariadb"].back_up("altered", "logical")
    dump = next((server.backups / "altered").glob("nova.sql.*"))
    content = bytearray(dump.read_bytes())
    content[100] ^= 1
    dump.write_bytes(content)
    with pytest.raises(CommandExecutionError, match="other content"):
        server["saltus_mariadb"].restore("altered")


def test_a_damaged_record_is_refused_and_listed_as_such(server: PrivateMariaDB) -> None:
    db = server["saltus_mariadb"]
    db.back_up("damaged", "logical", ["glance"])
    record = server.backups / "damaged" / "backup.json"
    os.truncate(record, 100)
    with pytest.raises(CommandExecutionError, match=r"backup\.json is damaged"):
        db.restore("damaged")
    assert db.list_backups()["damaged"]["damaged"] is True
    db.remove_backup("damaged")


def test_every_reason_against_a_backup_is_told(server: PrivateMariaDB, monkeypatch: pytest.MonkeyPatch) -> None:
    db = server["saltus_mariadb"]
    db.back_up("there", "logical", ["glance"])
    usage = shutil.disk_usage(server.home)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=1_000_000))
    with pytest.raises(CommandExecutionError) as refused:
        db.back_up("there", "physical", ["glance", "magnum"])
    told = str(refused.value)
    assert "no database magnum" in told
    assert "there is a backup there already" in told
    assert "has 1 MB free and the backup may need" in told
    assert "\ndo: " in told


@pytest.mark.root
@pytest.mark.parametrize("method", ["physical", "logical"])
def test_a_disk_that_fills_up_leaves_no_half_backup(server: PrivateMariaDB, method: str) -> None:
    """The disk had room when it was asked, and then it had not: a filesystem of 3 MB."""
    db = server["saltus_mariadb"]
    small = server.home / "small"
    small.mkdir(exist_ok=True)
    if os.geteuid() or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", small]).returncode:
        pytest.skip("needs to mount a tmpfs")
    enough = shutil.disk_usage(server.home)
    settings = db.__opts__["saltus_mariadb"]
    settings["backups"] = str(small)
    real = shutil.disk_usage
    shutil.disk_usage = lambda path: enough
    try:
        with pytest.raises((CommandExecutionError, OSError)):
            db.back_up("full", method)
        assert list(small.iterdir()) == []
        assert db.list_backups() == {}
    finally:
        shutil.disk_usage = real
        settings["backups"] = str(server.backups)
        subprocess.run(["umount", small], check=True)


def test_an_unknown_label_names_those_that_exist(server: PrivateMariaDB) -> None:
    server["saltus_mariadb"].back_up("known-one", "logical", ["glance"])
    with pytest.raises(CommandExecutionError, match=r"no backup other(.|\n)*known-one"):
        server["saltus_mariadb"].restore("other")
    with pytest.raises(CommandExecutionError, match="cannot be the label"):
        server["saltus_mariadb"].back_up("../etc", "logical")


def test_backups_are_listed_and_removed(server: PrivateMariaDB) -> None:
    db = server["saltus_mariadb"]
    db.back_up("short-lived", "logical", ["glance", "heat"])
    listed = db.list_backups()["short-lived"]
    assert listed["databases"] == ["glance", "heat"]
    assert listed["size_bytes"] > 0
    assert db.remove_backup("short-lived") is True
    assert db.remove_backup("short-lived") is True
    assert "short-lived" not in db.list_backups()


def test_users_and_grants_are_in_a_logical_backup(server: PrivateMariaDB) -> None:
    db = server["saltus_mariadb"]
    server.query("CREATE USER 'nova'@'%' IDENTIFIED BY 'once'; GRANT ALL ON nova.* TO 'nova'@'%'")
    db.back_up("with-users", "logical", ["nova"])
    server.query("DROP USER 'nova'@'%'")
    db.restore("with-users")
    grants = server.query("SHOW GRANTS FOR 'nova'@'%'")
    assert any("`nova`.*" in (grant[0] or "") for grant in grants)


def test_schema_versions_of_zed_and_of_mitaka(server: PrivateMariaDB) -> None:
    versions = server["saltus_mariadb"].schema_versions()
    assert versions["neutron"] == ["5881373af7f5", "5c85685d616d"]
    assert versions["heat"] == ["86"]
    assert versions["glance"] == ["wallaby_contract01"]
    for name in ("keystone", "nova", "nova_api", "neutron"):
        server.load(DUMPS / "mitaka-small" / f"{name}.sql.gz", f"mitaka_{name}")
    try:
        mitaka = server["saltus_mariadb"].schema_versions(
            [f"mitaka_{n}" for n in ("keystone", "nova", "nova_api", "neutron")]
        )
        assert mitaka == {
            "mitaka_keystone": ["97"],
            "mitaka_nova": ["319"],
            "mitaka_nova_api": ["7"],
            "mitaka_neutron": ["4ffceebfcdc"],
        }
    finally:
        for name in ("keystone", "nova", "nova_api", "neutron"):
            server.query(f"DROP DATABASE mitaka_{name}")


def test_the_sizes_of_databases_are_those_of_their_files(server: PrivateMariaDB) -> None:
    sizes = server["saltus_mariadb"].sizes()
    assert set(sizes) == set(server["saltus_mariadb"].databases())
    assert all(size > 1024**2 for size in sizes.values()), "a Zed database has dozens of tables of 64 KiB and more"
    grown = server["saltus_mariadb"].sizes(["nova"])["nova"]
    server.query("CREATE TABLE large AS SELECT REPEAT('x', 1000) AS text FROM seq_1_to_20000", "nova")
    assert server["saltus_mariadb"].sizes(["nova"])["nova"] > grown + 10 * 1024**2
    server.query("DROP TABLE large", "nova")
