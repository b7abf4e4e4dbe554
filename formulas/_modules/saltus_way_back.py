"""The way back of a node that is upgraded where it stands: its packages and its configuration, kept and put back.

Debian has no way from a newer release to an older one by its packages. So the files are kept: programs as further names
(hard links) of what is there, which costs nothing until they are replaced, because dpkg never writes into a file but
puts a new one in its place (as copies on an overlay, where a link is one); configuration and dpkg's own records as
copies. Data of services is not part of it.

Processes go on with the files they have open: a guest's qemu notices neither the upgrade nor the way back.
"""

import hashlib
import json
import os
import pathlib
import shutil
import stat
import subprocess
import time

from salt.exceptions import CommandExecutionError

HOME = pathlib.Path("/var/lib/saltus/way-back")
TREE = HOME / "tree"
META = HOME / "kept.json"

LINKED = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/boot")
COPIED = (
    "/etc",
    "/var/lib/dpkg",
    "/var/lib/apt/extended_states",
    "/var/lib/systemd/deb-systemd-helper-enabled",
    "/var/lib/systemd/deb-systemd-helper-masked",
    "/var/lib/systemd/deb-systemd-user-helper-enabled",
    "/var/lib/ucf",
    "/var/lib/pam",
    "/var/lib/python",
    "/var/cache/debconf",
)
# Who the machine is, how it is reached, and what services write among configuration: instances that came since, bridges.
LEFT_ALONE = (
    "/usr/local",
    "/etc/hostname",
    "/etc/hosts",
    "/etc/machine-id",
    "/etc/resolv.conf",
    "/etc/mtab",
    "/etc/salt",
    "/etc/systemd/network",
    "/etc/openvswitch/system-id.conf",
    "/etc/libvirt/qemu",
    "/etc/libvirt/secrets",
    "/etc/libvirt/storage",
    "/etc/iscsi",
    "/etc/lvm/archive",
    "/etc/lvm/backup",
    "/var/lib/dpkg/lock",
    "/var/lib/dpkg/lock-frontend",
    "/var/cache/debconf/passwords.dat",
)


def record(run, release):
    """Keep the node as it is -> {"packages", "files", "seconds", "free_bytes"}. Once for each run: later calls change nothing.

    What an earlier run kept is given up for it.
    """
    begun = time.monotonic()
    kept = _meta()
    if not (kept and kept["run"] == run):
        forget()
        TREE.mkdir(parents=True)
        HOME.chmod(0o700)
        linked = _links_are_cheap()
        files = sum(_keep(path, linked=linked) for path in LINKED) + sum(_keep(path, linked=False) for path in COPIED)
        packages = _packages()
        kept = {"run": run, "release": release, "packages": packages, "files": files}
        kept |= {"configuration": _configuration(), "privileges": _privileges()}
        fresh = META.with_suffix(".new")
        fresh.write_text(json.dumps(kept))
        os.sync()
        fresh.rename(META)
    return {
        "packages": len(kept["packages"]),
        "files": kept["files"],
        "seconds": round(time.monotonic() - begun, 1),
        "free_bytes": shutil.disk_usage(HOME).free,
    }


def kept():
    """The release that this node can return to; None when nothing is kept."""
    found = _meta()
    return found["release"] if found else None


def restore():
    """Put back what was kept -> {"release", "put_back", "removed", "differences", "seconds"}. May be repeated.

    Nothing is stopped or started but sshd, which cannot run an older program for who logs in. `differences` are packages,
    files of /etc and what programs may do as root that are not as they were: none, unless somebody writes meanwhile.
    """
    begun, found = time.monotonic(), _meta()
    if not found:
        raise CommandExecutionError("this node keeps nothing that it could return to")
    trees = [path for path in (*LINKED, *COPIED) if os.path.lexists(_place(path))]
    # What is new goes last: until then programs of both are whole.
    linked = _links_are_cheap()
    put_back = sum(_put_back(path, linked=linked and path in LINKED) for path in trees)
    removed = sum(_remove_what_is_new(path) for path in trees)
    # What was done here is undone: a later call of the same run does it again.
    pathlib.Path("/var/lib/saltus/packages/upgrade.json").unlink(missing_ok=True)
    subprocess.run(["systemctl", "daemon-reexec"], check=False, timeout=120)
    subprocess.run(["systemctl", "daemon-reload"], check=False, timeout=120)
    subprocess.run(["systemctl", "try-restart", "ssh.service"], check=False, timeout=120)
    return {
        "release": found["release"],
        "put_back": put_back,
        "removed": removed,
        "differences": differences(),
        "seconds": round(time.monotonic() - begun, 1),
    }


