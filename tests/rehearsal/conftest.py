"""Dumps of real clouds, a private MariaDB, and a shelf of toolboxes that is kept between runs of the tests."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from saltus.database.private import PrivateServer
from saltus.toolbox.shelf import Shelf

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
    """Toolboxes take minutes to build: they are kept in `$SALTUS_TEST_TOOLBOXES`, else in the user's cache."""
    kept = os.environ.get("SALTUS_TEST_TOOLBOXES", "~/.cache/saltus/toolboxes")
    return Shelf(Path(kept).expanduser())
