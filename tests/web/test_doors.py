"""Who gets in, what is refused, and what every answer tells the browser."""

from __future__ import annotations

from datetime import timedelta

import pytest
from browsing import PASSWORD
from conftest import Page
from test_pages import csrf

from saltus.commands import runs
from saltus.errors import OperatorError
from saltus.journal.accounts import Accounts
from saltus.journal.store import Journal
from saltus.web.serve import Door, serve
from saltus.web.site import Site


def test_nobody_sees_anything_before_logging_in(page: Page, waiting: str) -> None:
    client = page.client()
    for address in ("/", "/runs", f"/runs/{waiting}", f"/runs/{waiting}/audit.csv", f"/runs/{waiting}/events"):
        answer = client.get(address)
        assert (answer.status_code, answer.headers["location"]) == (303, f"/login?next={address}")
    assert client.get("/api/v1/runs").status_code == 401
    assert client.get("/metrics").headers["location"].startswith("/login")
    assert client.get("/healthz").json() == {"status": "ok"}


def test_a_wrong_password_lets_nobody_in_and_after_some_nothing_is_tried(page: Page) -> None:
    client = page.client()
    page.site.journal.accounts.set_password("bob", PASSWORD)
    for _ in range(8):
        answer = _log_in(client, "bob", "not the password")
        assert answer.status_code == 403
        assert "let nobody in" in answer.text
    assert _log_in(client, "bob", PASSWORD).status_code == 429
    assert client.get("/").status_code == 303


def test_a_one_time_token_lets_in_once(page: Page, journal: Journal) -> None:
    token = journal.accounts.new_token("bob", lifetime=timedelta(hours=1), once=True)
    client = page.client()
    assert _log_in(client, "", token).status_code == 303
    assert client.get("/").status_code == 200
    assert _log_in(page.client(), "", token).status_code == 403


def test_logging_out_ends_the_session_for_its_copies_too(page: Page) -> None:
    client, copy = page.of("eve"), page.client()
    copy.cookies.update(client.cookies)
    assert copy.get("/").status_code == 200
    client.post("/logout", data={"csrf": csrf(client.get("/").text)})
    assert copy.get("/").status_code == 303


def test_a_session_ends_by_itself_and_with_its_account(page: Page, journal: Journal) -> None:
    session = next(token for token in _tokens(page, journal) if token.label == "page")
    assert timedelta(hours=9) < session.expires_at - session.created_at < timedelta(hours=11)
    client = page.of("eve")
    journal.accounts.change("eve", active=False)
    assert client.get("/").status_code == 303


def test_the_cookie_is_out_of_reach_of_scripts_and_with_tls_of_the_open_network(journal: Journal) -> None:
    plain = _cookie(Page(Site(journal)))
    assert "httponly" in plain
    assert "samesite=lax" in plain
    safe = _cookie(Page(Site(journal, behind_tls=True)))
    assert safe.startswith("__host-saltus=")
    assert "secure" in safe


def test_the_page_is_not_served_in_the_clear_to_a_network(journal: Journal) -> None:
    with pytest.raises(OperatorError, match="would cross the network in the clear"):
        serve(Site(journal), Door("0.0.0.0"))


@pytest.mark.parametrize("verb", ["approve", "reject", "pause", "abort", "skip", "start", "retry", "resume"])
def test_what_a_role_may_not_do_is_refused_and_the_run_stands_as_it_was(page: Page, waiting: str, verb: str) -> None:
    client = page.of("eve")
    mark, before = csrf(client.get(f"/runs/{waiting}").text), _stands(page, waiting)
    fields = {"csrf": mark, **({"step": "prepare/warm-ctl01", "because": "x"} if verb == "skip" else {})}
    answer = client.post(f"/api/v1/runs/{waiting}/{verb}", data=fields, headers={"accept": "text/html"})
    assert answer.status_code in (403, 409)
    assert "eve is a viewer" in answer.text
    assert _stands(page, waiting) == before


def test_a_forged_post_is_refused(page: Page, waiting: str) -> None:
    client = page.of("bob")
    mark, address = csrf(client.get(f"/runs/{waiting}").text), f"/api/v1/runs/{waiting}/approve"
    before = page.site.journal.state(waiting).seq
    other = csrf(page.of("bob").get(f"/runs/{waiting}").text)
    forged = [
        client.post(address, data={}),
        client.post(address, data={"csrf": "0" * 64}),
        client.post(address, data={"csrf": other}),
        client.post(address, json={}),
        client.post(address, data={"csrf": mark}, headers={"origin": "http://evil.test"}),
        client.post(address, data={"csrf": mark}, headers={"sec-fetch-site": "cross-site"}),
    ]
    assert [answer.status_code for answer in forged] == [403] * len(forged)
    assert page.site.journal.state(waiting).seq == before


def test_a_login_form_of_another_site_is_refused(page: Page) -> None:
    page.site.journal.accounts.set_password("bob", PASSWORD)
    answer = page.client().post("/login", data={"name": "bob", "word": PASSWORD})
    assert answer.status_code == 403


def test_after_login_only_an_address_of_this_site_is_gone_to(page: Page) -> None:
    page.site.journal.accounts.set_password("bob", PASSWORD)
    for elsewhere in ("//evil.test/", "https://evil.test/", "/\\evil.test", "javascript:alert(1)"):
        assert _log_in(page.client(), "bob", PASSWORD, elsewhere).headers["location"] == "/"


def test_every_answer_forbids_scripts_that_are_not_ours(page: Page, waiting: str) -> None:
    client = page.of("eve")
    for address in ("/", f"/runs/{waiting}", "/nowhere", "/healthz", "/static/saltus.js"):
        headers = client.get(address).headers
        assert "unsafe" not in headers["content-security-policy"]
        assert "default-src 'none'" in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
    html = client.get(f"/runs/{waiting}").text
    assert "<script>" not in html
    assert " style=" not in html
    assert " onclick=" not in html


def test_a_request_that_is_too_large_is_not_read(page: Page, waiting: str) -> None:
    client = page.of("bob")
    answer = client.post(f"/api/v1/runs/{waiting}/approve", data={"csrf": "x", "comment": "x" * 100_000})
    assert answer.status_code == 413


def _log_in(client, name, word, after="/"):  # type: ignore[no-untyped-def]
    import re

    mark = re.search(r'name="mark" value="([^"]+)"', client.get("/login").text)
    assert mark
    return client.post("/login", data={"mark": mark[1], "name": name, "word": word, "next": after})


def _cookie(page: Page) -> str:
    """As the server set it, in lower case."""
    client = page.client()
    client.base_url = "https://saltus.test" if page.site.behind_tls else "http://saltus.test"
    page.site.journal.accounts.set_password("eve", PASSWORD)
    answer = _log_in(client, "eve", PASSWORD)
    return next(c for c in answer.headers.get_list("set-cookie") if "login" not in c.split("=")[0]).lower()


def _tokens(page: Page, journal: Journal):  # type: ignore[no-untyped-def]
    page.of("eve")
    accounts: Accounts = journal.accounts
    return accounts.tokens("eve")


def _stands(page: Page, run: str) -> tuple[object, ...]:
    state = page.site.journal.state(run)
    lines = [line.what for line in runs.audit(page.site.journal, run) if line.what != "gate.answer-refused"]
    return state.status, tuple(lines)
