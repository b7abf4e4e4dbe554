"""News reaches real receivers on loopback; a channel that fails or hangs stops nothing."""

from __future__ import annotations

import http.server
import json
import socketserver
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from plans import gate, plan, stage, step

from saltus.errors import OperatorError
from saltus.journal.store import Journal
from saltus.runner.gates import AutoApprover
from saltus.runner.notifications import Channel, Command, Email, Notifier, Webhook, read_channels
from saltus.runner.performers.fake import EveryKind, FakePerformer
from saltus.runner.run import Runner


def run_with(journal: Journal, *channels: Channel, fail_at: dict[str, int] | None = None) -> tuple[str, str]:
    run = journal.create_run(plan(stage("build", step("build/a"), gate=gate())), by="ann")
    notifier = Notifier(journal, channels, by="ann")
    fake = EveryKind(FakePerformer(fail_at=fail_at))
    state = Runner(journal, fake, AutoApprover("demo"), by="ann", notify=notifier).run(run)
    notifier.close()
    return run, state.status


@pytest.fixture
def hook() -> Iterator[tuple[str, list[dict[str, str]]]]:
    heard: list[dict[str, str]] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            heard.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(404 if self.path == "/gone" else 200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", heard
        server.shutdown()


def test_a_webhook_hears_of_the_gate_and_of_the_end(journal: Journal, hook: tuple[str, list[dict[str, str]]]) -> None:
    url, heard = hook
    run, status = run_with(journal, Webhook(kind="webhook", url=url))
    assert status == "done"
    assert [(news["status"], news["text"]) for news in heard] == [
        ("waiting", f"saltus: small: {run}: gate build/accept waits for an answer: Go on?"),
        ("done", f"saltus: small: {run}: done"),
    ]


def test_a_failure_is_told_with_what_failed(journal: Journal, hook: tuple[str, list[dict[str, str]]]) -> None:
    url, heard = hook
    run, status = run_with(journal, Webhook(kind="webhook", url=url), fail_at={"build/a": 1})
    assert (status, heard[-1]["text"]) == ("failed", f"saltus: small: {run}: failed: build/a failed")


def test_a_command_gets_the_sentence_and_the_run(journal: Journal, tmp_path: Path) -> None:
    script = f'echo "$SALTUS_STATUS $SALTUS_CLOUD $1" >> {tmp_path}/heard'
    run, _ = run_with(journal, Command(kind="command", argv=("sh", "-c", script, "sh")))
    assert (tmp_path / "heard").read_text().splitlines()[-1] == f"done small saltus: small: {run}: done"


def test_an_e_mail_reaches_the_relay(journal: Journal) -> None:
    class Relay(socketserver.StreamRequestHandler):
        """As much of SMTP as a client needs to hand over one message."""

        mail: list[str] = []  # noqa: RUF012

        def handle(self) -> None:
            self.wfile.write(b"220 relay\r\n")
            data = False
            for line in self.rfile:
                self.mail.append(line.decode().strip())
                if data:
                    data = line != b".\r\n"
                    if data:
                        continue
                elif line.upper().startswith(b"DATA"):
                    data = True
                    self.wfile.write(b"354 go on\r\n")
                    continue
                elif line.upper().startswith(b"QUIT"):
                    self.wfile.write(b"221 bye\r\n")
                    return
                self.wfile.write(b"250 ok\r\n")

    with socketserver.TCPServer(("127.0.0.1", 0), Relay) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        port = server.server_address[1]
        run_with(
            journal, Email(kind="email", to=("ops@example.org",), sender="s@example.org", relay="127.0.0.1", port=port)
        )
        server.shutdown()
    assert "rcpt TO:<ops@example.org>" in Relay.mail
    assert "Subject: saltus: small: done" in Relay.mail


def test_channels_that_fail_are_on_record_and_the_run_goes_on(
    journal: Journal, hook: tuple[str, list[dict[str, str]]]
) -> None:
    run, status = run_with(
        journal,
        Webhook(kind="webhook", url=f"{hook[0]}/gone"),
        Webhook(kind="webhook", url="http://127.0.0.1:1/secret-path"),
        Command(kind="command", argv=("/nonexistent/command",)),
        Email(kind="email", to=("a@b.c",), sender="s@b.c", relay="127.0.0.1", port=1),
    )
    assert status == "done"
    failed = [event for _, event in journal.read(run) if event.kind == "notification.failed"]
    assert {event.channel for event in failed} == {"webhook", "command /nonexistent/command", "e-mail to a@b.c"}
    assert "secret-path" not in str(failed)


def test_channels_are_read_from_a_file_and_mistakes_are_named(tmp_path: Path) -> None:
    path = tmp_path / "notify.yml"
    assert read_channels(path) == ()
    path.write_text(
        "channels:\n  - {kind: webhook, url: 'https://example.org/x'}\n  - {kind: command, argv: [logger]}\n"
    )
    assert [channel.name for channel in read_channels(path)] == ["webhook", "command logger"]
    path.write_text("channels:\n  - {kind: webhook, uri: 'https://example.org/x'}\n  - {kind: pigeon}\n")
    with pytest.raises(OperatorError, match=r"channels.0.webhook.url: Field required.*pigeon") as refused:
        read_channels(path)
    assert refused.value.what == f"{path} cannot be read"
