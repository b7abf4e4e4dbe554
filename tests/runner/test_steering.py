"""Approvals, accounts and the verbs that steer a run: what counts, what is refused, and what the record says of it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from plans import gate, plan, reference_plan, stage, step
from sqlalchemy import text

from saltus.commands import runs, users
from saltus.commands.identity import NotAllowed, who_acts
from saltus.errors import OperatorError
from saltus.journal.accounts import AccountRefused
from saltus.journal.approvals import AnswerNotCounted, Person
from saltus.journal.events import RunStarted, StepStarted
from saltus.journal.signatures import Signer
from saltus.journal.store import Journal
from saltus.plan import Gate
from saltus.runner.clock import FakeClock
from saltus.runner.gates import AutoApprover, JournalAsker
from saltus.runner.performers.fake import EveryKind, FakePerformer
from saltus.runner.run import Runner

ANN, BOB, EVE = Person("ann", "ann@ctl"), Person("bob", "bob@ctl"), Person("eve", "eve@ctl")


def waiting(journal: Journal, the_gate: Gate, clock: FakeClock | None = None, cloud: str = "small") -> str:
    """A run, started by ann, that waits at its gate with nobody running it."""
    the_plan = plan(stage("build", step("build/a"), gate=the_gate), stage("end", step("end/b")), cloud=cloud)
    run = journal.create_run(the_plan, by="ann")
    go_on(journal, run, clock)
    return run


def go_on(journal: Journal, run: str, clock: FakeClock | None = None) -> str:
    asker = JournalAsker(waits=False)
    return Runner(journal, EveryKind(FakePerformer()), asker, clock, by="ann").run(run).status


def test_two_persons_must_approve_and_the_starter_is_none_of_them(journal: Journal) -> None:
    run = waiting(journal, gate(answers=2))
    with pytest.raises(AnswerNotCounted, match="ann started this run, and the gate wants 2 other persons"):
        runs.approve(journal, run, ANN)
    runs.approve(journal, run, BOB)
    assert runs.show_status(journal, run).answers == "1 of 2 (bob)"
    with pytest.raises(AnswerNotCounted, match="bob has already answered"):
        runs.approve(journal, run, BOB)
    assert go_on(journal, run) == "waiting"
    runs.approve(journal, run, EVE, comment="seen")
    assert go_on(journal, run) == "done"
    refused = [line for line in runs.audit(journal, run) if line.what == "gate.answer-refused"]
    assert [(line.by, line.origin) for line in refused] == [("ann", "ann@ctl"), ("bob", "bob@ctl")]


def test_one_rejection_is_enough_and_later_approvals_do_not_count(journal: Journal) -> None:
    run = waiting(journal, gate(answers=2))
    runs.approve(journal, run, BOB)
    runs.reject(journal, run, EVE, comment="not today")
    with pytest.raises(AnswerNotCounted, match="the gate is rejected"):
        runs.approve(journal, run, Person("joe"))
    assert go_on(journal, run) == "aborted"


def test_an_answer_in_time_counts_however_late_it_is_read(journal: Journal) -> None:
    clock = FakeClock()
    run = waiting(journal, gate(expires_after=timedelta(hours=2), on_expiry="abort"), clock)
    clock.move(timedelta(hours=1, minutes=59))
    runs.approve(journal, run, BOB, clock=clock)
    clock.move(timedelta(days=3))
    assert go_on(journal, run, clock) == "done"


def test_expiry_counts_on_while_saltus_is_down_and_a_late_answer_does_not(journal: Journal) -> None:
    clock = FakeClock()
    run = waiting(journal, gate(expires_after=timedelta(hours=2), on_expiry="abort"), clock)
    clock.move(timedelta(hours=2, seconds=1))
    with pytest.raises(AnswerNotCounted, match="it came at 2026-11-22 14:00:01 UTC, and the gate expired at"):
        runs.approve(journal, run, BOB, clock=clock)
    assert go_on(journal, run, clock) == "aborted"
    assert "end/b" not in {line.text.split()[0] for line in runs.read_log(journal, run)}


def test_after_a_pause_by_expiry_the_gate_is_asked_anew_and_old_answers_are_void(journal: Journal) -> None:
    clock = FakeClock()
    run = waiting(journal, gate(answers=2, expires_after=timedelta(hours=2)), clock)
    runs.approve(journal, run, BOB, clock=clock)
    clock.move(timedelta(hours=3))
    assert go_on(journal, run, clock) == "paused"
    with pytest.raises(AnswerNotCounted, match="the gate has expired"):
        runs.approve(journal, run, EVE, gate="build/accept", clock=clock)
    assert go_on(journal, run, clock) == "waiting"
    assert runs.show_status(journal, run).answers == "0 of 2"
    runs.approve(journal, run, BOB, clock=clock)


def copy_answer(journal: Journal, source: str, target: str, **changed: object) -> None:
    """Write the approval of `source` into `target` behind the journal's back, as who has the database could."""
    with journal.db.write() as connection:
        rows = connection.execute(text("SELECT run, seq, kind, json FROM events ORDER BY seq")).all()
        answer = next(row for row in rows if row.run == source and row.kind == "gate.approved")
        last = max(row.seq for row in rows if row.run == target)
        connection.execute(
            text("INSERT INTO events (run, seq, kind, json) VALUES (:run, :seq, 'gate.approved', :json)"),
            {"run": target, "seq": last + 1, "json": json.dumps({**json.loads(answer.json), **changed})},
        )


