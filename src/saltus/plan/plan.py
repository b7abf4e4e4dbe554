"""A plan: a flat, frozen list of stages, steps and gates, with a fingerprint. What was approved is what runs."""

from __future__ import annotations

import functools
import hashlib
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from enum import StrEnum
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from saltus.plan.actions import Action


class Impact(StrEnum):
    """What users may notice of a stage while it runs."""

    NONE = "no impact"
    READ_ONLY = "API read-only"
    API_DOWN = "API down"
    PACKETS = "instances may lose packets"


class Step(BaseModel):
    """One action. `id` is readable and stable (`real-upgrade/db_sync-nova`), never an ordinal."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str = Field(pattern=r"^[a-z0-9._-]+/[A-Za-z0-9._-]+$")
    title: str
    """A sentence that an operator reads: `Stop the services of ctl01-a`."""
    action: Action
    lane: str | None = None
    """Neighbouring steps in lanes run side by side, in order within a lane; a step without one is a barrier."""


class Gate(BaseModel):
    """One question to a person. An answer is bound to the plan's fingerprint and this gate."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    question: str
    role: str = "approver"
    answers: int = 1
    expires_after: timedelta | None = None
    on_expiry: Literal["pause", "abort"] = "pause"
    evidence: tuple[str, ...] = ()
    """Ids of the steps whose outcome the person should look at before answering."""


class Stage(BaseModel):
    """What one approval covers: steps, what users may notice, the way back, and the gate at its end."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str = Field(pattern=r"^[a-z0-9-]+$")
    title: str
    impact: Impact
    way_back: str
    """How to undo it, or `none: ...` with the reason."""
    steps: tuple[Step, ...]
    gate: Gate | None = None


class Plan(BaseModel):
    """The whole of what a run does. Serialises to JSON; equal plans have equal bytes and one fingerprint."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[1] = 1
    name: str
    """The pipeline that made it: `control`, `rehearse`, `rollback`, `deploy`, ..."""
    cloud: str
    source: str
    target: str
    facts: dict[str, str] = {}
    """What the plan was made from and must still hold when it runs: {fact: value}."""
    stages: tuple[Stage, ...]

    @model_validator(mode="after")
    def _ids_are_unique(self) -> Plan:
        ids = [step.id for step in self.steps()] + [s.gate.id for s in self.stages if s.gate]
        twice = sorted(i for i, times in Counter(ids).items() if times > 1)
        if twice:
            raise ValueError(f"step and gate ids must be unique, but these stand twice: {', '.join(twice)}")
        return self

    def steps(self) -> Iterator[Step]:
        for stage in self.stages:
            yield from stage.steps

    def gates(self) -> Iterator[Gate]:
        for stage in self.stages:
            if stage.gate:
                yield stage.gate

    @functools.cached_property
    def canonical(self) -> str:
        return self.model_dump_json(indent=1) + "\n"

    @functools.cached_property
    def fingerprint(self) -> str:
        """SHA-256 of the canonical text, in hex; `short` is what people type."""
        return hashlib.sha256(self.canonical.encode()).hexdigest()

    @property
    def short(self) -> str:
        return self.fingerprint[:12]

    def to_json(self) -> str:
        """The canonical text: two equal plans give the same bytes."""
        return self.canonical

    @classmethod
    def from_json(cls, text: str) -> Plan:
        return cls.model_validate_json(text)

    @classmethod
    def as_saved(cls, text: str) -> Plan:
        """The plan of a text that an earlier Saltus wrote: it keeps that text, and with it the fingerprint that was
        approved, although this version may write more fields."""
        plan = cls.model_validate_json(text)
        plan.__dict__["canonical"] = text
        return plan

    def __copy__(self) -> Plan:
        copy = super().__copy__()
        for kept in ("canonical", "fingerprint"):  # of this plan, not of a copy that is about to be changed
            copy.__dict__.pop(kept, None)
        return copy
