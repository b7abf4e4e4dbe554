"""Our Salt modules, loaded as Python from where they stand."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import pytest

MODULES = Path(__file__).parents[2] / "formulas" / "_modules"
Load = Callable[[str], ModuleType]


@pytest.fixture
def load() -> Load:
    def named(name: str) -> ModuleType:
        spec = spec_from_file_location(name, MODULES / f"{name}.py")
        assert spec is not None
        assert spec.loader is not None
        module = module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return named
