"""What a performer is: the one who does the work of one kind of action, and tells what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, runtime_checkable

from saltus.errors import Abort, OperatorError
from saltus.journal.events import Evidence
from saltus.plan.plan import Plan, Step


@dataclass(frozen=True)
class Outcome:
    """What a step came to: a sentence for the operator, and the evidence as plain JSON data."""

    summary: str
    evidence: Evidence = field(default_factory=dict)


@dataclass(frozen=True)
class Verdict:
    """What the world shows of a step whose outcome is unknown."""

    found: Literal["done", "not done", "unknown"]
    outcome: Outcome | None = None
    """Of a step found done."""
    because: str = ""
    """What was looked at; a person reads it when the answer is `unknown`."""

    @classmethod
    def done(cls, summary: str, evidence: Evidence | None = None) -> Verdict:
        return cls("done", Outcome(summary, evidence or {}))

    @classmethod
    def not_done(cls, because: str = "") -> Verdict:
        return cls("not done", because=because)

    @classmethod
    def unknown(cls, because: str) -> Verdict:
        return cls("unknown", because=because)


class PauseRun(OperatorError):
    """The step failed, and a person is to decide how it goes on: the run pauses instead of failing."""


class StepContext(Protocol):
    """What a performer may know and say while it works. Safe to use from several threads."""

    run: str
    plan: Plan
    step: Step
    attempt: int

    def say(self, text: str, fraction: float | None = None) -> None:
        """Show progress: what is being done, and how far (0 to 1). Cheap; the journal keeps only some of it."""

    def note(self, data: Evidence) -> None:
        """Write down what a later attempt must know, before it is awaited: `{"jid": ...}`. Durable on return."""

    def noted(self) -> Evidence:
        """What this step noted, in this attempt and in earlier ones."""

    def evidence_of(self, step: str) -> Evidence:
        """The evidence of a step that is done; empty when it is not."""

    @property
    def cancelled(self) -> bool:
        """The operator wants to stop at once: stop waiting and raise `saltus.errors.Abort`."""

    def wait(self, seconds: float) -> None:
        """Sleep, but no longer than the operator lets us: raises Abort as soon as `cancelled`."""


# Performers take the action of their own kind only; the registry holds all kinds, hence Any.
@runtime_checkable
class Performer(Protocol):
    def perform(self, action: Any, context: StepContext) -> Outcome:
        """Do the work. Raises OperatorError when it cannot be done."""


@runtime_checkable
class Verifier(Protocol):
    """A performer of actions whose `after_a_crash` is `verify` has this too."""

    def verify(self, action: Any, context: StepContext) -> Verdict:
        """Look at the world and say whether the work was done. Changes nothing."""


Performers = Mapping[str, Performer]
"""{kind of action: who performs it}"""


def stop_if_cancelled(context: StepContext) -> None:
    if context.cancelled:
        raise Abort
