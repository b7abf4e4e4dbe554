"""What an upgrade would do to the packages of this node, and doing it. Plain data in and out.

`difference` asks apt from a directory of its own beside the real one: sources, lists, caches and pins are there, and
of the node's own it reads what is installed and what is held. Nothing of the node is changed by it.

`upgrade` works in a unit of systemd's: it goes on when the minion is restarted by it or dies, and asking again finds it.
"""

import fnmatch
import hashlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import time

from salt.exceptions import CommandExecutionError

ETC = pathlib.Path("/etc/apt")
HOME = pathlib.Path("/var/lib/saltus/packages")
PRIVATE = HOME / "private"
UNIT = "saltus-packages"
POLICY = pathlib.Path("/usr/sbin/policy-rc.d")
PINS = "saltus-held.pref"
OS_RELEASE = pathlib.Path("/etc/os-release")
KEEP_FREE_BYTES = 512 * 1024**2

# Configuration files stay as we have written them, and nobody is asked anything: there is nobody.
OURS = ["-o", "Dpkg::Options::=--force-confdef", "-o", "Dpkg::Options::=--force-confold"]
UNATTENDED = {
    "DEBIAN_FRONTEND": "noninteractive",
    "UCF_FORCE_CONFFOLD": "1",
    "APT_LISTCHANGES_FRONTEND": "none",
    "NEEDRESTART_SUSPEND": "1",
    "LC_ALL": "C.UTF-8",
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root",
}

SIMULATED = re.compile(
    r"^(?P<verb>Inst|Remv) (?P<package>\S+)(?: \[(?P<old>[^\]]+)\])?(?: \((?P<new>\S+) (?P<source>[^)]*?)(?: \[[^\]]*\])?\))?"
)


def policy():
    """The policy-rc.d of a node: what packages may restart."""
    return (
        "#!/bin/sh\n"
        "# Written by Saltus: units are restarted by steps of a plan, never by packages. But sshd, at once: an older one\n"
        "# cannot run the newer program for who logs in, and a node that nobody can log in to is nobody's to mend.\n"
        'case "$1" in ssh | ssh.service | ssh.socket) exit 0 ;; esac\n'
        "exit 101\n"
    )


def _run(argv, timeout=600, **environment):
    return subprocess.run(
        argv,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
        timeout=timeout,
        stdin=subprocess.DEVNULL,
        env={**UNATTENDED, **environment},
    )


def _said(done, lines=12):
    """The last words of a command, with what it takes for errors first."""
    text = (done.stderr + "\n" + done.stdout).strip().splitlines()
    errors = [line for line in text if line.startswith(("E:", "dpkg: error", "Err:"))]
    return "\n".join((errors or text)[-lines:])


def _codename():
    for line in OS_RELEASE.read_text().splitlines():
        key, _, value = line.partition("=")
        if key == "VERSION_CODENAME":
            return value.strip().strip('"')
    raise CommandExecutionError(f"{OS_RELEASE} names no VERSION_CODENAME: this is no Debian that can be upgraded")


def _moved(text, old, new):
    """The sources with the suite `old`, and its pockets, exchanged for `new`; of both spellings that apt has."""
    return re.sub(rf"(?<![\w-]){re.escape(old)}(?=(-[a-z]+)*(\s|$))", new, text, flags=re.MULTILINE)


def _wanted_sources(suite):
    """{file name: text} of the sources that the node will have on `suite`.

    The model's own where it names some (cloud:packages), else those that the node has, with the suite exchanged.
    """
    named = (__pillar__.get("cloud") or {}).get("packages") or {}
    if named:
        lines = []
        for source in named.values():
            options = f"[signed-by={source['signed_by']}] " if source.get("signed_by") else ""
            components = " ".join(source.get("components") or ["main"])
            lines.append(f"deb {options}{source['uri']} {source.get('suite') or suite} {components}")
        return {"sources.list": "\n".join(lines) + "\n"}
    own, found = _codename(), {}
    for path in [ETC / "sources.list", *sorted((ETC / "sources.list.d").glob("*"))]:
        if path.is_file() and path.suffix in (".list", ".sources"):
            name = path.name if path.parent == ETC else f"sources.list.d/{path.name}"
            found[name] = _moved(path.read_text(), own, suite)
    return found


def _proxy():
    proxy = (__pillar__.get("cloud") or {}).get("package_proxy")
    return ["-o", f"Acquire::http::Proxy={proxy}"] if proxy else []


