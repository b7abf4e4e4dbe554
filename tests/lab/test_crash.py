"""An upgrade of a real cloud whose runner is killed at every journal position and in the middle of its steps.

One story in order: an undisturbed upgrade, for its end; the cloud put back to its golden copy; the same upgrade, with
the runner killed wherever it can be (tests/lab/killed.py says where) and taken up by `saltus run` each time; the way
back, killed likewise. The end is that of the undisturbed run, no finished step is performed again, and the tenant's
instance lives on.

Needs root and about 10 GiB; an hour on two cores with nothing else to do. `SALTUS_CRASH_POINTS=middle,before`
leaves out the positions between which nothing of the world changes, and takes half of that. What was killed where is
kept in the state directory: a story that was stopped is taken up by naming the tests that are left, on the cloud that
was kept.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from lab.typed import planned, saltus
from saltus.commands.workplace import Workplace
from saltus.fleet.port import values
from saltus.journal.fold import RunState
from saltus.planner.facts import binding_facts
from saltus.runner.drift import expected_facts
from saltus.verify import instances

pytestmark = [pytest.mark.lab, pytest.mark.timeout(4 * 3600)]

KILLED = Path(__file__).parent / "killed.py"
NEW = ("ctl01-b", "prx01-b")


def demo(workplace: Workplace) -> str:
    """The address of the tenant's instance."""
    return str(list(workplace.cloud.networks.external.cidr.hosts())[10])


def begun(workplace: Workplace, plan: str) -> str:
    """A run of that plan, which nobody walks yet."""
    found = workplace.journal.find_plan(plan)
    undoes = workplace.journal.runs()[-1].id if found.name == "rollback" else None
    return workplace.journal.create_run(found, by="test", undoes=undoes)


def killed_until_done(workplace: Workplace, run: str) -> tuple[list[str], RunState]:
    """Where its runners were killed, and how the run ended."""
    directory = workplace.settings.state / "killed" / run
    points = os.environ.get("SALTUS_CRASH_POINTS", "after,before,middle")
    argv = [sys.executable, str(KILLED), str(directory), run, points]
    done = subprocess.run(argv, stdout=subprocess.PIPE, text=True, check=False)
    said = (directory / "output").read_text(errors="replace")[-4000:]
    assert done.returncode == 0, said
    assert json.loads(done.stdout.splitlines()[-1])["exit"] == 0, said
    return (directory / "points").read_text().splitlines(), workplace.journal.state(run)


def assert_survived(workplace: Workplace, run: str, died_at: list[str], state: RunState) -> str:
    """What must hold of every run that was killed; returns the line that is printed."""
    assert state.status == "done", state.failures()
    assert {step.status for step in state.steps.values()} == {"done"}
    finished: set[str] = set()
    verified = 0
    for _, event in workplace.journal.read(run):
        assert event.kind != "step.failed", event
        if event.kind == "step.finished":
            assert event.step not in finished, f"{event.step} was finished twice"
            finished.add(event.step)
            verified += event.verified
        elif event.kind == "step.started":
            assert event.step not in finished, f"{event.step} was performed again after it had been finished"
    cut = {point.split()[-1] for point in died_at if point.split()[0] in ("before", "middle")}
    cut &= set(state.steps)
    assert cut, "nobody was killed while a step was performed"
    kinds = Counter(point.split()[0] for point in died_at)
    repeated = sum(step.attempt > 1 for step in state.steps.values())
    told = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))
    return (
        f"{len(state.steps)} steps; killed at {len(died_at)} positions ({told}), in {len(cut)} of the steps;"
        f" 0 finished steps performed again, {repeated} unfinished ones repeated, {verified} found done"
    )


