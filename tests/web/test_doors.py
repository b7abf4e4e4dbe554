"""Who gets in, what is refused, and what every answer tells the browser."""

from __future__ import annotations

import os
import shutil
import socket
import ssl
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path

import httpx2
import pytest
from browsing import PASSWORD
from conftest import Page
from test_pages import csrf

from saltus.commands import runs
from saltus.errors import OperatorError
from saltus.journal.accounts import Accounts
from saltus.journal.connection import JournalUnreachable
from saltus.journal.store import Journal
from saltus.web.api import ACTIONS
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


def test_a_token_lets_in_under_its_own_name_only(page: Page, journal: Journal) -> None:
    token = journal.accounts.new_token("bob", lifetime=timedelta(hours=1))
    assert _log_in(page.client(), "bob", token).status_code == 303
    assert _log_in(page.client(), "eve", token).status_code == 403


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


def test_no_action_at_all_is_done_for_a_form_of_another_site(page: Page, waiting: str) -> None:
    client, before = page.of("bob"), _stands(page, waiting)
    fingerprint = page.site.journal.find_run(waiting).fingerprint
    fields = {"kind": "accept", "name": "mallory", "role": "approver", "password": PASSWORD, "step": "a/b"}
    for action in ACTIONS:
        path = "/api/v1" + action.path.format(run=waiting, plan=fingerprint, errand="none-1", name="eve", token="0")
        forged = (
            client.post(path, data=fields),
            client.post(path, json=fields),
            client.post(path, data=fields, headers={"origin": "https://evil.test"}),
        )
        assert [answer.status_code for answer in forged] == [403, 403, 403], action.path
    assert _stands(page, waiting) == before
    assert [account.name for account in page.site.journal.accounts.all()] == ["ann", "bob", "eve"]


def test_a_journal_that_is_away_is_told_by_healthz(page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    def away() -> None:
        raise JournalUnreachable(what="the journal is away", because="the disk is gone", do="bring it back")

    monkeypatch.setattr(page.site.journal.db, "read", away)
    answer = page.client().get("/healthz")
    assert (answer.status_code, answer.json()) == (503, {"status": "journal unreachable"})


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    """One of our own for 127.0.0.1, and its key."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    files = tmp_path / "page.pem", tmp_path / "page.key"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1",
         "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-out", files[0], "-keyout", files[1]],
        check=True, capture_output=True,
    )  # fmt: skip
    return files


def test_saltus_web_speaks_tls_and_its_cookies_stay_there(tmp_path: Path, certificate: tuple[Path, Path]) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    argv = [sys.executable, "-m", "saltus", "--state", str(tmp_path / "state"), "web", "--port", str(port),
            "--certificate", str(certificate[0]), "--key", str(certificate[1])]  # fmt: skip
    trusted = ssl.create_default_context(cafile=str(certificate[0]))
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SALTUS_")}
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment) as served:
        try:
            assert served.stdout is not None
            token = served.stdout.readline().rpartition(" ")[2].strip()
            assert token.startswith("saltus_"), "the first start prints a token for the first account"
            with httpx2.Client(base_url=f"https://127.0.0.1:{port}", verify=trusted) as client:
                _until_it_answers(client)
                assert client.get("/healthz").json() == {"status": "ok"}
                answer = _log_in(client, "", token)
                assert answer.status_code == 303
                cookie = next(c for c in answer.headers.get_list("set-cookie") if c.startswith("__Host-saltus="))
                assert {"Secure", "HttpOnly", "Path=/"} <= set(cookie.split("; "))
                page = client.get("/")
                assert "Log out" in page.text
                assert page.headers["strict-transport-security"] == "max-age=31536000"
                metrics = client.get("/metrics")
                assert metrics.text.startswith("# HELP saltus_info")
            with pytest.raises(httpx2.HTTPError):
                httpx2.get(f"http://127.0.0.1:{port}/healthz")
        finally:
            served.terminate()


def test_a_certificate_that_cannot_be_read_is_said_before_anything_is_served(tmp_path: Path) -> None:
    files = ["--certificate", str(tmp_path / "none.pem"), "--key", str(tmp_path / "none.key")]
    argv = [sys.executable, "-m", "saltus", "--state", str(tmp_path), "web", *files]
    said = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60)
    assert said.returncode == 1
    assert "none.pem" in said.stderr
    assert "Traceback" not in said.stderr


def _until_it_answers(client: httpx2.Client) -> None:
    for _ in range(200):
        try:
            client.get("/healthz")
            return
        except httpx2.HTTPError:
            time.sleep(0.1)
    raise AssertionError("it does not answer")
