"""Questions to a clone after a hop: where its schemas stand, and what the release's own code makes of its rows."""

from __future__ import annotations

import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from saltus.catalog.services import load_services

ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "PYTHONWARNINGS": "ignore"}

SERVE = """
import sys
from wsgiref.simple_server import WSGIRequestHandler, make_server
WSGIRequestHandler.log_message = lambda *words: None
server = make_server("127.0.0.1", 0, application)
print(server.server_port)
sys.stdout.flush()
server.serve_forever()
"""
"""Behind a script that makes `application`: a real API on loopback."""


def ask(shelf, release, service, workspace: Path, script: str, *words: str) -> str:
    """Run a script with the release's own code and the rehearsal's configuration."""
    code, said = run(shelf, release, service, workspace, "python", "-c", script, workspace / f"{service}.conf", *words)
    assert code == 0, said[-3000:]
    return said


def run(shelf, release, service, workspace: Path, program: str, *words: object) -> tuple[int, str]:
    """(exit code, stdout; stderr where it failed) of one of the release's own programs."""
    done = subprocess.run(
        [shelf.find(release).program(service, program), *map(str, words)],
        capture_output=True, text=True, check=False, cwd=workspace, env=ENVIRONMENT,
    )  # fmt: skip
    return done.returncode, done.stdout + (done.stderr if done.returncode else "")


@contextmanager
def serving(shelf, release, service, workspace: Path, script: str, *words: object) -> Iterator[str]:
    """The URL at which the release's own API answers, as long as the context lasts."""
    process = subprocess.Popen(
        [shelf.find(release).program(service, "python"), "-c", script + SERVE, *map(str, words)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=workspace, env=ENVIRONMENT,
    )  # fmt: skip
    try:
        port = process.stdout.readline().strip()
        assert port, process.stderr.read()[-3000:]
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.communicate()


def fetch(url: str, body: bytes | None = None, **headers: str) -> tuple[dict[str, str], bytes]:
    """(headers in lower case, body) of an answer; raises urllib's HTTPError for another than 2xx."""
    request = urllib.request.Request(url, body, {"Content-Type": "application/json", **headers})
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=60) as answer:
        return {name.lower(): value for name, value in answer.headers.items()}, answer.read()


def assert_at_heads(clone, target, services):
    for name in services:
        for database, heads in load_services().heads(name, target).items():
            assert set(clone.read_versions(database)) == set(heads), database
