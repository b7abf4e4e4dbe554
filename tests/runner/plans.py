"""Small plans for the runner's tests."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from saltus.plan import Gate, Impact, Plan, Stage, Step
from saltus.plan.actions import Action, CallFunction, StartMachine


def step(name: str, lane: str | None = None, action: Action | None = None) -> Step:
    machine = name.rpartition("/")[2]
    return Step(id=name, title=f"Start {machine}", action=action or StartMachine(machine=machine), lane=lane)


def verified(name: str, lane: str | None = None) -> Step:
    return step(name, lane, CallFunction(target=name.rpartition("/")[2], function="test.ping"))


def stage(name: str, *steps: Step, gate: Gate | None = None) -> Stage:
    return Stage(id=name, title=f"Do {name}", impact=Impact.NONE, way_back="stop them", steps=steps, gate=gate)


def gate(name: str = "build/accept", **more: Any) -> Gate:
    return Gate(id=name, question="Go on?", **more)


def plan(*stages: Stage, cloud: str = "small") -> Plan:
    return Plan(name="control", cloud=cloud, source="zed", target="epoxy", stages=stages)


def reference_plan(expires_after: timedelta | None = None) -> Plan:
    """Fifteen steps, two gates, lanes, and actions of both kinds."""
    return plan(
        stage(
            "check",
            step("check/facts"),
            verified("check/lists"),
            gate=gate("check/begin", evidence=("check/facts",), expires_after=expires_after),
        ),
        stage(
            "build",
            step("build/ctl-create", "ctl"),
            verified("build/ctl-state", "ctl"),
            step("build/ctl-check", "ctl"),
            step("build/prx-create", "prx"),
            verified("build/prx-state", "prx"),
            step("build/stop-old"),
            step("build/back-up"),
            step("build/db_sync-keystone", "keystone"),
            verified("build/db_sync-nova", "nova"),
            step("build/map-nova", "nova"),
            step("build/db_sync-glance", "glance"),
            step("build/start"),
            gate=gate("build/accept"),
        ),
        stage("finish", step("finish/old-off")),
    )
