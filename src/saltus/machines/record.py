"""What a machine was created as, written into its directory (readable by root alone: files may hold keys)."""

import base64
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from saltus.machines.provider import FileContent, MachineSpec, Volume

NAME = "machine.json"
FORMAT = 1


def write(place: Path, spec: MachineSpec, trees: Sequence[Path]) -> None:
    """`trees` are those of the image at this moment; the machine keeps them when the image is built anew."""
    content = {
        "format": FORMAT,
        "trees": [str(tree) for tree in trees],
        "spec": {
            "name": spec.name,
            "image": spec.image,
            "address": spec.address,
            "hostname": spec.hostname,
            "gateway": spec.gateway,
            "isolated": spec.isolated,
            "hypervisor": spec.hypervisor,
            "memory_bytes": spec.memory_bytes,
            "labels": dict(spec.labels),
        },
        "volumes": [{"name": volume.name, "path": volume.path} for volume in spec.volumes],
        "files": [_dump(path, file) for path, file in spec.files.items()],
    }
    fresh = place / f"{NAME}.new"
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as handle:
        json.dump(content, handle, indent=1)
    fresh.replace(place / NAME)  # written again when a machine is relabelled: never half


def read(place: Path) -> MachineSpec | None:
    """None where there is no machine."""
    if (content := _load(place)) is None:
        return None
    return MachineSpec(
        **content["spec"],
        volumes=tuple(Volume(**volume) for volume in content["volumes"]),
        files={entry["path"]: _parse(entry) for entry in content["files"]},
    )


def trees(place: Path) -> tuple[Path, ...]:
    content = _load(place)
    return tuple(Path(tree) for tree in content["trees"]) if content else ()


def _load(place: Path) -> dict[str, Any] | None:
    try:
        loaded: dict[str, Any] = json.loads((place / NAME).read_text())
    except FileNotFoundError:
        return None
    return loaded


def _dump(path: str, file: FileContent) -> dict[str, Any]:
    text = isinstance(file.content, str)
    content = file.content if isinstance(file.content, str) else base64.b64encode(file.content).decode()
    return {"path": path, "text" if text else "base64": content, "mode": file.mode, "owner": list(file.owner)}


def _parse(entry: dict[str, Any]) -> FileContent:
    content = entry["text"] if "text" in entry else base64.b64decode(entry["base64"])
    user, group = entry["owner"]
    return FileContent(content, entry["mode"], (user, group))