def differences():
    """What of packages and configuration is not as it was kept, a line each."""
    found = _meta()
    if not found:
        raise CommandExecutionError("this node keeps nothing that it could be compared with")
    lines = []
    for what, before, now in (
        ("package", found["packages"], _packages()),
        ("file", found["configuration"], _configuration()),
        # What an older version kept says nothing of them.
        *([("privileges of", found["privileges"], _privileges())] if "privileges" in found else []),
    ):
        for name in sorted({*before, *now}):
            if before.get(name) != now.get(name):
                lines.append(f"{what} {name}: {before.get(name, 'nothing')} kept, {now.get(name, 'nothing')} now")
    return lines


def forget():
    """Give the way back up -> whether there was one."""
    there = META.exists()
    META.unlink(missing_ok=True)
    shutil.rmtree(HOME, ignore_errors=True)
    return there


def _meta():
    return json.loads(META.read_text()) if META.exists() else None


def _place(path):
    return f"{TREE}{path}"


def _is_left_alone(path):
    # The database of Open vSwitch, its copies and its lock.
    return path in LEFT_ALONE or path.startswith((str(HOME), "/etc/openvswitch/conf.db", "/etc/openvswitch/.conf.db"))


def _packages():
    """{package: "version state"} as dpkg has it."""
    done = subprocess.run(
        ["dpkg-query", "--show", "--showformat=${binary:Package}\t${Version} ${db:Status-Abbrev}\n"],
        capture_output=True,
        text=True,
        check=True,
    )
    return dict(line.rstrip().split("\t") for line in done.stdout.splitlines())


def _configuration():
    """{path: digest} of every file below /etc that belongs to the way back."""
    found = {}
    for folder, _, files in _walk("/etc"):
        for name in files:
            path = f"{folder}/{name}"
            status = os.lstat(path)
            if stat.S_ISLNK(status.st_mode):
                content = os.readlink(path).encode()
            elif stat.S_ISREG(status.st_mode):
                content = pathlib.Path(path).read_bytes()
            else:
                continue
            mode = f"{stat.S_IMODE(status.st_mode):o} {status.st_uid} {status.st_gid} "
            found[path] = hashlib.sha256(mode.encode() + content).hexdigest()[:16]
    return found


def _privileges():
    """{path: what it may} of every program that does more than its caller may: setuid, setgid, capabilities."""
    found = {}
    for top in LINKED:
        if os.path.islink(top):
            continue
        for folder, _, files in _walk(top):
            for name in files:
                path = f"{folder}/{name}"
                status = os.lstat(path)
                if not stat.S_ISREG(status.st_mode):
                    continue
                capabilities = ""
                if status.st_mode & 0o111 and "security.capability" in os.listxattr(path, follow_symlinks=False):
                    capabilities = os.getxattr(path, "security.capability").hex()
                if capabilities or status.st_mode & (stat.S_ISUID | stat.S_ISGID):
                    found[path] = f"{status.st_mode:o} {status.st_uid} {status.st_gid} {capabilities}".rstrip()
    return found


def _walk(top):
    """os.walk without what is left alone; links to directories are among the files."""
    for folder, folders, files in os.walk(top):
        links = [name for name in folders if os.path.islink(f"{folder}/{name}")]
        folders[:] = [n for n in folders if n not in links and not _is_left_alone(f"{folder}/{n}")]
        yield folder, folders, [n for n in (*files, *links) if not _is_left_alone(f"{folder}/{n}")]


def _keep(path, *, linked):
    """Keep one tree or file; the number of files."""
    if not os.path.lexists(path):
        return 0
    os.makedirs(os.path.dirname(_place(path)), exist_ok=True)
    if os.path.islink(path) or not os.path.isdir(path):
        _copy_entry(path, _place(path), linked=linked)
        return 1
    count = 0
    for folder, _, files in _walk(path):
        os.makedirs(_place(folder), exist_ok=True)
        _dress(_place(folder), os.lstat(folder))
        for name in files:
            _copy_entry(f"{folder}/{name}", _place(f"{folder}/{name}"), linked=linked)
            count += 1
    return count


