"""Run a program of the host; what goes wrong becomes an error that the operator can use."""

import logging
import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from saltus.machines.provider import MachineError

log = logging.getLogger(__name__)

TAIL_LINES = 25


def tail(text: str, lines: int = TAIL_LINES) -> str:
    return "\n".join(line for line in text.rstrip().splitlines()[-lines:])


def execute(
    argv: Sequence[str | Path],
    *,
    purpose: str,
    do: str = "see the output above; put it right and repeat the command",
    timeout_s: float = 60,
    environment: Mapping[str, str] | None = None,
    log_path: Path | None = None,
) -> str:
    """Output of a program that must succeed. `purpose` completes the sentence 'could not ...'.

    With `log_path` the output goes there instead, also while the program still runs.
    """
    command = [str(word) for word in argv]
    environ = {**os.environ, **environment} if environment else None
    log.debug("running %s", command)
    try:
        if log_path is None:
            done = subprocess.run(
                command, capture_output=True, text=True, errors="replace", timeout=timeout_s, env=environ,
                stdin=subprocess.DEVNULL, check=False,
            )  # fmt: skip
            code, output = done.returncode, done.stdout + done.stderr
        else:
            with log_path.open("ab") as sink:
                code = subprocess.run(
                    command, stdout=sink, stderr=sink, timeout=timeout_s, env=environ, stdin=subprocess.DEVNULL,
                    check=False,
                ).returncode  # fmt: skip
            output = log_path.read_text(errors="replace")
    except FileNotFoundError as exc:
        raise MachineError(
            what=f"could not {purpose}",
            because=f"{command[0]} is not installed on this host",
            do=f"install the Debian package that has {command[0]}; `saltus lab up` does it by itself",
        ) from exc
    except subprocess.TimeoutExpired as exc:
        raise MachineError(
            what=f"could not {purpose}",
            because=f"{command[0]} did not finish within {timeout_s:.0f} s",
            do=do if log_path is None else f"see {log_path}",
        ) from exc
    if code != 0:
        where = "" if log_path is None else f" (all of it: {log_path})"
        raise MachineError(
            what=f"could not {purpose}",
            because=f"{Path(command[0]).name} ended with {code}:\n{tail(output)}{where}",
            do=do,
        )
    return done.stdout if log_path is None else ""
