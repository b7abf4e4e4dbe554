"""A performer for trying out plans: does nothing, or what it is told to; for tests and rehearsing an operator."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from saltus.errors import OperatorError
from saltus.journal.events import Evidence
from saltus.runner.performer import Outcome, Performer, StepContext, Verdict


class FakePerformer:
    """Performs any action by remembering it. `fail_at`: step ids that fail, each as often as it says."""

    def __init__(
        self,
        *,
        fail_at: Mapping[str, int] | None = None,
        do: Callable[[StepContext], Evidence | None] | None = None,
        finds: Callable[[StepContext], Verdict] | None = None,
    ) -> None:
        self.performed: list[str] = []
        self._fail_at = dict(fail_at or {})
        self._do, self._finds = do, finds

    def perform(self, action: Any, context: StepContext) -> Outcome:
        self.performed.append(context.step.id)
        if self._fail_at.get(context.step.id, 0) > 0:
            self._fail_at[context.step.id] -= 1
            raise OperatorError(what=f"{context.step.id} failed", because="the fake was told to", do="run it again")
        evidence = self._do(context) if self._do else None
        return Outcome("done", evidence or {})

    def verify(self, action: Any, context: StepContext) -> Verdict:
        return self._finds(context) if self._finds else Verdict.not_done("the fake remembers nothing")


class EveryKind(Mapping[str, Performer]):
    """A registry in which one performer stands for every kind of action."""

    def __init__(self, performer: Performer) -> None:
        self._performer = performer

    def __getitem__(self, kind: str) -> Performer:
        return self._performer

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0
