"""Performers of what is done to packages: compared, kept, upgraded, put back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import JsonValue

from saltus.errors import OperatorError
from saltus.plan.data_plane import ComparePackages, RecordNodes, RestoreNodes, UpgradePackages
from saltus.runner.performer import Outcome, StepContext
from saltus.runner.performers.fanout import Tally, fan_out, open_tally
from saltus.runner.performers.ground import Ground

COMPARE_S = 900.0
KEEP_S = 1800.0
SHOWN = 12
"""So many packages of each kind stand in a summary; all of them in the evidence."""


@dataclass(frozen=True)
class PackageComparer:
    """Nodes with the same difference are one entry of the evidence: a fleet has few kinds of nodes."""

    ground: Ground

    def perform(self, action: ComparePackages, context: StepContext) -> Outcome:
        tally, nodes = Tally(context), list(action.nodes)
        self.ground.fleet.sync_modules(nodes)
        tables: dict[str, Any] = {}
        of_node: dict[str, str] = {}

        def digested(node: str, answer: Any) -> JsonValue:
            key = of_node[node] = str(answer["digest"])
            tables.setdefault(key, {name: value for name, value in answer.items() if name != "seconds"})
            return key

        for packages, alike in by_packages(self.ground, nodes, action.release, action.suite):
            fan_out(
                self.ground,
                context,
                tally,
                alike,
                "saltus_packages.difference",
                action.suite,
                packages,
                list(action.held),
                action.whole,
                timeout_s=COMPARE_S,
                digest=digested,
            )
        refuse_failures("the packages could not be compared", tally)
        folded: list[Any] = [
            {"nodes": sorted(node for node, key in of_node.items() if key == digest), **table}
            for digest, table in tables.items()
        ]
        blocked = {", ".join(table["nodes"]): table["blocked"] for table in folded if table["blocked"]}
        if blocked:
            context.note({"differences": folded})
            raise OperatorError(
                what=f"the packages of {', '.join(blocked)} cannot be upgraded to {action.release}",
                because="; ".join(f"{nodes}: {why}" for nodes, why in blocked.items()),
                do="release what is held (apt-mark unhold PACKAGE), or mend the model's sources; nothing was touched",
            )
        return Outcome("; ".join(_told(table) for table in folded), {"differences": folded})


def _told(table: dict[str, Any]) -> str:
    """`cmp01: 612 upgraded, 80 new, 2 removed (a, b); 307 MiB to fetch`."""
    kinds = {"upgrade": "upgraded", "install": "new", "remove": "removed", "downgrade": "DOWNGRADED"}
    parts = []
    for what, word in kinds.items():
        names = [change["package"] for change in table["changes"] if change["what"] == what]
        if names:
            shown = f" ({', '.join(names[:SHOWN])}{', ...' if len(names) > SHOWN else ''})"
            parts.append(f"{len(names)} {word}{shown if what in ('remove', 'downgrade') else ''}")
    for key, word in (("held", "held"), ("kept_back", "kept back")):
        names = [entry["package"] if isinstance(entry, dict) else entry for entry in table[key]]
        if names:
            parts.append(f"{len(names)} {word} ({', '.join(names[:SHOWN])})")
    fetched = f"{table['download_bytes'] / 1024**2:.0f} MiB to fetch"
    return f"{', '.join(table['nodes'])}: {', '.join(parts) or 'nothing to change'}; {fetched}"


@dataclass(frozen=True)
class NodeRecorder:
    ground: Ground

    def perform(self, action: RecordNodes, context: StepContext) -> Outcome:
        tally, nodes = open_tally(context, action.nodes)
        if nodes:
            self.ground.fleet.sync_modules(nodes)
        facts = self.ground.gather()
        releases: dict[str, list[str]] = {}
        for node in nodes:
            found = facts.machines.get(node)
            releases.setdefault((found.release if found else None) or context.plan.source, []).append(node)
        for release, alike in releases.items():
            fan_out(
                self.ground, context, tally, alike, "saltus_way_back.record", context.run, release, timeout_s=KEEP_S
            )
        return tally.outcome("can return to what they are")


@dataclass(frozen=True)
class NodeRestorer:
    """The pillar speaks of the older release again before anything is restarted."""

    ground: Ground

    def perform(self, action: RestoreNodes, context: StepContext) -> Outcome:
        tally, nodes = open_tally(context, action.nodes)
        if nodes:
            self.ground.fleet.sync_modules(nodes)
        fan_out(self.ground, context, tally, nodes, "saltus_way_back.restore", timeout_s=KEEP_S)
        for node, answer in tally.worked.items():  # also of an attempt that was cut short
            if isinstance(answer, dict):
                self.ground.record_release(node, str(answer["release"]))
                self.ground.relabel(node, str(answer["release"]))
        changed: dict[str, JsonValue] = {
            n: a["differences"] for n, a in tally.worked.items() if isinstance(a, dict) and a["differences"]
        }
        outcome = tally.outcome("have the packages and the configuration that were kept", differences=changed)
        if changed:
            return Outcome(f"{outcome.summary}; but {len(changed)} differ from it", outcome.evidence)
        return outcome


@dataclass(frozen=True)
class PackageUpgrader:
    ground: Ground

    def perform(self, action: UpgradePackages, context: StepContext) -> Outcome:
        tally, nodes = open_tally(context, action.nodes)
        if nodes:
            self.ground.fleet.sync_modules(nodes)
        for packages, alike in by_packages(self.ground, nodes, action.release, action.suite):
            fan_out(
                self.ground,
                context,
                tally,
                alike,
                "saltus_packages.upgrade",
                context.run,
                action.suite,
                packages,
                list(action.held),
                action.whole,
                action.timeout_s,
                timeout_s=action.timeout_s + 60,
                retries=action.retries,
            )
        return tally.outcome("upgraded")


def by_packages(
    ground: Ground, nodes: Sequence[str], release: str, suite: str
) -> Iterator[tuple[list[str], list[str]]]:
    """(packages of their roles, nodes) of the nodes whose roles are the same: one job each."""
    groups: dict[tuple[str, ...], list[str]] = {}
    roles_of = {machine.name: node.roles for node in ground.cloud.nodes for machine in node.machines()}
    for name in nodes:
        groups.setdefault(roles_of[name], []).append(name)
    for roles, alike in groups.items():
        yield list(ground.catalog.roles.packages(roles, release, suite)), alike


def refuse_failures(what: str, tally: Tally) -> None:
    """Where a step is all or nothing: raise what failed on any node."""
    if tally.failed:
        raise OperatorError(
            what=f"{what} on {', '.join(sorted(tally.failed))}",
            because="; ".join(f"{node}: {why}" for node, why in sorted(tally.failed.items())),
            do="mend the cause and `saltus run` again; nothing was touched",
        )
