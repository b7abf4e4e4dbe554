"""Drift: whether the cloud is as the plan's facts say, and as the steps that are done have changed it since.

The runner takes the facts again whenever it starts a run or takes one up, and after every gate. To let a new kind
of action change a fact: a case in `changes`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from saltus.journal.fold import RunState
from saltus.plan.actions import Action, CreateMachine, DestroyMachine, StopMachine, SwitchProxy
from saltus.plan.data_plane import ConfigureNodes, EnableComputes, RefillGateways, RestoreNodes, SettleNodes
from saltus.plan.databases import DbSync, RestoreDatabases
from saltus.planner.facts import VIRTUAL_ADDRESS, deployed_as, schema_of

TakeFacts = Callable[[], Mapping[str, str]]
"""The facts of the cloud as it is now, in the words of a plan's own. Raises an OperatorError."""

Change = str | None
"""What a fact is afterwards; None: not for us to say, or nothing any more."""


def expected_facts(state: RunState) -> dict[str, str]:
    """What must hold now: the plan's facts, with what its done steps made of them.

    What a step touches that was begun and is not done, or that a person skipped or put back, may be either: not in it.
    """
    expected: dict[str, Change] = dict(state.plan.facts)
    if not expected:
        return {}
    clones = _clones(state)
    for step in state.plan.steps():
        found = state.steps[step.id]
        if found.status == "pending" and not found.attempt:
            continue
        for fact, value in changes(step.action, expected, clones).items():
            expected[fact] = value if found.status == "done" else None
    return {fact: value for fact, value in expected.items() if value is not None}


def changes(action: Action, before: Mapping[str, Change], clones: frozenset[str]) -> dict[str, Change]:
    """What `action` makes of the facts. `clones` are machines whose databases are not the cloud's own."""
    match action:
        case CreateMachine():
            return {deployed_as(action.machine): action.release}
        case DestroyMachine():
            return {deployed_as(action.machine): None}
        case StopMachine() if before.get(VIRTUAL_ADDRESS) == action.machine:
            return {VIRTUAL_ADDRESS: None}
        case SwitchProxy():
            return {VIRTUAL_ADDRESS: action.take}
        case DbSync() if action.database_server not in clones:
            return {schema_of(database): " ".join(sorted(heads)) for database, heads in action.heads.items()}
        case ConfigureNodes() | EnableComputes() | RefillGateways() | RestoreNodes() | SettleNodes():
            # Each node fares on its own: one that failed is still of the release it was.
            return {deployed_as(node): None for node in action.nodes}
        case RestoreDatabases():
            return {schema_of(database): None for database in action.databases}
        case _:
            return {}


def differences(expected: Mapping[str, str], found: Mapping[str, str]) -> tuple[str, ...]:
    """What of `expected` does not hold, a line each."""
    return tuple(
        f"{fact}: {value} expected, {found.get(fact, 'nothing')} found"
        for fact, value in expected.items()
        if found.get(fact) != value
    )


def _clones(state: RunState) -> frozenset[str]:
    creations = (step.action for step in state.plan.steps() if isinstance(step.action, CreateMachine))
    return frozenset(action.machine for action in creations if action.isolated)
