"""Each directory `run-*` is a thing that a run refuses, told word for word; the function of its name provokes it.

Each `audit-*` is an answer to a gate that somebody wrote into the database, and what the audit says of it.

After a deliberate change of words: SALTUS_REWRITE=1 pytest.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from plans import gate, plan, stage, step, verified
from sqlalchemy import text

from saltus.commands import runs, users
from saltus.commands.identity import demand, who_acts, who_approves_unseen
from saltus.errors import OperatorError
from saltus.journal.approvals import Person
from saltus.journal.events import DriftSeen, GateApproved, RunStarted, StepStarted
from saltus.journal.redactor import Redactor
from saltus.journal.signatures import Signer
from saltus.journal.store import Journal
from saltus.plan import Gate
from saltus.runner.clock import FakeClock
from saltus.runner.gates import JournalAsker
from saltus.runner.notifications import read_channels
from saltus.runner.performers.fake import EveryKind, FakePerformer
from saltus.runner.run import Runner

HERE = Path(__file__).parent

ANN, BOB = Person("ann", "ann@ctl"), Person("bob", "bob@ctl")
AT = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


class Desk:
    """A journal, and runs in it as the cases need them."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.signer = Signer(b"the key of this installation")
        self.journal = Journal(f"sqlite:///{directory}/journal.db", signer=self.signer)
        self.clock = FakeClock(AT)

    def waiting(self, asked: Gate | None = None, cloud: str = "small") -> str:
        the_plan = plan(
            stage("build", step("build/ctl01"), gate=asked or gate()), stage("end", step("end/b")), cloud=cloud
        )
        run = self.journal.create_run(the_plan, by="ann", at=AT)
        self.go_on(run)
        return run

    def go_on(self, run: str, worker: FakePerformer | None = None) -> str:
        fake = EveryKind(worker or FakePerformer())
        return Runner(self.journal, fake, JournalAsker(waits=False), self.clock, by="ann").run(run).status

    def begun(self, *, verify: bool = False) -> str:
        make = verified if verify else step
        run = self.journal.create_run(plan(stage("build", make("build/ctl01"))), by="ann", at=AT)
        came = RunStarted(at=AT, by="ann", runner="dead", host="ctl", pid=7, saltus="0.1.0")
        self.journal.append(run, came, StepStarted(at=AT, by="ann", step="build/ctl01", attempt=1))
        return run


def acts_with(desk: Desk, token: str) -> None:
    os.environ["SALTUS_TOKEN"] = token
    try:
        who_acts(desk.journal)
    finally:
        del os.environ["SALTUS_TOKEN"]


def run_late_answer(desk: Desk) -> None:
    run = desk.waiting(gate(expires_after=timedelta(hours=2)))
    desk.clock.move(timedelta(hours=2, minutes=1))
    runs.approve(desk.journal, run, BOB, clock=desk.clock)


def run_second_answer(desk: Desk) -> None:
    run = desk.waiting(gate(answers=2))
    runs.approve(desk.journal, run, BOB, clock=desk.clock)
    runs.approve(desk.journal, run, BOB, clock=desk.clock)


def run_starter_answers(desk: Desk) -> None:
    runs.approve(desk.journal, desk.waiting(gate(answers=2)), ANN, clock=desk.clock)


def run_answer_after_the_end(desk: Desk) -> None:
    run = desk.waiting()
    runs.approve(desk.journal, run, BOB, clock=desk.clock)
    desk.go_on(run)
    runs.approve(desk.journal, run, Person("eve"), clock=desk.clock)


def run_answer_before_it_is_asked(desk: Desk) -> None:
    run = desk.journal.create_run(plan(stage("build", gate=gate())), by="ann")
    runs.approve(desk.journal, run, BOB, gate="build/accept", clock=desk.clock)


def run_answer_to_no_gate(desk: Desk) -> None:
    runs.approve(desk.journal, desk.waiting(), BOB, gate="build/acept", clock=desk.clock)


def run_viewer_approves(desk: Desk) -> None:
    run = desk.waiting()
    desk.journal.accounts.create("vic", "viewer", by="ann")
    runs.approve(desk.journal, run, Person("vic", "", "viewer"), clock=desk.clock)


def run_nobody_approves(desk: Desk) -> None:
    run = desk.waiting()
    desk.journal.accounts.create("vic", "viewer", by="ann")
    runs.approve(desk.journal, run, BOB, clock=desk.clock)


