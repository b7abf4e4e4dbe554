"""A run begun by an older Saltus and taken up by this one.

`journal-of-0001.sql` is a journal as the first version wrote it, stopped in the middle of `build/db_sync-nova`. It is
never made again: a change that cannot read it breaks the runs of those who upgrade Saltus over a weekend.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from saltus.journal.signatures import Signer
from saltus.journal.store import Journal
from saltus.runner.gates import AutoApprover
from saltus.runner.performer import StepContext
from saltus.runner.performers.fake import EveryKind, FakePerformer
from saltus.runner.run import Runner

RUN = "control-b7658f0f11c7-1"


@pytest.fixture
def old(tmp_path: Path) -> Path:
    path = tmp_path / "journal.db"
    connection = sqlite3.connect(path)
    connection.executescript(Path(__file__).with_name("journal-of-0001.sql").read_text())
    connection.close()
    return path


def test_a_run_of_the_first_version_is_finished_by_this_one(old: Path) -> None:
    journal = Journal(f"sqlite:///{old}", signer=Signer(b"the key of this installation"))
    before = journal.state(RUN)
    assert (before.status, before.unknown_steps) == ("paused", ("build/db_sync-nova",))
    assert before.gates["check/begin"].status == "approved"
    noted: list[object] = []

    def do(context: StepContext) -> None:
        noted.append((context.step.id, context.noted().get("jid"), context.evidence_of("check/facts")))

    fake = FakePerformer(do=do)
    state = Runner(journal, EveryKind(fake), AutoApprover("demo"), by="ann").run(RUN)
    assert state.status == "done"
    finished = {name for name, step in before.steps.items() if step.status == "done"}
    assert len(finished) >= 8
    assert not finished & set(fake.performed)
    assert ("build/db_sync-nova", "20261122184500000001", {"rows": 7}) in noted
    journal.close()
