"""Where Debian packages come from: apt's own sources on this host, with the suite exchanged.

Nothing here names a mirror: an image is built from wherever the host is configured to get its packages, or from an
text of sources that the model gives. Repositories of third parties are left out: only entries whose
suite is the host's own codename, or its -updates or -security, and whose key is Debian's archive key, are carried over.
"""

import re
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from saltus.machines.provider import MachineError

POCKETS = ("", "-updates", "-security")
"""The suites that make up a running Debian. Backports and proposed updates are the host's own choice."""
MAIN = "main"


@dataclass(frozen=True)
class Source:
    """One place to get packages from, as apt has it."""

    uri: str
    suite: str
    components: tuple[str, ...]
    signed_by: str = ""
    """Path of a keyring, or the key itself; empty where apt's trusted keys are meant."""
    trusted: bool = False

    def line(self) -> str:
        options = []
        if self.signed_by.startswith("/"):
            options.append(f"signed-by={self.signed_by}")
        if self.trusted:
            options.append("trusted=yes")
        bracket = f"[{' '.join(options)}] " if options else ""
        return f"deb {bracket}{self.uri} {self.suite} {' '.join(self.components)}"


def host_codename(os_release: Path = Path("/etc/os-release")) -> str:
    text = os_release.read_text() if os_release.exists() else ""
    match = re.search(r"^VERSION_CODENAME=\"?([a-z]+)\"?$", text, re.MULTILINE)
    return match.group(1) if match else ""


def read_sources(etc_apt: Path = Path("/etc/apt")) -> list[Source]:
    """Every binary source that apt uses on this host, of both spellings, disabled ones left out."""
    found: list[Source] = []
    directory = etc_apt / "sources.list.d"
    one_line = [etc_apt / "sources.list", *sorted(directory.glob("*.list"))]
    for path in one_line:
        if path.is_file():
            found += _parse_list(path.read_text())
    for path in sorted(directory.glob("*.sources")):
        found += _parse_deb822(path.read_text())
    return found


def _parse_list(text: str) -> Iterable[Source]:
    for raw in text.splitlines():
        match = re.match(
            r"deb\s+(?:\[(?P<options>[^\]]*)\]\s+)?(?P<uri>\S+)\s+(?P<suite>\S+)\s*(?P<rest>[^#]*)", raw.strip()
        )
        if match:
            options = dict(re.findall(r"([\w-]+)\s*\+?=\s*(\S+)", match["options"] or ""))
            yield Source(
                uri=match["uri"],
                suite=match["suite"],
                components=tuple(match["rest"].split()),
                signed_by=options.get("signed-by", ""),
                trusted=options.get("trusted") == "yes",
            )


def _parse_deb822(text: str) -> Iterable[Source]:
    uncommented = "\n".join(line for line in text.splitlines() if not line.startswith("#"))
    for paragraph in re.split(r"\n[ \t]*\n", uncommented):
        fields: dict[str, str] = {}
        key = ""
        for line in paragraph.splitlines():
            if line[:1].isspace() and key:
                fields[key] += "\n" + line
            elif ":" in line:
                key, _, value = line.partition(":")
                key = key.strip().lower()
                fields[key] = value.strip()
        if "deb" not in fields.get("types", "").split() or fields.get("enabled", "yes").lower() == "no":
            continue
        for uri in fields.get("uris", "").split():
            for suite in fields.get("suites", "").split():
                yield Source(
                    uri=uri,
                    suite=suite,
                    components=tuple(fields.get("components", "").split()),
                    signed_by=fields.get("signed-by", ""),
                    trusted=fields.get("trusted", "no").lower() == "yes",
                )


def is_debian_archive(source: Source, codename: str) -> bool:
    if source.suite not in {codename + pocket for pocket in POCKETS} or MAIN not in source.components:
        return False
    # A third party may name its suite as Debian does; it cannot sign with Debian's key.
    return not source.signed_by or "debian-archive" in source.signed_by or source.trusted


def for_suite(
    suite: str,
    *,
    sources: Iterable[Source],
    codename: str,
) -> str:
    """The text of sources.list for `suite`: the host's own sources with the suite exchanged."""
    lines = []
    for source in sources:
        if is_debian_archive(source, codename):
            moved = replace(source, suite=suite + source.suite.removeprefix(codename), components=(MAIN,))
            if moved.line() not in lines:
                lines.append(moved.line())
    if not lines:
        raise MachineError(
            what=f"no package source is known for {suite}",
            because=f"apt on this host has no Debian source for '{codename or 'unknown'}', its own release",
            do=f"give the sources of {suite} in the model, under cloud:packages",
        )
    return "\n".join(lines) + "\n"


def host_apt_options() -> list[str]:
    """How apt reaches its sources from this host: proxies, certificates, checks of dates; as lines of apt.conf."""
    try:
        dump = subprocess.run(["apt-config", "dump"], capture_output=True, text=True, check=True, timeout=30).stdout
    except (OSError, subprocess.SubprocessError) as exc:
        raise MachineError(
            what="could not read apt's configuration",
            because=str(exc),
            do="run this on a Debian host",
        ) from exc
    return carried_options(dump)


def carried_options(dump: str) -> list[str]:
    wanted = re.compile(r"Acquire::(https?|ftp|Check-|Retries|ForceIPv)[^ ]* \"[^\"]+\";", re.IGNORECASE)
    return [line for line in dump.splitlines() if wanted.match(line)]
