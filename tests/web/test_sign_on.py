"""Signing on at a real provider of OpenID Connect, which a process of its own would be in an organisation."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx2
import oidc_provider_mock
import pytest
from conftest import Page
from starlette.testclient import TestClient

from saltus.errors import OperatorError
from saltus.web.access import cookie_name
from saltus.web.provider import Provider, read_provider

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # the provider's own

SECRET = "of the page and the provider"


@pytest.fixture(scope="module")
def issuer() -> Iterator[str]:
    with oidc_provider_mock.run_server_in_thread() as server:
        yield f"http://localhost:{server.server_port}"


@pytest.fixture
def provided(page: Page, issuer: str) -> Page:
    page.site.provider = Provider(issuer, "saltus", SECRET)
    return page


def known_there(issuer: str, **claims: object) -> str:
    """Somebody whom the provider knows so; returns the subject."""
    httpx2.put(f"{issuer}/users/{claims['sub']}", json=claims).raise_for_status()
    return str(claims["sub"])


def away(client: TestClient, after: str = "/") -> str:
    """Where the page sends the browser."""
    answer = client.get("/login/oidc/away", params={"next": after})
    assert answer.status_code == 302, answer.text
    return answer.headers["location"]


def back(location: str, subject: str) -> str:
    """Where the provider sends the browser, once that subject has logged in there."""
    answer = httpx2.post(location, data={"sub": subject})
    assert answer.status_code == 302, answer.text
    return str(answer.headers["location"])


def said(answer: httpx2.Response) -> str:
    """What the login form says about the last try."""
    found = re.search(r'role="alert">([^<]+)<', answer.text)
    assert found, answer.text
    return found[1].replace("&#39;", "'")


def test_who_has_an_account_logs_in_at_the_provider_with_the_role_of_that_account(provided: Page, issuer: str) -> None:
    subject = known_there(issuer, sub="8c1f", preferred_username="ann", role="approver")
    client = provided.client()
    assert f"Log in at {urlsplit(issuer).netloc}" in client.get("/login").text
    location = away(client, "/accounts")
    asked = parse_qs(urlsplit(location).query)
    assert asked["redirect_uri"] == ["http://saltus.test/login/oidc/back"]
    assert asked["code_challenge_method"] == ["S256"]
    assert asked["nonce"][0]
    assert asked["state"][0]
    answer = client.get(back(location, subject))
    assert (answer.status_code, answer.headers["location"]) == (303, "/accounts")
    assert client.get("/runs").status_code == 200
    assert provided.site.journal.accounts.find("ann").role == "operator", "what the provider says of roles is not asked"
    assert [token.label for token in provided.site.journal.accounts.tokens("ann")] == ["page"]


def test_who_has_no_account_gets_none(provided: Page, issuer: str) -> None:
    subject = known_there(issuer, sub="77", preferred_username="mallory")
    client = provided.client()
    answer = client.get(back(away(client), subject))
    assert answer.status_code == 403
    assert "says that you are mallory, and there is no open account of that name" in said(answer)
    assert "saltus user add mallory" in said(answer)
    assert cookie_name(provided.site) not in client.cookies
    assert "mallory" not in [account.name for account in provided.site.journal.accounts.all()]


def test_a_closed_account_stays_closed(provided: Page, issuer: str) -> None:
    subject = known_there(issuer, sub="8c1f", preferred_username="ann")
    provided.site.journal.accounts.change("ann", active=False)
    client = provided.client()
    answer = client.get(back(away(client), subject))
    assert answer.status_code == 403
    assert "no open account" in said(answer)


def test_an_answer_to_somebody_elses_question_lets_nobody_in(provided: Page, issuer: str) -> None:
    """A login that another browser began (its state), one that comes twice, one whose code is made up."""
    subject = known_there(issuer, sub="8c1f", preferred_username="ann")
    attacker, victim = provided.client(), provided.client()
    location = back(away(attacker), subject)
    assert victim.get(location).status_code == 403
    away(victim)
    assert victim.get(location).status_code == 403
    assert attacker.get(location).status_code == 303
    attacker.cookies.delete(cookie_name(provided.site))
    assert attacker.get(location).status_code == 403
    forged = back(away(attacker), subject).replace("code=", "code=x")
    answer = attacker.get(forged)
    assert answer.status_code == 403
    assert "was asked who you are" in said(answer)
    for client in (attacker, victim):
        assert client.get("/runs").status_code == 303


def test_who_refuses_at_the_provider_is_told_so(provided: Page, issuer: str) -> None:
    client = provided.client()
    denied = httpx2.post(away(client), data={"sub": "8c1f", "action": "deny"})
    answer = client.get(denied.headers["location"])
    assert answer.status_code == 403
    assert "access_denied" in said(answer)


def test_an_address_counts_only_when_the_provider_has_verified_it(provided: Page, issuer: str) -> None:
    provided.site.provider = Provider(issuer, "saltus", SECRET, claim="email")
    provided.site.journal.accounts.create("eve@example.org", "viewer", by="root")
    client = provided.client()
    subject = known_there(issuer, sub="9", email="eve@example.org", email_verified=False)
    assert "has not verified" in said(client.get(back(away(client), subject)))
    known_there(issuer, sub="9", email="eve@example.org", email_verified=True)
    assert client.get(back(away(client), subject)).status_code == 303


def test_a_provider_that_does_not_say_the_name_is_told_so(provided: Page, issuer: str) -> None:
    subject = known_there(issuer, sub="10", preferred_username="ann")
    provided.site.provider = Provider(issuer, "saltus", SECRET, claim="upn")
    client = provided.client()
    assert "not your upn" in said(client.get(back(away(client), subject)))


def test_after_the_login_nobody_is_led_off_the_page(provided: Page, issuer: str) -> None:
    subject = known_there(issuer, sub="8c1f", preferred_username="ann")
    client = provided.client()
    answer = client.get(back(away(client, "https://evil.example/"), subject))
    assert answer.headers["location"] == "/"


def test_while_the_provider_is_away_passwords_let_in(page: Page) -> None:
    page.site.provider = Provider("http://localhost:1", "saltus", SECRET)
    answer = page.client().get("/login/oidc/away")
    assert answer.status_code == 403
    assert "localhost:1 was asked who you are" in said(answer)
    assert page.of("ann").get("/runs").status_code == 200


def test_a_provider_under_another_name_is_refused(page: Page, issuer: str) -> None:
    page.site.provider = Provider(issuer + "/", "saltus", SECRET)
    assert f"calls itself {issuer}, and saltus web was told {issuer}/" in said(page.client().get("/login/oidc/away"))


def test_the_secret_is_shown_nowhere(provided: Page, issuer: str) -> None:
    assert SECRET not in repr(provided.site)
    client = provided.client()
    assert SECRET not in away(client)
    assert SECRET not in client.get("/login").text


def test_options_that_do_not_do_are_refused_all_at_once(tmp_path: Path) -> None:
    assert read_provider(None, None, None, "preferred_username") is None
    empty = tmp_path / "secret"
    empty.touch()
    with pytest.raises(OperatorError) as caught:
        read_provider("http://id.example.org", None, empty, "preferred_username")
    assert caught.value.because == (
        f"--oidc-client is not given; http://id.example.org is no address with https; {empty} is empty"
    )
    empty.write_text(f"{SECRET}\n")
    read = read_provider("https://id.example.org/realms/ops", "saltus", empty, "email")
    assert read == Provider("https://id.example.org/realms/ops", "saltus", SECRET, "email")
