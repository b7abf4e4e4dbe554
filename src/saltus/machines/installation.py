"""Filling the tree of an image: mmdebstrap for a base, apt in a container that is not booted for a layer."""

import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from saltus.machines import overlay
from saltus.machines import sources as apt
from saltus.machines.execute import execute, tail
from saltus.machines.minion import install_minion
from saltus.machines.provider import MachineError

BASE_PACKAGES = (
    "apt-utils", "ca-certificates", "curl", "dbus", "iproute2", "iputils-ping", "less", "procps", "python3", "systemd",
    "systemd-sysv",
)  # fmt: skip

# Without a kernel and devices of their own, machines cannot run these; some hang at boot, some fail and degrade it.
MASKED = (
    "iscsid.service", "iscsid.socket", "open-iscsi.service", "rtslib-fb-targetctl.service",
    "systemd-udev-trigger.service", "systemd-udevd-control.socket", "systemd-udevd-kernel.socket",
    "systemd-udevd.service",
)  # fmt: skip

# fsync of every file is the larger part of an installation; a build that dies with the machine is built again anyway.
DPKG_OPTIONS = ("force-unsafe-io", "path-exclude=/usr/share/man/*", "path-exclude=/usr/share/doc/*")

CERTIFICATES = Path("usr/local/share/ca-certificates")
SOURCES_LIST = Path("etc/apt/sources.list")
SAY_EVERY_S = 2.0


@dataclass
class Installation:
    suite: str
    tree: Path
    lowers: tuple[Path, ...]
    """The trees of the parent, the topmost first; none for a base."""
    scratch: Path
    cache: Path
    """Packages already fetched for this suite, shared by all builds."""
    log: Path
    say: Callable[[str], None]
    sources: str | None
    """The text of sources.list; None: the host's own, with the suite exchanged."""

    def make(
        self,
        packages: Sequence[str],
        *,
        enabled: Sequence[str],
        masked: Sequence[str],
        commands: Sequence[Sequence[str]],
    ) -> None:
        if not self.lowers:
            self._bootstrap()
            self.say(f"Salt minion for {self.suite}")
            install_minion(self.tree, scratch=self.scratch)
            root = self.tree
        else:
            root = self.scratch / "root"
            overlay.mount(self.lowers, self.tree, self.scratch / "work", root)
        try:
            if not self.lowers:
                self._in_image(
                    root,
                    ["/opt/saltus-minion/bin/python", "-m", "compileall", "-q", "-j", "2", "/opt/saltus-minion/lib"],
                )
                self._in_image(root, ["update-ca-certificates"])
            if packages:
                before = _starts(root)
                self._install(root, packages)
                self._disable(root, _starts(root) - before, keep=enabled)
            for command in commands:
                self.say(f"running {command[0]}")
                self._in_image(root, command)
            for unit in (*MASKED, *masked):
                link = root / "etc/systemd/system" / unit
                link.unlink(missing_ok=True)
                link.symlink_to("/dev/null")
        finally:
            if self.lowers:
                overlay.unmount(root)

    def _bootstrap(self) -> None:
        self.say(f"base system of {self.suite}")
        listed = self.scratch / "packages.list"
        listed.write_text(self._sources())
        options = self.scratch / "apt.conf"
        options.write_text(
            "\n".join((*apt.host_apt_options(), 'Dir::Cache::pkgcache "";', 'Dir::Cache::srcpkgcache "";')) + "\n"
        )
        execute(
            [
                "mmdebstrap", "--mode=root", "--variant=minbase", f"--include={','.join(BASE_PACKAGES)}",
                "--skip=cleanup/apt", "--format=directory", f"--aptopt={options}",
                *(f"--dpkgopt={option}" for option in DPKG_OPTIONS),
                self.suite, self.tree, listed,
            ],
            purpose=f"build the base system of {self.suite}",
            do=f"see that these answer and have {self.suite}: {self._sources().strip()!r}",
            timeout_s=1800,
            log_path=self.log,
        )  # fmt: skip
        for certificate in Path("/", CERTIFICATES).glob("*.crt"):
            # What the host trusts to reach its registries, the image must trust too when apt runs in it.
            target = self.tree / CERTIFICATES / certificate.name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(certificate, target)
        shutil.rmtree(self.tree / "etc/apt/sources.list.d")
        (self.tree / "etc/apt/sources.list.d").mkdir()
        (self.tree / SOURCES_LIST).write_text(self._sources())
        for keyring in re.findall(r"signed-by=(/[^\s\]]+)", listed.read_text()):
            if not (self.tree / keyring[1:]).exists():
                (self.tree / keyring[1:]).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(keyring, self.tree / keyring[1:])
        for link in _starts(self.tree):
            # Daily upgrades and the like: what happens on a machine happens because somebody asked for it.
            (self.tree / link).unlink()
        wanted = self.tree / "etc/systemd/system/multi-user.target.wants"
        wanted.mkdir(parents=True, exist_ok=True)
        (wanted / "systemd-networkd.service").symlink_to("/lib/systemd/system/systemd-networkd.service")
        (self.tree / "etc/machine-id").write_text("")

    def _install(self, root: Path, packages: Sequence[str]) -> None:
        policy = root / "usr/sbin/policy-rc.d"
        policy.write_text("#!/bin/sh\nexit 101\n")
        policy.chmod(0o755)
        archives = self.scratch / "archives"
        (archives / "partial").mkdir(parents=True)
        self.cache.mkdir(parents=True, exist_ok=True)
        for package in self.cache.glob("*.deb"):
            os.link(package, archives / package.name)
        # What images of one suite share is fetched once. apt locks the directory, so each build has links of its own.
        bind = [f"--bind={archives}:/var/cache/apt/archives"]
        (root / SOURCES_LIST).write_text(self._sources())
        try:
            self.say("reading package lists")
            self._in_image(root, ["apt-get", "-q", "update", "--error-on=any"], bind=bind)
            self._in_image(
                root,
                ["apt-get", "-q", "-y", "--no-install-recommends", "-o", "APT::Keep-Downloaded-Packages=true",
                 "-o", "Dpkg::Use-Pty=0", "install", *packages],
                bind=bind,
                each_line=_Progress(self.say),
            )  # fmt: skip
        finally:
            for package in archives.glob("*.deb"):
                if not (self.cache / package.name).exists():
                    package.rename(self.cache / package.name)
        policy.unlink()
        for key in (root / "etc/ssh").glob("ssh_host_*"):
            key.unlink()  # each machine makes its own

    def _disable(self, root: Path, starts: set[Path], *, keep: Sequence[str]) -> None:
        links = {link for link in starts if _started_by(link) not in keep}
        units = sorted({link.name for link in links if not _is_script(link)})
        if units:
            self._in_image(root, ["systemctl", "--no-reload", "disable", *units])
        for script in sorted({_started_by(link).removesuffix(".service") for link in links if _is_script(link)}):
            self._in_image(root, ["update-rc.d", script, "disable"])
        for link in links:
            # Some are wanted under a name that systemctl does not take apart; they would start all the same.
            (root / link).unlink(missing_ok=True)

    def _sources(self) -> str:
        return self.sources or apt.for_suite(self.suite, sources=apt.read_sources(), codename=apt.host_codename())

    def _in_image(
        self,
        root: Path,
        argv: Sequence[str],
        *,
        bind: Sequence[str] = (),
        each_line: Callable[[str], None] | None = None,
    ) -> None:
        """Run in the image with the host's network and proxies, nothing started."""
        proxies = [f"--setenv={name}={value}" for name, value in os.environ.items() if name.lower().endswith("_proxy")]
        credentials = ["--bind-ro=/etc/apt/auth.conf.d"] if any(Path("/etc/apt/auth.conf.d").glob("*")) else []
        settings = ("DEBIAN_FRONTEND=noninteractive", "DEBCONF_NONINTERACTIVE_SEEN=true", "LANG=C.UTF-8")
        command = [
            "systemd-nspawn", "--quiet", "--register=no", "--keep-unit", f"--machine=build-{self.scratch.name[10:]}",
            f"--directory={root}", "--resolv-conf=copy-host", "--timezone=off", "--pipe",
            *(f"--setenv={setting}" for setting in settings), *proxies, *credentials, *bind, *argv,
        ]  # fmt: skip
        with self.log.open("a") as log:
            log.write(f"$ {' '.join(argv)}\n")
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                errors="replace",
            )  # fmt: skip
            assert process.stdout is not None
            try:
                for line in process.stdout:
                    log.write(line)
                    if each_line:
                        each_line(line)
                code = process.wait()
            except BaseException:
                process.terminate()
                process.wait()
                raise
        if code != 0:
            raise MachineError(
                what=f"could not run {argv[0]} in an image of {self.suite}",
                because=f"it ended with {code}:\n{tail(self.log.read_text(errors='replace'))}",
                do=f"see {self.log}; then repeat the command, which takes up what was already fetched",
            )


