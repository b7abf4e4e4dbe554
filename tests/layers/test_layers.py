"""A package imports from the lines above its own, never beside or below. The table is ARCHITECTURE.md's."""

import ast
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "src" / "saltus"

LAYERS = [
    {"errors", "plan"},
    {"model", "catalog"},
    {"pipelines"},
    {"planner", "report"},
    {"journal", "fleet", "machines"},
    {"toolbox"},
    {"database", "verify"},
    {"runner"},
    {"commands"},
    {"web"},
    {"cli"},
]
LEVEL = {room: level for level, rooms in enumerate(LAYERS) for room in rooms}


def imported_rooms(path: Path) -> set[str]:
    rooms = set()
    for node in ast.walk(ast.parse(path.read_text())):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        for name in names:
            parts = name.split(".")
            if parts[0] == "saltus" and len(parts) > 1 and parts[1] in LEVEL:
                rooms.add(parts[1])
    return rooms


MODULES = sorted(path for path in SOURCE.rglob("*.py") if path.parent != SOURCE or path.stem in LEVEL)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_a_module_imports_only_from_rooms_above_its_own(path: Path) -> None:
    relative = path.relative_to(SOURCE)
    room = relative.parts[0].removesuffix(".py")
    assert room in LEVEL, f"{room} is not in the table of layers: add it there and in ARCHITECTURE.md"
    climbs = {other for other in imported_rooms(path) if other != room and LEVEL[other] >= LEVEL[room]}
    allowed = {"errors"} if room == "plan" else set()
    assert not climbs - allowed, f"{relative} imports {sorted(climbs)}, which are not above it"


def test_every_room_is_in_the_table() -> None:
    rooms = {path.name for path in SOURCE.iterdir() if path.is_dir() and any(path.glob("*.py"))}
    assert rooms <= set(LEVEL)