def _links_are_cheap():
    """Whether a further name of a file costs nothing. An overlay copies a file of a lower layer for it, and syncs it."""
    roots = [line.split() for line in pathlib.Path("/proc/self/mounts").read_text().splitlines()]
    return [words[2] for words in roots if words[1] in ("/", "/usr")][-1:] != ["overlay"]


def _copy_entry(source, target, *, linked):
    """A further name of a file, or a copy of it; symbolic links are made anew, sockets and devices passed over."""
    status = os.lstat(source)
    if stat.S_ISLNK(status.st_mode):
        os.symlink(os.readlink(source), target)
        os.chown(target, status.st_uid, status.st_gid, follow_symlinks=False)
        return
    if not stat.S_ISREG(status.st_mode):
        return
    if linked:
        try:
            os.link(source, target, follow_symlinks=False)
            return
        except OSError:
            pass  # another file system, or one without links
    shutil.copyfile(source, target)
    # The owner first: a change of owner takes from a program what it may do as root (setuid, capabilities).
    os.chown(target, status.st_uid, status.st_gid)
    shutil.copystat(source, target)


def _dress(path, status):
    os.chown(path, status.st_uid, status.st_gid)
    os.chmod(path, stat.S_IMODE(status.st_mode))


def _put_back(top, *, linked):
    """Everything of the kept tree in its place; the number of files that were not as kept."""
    if not os.path.isdir(_place(top)) or os.path.islink(_place(top)):
        return _put_entry(_place(top), top, linked=linked)
    changed = 0
    for place, folders, files in os.walk(_place(top)):
        folder = place[len(str(TREE)) :]
        if os.path.lexists(folder) and (os.path.islink(folder) or not os.path.isdir(folder)):
            os.unlink(folder)
        os.makedirs(folder, exist_ok=True)
        _dress(folder, os.lstat(place))
        links = [name for name in folders if os.path.islink(f"{place}/{name}")]
        for name in (*files, *links):
            changed += _put_entry(f"{place}/{name}", f"{folder}/{name}", linked=linked)
    return changed


def _put_entry(kept_at, path, *, linked):
    """One file in its place, by a new name that takes the old one's: nobody ever sees half of it. 1 if it differed."""
    if _is_same(kept_at, path):
        return 0
    fresh = f"{path}.saltus-way-back"
    if os.path.lexists(fresh):
        os.unlink(fresh)
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path)
    _copy_entry(kept_at, fresh, linked=linked)
    if os.path.lexists(fresh):
        os.rename(fresh, path)
        if os.path.lexists(fresh):  # two names of one file: rename(2) then does nothing
            os.unlink(fresh)
    return 1


def _is_same(one, other):
    if not os.path.lexists(other):
        return False
    a, b = os.lstat(one), os.lstat(other)
    if stat.S_IFMT(a.st_mode) != stat.S_IFMT(b.st_mode):
        return False
    if stat.S_ISLNK(a.st_mode):
        return os.readlink(one) == os.readlink(other)
    if (a.st_dev, a.st_ino) == (b.st_dev, b.st_ino):
        return True
    if (a.st_mode, a.st_uid, a.st_gid, a.st_size) != (b.st_mode, b.st_uid, b.st_gid, b.st_size):
        return False
    # Of programs, which are many, what has another time is another: it comes with their package.
    if not other.startswith(("/etc/", "/var/")) and a.st_mtime_ns != b.st_mtime_ns:
        return False
    return pathlib.Path(one).read_bytes() == pathlib.Path(other).read_bytes()


def _remove_what_is_new(top):
    """Remove what the kept tree does not have; the number of files and directories."""
    if not os.path.isdir(top) or os.path.islink(top):
        return 0
    removed = 0
    for folder, folders, files in _walk(top):
        for name in files:
            if not os.path.lexists(_place(f"{folder}/{name}")):
                if stat.S_ISSOCK(os.lstat(f"{folder}/{name}").st_mode):
                    continue
                os.unlink(f"{folder}/{name}")
                removed += 1
        for name in list(folders):
            if not os.path.lexists(_place(f"{folder}/{name}")):
                shutil.rmtree(f"{folder}/{name}")
                folders.remove(name)
                removed += 1
    return removed
