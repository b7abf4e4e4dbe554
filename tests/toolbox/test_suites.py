"""Interpreters unpacked from a Debian suite: they run, find their own libraries, and build what has parts in C."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from saltus.toolbox import python as finding
from saltus.toolbox.python import can_compile, find_python
from saltus.toolbox.recipes import CannotBuild, load_recipes
from saltus.toolbox.suites import unpack

unpacks = [pytest.mark.toolbox, pytest.mark.timeout(600)]
SPARSE = {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"}

MODULE = """
from distutils.core import Extension, setup
answer = Extension("answer", ["answer.c"], include_dirs=["/usr/include"], libraries=["crypto"])
setup(name="answer", version="1", ext_modules=[answer])
"""
"""As scrypt has it: the host's headers would come before the tree's, and are of another libc."""
IN_C = """
#include <Python.h>
#include <unistd.h>
#include <openssl/crypto.h>
static PyObject *tell(PyObject *self, PyObject *none) { return PyLong_FromLong(OPENSSL_VERSION_NUMBER >> 20); }
static PyMethodDef methods[] = {{"tell", tell, METH_NOARGS, ""}, {NULL, NULL, 0, NULL}};
PyMODINIT_FUNC initanswer(void) { Py_InitModule("answer", methods); }
"""


@pytest.fixture(scope="module")
def python27(tmp_path_factory):
    return unpack("2.7", tmp_path_factory.mktemp("interpreters"))


def said(program: Path, *words: str, cwd: Path | None = None, environment=()) -> str:
    done = subprocess.run(
        [program, *words], env={**SPARSE, **dict(environment)}, cwd=cwd, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.strip()


class TestBullseyesPython27:
    pytestmark = unpacks

    def test_its_modules_find_their_libraries_without_being_told_where(self, python27):
        script = "import ctypes, hashlib, sqlite3, ssl; print(ssl.OPENSSL_VERSION)"
        assert said(python27.path, "-c", script).startswith("OpenSSL 1.1.1")

    def test_it_builds_modules_in_c_with_its_own_compiler_and_headers(self, python27, tmp_path):
        (tmp_path / "setup.py").write_text(MODULE)
        (tmp_path / "answer.c").write_text(IN_C)
        said(python27.path, "setup.py", "-q", "build_ext", "-i", cwd=tmp_path, environment=python27.environment)
        assert said(python27.path, "-c", "import answer; print(answer.tell())", cwd=tmp_path) == str(0x101)

    def test_it_is_unpacked_once(self, python27):
        told: list[str] = []
        directory = python27.path.parents[3]
        assert unpack("2.7", directory, say=told.append) == python27
        assert told == []


@pytest.mark.toolbox
@pytest.mark.root  # only root can stop being root
@pytest.mark.timeout(600)
def test_nobody_in_particular_can_unpack_a_python_that_is_newer_than_this_host(tmp_path_factory):
    """Trixie's needs a newer libc than bookworm has: it runs on its own. In a process that gave root away."""
    directory = tmp_path_factory.mktemp("unprivileged")
    for parent in (directory, *directory.parents[:2]):
        os.chmod(parent, 0o755)
    os.chown(directory, 65534, 65534)
    child = os.fork()
    if child == 0:
        code = 1
        try:
            os.setgroups([])
            os.setgid(65534)
            os.setuid(65534)
            unpack("3.13", directory)
            code = 0
        except BaseException as exc:
            print(exc, file=sys.stderr)
        os._exit(code)
    assert os.waitpid(child, 0)[1] == 0
    found = directory / "python3.13-trixie" / "usr" / "bin" / "python3.13"
    assert found.stat().st_uid == 65534
    assert said(found, "-c", "import ctypes, ssl, sys; print('%d.%d' % sys.version_info[:2])") == "3.13"


def test_a_python_that_no_suite_has_is_refused_with_those_that_are_known(tmp_path):
    with pytest.raises(CannotBuild, match=r"2\.7, 3\.9, 3\.11, 3\.13"):
        unpack("3.7", tmp_path)


def test_what_is_on_this_machine_is_taken_before_anything_is_unpacked(tmp_path, monkeypatch):
    here = f"{sys.version_info[0]}.{sys.version_info[1]}"
    monkeypatch.setattr(finding, "_candidates", lambda version: iter([Path(sys.executable)] if version == here else []))
    found = find_python(("2.7", here), unpacked=tmp_path)
    assert (found.path, dict(found.environment)) == (Path(sys.executable), {})
    assert not any(tmp_path.iterdir())


def test_an_interpreter_that_is_here_builds_parts_in_c_only_where_a_compiler_is(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert not can_compile(Path(sys.executable))


def test_every_era_has_a_python_that_a_suite_has():
    """On a fresh machine there is neither pyenv nor anything but the host's own Python."""
    for era in load_recipes().eras:
        assert set(era.python) & set(load_recipes().suites), era.since
