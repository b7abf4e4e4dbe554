"""`saltus web`: serve the page."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from saltus.cli.command import DONE, Command
from saltus.errors import OperatorError


class Web(Command):
    """Serve the page: runs as they go, their evidence, and the buttons of their gates.

    On the first start, when there are no accounts, a token is printed that lets in once, for a day, as `admin`. From
    then on everybody needs an account, at the command line too: saltus user add NAME --role approver.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("--listen", metavar="ADDRESS", default="127.0.0.1", help="[127.0.0.1]")
        parser.add_argument("--port", type=int, default=8470, help="[8470]")
        parser.add_argument("--certificate", metavar="FILE", type=Path, help="speak TLS: the certificate chain, PEM")
        parser.add_argument("--key", metavar="FILE", type=Path, help="its key")
        parser.add_argument("--behind-tls", action="store_true", help="a proxy in front speaks TLS to the browsers")
        parser.add_argument("--oidc-issuer", metavar="URL", help="log in by OpenID Connect: the provider's address")
        parser.add_argument("--oidc-client", metavar="ID", help="what the provider calls this page")
        parser.add_argument("--oidc-secret", metavar="FILE", type=Path, help="a file of what the page proves it with")
        parser.add_argument(
            "--oidc-claim", metavar="NAME", default="preferred_username",
            help="what the provider says that is the name of an account [preferred_username]",
        )  # fmt: skip
        parser.add_argument(
            "--dumps", metavar="DIR", type=Path,
            help="what the page may rehearse on: directories of dumps in it, and option files of servers, *.cnf",
        )  # fmt: skip
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> int:
        from saltus.commands.web import Desk, first_token
        from saltus.commands.workplace import Workplace
        from saltus.web.provider import read_provider
        from saltus.web.serve import Door, check_door, serve
        from saltus.web.site import Site

        door = Door(
            parsed_args.listen, parsed_args.port, parsed_args.certificate, parsed_args.key, parsed_args.behind_tls
        )
        check_door(door)
        if parsed_args.dumps and not parsed_args.dumps.is_dir():
            raise OperatorError(
                what=f"--dumps {parsed_args.dumps} names no directory",
                because="what may be rehearsed on from the page lies in one",
                do="make it, and put dumps or option files of servers into it",
            )
        provider = read_provider(
            parsed_args.oidc_issuer, parsed_args.oidc_client, parsed_args.oidc_secret, parsed_args.oidc_claim
        )
        workplace = Workplace(self.settings)
        desk = Desk(workplace, dumps=parsed_args.dumps)
        site = Site(
            workplace.journal,
            desk,
            behind_tls=door.behind_tls or door.certificate is not None,
            provider=provider,
        )
        if token := first_token(workplace.journal):
            print(f"the first account is admin; this token lets in once, for a day: {token}", flush=True)
        print(f"serving {door.url}", file=sys.stderr, flush=True)
        serve(site, door)
        return DONE
