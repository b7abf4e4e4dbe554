"""schemathesis sends the API what its own description allows, and much that it does not: no answer is a 500.

Each operation is tried with ids that exist and with ids that do not.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from browsing import PEOPLE
from hypothesis import HealthCheck, settings
from page_cloud import FakeDesk, Worker, journal_url, make_plan, run_here

from saltus.journal.signatures import Signer
from saltus.journal.store import Journal
from saltus.web.api import describe_api
from saltus.web.app import make_app
from saltus.web.site import Site

schemathesis = pytest.importorskip("schemathesis")
from schemathesis.checks import load_all_checks, not_a_server_error  # noqa: E402
from schemathesis.specs.openapi.checks import (  # noqa: E402
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

load_all_checks()
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


class Current:
    """The page that is asked: the operations are known before there is one."""

    app: Any = None
    token = ""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self.app(scope, receive, send)


current = Current()
schema = schemathesis.openapi.from_dict(describe_api())
schema.app = current


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """A run that waits at its gate, its plan, an account: what ids can name. `current` is the page that has them."""
    place = tmp_path_factory.mktemp("fuzz")
    journal = Journal(journal_url(place), signer=Signer.from_file(place / "journal.key"))
    for name, role in PEOPLE.items():
        journal.accounts.create(name, role, by="root")
    current.app = make_app(Site(journal, FakeDesk(journal, place)))
    run = journal.create_run(make_plan(), by="ann")
    run_here(journal, run, Worker())
    current.token = journal.accounts.new_token("bob", lifetime=timedelta(hours=1))
    token = journal.accounts.new_token("eve", lifetime=timedelta(hours=1)).split("_")[1]
    yield {"run": run, "plan": journal.find_run(run).fingerprint, "name": "eve", "token": token, "release": "epoxy"}
    journal.close()


@schema.parametrize()
@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
def test_no_answer_of_the_api_is_a_mistake_of_ours(case: Any, known: dict[str, str]) -> None:
    if case.path_parameters and sum(map(ord, str(case.path_parameters))) % 2:  # every second one names what there is
        case.path_parameters = {name: known.get(name, value) for name, value in case.path_parameters.items()}
    case.call_and_validate(checks=CHECKS, headers={"Authorization": f"Bearer {current.token}"})
