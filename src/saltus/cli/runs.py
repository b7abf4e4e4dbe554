"""The verbs that look at runs and steer them: runs, status, log, audit; approve, reject, pause, resume, abort, ..."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from saltus.cli.command import DONE, FAILED, WAITING, Command, Lister
from saltus.journal.fold import RunState
from saltus.runner.progress import has_expired, spell_expiry

Table = tuple[tuple[str, ...], Iterable[tuple[Any, ...]]]


class _RunMixin:
    """What these verbs share: the run's id or its beginning, and the journal, which is all they open."""

    settings: Any

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)  # type: ignore[misc]
        parser.add_argument("run", help="the id of the run, or its beginning")
        return parser

    def journal(self, typed: str = "") -> Any:
        """`typed` is what the verb writes into it in a person's own words."""
        from saltus.commands.typed import open_journal_for

        return open_journal_for(typed, self.settings, lambda text: print(f"note: {text}", file=sys.stderr))


class Runs(Lister):
    """List the runs of this journal, newest first."""

    def take_action(self, parsed_args: argparse.Namespace) -> Table:
        from saltus.commands.journals import open_journal
        from saltus.commands.runs import list_runs

        lines = list_runs(open_journal(self.settings))
        rows = [
            (
                line.run,
                line.cloud,
                line.status,
                f"{line.done}/{line.steps}",
                line.now,
                line.started_by,
                when(line.created_at),
            )
            for line in lines
        ]
        return ("Run", "Cloud", "Status", "Steps", "Now", "Started by", "Made"), rows


class Status(_RunMixin, Lister):
    """Show where a run stands: every step, and on stderr the gate that waits, who runs it, and what comes next.

    With --follow what happens is printed as it happens, until the run ends or stops.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("--follow", action="store_true", help="go on until the run ends or stops")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Table:
        from saltus.commands import runs

        journal = self.journal()
        if parsed_args.follow:
            for line in runs.follow(journal, parsed_args.run):
                print(f"[{line.at.astimezone():%H:%M:%S}] {line.text}", file=sys.stderr, flush=True)
        status = runs.show_status(journal, parsed_args.run)
        print(_headline(status), file=sys.stderr)
        rows = [
            (
                step.stage,
                step.title,
                step.status + (f" ({step.attempt})" if step.attempt > 1 else ""),
                "" if step.seconds is None else f"{step.seconds:.1f}",
                step.summary,
            )
            for step in status.steps
        ]
        return ("Stage", "Step", "Status", "Seconds", "Summary"), rows


def _headline(status: Any) -> str:
    line = status.line
    told = [
        f"{status.run}: {line.status}, {line.done} of {line.steps} steps"
        + (f": {status.reason}" if status.reason else "")
    ]
    if status.runner:
        told.append(f"run by process {status.runner.pid} on {status.runner.host}, started by {status.runner.by}")
    if status.gate and line.status not in ("done", "aborted"):
        until = spell_expiry(status.expires_at)
        told.append(f"gate {status.gate}: {status.question} ({status.answers} answers{until})")
        told.append(f"next: saltus {'run' if has_expired(status.expires_at) else 'approve'} {status.run}")
    elif line.status == "aborted":
        told.append(f"way back: {status.way_back}")
    elif line.status in ("paused", "failed", "interrupted", "ready", "created"):
        told.append(f"way back: {status.way_back}")
        told.append(f"next: saltus run {status.run}")
    return "\n".join(told)


class Log(_RunMixin, Lister):
    """List everything that happened in a run, or in one step of it."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("step", nargs="?", help="the id of a step: real-upgrade/db_sync-nova")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Table:
        from saltus.commands.runs import read_log

        lines = read_log(self.journal(), parsed_args.run, parsed_args.step)
        return ("#", "When", "Who", "What"), [(line.seq, when(line.at), line.by, line.text) for line in lines]


class Audit(_RunMixin, Lister):
    """List who started, answered, refused, paused, skipped and ended, from where, and whether signatures hold.

    `-f json` prints the whole record: the plan's fingerprint and every event as it stands in the journal.
    """

    def take_action(self, parsed_args: argparse.Namespace) -> Table:
        from saltus.commands.runs import audit

        lines = audit(self.journal(), parsed_args.run)
        rows = [(line.seq, when(line.at), line.by, line.what, line.text, line.origin, line.signature) for line in lines]
        return ("#", "When", "Who", "Kind", "What", "From", "Signature"), rows

    def run(self, parsed_args: argparse.Namespace) -> int:
        if getattr(parsed_args, "formatter", "table") != "json":
            return super().run(parsed_args)
        import json

        from saltus.cli.command import print_error
        from saltus.commands.runs import audit_record
        from saltus.errors import OperatorError

        try:
            print(json.dumps(audit_record(self.journal(), parsed_args.run), indent=1, ensure_ascii=False))
        except OperatorError as error:
            print_error(error)
            return FAILED
        return DONE


