"""Services in waiting: their units run before a window, with their programs imported and nothing begun.

A service of OpenStack spends most of its start on importing itself. So each unit is started ahead with a program in front of
its own, which does the imports and then waits for a word: no database, queue or API is asked before. With the word it goes on
as the unit's own program, in the same process. What systemd reads is put back while it waits: started again, it is the plain
unit. What cannot be started so (no Python program, imports that fail or take too long) is left off, and starts as ever.
"""

import os
import pathlib
import pwd
import re
import subprocess
import time

from salt.exceptions import CommandExecutionError

PLACE = pathlib.Path("/run/saltus/starting")
UNITS = pathlib.Path("/run/systemd/system")
DROP_IN = "zz-saltus-waiting.conf"
"""Read behind every other one: the last word counts."""

# What stands in front: for a program that is run, and for one that uwsgi loads. SCRIPT is imported, the word awaited, and
# then it is run. It is text, because the service's Python knows nothing of Salt.
FRONT = '''\
import ast, os, runpy, sys, time

def wait(script, place):
    with open(script, encoding="utf-8") as file:
        tree = ast.parse(file.read(), script)
    tree.body = [node for node in tree.body if isinstance(node, (ast.Import, ast.ImportFrom))]
    exec(compile(tree, script, "exec"), {"__name__": "saltus_waiting", "__file__": script})
    if not os.path.exists(place + ".go"):
        with open(place + ".imported", "w") as file:
            file.write("imported")
        while not os.path.exists(place + ".go"):
            time.sleep(0.02)
'''
PROGRAM = '''
place, script = sys.argv[1:3]
sys.path[0] = os.path.dirname(script)
wait(script, place)
sys.argv[:] = sys.argv[2:]
runpy.run_path(script, run_name="__main__")
'''
LOADED = '''
place, script = {place!r}, {script!r}
wait(script, place)
with open(script, encoding="utf-8") as file:
    exec(compile(file.read(), script, "exec"), globals())
'''


def prepare(units, timeout=120):
    """Start these units as far as their imports go -> {unit: whether it waits now}. One that runs already is left alone."""
    PLACE.mkdir(mode=0o755, parents=True, exist_ok=True)
    shown = _show(units)
    off = [unit for unit in units if shown[unit]["ActiveState"] not in ("active", "activating")]
    in_front = [unit for unit in off if _put_in_front(unit, shown[unit])]
    _systemctl("daemon-reload")
    # One that would start as its plain self would write into the databases of the release that still serves.
    started = [unit for unit, state in _show(in_front).items() if str(PLACE / unit) in state["ExecStart"]]
    try:
        if started:
            _systemctl("reset-failed", *started)
            _systemctl("start", "--no-block", *started)
        deadline = time.monotonic() + float(timeout)
        while time.monotonic() < deadline and not all(_has_imported(unit) for unit in started):
            if any(state["ActiveState"] == "failed" for state in _show(started).values()):
                break
            time.sleep(0.3)
    finally:
        for unit in in_front:
            (UNITS / f"{unit}.d" / DROP_IN).unlink(missing_ok=True)
        _systemctl("daemon-reload")
    late = [unit for unit in started if not _has_imported(unit)]
    if late:
        _systemctl("stop", *late)
        _systemctl("reset-failed", *late)
        for unit in late:
            (PLACE / f"{unit}.imported").unlink()
    return {unit: waits(unit) for unit in units}


def waits(unit):
    """Whether the unit has done its imports and waits for its word."""
    return _has_imported(unit) and not (PLACE / f"{unit}.go").exists()


def release(units):
    """Give these units their word -> those that had waited for it."""
    waiting = [unit for unit in units if waits(unit)]
    for unit in waiting:
        (PLACE / f"{unit}.go").touch()
    return waiting


def _has_imported(unit):
    note = PLACE / f"{unit}.imported"
    return note.is_file() and note.stat().st_size > 0


def _put_in_front(unit, shown):
    """Write the drop-in by which the unit starts waiting -> whether it can."""
    for ending in ("go", "imported"):
        (PLACE / f"{unit}.{ending}").unlink(missing_ok=True)
    argv = _argv(shown["ExecStart"])
    place = str(PLACE / unit)
    if os.path.basename(argv[0]).startswith("uwsgi") and "--ini" in argv:
        ini = pathlib.Path(argv[argv.index("--ini") + 1])
        text = ini.read_text(encoding="utf-8")
        found = re.search(r"(?m)^[ \t]*wsgi-file[ \t]*=[ \t]*(\S+)[ \t]*$", text)
        if not found or __salt__["saltus_commands.python_of"](found[1]) is None:
            return False
        front = pathlib.Path(f"{place}.wsgi.py")
        front.write_text(FRONT + LOADED.format(place=place, script=found[1]), encoding="utf-8")
        waiting_ini = pathlib.Path(f"{place}.ini")
        waiting_ini.write_text(text.replace(found[0], f"wsgi-file = {front}"), encoding="utf-8")
        argv[argv.index("--ini") + 1] = str(waiting_ini)
    else:
        python = __salt__["saltus_commands.python_of"](argv[0])
        if python is None:
            return False
        front = pathlib.Path(f"{place}.py")
        front.write_text(FRONT + PROGRAM, encoding="utf-8")
        argv = [*python, str(front), place, *argv]
    # It says there that it has imported; the service's user may write nothing else here.
    note = pathlib.Path(f"{place}.imported")
    note.touch()
    if shown["User"]:
        account = pwd.getpwnam(shown["User"])
        os.chown(note, account.pw_uid, account.pw_gid)
    drop_in = UNITS / f"{unit}.d" / DROP_IN
    drop_in.parent.mkdir(parents=True, exist_ok=True)
    # It tells systemd that it is ready only when it has had its word: nobody is to wait for that, least of all for 90 s.
    drop_in.write_text(f"# Written by Saltus, for minutes.\n[Service]\nType=simple\nExecStart=\nExecStart={_quoted(argv)}\n")
    return True


def _argv(exec_start):
    """The words of the unit's program. Debian's units call a script of theirs that knows the words."""
    found = re.search(r"argv\[\]=(.*?) ;", exec_start)
    if not found:
        raise CommandExecutionError(f"systemd tells no program: {exec_start}")
    argv = found[1].split()
    if argv[0].startswith("/etc/init.d/") and argv[1:] == ["systemd-start"]:
        done = subprocess.run([argv[0], "show-args"], capture_output=True, text=True, timeout=30, check=False)
        argv = done.stdout.split() or argv
    return argv


def _quoted(argv):
    return " ".join('"' + word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%") + '"' for word in argv)


def _show(units):
    """{unit: {property: value}}"""
    if not units:
        return {}
    out = _systemctl("show", "--property=ActiveState,ExecStart,User", *units)
    blocks = out.strip().split("\n\n")
    return {
        unit: {"ExecStart": "", "User": "", **dict(line.split("=", 1) for line in block.splitlines() if "=" in line)}
        for unit, block in zip(units, blocks, strict=True)
    }


def _systemctl(*arguments):
    done = subprocess.run(
        ["systemctl", "--no-ask-password", *arguments], capture_output=True, text=True, timeout=120, check=False
    )
    return done.stdout
