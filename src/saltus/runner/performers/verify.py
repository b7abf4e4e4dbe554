"""Performers of what is asked of the cloud's APIs: lists, comparisons, an instance."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from saltus.errors import OperatorError
from saltus.plan.actions import CheckFacts, CompareLists, ListApis, RecordVersions
from saltus.planner.scenes import binding_facts, serving_slot
from saltus.runner.performer import Outcome, StepContext
from saltus.runner.performers.ground import Ground
from saltus.verify.comparison import ALWAYS, REHEARSAL, UNSWITCHED, compare, not_up_again
from saltus.verify.connection import connect
from saltus.verify.lists import ApiLists, ask

UP_AGAIN_S = 90.0
"""Services report every 10 s (nova's report_interval), and begin when they have logged in."""


def differing_facts(ground: Ground, expected: dict[str, str]) -> list[str]:
    """What of `expected` does not hold now, a line each."""
    found = binding_facts(ground.gather())
    return [
        f"{fact}: {value} when planned, {found.get(fact, 'nothing')} now"
        for fact, value in expected.items()
        if found.get(fact) != value
    ]


@dataclass(frozen=True)
class FactsChecker:
    ground: Ground

    def perform(self, action: CheckFacts, context: StepContext) -> Outcome:
        differences = differing_facts(self.ground, context.plan.facts)
        if differences:
            raise OperatorError(
                what=f"the cloud {context.plan.cloud} is not as it was when plan {context.plan.short} was made",
                because="".join(f"\n  - {line}" for line in differences),
                do="make a new plan: nothing was touched",
            )
        return Outcome(f"{len(context.plan.facts)} facts hold")


@dataclass(frozen=True)
class VersionsRecorder:
    ground: Ground

    def perform(self, action: RecordVersions, context: StepContext) -> Outcome:
        facts = self.ground.gather()
        versions: dict[str, Any] = {name: m.versions for name, m in facts.machines.items() if m.versions}
        count = sum(len(each) for each in versions.values())
        slot = serving_slot(self.ground.cloud, facts)
        serving = {name: machine.node for name, machine in facts.machines.items() if machine.slot in (None, slot)}
        return Outcome(
            f"{count} components on {len(versions)} machines", {"versions": versions, "serving": dict(serving)}
        )


@dataclass(frozen=True)
class ApiLister:
    ground: Ground

    def perform(self, action: ListApis, context: StepContext) -> Outcome:
        lists = self._ask(action, context)
        path = kept(self.ground, action.label)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(lists.to_json())
        rows = {name: len(lists.rows(name)) for name in lists.seconds}
        slowest = max(lists.seconds, key=lambda name: lists.seconds[name])
        return Outcome(
            f"{sum(rows.values())} rows in {len(rows)} lists; slowest {slowest} {lists.seconds[slowest]:.1f} s",
            {"rows": dict(rows), "seconds": dict(lists.seconds)},
        )

    def _ask(self, action: ListApis, context: StepContext) -> ApiLists:
        login = self.ground.login(action.auth_host)
        if action.by is not None:
            login = replace(login, by=self.ground.address(action.by))
        connection = connect(login)
        give_up = time.monotonic() + UP_AGAIN_S
        while True:
            lists = ask(connection)
            waiting = not_up_again(read_kept(self.ground, action.like), lists) if action.like else []
            if not waiting or time.monotonic() > give_up:
                return lists
            context.say(f"waiting for {', '.join(waiting)} to report")
            context.wait(2)


@dataclass(frozen=True)
class ListComparer:
    ground: Ground

    def perform(self, action: CompareLists, context: StepContext) -> Outcome:
        before, after = (read_kept(self.ground, label) for label in (action.before, action.after))
        expected = REHEARSAL if action.rehearsal else UNSWITCHED if action.unswitched else ALWAYS
        comparison = compare(before, after, expected)
        lines = comparison.lines()
        if not comparison.is_as_it_should_be:
            raise OperatorError(
                what=f"{len(comparison.lost)} lost and {len(comparison.changed)} changed between the lists"
                f" {action.before} and {action.after}",
                because="".join(f"\n  - {line}" for line in lines[:20]),
                do="see what happened to these; if a tenant did it meanwhile, saltus skip the step and say so",
            )
        return Outcome(f"nothing lost, nothing changed: {lines[-1]}", {"lines": list(lines)})


def kept(ground: Ground, label: str) -> Path:
    return ground.lists / f"{label}.json"


def read_kept(ground: Ground, label: str) -> ApiLists:
    try:
        return ApiLists.from_json(kept(ground, label).read_text())
    except OSError as exc:
        raise OperatorError(
            what=f"the API lists {label} cannot be read",
            because=f"{kept(ground, label)}: {exc.strerror}",
            do="perform the step that keeps them again: saltus retry RUN --from STEP",
        ) from exc
