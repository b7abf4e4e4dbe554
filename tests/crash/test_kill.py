"""A real runner killed with SIGKILL at every journal position and in the middle of every step: the same end."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from fake_cloud import Process, World, open_journal
from plans import reference_plan

from saltus.journal.fold import RunState
from saltus.journal.store import Journal
from saltus.plan.order import Block, walk

PLAN = reference_plan()
AFTER_A_CRASH = {step.id: step.action.after_a_crash for step in PLAN.steps()}

Begin = Callable[[], tuple[Journal, str, str, Path]]


@pytest.fixture
def begin(tmp_path: Path) -> Begin:
    """Makes a journal, a world, and a run in it: (journal, url, run, directory)."""
    number = 0

    def _begin() -> tuple[Journal, str, str, Path]:
        nonlocal number
        number += 1
        directory = tmp_path / str(number)
        directory.mkdir()
        url = f"sqlite:///{directory}/journal.db"
        journal = open_journal(url, directory)
        return journal, url, journal.create_run(PLAN, by="ann"), directory

    return _begin


def finished_in(journal: Journal, run: str) -> set[str]:
    return {event.step for _, event in journal.read(run) if event.kind == "step.finished"}


def assert_same_end(state: RunState, effects: list[str], finished_before: list[tuple[set[str], int]]) -> int:
    """The end is that of a run that nothing befell. Returns how many effects were repeated.

    `finished_before`: for each crash, the steps that were finished then, and the number of effects there were.
    """
    assert state.status == "done"
    assert {name: step.status for name, step in state.steps.items()} == dict.fromkeys(AFTER_A_CRASH, "done")
    assert all(gate.status == "approved" for gate in state.gates.values())
    assert set(effects) == set(AFTER_A_CRASH)
    for finished, count in finished_before:
        assert not finished & set(effects[count:]), "a finished step was performed again"
    for name, times in Counter(effects).items():
        assert times == 1 or AFTER_A_CRASH[name] == "repeat", f"{name} was done {times} times"
    first = {name: effects.index(name) for name in AFTER_A_CRASH}
    behind = -1
    for block in walk(PLAN):
        if isinstance(block, Block):
            assert min(first[step.id] for step in block.steps) > behind, "a step was done before those it stands behind"
            behind = max(first[step.id] for step in block.steps)
            for lane in block.lanes:
                assert [first[step.id] for step in lane] == sorted(first[step.id] for step in lane)
    return len(effects) - len(AFTER_A_CRASH)


@pytest.mark.timeout(1200)
def test_killed_at_every_position_it_comes_to_the_same_end(begin: Begin, capsys: pytest.CaptureFixture[str]) -> None:
    journal, url, run, directory = begin()
    whole = Process(url, directory, run).wait()
    assert whole.ended == "done"
    assert whole.passed
    assert_same_end(journal.state(run), World(directory).effects(), [])
    journal.close()

    repeated = killed = 0
    for last in range(1, whole.passed + 1):
        journal, url, run, directory = begin()
        assert Process(url, directory, run, last=last).wait().ended is None, f"it lived past point {last}"
        killed += 1
        before = (finished_in(journal, run), len(World(directory).effects()))
        assert len(journal.state(run).unknown_steps) <= 3
        assert Process(url, directory, run).wait().ended == "done"
        repeated += assert_same_end(journal.state(run), World(directory).effects(), [before])
        journal.close()
    with capsys.disabled():
        print(
            f"\ncrash: {len(AFTER_A_CRASH)} steps; killed at {killed} positions, {killed} times the same end;"
            f" 0 finished steps performed again, {repeated} unfinished ones repeated, each declared `repeat`"
        )


def test_killed_again_and_again_at_random_times_it_still_comes_to_the_same_end(
    begin: Begin, capsys: pytest.CaptureFixture[str]
) -> None:
    chance = random.Random(4)
    kills = 0
    for _ in range(5):
        journal, url, run, directory = begin()
        before: list[tuple[set[str], int]] = []
        while True:
            process = Process(url, directory, run, slow_s=0.02)
            if len(before) < 8:
                time.sleep(chance.uniform(0.1, 0.5))
                process.kill()
            life = process.wait()
            if life.ended:
                assert life.ended == "done"
                break
            kills += 1
            before.append((finished_in(journal, run), len(World(directory).effects())))
        assert_same_end(journal.state(run), World(directory).effects(), before)
        journal.close()
    with capsys.disabled():
        print(f"\ncrash: 5 runs killed {kills} times at random, 5 times the same end")
