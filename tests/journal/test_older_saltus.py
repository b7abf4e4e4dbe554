"""A run begun by an older Saltus and taken up by this one.

`journal-of-0001.sql` is a journal as the first version wrote it, stopped in the middle of `build/db_sync-nova`;
`journal-of-0002.sql` one of before the runner took the facts itself: the whole upgrade of the lab's cloud, with a step
for the facts, paused in the middle of its window. They are never made again: a change that cannot read them breaks the
runs of those who upgrade Saltus over a weekend.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from pathlib import Path

import pytest

from saltus.commands import runs
from saltus.journal.approvals import Person
from saltus.journal.migrate import HEAD, known_versions
from saltus.journal.signatures import Signer
from saltus.journal.store import Journal
from saltus.runner.drift import expected_facts
from saltus.runner.gates import AutoApprover, JournalAsker
from saltus.runner.performer import StepContext
from saltus.runner.performers.fake import EveryKind, FakePerformer
from saltus.runner.run import Runner

RUN = "control-b7658f0f11c7-1"
UPGRADE = "control-d4789b940528-1"


def journal_of(version: str, directory: Path) -> Path:
    path = directory / "journal.db"
    connection = sqlite3.connect(path)
    connection.executescript(Path(__file__).with_name(f"journal-of-{version}.sql").read_text())
    connection.close()
    return path


@pytest.fixture
def old(tmp_path: Path) -> Path:
    return journal_of("0001", tmp_path)


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


def test_an_upgrade_begun_before_the_runner_took_the_facts_is_finished_by_this_one(tmp_path: Path) -> None:
    journal = Journal(f"sqlite:///{journal_of('0002', tmp_path)}", signer=Signer(b"the key of this installation"))
    before = journal.state(UPGRADE)
    assert before.status == "paused"
    assert before.steps["check/facts"].status == "done"
    assert before.gates["rehearse/approve"].status == "approved"
    finished = {name for name, step in before.steps.items() if step.status == "done"}
    expected = expected_facts(before)
    assert expected["schema of keystone"] == "47147121 c88cdce8f248", "its db_sync is done: the target's heads"
    assert expected["virtual address at"] == "prx01-a"
    fake = FakePerformer()
    runner = Runner(journal, EveryKind(fake), AutoApprover("demo"), by="ann", facts=lambda: expected)
    assert runner.run(UPGRADE).status == "done"
    assert not finished & set(fake.performed)
    assert finished | set(fake.performed) == set(before.steps)
    journal.close()


def test_a_plan_that_lacks_what_this_version_writes_keeps_the_fingerprint_that_was_approved(tmp_path: Path) -> None:
    """As one of a version whose plans had no `lane`, no `evidence` and no `fresh`: they have their defaults."""
    path = journal_of("0002", tmp_path)
    connection = sqlite3.connect(path)
    (text,) = connection.execute("SELECT json FROM plans").fetchone()
    plan = json.loads(text)
    for stage in plan["stages"]:
        if stage["gate"]:
            del stage["gate"]["evidence"]
        for step in stage["steps"]:
            step["action"].pop("fresh", None)
            if step["lane"] is None:
                del step["lane"]
    older = json.dumps(plan, indent=1) + "\n"
    was, now = (hashlib.sha256(each.encode()).hexdigest() for each in (text, older))
    for table, column in (("plans", "json"), ("plans", "fingerprint"), ("runs", "fingerprint"), ("events", "json")):
        new = "?" if column == "json" and table == "plans" else f"replace({column}, '{was}', '{now}')"
        connection.execute(f"UPDATE {table} SET {column} = {new}", (older,) if new == "?" else ())
    connection.commit()
    connection.close()
    journal = Journal(f"sqlite:///{path}")  # without the key: the answer's text was changed with the fingerprint
    kept = journal.plan_of(UPGRADE)
    assert (kept.fingerprint, kept.to_json()) == (now, older)
    assert journal.find_plan(now[:12]).short == now[:12]
    assert kept.model_copy(update={"cloud": "other"}).fingerprint != now
    state = Runner(journal, EveryKind(FakePerformer()), JournalAsker(waits=False), by="ann").run(UPGRADE)
    assert state.status == "waiting"
    asked = [event for _, event in journal.read(UPGRADE) if event.kind == "gate.asked"]
    assert {event.fingerprint for event in asked} == {now}
    runs.approve(journal, UPGRADE, Person("bob"))
    assert (
        Runner(journal, EveryKind(FakePerformer()), JournalAsker(waits=False), by="ann").run(UPGRADE).status == "done"
    )
    journal.close()


def test_all_the_scripts_of_the_tables_are_known_and_the_newest_is_the_head() -> None:
    assert known_versions()[-1] == HEAD
