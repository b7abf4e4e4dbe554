"""Several runners on one run, on PostgreSQL: one walks it, another follows when it is killed, never two at once."""

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
                time.sleep(chance.uniform(0.1, 0.4))
                holder = journal.leases.holder(run)
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
