import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from databases import empty_database, postgresql

from saltus.journal.signatures import Signer
from saltus.journal.store import Journal

sys.path.insert(0, str(Path(__file__).parents[1] / "runner"))


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[str]:
    with postgresql() as url:
        yield url


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty journal's URL: of a file, then of a PostgreSQL."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/journal.db"
    return empty_database(request.getfixturevalue("postgresql_server"), f"journal-{tmp_path.name}"[:60])


@pytest.fixture
def journal(url: str, tmp_path: Path) -> Iterator[Journal]:
    journal = Journal(url, signer=Signer.from_file(tmp_path / "key"))
    yield journal
    journal.close()
