"""Everything that is wrong with a model, each with its file, told at once."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from saltus.errors import Refused


class ModelRefused(Refused):
    """The model cannot be used. `reasons` are all its mistakes, each beginning with the file to open."""

    def __init__(self, path: str, mistakes: Iterable[str]) -> None:
        reasons = list(dict.fromkeys(mistakes))
        count = "a mistake" if len(reasons) == 1 else f"{len(reasons)} mistakes"
        super().__init__(
            what=f"the model {path} has {count}",
            reasons=reasons,
            do=f"mend the files named above, then: saltus model check {path}",
        )


class Mistakes:
    """Collects mistakes while reading goes on. `incomplete` is set once something could not be read at all: after
    that nobody may say that something is missing, since it may stand in what could not be read."""

    def __init__(self) -> None:
        self._nodes: dict[tuple[str, str], list[str]] = {}
        self.incomplete = False

    def add(self, where: str, mistake: str, *, node: str | None = None, incomplete: bool = False) -> None:
        """`node`: the one on which it was noticed, when `where` is a file that many nodes use."""
        nodes = self._nodes.setdefault((where, mistake), [])
        if node and node not in nodes and node not in where:
            nodes.append(node)
        self.incomplete = self.incomplete or incomplete

    @property
    def found(self) -> list[str]:
        """A line for each: the file, the nodes that have it from there, the mistake."""
        return [f"{where}{_told(nodes)}: {mistake}" for (where, mistake), nodes in self._nodes.items()]


def _told(nodes: list[str]) -> str:
    if not nodes:
        return ""
    more = f" and {len(nodes) - 3} more" if len(nodes) > 3 else ""
    return f" ({', '.join(nodes[:3])}{more})"


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`; did you mean X?`, or nothing when no known word is near."""
    near = difflib.get_close_matches(word, sorted(known), n=1, cutoff=0.7)
    return f"; did you mean {near[0]}?" if near else ""
