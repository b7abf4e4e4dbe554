"""What differs between two machines: packages by version, configuration line by line.

The evidence, which `commands/differences.py` folds by equal nodes, whichever step left it:

    packages   {node: {package: [version before or null, version after or null]}}, only those that differ
    files      {node: {path: unified diff}}, only those that differ
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import JsonValue

from saltus.plan.actions import CompareMachines
from saltus.runner.performer import Outcome, StepContext
from saltus.runner.performers.ground import Ground

OWN_ADDRESS = "(its-own-address)"
"""Stands for each machine's own address: it always differs, and says nothing. One word: within a URL it stays one."""


@dataclass(frozen=True)
class MachineComparer:
    ground: Ground

    def perform(self, action: CompareMachines, context: StepContext) -> Outcome:
        self.ground.fleet.sync_modules(
            [action.before, action.after]
        )  # an old machine may have those of an older Saltus
        packages = [self.ground.call(context, name, "saltus_node.packages") for name in (action.before, action.after)]
        files = [self._files(context, name) for name in (action.before, action.after)]
        changed, written = package_differences(*packages), file_differences(*files)
        return Outcome(
            f"{_count(len(changed), 'package')} of {len({*packages[0], *packages[1]})} differ,"
            f" {_count(len(written), 'file')} of {len({*files[0], *files[1]})}",
            {"packages": {action.node: dict(changed)}, "files": {action.node: dict(written)}},
        )

    def _files(self, context: StepContext, machine: str) -> dict[str, str]:
        found: Mapping[str, Any] = self.ground.call(context, machine, "saltus_node.configuration")
        own = str(self.ground.cloud.machine(machine).address)
        return {path: str(text).replace(own, OWN_ADDRESS) for path, text in found.items()}


def package_differences(before: Mapping[str, str], after: Mapping[str, str]) -> dict[str, JsonValue]:
    """{package: [before, after]} of those that differ; None stands for one that is not installed."""
    return {
        name: [before.get(name), after.get(name)]
        for name in sorted({*before, *after})
        if before.get(name) != after.get(name)
    }


def file_differences(before: Mapping[str, str], after: Mapping[str, str]) -> dict[str, JsonValue]:
    """{path: unified diff} of those that differ; of a file that is new or gone, all of it."""
    found: dict[str, JsonValue] = {}
    for path in sorted({*before, *after}):
        old, new = before.get(path, "").splitlines(), after.get(path, "").splitlines()
        diff = list(difflib.unified_diff(old, new, n=2, lineterm=""))[2:]
        if diff:
            found[path] = "\n".join(diff)
    return found


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
