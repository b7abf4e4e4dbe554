"""Interpreters from a Debian suite, unpacked into a directory: no root, and nothing is installed on this machine.

Packages come from where apt of this host gets its own, with the suite exchanged. They are only unpacked, so no script
of theirs runs; a compiler comes along, because the oldest tools have parts in C that nobody built for us.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from saltus.machines import sources
from saltus.machines.locks import held
from saltus.toolbox.recipes import CannotBuild, Suite, load_recipes

Say = Callable[[str], None]

_COMPILER = "cc"
_COMPILER_SCRIPT = """#!/bin/sh
# The compiler of this tree. Set-ups that say /usr/include mean the tree's: the host's headers are of another libc.
for word do
  shift
  case $word in
    -I/usr/include | -I/usr/include/* | -I/usr/local/include) word="-I{tree}${{word#-I}}" ;;
    -L/usr/lib | -L/usr/lib/* | -L/usr/local/lib) word="-L{tree}${{word#-L}}" ;;
  esac
  set -- "$@" "$word"
done
exec {tree}/usr/bin/gcc --sysroot={tree} -B{tree}/usr/bin/ "$@"
"""

_LIBRARIES = "libraries"
"""Below the tree: links to all its libraries but those of libc, which must be the host's as long as it is newer."""


@dataclass(frozen=True)
class Interpreter:
    """A Python, and what the environment of a build with it must hold."""

    path: Path
    environment: Mapping[str, str]


def unpack(version: str, directory: Path, *, say: Say = lambda text: None) -> Interpreter:
    """Python `version` of the suite that has it, below `directory`; unpacked once. Raises CannotBuild."""
    suite = load_recipes().suites.get(version)
    if suite is None:
        raise CannotBuild(
            what=f"no Debian suite has Python {version}",
            because=f"those that are known have {', '.join(load_recipes().suites)}",
            do=f"install Python {version} with pyenv or uv",
        )
    tree = directory.absolute() / f"python{version}-{suite.suite}"
    found = Interpreter(tree / "usr" / "bin" / f"python{version}", _environment(tree, version))
    if (tree / ".whole").exists() and (tree / _COMPILER).exists():
        return found
    for program in ("apt-get", "dpkg-deb"):
        if shutil.which(program) is None:
            raise CannotBuild(
                what=f"Python {version} cannot be unpacked from Debian {suite.suite}",
                because=f"this host has no {program}",
                do=f"install Python {version} with pyenv or uv",
            )
    with held(directory / f"python{version}.lock", purpose=f"unpack Python {version}"):
        if not (tree / ".whole").exists():  # somebody else may have unpacked it meanwhile
            _unpack(suite, version, tree, found.path, say)
        compiler = tree / _COMPILER
        compiler.write_text(_COMPILER_SCRIPT.format(tree=tree))
        compiler.chmod(0o755)
    return found


def _unpack(suite: Suite, version: str, tree: Path, python: Path, say: Say) -> None:
    shutil.rmtree(tree, ignore_errors=True)
    tree.mkdir(parents=True)
    say(f"Python {version} from Debian {suite.suite}: fetching its packages")
    packages = _fetch(suite, tree)
    say(f"Python {version} from Debian {suite.suite}: unpacking {len(packages)} packages")
    for package in packages:
        _run(["dpkg-deb", "--extract", str(package), str(tree)])
    _keep_links_inside(tree)
    of_libc = {name for package in packages if package.name.startswith("libc6") for name in _members(package)}
    _link_libraries(tree, of_libc)
    _let_it_find_them(tree, python, version)
    shutil.rmtree(tree / "apt")
    (tree / ".whole").touch()


def _fetch(suite: Suite, tree: Path) -> list[Path]:
    """The packages with all that they depend on, by an apt that knows of nothing that is installed."""
    apt = tree / "apt"
    for place in ("state/lists/partial", "cache/archives/partial", "empty"):
        (apt / place).mkdir(parents=True)
    (apt / "status").touch()
    text = sources.for_suite(suite.suite, sources=sources.read_sources(), codename=sources.host_codename())
    (apt / "sources.list").write_text(text)
    settings = {
        "Dir::Etc::SourceList": apt / "sources.list",
        "Dir::Etc::SourceParts": apt / "empty",
        "Dir::Etc::Preferences": apt / "none",
        "Dir::Etc::PreferencesParts": apt / "empty",
        "Dir::State": apt / "state",
        "Dir::State::Status": apt / "status",
        "Dir::Cache": apt / "cache",
        "APT::Sandbox::User": "",
        "Acquire::Languages": "none",
        "Acquire::IndexTargets::deb::Contents-deb::DefaultEnabled": "false",
        "Acquire::IndexTargets::deb::DEP-11::DefaultEnabled": "false",
    }
    lines = [f'{name} "{value}";' for name, value in settings.items()]
    (apt / "apt.conf").write_text("\n".join([*sources.host_apt_options(), *lines]) + "\n")
    command = ["apt-get", "--quiet", f"--config-file={apt / 'apt.conf'}"]
    _run([*command, "update", "--error-on=any"])
    names = [*suite.packages, *load_recipes().compiler]
    _run([*command, "--yes", "--no-install-recommends", "--download-only", "install", *names])
    return sorted((apt / "cache" / "archives").glob("*.deb"))


def _members(package: Path) -> Iterable[str]:
    return [Path(line.split(maxsplit=5)[5].split(" -> ")[0]).name for line in _run(["dpkg-deb", "-c", str(package)])]


def _keep_links_inside(tree: Path) -> None:
    """Links that name a path from the root on: the root is the tree. The linker looks for libc's loader there."""
    for directory, names, files in os.walk(tree):
        for link in (Path(directory, name) for name in (*names, *files)):
            if link.is_symlink() and (target := os.readlink(link)).startswith("/") and not target.startswith(str(tree)):
                link.unlink()
                link.symlink_to(tree / target.removeprefix("/"))


def _link_libraries(tree: Path, of_libc: set[str]) -> None:
    links = tree / _LIBRARIES
    links.mkdir()
    for place in (*tree.glob("usr/lib/*-linux-gnu*"), *tree.glob("lib/*-linux-gnu*")):
        for library in place.glob("*.so*"):
            link = links / library.name
            if library.name not in of_libc and not link.is_symlink():
                link.symlink_to(library)


def _let_it_find_them(tree: Path, python: Path, version: str) -> None:
    """Write into the interpreter and its modules where their libraries are; no variable has to say it ever after."""
    patchelf = [str(tree / "usr" / "bin" / "patchelf"), "--force-rpath"]
    modules = [str(module) for module in (tree / "usr" / "lib" / f"python{version}" / "lib-dynload").glob("*.so")]
    help_ = _environment(tree, version)
    if _starts(python):
        _run([*patchelf, "--set-rpath", str(tree / _LIBRARIES), str(python), *modules], help_)
        return
    # Of a suite newer than this host: then with its own libc, and with its own loader.
    own = [tree / _LIBRARIES, *tree.glob("usr/lib/*-linux-gnu"), *tree.glob("lib/*-linux-gnu")]
    loader = next(iter(sorted([*tree.glob("usr/lib64/ld-linux*"), *tree.glob("lib64/ld-linux*")])), None)
    by_hand = [str(loader), "--library-path", ":".join(map(str, own))]
    rpath = ":".join(map(str, own))
    _run([*by_hand, *patchelf, "--set-rpath", rpath, str(python), *modules])
    _run([*by_hand, *patchelf[:1], "--set-interpreter", str(loader), str(python)])
    if not _starts(python):
        raise CannotBuild(
            what=f"Python {version} was unpacked and does not start",
            because="neither with the libc of this host nor with its own",
            do=f"install Python {version} with pyenv or uv",
        )


def _starts(python: Path) -> bool:
    return subprocess.run([python, "--version"], capture_output=True, check=False).returncode == 0


def _environment(tree: Path, version: str) -> dict[str, str]:
    """The compiler of the tree, with its headers; what it links finds the libraries of the tree again."""
    libraries = tree / _LIBRARIES
    compiler = str(tree / _COMPILER)
    return {
        "CC": compiler,
        "LDSHARED": f"{compiler} -shared",
        "C_INCLUDE_PATH": str(tree / "usr" / "include" / f"python{version}"),
        "LDFLAGS": f"-Wl,-rpath,{libraries}",
        "LD_LIBRARY_PATH": str(libraries),
    }


def _run(argv: list[str], environment: Mapping[str, str] | None = None) -> list[str]:
    done = subprocess.run(
        argv, env={**os.environ, "LC_ALL": "C", **(environment or {})}, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise CannotBuild(
            what=f"{Path(argv[0]).name} failed while an interpreter was unpacked",
            because="\n".join(done.stdout.splitlines()[-12:]),
            do="see that apt works on this host: apt-get update; or install the interpreter with pyenv or uv",
        )
    return done.stdout.splitlines()
