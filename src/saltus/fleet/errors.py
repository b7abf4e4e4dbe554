"""What can go wrong between us and the minions."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from saltus.errors import OperatorError


def listed(names: Sequence[str], limit: int = 8) -> str:
    """`a, b, c and 4 more`: names for a sentence."""
    shown = ", ".join(names[:limit])
    return f"{shown} and {len(names) - limit} more" if len(names) > limit else shown


class NoMaster(OperatorError):
    """The Salt master does not run, does not start or does not answer."""


class NoSuchTarget(OperatorError):
    """A target that names no minion, or a minion that is not known: it is never taken for an empty success."""


class NoReturn(OperatorError):
    """Minions that were expected to return and did not: they are named, and so is the job."""

    def __init__(self, *, what: str, because: str, do: str, jid: str | None, missing: Mapping[str, str]) -> None:
        self.jid = jid
        self.missing = dict(missing)
        """{minion id: why nothing is expected of it any more}."""
        super().__init__(what=what, because=because, do=do)


THREE_LINES = re.compile(
    r"(?P<minion>[^:\s]+): (?:ERROR: )?(?P<what>[^\n]+)\nbecause: (?P<because>.+)\ndo: (?P<do>[^\n]+)", re.DOTALL
)
"""How a minion's function tells an error that an operator can mend."""


class CallFailed(OperatorError):
    """A function raised or was refused on at least one minion; `errors` has what each of them said.

    What one minion says in our own three lines is said again in three lines; anything else is the reason as it is.
    """

    def __init__(self, errors: Mapping[str, str]) -> None:
        self.errors = dict(errors)
        texts = [f"{minion}: {text}" for minion, text in self.errors.items()]
        own = THREE_LINES.fullmatch(texts[0].strip()) if len(texts) == 1 else None
        if own:
            super().__init__(what=f"{own['minion']}: {own['what']}", because=own["because"], do=own["do"])
            return
        super().__init__(
            what=f"a function failed on {', '.join(self.errors)}",
            because=texts[0] if len(texts) == 1 else "".join(f"\n  - {text}" for text in texts),
            do="look at /var/log/salt/minion there; the call may be repeated when its cause is gone",
        )


class StateFailed(OperatorError):
    """States failed, or could not be rendered, on at least one minion.

    `failures` is {minion id: what failed there}; minions whose states were applied stand in `returns` of the job only.
    """

    def __init__(self, *, what: str, do: str, failures: Mapping[str, Sequence[str]]) -> None:
        self.failures = {minion: tuple(texts) for minion, texts in failures.items()}
        texts = [f"{minion}: {text}" for minion, several in self.failures.items() for text in several]
        because = texts[0] if len(texts) == 1 else "".join(f"\n  - {text}" for text in texts)
        super().__init__(what=what, because=because, do=do)


class PillarRefused(OperatorError):
    """The pillar of a minion could not be computed; nothing was applied with what was left of it."""
