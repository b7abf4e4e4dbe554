"""Secrets planted in a model and spilt by everything that can speak: nothing that Saltus keeps or shows has one.

The fake cloud's steps quote them as real ones would: in output, errors, exceptions, progress, evidence and the log.
"""

from __future__ import annotations

import json
import logging
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import yaml
from starlette.testclient import TestClient

from saltus.cli.app import main
from saltus.cli.command import print_error
from saltus.commands import runs
from saltus.commands.journals import open_journal
from saltus.commands.settings import Settings
from saltus.commands.workplace import Workplace
from saltus.errors import OperatorError
from saltus.journal import redactor as redactors
from saltus.journal.events import OutageSeen
from saltus.plan import Gate, Impact, Plan, Stage, Step
from saltus.plan.actions import StartMachine
from saltus.runner.gates import AutoApprover, JournalAsker
from saltus.runner.notifications import Notifier, read_channels
from saltus.runner.performer import Outcome, StepContext, Verdict
from saltus.runner.performers.fake import EveryKind, FakePerformer
from saltus.runner.progress import TerminalProgress
from saltus.runner.run import Runner
from saltus.web.app import make_app
from saltus.web.site import Site

SMALL = Path(__file__).parents[2] / "lab" / "clouds" / "small"

KEY = "MIICXQIBAAKBgQDnPlanted0key0line1\nq2w3e4r5t6y7u8i9Planted0key0line2"
PLANTED = {
    "store": "store-Planted-9f3a",
    "url": "url/Planted$4c1b",
    "parameter": "parameter-Planted-77d0",
    "key": KEY,
}
UNKNOWN = {
    "a URL that no model has": ("amqp://nova:unknown-Planted-1@10.0.0.1:5672/", "unknown-Planted-1"),
    "an option": ("--os-password=unknown-Planted-2 --verbose", "unknown-Planted-2"),
    "a token": ("X-Auth-Token: gAAAAABunknown-Planted-3" + "x" * 40, "unknown-Planted-3"),
    "a configuration": ("admin_password = unknown-Planted-4", "unknown-Planted-4"),
    "SQL": ("CREATE USER nova IDENTIFIED BY 'unknown-Planted-5'", "unknown-Planted-5"),
    "a key": ("-----BEGIN RSA PRIVATE KEY-----\nunknown-Planted-6\n-----END RSA PRIVATE KEY-----", "unknown-Planted-6"),
}
SPILT = "\n".join(
    [
        f"Access denied for user 'nova' using {PLANTED['store']}",
        f"cannot connect to mysql+pymysql://nova:{quote(PLANTED['url'], safe='')}@10.0.0.1/nova",
        f"nor with {PLANTED['url']}",
        f"monitor said {PLANTED['parameter']}",
        f"-----BEGIN PRIVATE KEY-----\n{KEY}\n-----END PRIVATE KEY-----",
        f"line 2 of the key file: {KEY.splitlines()[1]}",
        *(text for text, _ in UNKNOWN.values()),
    ]
)
NEEDLES = [
    *(value for value in PLANTED.values() if value != KEY),
    *KEY.splitlines(),
    quote(PLANTED["url"], safe=""),
    *(secret for _, secret in UNKNOWN.values()),
]
LINES = SPILT.count("Planted")


class Leak:
    """Performs every step by spilling what it knows, wherever a step can speak."""

    def perform(self, action: Any, context: StepContext) -> Outcome:
        context.say(SPILT)
        context.note({"output": SPILT, "jid": "20261122"})
        logging.getLogger("saltus.leak").warning("stderr was: %s", SPILT)
        if context.step.id == "spill/fail" and context.attempt == 1:
            raise OperatorError(what=f"db_sync failed: {SPILT}", because=f"it printed {SPILT}", do=f"try {SPILT}")
        if context.step.id == "spill/bug" and context.attempt == 1:
            raise RuntimeError(SPILT)
        deep = {"lines": SPILT.splitlines(), "deep": {SPILT: [{"password": "short", "text": SPILT}]}}
        return Outcome(f"done: {SPILT}", {"output": SPILT, **deep})

    def verify(self, action: Any, context: StepContext) -> Verdict:
        return Verdict.unknown(SPILT)


PLAN = Plan(
    name="control",
    cloud="small",
    source="zed",
    target="epoxy",
    stages=(
        Stage(
            id="spill",
            title="Spill",
            impact=Impact.NONE,
            way_back="mop up",
            steps=tuple(
                Step(id=f"spill/{name}", title=f"Spill by {name}", action=StartMachine(machine=name))
                for name in ("work", "fail", "bug")
            ),
            gate=Gate(id="spill/approve", question="Mop up?", evidence=("spill/work",)),
        ),
    ),
)