def run_viewer_pauses(desk: Desk) -> None:
    run = desk.waiting()
    desk.journal.accounts.create("vic", "viewer", by="ann")
    runs.pause(desk.journal, run, Person("vic", "", "viewer"), clock=desk.clock)


def run_operator_keeps_accounts(desk: Desk) -> None:
    desk.journal.accounts.create("oda", "operator", by="ann")
    users.add(desk.journal, Person("oda", "", "operator"), "mal", "approver")


def run_used_token(desk: Desk) -> None:
    token = desk.journal.accounts.first_token(by="root")
    assert token
    desk.journal.accounts.check_token(token)
    acts_with(desk, token)


def run_expired_token(desk: Desk) -> None:
    desk.journal.accounts.create("ann", "operator", by="root")
    acts_with(desk, desk.journal.accounts.new_token("ann", lifetime=timedelta(seconds=-1)))


def run_token_of_a_closed_account(desk: Desk) -> None:
    desk.journal.accounts.create("ann", "operator", by="root")
    token = desk.journal.accounts.new_token("ann", lifetime=timedelta(days=1))
    desk.journal.accounts.change("ann", active=False)
    acts_with(desk, token)


def run_nobody_starts(desk: Desk) -> None:
    desk.journal.accounts.create("ann", "operator", by="root")
    demand(desk.journal, Person("eve", "eve@ctl"), "operator", "run control")


def run_approves_unseen_as_another(desk: Desk) -> None:
    desk.journal.accounts.create("app", "approver", by="root")
    who_approves_unseen(desk.journal, Person("app", "app@ctl", "approver"), "eve")


def run_approves_unseen_without_an_account(desk: Desk) -> None:
    desk.journal.accounts.create("app", "approver", by="root")
    who_approves_unseen(desk.journal, ANN, "demo")


def run_short_password(desk: Desk) -> None:
    desk.journal.accounts.create("ann", "operator", by="root")
    desk.journal.accounts.set_password("ann", "hunter2")


def run_second_answer_after_a_rejection(desk: Desk) -> None:
    run = desk.waiting(gate(answers=2))
    runs.reject(desk.journal, run, BOB, clock=desk.clock)
    runs.approve(desk.journal, run, Person("eve"), clock=desk.clock)


def run_answer_after_it_expired(desk: Desk) -> None:
    run = desk.waiting(gate(expires_after=timedelta(hours=2)))
    desk.clock.move(timedelta(hours=3))
    desk.go_on(run)
    runs.approve(desk.journal, run, BOB, clock=desk.clock)


def run_two_runners(desk: Desk) -> None:
    run = desk.waiting()
    desk.journal.leases.take(run, runner="other", host="ctl", pid=7, by="bob", ttl_s=30)
    desk.go_on(run)


def run_lost_lease(desk: Desk) -> None:
    run = desk.waiting()
    desk.journal.leases.take(run, runner="other", host="ctl", pid=7, by="bob", ttl_s=30)
    desk.journal.append(run, StepStarted(at=AT, by="ann", step="end/b", attempt=1), runner="slept")


def run_two_runs(desk: Desk) -> None:
    desk.waiting()
    desk.go_on(desk.journal.create_run(plan(stage("build", step("build/ctl01"))), by="bob"))


def run_steered_after_the_end(desk: Desk) -> None:
    run = desk.waiting()
    runs.abort(desk.journal, run, ANN, clock=desk.clock)
    runs.retry(desk.journal, run, ANN, clock=desk.clock)


def run_retried_while_it_runs(desk: Desk) -> None:
    run = desk.waiting()
    desk.journal.leases.take(run, runner="other", host="ctl", pid=7, by="bob", ttl_s=30)
    runs.retry(desk.journal, run, ANN, clock=desk.clock)


def run_skip_without_a_reason(desk: Desk) -> None:
    runs.skip(desk.journal, desk.begun(), ANN, step="build/ctl01", because="", clock=desk.clock)


def run_skip_of_no_step(desk: Desk) -> None:
    runs.skip(desk.journal, desk.begun(), ANN, step="build/ctl1", because="gone", clock=desk.clock)


def run_skip_of_a_done_step(desk: Desk) -> None:
    runs.skip(desk.journal, desk.waiting(), ANN, step="build/ctl01", because="late", clock=desk.clock)


