"""The command as an operator types it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SALTUS = Path(sys.executable).parent / "saltus"


def saltus(*words: str, exit_code: int = 0) -> subprocess.CompletedProcess[str]:
    """Run `saltus` with those words; its progress goes to this test's own stderr. No terminal answers its questions."""
    done = subprocess.run([str(SALTUS), *words], capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    sys.stderr.write(done.stderr)
    assert done.returncode == exit_code, f"saltus {' '.join(words)}: {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done


def planned(*words: str) -> str:
    """A new plan's name, as the last line of what the command says."""
    last = saltus("plan", *words).stdout.strip().splitlines()[-1]
    assert last.startswith("next: saltus run "), last
    return last.removeprefix("next: saltus run ")