@pytest.fixture
def settings(tmp_path: Path) -> Iterator[Settings]:
    """A lab whose tree and store have the planted secrets, and one channel that writes what it is told to a file."""
    shutil.copytree(SMALL.parents[1], tmp_path / "lab", symlinks=True)
    tree = tmp_path / "lab" / "clouds" / "small"
    node = tree / "nodes" / "cmp01.yml"
    content = yaml.safe_load(node.read_text())
    content["parameters"] |= {
        "monitoring": {
            "url": f"https://monitor:{PLANTED['parameter']}@10.77.0.9/",
            "key": f"-----BEGIN PRIVATE KEY-----\n{KEY}\n-----END PRIVATE KEY-----\n",
        },
        "ceilometer": {"password": PLANTED["url"]},
    }
    node.write_text(yaml.safe_dump(content))
    state = tmp_path / "state"
    store = state / "secrets" / "small.yml"
    store.parent.mkdir(parents=True)
    store.write_text(yaml.safe_dump({"database": {"nova": PLANTED["store"]}}))
    store.chmod(0o600)
    told = state / "told"
    (state / "notify.yml").write_text(
        yaml.safe_dump({"channels": [{"kind": "command", "argv": ["sh", "-c", f'echo "$1" >> {told}', "sh"]}]})
    )
    before = redactors._of_process
    root = logging.getLogger()
    handler = logging.FileHandler(tmp_path / "saltus.log")
    root.addHandler(handler)
    yield Settings(state=state, model=tree, journal_url=f"sqlite:///{state}/journal.db")
    root.removeHandler(handler)
    redactors._of_process = before


def found_in(text: str) -> list[str]:
    return [needle for needle in NEEDLES if needle in text or json.dumps(needle)[1:-1] in text]


