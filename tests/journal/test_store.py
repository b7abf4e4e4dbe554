"""The journal on SQLite and on PostgreSQL: one behaviour."""

from __future__ import annotations

import json
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from plans import plan, reference_plan, stage, step
from sqlalchemy import inspect, text

from saltus.journal import tables
from saltus.journal.connection import JournalUnreachable
from saltus.journal.events import StepFinished, StepNoted, StepStarted
from saltus.journal.history import last_durations
from saltus.journal.leases import WHOLE_CLOUD, LeaseHeld, LeaseLost, LockHeld
from saltus.journal.migrate import HEAD
from saltus.journal.redactor import Redactor
from saltus.journal.store import Journal, JournalMoved, NotFound, NotReadable

AT = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def started(name: str = "build/a") -> StepStarted:
    return StepStarted(at=AT, by="ann", step=name, attempt=1)


def test_events_come_back_as_they_were_written(journal: Journal) -> None:
    run = journal.create_run(reference_plan(), by="ann", at=AT)
    noted = StepNoted(at=AT, by="ann", step="build/a", data={"jid": "2026", "deep": {"list": [1, None, "ü"]}})
    assert journal.append(run, started(), noted) == 3
    assert [seq for seq, _ in journal.read(run)] == [1, 2, 3]
    assert journal.read(run, after_seq=2) == [(3, noted)]


def test_plans_and_runs_are_found_by_the_beginning_of_their_names(journal: Journal) -> None:
    first, second = reference_plan(), plan(stage("build", step("build/a")))
    journal.save_plan(first)
    assert journal.save_plan(first) == first.fingerprint
    assert journal.find_plan(first.short) == first
    run = journal.create_run(second, by="ann")
    again = journal.create_run(second, by="ann")
    assert (run, again) == (f"control-{second.short}-1", f"control-{second.short}-2")
    assert journal.find_run(run).created_by == "ann"
    with pytest.raises(NotFound, match="is more than one run"):
        journal.find_run("control")
    with pytest.raises(NotFound, match="there is no plan ffffffffffff"):
        journal.find_plan("ffffffffffff")
    with pytest.raises(NotFound, match="there is no run 100%"):
        journal.find_run("100%")


def test_who_has_not_read_the_last_event_cannot_append_after_it(journal: Journal) -> None:
    run = journal.create_run(reference_plan(), by="ann")
    journal.append(run, started(), expected_seq=1)
    with pytest.raises(JournalMoved):
        journal.append(run, started(), expected_seq=1)


def test_many_writers_lose_nothing_and_number_without_gaps(journal: Journal) -> None:
    run = journal.create_run(reference_plan(), by="ann")

    def write() -> None:
        for _ in range(20):
            journal.append(run, started())

    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [seq for seq, _ in journal.read(run)] == list(range(1, 82))


def test_a_lease_is_held_by_one_ends_by_its_time_and_cannot_be_used_after(journal: Journal) -> None:
    run = journal.create_run(reference_plan(), by="ann")
    take = journal.leases.take
    take(run, runner="one", host="ctl", pid=1, by="ann", ttl_s=60)
    with pytest.raises(LeaseHeld, match="process 1 on ctl, started by ann, holds its lease"):
        take(run, runner="two", host="ctl", pid=1, by="bob", ttl_s=60)
    journal.leases.renew(run, "one", ttl_s=60)
    holder = journal.leases.holder(run)
    assert holder
    assert (holder.runner, holder.by) == ("one", "ann")
    journal.leases.renew(run, "one", ttl_s=0.1)
    time.sleep(0.2)
    assert journal.leases.holder(run) is None
    journal.append(run, started(), runner="one")  # nobody has taken over: what was done may still be written down
    take(run, runner="two", host="ctl", pid=1, by="bob", ttl_s=60)
    with pytest.raises(LeaseLost, match="another runner took over"):
        journal.append(run, started(), runner="one")
    with pytest.raises(LeaseLost):
        journal.leases.renew(run, "one", ttl_s=5)
    journal.leases.give_back(run, "one")
    assert journal.leases.holder(run)
    journal.leases.give_back(run, "two")
    assert journal.leases.holder(run) is None


