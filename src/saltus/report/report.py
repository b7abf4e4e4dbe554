"""What a run came to, as data. Renderers stand beside it; `commands/reporting.py` fills it from the journal."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict

What = Literal["read", "write", "ping"]


class _Data(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class StepLine(_Data):
    id: str
    title: str
    status: str
    seconds: float | None
    summary: str = ""
    started: datetime | None = None


class StageLine(_Data):
    """One stage as it went. `impact` is what the plan said; `outage_s` is what the watcher measured in it."""

    id: str
    title: str
    impact: str
    way_back: str
    status: str
    seconds: float | None
    outage_s: float
    """The longest outage of any API that began in this stage."""
    steps: tuple[StepLine, ...]


class Watched(_Data):
    """What the watcher counted of one API method class, or of one instance's pings, over the whole run."""

    target: str
    what: What
    asked: int
    lost: int
    outage_s: float
    longest_s: float


class Outage(_Data):
    target: str
    what: What
    started: datetime
    seconds: float | None
    step: str | None


class SchemaMove(_Data):
    """What one step did to the schema of one database."""

    stage: str
    step: str
    database: str
    before: str
    after: str
    seconds: float | None
    """Of the whole step, which may have moved several databases."""


class ComparedList(_Data):
    """One API list in two releases: rows, and how long the cloud took to answer."""

    name: str
    rows: tuple[int | None, int | None]
    seconds: tuple[float | None, float | None]

    @property
    def is_equal(self) -> bool:
        return self.rows[0] == self.rows[1]


class ListsCompared(_Data):
    """One comparison of API lists, with its findings as sentences; `lists` is empty when their counts were not kept."""

    stage: str
    step: str
    title: str
    before: str
    after: str
    status: str
    summary: str
    lists: tuple[ComparedList, ...]
    findings: tuple[str, ...]


class Answer(_Data):
    """Who answered a gate."""

    gate: str
    answer: Literal["approved", "rejected"]
    by: str
    at: datetime
    comment: str = ""


class Report(_Data):
    """Everything that is worth keeping of one run."""

    format: Literal[1] = 1
    run: str
    plan: str
    name: str
    cloud: str
    source: str
    target: str
    status: str
    reason: str
    started: datetime | None
    seconds: float | None
    stages: tuple[StageLine, ...]
    versions: dict[str, tuple[str | None, str | None]]
    """{component: (version before, version after)}."""
    watched: tuple[Watched, ...]
    outages: tuple[Outage, ...]
    schemas: tuple[SchemaMove, ...] = ()
    compared: tuple[ListsCompared, ...] = ()
    answers: tuple[Answer, ...]
    highlights: tuple[str, ...]
    """Facts in sentences: the instance that was booted, what the comparison of lists said."""
    way_back: str
    """How to roll back from here, or why there is nothing to roll back."""
