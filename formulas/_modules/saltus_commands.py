"""Runs commands as their users; those of a window in programs that wait for them, with their imports done.

A manage command of OpenStack spends seconds of a processor on importing itself, often more than on the migration. So a
process of the service's own user imports it before the window, and waits at a socket that root alone may open. Each command
that it is handed runs in a fork of it, as the program itself would have run it. It ends when it has run as many as were
announced, when one fails (what is then mended may be its own code), or when it was not asked for half an hour.

The file is a module of Salt's on the minion, and the program that waits, run by the Python of the manage command.
"""

import gc
import grp
import json
import os
import pathlib
import pwd
import select
import shutil
import signal
import socket
import subprocess
import sys
import time

PLACE = pathlib.Path("/run/saltus/waiting")
IDLE_S = 1800
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def prepare(commands, timeout=120):
    """Have the programs of `commands`, `[{"argv": [...], "user": ...}]`, wait -> {program: {"ready", "seconds"}}.

    Those that waited before are sent away first. A program that cannot wait (no Python script, an import that fails) is
    not ready: it runs when it is called, as ever.
    """
    dismiss()
    PLACE.mkdir(mode=0o700, parents=True, exist_ok=True)
    announced = {}
    for command in commands:
        key = (str(command["argv"][0]), str(command["user"]))
        announced[key] = announced.get(key, 0) + 1
    begun = time.monotonic()
    waiting = {key: _start(*key, count) for key, count in announced.items()}
    told = {}
    for (program, _), process in waiting.items():
        ready = process is not None and _has_imported(process, begun + float(timeout))
        if process is not None and not ready:
            process.kill()
        told[program] = {"ready": ready, "seconds": round(time.monotonic() - begun, 2)}
    return told


def dismiss():
    """Send every program that waits away -> how many there were."""
    return sum(_send_away(note.with_suffix(".sock")) for note in PLACE.glob("*.pid"))


def run(argv, user, timeout=3600, environment=None):
    """Run `argv` as `user`, where its program waits or as ever -> {"exit", "output"}.

    A command that exceeds `timeout` seconds is killed with everything it started and has the exit 124.
    """
    waited = None if environment else _hand_over(argv, user, float(timeout))
    return waited or _start_and_wait(argv, user, float(timeout), environment or {})


def _start_and_wait(argv, user, timeout, environment):
    try:
        process = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            **_as(user, environment),
        )
    except OSError as error:
        return {"exit": 127, "output": f"{argv[0]}: {error.strerror}"}
    try:
        output, _ = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        output, _ = process.communicate()
        return {"exit": 124, "output": f"{output}\nkilled after {timeout:.0f} s"}
    return {"exit": process.returncode, "output": output}


def _hand_over(argv, user, timeout):
    """Have `argv` run where its program waits; None when it does not."""
    path = _socket(argv[0], user)
    deadline = time.monotonic() + timeout
    said = bytearray()
    with socket.socket(socket.AF_UNIX) as line:
        try:
            line.connect(str(path))
            line.sendall(json.dumps(list(argv)).encode() + b"\n")
        except (FileNotFoundError, ConnectionRefusedError, BrokenPipeError):
            return None
        try:
            while True:
                line.settimeout(max(0.1, deadline - time.monotonic()))
                more = line.recv(65536)
                if not more:
                    break
                said += more
        except ConnectionResetError:
            pass
        except socket.timeout:
            _send_away(path)
            return {"exit": 124, "output": f"{said.decode(errors='replace')}\nkilled after {timeout:.0f} s"}
    output, ended, code = bytes(said).rpartition(b"\0")
    if not ended:
        return {"exit": 1, "output": f"{said.decode(errors='replace')}\nit ended without saying how"}
    return {"exit": int(code), "output": output.decode(errors="replace")}


