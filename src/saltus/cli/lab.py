"""The verbs of a lab: up, status, down, ssh, exec, and the demo."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterable
from typing import Any

from saltus.cli.command import DONE, FAILED, Command, Lister


class LabUp(Command):
    """Boot the model's cloud on this machine: real OpenStack services, a real QEMU guest. Needs root.

    The first time it builds images, deploys every role through Salt, moves a tenant in, and keeps a golden copy.
    Later it starts what is off, or with --pristine puts everything back to the golden copy.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("--pristine", action="store_true", help="back to the golden copy, whatever was done since")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> int:
        from saltus.cli.upgrades import EXIT, print_end
        from saltus.commands import lab
        from saltus.commands.workplace import Workplace
        from saltus.runner.progress import TerminalProgress

        progress = TerminalProgress()
        try:
            state = lab.up(Workplace(self.settings), progress, pristine=parsed_args.pristine)
        finally:
            progress.close()
        if state is not None and state.status != "done":
            print_end("that deploys the lab", state, again="saltus lab up")
            return EXIT.get(state.status, FAILED)
        print("the lab is up\nnext: saltus plan control --to epoxy")
        return DONE


class LabStatus(Lister):
    """List the lab's machines: state, address, release, size of the disk."""

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[tuple[str, ...], Iterable[tuple[Any, ...]]]:
        from saltus.commands import lab
        from saltus.commands.workplace import Workplace

        rows = [
            (m.machine, m.state, m.address, m.release, round(m.disk_bytes / 1024**2))
            for m in lab.status(Workplace(self.settings))
        ]
        return ("Machine", "State", "Address", "Release", "Disk MiB"), rows


class LabDown(Command):
    """Stop the lab; its disks are kept unless --destroy is given."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("--destroy", action="store_true", help="remove the machines with their disks and volumes")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> int:
        from saltus.commands import lab
        from saltus.commands.workplace import Workplace

        print("\n".join(lab.down(Workplace(self.settings), destroy=parsed_args.destroy)) or "nothing was up")
        return DONE


class LabSsh(Command):
    """Open a shell on a machine of the lab."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("machine")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> int:
        from saltus.commands.workplace import Workplace

        argv = list(Workplace(self.settings).provider.shell(parsed_args.machine))
        os.execvp(argv[0], argv)


class LabExec(Command):
    """Run a command on a machine of the lab; its exit code is ours."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("machine")
        parser.add_argument("argv", nargs=argparse.REMAINDER, metavar="COMMAND", help="the command and its arguments")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> int:
        from saltus.commands.workplace import Workplace

        done = Workplace(self.settings).provider.run(parsed_args.machine, parsed_args.argv, timeout_s=600)
        sys.stdout.write(done.stdout)
        sys.stderr.write(done.stderr)
        return done.returncode


class Demo(Command):
    """The main job in one command: a pristine Zed lab, its control plane moved to Epoxy, and the report.

    Everything is real. Gates are approved in the name `demo`, unseen. `saltus rollback` takes the cloud back.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("--to", metavar="RELEASE", default="epoxy", help="where to [epoxy]")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> int:
        from saltus.cli.upgrades import EXIT, print_end
        from saltus.commands import demo
        from saltus.commands.workplace import Workplace
        from saltus.runner.progress import TerminalProgress

        progress = TerminalProgress()
        try:
            run, state, text, path = demo.demo(Workplace(self.settings), parsed_args.to, progress)
        finally:
            progress.close()
        print(text)
        print_end(run, state)
        print(f"report: {path}\nnext: saltus rollback, or saltus accept", file=sys.stderr)
        return EXIT.get(state.status, FAILED)