def _installed():
    """{package: version} of what is installed, foreign architectures by their full name."""
    done = _run(["dpkg-query", "--show", "--showformat=${db:Status-Abbrev}\t${binary:Package}\t${Version}\n"])
    rows = (line.split("\t") for line in done.stdout.splitlines())
    return {row[1].partition(":")[0]: row[2] for row in rows if len(row) == 3 and row[0][1] == "i"}


def _pins(held, installed):
    """Pins that keep what is held at its installed version, and out where it is not installed."""
    if not held:
        return ""
    kept = sorted(name for name in installed if any(fnmatch.fnmatch(name, glob) for glob in held))
    lines = [f"Package: {name}\nPin: version {installed[name]}\nPin-Priority: 1001\n" for name in kept]
    lines += [f"Package: {glob}\nPin: release *\nPin-Priority: -1\n" for glob in held]
    return "\n".join(lines)


def _private(suite, held):
    """The options by which apt works in a directory of its own, whose lists are fresh."""
    shutil.rmtree(PRIVATE / "etc", ignore_errors=True)
    for name in ("etc/sources.list.d", "etc/preferences.d", "state/lists/partial", "cache/archives/partial"):
        (PRIVATE / name).mkdir(parents=True, exist_ok=True)
    for name, text in _wanted_sources(suite).items():
        (PRIVATE / "etc" / name).write_text(text)
    if (ETC / "preferences").is_file():
        shutil.copy(ETC / "preferences", PRIVATE / "etc/preferences")
    for path in (ETC / "preferences.d").glob("*"):
        if path.name != PINS and path.is_file():
            shutil.copy(path, PRIVATE / "etc/preferences.d")
    (PRIVATE / "etc/preferences.d" / PINS).write_text(_pins(held, _installed()))
    if pathlib.Path("/var/lib/apt/extended_states").exists():
        shutil.copy("/var/lib/apt/extended_states", PRIVATE / "state/extended_states")
    options = PRIVATE / "apt.conf"
    places = {
        "Dir::State": PRIVATE / "state",
        "Dir::State::status": "/var/lib/dpkg/status",
        "Dir::State::extended_states": PRIVATE / "state/extended_states",
        "Dir::Cache": PRIVATE / "cache",
        "Dir::Etc::sourcelist": PRIVATE / "etc/sources.list",
        "Dir::Etc::sourceparts": PRIVATE / "etc/sources.list.d",
        "Dir::Etc::preferences": PRIVATE / "etc/preferences",
        "Dir::Etc::preferencesparts": PRIVATE / "etc/preferences.d",
        "Dir::Log": PRIVATE / "log",
        "Debug::NoLocking": "true",
    }
    lines = [f'{name} "{value}";' for name, value in places.items()]
    # What other packages hang onto an update would speak of lists that are not the node's.
    lines += [f"#clear {name};" for name in ("APT::Update::Post-Invoke", "APT::Update::Post-Invoke-Success")]
    options.write_text("\n".join(lines) + "\n")
    return ["-c", str(options), *_proxy()]


def _verbs(whole, packages, installed):
    """apt-get's words for the upgrade: everything, or the packages of the roles alone."""
    if whole:
        return ["full-upgrade", *packages]
    return ["install", *packages]


def difference(suite, packages=(), held=(), whole=True):
    """What an upgrade to `suite`, with `packages`, would change -> {"changes": [...], "held": [...], ...}.

    Each change: package, installed, candidate, source, size and what: upgrade, install, remove or downgrade. `held` are
    packages that stay because the node holds them, `kept_back` those that stay because something else does, `blocked`
    is why it cannot be done at all (else None). `digest` is equal where the difference is.
    """
    begun = time.monotonic()
    apt = _private(suite, held)
    updated = _run(["apt-get", *apt, "update", "--error-on=any"])
    if updated.returncode:
        raise CommandExecutionError(f"the package lists of {suite} cannot be fetched: {_said(updated)}")
    installed = _installed()
    simulated = _run(["apt-get", *apt, "--simulate", *_verbs(whole, packages, installed)])
    if not whole and not simulated.returncode:
        wanted = [name for name in packages if name in installed]
        simulated = _run(["apt-get", *apt, "--simulate", "install", *wanted])
    changes = _changes(simulated.stdout)
    sizes = _sizes(apt, changes)
    for change in changes:
        change.update(sizes.get((change["package"], change["candidate"]), {"size": 0}))
    selected = set(_run(["apt-mark", "showhold"]).stdout.split())
    kept_back = _listed(simulated.stdout, "The following packages have been kept back:")
    needed = _own_python()
    removed = {change["package"] for change in changes if change["what"] == "remove"}
    blocked = None
    if simulated.returncode:
        blocked = _said(simulated)
    elif needed & removed:
        blocked = f"the minion's own Python would be removed: {', '.join(sorted(needed & removed))}"
    held_here = sorted(
        name for name in installed if name in selected or any(fnmatch.fnmatch(name, glob) for glob in held)
    )
    told = {
        "suite": suite,
        "from": _codename(),
        "changes": changes,
        "held": [{"package": name, "installed": installed[name]} for name in held_here],
        "kept_back": sorted(set(kept_back) - set(held_here)),
        "blocked": blocked,
        "download_bytes": sum(change["size"] for change in changes),
        "unpacked_bytes": sum(change.pop("unpacked", 0) for change in changes),
    }
    digest = hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:12]
    return {**told, "digest": digest, "seconds": round(time.monotonic() - begun, 1)}