def end_of(workplace: Workplace, state: RunState) -> dict[str, Any]:
    """What two runs must have in common when they are over, as JSON has it."""
    facts = workplace.gather()
    assert binding_facts(facts) == {**binding_facts(facts), **expected_facts(state)}
    rows = [step.evidence["rows"] for step in state.steps.values() if "rows" in step.evidence]
    end = {
        "facts": binding_facts(facts),
        "machines": {name: (machine.running, machine.versions) for name, machine in facts.machines.items()},
        "backups": facts.backups,
        "rows": rows[-1] if rows else None,
    }
    for machine in NEW:
        if facts.machines.get(machine) and facts.machines[machine].running:
            for function in ("saltus_node.packages", "saltus_node.configuration"):
                called = workplace.fleet.call([machine], function, timeout_s=300)
                end[f"{function} of {machine}"] = values(called)[machine]
    return dict(json.loads(json.dumps(end)))


def assert_same(found: dict[str, Any], expected: dict[str, Any]) -> None:
    """Part by part, so that what is printed is the part that differs. Names alone where files may hold secrets."""
    assert set(found) == set(expected)
    for part in found:
        if "configuration" in part:
            differing = sorted(
                p for p in found[part].keys() | expected[part] if found[part].get(p) != expected[part].get(p)
            )
            assert differing == [], part
        else:
            assert found[part] == expected[part], part


def test_an_undisturbed_upgrade_shows_what_the_end_is(workplace: Workplace, story: dict[str, Any]) -> None:
    story.clear()
    saltus("lab", "up", "--pristine")
    run = begun(workplace, planned("control", "--to", "epoxy"))
    saltus("run", run, "--approve-as", "test")
    story["end"] = end_of(workplace, workplace.journal.state(run))
    assert story["end"]["facts"]["virtual address at"] == "prx01-b"


def test_killed_at_every_position_the_upgrade_comes_to_the_same_end(
    workplace: Workplace, story: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    if "upgrade" not in story:
        saltus("lab", "up", "--pristine")
        story["boot_id"] = instances.boot_id(demo(workplace), within_s=120)
        assert story["boot_id"], "the tenant's instance does not answer"
        story["upgrade"] = begun(workplace, planned("control", "--to", "epoxy"))
    run = story["upgrade"]
    died_at, state = killed_until_done(workplace, run)
    line = assert_survived(workplace, run, died_at, state)
    assert_same(end_of(workplace, state), story["end"])
    assert instances.boot_id(demo(workplace)) == story["boot_id"]
    told = json.loads(saltus("report", run, "-f", "json").stdout)
    pings = [each for each in told["watched"] if each["what"] == "ping"]
    assert pings, "the instance was watched"
    assert [(each["target"], each["lost"]) for each in pings if each["lost"]] == []
    with capsys.disabled():
        print(f"\ncrash, a real upgrade: {line}; the same end, {sum(each['asked'] for each in pings)} pings, 0 lost")


def test_what_the_killed_runners_left_is_configured_to_the_end(workplace: Workplace) -> None:
    for machine in NEW:
        applied = workplace.fleet.apply([machine])[machine]
        assert [f"{result.function} {result.name}" for result in applied.changed] == []


def test_killed_at_every_position_the_way_back_ends_with_every_table_as_it_was(
    workplace: Workplace, story: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    if "rollback" not in story:
        story["rollback"] = begun(workplace, planned("rollback", "--discard-writes"))
    run = story["rollback"]
    died_at, state = killed_until_done(workplace, run)
    line = assert_survived(workplace, run, died_at, state)
    restored = state.steps["rollback/restore"].evidence["restored"]
    assert isinstance(restored, dict)
    assert restored["differences"] == []
    assert isinstance(restored["compared"], int)
    assert restored["compared"] > 500, "every table of every service is compared by CHECKSUM TABLE"
    facts = workplace.gather()
    assert [name for name, machine in facts.machines.items() if machine.holds_vip] == ["prx01-a"]
    assert instances.boot_id(demo(workplace)) == story["boot_id"]
    with capsys.disabled():
        print(f"\ncrash, its way back: {line}; {restored['compared']} tables as they were")
