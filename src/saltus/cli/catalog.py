"""`saltus catalog`, `saltus toolbox` and `saltus rehearse`: knowledge, tools, and a rehearsal that needs no cloud."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from saltus.cli.command import DONE, FAILED, WAITING, Command, Lister

_EXIT = {"done": DONE, "paused": WAITING, "waiting": WAITING}


class CatalogList(Lister):
    """List the releases that the catalogue knows."""

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        from saltus.commands import catalog

        return catalog.list_releases()


class CatalogShow(Lister):
    """Show one release: versions, schema heads, and how old a database its code takes on."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("release", help="epoxy, 2025.1, ...")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        from saltus.commands import catalog

        return catalog.show_release(parsed_args.release)


class CatalogDiff(Lister):
    """Show what changes between two releases for whoever takes the databases along."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("older")
        parser.add_argument("newer")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        from saltus.commands import catalog

        return catalog.diff_releases(parsed_args.older, parsed_args.newer)


class CatalogRoute(Lister):
    """Find the fewest stops for a service's databases between two releases, and say why each is needed."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("service", help="nova, neutron, ...")
        parser.add_argument("source")
        parser.add_argument("target")
        parser.add_argument("--any-source", action="store_true", help="also by packages that the registry lacks")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        from saltus.commands import catalog

        found = catalog.route(
            parsed_args.service, parsed_args.source, parsed_args.target, with_sources=parsed_args.any_source
        )
        return catalog.route_table(found)


class ToolboxBuild(Command):
    """Build the manage tools of a release from the Python registry, pinned by its upper constraints.

    What it does:
    * find an interpreter that the release runs on
    * install the services' packages into one environment, or one a service where their pins do not agree
    * start every manage tool once
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("release")
        parser.add_argument("services", nargs="*", help="all that the registry has, when none is named")
        _add_sources(parser)
        _add_toolboxes(parser)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> int:
        from saltus.commands import toolboxes

        shelf = toolboxes.shelf(self.settings, parsed_args.toolboxes)
        built = toolboxes.build_toolbox(
            shelf, parsed_args.release, parsed_args.services, _sources(parsed_args), say=_say
        )
        print(f"{built.release}: {', '.join(built.record.packages.values())}")
        print(f"next: saltus toolbox check {built.release}")
        return DONE


class ToolboxList(Lister):
    """List the toolboxes that are ready."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        _add_toolboxes(parser)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        from saltus.commands import toolboxes

        return toolboxes.list_toolboxes(toolboxes.shelf(self.settings, parsed_args.toolboxes))


class ToolboxCheck(Lister):
    """Start every manage tool of a toolbox, of all when none is named; needs no network."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("release", nargs="?")
        _add_toolboxes(parser)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        from saltus.commands import toolboxes

        return toolboxes.check_toolboxes(toolboxes.shelf(self.settings, parsed_args.toolboxes), parsed_args.release)


class Rehearse(Command):
    """Rehearse the databases' way to another release on dumps, or on a clone of a running server: both are only read.

    What it does:
    * load the dumps into a private MariaDB, or clone the server into it, and recognise their release
    * find the fewest stops for every service, and build the tools of each
    * run every manage command, and compare the schema versions after each
    * count the rows before and after, and ask them what exit codes do not say
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        origin = parser.add_mutually_exclusive_group(required=True)
        origin.add_argument("--dump", metavar="DIR", type=Path, help="dumps, mydumper or mariabackup")
        origin.add_argument(
            "--from-server",
            metavar="FILE",
            type=Path,
            help="option file of MariaDB's clients: [client] with host or socket, user and password",
        )
        parser.add_argument("--from", dest="coming_from", metavar="RELEASE", help="[recognised by the schemas]")
        parser.add_argument("--to", dest="target", metavar="RELEASE", required=True)
        parser.add_argument("--service", action="append", metavar="NAME", help="only this; may be given several times")
        parser.add_argument("--keep", action="store_true", help="keep the clone when all is done")
        parser.add_argument("-f", "--format", choices=("text", "json"), default="text")
        _add_sources(parser)
        _add_toolboxes(parser)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> int:
        from saltus.commands import rehearsal
        from saltus.database.private import PrivateServer
        from saltus.database.running import RunningServer
        from saltus.report.rehearsal import render_rehearsal
        from saltus.runner.progress import TerminalProgress

        origin = parsed_args.dump or RunningServer(parsed_args.from_server)
        progress = TerminalProgress()
        try:
            done = rehearsal.rehearse(
                self.settings,
                origin,
                parsed_args.target,
                source=parsed_args.coming_from,
                services=parsed_args.service,
                sources=_sources(parsed_args),
                toolboxes=parsed_args.toolboxes,
                keep=parsed_args.keep,
                progress=progress,
                say=progress.note,
            )
        finally:
            progress.close()
        report = rehearsal.report_of(done)
        text = report.model_dump_json(indent=1) + "\n" if parsed_args.format == "json" else render_rehearsal(report)
        print(text, end="")
        if done.state.status != "done" and parsed_args.format == "text":
            print(f"next: put right what is said above, then: {' '.join(sys.argv)}")
        elif parsed_args.keep and parsed_args.format == "text":
            print(f"next: {PrivateServer(done.directory / 'mariadb').how_to_look}")
            print(f"and when you have seen enough: rm -r {done.directory}")
        return _EXIT.get(done.state.status, FAILED)


def _add_sources(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--source",
        action="append",
        default=[],
        metavar="SERVICE=PATH",
        help="a wheel, sdist, directory or git checkout of a package that the registry lacks",
    )


def _add_toolboxes(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--toolboxes", metavar="DIR", type=Path, help="where toolboxes are kept [state]/toolboxes")


def _sources(parsed_args: argparse.Namespace) -> dict[str, Path]:
    from saltus.commands.toolboxes import read_sources

    return read_sources(parsed_args.source)


def _say(text: str) -> None:
    print(text, file=sys.stderr)
