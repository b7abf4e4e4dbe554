"""Interpreters: on this machine, from the PATH, pyenv or uv; else unpacked from a Debian suite."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from uv import find_uv_bin

from saltus.toolbox.recipes import CannotBuild, load_recipes
from saltus.toolbox.suites import Interpreter, Say, unpack


def find_python(
    versions: tuple[str, ...], *, unpacked: Path, compiles: bool = False, say: Say = lambda text: None
) -> Interpreter:
    """The interpreter of the first of `versions` (`3.11`, `2.7`) that is here, else one of a suite, below `unpacked`.

    Where it `compiles`, one that is here must have its headers, and this host a compiler: those of a suite bring them.
    Raises CannotBuild.
    """
    for version in versions:
        for candidate in _candidates(version):
            if not _is(candidate, version):
                continue
            if not compiles or can_compile(candidate):
                return Interpreter(candidate, {})
            say(f"{candidate} cannot build parts in C: its headers or a compiler are missing")
    for version in versions:
        if version in load_recipes().suites:
            return unpack(version, unpacked, say=say)
    raise CannotBuild(
        what=f"no Python {' or '.join(versions)} was found",
        because="neither the PATH, nor pyenv, nor uv has one, and no Debian suite that is known",
        do=f"pyenv install {versions[0]}, or: uv python install {versions[0]}",
    )


def _candidates(version: str) -> Iterator[Path]:
    roots = [os.environ.get("PYENV_ROOT"), "~/.pyenv", "/opt/pyenv"]
    for root in filter(None, roots):
        places = Path(root).expanduser().joinpath("versions")
        for place in sorted(places.glob(f"{version}.*"), key=_newest, reverse=True):
            yield place / "bin" / f"python{version}"
    if found := shutil.which(f"python{version}"):
        yield Path(found)
    if version != "2.7":
        done = subprocess.run(
            [find_uv_bin(), "python", "find", "--no-python-downloads", version],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode == 0:
            yield Path(done.stdout.strip())


def can_compile(python: Path) -> bool:
    """Has it its headers, and has this host a compiler?"""
    script = "import os, sysconfig; print(os.path.exists(os.path.join(sysconfig.get_paths()['include'], 'Python.h')))"
    done = subprocess.run([python, "-c", script], capture_output=True, text=True, timeout=30, check=False)
    return done.stdout.strip() == "True" and shutil.which("gcc") is not None


def _newest(place: Path) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", place.name))


def _is(candidate: Path, version: str) -> bool:
    """Does it run, and is it what its name says? A shim of pyenv stands for any version, or none."""
    try:
        done = subprocess.run(
            [candidate, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"],
            capture_output=True, text=True, timeout=30, check=False,
        )  # fmt: skip
    except OSError:
        return False
    return done.returncode == 0 and done.stdout.strip() == version
