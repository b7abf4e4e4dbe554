"""Builds toolboxes: an environment with the manage tools of one release, from the registry, pinned."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from uv import find_uv_bin

from saltus.catalog.releases import load_releases
from saltus.catalog.services import load_services
from saltus.machines.locks import held
from saltus.toolbox.python import find_python
from saltus.toolbox.recipes import CannotBuild, Era, constraints, load_recipes
from saltus.toolbox.shelf import Record, Shelf, Toolbox
from saltus.toolbox.suites import Interpreter

_VIRTUALENV = "virtualenv==20.15.1"  # the last whose environments run Python 2.7
_SEEDS = ("--pip", "20.3.4", "--setuptools", "44.1.1", "--wheel", "0.37.1")

_LONGEST_S = 3600
"""How long another process may be at the same toolbox: those of Python 2.7 take minutes, on a busy host many."""

Say = Callable[[str], None]


def build(
    shelf: Shelf,
    release: str,
    services: Iterable[str] | None = None,
    *,
    sources: Mapping[str, Path] | None = None,
    say: Say | None = None,
) -> Toolbox:
    """The toolbox of `release` with at least `services` (all that can be had when None), built where it lacks some.

    One environment for all where their pins agree, else one a service. Needs the registry; what it made needs nothing.
    Safe to repeat: a build that was cut off is begun again, and one that goes on elsewhere is waited for.
    Raises CannotBuild.
    """
    say, given, recipes = say or (lambda text: None), dict(sources or {}), load_recipes()
    release = load_releases().get(release).name
    wanted = set(services) if services is not None else {*recipes.available(release), *given}
    here = shelf.find(release)
    if here and wanted <= set(here.services) and not given:
        return here
    with held(shelf.directory / f"{release}.lock", purpose=f"build the toolbox of {release}", timeout_s=_LONGEST_S):
        here = shelf.find(release)  # somebody else may have built it meanwhile
        have = set(here.services) if here else set()
        if wanted <= have and here and not given:
            return here
        return _build(shelf, release, wanted | have, given, say)


def _build(shelf: Shelf, release: str, services: set[str], given: dict[str, Path], say: Say) -> Toolbox:
    era = load_recipes().era(release)
    requirements = {service: load_recipes().requirement(release, service, given) for service in sorted(services)}
    unpacked = shelf.directory / "interpreters"
    python = find_python(era.python, unpacked=unpacked, compiles=era.compiles, say=say)
    home = shelf.home(release)
    try:
        say(f"{release}: {', '.join(requirements)} on {python.path}")
        _make(home / "all", release, era, python, list(requirements.values()))
        places = dict.fromkeys(requirements, "all")
    except CannotBuild as together:
        if len(requirements) == 1:
            raise
        say(f"{release}: one environment for all does not resolve ({together.because[-200:]}); one a service")
        places = {}
        for service, requirement in requirements.items():
            say(f"{release}: {service} on {python.path}")
            _make(home / service, release, era, python, [requirement])
            places[service] = service
    return shelf.put(Record(release=release, python=str(python.path), services=places, packages=requirements))


def _make(place: Path, release: str, era: Era, python: Interpreter, requirements: list[str]) -> None:
    shutil.rmtree(place, ignore_errors=True)
    place.parent.mkdir(parents=True, exist_ok=True)
    pins = place.parent / "constraints.txt"
    pins.write_text(constraints(release, era))
    if era.python == ("2.7",):
        _make_with_pip(place, era, python, pins, requirements)
    else:
        _make_with_uv(place, era, python, pins, requirements)


def _make_with_uv(place: Path, era: Era, python: Interpreter, pins: Path, requirements: list[str]) -> None:
    uv = find_uv_bin()
    _run([uv, "venv", "--quiet", "--python", str(python.path), str(place)])
    environment = dict(python.environment)
    if era.build_with:
        build_pins = place.parent / "build-constraints.txt"
        build_pins.write_text("\n".join(era.build_with) + "\n")
        environment["UV_BUILD_CONSTRAINT"] = str(build_pins)
    install = [uv, "pip", "install", "--quiet", "--python", str(place / "bin" / "python"), "--constraints", str(pins)]
    _run([*install, *era.with_, "PyMySQL", *requirements], environment)


def _make_with_pip(place: Path, era: Era, python: Interpreter, pins: Path, requirements: list[str]) -> None:
    """Python 2.7: the last pip for it, its old resolver, and builds in the environment itself."""
    _run(
        [
            find_uv_bin(), "tool", "run", "--quiet", "--from", _VIRTUALENV, "--python", "3.11",
            "virtualenv", "--quiet", "--python", str(python.path), "--no-download", *_SEEDS, str(place),
        ]
    )  # fmt: skip
    install = [
        str(place / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check",
        "--no-python-version-warning", "--use-deprecated=legacy-resolver", "--no-build-isolation",
        "--constraint", str(pins),
    ]  # fmt: skip
    for first in era.first:
        _run([*install, first], python.environment)
    _run([*install, "PyMySQL", *era.with_, *requirements], python.environment)


def _run(argv: list[str], environment: Mapping[str, str] | None = None) -> None:
    clean = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")}
    done = subprocess.run(
        argv,
        env={**clean, **(environment or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode:
        lines = [line for line in done.stdout.splitlines() if not line.startswith("WARNING")]
        raise CannotBuild(
            what=f"{Path(argv[0]).name} failed: {' '.join(argv[1:4])} ...",
            because="\n".join(lines[-15:]),
            do="the registry must be reachable while toolboxes are built; saltus toolbox build tells more with -v",
        )


def check(toolbox: Toolbox) -> dict[str, str]:
    """{service: "" when its manage tool starts, else what it said}."""
    found = {}
    for service in toolbox.services:
        program = toolbox.program(service, load_services().get(service).commands(toolbox.release, "db_sync")[0].argv[0])
        done = subprocess.run(
            [program, "--help"], env={"PATH": "/usr/bin:/bin"}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, check=False,
        )  # fmt: skip
        found[service] = "" if done.returncode == 0 else done.stdout.strip()[-300:]
    return found
