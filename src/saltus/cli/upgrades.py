"""The verbs of an upgrade: plan, run, rollback, accept, report."""

from __future__ import annotations

import argparse
import contextlib
import sys
from pathlib import Path

from saltus.cli.command import DONE, FAILED, WAITING, Command
from saltus.cli.runs import print_way_back
from saltus.commands.durations import duration
from saltus.errors import because_line
from saltus.journal.fold import RunState
from saltus.plan import Plan

EXIT = {"done": DONE, "waiting": WAITING, "paused": WAITING}


class Planner(Command):
    """Common to all plans: print it, and the command that runs it."""

    def _shown(self, plan: Plan, as_json: bool) -> int:
        from saltus.plan.text import write_plan

        print(plan.to_json() if as_json else write_plan(plan), end="")
        if not as_json:
            print(f"next: saltus run {plan.short}")
        return DONE

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("-f", "--format", choices=("text", "json"), default="text", help="text for people [text]")
        return parser


class PlanControl(Planner):
    """Plan to move the control plane to another release: nothing is touched.

    The plan's stages:
    * check: take the facts again, keep the API lists
    * rehearse: clone the databases, run every db_sync on the clone, start the target's APIs on it, compare; gate
    * prepare: build the idle slot while the old one serves
    * real-upgrade: stop, freeze, db_sync, start, verify, switch
    * verify: lists, an instance on an old compute, old machines off; gate
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("--to", metavar="RELEASE", help="epoxy, 2025.1, ... [the model's openstack_release]")
        parser.add_argument("--expires", metavar="TIME", help="gates expire after 90m, 2h, 1d, ... [never]")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> int:
        from saltus.commands import upgrades
        from saltus.commands.workplace import Workplace

        expires = duration(parsed_args.expires) if parsed_args.expires else None
        plan = upgrades.plan_control(Workplace(self.settings), parsed_args.to, expires_after=expires)
        return self._shown(plan, parsed_args.format == "json")


class PlanRehearse(Planner):
    """Plan a rehearsal of the control plane's upgrade alone, on a clone of the running cloud's databases."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("--to", metavar="RELEASE", help="epoxy, 2025.1, ... [the model's openstack_release]")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> int:
        from saltus.commands import upgrades
        from saltus.commands.workplace import Workplace

        plan = upgrades.plan_rehearsal(Workplace(self.settings), parsed_args.to)
        return self._shown(plan, parsed_args.format == "json")


class PlanRollback(Planner):
    """Plan the way back of an upgrade that is not accepted: databases to the freeze, old machines, switch."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        _add_discard(parser)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> int:
        from saltus.commands import upgrades
        from saltus.commands.workplace import Workplace

        plan = upgrades.plan_rollback(Workplace(self.settings), discard_writes=parsed_args.discard_writes)
        return self._shown(plan, parsed_args.format == "json")


class PlanAccept(Planner):
    """Plan to give the way back up: the old machines and the frozen databases are removed."""

    def take_action(self, parsed_args: argparse.Namespace) -> int:
        from saltus.commands import upgrades
        from saltus.commands.workplace import Workplace

        return self._shown(upgrades.plan_accept(Workplace(self.settings)), parsed_args.format == "json")


class PlanShow(Planner):
    """Show a plan that was made: as a person reads it, or as the JSON whose fingerprint it is known by."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("plan", help="the beginning of its fingerprint")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> int:
        from saltus.commands.workplace import Workplace

        plan = Workplace(self.settings).journal.find_plan(parsed_args.plan)
        return self._shown(plan, parsed_args.format == "json")


class _RunCommand(Command):
    """Common to what runs a plan: who answers its gates, and how it ends."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("--approve-as", metavar="NAME", help="approve every gate, unseen, in this name: for labs")
        return parser

    def _run(self, name: str, approve_as: str | None, *, wait: bool = False) -> int:
        from saltus.commands import reporting, upgrades
        from saltus.commands.workplace import Workplace
        from saltus.report.text import render
        from saltus.runner.progress import TerminalProgress

        workplace = Workplace(self.settings)
        progress = TerminalProgress()
        try:
            run, state = upgrades.run(workplace, name, upgrades.asker(workplace, approve_as, wait=wait), progress)
        finally:
            progress.close()
        if state.status == "done":
            print(render(reporting.make_report(workplace, run)))
        print_end(run, state)
        return EXIT.get(state.status, FAILED)


class Run(_RunCommand):
    """Run a plan, or resume a run: finished steps are never done again.

    Ctrl-C once pauses after the running step, twice stops at once; either way the same command resumes.
    Exit codes: 0 done, 1 failed, 3 waits for an approval or is paused, 130 interrupted.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("plan", help="the beginning of a plan's fingerprint, or the id of a run")
        parser.add_argument("--wait", action="store_true", help="without a terminal, wait at gates for saltus approve")
        parser.add_argument(
            "--detach", action="store_true", help="run in the background; gates wait for saltus approve"
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> int:
        if parsed_args.detach:
            return self._detach(parsed_args.plan, parsed_args.approve_as)
        return self._run(parsed_args.plan, parsed_args.approve_as, wait=parsed_args.wait)

    def _detach(self, name: str, approve_as: str | None) -> int:
        from saltus.commands import upgrades
        from saltus.commands.workplace import Workplace

        run, pid, output = upgrades.run_detached(Workplace(self.settings), name, approve_as=approve_as)
        print(f"{run} runs in process {pid}, its output is {output}\nnext: saltus status {run} --follow")
        return DONE


class Rollback(_RunCommand):
    """Take the control plane back: plans the rollback, shows it, and runs it; its gate asks before anything is lost."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        _add_discard(parser)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> int:
        from saltus.commands import upgrades
        from saltus.commands.workplace import Workplace
        from saltus.plan.text import write_plan

        plan = upgrades.plan_rollback(Workplace(self.settings), discard_writes=parsed_args.discard_writes)
        print(write_plan(plan), file=sys.stderr)
        return self._run(plan.fingerprint, parsed_args.approve_as)


class Accept(_RunCommand):
    """Keep the new release for good: plans and runs the removal of the way back; its gate asks first.

    An accept that was begun and is not over is gone on with.
    """

    def take_action(self, parsed_args: argparse.Namespace) -> int:
        from saltus.commands import upgrades
        from saltus.commands.workplace import Workplace
        from saltus.plan.text import write_plan

        workplace = Workplace(self.settings)
        if run := upgrades.unfinished_accept(workplace):
            print(f"{run} was begun and is not over: going on with it", file=sys.stderr)
            return self._run(run, parsed_args.approve_as)
        plan = upgrades.plan_accept(workplace)
        print(write_plan(plan), file=sys.stderr)
        return self._run(plan.fingerprint, parsed_args.approve_as)


class ReportCommand(Command):
    """Report what a run came to: stages, versions, what users noticed, who approved, the way back."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("run", nargs="?", help="the id of the run [the last one]")
        parser.add_argument(
            "-f", "--format", choices=("markdown", "json", "html"), help="[by the name of FILE; markdown]"
        )
        parser.add_argument("-o", "--output", metavar="FILE", type=Path, help="write it there")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> int:
        from saltus.commands import reporting, upgrades
        from saltus.commands.workplace import Workplace
        from saltus.report.html import render_html
        from saltus.report.text import render

        workplace = Workplace(self.settings)
        report = reporting.make_report(workplace, parsed_args.run or upgrades.latest_run(workplace))
        by_name = {".json": "json", ".html": "html", ".htm": "html"}
        name = parsed_args.output.suffix.lower() if parsed_args.output else ""
        write = {"json": lambda report: report.model_dump_json(indent=1), "html": render_html, "markdown": render}
        text = write[parsed_args.format or by_name.get(name, "markdown")](report)
        if parsed_args.output:
            parsed_args.output.write_text(text + "\n")
            print(f"written: {parsed_args.output}")
        else:
            print(text)
        return DONE


def print_end(run: str, state: RunState, *, again: str | None = None) -> None:
    """How it ended and the one command that comes next, on stderr; `again` is what takes an unfinished run up."""
    for step, failure in state.failures():
        print(
            f"failed: {step}\nerror: {failure.what}\n{because_line(failure.because)}\ndo: {failure.do}",
            file=sys.stderr,
        )
    print(f"run {run}: {state.status}{': ' + state.reason if state.reason else ''}", file=sys.stderr)
    following = {
        "done": f"saltus report {run}",
        "waiting": f"saltus approve {run}",
        "paused": again or f"saltus run {run}",
        "failed": again or f"saltus run {run}",
    }.get(state.status)
    if following:
        print(f"next: {following}", file=sys.stderr)
    with contextlib.redirect_stdout(sys.stderr):
        print_way_back(state)


def _add_discard(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--discard-writes", action="store_true", help="lose what tenants wrote since the upgrade; it is listed first"
    )