def test_no_planted_secret_is_kept_or_shown(
    settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert len(found_in(SPILT)) == len(NEEDLES), "the search itself finds what is there"
    workplace = Workplace(settings)
    journal = workplace.journal
    run = journal.create_run(PLAN, by="ann")
    notifier = Notifier(journal, read_channels(settings.state / "notify.yml"), by="ann")
    progress = TerminalProgress()
    runner = Runner(journal, EveryKind(Leak()), AutoApprover("ann"), progress=progress, by="ann", notify=notifier)
    assert [runner.run(run).status for _ in range(3)] == ["failed", "failed", "done"]
    at = journal.state(run).ended_at
    assert at
    journal.append(
        run, OutageSeen(at=at, by="ann", target=SPILT, what="read", started=at, ended=at + timedelta(seconds=1))
    )
    notifier.close()
    progress.close()

    shown: dict[str, str] = {
        "progress": capsys.readouterr().err,
        "log of the process": (tmp_path / "saltus.log").read_text(),
    }
    print_error(OperatorError(what=SPILT, because=SPILT, do=SPILT))
    shown["error"] = capsys.readouterr().err
    journal.close()

    for words in (
        ("runs",), ("status", run), ("log", run), ("log", run, "spill/fail"), ("audit", run),
        ("audit", run, "-f", "json"), ("report", run), ("report", run, "-f", "json"), ("report", run, "-f", "html"),
        ("plan", "show", PLAN.short),
    ):  # fmt: skip
        assert main(["--state", str(settings.state), "--model", str(settings.model), *words]) == 0, words
        shown[" ".join(words)] = "".join(capsys.readouterr())

    for name, text in page(settings, run).items():
        shown[name] = text
    kept = [path for path in settings.state.rglob("*") if path.is_file() and path.parent.name != "secrets"]
    for path in kept:
        shown[str(path.relative_to(settings.state))] = path.read_bytes().decode(errors="replace")

    assert {"journal.db", "told"} <= shown.keys()
    spoke = [name for name, text in shown.items() if "[hidden]" in text]
    assert {"progress", "error", "log of the process", "told", "journal.db", f"audit {run} -f json"} <= set(spoke)
    assert {f"report {run}", f"report {run} -f html", f"/runs/{run}", f"/runs/{run}/steps/spill/fail"} <= set(spoke)
    assert {name: found for name, text in shown.items() if (found := found_in(text))} == {}
    with capsys.disabled():
        size = sum(map(len, shown.values()))
        print(f"\nplanted: {len(NEEDLES)} secrets, spilt in every way that a step can speak; {len(shown)} places with"
              f" {size / 1024:.0f} KiB searched, {len(spoke)} of them had something to hide; none found")  # fmt: skip


def page(settings: Settings, run: str) -> dict[str, str]:
    """{address: what is answered} of every page and every reading of the API about the run, and of an error."""
    workplace = Workplace(settings)
    journal = workplace.journal
    journal.accounts.create("bob", "approver", by="root")
    token = journal.accounts.new_token("bob", lifetime=timedelta(hours=1))
    client = TestClient(
        make_app(Site(journal)), base_url="http://saltus.test", headers={"Authorization": f"Bearer {token}"}
    )
    places = ["/", "/runs", f"/runs/{run}", "/metrics"]
    of_run = ["stages/spill", "evidence", "outages", "audit", "audit.csv", "audit.json", "report.html"]
    places += [f"/runs/{run}/{name}" for name in of_run]
    places += [f"/runs/{run}/steps/{step.id}" for step in PLAN.steps()]
    places += ["/api/v1/runs", *(f"/api/v1/runs/{run}{rest}" for rest in ("", "/plan", "/log", "/audit", "/report"))]
    answers = {place: client.get(place) for place in places}
    assert {place: answer.status_code for place, answer in answers.items() if answer.status_code != 200} == {}
    refused = client.get(f"/api/v1/runs/{quote(PLANTED['store'])}")
    assert refused.status_code == 404
    journal.close()
    return {place: answer.text for place, answer in answers.items()} | {"an error of the page": refused.text}


def test_a_traceback_at_the_end_of_a_command_has_none_either(settings: Settings) -> None:
    script = (
        "import sys; from saltus.cli import app, command, model; from saltus.commands import models\n"
        "def broken(settings):\n"
        "    from saltus.commands.workplace import Workplace\n"
        "    Workplace(settings).journal\n"
        f"    raise RuntimeError({PLANTED['store']!r} + ' was refused by mysql://nova:unknown-Planted-1@10.0.0.1/')\n"
        "models.check_model = broken\n"
        "sys.exit(app.main(sys.argv[1:]))\n"
    )
    options = ["--state", str(settings.state), "--model", str(settings.model)]
    argv = [sys.executable, "-c", script, *options, "model", "check"]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert re.search(r"RuntimeError: \[hidden\] was refused by mysql://nova:\[hidden\]@10\.0\.0\.1/", done.stderr)
    assert found_in(done.stdout + done.stderr) == []


@pytest.mark.parametrize("verb", ["pause", "skip", "abort", "reject"])
def test_a_secret_of_the_cloud_that_is_typed_for_the_record_is_not_in_it(settings: Settings, verb: str) -> None:
    run = begin(settings)
    if verb == "reject":
        journal = open_journal(settings)
        Runner(journal, EveryKind(FakePerformer()), JournalAsker(waits=False), by="ann").run(run)
        journal.close()
    word = "--comment" if verb == "reject" else "--because"
    said = [word, f"it was {PLANTED['store']}, then {PLANTED['url']}, see {PLANTED['parameter']}"]
    step = ["spill/work"] if verb == "skip" else []
    assert main([*options(settings), verb, run, *step, *said]) == 0
    journal = open_journal(settings)
    assert "it was [hidden], then [hidden], see [hidden]" in str([event for _, event in journal.read(run)])
    if verb == "reject":
        assert [line.signature for line in runs.audit(journal, run) if line.signature] == ["holds"]
    journal.close()
    for path in settings.state.glob("journal.db*"):
        assert not [value for value in NEEDLES if value.encode() in path.read_bytes()], path


def test_where_no_model_can_be_read_a_run_is_steered_all_the_same_and_the_operator_told(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    run = begin(settings)
    (settings.model / "nodes" / "cmp01.yml").write_text("classes: [")
    assert main([*options(settings), "pause", run, "--because", "to look: password=open-sesame-1"]) == 0
    told = capsys.readouterr().err
    assert "note: the secrets of the cloud cannot be read here (" in told
    journal = open_journal(settings)
    assert journal.state(run).pause_requested == "to look: password=[hidden]"
    journal.close()


def begin(settings: Settings) -> str:
    """A run that nobody walks."""
    journal = open_journal(settings)
    run = journal.create_run(PLAN, by="ann")
    journal.close()
    return run


def options(settings: Settings) -> list[str]:
    return ["--state", str(settings.state), "--model", str(settings.model)]
