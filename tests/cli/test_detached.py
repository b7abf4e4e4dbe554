"""Accounts, a run in the background, its gates and its death, by the commands that people type: each a process."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest

from fake_workplace import FakeWorkplace
from planning import facts_of
from saltus.cli.app import main
from saltus.commands.settings import Settings
from saltus.journal.store import Journal

TESTS = Path(__file__).parents[1]


@dataclass
class Desk:
    """Several people at one host, each with a home of their own, before one journal and one cloud of files."""

    state: Path
    started: list[int] = field(default_factory=list)

    def says(self, who: str, *words: str, typed: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self._argv(*words), input=typed, env=self._environment(who, environment), capture_output=True, text=True,
            timeout=90,
        )  # fmt: skip

    def begins(self, who: str, *words: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            self._argv(*words), env=self._environment(who, {}), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    def _argv(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "saltus", "--state", str(self.state), *words]

    def _environment(self, who: str, more: dict[str, str]) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("SALTUS_")}
        return {
            **kept,
            "PYTHONPATH": os.pathsep.join([str(TESTS / "cli" / "fake"), str(TESTS)]),
            "XDG_CONFIG_HOME": str(self.state / "home" / who),
            "FAKE_PACE_S": "0.2",
            **more,
        }

    @property
    def journal(self) -> Journal:
        return Journal(f"sqlite:///{self.state}/journal.db")

    def waits_for(self, run: str, *, gate: str = "", status: str = "") -> None:
        journal, end = self.journal, time.monotonic() + 120
        while True:
            state = journal.state(run)
            waiting = state.waiting_gate()
            if (gate and waiting and waiting.id == gate) or (status and state.status == status):
                journal.close()
                return
            stopped = state.status in ("paused", "failed", "aborted")
            assert not stopped, f"{run} is {state.status}: {state.reason}"
            assert time.monotonic() < end, self.output(run)
            time.sleep(0.1)

    def output(self, run: str) -> str:
        return (self.state / "runs" / run / "output").read_text()

    def effects(self) -> list[str]:
        return (self.state / "effects").read_text().split()

    def detaches(self, who: str, name: str) -> tuple[str, int]:
        done = self.says(who, "run", name, "--detach")
        assert done.returncode == 0, done.stderr
        told = re.match(r"(\S+) runs in process (\d+), its output is ", done.stdout)
        assert told, done.stdout
        self.started.append(int(told[2]))
        return told[1], int(told[2])


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    (tmp_path / "facts.json").write_text(facts_of(TESTS / "plans" / "control-zed-to-epoxy").model_dump_json())
    desk = Desk(tmp_path)
    yield desk
    for pid in desk.started:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def log_in(desk: Desk, who: str, role: str, by: str) -> str:
    """`by` makes the account, and the person takes it; returns the one-time token."""
    made = desk.says(by, "user", "add", who, "--role", role)
    assert made.returncode == 0, made.stderr
    token = re.search(r"saltus_\w+", made.stdout)
    assert token
    taken = desk.says(who, "user", "login", typed=f"{token[0]}\n")
    assert taken.stdout == f"logged in as {who}, {role}\n", taken.stderr
    return token[0]


@pytest.mark.timeout(900)
def test_a_run_in_the_background_its_gates_its_death_and_who_did_what(desk: Desk) -> None:
    log_in(desk, "bob", "approver", by="root")
    log_in(desk, "ann", "operator", by="bob")
    planned = desk.says("ann", "plan", "control", "--to", "epoxy")
    assert planned.returncode == 0, planned.stderr
    plan = re.search(r"next: saltus run (\w+)", planned.stdout)
    assert plan

    run, pid = desk.detaches("ann", plan[1])
    assert os.getsid(pid) == pid, "it outlives the terminal"
    desk.waits_for(run, gate="rehearse/approve")
    again = desk.says("ann", "run", run)
    assert again.returncode == 1
    assert again.stderr.startswith(f"error: {run} is being run already\nbecause: process {pid} on ")
    refused = desk.says("ann", "approve", run)
    assert refused.returncode == 1
    assert "because: ann is an operator, and it takes an approver\n" in refused.stderr
    follower = desk.begins("ann", "status", run, "--follow")
    approval = desk.begins("bob", "approve", run, "--comment", "seen")
    while "real-upgrade/freeze" not in desk.effects()[:-2]:  # and what comes behind it, so its end is in the journal
        time.sleep(0.05)
    os.kill(pid, signal.SIGKILL)  # in the middle of the window
    assert approval.communicate(timeout=90)[0].startswith("rehearse/approve approved by bob\n")
    _, followed = follower.communicate(timeout=90)
    assert "real-upgrade/freeze done" in followed
    assert "interrupted" in followed or "ready" in followed, "the follower sees that nobody runs it any more"

    run_again, second = desk.detaches("ann", run)
    assert run_again == run
    assert second != pid
    desk.waits_for(run, gate="verify/keep")
    assert desk.says("bob", "approve", run).returncode == 0
    desk.waits_for(run, status="done")
    assert "# " in desk.output(run), "the report is at the end of its output"
    finished = [step for step in set(desk.effects()) if desk.effects().count(step) > 1]
    assert len(finished) <= 4, "no more than what was running in its lanes when it was killed"

    record = json.loads(desk.says("ann", "audit", run, "-f", "json").stdout)["events"]
    hands = [(event["kind"], event["by"]) for event in record if event["kind"].startswith(("run.", "gate."))]
    for hand in (("run.created", "ann"), ("run.started", "ann"), ("run.resumed", "ann"), ("gate.approved", "bob"),
                 ("gate.answer-refused", "ann"), ("run.finished", "ann")):  # fmt: skip
        assert hand in hands
    lines = desk.says("ann", "audit", run).stdout
    assert "does not hold" not in lines
    assert lines.count("holds") >= 2


def test_tokens_at_the_command_line(desk: Desk) -> None:
    once = log_in(desk, "bob", "approver", by="root")
    kept = desk.state / "home" / "bob" / "saltus" / "token"
    assert kept.stat().st_mode & 0o777 == 0o600
    assert once not in kept.read_text()
    twice = desk.says("eve", "user", "login", typed=f"{once}\n")
    assert twice.returncode == 1
    assert twice.stderr.startswith("error: the token is refused\nbecause: it has expired, was revoked or used up")
    short = desk.says("bob", "user", "token", "bob", "--expires", "1s").stdout.strip()
    time.sleep(1.1)
    expired = desk.says("ci", "user", "tokens", SALTUS_TOKEN=short)
    assert expired.returncode == 1
    assert "error: the token is refused" in expired.stderr
    nobody = desk.says("eve", "run", "anything")
    assert nobody.returncode == 1
    assert "is no account of this journal, and it has accounts" in nobody.stderr
    everything = [path.read_bytes() for path in desk.state.rglob("*") if path.is_file() and path != kept]
    assert not [1 for content in everything for token in (once, short) if token.rpartition("_")[2].encode() in content]


@pytest.mark.parametrize("command", ["run", "demo"])
def test_approving_unseen_takes_an_account_that_may_and_says_so_before_anything_is_begun(
    tmp_path: Path, command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("saltus.commands.workplace.Workplace", FakeWorkplace)
    monkeypatch.setattr("saltus.commands.lab.up", lambda *_, **__: pytest.fail("the lab was touched"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("SALTUS_TOKEN", raising=False)
    (tmp_path / "facts.json").write_text(facts_of(TESTS / "plans" / "control-zed-to-epoxy").model_dump_json())
    workplace = FakeWorkplace(Settings.from_options(state=str(tmp_path), model=None, journal=None))
    accounts = workplace.journal.accounts
    accounts.create("oda", "operator", by="root")
    say = ["--state", str(tmp_path), command, *(["no-plan", "--approve-as", "demo"] if command == "run" else [])]
    what = "gates cannot be approved as demo" if command == "run" else "the demo cannot approve its own gates"
    assert main(say) == 1
    told = capsys.readouterr().err
    assert told.startswith(f"error: {what}\nbecause: ")
    assert "is no account of this journal, and it has accounts" in told
    monkeypatch.setenv("SALTUS_TOKEN", accounts.new_token("oda", lifetime=timedelta(hours=1)))
    assert main(say) == 1
    assert "because: oda is an operator, and it takes an approver\n" in capsys.readouterr().err
    assert workplace.journal.runs() == []


def test_an_approver_approves_unseen_in_the_own_name_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("saltus.commands.workplace.Workplace", FakeWorkplace)
    (tmp_path / "facts.json").write_text(facts_of(TESTS / "plans" / "accept-after-success").model_dump_json())
    workplace = FakeWorkplace(Settings.from_options(state=str(tmp_path), model=None, journal=None))
    workplace.journal.accounts.create("app", "approver", by="root")
    monkeypatch.setenv(
        "SALTUS_TOKEN", workplace.journal.accounts.new_token("app", lifetime=timedelta(hours=1), once=True)
    )
    assert main(["--state", str(tmp_path), "accept", "--approve-as", "app"]) == 0
    assert "approved by app" in capsys.readouterr().err
    monkeypatch.setenv("SALTUS_TOKEN", workplace.journal.accounts.new_token("app", lifetime=timedelta(hours=1)))
    assert main(["--state", str(tmp_path), "run", "x", "--approve-as", "eve"]) == 1
    assert "app is logged in here, and nobody answers in the name of another" in capsys.readouterr().err
