"""A clone of a running server: whole, of one instant, by an account that may only read, no password in any argv."""

from __future__ import annotations

import subprocess
import threading
import time
from pathlib import Path

import pytest

from saltus.commands.rehearsal import rehearse
from saltus.commands.settings import Settings
from saltus.database.dumps import look
from saltus.database.load import load
from saltus.database.private import PrivateServer, find_program
from saltus.database.running import CannotRead, RunningServer
from saltus.runner.progress import SilentProgress

pytestmark = [pytest.mark.mariadb, pytest.mark.timeout(300)]

PASSWORD = "n0t for ps"


@pytest.fixture(scope="module")
def cloud(tmp_path_factory):
    """A server with the databases of a real cloud, with another one beside them, and accounts of its own."""
    dumps = Path(__file__).parents[1] / "data" / "databases" / "mitaka-small"
    server = PrivateServer(tmp_path_factory.mktemp("cloud") / "mariadb", buffer_pool_mb=128)
    with server.running():
        load(look(dumps), server)
        server.create_database("of_somebody_else")
        for name, rights in {
            "reader": ["SELECT, SHOW VIEW, TRIGGER ON *.*"],
            "lister": ["SELECT, SHOW VIEW, TRIGGER, RELOAD ON *.*"],
            "backup": ["SELECT, RELOAD, PROCESS, LOCK TABLES, BINLOG MONITOR, SHOW VIEW, TRIGGER ON *.*"],
            "nobody": ["USAGE ON *.*"],
        }.items():
            server.query(f"CREATE USER {name}@localhost IDENTIFIED BY '{PASSWORD}'")
            for right in rights:
                server.query(f"GRANT {right} TO {name}@localhost")
        yield server


@pytest.fixture
def option_file(cloud, tmp_path):
    def write(user, password=PASSWORD):
        path = tmp_path / f"{user}.cnf"
        path.write_text(f'[client]\nsocket = {cloud.socket}\nuser = {user}\npassword = "{password}"\n')
        path.chmod(0o600)
        return path

    return write


@pytest.fixture
def clone(tmp_path):
    server = PrivateServer(tmp_path / "clone", buffer_pool_mb=64)
    yield server
    server.stop()


def rows(server, names):
    return {name: server.count_rows(name) for name in names}


@pytest.fixture
def words_seen():
    """All words of all processes while the test runs."""
    seen: set[str] = set()
    done = threading.Event()

    def watch():
        while not done.is_set():
            for path in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    seen.update(path.read_bytes().decode(errors="replace").split("\0"))
                except OSError:
                    continue
            time.sleep(0.02)

    thread = threading.Thread(target=watch)
    thread.start()
    yield seen
    done.set()
    thread.join()


def test_its_files_are_copied_where_they_are_at_hand(cloud, clone, option_file, words_seen):
    told: list[str] = []
    names = RunningServer(option_file("backup")).clone_into(clone, say=lambda text, fraction: told.append(text))
    assert told == ["copying its files"]
    assert "of_somebody_else" not in names
    assert rows(clone, names) == rows(cloud, names)
    assert len(names) == 7
    assert any("mariadb-backup" in word for word in words_seen)
    assert not any(PASSWORD in word for word in words_seen)


def test_without_the_right_to_copy_files_its_databases_are_dumped_side_by_side(cloud, clone, option_file, words_seen):
    told: list[str] = []
    names = RunningServer(option_file("lister")).clone_into(clone, say=lambda text, fraction: told.append(text))
    assert "dumped instead" in told[1]
    assert not any("GRANT RELOAD" in text for text in told)
    assert rows(clone, names) == rows(cloud, names)
    assert {name: clone.read_versions(name) for name in names} == {name: cloud.read_versions(name) for name in names}
    assert "--single-transaction" in words_seen
    assert not any(PASSWORD in word for word in words_seen)


