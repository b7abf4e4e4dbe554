"""Two sets of API lists side by side: nothing may be lost, and nothing may change that should not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict

from saltus.verify.lists import QUESTIONS, ApiLists

Kind = Literal["lost", "appeared", "changed"]


@dataclass(frozen=True)
class Expectation:
    """A difference that is as it should be, and why. Empty fields mean any."""

    list: str
    kind: Kind
    because: str
    field: str = ""
    after: str = ""

    def covers(self, found: Finding) -> bool:
        return (
            (self.list, self.kind) == (found.list, found.kind)
            and self.field in ("", found.field)
            and self.after in ("", found.after)
        )


ALWAYS = (
    Expectation("compute_services", "changed", "it answers again", field="state", after="up"),
    Expectation("orchestration_services", "changed", "it answers again", field="status", after="up"),
)
UNSWITCHED = (
    *ALWAYS,
    Expectation("compute_services", "changed", "it has not reported since the window began", "state", after="down"),
    Expectation("orchestration_services", "changed", "it has not reported since it started", "status", after="down"),
    Expectation("orchestration_services", "lost", "it has not reported since it started"),
)
"""What may differ before the switch, seconds after the start. Behind the switch the same is waited for."""

REHEARSAL = (
    *ALWAYS,
    Expectation(
        "compute_services",
        "changed",
        "production's services report to production's database, not to the clone",
        "state",
    ),
    Expectation("compute_services", "appeared", "the rehearsal's own control node"),
    Expectation(
        "orchestration_services", "changed", "production's engines report to production's database", field="status"
    ),
    Expectation("orchestration_services", "appeared", "the rehearsal's own control node"),
    Expectation("orchestration_services", "lost", "an engine that stops takes its row with it"),
)
"""What a clone of a running cloud may show differently: nobody but its own control node reports to it."""


class Finding(BaseModel):
    """One difference. `because` is filled when it is expected."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Kind
    list: str
    row: str
    field: str = ""
    before: str = ""
    after: str = ""
    because: str = ""

    def line(self) -> str:
        text = f"{self.kind}: {self.list.replace('_', ' ')}: {self.row}"
        if self.kind == "changed":
            text += f": {self.field} {self.before or 'nothing'} -> {self.after or 'nothing'}"
        return f"{text}: {self.because}" if self.because else text


class Comparison(BaseModel):
    """What differs. `appeared` is told and never a fault: a cloud that serves grows."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[1] = 1
    counts: dict[str, tuple[int, int]]
    """{list: (rows before, rows after)}."""
    lost: tuple[Finding, ...]
    changed: tuple[Finding, ...]
    appeared: tuple[Finding, ...]
    expected: tuple[Finding, ...]

    @property
    def is_as_it_should_be(self) -> bool:
        return not self.lost and not self.changed

    def lines(self) -> list[str]:
        """Faults first, one line each, and the counts of all lists in the last line."""
        counts = ", ".join(
            f"{name.replace('_', ' ')} {before}" + ("" if before == after else f" -> {after}")
            for name, (before, after) in self.counts.items()
        )
        findings = [*self.lost, *self.changed, *self.appeared]
        expected = [f"as expected: {finding.line()}" for finding in self.expected]
        return [*(finding.line() for finding in findings), *expected, counts]


def compare(before: ApiLists, after: ApiLists, expected: Sequence[Expectation] = ALWAYS) -> Comparison:
    found: dict[str, list[Finding]] = {"lost": [], "changed": [], "appeared": [], "expected": []}
    for finding in differences(before, after):
        because = next((each.because for each in expected if each.covers(finding)), "")
        if because:
            found["expected"].append(finding.model_copy(update={"because": because}))
        else:
            found[finding.kind].append(finding)
    counts = {q.name: (len(before.rows(q.name)), len(after.rows(q.name))) for q in QUESTIONS}
    return Comparison.model_validate({"counts": counts, **found})


def not_up_again(before: ApiLists, after: ApiLists) -> list[str]:
    """Services that were up and have not reported yet: after a start they do within seconds."""
    waiting = []
    for name, field in (("compute_services", "state"), ("orchestration_services", "status")):
        now = {row.identity(): getattr(row, field) for row in after.rows(name)}
        waiting += [
            row.label()
            for row in before.rows(name)
            if getattr(row, field) == "up" and now.get(row.identity()) == "down"
        ]
    return waiting


def differences(before: ApiLists, after: ApiLists) -> Iterator[Finding]:
    for name in (question.name for question in QUESTIONS):
        old = {row.identity(): row for row in before.rows(name)}
        new = {row.identity(): row for row in after.rows(name)}
        for identity, row in old.items():
            if identity not in new:
                yield Finding(kind="lost", list=name, row=row.label())
                continue
            was, now = row.model_dump(), new[identity].model_dump()
            for field in was:
                if was[field] != now[field]:
                    yield Finding(
                        kind="changed",
                        list=name,
                        row=row.label(),
                        field=field,
                        before=text(was[field]),
                        after=text(now[field]),
                    )
        for identity, row in new.items():
            if identity not in old:
                yield Finding(kind="appeared", list=name, row=row.label())


def text(value: object) -> str:
    if value is None:
        return ""
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)