def test_a_forged_answer_is_as_if_it_had_never_been_written(journal: Journal) -> None:
    run = waiting(journal, gate(answers=2))
    runs.approve(journal, run, BOB)
    copy_answer(journal, run, run, by="eve")
    assert go_on(journal, run) == "waiting"
    assert runs.show_status(journal, run).answers == "1 of 2 (bob)"
    signatures = [line.signature for line in runs.audit(journal, run) if line.what == "gate.approved"]
    assert signatures == ["holds", "does not hold"]


def test_an_answer_replayed_into_another_run_does_not_count(journal: Journal) -> None:
    first, second = waiting(journal, gate()), waiting(journal, gate("build/other"), cloud="other")
    runs.approve(journal, first, BOB)
    copy_answer(journal, first, second)
    assert go_on(journal, second) == "waiting"
    asking = journal.state(second).gates["build/other"].asking
    copy_answer(
        journal, first, second, gate="build/other", asking=asking, fingerprint=journal.find_run(second).fingerprint
    )
    assert go_on(journal, second) == "waiting"


def test_a_key_of_another_installation_signs_nothing_here(journal: Journal, tmp_path: Path) -> None:
    run = waiting(journal, gate(answers=2))
    stranger = Journal(f"sqlite:///{tmp_path}/journal.db", signer=Signer(b"another key"))
    runs.approve(stranger, run, EVE)
    assert go_on(journal, run) == "waiting"
    assert runs.show_status(journal, run).answers == "0 of 2"
    stranger.close()


# -- accounts


def test_once_there_are_accounts_only_they_act_and_only_by_their_role(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 0)
    run = waiting(journal, gate())
    tokens = {name: users.add(journal, ANN, name, role)[1] for name, role in (("vic", "viewer"), ("oda", "operator"))}  # type: ignore[arg-type]
    tokens["app"] = users.add(journal, ANN, "app", "approver")[1]
    with pytest.raises(AnswerNotCounted, match="bob is no account of this journal, and it has accounts"):
        runs.approve(journal, run, BOB)
    people = {}
    for name, token in tokens.items():
        monkeypatch.setenv("SALTUS_TOKEN", token)
        people[name] = who_acts(journal)
        with pytest.raises(NotAllowed, match="the token is refused"):  # it let in once
            who_acts(journal)
    with pytest.raises(AnswerNotCounted, match="oda is an operator, and it takes an approver"):
        runs.approve(journal, run, people["oda"])
    with pytest.raises(NotAllowed, match="vic is a viewer, and it takes an operator"):
        runs.pause(journal, run, people["vic"])
    with pytest.raises(NotAllowed, match="oda may not keep accounts"):
        users.add(journal, people["oda"], "mal", "approver")
    runs.pause(journal, run, people["oda"])
    assert runs.approve(journal, run, people["app"]).by == "app"


def test_who_approves_automatically_is_refused_where_there_are_accounts(journal: Journal) -> None:
    journal.accounts.create("app", "approver", by="ann")
    run = journal.create_run(plan(stage("build", gate=gate(expires_after=timedelta(seconds=1)))), by="ann")
    state = Runner(journal, EveryKind(FakePerformer()), AutoApprover("app"), by="ann").run(run)
    assert state.status == "paused"
    assert [line.text for line in runs.audit(journal, run) if line.what == "gate.answer-refused"] == [
        "answer to build/accept refused: app is no account of this journal, and it has accounts"
    ]


