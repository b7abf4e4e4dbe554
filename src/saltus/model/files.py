"""The files of a reclass tree as they were written: parsed strictly, so that each mistake has a file and a line."""

from __future__ import annotations

import os
import re
from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from saltus.model.mistakes import Mistakes, did_you_mean

TOP_LEVEL = ("classes", "parameters", "applications", "environment", "exports")
"""What reclass itself reads of a file; anything else it passes over in silence."""


REFERENCE = re.compile(r"\$\{([^}]+)\}")


class StrictLoader(yaml.SafeLoader):
    """As SafeLoader, but a key that stands twice in one mapping is an error: the first would be lost in silence."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[object] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if isinstance(key, Hashable) and key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key!r} stands twice", key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep)


@dataclass(frozen=True)
class TreeFile:
    """One node or class file. `name` is reclass's name of it, `shown` the path as it is told to people."""

    name: str
    shown: str
    classes: tuple[str, ...]
    parameters: dict[str, Any]


@dataclass(frozen=True)
class TreeFiles:
    """All files of a tree that could be parsed."""

    nodes: dict[str, TreeFile]
    classes: dict[str, TreeFile]

    def origin(self, node: str, *keys: str) -> str:
        """The file that has the last word on `parameters` at `keys` for `node`; the node's own when none has it.

        Where the value there is nothing but a reference, the file that has the last word on that.
        """
        own = self.nodes[node]
        chain = [own, *reversed(list(self._classes_of(own, set())))]
        for depth in range(len(keys), 0, -1):
            for file in chain:
                if (value := _at(file.parameters, keys[:depth])) is not None:
                    reference = REFERENCE.fullmatch(value) if isinstance(value, str) else None
                    return self.origin(node, *reference[1].split(":")) if reference else file.shown
        return own.shown

    def all_read(self, node: str) -> bool:
        """No class that the node is made of is unknown or could not be parsed."""
        files = [self.nodes[node], *self._classes_of(self.nodes[node], set())]
        return all(name in self.classes or "${" in name for file in files for name in file.classes)

    def mentioning(self, text: str) -> list[str]:
        """The files in whose parameters `text` stands."""
        every = [*self.nodes.values(), *self.classes.values()]
        return [file.shown for file in every if text in str(file.parameters)]

    def _classes_of(self, file: TreeFile, seen: set[str]) -> Iterator[TreeFile]:
        """In reclass's order of merging: what a class includes comes before the class itself."""
        for name in file.classes:
            if name in self.classes and name not in seen:
                seen.add(name)
                yield from self._classes_of(self.classes[name], seen)
                yield self.classes[name]


def read_files(path: Path, mistakes: Mistakes) -> TreeFiles:
    """Parse every file below `nodes/` and `classes/`, and check that every class named by one exists."""
    nodes = _parse_all(path, "nodes", mistakes)
    classes = _parse_all(path, "classes", mistakes)
    files = TreeFiles({n: f for n, f in nodes.items() if f}, {n: f for n, f in classes.items() if f})
    for file in [*files.nodes.values(), *files.classes.values()]:
        for name in file.classes:
            if name not in classes and "${" not in name:
                mistakes.add(file.shown, f"there is no class {name}{did_you_mean(name, classes)}", incomplete=True)
    if not nodes:
        mistakes.add(f"{path.name}/nodes", "there is no node in it")
    return files


def _parse_all(root: Path, folder: str, mistakes: Mistakes) -> dict[str, TreeFile | None]:
    """{reclass name: file, or None when it could not be parsed}."""
    found: dict[str, TreeFile | None] = {}
    for file in sorted(_yaml_files(root / folder)):
        relative = file.relative_to(root / folder)
        parts = relative.with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "init" and folder == "classes" else parts)
        if folder == "nodes":
            name = parts[-1]
        found[name] = _parse(file, name, f"{folder}/{relative}", mistakes)
    return found


def _yaml_files(folder: Path) -> Iterator[Path]:
    for directory, _, names in os.walk(folder, followlinks=True):
        yield from (Path(directory, name) for name in names if name.endswith((".yml", ".yaml")))


def _parse(file: Path, name: str, shown: str, mistakes: Mistakes) -> TreeFile | None:
    try:
        content = yaml.load(file.read_text(encoding="utf-8"), StrictLoader) or {}
    except (yaml.YAMLError, UnicodeDecodeError) as exc:
        mark = getattr(exc, "problem_mark", None)
        where = f"{shown} line {mark.line + 1}" if mark else shown
        mistakes.add(where, f"is not valid YAML: {getattr(exc, 'problem', None) or exc}", incomplete=True)
        return None
    if not isinstance(content, dict):
        mistakes.add(shown, "is not a mapping of `classes` and `parameters`", incomplete=True)
        return None
    for key in content.keys() - set(TOP_LEVEL):
        mistakes.add(shown, f"reclass does not read the key {key!r}{did_you_mean(str(key), TOP_LEVEL)}")
    classes, parameters = content.get("classes") or [], content.get("parameters") or {}
    if not isinstance(classes, list) or not isinstance(parameters, dict):
        mistakes.add(shown, "`classes` must be a list and `parameters` a mapping", incomplete=True)
        return None
    absolute = tuple(_absolute(str(reference), name, file.stem == "init") for reference in classes)
    return TreeFile(name, shown, absolute, parameters)


def _absolute(reference: str, of: str, is_init: bool) -> str:
    """reclass's relative names: `.database` beside the class that names it."""
    if not reference.startswith("."):
        return reference
    dots = len(reference) - len(reference.lstrip("."))
    package = of.split(".") if is_init else of.split(".")[:-1]
    base = package[: len(package) - (dots - 1)]
    return ".".join([*base, reference[dots:]])


def _at(parameters: object, keys: tuple[str, ...]) -> object:
    for key in keys:
        if not isinstance(parameters, dict) or key not in parameters:
            return None
        parameters = parameters[key]
    return parameters
