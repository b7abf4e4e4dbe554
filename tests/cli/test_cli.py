"""The command line from outside: what goes where, and the exit codes."""

import contextlib
import fcntl
import json
import os
import pty
import struct
import subprocess
import sys
import termios
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from planning import make_plan
from saltus.cli.app import main
from saltus.commands.settings import Settings
from saltus.commands.workplace import Workplace

PLANS = Path(__file__).parents[1] / "plans"


@dataclass(frozen=True)
class Said:
    returncode: int
    stdout: str
    stderr: str


Saltus = Callable[..., Said]


@pytest.fixture
def saltus(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Saltus:
    """Says a command, with a state directory of its own."""

    def say(*words: str) -> Said:
        try:
            code = main(["--state", str(tmp_path), *words])
        except SystemExit as left:  # argparse leaves so
            code = int(left.code or 0)
        out, err = capsys.readouterr()
        return Said(code, out, err)

    return say


def test_without_words_it_shows_help() -> None:
    done = subprocess.run([Path(sys.executable).parent / "saltus"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0
    assert done.stdout.startswith("usage: saltus")
    for command in ("lab up", "plan control", "rollback", "report"):
        assert f"  {command} " in done.stdout


def test_a_table_is_as_wide_as_the_terminal_and_a_line_a_row_in_a_pipe() -> None:
    words = [str(Path(sys.executable).parent / "saltus"), "catalog", "route", "nova", "mitaka", "2026.1"]
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 100, 0, 0))
    subprocess.run(words, stdout=theirs, timeout=60, check=True)
    os.close(theirs)
    shown = b""
    with contextlib.suppress(OSError):  # how Linux says that nobody writes any more
        while more := os.read(ours, 65536):
            shown += more
    os.close(ours)
    assert {len(line) for line in shown.decode().splitlines() if line} == {100}
    piped = subprocess.run(words, capture_output=True, text=True, timeout=60, check=True).stdout
    assert [line.split()[1] for line in piped.splitlines()[3:-1]] == ["ocata", "train", "antelope", "gazpacho"]


@pytest.mark.parametrize(
    "words", [("run", "nosuch"), ("report",), ("plan", "show", "0123"), ("plan", "control", "--to", "epoxi")]
)
def test_an_error_for_operators_is_three_lines_on_stderr(saltus: Saltus, words: tuple[str, ...]) -> None:
    done = saltus(*words)
    assert done.returncode == 1
    assert done.stdout == ""
    assert [line.partition(":")[0] for line in done.stderr.splitlines()] == ["error", "because", "do"]


def test_a_duration_that_is_none_is_said_before_anything_is_started(saltus: Saltus) -> None:
    done = saltus("plan", "control", "--to", "epoxy", "--expires", "soon")
    assert done.returncode == 1
    assert done.stderr.splitlines()[0] == "error: 'soon' is no duration"


def test_words_that_are_no_command_are_a_usage_error(saltus: Saltus) -> None:
    assert saltus("frobnicate").returncode == 2
    assert saltus("run").returncode == 2


def test_a_plan_is_shown_for_people_and_as_the_bytes_of_its_fingerprint(saltus: Saltus, tmp_path: Path) -> None:
    plan = make_plan(PLANS / "control-zed-to-epoxy")
    Workplace(Settings.from_options(state=str(tmp_path), model=None, journal=None)).journal.save_plan(plan)
    shown = saltus("plan", "show", plan.short)
    assert (
        shown.stdout == (PLANS / "control-zed-to-epoxy" / "plan.txt").read_text() + f"next: saltus run {plan.short}\n"
    )
    assert saltus("plan", "show", plan.short, "-f", "json").stdout == plan.to_json()


def test_tables_come_in_the_formats_of_openstack_commands(saltus: Saltus) -> None:
    assert json.loads(saltus("lab", "status", "-f", "json").stdout) == []
    assert saltus("lab", "status", "-f", "value").returncode == 0


def test_help_keeps_the_lists_of_a_docstring(saltus: Saltus) -> None:
    assert "\n* real-upgrade: " in saltus("help", "plan", "control").stdout


def test_a_model_is_checked(saltus: Saltus, tmp_path: Path) -> None:
    done = saltus("model", "check")
    assert done.stdout.startswith("small on zed: 6 nodes, 8 machines, no mistake\n")
    assert "ctl01-a 10.77.0.11, ctl01-b 10.77.0.12: " in done.stdout
    refused = saltus("model", "check", str(tmp_path))
    assert refused.returncode == 1
    assert "is not a reclass tree" in refused.stderr


def test_a_reader_that_has_seen_enough_is_no_error() -> None:
    saltus = Path(sys.executable).parent / "saltus"
    done = subprocess.run(f"'{saltus}' catalog list | true", shell=True, capture_output=True, text=True, timeout=60)
    assert done.stderr == ""