class _Answer(_RunMixin, Command):
    approve: bool

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("gate", nargs="?", help="the gate [the one that waits]")
        parser.add_argument("--comment", default="", help="for the record and the report")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> int:
        from saltus.commands import runs
        from saltus.commands.identity import who_acts

        journal = self.journal(parsed_args.comment)
        verb = runs.approve if self.approve else runs.reject
        answer = verb(journal, parsed_args.run, who_acts(journal), gate=parsed_args.gate, comment=parsed_args.comment)
        status = runs.show_status(journal, parsed_args.run)
        print(f"{answer.gate} {'approved' if self.approve else 'rejected'} by {answer.by}")
        if status.gate == answer.gate:
            print(f"it waits for more: {status.answers}")
            return WAITING
        if status.runner is None:
            print(f"next: saltus run {status.run}")
        return DONE


class Approve(_Answer):
    """Approve the gate that waits. The answer is signed and bound to the plan's fingerprint and this asking."""

    approve = True


class Reject(_Answer):
    """Reject the gate that waits: the run ends; its stage says how to go back."""

    approve = False


class Pause(_RunMixin, Command):
    """Pause a run when its running step is done."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("--because", default="", help="for the record")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> int:
        from saltus.commands import runs
        from saltus.commands.identity import who_acts

        journal = self.journal(parsed_args.because)
        run = runs.pause(journal, parsed_args.run, who_acts(journal), reason=parsed_args.because)
        print(f"{run} pauses when its running step is done\nnext: saltus run {run}")
        return DONE


class Resume(_RunMixin, Command):
    """Take a pause back before it takes hold. A run that has paused is taken up with `saltus run`.

    A run that paused because the cloud is not as it should be by now goes on in spite of it with --accept-drift: the
    differences that were shown, and no others, on record with the name of who accepted them.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("--accept-drift", action="store_true", help="take the cloud as it was found")
        parser.add_argument("--because", default="", help="why it is accepted; for the record")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> int:
        from saltus.commands import runs
        from saltus.commands.identity import who_acts

        journal = self.journal(parsed_args.because)
        if parsed_args.accept_drift:
            run = runs.accept_drift(journal, parsed_args.run, who_acts(journal), comment=parsed_args.because)
            print(f"{run} takes the cloud as it was found\nnext: saltus run {run}")
            return DONE
        run = runs.resume(journal, parsed_args.run, who_acts(journal))
        goes_on = journal.leases.holder(run) is not None
        print(f"{run} goes on" if goes_on else f"nobody runs {run}\nnext: saltus run {run}")
        return DONE


class Abort(_RunMixin, Command):
    """End a run for good when its running step is done, at once when nobody runs it; its way back is offered as a plan.

    Before the window that plan destroys what the run created; from the window on it is the rollback.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("--because", default="", help="for the record")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> int:
        from saltus.commands import upgrades
        from saltus.commands.identity import who_acts
        from saltus.commands.workplace import Workplace

        journal = self.journal(parsed_args.because)
        who = who_acts(journal)
        run, state = upgrades.abort(Workplace(self.settings), journal, parsed_args.run, who, reason=parsed_args.because)
        if not state.is_over:
            print(f"{run} ends when its running step is done, and then offers its way back\nnext: saltus status {run}")
            return DONE
        print(f"{run} is aborted")
        print_way_back(state)
        return DONE


def print_way_back(state: RunState) -> None:
    """What takes an aborted run back, and the command for it."""
    offered = state.way_back
    if offered is None:
        return
    print(f"way back: {offered.says}")
    if offered.plan:
        short = offered.plan[:12]
        print(f"plan {short} is ready; to read it: saltus plan show {short}\nnext: saltus run {short}")


class Retry(_RunMixin, Command):
    """Do again what failed or whose outcome is unknown; with --from, that step and everything behind it."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("--from", dest="step", metavar="STEP", help="the id of a step")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> int:
        from saltus.commands import runs
        from saltus.commands.identity import who_acts

        journal = self.journal()
        run = runs.retry(journal, parsed_args.run, who_acts(journal), step=parsed_args.step)
        print(f"next: saltus run {run}")
        return DONE


class Skip(_RunMixin, Command):
    """Take a step out of a run, with the reason on record."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("step", help="the id of a step")
        parser.add_argument("--because", required=True, help="why; for the record and the report")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> int:
        from saltus.commands import runs
        from saltus.commands.identity import who_acts

        journal = self.journal(parsed_args.because)
        run = runs.skip(journal, parsed_args.run, who_acts(journal), step=parsed_args.step, because=parsed_args.because)
        print(f"{parsed_args.step} is skipped\nnext: saltus run {run}")
        return DONE


def when(at: datetime) -> str:
    return f"{at.astimezone():%Y-%m-%d %H:%M:%S}"