def _changes(output):
    found = []
    for line in output.splitlines():
        match = SIMULATED.match(line)
        if not match:
            continue
        name, old, new = match["package"].partition(":")[0], match["old"], match["new"]
        if match["verb"] == "Remv":
            what = "remove"
        elif old is None:
            what = "install"
        else:
            what = "downgrade" if _is_older(new, old) else "upgrade"
        found.append(
            {"package": name, "installed": old, "candidate": new, "source": (match["source"] or "").strip(), "what": what}
        )
    return sorted(found, key=lambda change: change["package"])


def _is_older(one, other):
    """By dpkg's own comparison; a call each, and so only where the versions are not plainly in order."""
    if one == other:
        return False
    return subprocess.run(["dpkg", "--compare-versions", one, "lt", other], check=False).returncode == 0


def _sizes(apt, changes):
    """{(package, version): {"size", "unpacked"}} in bytes, of what would be fetched."""
    wanted = [f"{c['package']}={c['candidate']}" for c in changes if c["candidate"]]
    found = {}
    for start in range(0, len(wanted), 500):
        shown = _run(["apt-cache", *apt, "show", *wanted[start : start + 500]]).stdout
        for block in shown.split("\n\n"):
            fields = dict(re.findall(r"^(Package|Version|Size|Installed-Size): (.*)$", block, re.MULTILINE))
            if "Package" in fields:
                found[fields["Package"], fields.get("Version")] = {
                    "size": int(fields.get("Size", 0)),
                    "unpacked": int(fields.get("Installed-Size", 0)) * 1024,
                }
    return found


def _listed(output, heading):
    """The indented names below a heading of apt's."""
    names, inside = [], False
    for line in output.splitlines():
        if line == heading:
            inside = True
        elif inside and line.startswith("  "):
            names += line.split()
        else:
            inside = False
    return names


def _own_python():
    """The packages without which this minion could not come back."""
    done = _run(["dpkg", "--search", os.path.realpath(sys.executable)])
    return {line.partition(":")[0] for line in done.stdout.splitlines() if ": /" in line}


# Doing it


def _label_file():
    return HOME / "upgrade.json"


def upgrade(label, suite, packages=(), held=(), whole=True, timeout=5400):
    """Upgrade to `suite` and wait until it is done -> {"seconds", "changed", "set_aside"}. Raises with apt's last words.

    `label` names the run: asked again by it, an upgrade that is at work is waited for, one that has ended well is told
    and not done again, and one that has failed is begun anew. `set_aside` are configuration files of packages that were put beside ours.
    """
    HOME.mkdir(parents=True, exist_ok=True)
    state = json.loads(_label_file().read_text()) if _label_file().exists() else {}
    exit_file = HOME / "exit"
    if not (state.get("label") == label and (_is_running() or _exit_code(exit_file) == 0)):
        if _is_running():
            raise CommandExecutionError(f"another upgrade is at work here ({state.get('label')}): unit {UNIT}")
        state = _begin(label, suite, list(packages), list(held), whole, exit_file)
    deadline = time.monotonic() + float(timeout)
    while _is_running():
        if time.monotonic() > deadline:
            raise CommandExecutionError(f"apt is still at it after {float(timeout):.0f} s; it goes on: unit {UNIT}")
        time.sleep(1)
    code = _exit_code(exit_file)
    if code != 0:
        raise CommandExecutionError(_why(code))
    now, before = _installed(), state["installed"]
    return {
        "seconds": round(exit_file.stat().st_mtime - state["began"], 1),
        "changed": sum(before.get(name) != now.get(name) for name in {*before, *now}),
        "set_aside": sorted(set(_set_aside()) - set(state["set_aside"])),
    }


