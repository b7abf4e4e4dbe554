"""What the rest of Saltus sees of Salt: minions, targets, jobs and returns."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from pydantic import BaseModel, ConfigDict, JsonValue

from saltus.fleet.errors import CallFailed

TEN_MINUTES = 600.0


class FleetData(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Job(FleetData):
    """A job and whom it was meant for: what is not in its returns has failed or is unknown."""

    jid: str
    function: str
    minions: tuple[str, ...]


class CallReturn(FleetData):
    """What one minion answered to a function: its value, or the error that it raised."""

    minion: str
    value: Any = None
    error: str | None = None
    """Salt's words for it, with the traceback where there was one; None when the function worked."""
    exit_code: int = 0

    @property
    def worked(self) -> bool:
        return self.error is None


class StateResult(FleetData):
    """One state of a run, as an operator knows it from Salt's own output."""

    id: str
    function: str
    """`pkg.installed`, `file.managed`, ..."""
    name: str
    sls: str | None = None
    result: bool | None
    """None: a test run that would change something."""
    changes: dict[str, JsonValue] = {}
    comment: str = ""
    duration_s: float = 0.0


class StateReturn(FleetData):
    """What one minion did with its states, in the order in which it did it."""

    minion: str
    results: tuple[StateResult, ...] = ()
    errors: tuple[str, ...] = ()
    """Why no state was run at all: a rendering error, a broken pillar, a conflict. Empty when they were run."""

    @property
    def failed(self) -> tuple[StateResult, ...]:
        return tuple(result for result in self.results if result.result is False)

    @property
    def changed(self) -> tuple[StateResult, ...]:
        return tuple(result for result in self.results if result.changes)

    @property
    def worked(self) -> bool:
        return not self.errors and not self.failed


class FoundJob(FleetData):
    """What the master knows of a job whose runner died."""

    job: Job
    calls: dict[str, CallReturn]
    """{minion id: return} of those that have returned; `states` has the same, understood, when it applied states."""
    states: dict[str, StateReturn] = {}
    running: tuple[str, ...] = ()
    """Minions that are still at it."""
    lost: tuple[str, ...] = ()
    """Minions that have not returned and are not at it: whether it was done there is unknown."""

    @property
    def is_finished(self) -> bool:
        return not self.running and not self.lost


OnJob = Callable[[Job], None]
OnReturn = Callable[[CallReturn], None]
OnStateReturn = Callable[[StateReturn], None]


class Fleet(Protocol):
    """The minions of one master. Safe to be used by several threads at once, also on the same minion.

    Every method raises NoMaster when the master does not answer. Targets are in Salt's compound syntax (`ctl*`,
    `I@nova:compute and not cmp002`); one that matches nobody raises NoSuchTarget.
    """

    def minions(self) -> tuple[str, ...]:
        """Ids whose key is accepted, whether they answer or not."""

    def target(self, expression: str) -> tuple[str, ...]:
        """The minions that `expression` means, by Salt's own matchers on the grains and pillar that the master has."""

    def call(
        self,
        target: str | Sequence[str],
        function: str,
        *args: object,
        kwargs: Mapping[str, object] | None = None,
        timeout_s: float = TEN_MINUTES,
        lenient: bool = False,
        on_job: OnJob | None = None,
        on_return: OnReturn | None = None,
    ) -> dict[str, CallReturn]:
        """Run `function` on every minion of `target`; {minion id: return}. See `values` for those who want values.

        `on_job` has the job before Salt has it: what is in the journal may never have begun, but nothing runs that is
        not in it. Raises NoReturn for minions that are silent, or have died, unless `lenient`: then they are left out.
        A function that raises on a minion raises nothing here: its return has the error.
        """

    def apply(
        self,
        target: str | Sequence[str],
        states: Sequence[str] = (),
        *,
        pillar: Mapping[str, object] | None = None,
        timeout_s: float = 3600,
        on_job: OnJob | None = None,
        on_return: OnStateReturn | None = None,
    ) -> dict[str, StateReturn]:
        """Apply `states`, or the highstate when there are none; a minion that is at it already does them afterwards.

        Raises StateFailed when a state failed or could not be rendered anywhere, NoReturn for silent minions.
        """

    def lookup(self, jid: str) -> FoundJob | None:
        """What became of a job, from the master's job cache and from the minions; None: it was never given to Salt."""

    def wait_for(self, minions: Sequence[str], timeout_s: float) -> None:
        """Return when all of them answer; they may be booting. Raises NoReturn."""

    def refresh_pillar(self, target: str | Sequence[str]) -> None:
        """Have the pillar computed again. Raises PillarRefused when that fails for any of them."""

    def sync_modules(self, target: str | Sequence[str]) -> None:
        """Bring the formulas' own modules (execution, states) to the minions; they can be called when this returns."""


def values(returns: Mapping[str, CallReturn]) -> dict[str, Any]:
    """{minion id: value}. Raises CallFailed when the function failed on any minion."""
    errors = {minion: answer.error for minion, answer in returns.items() if answer.error is not None}
    if errors:
        raise CallFailed(errors)
    return {minion: answer.value for minion, answer in returns.items()}