def test_all_databases_are_of_one_instant_while_somebody_writes(cloud, clone, option_file, monkeypatch):
    """A writer puts the same number into two databases, one after the other: a clone never has the second without the
    first."""
    monkeypatch.setattr(RunningServer, "_files_are_here", lambda self: False)
    for name in ("nova_api", "nova"):
        cloud.query(f"CREATE OR REPLACE TABLE {name}.written (number int)")
    done, written = threading.Event(), []

    def write():
        connection = cloud.connect()
        with connection.cursor() as cursor:
            while not done.is_set():
                for name in ("nova_api", "nova"):
                    cursor.execute(f"INSERT INTO {name}.written VALUES (%s)", [len(written)])
                written.append(1)
        connection.close()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        RunningServer(option_file("lister")).clone_into(clone)
    finally:
        done.set()
        writer.join()
        counts = [clone.query(f"SELECT COUNT(*) FROM {name}.written")[0][0] for name in ("nova_api", "nova")]
        for name in ("nova_api", "nova"):
            cloud.query(f"DROP TABLE {name}.written")
    assert len(written) > counts[0]
    assert counts[0] - counts[1] in (0, 1)


def test_an_account_that_may_not_hold_writers_still_is_told_what_that_means(clone, option_file, monkeypatch):
    monkeypatch.setattr(RunningServer, "_files_are_here", lambda self: False)
    told: list[str] = []
    RunningServer(option_file("reader")).clone_into(clone, say=lambda text, fraction: told.append(text))
    assert any("GRANT RELOAD helps" in text for text in told)


@pytest.mark.parametrize(
    ("user", "password", "because"),
    [("reader", "wrong", "Access denied"), ("nobody", PASSWORD, "this account sees none of")],
)
def test_who_may_not_read_it_is_refused(clone, option_file, user, password, because):
    with pytest.raises(CannotRead, match=because):
        RunningServer(option_file(user, password)).clone_into(clone)


def test_a_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(CannotRead, match="is no option file"):
        RunningServer(tmp_path / "none.cnf").databases()


def test_a_database_that_the_account_may_not_read_is_named(cloud, clone, option_file, monkeypatch):
    monkeypatch.setattr(RunningServer, "_files_are_here", lambda self: False)
    cloud.query(f"CREATE OR REPLACE USER half@localhost IDENTIFIED BY '{PASSWORD}'")
    cloud.query("GRANT SELECT, SHOW VIEW, TRIGGER ON glance.* TO half@localhost")
    cloud.query("GRANT SELECT (id) ON keystone.project TO half@localhost")
    with pytest.raises(CannotRead, match=r"keystone of .* could not be dumped"):
        RunningServer(option_file("half")).clone_into(clone)


@pytest.mark.toolbox
def test_a_rehearsal_on_a_running_server(zed, shelf, tmp_path):
    """The words that an operator says, but for the server: glance from Zed to Epoxy."""
    server = PrivateServer(tmp_path / "production", buffer_pool_mb=128)
    with server.running():
        load(look(zed), server)
        before = {name: server.query(f"CHECKSUM TABLE glance.{name}") for name in server.tables("glance")}
        options = tmp_path / "root.cnf"
        options.write_text(f"[client]\nsocket = {server.socket}\nuser = root\n")
        done = rehearse(
            Settings.from_options(state=str(tmp_path / "state"), model=None, journal=None),
            RunningServer(options),
            "epoxy",
            services=["glance"],
            toolboxes=shelf.directory,
            progress=SilentProgress(),
            say=print,
        )
        assert done.state.status == "done"
        assert {name: server.query(f"CHECKSUM TABLE glance.{name}") for name in server.tables("glance")} == before
        client = [find_program("mariadb"), "--no-defaults", f"--socket={server.socket}", "-uroot", "-Nse"]
        held = subprocess.run(
            [*client, "SHOW OPEN TABLES WHERE In_use > 0"], capture_output=True, text=True, check=True
        )
        assert held.stdout == ""
