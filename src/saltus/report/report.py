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
    forecast_s: float | None = None
    """What it was expected to take: rehearsed in this run, else what it took last time; None where nobody knows."""


class StageLine(_Data):
    """One stage as it went. `impact` is what the plan said; `outage_s` is what the watcher measured in it."""

    id: str
    title: str
    impact: str
    way_back: str
    status: str
    seconds: float | None
    outage_s: float | None
    """The longest outage of any API that began in this stage; None where nobody looked."""
    steps: tuple[StepLine, ...]
    forecast_s: float | None = None
    """By the forecasts of its steps, lanes side by side; of a step without one nothing is counted."""
    foreseen: int = 0
    """How many of its steps have a forecast."""


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
    """None while it lasts."""
    step: str | None
    """In which it began; None between steps."""
    lost: int = 0
    """Questions without a good answer; of pings, the packets lost."""
    at_least: bool = False
    """Nobody looked any more when it ended: it lasted as long as somebody did, or longer."""


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


class PackageChange(_Data):
    """One package; None stands for not installed."""

    name: str
    before: str | None
    after: str | None


class PackageGroup(_Data):
    """Nodes whose packages change in the same way."""

    nodes: tuple[str, ...]
    changes: tuple[PackageChange, ...]


class FileChange(_Data):
    """A configuration file that changes in the same way on these nodes, as a unified diff."""

    nodes: tuple[str, ...]
    path: str
    diff: str

    @property
    def added(self) -> int:
        return sum(line.startswith("+") for line in self.diff.splitlines())

    @property
    def removed(self) -> int:
        return sum(line.startswith("-") for line in self.diff.splitlines())


class Differences(_Data):
    """What the steps of one stage found to differ, or made to: packages and configuration, folded by equal nodes."""

    stage: str
    packages: tuple[PackageGroup, ...]
    files: tuple[FileChange, ...]


class ReleaseNote(_Data):
    """A fact of the catalogue that matters for this hop. `done` is what Saltus does about it."""

    release: str
    service: str
    says: str
    done: str
    source: str


class Refusal(_Data):
    """Something that was refused or stopped in this run, and why."""

    at: datetime
    by: str
    what: str
    because: str


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
    differences: tuple[Differences, ...] = ()
    notes: tuple[ReleaseNote, ...] = ()
    refusals: tuple[Refusal, ...] = ()
    looked_for: tuple[str, ...] = ()
    """What would have refused the plan: none of it held when it was made."""
    not_watched: str = ""
    """Why outages were not measured, or not in all of the run; empty when they were."""
    answers: tuple[Answer, ...]

    @property
    def is_watched(self) -> bool:
        """Whether anything was measured at all."""
        return bool(self.watched or self.outages)

    highlights: tuple[str, ...]
    """Facts in sentences: the instance that was booted, what the comparison of lists said."""
    way_back: str
    """How to roll back from here, or why there is nothing to roll back."""
