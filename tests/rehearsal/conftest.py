"""Dumps of real clouds, a private MariaDB, and a shelf of toolboxes that is kept between runs of the tests."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from saltus.commands.rehearsal import rehearse, report_of
from saltus.commands.settings import Settings
from saltus.database.private import PrivateServer
from saltus.runner.progress import SilentProgress
from saltus.toolbox.shelf import Shelf
from toolboxes_ahead import kept

DUMPS = Path(__file__).parents[1] / "data" / "databases"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[PrivateServer]:
    """An empty server, stopped at the end."""
    private = PrivateServer(tmp_path / "mariadb", buffer_pool_mb=128)
    with private.running():
        yield private


@pytest.fixture
def mitaka() -> Path:
    """The databases of a real Mitaka cloud, one dump each."""
    return DUMPS / "mitaka-small"


@pytest.fixture
def zed(tmp_path: Path) -> Path:
    """The databases of a real Zed cloud, all in one dump."""
    directory = tmp_path / "zed-lab"
    directory.mkdir()
    shutil.copy(DUMPS / "zed-lab.sql.gz", directory)
    return directory


@pytest.fixture(scope="session")
def shelf() -> Shelf:
    """Toolboxes take minutes to build: they are kept between runs of the tests."""
    return Shelf(kept())


@pytest.fixture
def hop(tmp_path, shelf):
    """Rehearse a hop and keep the clone; gives (report, the running clone, directory of its configuration)."""
    clones: list[PrivateServer] = []

    def run(dump, target, services=None, source=None):
        settings = Settings.from_options(state=str(tmp_path / "state"), model=None, journal=None)
        done = rehearse(
            settings,
            dump,
            target,
            source=source,
            services=services,
            toolboxes=shelf.directory,
            keep=True,
            progress=SilentProgress(),
            say=print,
        )
        report = report_of(done)
        assert report.status == "done", report.warnings
        clone = PrivateServer(done.directory / "mariadb")
        clone.start()
        clones.append(clone)
        return report, clone, done.directory / "tools"

    yield run
    for clone in clones:
        clone.stop()