def _set_aside():
    """The packages' own configuration files that stand beside ours."""
    return [str(p) for glob in ("*.dpkg-dist", "*.dpkg-new", "*.ucf-dist") for p in pathlib.Path("/etc").rglob(glob)]


def _begin(label, suite, packages, held, whole, exit_file):
    exit_file.unlink(missing_ok=True)
    (HOME / "pid").unlink(missing_ok=True)
    installed = _installed()
    shutil.rmtree(PRIVATE / "cache", ignore_errors=True)
    sources = _wanted_sources(suite)
    changing = suite != _codename() or any((ETC / n).read_text() != text for n, text in sources.items() if (ETC / n).exists())
    if changing:
        if "sources.list" in sources and (__pillar__.get("cloud") or {}).get("packages"):
            for path in (ETC / "sources.list.d").glob("*"):
                path.unlink()
        for name, text in sources.items():
            (ETC / name).write_text(text)
    pins = ETC / "preferences.d" / PINS
    pins.write_text(_pins(held, installed)) if held else pins.unlink(missing_ok=True)
    if not POLICY.exists():
        POLICY.write_text(policy())
        POLICY.chmod(0o755)
    words = _verbs(whole, packages if whole else [name for name in packages if name in installed], installed)
    apt = " ".join(_quoted(word) for word in ["apt-get", *_proxy()])
    script = HOME / "upgrade.sh"
    lines = [
        "#!/bin/sh",
        f"echo $$ >{HOME}/pid.new && mv {HOME}/pid.new {HOME}/pid",
        *(f"export {name}={_quoted(value)}" for name, value in UNATTENDED.items()),
        f"exec >{HOME}/log 2>&1",
        "{",
        # What an earlier attempt left half configured.
        "  dpkg --configure --pending --force-confdef --force-confold &&",
        f"  {apt} update --error-on=any &&",
        f"  {apt} --yes --no-install-recommends {' '.join(_quoted(word) for word in [*OURS, *words])} &&",
        f"  {apt} clean",
        "}",
        "code=$?",
        # A policy that was there before ours may have kept its package from it.
        "systemctl try-restart ssh.service",
        f"echo $code >{exit_file}.new && mv {exit_file}.new {exit_file}",
    ]
    script.write_text("\n".join(lines) + "\n")
    script.chmod(0o755)
    state = {"label": label, "began": time.time(), "installed": installed, "set_aside": _set_aside()}
    _label_file().write_text(json.dumps(state))
    _run(["systemctl", "reset-failed", UNIT])
    started = _run(["systemd-run", f"--unit={UNIT}", "--collect", "--property=KillMode=process", str(script)])
    if started.returncode:
        raise CommandExecutionError(f"the upgrade cannot be started: {_said(started)}")
    deadline = time.monotonic() + 30
    while not (HOME / "pid").exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    return state


def _is_running():
    """Whether apt is at it, by its process: systemd is upgraded, too, and does not answer meanwhile."""
    try:
        pid = int((HOME / "pid").read_text())
        return str(HOME / "upgrade.sh") in pathlib.Path(f"/proc/{pid}/cmdline").read_text()
    except (OSError, ValueError):
        return False


def _exit_code(exit_file):
    return int(exit_file.read_text()) if exit_file.exists() else None


def _why(code):
    """Why the upgrade failed, with what an operator should look at first."""
    log = (HOME / "log").read_text(errors="replace") if (HOME / "log").exists() else ""
    lines = [line for line in log.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith(("E:", "dpkg: error", "Err:")) or "No space left" in line]
    words = "\n".join((errors or lines)[-12:])
    free = shutil.disk_usage("/var").free
    if "No space left" in log or "enough free space" in log:
        words = f"the disk is full ({free / 1024**2:.0f} MiB free): {words}"
    elif re.search(r"held (broken )?packages", log):
        held = ", ".join(_run(["apt-mark", "showhold"]).stdout.split())
        words = f"a held package blocks it (held here: {held or 'none'}): {words}"
    if code is None:
        return f"apt ended without a word: it was killed, or the node was restarted in its middle. {words}"
    return words or f"apt ended with the code {code}"


def _quoted(word):
    return "'" + str(word).replace("'", "'\\''") + "'"