class _Progress:
    """How far apt has come, from what it prints: as many 'Setting up' lines as it said packages would be installed."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self.say = say
        self.total = 0
        self.done = 0
        self.last_s = 0.0

    def __call__(self, line: str) -> None:
        if match := re.search(r"(\d+) newly installed", line):
            self.total = int(match.group(1))
        elif line.startswith("Get:"):
            self._tell("fetching packages")
        elif line.startswith("Unpacking "):
            self.done += 1
            self._tell(f"unpacking {self.done} of {self.total} packages")
        elif line.startswith("Setting up "):
            self.done = max(0, self.done - 1)
            self._tell(f"setting up packages, {self.done} to go")

    def _tell(self, text: str) -> None:
        now = time.monotonic()
        if now - self.last_s >= SAY_EVERY_S:
            self.last_s = now
            self.say(text)


def _starts(root: Path) -> set[Path]:
    """Every link by which something starts with the machine, relative to the root: systemd's and init scripts'."""
    patterns = ("etc/systemd/system/*.wants/*", "etc/systemd/system/*.requires/*", "etc/rc[2-5S].d/S*")
    return {link.relative_to(root) for pattern in patterns for link in root.glob(pattern)}


def _is_script(link: Path) -> bool:
    return link.parent.name.startswith("rc")


def _started_by(link: Path) -> str:
    """The unit's name; of `rc2.d/S01haproxy` as systemd knows it."""
    return f"{link.name[3:]}.service" if _is_script(link) else link.name
