"""Several runners on one run, on PostgreSQL: one walks it, another follows when it is killed, never two at once.

Each is a process with a connection of its own. Those that insist ask for the lease a hundred times a second.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from fake_cloud import Process, World, open_journal
from plans import reference_plan
from test_kill import PLAN, assert_same_end, finished_in

from saltus.journal.store import Journal

sys.path.insert(0, str(Path(__file__).parents[1] / "journal"))
from databases import postgresql  # beside the journal's tests

pytestmark = pytest.mark.postgresql


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with postgresql() as url:
        yield url


def never_two_at_once(journal: Journal, run: str) -> bool:
    """Every runner's events lie together, between its coming and the next one's."""
    walking: str | None = None
    seen: set[str] = set()
    for _, event in journal.read(run):
        if event.kind in ("run.started", "run.resumed"):
            if event.runner in seen:
                return False
            walking = event.runner
            seen.add(event.runner)
    return walking is not None


def one_after_another(world: World) -> bool:
    """By what the processes did, not by what the journal says: nobody performed between two acts of another."""
    return len(world.shifts()) == len(set(world.shifts()))


def begun(server: str, directory: Path) -> tuple[Journal, str]:
    directory.mkdir()
    journal = open_journal(server, directory)
    return journal, journal.create_run(PLAN.model_copy(update={"cloud": directory.name}), by="ann")


@pytest.mark.timeout(1800)
def test_killed_at_every_position_while_another_competes_it_comes_to_the_same_end(
    server: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    journal, run = begun(server, tmp_path / "whole")
    positions = Process(server, tmp_path / "whole", run).wait().passed
    assert positions
    journal.close()
    repeated = refused = 0
    longest_s = 0.0
    for last in range(1, positions + 1):
        directory = tmp_path / f"at-{last}"
        journal, run = begun(server, directory)
        first = Process(server, directory, run, last=last, insists="yes")
        while not (holder := journal.leases.holder(run)) and first.is_alive:
            time.sleep(0.002)
        assert holder is None or holder.pid == first.pid
        others = [Process(server, directory, run, insists="yes") for _ in range(2)]
        assert first.wait().ended is None, f"it lived past point {last}"
        killed = time.monotonic()
        before = (finished_in(journal, run), len(World(directory).effects()))
        lives = [other.wait() for other in others]
        longest_s = max(longest_s, time.monotonic() - killed)
        assert [life.ended for life in lives] == ["done", "done"]
        refused += sum(life.refused for life in lives)
        world = World(directory)
        # The followers may have gone on before we looked: what was finished at the kill is a part of what is now.
        repeated += assert_same_end(journal.state(run), world.effects(), [])
        assert set(before[0]) <= finished_in(journal, run)
        assert finished_twice(journal, run) == []
        assert never_two_at_once(journal, run)
        assert one_after_another(world)
        journal.close()
    with capsys.disabled():
        print(
            f"\ncompeting on PostgreSQL: killed at {positions} positions with two others after its lease,"
            f" {positions} times the same end, at most {longest_s:.1f} s later; they were refused {refused} times;"
            f" 0 finished steps performed again, {repeated} unfinished ones repeated"
        )


def finished_twice(journal: Journal, run: str) -> list[str]:
    """Steps that were begun again after they had been finished."""
    finished: set[str] = set()
    twice = []
    for _, event in journal.read(run):
        if event.kind == "step.finished":
            finished.add(event.step)
        elif event.kind == "step.started" and event.step in finished:
            twice.append(event.step)
    return twice


def test_a_lease_of_another_host_ends_by_its_time_and_not_before(server: str, tmp_path: Path) -> None:
    directory = tmp_path / "hosts"
    journal, run = begun(server, directory)
    first = Process(server, directory, run, last=40, slow_s=0.02, ttl_s=8, insists="elsewhere")
    while not journal.leases.holder(run):
        time.sleep(0.005)
    follower = Process(server, directory, run, ttl_s=8, insists="elsewhere")
    until = None
    while first.is_alive:
        if (lease := journal.leases.holder(run)) and lease.pid == first.pid:
            until = lease.until
        time.sleep(0.005)
    assert first.wait().ended is None
    life = follower.wait()
    assert life.ended == "done"
    (resumed,) = [event for _, event in journal.read(run) if event.kind == "run.resumed"]
    assert until
    assert resumed.at >= until, "it came before the last lease that was seen had ended"
    assert life.refused > 50
    assert finished_twice(journal, run) == []
    assert one_after_another(World(directory))
    journal.close()


def test_eight_runners_at_once_do_it_once(server: str, tmp_path: Path) -> None:
    directory = tmp_path / "crowd"
    journal, run = begun(server, directory)
    crowd = [Process(server, directory, run, slow_s=0.01, insists="yes") for _ in range(8)]
    lives = [process.wait() for process in crowd]
    assert [life.ended for life in lives] == ["done"] * 8
    assert sorted(World(directory).effects()) == sorted(step.id for step in PLAN.steps())
    assert len(World(directory).shifts()) == 1
    assert sum(life.refused for life in lives) > 100
    journal.close()


def test_runners_that_compete_and_are_killed_come_to_the_same_end(
    server: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    chance, kills, refused = random.Random(7), 0, 0
    for number in range(4):
        directory = tmp_path / str(number)
        directory.mkdir()
        journal = open_journal(server, directory)
        run = journal.create_run(PLAN.model_copy(update={"cloud": f"small-{number}"}), by="ann")
        before: list[tuple[set[str], int]] = []
        ended = False
        while not ended:
            pair = [Process(server, directory, run, slow_s=0.03, ttl_s=2) for _ in range(2)]
            if len(before) < 4:
                while not (holder := journal.leases.holder(run)):
                    time.sleep(0.01)
                time.sleep(chance.uniform(0.05, 0.3))
                for process in pair:
                    if holder and process.pid == holder.pid:
                        process.kill()
            for process in pair:
                life = process.wait()
                ended = ended or life.ended == "done"
                refused += life.ended == "LeaseHeld"
                kills += life.ended is None
                assert life.ended in ("done", "LeaseHeld", None)
            before.append((finished_in(journal, run), len(World(directory).effects())))
        assert_same_end(journal.state(run), World(directory).effects(), before)
        assert never_two_at_once(journal, run)
        journal.close()
    with capsys.disabled():
        print(f"\ncompeting on PostgreSQL: 4 runs, {kills} runners killed, {refused} refused, 4 times the same end")


def test_a_runner_that_slept_through_its_lease_cannot_write_any_more(server: str, tmp_path: Path) -> None:
    journal = open_journal(server, tmp_path)
    run = journal.create_run(reference_plan().model_copy(update={"cloud": "sleeper"}), by="ann")
    sleeper = Process(server, tmp_path, run, slow_s=0.1, ttl_s=1)
    while not World(tmp_path).effects():
        time.sleep(0.02)
    os.kill(sleeper.pid, signal.SIGSTOP)
    time.sleep(1.5)
    before = (finished_in(journal, run), len(World(tmp_path).effects()))
    follower = Process(server, tmp_path, run, ttl_s=5)
    assert follower.wait().ended == "done"
    last = journal.state(run).seq
    os.kill(sleeper.pid, signal.SIGCONT)
    assert sleeper.wait().ended == "LeaseLost"
    assert journal.state(run).seq == last
    assert before[0] <= finished_in(journal, run)
    journal.close()