def test_tokens_expire_are_revoked_and_die_with_their_account(journal: Journal) -> None:
    accounts = journal.accounts
    accounts.create("ann", "operator", by="root")
    short = accounts.new_token("ann", lifetime=timedelta(seconds=-1))
    assert accounts.check_token(short) is None
    kept = accounts.new_token("ann", lifetime=timedelta(days=1))
    found = accounts.check_token(kept)
    assert found
    assert (found.name, found.role) == ("ann", "operator")
    assert accounts.check_token(kept[:-1] + ("0" if kept[-1] != "0" else "1")) is None
    assert accounts.check_token("nonsense") is None
    with journal.db.read() as connection:
        rows = str(connection.execute(text("SELECT * FROM tokens")).all())
    assert kept.rpartition("_")[2] not in rows
    accounts.revoke_token(kept.split("_")[1])
    assert accounts.check_token(kept) is None
    last = accounts.new_token("ann", lifetime=timedelta(days=1))
    accounts.change("ann", active=False)
    assert accounts.check_token(last) is None
    with pytest.raises(AccountRefused, match="the account is closed"):
        accounts.new_token("ann", lifetime=timedelta(days=1))


def test_there_is_no_default_password_and_the_first_start_gives_one_token(journal: Journal) -> None:
    accounts = journal.accounts
    token = accounts.first_token(by="root")
    assert token
    assert accounts.first_token(by="root") is None
    assert not accounts.all()[0].has_password
    assert accounts.check_password("admin", "admin") is None
    account = accounts.check_token(token)
    assert account
    assert account.role == "approver"
    assert accounts.check_token(token) is None
    with pytest.raises(AccountRefused, match="fewer than 12 characters"):
        accounts.set_password("admin", "short")
    accounts.set_password("admin", "correct horse battery")
    assert accounts.check_password("admin", "correct horse battery")
    assert accounts.check_password("admin", "correct horse batterz") is None
    assert accounts.check_password("nobody", "correct horse battery") is None
    with journal.db.read() as connection:
        assert connection.execute(text("SELECT password FROM accounts")).scalar_one().startswith("$argon2id$")


