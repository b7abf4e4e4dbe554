"""`saltus toolbox ...`: build in advance, look at, and try the manage tools of releases."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from saltus.catalog.releases import load_releases
from saltus.catalog.services import load_services
from saltus.commands.settings import Settings
from saltus.errors import OperatorError
from saltus.toolbox.build import build, check
from saltus.toolbox.given import release_of
from saltus.toolbox.recipes import CannotBuild
from saltus.toolbox.shelf import Shelf, Toolbox

Table = tuple[tuple[str, ...], list[tuple[str, ...]]]


def shelf(settings: Settings, directory: Path | None) -> Shelf:
    return Shelf(directory or settings.state / "toolboxes")


def build_toolbox(
    shelf: Shelf, release: str, services: Iterable[str], sources: Mapping[str, Path], *, say: Callable[[str], None]
) -> Toolbox:
    """Build and try it. Raises CannotBuild, also when a tool was installed and does not start."""
    for service, path in sources.items():
        if (of := release_of(service, path)) != load_releases().get(release).name:
            raise CannotBuild(
                what=f"{path} does not belong into the toolbox of {release}",
                because=f"it is {service} of {of}",
                do=f"saltus toolbox build {of} --source {service}={path}",
            )
    names = [load_services().get(name).name for name in services] or None
    built = build(shelf, release, names, sources=sources, say=say)
    broken = {service: said for service, said in check(built).items() if said}
    if broken:
        raise CannotBuild(
            what=f"tools of {built.release} were installed and do not start: {', '.join(broken)}",
            because="; ".join(broken.values()),
            do="a pin of the constraints may need help: saltus toolbox build again after changing it",
        )
    return built


def list_toolboxes(shelf: Shelf) -> Table:
    rows: list[tuple[str, ...]] = [
        (t.release, ", ".join(t.record.packages.values()), t.record.python, str(t.directory)) for t in shelf.all()
    ]
    return ("release", "packages", "python", "directory"), rows


def check_toolboxes(shelf: Shelf, release: str | None) -> Table:
    """{tool: whether it starts}. Raises OperatorError when there is nothing to check."""
    found = shelf.find(release) if release else None
    toolboxes = [found] if found else [] if release else shelf.all()
    if not toolboxes:
        raise OperatorError(
            what=f"there is no toolbox{' of ' + release if release else ''}",
            because=f"none is in {shelf.directory}",
            do=f"saltus toolbox build {release or 'RELEASE'}",
        )
    rows: list[tuple[str, ...]] = [
        (t.release, service, said or "starts") for t in toolboxes for service, said in check(t).items()
    ]
    return ("release", "service", "tool"), rows


def read_sources(words: Iterable[str]) -> dict[str, Path]:
    """`keystone=PATH` words -> {service: path}. Raises OperatorError for what is neither."""
    found = {}
    for word in words:
        service, equals, path = word.partition("=")
        if not equals or not Path(path).exists():
            raise OperatorError(
                what=f"--source {word} names nothing",
                because=f"{path} does not exist" if equals else "it has no `=`",
                do="--source keystone=PATH, where PATH is a wheel, sdist, directory or git checkout",
            )
        found[load_services().get(service).name] = Path(path)
    return found
