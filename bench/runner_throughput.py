"""How fast the runner walks: plans of no-op steps on SQLite or PostgreSQL, and the resume of a plan half done.

python bench/runner_throughput.py [URL]         default: SQLite in a directory that is removed afterwards
"""

from __future__ import annotations

import sys
import tempfile
import time
from datetime import UTC, datetime

from saltus.errors import Abort
from saltus.journal.store import Journal
from saltus.plan import Impact, Plan, Stage, Step
from saltus.plan.actions import StartMachine
from saltus.runner.gates import JournalAsker
from saltus.runner.performer import StepContext
from saltus.runner.performers.fake import EveryKind, FakePerformer
from saltus.runner.run import Runner

STEPS_A_SECOND, RESUME_S, BENDS = 300, 3.0, 1.5


def plan_of(steps: int, cloud: str) -> Plan:
    return Plan(
        name="bench",
        cloud=cloud,
        source="zed",
        target="epoxy",
        stages=tuple(
            Stage(
                id=f"stage-{first}",
                title="Nothing, many times",
                impact=Impact.NONE,
                way_back="none: nothing is done",
                steps=tuple(
                    Step(id=f"stage-{first}/{i}", title=f"Nothing {i}", action=StartMachine(machine=f"m{i}"))
                    for i in range(first, min(first + 100, steps))
                ),
            )
            for first in range(0, steps, 100)
        ),
    )


def measure(journal: Journal, steps: int) -> float:
    """Steps a second of a whole run."""
    run = journal.create_run(plan_of(steps, f"bench-{steps}"), by="bench")
    began = time.perf_counter()
    state = Runner(journal, EveryKind(FakePerformer()), JournalAsker()).run(run)
    assert state.status == "done"
    rate = steps / (time.perf_counter() - began)
    print(f"  {steps:>6} steps  {rate:8.0f} steps/s")
    return rate


def measure_resume(journal: Journal, steps: int) -> float:
    """Seconds from `run` until the first step of the second half is performed."""
    run, half = journal.create_run(plan_of(steps, "bench-resume"), by="bench"), steps // 2
    reached: list[float] = []

    def stop_in_the_middle(context: StepContext) -> None:
        if context.step.id.endswith(f"/{half}"):
            reached.append(time.perf_counter())
            if len(reached) == 1:
                raise Abort

    fake = FakePerformer(do=stop_in_the_middle)
    assert Runner(journal, EveryKind(fake), JournalAsker()).run(run).status == "paused"
    began = time.perf_counter()
    assert Runner(journal, EveryKind(fake), JournalAsker()).run(run).status == "done"
    print(f"  resume of {steps} steps, half of them done: {reached[1] - began:.2f} s")
    return reached[1] - began


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="saltus-bench-") as directory:
        journal = Journal(sys.argv[1] if len(sys.argv) > 1 else f"sqlite:///{directory}/journal.db")
        print(f"{journal.db.shown}, {datetime.now(UTC):%F %T} UTC")
        measure(journal, 200)  # imports and caches
        rates = {steps: measure(journal, steps) for steps in (1000, 2500, 5000, 10000)}
        resume_s = measure_resume(journal, 10000)
        journal.close()
    bend = rates[1000] / rates[10000]
    good = rates[10000] >= STEPS_A_SECOND and bend <= BENDS and resume_s < RESUME_S
    print(
        f"10,000 steps: {rates[10000]:.0f} a second (wanted {STEPS_A_SECOND}); per step {bend:.2f} times as long as in"
        f" 1,000 (wanted at most {BENDS}); resume {resume_s:.2f} s (wanted under {RESUME_S:.0f}): "
        + ("good" if good else "NOT GOOD")
    )
    return 0 if good else 1


if __name__ == "__main__":
    raise SystemExit(main())
