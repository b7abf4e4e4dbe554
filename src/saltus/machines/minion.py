"""The Salt minion that every base image carries, of the very version that the master here runs.

It lives in a virtual environment of the image's own Python, put together on the host: uv resolves and fetches for the
image's Python version with the host's own configuration, so nothing has to be reachable from inside the image.
"""

import importlib.metadata
import platform
import shutil
from pathlib import Path

from uv import find_uv_bin

from saltus.machines.execute import execute
from saltus.machines.provider import MachineError

HOME = Path("opt/saltus-minion")
SCRIPTS = ("salt-minion", "salt-call")
REQUIREMENTS = ("pymysql",)
"""What execution modules need beside Salt itself: they read MariaDB's rows with it."""

# timelib parses free-form dates in jinja's strftime and is optional to Salt. It has no wheels and would need a compiler
# for the image's Python: left out by an override whose marker is never true.
OVERRIDES = "timelib ; sys_platform == 'never'\n"

UNIT = """\
[Unit]
Description=Salt minion of Saltus
After=network.target
ConditionPathExists=/etc/salt/minion

[Service]
ExecStart=/opt/saltus-minion/bin/salt-minion -c /etc/salt
Restart=always
RestartSec=2
KillMode=mixed
TimeoutStopSec=1
LimitNOFILE=8192

[Install]
WantedBy=multi-user.target
"""


def salt_version() -> str:
    return importlib.metadata.version("salt")


def contents() -> list[str]:
    """What decides how a minion's environment comes out, for the fingerprint of an image."""
    return [salt_version(), *REQUIREMENTS, OVERRIDES, UNIT]


def python_of(tree: Path) -> str:
    """The version of an image's own Python, as in '3.13'."""
    link = tree / "usr/bin/python3"
    if not link.is_symlink():
        raise MachineError(
            what="could not put the Salt minion into an image",
            because=f"{tree} has no python3",
            do="build the base image with python3 among its packages",
        )
    return link.readlink().name.removeprefix("python")


def install_minion(tree: Path, *, scratch: Path) -> None:
    """Put the minion's environment, its unit and its directories into the tree of an image that is not running."""
    version = python_of(tree)
    home = tree / HOME
    site_packages = home / f"lib/python{version}/site-packages"
    overrides = scratch / "overrides.txt"
    overrides.write_text(OVERRIDES)
    execute(
        [
            find_uv_bin(), "pip", "install", "--quiet", "--target", site_packages,
            "--python-version", version, "--python-platform", f"{platform.machine()}-unknown-linux-gnu",
            "--link-mode", "copy", "--override", overrides,
            f"salt=={salt_version()}", *REQUIREMENTS,
        ],
        purpose=f"get Salt {salt_version()} for Python {version}",
        do="see that uv reaches its index of Python packages: it follows uv.toml and the UV_ variables of this host",
        timeout_s=900,
        log_path=scratch / "minion.log",
    )  # fmt: skip
    (home / "bin").mkdir(exist_ok=True)
    for script in SCRIPTS:
        body = (site_packages / "bin" / script).read_text().partition("\n")[2]
        path = home / "bin" / script
        path.write_text(f"#!/{HOME}/bin/python\n{body}")
        path.chmod(0o755)
    shutil.rmtree(site_packages / "bin")
    (home / "bin/python").symlink_to(f"/usr/bin/python{version}")
    (home / "pyvenv.cfg").write_text(f"home = /usr/bin\ninclude-system-site-packages = false\nversion = {version}\n")

    unit = tree / "etc/systemd/system/salt-minion.service"
    unit.write_text(UNIT)
    wanted = unit.parent / "multi-user.target.wants"
    wanted.mkdir(exist_ok=True)
    (wanted / unit.name).symlink_to(f"/etc/systemd/system/{unit.name}")
    (tree / "etc/salt/minion.d").mkdir(parents=True, exist_ok=True)
    (tree / "etc/salt/pki/minion").mkdir(parents=True, exist_ok=True)
    (tree / "etc/salt/pki").chmod(0o700)
