"""A rehearsal that is killed goes on where it was: what is finished is not run again, and the end is the same."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from saltus.commands.rehearsal import rehearse
from saltus.commands.settings import Settings
from saltus.database.private import PrivateServer
from saltus.journal.store import Journal
from saltus.runner.progress import SilentProgress

pytestmark = [pytest.mark.mariadb, pytest.mark.toolbox, pytest.mark.timeout(900)]

SERVICES = ["glance", "heat", "keystone"]


def finished(state: Path) -> dict[str, int]:
    """{step: how many times it was finished}, from the journal."""
    if not (state / "journal.db").exists():
        return {}
    journal, counts = Journal(f"sqlite:///{state / 'journal.db'}"), {}
    for record in journal.runs():
        for _, event in journal.read(record.id):
            if event.kind == "step.finished":
                counts[event.step] = counts.get(event.step, 0) + 1
    return counts


def test_a_killed_rehearsal_resumes(tmp_path, zed, shelf):
    state = tmp_path / "state"
    words = [
        "--state",
        str(state),
        "rehearse",
        "--dump",
        str(zed),
        "--to",
        "epoxy",
        "--toolboxes",
        str(shelf.directory),
    ]
    words += [word for service in SERVICES for word in ("--service", service)]
    script = f"import sys; from saltus.cli.app import main; sys.exit(main({words!r}))"
    process = subprocess.Popen([sys.executable, "-c", script], start_new_session=True)
    try:
        while len(finished(state)) < 3:
            assert process.poll() is None
            time.sleep(0.2)
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    before = finished(state)
    said: list[str] = []
    done = rehearse(
        Settings.from_options(state=str(state), model=None, journal=None),
        zed,
        "epoxy",
        services=SERVICES,
        toolboxes=shelf.directory,
        progress=SilentProgress(),
        say=said.append,
    )
    assert done.state.status == "done"
    assert any("going on with" in line for line in said)
    after = finished(state)
    assert all(after[step] == 1 for step in before)
    assert len(Journal(f"sqlite:///{state / 'journal.db'}").runs()) == 1
    assert not PrivateServer(done.directory / "mariadb").data.exists()


def test_other_dumps_begin_anew(tmp_path, zed, shelf):
    """A dump that changed is another rehearsal, whatever its directory is called."""
    from saltus.commands.rehearsal import _name

    before = _name(zed, None, "epoxy", SERVICES)
    dump = next(zed.iterdir())
    dump.write_bytes(dump.read_bytes() + b"\n")
    assert _name(zed, None, "epoxy", SERVICES) != before
