"""Manage commands in waiting: they do what they do when they are called, in less time, and fail as they fail."""

from __future__ import annotations

import getpass
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

PROGRAM = """#!{python}
import os, sys, time
def main():
    print("words", sys.argv[1:], "as", os.path.basename(sys.argv[0]))
    print("complaint", file=sys.stderr)
    if "slow" in sys.argv:
        time.sleep(60)
    if "broken" in sys.argv:
        raise RuntimeError("no such column")
    return 3 if "three" in sys.argv else 0
if __name__ == "__main__":
    sys.exit(main())
"""


@pytest.fixture
def commands(load: Callable[[str], ModuleType], tmp_path: Path) -> Iterator[ModuleType]:
    module = load("saltus_commands")
    module.__dict__["PLACE"] = tmp_path / "waiting"
    yield module
    module.dismiss()


@pytest.fixture
def program(tmp_path: Path) -> Path:
    path = tmp_path / "nova-manage"
    path.write_text(PROGRAM.format(python=sys.executable))
    path.chmod(0o755)
    return path


def prepare(commands: ModuleType, program: Path, *calls: str) -> dict[str, dict[str, object]]:
    announced = [{"argv": [str(program), call], "user": getpass.getuser()} for call in calls]
    told: dict[str, dict[str, object]] = commands.prepare(announced)
    return told


def run(commands: ModuleType, program: Path, *words: str, timeout: float = 60) -> tuple[int, str]:
    done = commands.run([str(program), *words], getpass.getuser(), timeout)
    return done["exit"], done["output"]


@pytest.mark.parametrize(("word", "code"), [("sync", 0), ("three", 3), ("broken", 1)])
def test_a_command_in_waiting_says_and_does_what_it_does_when_it_is_called(
    commands: ModuleType, program: Path, word: str, code: int
) -> None:
    called = run(commands, program, word)
    assert prepare(commands, program, word)[str(program)]["ready"] is True
    waited = run(commands, program, word)
    assert waited[0] == called[0] == code
    for line in (f"words ['{word}'] as nova-manage", "complaint"):
        assert line in waited[1].splitlines()
        assert line in called[1].splitlines()
    assert ("no such column" in waited[1]) is (word == "broken")


def test_one_process_waits_for_all_commands_of_a_program_and_then_ends(
    commands: ModuleType, program: Path, tmp_path: Path
) -> None:
    prepare(commands, program, "api_db", "db")
    note = next((tmp_path / "waiting").glob("*.pid"))
    assert run(commands, program, "api_db")[0] == 0
    assert run(commands, program, "db")[0] == 0
    assert gone(int(note.read_text()))
    assert run(commands, program, "db")[0] == 0, "a third one starts as ever"


def test_after_a_failure_the_next_one_starts_anew_so_that_what_was_mended_counts(
    commands: ModuleType, program: Path
) -> None:
    prepare(commands, program, "broken", "sync")
    assert run(commands, program, "broken")[0] == 1
    program.write_text(program.read_text().replace("words", "mended"))
    code, said = run(commands, program, "sync")
    assert code == 0
    assert "mended ['sync']" in said


def test_one_that_takes_too_long_is_killed_with_all_it_started(commands: ModuleType, program: Path) -> None:
    prepare(commands, program, "slow")
    (note,) = commands.PLACE.glob("*.pid")
    waiting = int(note.read_text())
    code, said = run(commands, program, "slow", timeout=2)
    assert code == 124
    assert "words ['slow']" in said
    assert "killed after 2 s" in said
    assert gone(waiting)


def test_what_cannot_wait_starts_when_it_is_called(commands: ModuleType, tmp_path: Path) -> None:
    shell = tmp_path / "heat-manage"
    shell.write_text("#!/bin/sh\necho called $1\n")
    unimportable = tmp_path / "glance-manage"
    unimportable.write_text(f"#!{sys.executable}\nimport there_is_no_such_module\n")
    for path in (shell, unimportable):
        path.chmod(0o755)
        assert prepare(commands, path, "sync")[str(path)]["ready"] is False
    assert run(commands, shell, "sync") == (0, "called sync\n")
    assert run(commands, unimportable, "sync")[0] == 1
    assert run(commands, tmp_path / "nowhere", "sync")[0] == 127


def test_nobody_but_root_and_itself_may_hand_it_a_command(commands: ModuleType, program: Path) -> None:
    prepare(commands, program, "sync")
    (door,) = commands.PLACE.glob("*.sock")
    assert door.stat().st_mode & 0o777 == 0o600
    assert door.parent.stat().st_mode & 0o777 == 0o700


def gone(pid: int) -> bool:
    """Whether the process has ended within a few seconds."""
    for _ in range(100):
        try:
            if os.waitpid(pid, os.WNOHANG)[0]:
                return True
        except ChildProcessError:
            return True
        time.sleep(0.05)
    return False
