"""The toolboxes that are ready: one directory a release, with a record of what is in it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from saltus.catalog.releases import load_releases
from saltus.toolbox.recipes import CannotBuild


class Record(BaseModel):
    """What was built. Written last: a directory without it is not a toolbox."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[1] = 1
    release: str
    python: str
    services: dict[str, str]
    """{service: the environment that holds it, below the release's directory}"""
    packages: dict[str, str]


@dataclass(frozen=True)
class Toolbox:
    """The manage tools of one release, ready to run without a network."""

    directory: Path
    record: Record

    @property
    def release(self) -> str:
        return self.record.release

    @property
    def services(self) -> tuple[str, ...]:
        return tuple(sorted(self.record.services))

    def program(self, service: str, name: str) -> Path:
        """The path of a manage tool: `program("nova", "nova-manage")`. Raises CannotBuild when it is not here."""
        place = self.record.services.get(service)
        path = self.directory / str(place) / "bin" / name
        if place is None or not path.exists():
            raise CannotBuild(
                what=f"the toolbox of {self.release} has no {name}",
                because=f"it was built with {', '.join(self.services)}",
                do=f"saltus toolbox build {self.release} {service}",
            )
        return path


class Shelf:
    """All toolboxes below one directory."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def home(self, release: str) -> Path:
        return self.directory / release

    def find(self, release: str) -> Toolbox | None:
        """The toolbox of that release; None when there is none or its build was cut off."""
        home = self.home(load_releases().get(release).name)
        try:
            record = Record.model_validate_json((home / "toolbox.json").read_text())
        except (OSError, ValidationError):
            return None
        return Toolbox(home, record)

    def put(self, record: Record) -> Toolbox:
        home = self.home(record.release)
        (home / "toolbox.json").write_text(record.model_dump_json(indent=1) + "\n")
        return Toolbox(home, record)

    def all(self) -> list[Toolbox]:
        """Oldest release first."""
        return [t for r in load_releases().releases if (t := self.find(r.name))]
