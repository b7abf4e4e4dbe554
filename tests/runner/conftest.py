from collections.abc import Iterator
from pathlib import Path

import pytest

from saltus.journal.signatures import Signer
from saltus.journal.store import Journal


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    journal = Journal(f"sqlite:///{tmp_path}/journal.db", signer=Signer.from_file(tmp_path / "key"))
    yield journal
    journal.close()
