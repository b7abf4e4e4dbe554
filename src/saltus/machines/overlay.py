"""Disks in layers: an image's trees below, what is the machine's own on top."""

from collections.abc import Sequence
from pathlib import Path

from saltus.machines.execute import execute


def is_mounted(target: Path) -> bool:
    return target.resolve() in mounts()


def mounts() -> list[Path]:
    """Every mount point of this host, in the order they were mounted."""
    points = []
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        point = line.split(" ")[4]
        points.append(Path(point.encode().decode("unicode_escape")))
    return points


def mount(lowers: Sequence[Path], upper: Path, work: Path, target: Path) -> None:
    """`lowers` from the topmost down."""
    for directory in (upper, work, target):
        directory.mkdir(parents=True, exist_ok=True)
    stack = ":".join(str(lower) for lower in lowers)
    execute(
        ["mount", "-t", "overlay", "saltus", "-o", f"lowerdir={stack},upperdir={upper},workdir={work}", target],
        purpose=f"put the disk at {target} together",
        do="see the last lines of `dmesg`; the file system below must be able to hold an overlay (ext4, xfs)",
    )


def unmount(target: Path) -> None:
    """Also what is mounted below it, the deepest first; nothing to do when nothing is mounted."""
    resolved = target.resolve()
    for point in reversed([point for point in mounts() if point == resolved or resolved in point.parents]):
        execute(["umount", point], purpose=f"take the disk at {point} apart", do=f"see who uses it: fuser -vm {point}")
