"""What steps found to differ between machines, or made to, folded by equal nodes: many that are alike read as one.

Any step may leave it: under the keys that `runner/performers/differences.py` describes, or folded already, as a list
under `differences`, by a step that looked at many nodes.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

from saltus.journal.fold import RunState
from saltus.report.report import Differences, FileChange, PackageChange, PackageGroup


def differences(state: RunState) -> tuple[Differences, ...]:
    """One for each stage that has any."""
    found = []
    for stage in state.plan.stages:
        packages: dict[str, dict[str, PackageChange]] = {}
        files: dict[tuple[str, str], list[str]] = defaultdict(list)
        for step in stage.steps:
            evidence = state.steps[step.id].evidence
            for node, found_there in _mapping(evidence.get("packages")):
                packages.setdefault(node, {}).update({change.name: change for change in _changes(found_there)})
            for node, changes in _folded_already(evidence.get("differences")):
                packages.setdefault(node, {}).update({change.name: change for change in changes})
            for node, diffs in _mapping(evidence.get("files")):
                for path, diff in _mapping(diffs):
                    files[path, str(diff)].append(node)
        groups = _folded(packages)
        if groups or files:
            written = (FileChange(nodes=tuple(sorted(nodes)), path=p, diff=d) for (p, d), nodes in files.items())
            in_order = tuple(sorted(written, key=lambda file: (file.nodes, file.path)))
            found.append(Differences(stage=stage.id, packages=groups, files=in_order))
    return tuple(found)


def _folded(packages: Mapping[str, Mapping[str, PackageChange]]) -> tuple[PackageGroup, ...]:
    """Nodes with the same changes together; the largest group first."""
    nodes: dict[tuple[PackageChange, ...], list[str]] = defaultdict(list)
    for node, changes in packages.items():
        nodes[tuple(changes[name] for name in sorted(changes))].append(node)
    groups = [PackageGroup(nodes=tuple(sorted(names)), changes=changes) for changes, names in nodes.items() if changes]
    return tuple(sorted(groups, key=lambda group: (-len(group.nodes), group.nodes)))


def _changes(found: object) -> Iterable[PackageChange]:
    for name, versions in _mapping(found):
        if isinstance(versions, list | tuple) and len(versions) == 2:
            before, after = (None if version is None else str(version) for version in versions)
            yield PackageChange(name=name, before=before, after=after)


def _folded_already(found: object) -> Iterable[tuple[str, list[PackageChange]]]:
    """Of a step that looked at many nodes: `[{nodes, changes: [{package, installed, candidate, what}]}]`."""
    for table in found if isinstance(found, list) else ():
        fields = dict(_mapping(table))
        nodes, rows = fields.get("nodes"), fields.get("changes")
        if not isinstance(nodes, list) or not isinstance(rows, list):
            continue
        changes = []
        for row in (dict(_mapping(row)) for row in rows):
            before, after = row.get("installed"), None if row.get("what") == "remove" else row.get("candidate")
            named = PackageChange(
                name=str(row.get("package", "")),
                before=str(before) if before else None,
                after=str(after) if after else None,
            )
            changes.append(named)
        for node in nodes:
            yield str(node), changes


def _mapping(found: object) -> Iterable[tuple[str, object]]:
    return found.items() if isinstance(found, Mapping) else ()
