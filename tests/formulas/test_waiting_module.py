"""Services in waiting: what stands in front of a program imports it, waits for its word, and then is that program."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

DAEMON = """#!{python}
import sys
from heavy import main
if __name__ == "__main__":
    sys.exit(main())
"""
WSGI = """#!{python}
import threading
from heavy import init_application
if __name__ == "__main__":
    raise SystemExit("for tests only")
else:
    application = None
    with threading.Lock():
        application = init_application()
"""
HEAVY = """
import os, sys
here = os.path.dirname(__file__)
open(os.path.join(here, "was-imported"), "w").close()
def main():
    print("begun with", sys.argv[1:], "as", os.path.basename(sys.argv[0]))
    return 7
def init_application():
    return "the application"
"""


@pytest.fixture
def waiting(load: Callable[[str], ModuleType], tmp_path: Path) -> ModuleType:
    pytest.importorskip("salt")
    module = load("saltus_waiting")
    module.__dict__["__salt__"] = {"saltus_commands.python_of": load("saltus_commands").python_of}
    module.__dict__["PLACE"] = tmp_path / "starting"
    module.__dict__["UNITS"] = tmp_path / "units"
    module.__dict__["PLACE"].mkdir()
    (tmp_path / "heavy.py").write_text(HEAVY)
    return module


def script(tmp_path: Path, name: str, text: str) -> Path:
    path = tmp_path / name
    path.write_text(text.format(python=sys.executable))
    path.chmod(0o755)
    return path


def shown(*argv: object) -> dict[str, str]:
    """A unit that is off, as systemd shows it."""
    words = " ".join(map(str, argv))
    start = f"{{ path={argv[0]} ; argv[]={words} ; ignore_errors=no ; start_time=[n/a] ; pid=0 }}"
    return {"ActiveState": "inactive", "ExecStart": start, "User": ""}


def started_with(waiting: ModuleType, unit: str) -> list[str]:
    """The words that the unit is started with while the drop-in stands."""
    text = (waiting.UNITS / f"{unit}.d" / waiting.DROP_IN).read_text()
    assert "Type=simple\nExecStart=\n" in text
    line = text.strip().splitlines()[-1].removeprefix("ExecStart=")
    return [word for word in line.strip('"').split('" "') if word]


def until(holds: Callable[[], bool]) -> bool:
    for _ in range(200):
        if holds():
            return True
        time.sleep(0.05)
    return False


def test_a_daemon_imports_waits_for_its_word_and_then_is_itself(waiting: ModuleType, tmp_path: Path) -> None:
    daemon, unit = script(tmp_path, "nova-conductor", DAEMON), "nova-conductor.service"
    assert waiting._put_in_front(unit, shown(daemon, "--config-file=/etc/nova/nova.conf"))
    assert not waiting.waits(unit)
    argv = started_with(waiting, unit)
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
        assert until(lambda: waiting.waits(unit))
        assert (tmp_path / "was-imported").exists()
        assert process.poll() is None
        assert waiting.release([unit, "other.service"]) == [unit]
        said, _ = process.communicate(timeout=30)
    assert said == "begun with ['--config-file=/etc/nova/nova.conf'] as nova-conductor\n"
    assert process.returncode == 7
    assert waiting.release([unit]) == [], "it has had its word"


def test_an_application_of_uwsgi_is_there_only_after_the_word(waiting: ModuleType, tmp_path: Path) -> None:
    app, unit = script(tmp_path, "nova-api-wsgi", WSGI), "nova-api.service"
    ini = tmp_path / "nova-api-uwsgi.ini"
    ini.write_text(f"[uwsgi]\nplugins = python3\nwsgi-file = {app}\nmaster = true\n")
    assert waiting._put_in_front(unit, shown("/usr/bin/uwsgi_python3", "--ini", ini))
    argv = started_with(waiting, unit)
    assert argv[:2] == ["/usr/bin/uwsgi_python3", "--ini"]
    text = Path(argv[2]).read_text()
    front = text.split("wsgi-file = ")[1].splitlines()[0]
    assert text.replace(front, str(app)) == ini.read_text(), "all else is as it was"
    # As uwsgi does it: the file is a module of a name of uwsgi's, and `application` is asked of it.
    asking = f"import runpy; print(runpy.run_path({front!r}, run_name='uwsgi_file_')['application'])"
    with subprocess.Popen([sys.executable, "-c", asking], cwd=tmp_path, stdout=subprocess.PIPE, text=True) as process:
        assert until(lambda: waiting.waits(unit))
        assert process.poll() is None
        waiting.release([unit])
        assert process.communicate(timeout=30)[0] == "the application\n"
    again = subprocess.run([sys.executable, "-c", asking], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert again.stdout == "the application\n", "another worker of it goes straight on"


def test_debians_start_script_is_asked_for_the_words(
    waiting: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    argv = waiting._argv(shown("/usr/bin/python3", "/usr/bin/heat-engine", "--x")["ExecStart"])
    assert argv == ["/usr/bin/python3", "/usr/bin/heat-engine", "--x"]
    asked: list[list[str]] = []

    def run(argv: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        asked.append(argv)
        return subprocess.CompletedProcess(argv, 0, "/usr/bin/heat-engine --config-file=/etc/heat/heat.conf\n", "")

    monkeypatch.setattr(waiting.subprocess, "run", run)
    argv = waiting._argv(shown("/etc/init.d/heat-engine", "systemd-start")["ExecStart"])
    assert argv == ["/usr/bin/heat-engine", "--config-file=/etc/heat/heat.conf"]
    assert asked == [["/etc/init.d/heat-engine", "show-args"]]


def test_what_is_no_program_of_python_is_left_as_it_is(waiting: ModuleType, tmp_path: Path) -> None:
    assert not waiting._put_in_front("memcached.service", shown("/usr/bin/memcached", "-m", "64"))
    ini = tmp_path / "static.ini"
    ini.write_text("[uwsgi]\nplugins = cgi\n")
    assert not waiting._put_in_front("static.service", shown("/usr/bin/uwsgi", "--ini", ini))
    assert not waiting.UNITS.exists()