def run_accepts_no_drift(desk: Desk) -> None:
    runs.accept_drift(desk.journal, desk.waiting(), BOB, clock=desk.clock)


def run_viewer_accepts_drift(desk: Desk) -> None:
    run = desk.waiting()
    desk.journal.append(run, DriftSeen(at=AT, by="ann", differences=("schema of nova: a expected, b found",)))
    desk.journal.accounts.create("vic", "viewer", by="ann")
    runs.accept_drift(desk.journal, run, Person("vic", "", "viewer"), clock=desk.clock)


def run_unknown_plan(desk: Desk) -> None:
    desk.journal.find_plan("34bf58242e7e")


def run_more_than_one(desk: Desk) -> None:
    desk.waiting()
    desk.waiting(cloud="large")
    desk.journal.find_run("control")


def run_newer_saltus(desk: Desk) -> None:
    run = desk.waiting()
    with desk.journal.db.write() as connection:
        told = connection.execute(text("SELECT json FROM events WHERE seq = 3")).scalar_one()
        newer = told.replace('"format":1', '"format":2')
        connection.execute(text("UPDATE events SET json = :newer WHERE seq = 3"), {"newer": newer})
    desk.go_on(run)


def rewritten(desk: Desk, old: str, new: str) -> None:
    """The one plan as a newer Saltus would have written it, with `new` in it for `old`; its run too is that one's."""
    with desk.journal.db.write() as connection:
        plan_text = connection.execute(text("SELECT json FROM plans")).scalar_one().replace(old, new, 1)
        fingerprint = hashlib.sha256(plan_text.encode()).hexdigest()
        connection.execute(text("PRAGMA defer_foreign_keys = ON"))
        connection.execute(text("UPDATE plans SET json = :j, fingerprint = :f"), {"j": plan_text, "f": fingerprint})
        connection.execute(text("UPDATE runs SET fingerprint = :f"), {"f": fingerprint})
        connection.execute(text('UPDATE events SET json = replace(json, \'"saltus":"0.1.0"\', \'"saltus":"0.9.0"\')'))


def run_plan_of_a_newer_saltus(desk: Desk) -> None:
    run = desk.waiting()
    rewritten(desk, '"format": 1', '"format": 2')
    desk.go_on(run)


def run_plan_with_an_action_that_is_not_known(desk: Desk) -> None:
    run = desk.waiting()
    rewritten(desk, "machine.start", "machine.levitate")
    desk.go_on(run)


def run_journal_of_a_newer_saltus(desk: Desk) -> None:
    with desk.journal.db.write() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '0007'"))
    Journal(f"sqlite:///{desk.directory}/journal.db")


def run_changed_plan(desk: Desk) -> None:
    run = desk.waiting()
    with desk.journal.db.write() as connection:
        connection.execute(text("UPDATE plans SET json = replace(json, 'end/b', 'end/c')"))
    desk.go_on(run)


def run_secret_in_a_plan(desk: Desk) -> None:
    journal = Journal(f"sqlite:///{desk.directory}/journal.db", redactor=Redactor(["Tr0ub4dor"]))
    journal.save_plan(plan(stage("build", step("build/Tr0ub4dor"))))


def run_notify_file(desk: Desk) -> None:
    path = desk.directory / "notify.yml"
    path.write_text("channels: [{kind: email, to: [ops@example.org]}]")
    read_channels(path)


# -- answers written past every verb into the database: they do not count, and the audit says why


def written(desk: Desk, run: str, **changed: object) -> str:
    """What the audit says of an approval of bob's that somebody wrote again, with `changed` in it."""
    events = desk.journal.read(run)
    given = next(event for _, event in events if isinstance(event, GateApproved))
    state = desk.journal.state(run)
    asked = {
        "gate": "build/accept",
        "fingerprint": state.plan.fingerprint,
        "asking": state.gates["build/accept"].asking,
    }
    with desk.journal.db.write() as connection:
        forged = given.model_copy(update={**changed.pop("like", asked), **changed})  # type: ignore[dict-item]
        connection.execute(
            text("INSERT INTO events (run, seq, kind, json) VALUES (:run, :seq, 'gate.approved', :json)"),
            {"run": run, "seq": events[-1][0] + 1, "json": forged.model_dump_json()},
        )
    before = {name: found.status for name, found in state.gates.items()}
    assert {name: found.status for name, found in desk.journal.state(run).gates.items()} == before
    return runs.audit(desk.journal, run)[-1].text


