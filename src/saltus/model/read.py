"""Resolves a reclass tree. The only module that knows reclass-rs.

reclass-rs ends at its first error. What it cannot find is therefore put in its way with an empty value, and it is asked
again, until it has named everything that is missing.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import reclass_rs
import yaml

from saltus.model.files import TreeFile, TreeFiles
from saltus.model.mistakes import Mistakes

LOOKUP_ERROR = re.compile(
    r"lookup error for reference '\$\{(?P<reference>[^}']+)\}' in parameter '(?P<parameter>[^']+)'"
)
QUOTED = re.compile(r'"([^"]+)"')
UNDEFINED = "(undefined)"
MISTAKES_PER_NODE = 50


def resolve(
    path: Path, files: TreeFiles, overrides: Mapping[str, Any], mistakes: Mistakes
) -> dict[str, dict[str, Any]]:
    """{node: its parameters} for every node that resolves. `overrides` have the last word on every node.

    What a reference could not find stands as UNDEFINED in them, and `mistakes` has grown.
    """
    if not overrides and not mistakes.found:
        try:
            return {node: _render(path, node) for node in sorted(files.nodes)}
        except ValueError:
            pass  # Asked again below, node by node and error by error.
    with _copy(path, files, overrides) as copy:
        resolved = {node: _resolve_patiently(copy, node, files, mistakes) for node in sorted(files.nodes)}
    return {node: parameters for node, parameters in resolved.items() if parameters is not None}


def _resolve_patiently(copy: Path, node: str, files: TreeFiles, mistakes: Mistakes) -> dict[str, Any] | None:
    own = files.nodes[node].shown
    for _ in range(MISTAKES_PER_NODE):
        try:
            return _render(copy, node)
        except ValueError as exc:
            text = str(exc).removeprefix(f"Error while rendering {node}: ").rstrip(".")
            missing = LOOKUP_ERROR.search(text)
            if not missing:
                where = [file for reference in QUOTED.findall(text) for file in files.mentioning(f"${{{reference}}}")]
                mistakes.add([*where, own][0], f"reclass cannot resolve it: {text}", node=node, incomplete=True)
                return None
            reference, of = missing["reference"], missing["parameter"].replace(".", ":")
            if files.all_read(node):
                where = files.mentioning(f"${{{reference}}}")
                mistake = f"{of} is ${{{reference}}}, which nothing defines"
                mistakes.add([*where, own][0], mistake, node=node, incomplete=True)
            _put(copy / "nodes" / f"{node}.yml", reference.split(":"), UNDEFINED)
    return None


def _render(path: Path, node: str) -> dict[str, Any]:
    tree = reclass_rs.Reclass(inventory_path=str(path), nodes_path="nodes", classes_path="classes")
    parameters: dict[str, Any] = tree.nodeinfo(node).parameters
    parameters.pop("_reclass_", None)
    return parameters


@contextmanager
def _copy(path: Path, files: TreeFiles, overrides: Mapping[str, Any]) -> Iterator[Path]:
    """A copy of the tree without what could not be read. Each node's own file becomes a class, so that its text stays
    as it was and `overrides` can come after it."""
    with tempfile.TemporaryDirectory(prefix="saltus-model-") as directory:
        copy = Path(directory)
        for file in files.classes.values():
            _write(copy / file.shown, _known_classes_only(path, file, files))
        _write(copy / "classes" / "saltus_overrides.yml", yaml.safe_dump({"parameters": _final(overrides)}))
        for node, file in files.nodes.items():
            _write(copy / "classes" / "saltus_nodes" / f"{node}.yml", _known_classes_only(path, file, files))
            classes = [f"saltus_nodes.{node}", "saltus_overrides"]
            _write(copy / "nodes" / f"{node}.yml", yaml.safe_dump({"classes": classes}))
        yield copy


def _known_classes_only(path: Path, file: TreeFile, files: TreeFiles) -> str:
    """The file's text; with a class in it that does not exist, as much of it as reclass can use."""
    text = (path / file.shown).read_text(encoding="utf-8")
    known = [name for name in file.classes if name in files.classes or "${" in name]
    if len(known) == len(file.classes):
        return text
    return yaml.safe_dump({"classes": known, "parameters": file.parameters})


def _final(overrides: Mapping[str, Any]) -> dict[str, Any]:
    """reclass appends lists when it merges; `~` before the key makes the new one take the old one's place."""
    final: dict[str, Any] = {}
    for key, value in overrides.items():
        if isinstance(value, Mapping):
            final[key] = _final(value)
        else:
            final[f"~{key}" if isinstance(value, list | tuple) else key] = value
    return final


def _put(node_file: Path, keys: list[str], value: object) -> None:
    content = yaml.safe_load(node_file.read_text(encoding="utf-8"))
    at = content.setdefault("parameters", {})
    for key in keys[:-1]:
        at = at.setdefault(key, {})
    at[keys[-1]] = value
    _write(node_file, yaml.safe_dump(content))


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
