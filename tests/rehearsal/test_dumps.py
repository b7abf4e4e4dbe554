"""Dumps in every form load whole; what is not whole, or not a dump, is refused in words."""

from __future__ import annotations

import gzip
import shutil
import subprocess
from pathlib import Path

import pytest

from saltus.database.dumps import UnusableDump, look, pieces
from saltus.database.load import load
from saltus.database.private import PrivateServer, find_program

pytestmark = pytest.mark.mariadb

MITAKA = {
    "cinder": ("72",),
    "glance": ("44",),
    "heat": ("71",),
    "keystone": ("97",),
    "neutron": ("4ffceebfcdc",),
    "nova": ("319",),
    "nova_api": ("7",),
}


def versions(server):
    return {database: server.read_versions(database) for database in server.databases()}


def test_one_dump_a_database(server, mitaka):
    load(look(mitaka), server)
    assert versions(server) == MITAKA
    assert server.count_rows("nova")["instances"] == 27
    assert server.count_rows("keystone")["project"] > 3


def test_one_dump_with_all_databases_loads_every_row_that_one_client_loads(server, zed):
    load(look(zed), server)
    in_parallel = {database: server.count_rows(database) for database in server.databases()}
    for database in in_parallel:
        server.drop_database(database)
    with gzip.open(next(zed.glob("*.gz"))) as dump:
        client = [find_program("mariadb", "mysql"), "--no-defaults", f"--socket={server.socket}", "--user=root"]
        subprocess.run(client, input=dump.read(), check=True)
    assert {database: server.count_rows(database) for database in server.databases()} == in_parallel
    assert versions(server)["nova"] == ("ccb0fa1a2252",)


def test_another_server_that_starts_leaves_the_temporary_tables_alone(server, tmp_path):
    """It deletes all that it finds in its tmpdir, and mariadb-install-db died of it."""
    connection = server.connect("mysql")
    with connection.cursor() as cursor:
        cursor.execute("CREATE TEMPORARY TABLE kept (i int) ENGINE=Aria")
        with PrivateServer(tmp_path / "other", buffer_pool_mb=16).running():
            cursor.execute("INSERT INTO kept VALUES (1)")
        cursor.execute("SELECT i FROM kept")
        assert cursor.fetchall() == ((1,),)
        cursor.execute("DROP TEMPORARY TABLE kept")
    connection.close()


def test_what_is_said_of_a_stopped_clone_opens_it(server):
    server.create_database("found_again")
    server.stop()
    command, _, client = server.how_to_look.partition(" & then: ")
    with subprocess.Popen(command.split(), stderr=subprocess.DEVNULL) as process:
        try:
            while not server.answers():
                assert process.poll() is None
            said = subprocess.run([*client.split(), "-e", "SHOW DATABASES"], capture_output=True, text=True, check=True)
        finally:
            process.terminate()
    assert "found_again" in said.stdout.split()


def test_pieces_that_load_side_by_side_lock_nothing(mitaka):
    """A table created meanwhile, with a foreign key to a locked one, is missing from the locks: error 1100, seen."""
    for piece in pieces(mitaka / "neutron.sql.gz"):
        assert not [line for line in piece.lines if b"LOCK TABLES" in line]


def test_plain_and_zstd(server, mitaka, tmp_path):
    directory = tmp_path / "mixed"
    directory.mkdir()
    plain = gzip.decompress((mitaka / "nova.sql.gz").read_bytes())
    (directory / "nova.sql").write_bytes(plain)
    packed = subprocess.run(
        [find_program("zstd"), "-c"],
        input=gzip.decompress((mitaka / "nova_api.sql.gz").read_bytes()),
        capture_output=True,
        check=True,
    )
    (directory / "nova_api.sql.zst").write_bytes(packed.stdout)
    assert load(look(directory), server) == ["nova", "nova_api"]
    assert server.count_rows("nova")["instances"] == 27