def audit_forged_answer(desk: Desk) -> str:
    run = desk.waiting(gate(answers=2))
    runs.approve(desk.journal, run, BOB, clock=desk.clock)
    return written(desk, run, by="eve")


def audit_answer_with_the_key_of_another_installation(desk: Desk) -> str:
    run = desk.waiting(gate(answers=2))
    runs.approve(desk.journal, run, BOB, clock=desk.clock)
    given = next(event for _, event in desk.journal.read(run) if isinstance(event, GateApproved))
    stranger = Signer(b"another key").sign(given.model_copy(update={"by": "eve"}))
    return written(desk, run, by="eve", signature=stranger.signature)


def audit_replayed_answer_of_an_earlier_asking(desk: Desk) -> str:
    run = desk.waiting(gate(answers=2, expires_after=timedelta(hours=2)))
    runs.approve(desk.journal, run, BOB, clock=desk.clock)
    desk.clock.move(timedelta(hours=3))
    desk.go_on(run)
    desk.go_on(run)
    return written(desk, run, like={})


def audit_replayed_answer_of_another_run(desk: Desk) -> str:
    other = desk.waiting(cloud="large")
    answer = runs.approve(desk.journal, other, BOB, clock=desk.clock)
    run = desk.waiting(gate(answers=2))
    runs.approve(desk.journal, run, Person("eve"), clock=desk.clock)
    return written(desk, run, like=answer.model_dump())


def audit_backdated_answer(desk: Desk) -> str:
    """In time by its own time, but nobody here signed that time."""
    run = desk.waiting(gate(answers=2, expires_after=timedelta(hours=2)))
    runs.approve(desk.journal, run, BOB, clock=desk.clock)
    return written(desk, run, by="eve", at=AT + timedelta(minutes=1))


RECORDED: dict[str, Callable[[Desk], str]] = {
    name.replace("_", "-"): case for name, case in sorted(globals().items()) if name.startswith("audit_")
}
CASES: dict[str, Callable[[Desk], None]] = {
    name.replace("_", "-"): case for name, case in sorted(globals().items()) if name.startswith("run_")
}


def in_the_journals_words(error: str, directory: Path) -> str:
    """Without what differs from run to run."""
    error = error.replace(str(directory), "STATE")
    error = re.sub(r"\b[0-9a-f]{12}\b", "FINGERPRINT", error)
    return re.sub(r"\b\d+ s\b", "N s", error) + "\n"


def test_every_case_has_its_words_and_the_other_way_round() -> None:
    if not os.environ.get("SALTUS_REWRITE"):
        assert {path.name for path in HERE.glob("run-*")} == set(CASES)
        assert {path.name for path in HERE.glob("audit-*")} == set(RECORDED)


@pytest.mark.parametrize("name", CASES)
def test_a_run_refuses_it_in_these_words(name: str, tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    with pytest.raises(OperatorError) as refused:
        CASES[name](desk)
    desk.journal.close()
    is_in_these_words(HERE / name / "error.txt", in_the_journals_words(str(refused.value), tmp_path))


@pytest.mark.parametrize("name", RECORDED)
def test_an_answer_that_does_not_count_is_on_record_in_these_words(name: str, tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    told = RECORDED[name](desk)
    desk.journal.close()
    is_in_these_words(HERE / name / "audit.txt", in_the_journals_words(told, tmp_path))


def is_in_these_words(path: Path, words: str) -> None:
    if os.environ.get("SALTUS_REWRITE"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(words)
    assert words == path.read_text()


@pytest.mark.parametrize(
    "name",
    [
        "run-late-answer",
        "run-second-answer",
        "run-starter-answers",
        "run-viewer-approves",
        "run-nobody-approves",
        "run-second-answer-after-a-rejection",
        "run-answer-after-it-expired",
    ],
)
def test_a_refused_answer_is_on_record(name: str, tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    with pytest.raises(OperatorError) as refused:
        CASES[name](desk)
    run = desk.journal.runs()[0].id
    told = [event for _, event in desk.journal.read(run) if event.kind == "gate.answer-refused"]
    assert [event.because for event in told] == [refused.value.because]
    desk.journal.close()
