"""Where things are kept, and which model is meant: from options, the environment, or a sensible default."""

from __future__ import annotations

import os
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from saltus.errors import OperatorError


def shipped(name: str) -> Path:
    """`formulas` or `lab`, as they come with Saltus: beside `src/` in a checkout, inside the package when installed."""
    package = Path(str(resources.files("saltus")))
    for place in (package.parents[1] / name, package / "_data" / name):
        if place.is_dir():
            return place
    raise OperatorError(
        what=f"the directory {name}/ that comes with Saltus is missing",
        because=f"it is neither beside the source nor in {package / '_data'}",
        do="install Saltus again: pip install --force-reinstall saltus",
    )


def _default_state() -> Path:
    if os.geteuid() == 0:
        return Path("/var/lib/saltus")
    return Path(os.environ.get("XDG_STATE_HOME", "~/.local/state")).expanduser() / "saltus"


@dataclass(frozen=True)
class Settings:
    """What a command was told, and the paths that follow from it."""

    state: Path
    model: Path
    journal_url: str

    @classmethod
    def from_options(cls, *, state: str | None, model: str | None, journal: str | None) -> Settings:
        """Options win over `SALTUS_STATE`, `SALTUS_MODEL`, `SALTUS_JOURNAL`; the default model is the lab's `small`."""
        chosen = Path(state or os.environ.get("SALTUS_STATE") or _default_state()).expanduser().resolve()
        tree = model or os.environ.get("SALTUS_MODEL")
        return cls(
            state=chosen,
            model=Path(tree).expanduser().resolve() if tree else shipped("lab") / "clouds" / "small",
            journal_url=journal or os.environ.get("SALTUS_JOURNAL") or f"sqlite:///{chosen / 'journal.db'}",
        )

    @property
    def machines(self) -> Path:
        return self.state / "machines"

    @property
    def images(self) -> Path:
        return self.state / "images"

    @property
    def packages(self) -> Path:
        return self.state / "packages"

    @property
    def salt(self) -> Path:
        return self.state / "salt"

    @property
    def secrets(self) -> Path:
        return self.state / "secrets"

    @property
    def runs(self) -> Path:
        return self.state / "runs"

    @property
    def formulas(self) -> Path:
        return shipped("formulas")