def test_a_mydumper_directory(server, mitaka, tmp_path):
    """Laid out as mydumper writes it: schemas apart from rows, one file a table."""
    load(look(mitaka), server)
    before = server.count_rows("nova_api")
    directory = tmp_path / "mydumper"
    directory.mkdir()
    dump = [find_program("mariadb-dump", "mysqldump"), "--no-defaults", f"--socket={server.socket}", "--user=root"]

    def written(*options):
        return subprocess.run([*dump, "--compact", *options], capture_output=True, check=True).stdout

    (directory / "nova_api-schema-create.sql").write_text("CREATE DATABASE `nova_api`;\n")
    for table in server.tables("nova_api"):
        (directory / f"nova_api.{table}-schema.sql").write_bytes(written("--no-data", "nova_api", table))
        if before[table]:
            (directory / f"nova_api.{table}.00000.sql").write_bytes(written("--no-create-info", "nova_api", table))
    (directory / "metadata").write_text("# Started dump at: 2026-11-22\n# Finished dump at: 2026-11-22\n")
    server.drop_database("nova_api")
    load(look(directory), server)
    assert server.count_rows("nova_api") == before


def test_a_physical_backup_is_copied_prepared_and_started(server, mitaka, tmp_path):
    load(look(mitaka), server)
    backup = tmp_path / "backup"
    subprocess.run(
        [
            find_program("mariadb-backup", "mariabackup"), "--no-defaults", "--backup", f"--target-dir={backup}",
            f"--socket={server.socket}", "--user=root", f"--datadir={server.data}",
        ],
        check=True, capture_output=True,
    )  # fmt: skip
    files = {path: path.stat().st_mtime_ns for path in backup.rglob("*")}
    clone = PrivateServer(tmp_path / "clone", buffer_pool_mb=128)
    try:
        load(look(backup), clone)
        assert versions(clone) == MITAKA
        assert clone.count_rows("nova") == server.count_rows("nova")
    finally:
        clone.stop()
    assert {path: path.stat().st_mtime_ns for path in backup.rglob("*")} == files


def test_a_dump_cut_inside_its_compression_is_refused(server, mitaka, tmp_path):
    directory = tmp_path / "cut"
    directory.mkdir()
    whole = (mitaka / "nova.sql.gz").read_bytes()
    (directory / "nova.sql.gz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UnusableDump, match=r"the dump nova\.sql\.gz is truncated"):
        load(look(directory), server)


def test_a_dump_cut_in_its_text_is_refused(server, mitaka, tmp_path):
    directory = tmp_path / "cut"
    directory.mkdir()
    whole = gzip.decompress((mitaka / "nova.sql.gz").read_bytes())
    (directory / "nova.sql").write_bytes(whole[: whole.index(b"-- Table structure for table `services`")])
    with pytest.raises(UnusableDump, match="Dump completed"):
        load(look(directory), server)


def test_a_directory_without_dumps_is_refused(tmp_path):
    (tmp_path / "notes.txt").write_text("nothing")
    with pytest.raises(UnusableDump, match="there are no dumps"):
        look(tmp_path)


def test_an_unfinished_mydumper_directory_is_refused(tmp_path):
    (tmp_path / "metadata").write_text("# Started dump at: 2026-11-22\n")
    with pytest.raises(UnusableDump, match="not whole"):
        look(tmp_path)


def test_a_statement_that_the_server_refuses_is_shown(server, tmp_path):
    (tmp_path / "nova.sql").write_text("-- Table structure for table `t`\nCREATE TABEL t (i int);\n-- Dump completed\n")
    with pytest.raises(UnusableDump, match="refused a statement"):
        load(look(tmp_path), server)


def test_dumps_are_only_read(server, mitaka, tmp_path):
    directory = Path(shutil.copytree(mitaka, tmp_path / "dumps"))
    before = {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in directory.iterdir()}
    load(look(directory), server)
    assert {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in directory.iterdir()} == before
