"""Questions to a clone after a hop: where its schemas stand, and what the release's own code makes of its rows."""

from __future__ import annotations

import subprocess
from pathlib import Path

from saltus.catalog.services import load_services


def ask(shelf, release, service, workspace: Path, script: str, *words: str) -> str:
    """Run a script with the release's own code and the rehearsal's configuration."""
    toolbox = shelf.find(release)
    program = toolbox.program(service, "python")
    done = subprocess.run(
        [program, "-W", "ignore", "-c", script, str(workspace / f"{service}.conf"), *words],
        capture_output=True, text=True, check=False, cwd=workspace, env={"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def assert_at_heads(clone, target, services):
    for name in services:
        for database, heads in load_services().heads(name, target).items():
            assert set(clone.read_versions(database)) == set(heads), database
