"""What the stories of the lab have in common: a real cloud in the state directory of the settings, and what is told."""

from __future__ import annotations

import os
from collections.abc import Iterator
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


@pytest.fixture(scope="module")
def story() -> dict[str, Any]:
    """What earlier tests of the story leave for later ones."""
    return {}
