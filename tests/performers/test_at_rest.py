"""A runner was killed while Salt went on with what it had asked for: the next one waits before it does or looks."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from world import World

from saltus.fleet.port import FoundJob, Job
from saltus.journal.events import RunStarted, StepNoted, StepStarted
from saltus.plan import Impact, Plan, Stage, Step
from saltus.plan.actions import StopServices
from saltus.plan.databases import BackUpDatabases

JID = "20261125120000000001"
FREEZE = BackUpDatabases(server="dbs01", label="frozen", method="physical", databases=("nova",), frozen=True)
NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)


class AtWork:
    """The dead runner's job: still running the first `times` it is looked up, then finished."""

    def __init__(self, world: World, function: str, minion: str, times: int) -> None:
        self._world, self.left = world, times
        self._job = Job(jid=JID, function=function, minions=(minion,))
        self.calls_meanwhile: list[tuple[str, str]] = []

    def get(self, jid: str) -> FoundJob | None:
        if jid != JID:
            return None
        self.calls_meanwhile = self._world.calls()
        self.left -= 1
        return FoundJob(job=self._job, calls={}, running=self._job.minions if self.left >= 0 else ())

    def __setitem__(self, jid: str, found: FoundJob) -> None:
        """What the fake keeps of jobs that finish; nobody asks for them here."""


def killed_while_at(world: World, action: Any, *, jid: str = JID) -> str:
    """A run whose only step was begun, gave that job to Salt, and was never heard of again."""
    step = Step(id="stage/step", title="Do it", action=action)
    stage = Stage(id="stage", title="Do it", impact=Impact.NONE, way_back="none: a test", steps=(step,))
    plan = Plan(name="control", cloud="small", source="zed", target="epoxy", facts={}, stages=(stage,))
    run = world.journal.create_run(plan, by="ann")
    world.journal.append(
        run,
        RunStarted(at=NOW, by="ann", runner="dead", host="elsewhere", pid=1, saltus="0"),
        StepStarted(at=NOW, by="ann", step=step.id, attempt=1),
        StepNoted(at=NOW, by="ann", step=step.id, data={"jid": jid}),
    )
    return run


def test_a_step_is_not_done_again_beside_the_job_of_the_dead_runner(world: World) -> None:
    world.create("ctl01-a")
    world.fleet.answer("saltus_node.stop", {"nova-api.service": "inactive"})
    at_work = AtWork(world, "saltus_node.stop", "ctl01-a", times=2)
    world.fleet.jobs = at_work  # type: ignore[assignment]
    state = world.run(killed_while_at(world, StopServices(machine="ctl01-a", services=("nova",))))
    assert (state.status, state.attempt) == ("done", 2)
    assert at_work.left < 0, "it was looked up until it had ended"
    assert at_work.calls_meanwhile == [], "nothing was asked of the machine while the job was at work"
    assert world.calls() == [("ctl01-a", "saltus_node.stop")]


def test_the_freeze_is_looked_for_when_the_dead_runners_backup_has_ended(world: World) -> None:
    """Looked for before, it is not there yet; a second one into the same place would spoil the first."""
    world.fleet.answer("saltus_mariadb.list_backups", {"frozen": {"label": "frozen", "seconds": 3.1}})
    at_work = AtWork(world, "saltus_mariadb.back_up", "dbs01", times=2)
    world.fleet.jobs = at_work  # type: ignore[assignment]
    state = world.run(killed_while_at(world, FREEZE))
    assert (state.status, state.attempt) == ("done", 1)
    assert state.summary.startswith("found done: physical backup frozen")
    assert at_work.left < 0
    assert at_work.calls_meanwhile == []
    assert world.calls() == [("dbs01", "saltus_mariadb.list_backups")]


@pytest.mark.parametrize("jid", ["", "20261125120000000099"])
def test_a_job_that_salt_never_had_is_not_waited_for(world: World, jid: str) -> None:
    world.create("ctl01-a")
    world.fleet.answer("saltus_node.stop", {})
    state = world.run(killed_while_at(world, StopServices(machine="ctl01-a"), jid=jid))
    assert (state.status, state.attempt) == ("done", 2)