def _send_away(path):
    """Kill the program that waits at `path`, with what it runs -> whether there was one."""
    note = path.with_suffix(".pid")
    group = int(note.read_text())
    for each in (path, note):
        each.unlink(missing_ok=True)
    try:
        # Another program may have its number by now.
        if b"saltus_commands" not in pathlib.Path(f"/proc/{group}/cmdline").read_bytes():
            return False
        os.killpg(group, signal.SIGKILL)
    except (FileNotFoundError, ProcessLookupError):
        return False
    return True


def _socket(program, user):
    return PLACE / f"{os.path.basename(program)}.{user}.sock"


def _start(program, user, count):
    """The process that imports `program` and then waits at its socket; None where it is no Python script."""
    script = shutil.which(program, path=PATH) if os.path.basename(program) == program else program
    python = python_of(script)
    if python is None:
        return None
    path = _socket(program, user)
    path.unlink(missing_ok=True)
    source = pathlib.Path(__file__).read_text(encoding="utf-8")  # the user may not read Salt's own copy
    with socket.socket(socket.AF_UNIX) as door:
        door.bind(str(path))
        path.chmod(0o600)
        door.listen(4)
        process = subprocess.Popen(
            [*python, "-c", source, script, str(count)],
            stdin=door,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            **_as(user, {}),
        )
    path.with_suffix(".pid").write_text(f"{process.pid}\n")
    return process


def _as(user, environment):
    """How a process is started as `user`: in a session of its own, by an environment that does not depend on the minion's."""
    account = pwd.getpwnam(user)
    identity = {}
    if account.pw_uid != os.geteuid():
        groups = [group.gr_gid for group in grp.getgrall() if user in group.gr_mem]
        identity = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": groups}
    own = {"PATH": PATH, "HOME": account.pw_dir, "LANG": "C.UTF-8"}
    return {"cwd": "/", "env": {**own, **environment}, "start_new_session": True, **identity}


def python_of(script):
    """The interpreter that the script's first line names, with its options; None when that is no Python 3."""
    if not script or not os.path.isfile(script):
        return None
    with open(script, "rb") as file:
        first = file.readline(200)
    words = first[2:].decode(errors="replace").split() if first.startswith(b"#!") else []
    return words if words and "python" in os.path.basename(words[0]) and "python2" not in words[0] else None


def _has_imported(process, deadline):
    """Whether it says so in time: a word on its stdout, which it then closes."""
    readable, _, _ = select.select([process.stdout], [], [], max(0.0, deadline - time.monotonic()))
    said = process.stdout.readline() if readable else b""
    process.stdout.close()
    return said == b"ready\n"


def _wait(script, count):
    """The program that waits: import `script` without running it, then run each command that comes in a fork."""
    sys.path[0] = os.path.dirname(script)
    with open(script, encoding="utf-8") as file:
        code = compile(file.read(), script, "exec")
    exec(code, {"__name__": "saltus_commands", "__file__": script})  # noqa: S102 - its imports; main() is not called
    gc.freeze()  # what is there stays, and the forks need not look at it
    door = socket.socket(fileno=os.dup(0))
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    os.write(1, b"ready\n")
    os.dup2(nothing, 1)
    door.settimeout(IDLE_S)
    for left in reversed(range(count)):
        try:
            line, _address = door.accept()
        except socket.timeout:
            return
        line.settimeout(None)
        argv = json.loads(line.makefile("rb").readline())
        child = os.fork()
        if not child:
            os.dup2(line.fileno(), 1)
            os.dup2(line.fileno(), 2)
            door.close()
            line.close()
            sys.argv = [script, *argv[1:]]
            sys.stdout = os.fdopen(1, "w", buffering=1, errors="replace")
            sys.stderr = os.fdopen(2, "w", buffering=1, errors="replace")
            exec(code, {"__name__": "__main__", "__file__": script})  # noqa: S102
            sys.exit(0)
        _pid, status = os.waitpid(child, 0)
        exit_code = -(status & 0x7F) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)
        if exit_code or not left:
            door.close()  # before the answer: who has it may call again at once, and is to find nobody
        line.sendall(b"\0%d" % exit_code)
        line.close()
        if exit_code:
            return


if __name__ == "__main__":
    _wait(sys.argv[1], int(sys.argv[2]))
