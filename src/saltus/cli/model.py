"""The verbs of a model: whether it holds."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

from saltus.cli.command import DONE, Command


class ModelCheck(Command):
    """Read a model and check it against the catalogue: every mistake at once, or what it describes.

    Outside the lab (`cloud:lab: true`) a secret that stands there unencrypted is a mistake, in tree and secret store.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("directory", nargs="?", type=Path, help="the reclass tree [as --model]")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> int:
        from saltus.commands.models import check_model

        settings = self.settings
        if parsed_args.directory:
            settings = replace(settings, model=parsed_args.directory.expanduser().resolve())
        cloud = check_model(settings)
        print(
            f"{cloud.name} on {cloud.release}: {len(cloud.nodes)} nodes, {len(cloud.machines())} machines, no mistake"
        )
        for node in cloud.nodes:
            names = ", ".join(f"{machine.name} {machine.address}" for machine in node.machines())
            print(f"{names}: {', '.join(node.roles)}")
        return DONE
