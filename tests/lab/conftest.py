"""What the stories of the lab have in common: a real cloud in the state directory of the settings, and what is told."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from saltus.commands.settings import Settings
from saltus.commands.workplace import Workplace


@pytest.fixture(scope="module")
def workplace() -> Iterator[Workplace]:
    if os.geteuid() != 0:
        pytest.skip("machines need root")
    place = Workplace(Settings.from_options(state=None, model=None, journal=None))
    yield place
    place.journal.close()


class Story(dict[str, Any]):
    """What earlier tests of a story leave for later ones, in a file: one that stopped is taken up where it did.

    Values are what JSON can say, and are read back as it says them: a tuple is a list.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(json.loads(path.read_text()) if path.exists() else {})
        self._path = path
        path.parent.mkdir(parents=True, exist_ok=True)

    def __setitem__(self, key: str, value: Any) -> None:
        super().__setitem__(key, json.loads(json.dumps(value)))
        self._path.write_text(json.dumps(self))

    def clear(self) -> None:
        super().clear()
        self._path.unlink(missing_ok=True)


@pytest.fixture(scope="module")
def story(workplace: Workplace, request: pytest.FixtureRequest) -> Story:
    return Story(workplace.settings.state / "stories" / f"{Path(request.module.__file__).stem}.json")