def test_login_keeps_a_token_for_this_user_alone(
    journal: Journal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.delenv("SALTUS_TOKEN", raising=False)
    token = journal.accounts.first_token(by="root")
    assert token
    users.login(journal, token)
    kept = tmp_path / "config" / "saltus" / "token"
    assert kept.stat().st_mode & 0o777 == 0o600
    assert (who_acts(journal).name, who_acts(journal).role) == ("admin", "approver")
    with pytest.raises(NotAllowed, match="used up"):
        users.login(journal, token)


# -- steering


def interrupted(journal: Journal) -> str:
    run, at = journal.create_run(reference_plan(), by="ann"), datetime.now(UTC)
    journal.append(
        run,
        RunStarted(at=at, by="ann", runner="dead", host="h", pid=1, saltus="0"),
        StepStarted(at=at, by="ann", step="check/facts", attempt=1),
    )
    return run


def test_an_abort_ends_a_run_that_nobody_runs_and_frees_its_machines(journal: Journal) -> None:
    run = interrupted(journal)
    journal.locks.take(run, "small", frozenset({"ctl01"}))
    assert runs.list_runs(journal)[0].status == "interrupted"
    runs.abort(journal, run, ANN, reason="wrong cloud")
    assert journal.state(run).status == "aborted"
    assert journal.locks.held("small") == {}
    with pytest.raises(runs.RunIsOver, match="a run that is over is not steered any more"):
        runs.pause(journal, run, ANN)


def test_a_step_is_skipped_with_a_reason_and_its_successors_go_on(journal: Journal) -> None:
    run = interrupted(journal)
    with pytest.raises(OperatorError, match="a step is skipped with a reason"):
        runs.skip(journal, run, ANN, step="check/facts", because=" ")
    with pytest.raises(OperatorError, match="there is check/facts"):
        runs.skip(journal, run, ANN, step="checks/facts", because="typo")
    runs.skip(journal, run, ANN, step="check/facts", because="seen by hand")
    fake = FakePerformer()
    state = Runner(journal, EveryKind(fake), AutoApprover("demo"), by="ann").run(run)
    assert (state.status, state.steps["check/facts"].status) == ("done", "skipped")
    assert "check/facts" not in fake.performed
    with pytest.raises(OperatorError, match="it is done"):
        runs.skip(journal, run, ANN, step="check/lists", because="late")


def test_a_retry_from_a_step_does_it_and_all_behind_it_again(journal: Journal) -> None:
    run = journal.create_run(reference_plan(), by="ann")
    fake = FakePerformer(fail_at={"build/start": 1})
    runner = Runner(journal, EveryKind(fake), AutoApprover("demo"), by="ann")
    assert runner.run(run).status == "failed"
    runs.retry(journal, run, ANN, step="build/db_sync-nova")
    fake.performed.clear()
    assert runner.run(run).status == "done"
    assert sorted(fake.performed) == ["build/db_sync-nova", "build/map-nova", "build/start", "finish/old-off"]


def test_the_log_is_in_words_and_the_record_is_whole(journal: Journal) -> None:
    run = waiting(journal, gate())
    runs.approve(journal, run, BOB, comment="fine")
    go_on(journal, run)
    lines = [line.text for line in runs.read_log(journal, run)]
    assert "build/accept approved: fine" in lines
    assert any(line.startswith("build/a done in 0.0 s") for line in lines)
    assert [line.text.split()[0] for line in runs.read_log(journal, run, "end/b")] == ["end/b", "end/b"]
    record = runs.audit_record(journal, run)
    assert record["plan"] == journal.find_run(run).fingerprint
    assert len(record["events"]) == len(lines)  # type: ignore[arg-type]
    json.dumps(record)


# -- ctrl-C, in a process of its own

SCRIPT = """
import pathlib, sys, time
sys.path.insert(0, sys.argv[1])
from plans import plan, stage, step
from saltus.journal.store import Journal
from saltus.runner.gates import AutoApprover
from saltus.runner.performers.fake import EveryKind, FakePerformer
from saltus.runner.progress import SilentProgress
from saltus.runner.run import Runner
class Heard(SilentProgress):
    def note(self, text):
        print("noted", text, flush=True)
journal = Journal(sys.argv[2])
LANES = (step("build/a", "a"), step("build/b", "b"), step("build/c"))
steps = LANES if sys.argv[3] == "lanes" else (step("build/a"), step("build/c"))
run = journal.create_run(plan(stage("build", *steps)), by="ann")
def do(context):
    print("running", flush=True)
    while not pathlib.Path(sys.argv[4]).exists():
        time.sleep(0.05)
performers = EveryKind(FakePerformer(do=do))
print(Runner(journal, performers, AutoApprover("x"), progress=Heard(), by="ann").run(run).status, flush=True)
"""


@pytest.mark.parametrize("shape", ["one", "lanes"])
@pytest.mark.parametrize("times", [1, 2])
def test_ctrl_c_once_pauses_after_the_running_step_twice_stops_at_once(tmp_path: Path, shape: str, times: int) -> None:
    """A step lasts until the file `over` is there: for ever, where ctrl-C is to end it."""
    url, over = f"sqlite:///{tmp_path}/journal.db", tmp_path / "over"
    argv = [sys.executable, "-c", SCRIPT, str(Path(__file__).parent), url, shape, str(over)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        for _ in range(2 if shape == "lanes" else 1):
            assert process.stdout.readline() == "running\n"
        os.kill(process.pid, signal.SIGINT)
        assert process.stdout.readline().startswith("noted pausing when the running step is done")
        if times == 1:
            over.touch()
        else:
            os.kill(process.pid, signal.SIGINT)
        assert process.stdout.read().split()[-1] == "paused"
        assert process.wait(60) == 0
    journal = Journal(url)
    (record,) = journal.runs()
    state = journal.state(record.id)
    assert state.steps["build/a"].status == ("done" if times == 1 else "unknown")
    assert state.steps["build/c"].status == "pending"
    assert journal.leases.holder(record.id) is None
    final = Runner(journal, EveryKind(FakePerformer()), AutoApprover("x"), by="ann").run(record.id)
    assert final.status == "done"
    assert final.steps["build/a"].attempt == times
    journal.close()
