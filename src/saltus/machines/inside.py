"""Commands on a running machine, through the namespaces of its first process."""

import os
import signal
import subprocess
from collections.abc import Sequence

from saltus.machines.process import Process
from saltus.machines.provider import MachineError

ENVIRONMENT = (
    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME=/root",
    "USER=root",
    "LANG=C.UTF-8",
    "DEBIAN_FRONTEND=noninteractive",
)


def enter(leader: Process, argv: Sequence[str], *, interactive: bool = False) -> list[str]:
    terminal = os.environ.get("TERM", "dumb") if interactive else "dumb"
    return [
        "nsenter", "--target", str(leader.pid), "--all", "--root", "--wd",
        "env", "--ignore-environment", *ENVIRONMENT, f"TERM={terminal}", *argv,
    ]  # fmt: skip


def run(
    name: str, leader: Process, argv: Sequence[str], *, timeout_s: float, stdin: str | None
) -> subprocess.CompletedProcess[str]:
    """Everything that the command started ends with it when it takes too long."""
    command = enter(leader, argv)
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL if stdin is None else subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True, errors="replace", start_new_session=True,
    )  # fmt: skip
    try:
        output, errors = process.communicate(stdin, timeout=timeout_s)
    except BaseException as exc:
        # nsenter's child is the command itself: killing nsenter alone would leave it running.
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        if isinstance(exc, subprocess.TimeoutExpired):
            raise MachineError(
                what=f"`{' '.join(argv)}` did not finish on {name} within {timeout_s:.0f} s",
                because="it hangs, or the machine is busy; it was ended",
                do=f"look at the machine with `saltus lab ssh {name}`",
            ) from exc
        raise
    return subprocess.CompletedProcess(list(argv), process.returncode, output, errors)
