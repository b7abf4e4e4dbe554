"""What is hidden, what is left to read, and that the log passes through it too."""

from __future__ import annotations

import io
import logging
from collections.abc import Callable, Iterator

import pytest

from saltus.journal.redactor import Redactor, redact_process


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("mysql+pymysql://nova:p/ss@w@10.0.0.1/nova", "mysql+pymysql://nova:[hidden]@10.0.0.1/nova"),
        ("http://10.0.0.1:8774/v2.1 is down", "http://10.0.0.1:8774/v2.1 is down"),
        ("sqlite:////var/lib/saltus/journal.db", "sqlite:////var/lib/saltus/journal.db"),
        ("--password=abc --user nova", "--password=[hidden] --user nova"),
        ("rabbit_password: abc", "rabbit_password: [hidden]"),
        ('{"secret": "abc", "name": "nova"}', '{"secret": "[hidden]", "name": "nova"}'),
        ("Authorization: Bearer abc.def", "Authorization: Bearer [hidden]"),
        ("the password was changed", "the password was changed"),
        ("token expired at 12:00", "token expired at 12:00"),
        ("db_sync nova: 64 revisions in 11.8 s", "db_sync nova: 64 revisions in 11.8 s"),
        ("-----BEGIN RSA PRIVATE KEY-----\nabc\n-----END RSA PRIVATE KEY-----\nmore", "[hidden]\nmore"),
        ("-----BEGIN PRIVATE KEY-----\ncut off", "[hidden]"),
        ("login with hunter22hunter failed", "login with [hidden] failed"),
    ],
)
def test_secrets_are_hidden_and_the_rest_is_left(said: str, shown: str) -> None:
    assert Redactor(["hunter22hunter"]).text(said) == shown
    assert Redactor(["hunter22hunter"]).text(shown) == shown


def test_longer_secrets_go_first_and_short_words_stay() -> None:
    redactor = Redactor(["secret-one", "secret-one-and-two", "db"])
    assert redactor.text("secret-one-and-two secret-one db") == "[hidden] [hidden] db"


def test_data_is_redacted_to_its_depth() -> None:
    said = {"output": ["a hunter22hunter", {"deep": "hunter22hunter"}], "password": "x", "count": 7, "none": None}
    assert Redactor(["hunter22hunter"]).data(said) == {
        "output": ["a [hidden]", {"deep": "[hidden]"}],
        "password": "[hidden]",
        "count": 7,
        "none": None,
    }


@pytest.fixture
def log_to(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[io.StringIO], None]]:
    """Makes a stream the only place that the log goes to: other tests may have left handlers whose streams are shut."""

    def only(stream: io.StringIO) -> None:
        monkeypatch.setattr(logging.getLogger(), "handlers", [logging.StreamHandler(stream)])

    yield only
    redact_process(Redactor())


def log_a_failure(text: str, *arguments: str) -> None:
    try:
        raise RuntimeError("Access denied with hunter22hunter")
    except RuntimeError:
        logging.getLogger("saltus.test").exception(text, *arguments)


def test_the_log_and_its_tracebacks_hold_no_secret(log_to: Callable[[io.StringIO], None]) -> None:
    stream = io.StringIO()
    log_to(stream)
    redact_process(Redactor(["hunter22hunter"]))
    log_a_failure("connecting to mysql://nova:other-pw@10.0.0.1/")
    assert "RuntimeError: Access denied with [hidden]" in stream.getvalue()
    assert "hunter22" not in stream.getvalue()
    assert "other-pw" not in stream.getvalue()


def test_a_log_that_cannot_be_written_shows_no_secret_in_its_stead(
    log_to: Callable[[io.StringIO], None], capsys: pytest.CaptureFixture[str]
) -> None:
    class Full(io.StringIO):
        def write(self, text: str) -> int:
            raise OSError("No space left on device")

    log_to(Full())
    redact_process(Redactor(["hunter22hunter"]))
    log_a_failure("it said %s", "hunter22hunter")
    assert capsys.readouterr().err == "a line of the log of saltus.test could not be written\n"
