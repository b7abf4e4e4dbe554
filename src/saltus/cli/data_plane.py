"""The verbs of the data plane: plan the upgrade of computes or gateways, or the way back of some of them."""

from __future__ import annotations

import argparse

from saltus.cli.upgrades import Planner


class PlanRolling(Planner):
    """Common to the plans of the data plane."""

    def _plan(self, kind: str, wished: argparse.Namespace) -> int:
        from saltus.commands.planning import KINDS, PlanRequest
        from saltus.commands.workplace import Workplace

        if wished.rollback:
            request = PlanRequest(f"{kind}-rollback", nodes=" ".join(wished.rollback))
        else:
            request = PlanRequest(
                kind,
                to=wished.to or "",
                target=wished.target,
                limit=wished.limit or "",
                exclude=wished.exclude or "",
                test=wished.test,
                sample=wished.sample,
                batch=wished.batch,
                max_failures=wished.max_failures,
                pause=wished.pause or "",
                window=wished.window or "",
                expires=wished.expiry,
            )
        return self._shown(KINDS[request.kind].make(Workplace(self.settings), request), wished.format == "json")


class PlanCompute(PlanRolling):
    """Plan to move computes to the release of the control plane, or to return some of them: nothing is touched.

    The plan's stages:
    * test: what would change, package by package, on a few nodes; nothing on them is changed; gate
    * sample: the whole upgrade on a few nodes, proved by an instance on each; a gate that expires, and then aborts
    * all: the others in batches, until more nodes have failed than the budget allows
    * finish: gate, since no compute can return behind it; the workaround for old computes removed, nova-status,
      online data migrations, pins of RPC versions

    Targets are Salt's: 'cmp*', 'I@nova:compute and not cmp03'.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        _add_wishes(parser, nodes="computes", target="I@nova:compute", batch="100%")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> int:
        return self._plan("compute", parsed_args)


class PlanGateway(PlanRolling):
    """Plan to move gateways to the release of the control plane, or to return some of them: nothing is touched.

    Stages and options are those of `saltus plan compute`, without its end. Routers, DHCP and metadata are moved to
    other gateways before one is upgraded, and back when it works again.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        _add_wishes(parser, nodes="gateways", target="I@neutron:gateway", batch="1")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> int:
        return self._plan("gateway", parsed_args)


def _add_wishes(parser: argparse.ArgumentParser, *, nodes: str, target: str, batch: str) -> None:
    parser.add_argument("--to", metavar="RELEASE", help="epoxy, 2025.1, ... [the model's openstack_release]")
    parser.add_argument("-T", "--target", default=target, help=f"which {nodes} [{target}]")
    parser.add_argument("--limit", metavar="TARGET", help="of those, only these")
    parser.add_argument("--exclude", metavar="TARGET", help="of those, not these")
    parser.add_argument("--test", metavar="N", type=int, default=1, help="look at the packages of so many [1]")
    parser.add_argument("--sample", metavar="N", type=int, default=1, help="upgrade so many first [1]")
    shown = batch.replace("%", "%%")
    groups = ", or zone, rack, aggregate" if nodes == "computes" else ""
    parser.add_argument("--batch", metavar="SIZE", default=batch, help=f"nodes, 25%%{groups} [{shown}]")
    parser.add_argument("--max-failures", metavar="N", type=int, default=0, help="pause when more have failed [0]")
    parser.add_argument("--pause", metavar="TIME", help="between batches: 45s, 10m, ... [none]")
    parser.add_argument("--window", metavar="FROM-TO", help="begin a batch only then: 22:00-06:00 [always]")
    parser.add_argument("--expiry", metavar="TIME", default="2h", help="abort when the sample's gate waits so long")
    parser.add_argument("--rollback", metavar="NODE", nargs="+", help="return these to what they were before")