def test_only_one_of_many_takes_the_lease(url: str) -> None:
    journals = [Journal(url) for _ in range(4)]
    run = journals[0].create_run(reference_plan(), by="ann")
    got: list[int] = []
    together = threading.Barrier(4)

    def take(number: int) -> None:
        together.wait()
        try:
            journals[number].leases.take(run, runner=f"r{number}", host="h", pid=1, by="ann", ttl_s=30)
            got.append(number)
        except LeaseHeld:
            pass

    threads = [threading.Thread(target=take, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(got) == 1
    for journal in journals:
        journal.close()


def test_locks_are_by_cloud_and_part(journal: Journal) -> None:
    one, two, three = (journal.create_run(reference_plan(), by="ann") for _ in range(3))
    take = journal.locks.take
    take(one, "small", frozenset({"ctl01", "dbs01"}))
    take(one, "small", frozenset({"ctl01", "dbs01"}))
    take(two, "small", frozenset({"cmp01"}))
    take(three, "large", frozenset({"ctl01"}))
    with pytest.raises(LockHeld, match=f"{one} is not over and holds dbs01 of cloud small"):
        take(two, "small", frozenset({"cmp02", "dbs01"}))
    assert journal.locks.held("small") == {"ctl01": one, "dbs01": one, "cmp01": two}
    with pytest.raises(LockHeld):
        take(three, "small", frozenset({WHOLE_CLOUD}))
    take(three, "large", frozenset({WHOLE_CLOUD}))
    with pytest.raises(LockHeld, match="holds the whole cloud large"):
        take(one, "large", frozenset({"ctl09"}))
    journal.locks.give_back(one)
    take(two, "small", frozenset({"cmp01", "dbs01"}))


def test_durations_of_the_last_run_are_known(journal: Journal) -> None:
    for seconds in (10.0, 12.5):
        run = journal.create_run(reference_plan(), by="ann", at=AT + timedelta(seconds=seconds))
        journal.append(run, StepFinished(at=AT, by="ann", step="build/a", summary="", seconds=seconds))
    found = StepFinished(at=AT, by="ann", step="build/b", summary="found", seconds=0, verified=True)
    journal.append(run, found)
    assert last_durations(journal, plan_name="control", cloud="small") == {"build/a": 12.5}
    assert last_durations(journal, plan_name="control", cloud="other") == {}


def test_the_migrations_make_the_tables_that_the_code_knows(journal: Journal) -> None:
    with journal.db.read() as connection:
        made = inspect(connection)
        for table in tables.metadata.sorted_tables:
            columns = {column["name"]: column["nullable"] for column in made.get_columns(table.name)}
            assert columns == {column.name: bool(column.nullable) for column in table.columns}, table.name
        assert connection.execute(text("SELECT version_num FROM alembic_version")).scalar() == HEAD


def test_a_journal_of_the_first_version_is_brought_up_to_date_with_its_runs(url: str) -> None:
    journal = Journal(url)
    run = journal.create_run(reference_plan(), by="ann")
    with journal.db.write() as connection:
        connection.execute(text("ALTER TABLE leases DROP COLUMN place"))
        connection.execute(text("UPDATE alembic_version SET version_num = '0001'"))
    journal.close()
    again = Journal(url)
    again.leases.take(run, runner="one", host="h", pid=1, by="ann", ttl_s=5)
    assert again.state(run).status == "created"
    again.close()


def change(journal: Journal, run: str, **values: object) -> None:
    """Change the last event as another version of Saltus, or somebody with the database's password, would."""
    with journal.db.write() as connection:
        row = connection.execute(text("SELECT seq, json FROM events ORDER BY seq DESC LIMIT 1")).one()
        told = json.dumps({**json.loads(row.json), **values})
        connection.execute(text("UPDATE events SET json = :told WHERE seq = :seq"), {"told": told, "seq": row.seq})


def test_a_run_that_a_newer_saltus_wrote_says_why_it_cannot_be_read(journal: Journal) -> None:
    run = journal.create_run(reference_plan(), by="ann")
    journal.append(run, started())
    change(journal, run, format=2)
    with pytest.raises(NotReadable, match=r"it is of format 2, and Saltus .* reads formats up to 1") as refused:
        journal.state(run)
    assert refused.value.what == f"event 2 of the run {run} cannot be read"
    change(journal, run, format=1, colour="red")
    with pytest.raises(NotReadable, match="colour: Extra inputs are not permitted"):
        journal.state(run)


def test_a_plan_that_was_changed_in_the_database_is_not_run(journal: Journal) -> None:
    the_plan = reference_plan()
    journal.save_plan(the_plan)
    with journal.db.write() as connection:
        connection.execute(text("UPDATE plans SET json = replace(json, 'build/stop-old', 'build/stop-all')"))
    with pytest.raises(NotReadable, match="it was changed in the database"):
        journal.find_plan(the_plan.short)


def test_a_journal_that_cannot_be_used_says_why(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no database, but long enough to be taken for a damaged one" * 20)
    with pytest.raises(JournalUnreachable, match="file is not a database"):
        Journal(f"sqlite:///{tmp_path}/file")
    with pytest.raises(JournalUnreachable, match="cannot be read"):
        Journal("nonsense")
    with pytest.raises(JournalUnreachable) as refused:
        Journal("postgresql+psycopg://saltus:hunter22@127.0.0.1:1/none")
    assert "hunter22" not in str(refused.value)


def test_secrets_never_reach_the_database(url: str, tmp_path: Path) -> None:
    secret = "s3cr3t-of-nova"
    journal = Journal(url, redactor=Redactor([secret, "short"]))
    run = journal.create_run(reference_plan(), by="ann")
    planted = [
        f"connection = mysql+pymysql://nova:{secret}@10.0.0.1/nova",
        "rabbit://openstack:Other-Passw0rd@10.0.0.2:5672/",
        "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAAABG5vbmU\n-----END OPENSSH PRIVATE KEY-----",
        "X-Auth-Token: gAAAAABmZm9vYmFyZm9vYmFyZm9vYmFyZm9vYmFyZm9vYmFyZm9vYmFyZm9vYmFy",
        "admin_password = Tr0ub4dor&3",
        "CREATE USER nova IDENTIFIED BY 'Corr3ctHorse'",
        '{"auth": {"password": "Batt3ryStaple"}}',
    ]
    for number, line in enumerate(planted):
        journal.append(
            run,
            StepFinished(
                at=AT,
                by="ann",
                step="build/a",
                summary=line,
                evidence={"output": [line, {"nested": line}], f"key{number}": line, "token": "plain-t0ken"},
                seconds=1,
            ),
        )
    with journal.db.read() as connection:
        written = "\n".join(connection.execute(text("SELECT json FROM events")).scalars())
    for leaked in (
        secret,
        "Other-Passw0rd",
        "b3BlbnNzaC1rZXktdjE",
        "gAAAAABm",
        "Tr0ub4dor",
        "Corr3ctHorse",
        "Batt3ryStaple",
        "plain-t0ken",
    ):
        assert leaked not in written
    assert "rabbit://openstack:[hidden]@10.0.0.2:5672/" in written
    journal.close()
