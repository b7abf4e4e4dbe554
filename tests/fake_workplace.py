"""The command line on a cloud of files: real plans, runner, journal and accounts; no machine, no Salt.

`sitecustomize.py` beside `tests/cli/fake` puts it in the real one's place in every process that a test starts.
"""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path
from typing import Any

from saltus.commands.workplace import Workplace
from saltus.errors import OperatorError
from saltus.plan.actions import CreateMachine, DestroyMachine, SwitchProxy
from saltus.plan.databases import DbSync
from saltus.planner.facts import Facts, MachineFacts
from saltus.runner.performer import Outcome, Performers, StepContext
from saltus.runner.performers.fake import EveryKind

_lanes = threading.Lock()


class NoMaster:
    """Where a real one would have to be started."""

    def ensure_started(self) -> None:
        pass


class FileWorker:
    """Does nothing but say so in a file, in `$FAKE_PACE_S` seconds; but what a plan is bound to really changes."""

    def __init__(self, state: Path) -> None:
        self._state = state

    def perform(self, action: Any, context: StepContext) -> Outcome:
        time.sleep(float(os.environ.get("FAKE_PACE_S", "0")))
        with _lanes:
            self._change(action, context.step.id)
        return Outcome("done")

    def _change(self, action: Any, step: str) -> None:
        with (self._state / "effects").open("a") as file:
            file.write(f"{step}\n")
        if step in os.environ.get("FAKE_FAILS", "").split():
            raise OperatorError(what=f"{step} failed", because="the fake was told to", do="say it again")
        path = self._state / "facts.json"
        facts = Facts.model_validate_json(path.read_text())
        machines, schemas = dict(facts.machines), dict(facts.schemas)
        match action:
            case CreateMachine():
                machines[action.machine] = MachineFacts(
                    node=action.node, slot=action.slot, release=action.release, running=True, answers=True
                )
            case DestroyMachine():
                machines.pop(action.machine, None)
            case SwitchProxy():
                for name, holds in ((action.leave, False), (action.take, True)):
                    machines[name] = machines[name].model_copy(update={"holds_vip": holds})
            case DbSync() if action.database_server != action.machine:
                schemas |= action.heads
        whole = path.with_suffix(".new")  # a process that is killed here leaves the facts as they were
        whole.write_text(facts.model_copy(update={"machines": machines, "schemas": schemas}).model_dump_json())
        whole.replace(path)


class FakeWorkplace(Workplace):
    master = NoMaster()  # type: ignore[assignment]

    @property
    def performers(self) -> Performers:  # type: ignore[override]
        return EveryKind(FileWorker(self.settings.state))

    def gather(self) -> Facts:
        return Facts.model_validate_json((self.settings.state / "facts.json").read_text())
