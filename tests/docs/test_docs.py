"""What the pages say is so: generated ones are up to date, commands that are named exist, links lead somewhere."""

import ast
import importlib.util
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "ARCHITECTURE.md", *sorted((ROOT / "docs").glob("*.md"))]
OF_CLIFF = {"help", "complete"}


@pytest.fixture(scope="module")
def generate() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate", ROOT / "docs" / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("page", ["commands.md", "actions.md"])
def test_a_generated_page_is_up_to_date(generate: ModuleType, page: str) -> None:
    assert (ROOT / "docs" / page).read_text() == generate.PAGES[page](), "make docs writes it again"


def test_every_command_says_what_it_does(generate: ModuleType) -> None:
    page = (ROOT / "docs" / "commands.md").read_text()
    for words, command in generate.commands().items():
        assert f"## saltus {words}\n" in page
        assert command.__doc__, f"saltus {words} has no docstring"


def test_every_kind_of_action_says_what_it_does(generate: ModuleType) -> None:
    page = (ROOT / "docs" / "actions.md").read_text()
    for kind, action in generate.kinds().items():
        assert f"## {kind}\n" in page
        assert action.__doc__, f"{action.__name__} has no docstring"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_command_that_a_page_names_exists(generate: ModuleType, page: Path) -> None:
    known = {*generate.commands(), *OF_CLIFF}
    groups = {words.partition(" ")[0] for words in known if " " in words}
    named = re.findall(r"(?:`|\$ |next: )saltus ((?:[a-z]+ ?){1,2})", page.read_text())
    for words in (name.split() for name in named):
        command = " ".join(words[:2]) if words[0] in groups else words[0]
        assert command in known | groups, f"{page.name} names saltus {' '.join(words)}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_link_leads_to_a_file(page: Path) -> None:
    for target in re.findall(r"\]\((?!https?:)([^)#]+)(?:#[^)]*)?\)", page.read_text()):
        assert (page.parent / target).exists(), f"{page.name} links {target}"


def test_every_room_of_the_architecture_exists_and_has_its_line() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text()
    rows = re.search(r"\| room \| knows \|\n\|---\|---\|\n((?:\|.*\n)+)", text)
    assert rows
    named = {name.strip() for row in rows[1].splitlines() for name in row.split("|")[1].split(",")}
    source = ROOT / "src" / "saltus"
    rooms = {path.name for path in source.iterdir() if path.is_dir() and any(path.glob("*.py"))}
    assert rooms <= named, f"without a line in the table: {sorted(rooms - named)}"
    missing = named - rooms - {"web"}
    assert not missing, f"in the table, but nowhere: {sorted(missing)}"


def test_completion_is_bash(tmp_path: Path) -> None:
    saltus = Path(sys.executable).parent / "saltus"
    script = subprocess.run(
        [saltus, "--state", str(tmp_path), "complete"], capture_output=True, text=True, check=True, timeout=60
    ).stdout
    asked = f"{script}\ncomplete -p saltus"
    done = subprocess.run(["bash", "-c", asked], capture_output=True, text=True, check=True, timeout=60)
    assert "_saltus" in done.stdout
    assert "control" in script


def advice() -> list[tuple[str, str]]:
    """(place, words behind `saltus`) of everything that an error tells an operator to do."""
    found = []
    for path in sorted((ROOT / "src").rglob("*.py")):
        for call in (node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)):
            told = [keyword.value for keyword in call.keywords if keyword.arg == "do"]
            texts = [part.value for value in told for part in ast.walk(value) if isinstance(part, ast.Constant)]
            for words in re.findall(r"\bsaltus ([a-z]+(?: [a-z]+)?)", " ".join(map(str, texts))):
                found.append((f"{path.relative_to(ROOT)}:{call.lineno}", words))
    return found


def test_what_an_error_advises_is_a_command(generate: ModuleType) -> None:
    known = {*generate.commands(), *OF_CLIFF}
    groups = {words.partition(" ")[0] for words in known if " " in words}
    wrong = [
        f"{place}: saltus {words}"
        for place, words in advice()
        if (words not in known if words.partition(" ")[0] in groups else words.partition(" ")[0] not in known)
    ]
    assert len(advice()) > 20
    assert not wrong, "\n".join(wrong)
