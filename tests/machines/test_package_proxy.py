"""The proxy for packages: a real one before a real server, and what it refuses."""

from __future__ import annotations

import socket
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from saltus.machines.package_proxy import Proxy


@dataclass
class Mirror:
    """What a mirror has, and what it was asked for."""

    files: dict[str, bytes]
    asked: list[str] = field(default_factory=list)
    host: str = ""


@pytest.fixture
def mirror() -> Iterator[Mirror]:
    found = Mirror({"/d/a_1.deb": b"package" * 1000, "/d/InRelease": b"one"})

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found.asked.append(self.path)
            body = found.files.get(self.path)
            self.send_response(200 if body is not None else 404)
            self.send_header("Content-Length", str(len(body or b"")))
            self.end_headers()
            self.wfile.write(body or b"")

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    found.host = f"127.0.0.1:{server.server_port}"
    yield found
    server.shutdown()
    server.server_close()


@pytest.fixture
def proxy(mirror: Mirror, tmp_path: Path) -> Iterator[str]:
    server = Proxy(("127.0.0.1", 0), tmp_path / "cache", [mirror.host])
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def get(proxy: str, url: str) -> bytes:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({"http": proxy}))
    body: bytes = opener.open(url, timeout=10).read()
    return body


def test_a_package_is_fetched_once_however_many_ask_at_once(mirror: Mirror, proxy: str) -> None:
    bodies: list[bytes] = []
    url = f"http://{mirror.host}/d/a_1.deb"
    threads = [threading.Thread(target=lambda: bodies.append(get(proxy, url))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert bodies == [mirror.files["/d/a_1.deb"]] * 8
    assert mirror.asked == ["/d/a_1.deb"]


def test_what_changes_is_asked_for_every_time(mirror: Mirror, proxy: str) -> None:
    assert get(proxy, f"http://{mirror.host}/d/InRelease") == b"one"
    mirror.files["/d/InRelease"] = b"two"
    assert get(proxy, f"http://{mirror.host}/d/InRelease") == b"two"


def test_what_the_mirror_does_not_have_is_told_and_not_kept(mirror: Mirror, proxy: str) -> None:
    for _ in range(2):
        with pytest.raises(urllib.error.HTTPError) as refused:
            get(proxy, f"http://{mirror.host}/d/b_1.deb")
        assert refused.value.code == 404
    mirror.files["/d/b_1.deb"] = b"late"
    assert get(proxy, f"http://{mirror.host}/d/b_1.deb") == b"late"


def test_nothing_but_the_hosts_of_apt_is_reached(mirror: Mirror, proxy: str) -> None:
    with pytest.raises(urllib.error.HTTPError) as refused:
        get(proxy, "http://127.0.0.1:9/anything")
    assert refused.value.code == 403
    assert mirror.asked == []


def test_a_mirror_that_is_away_is_a_bad_gateway(mirror: Mirror, tmp_path: Path) -> None:
    server = Proxy(("127.0.0.1", 0), tmp_path / "other", ["127.0.0.1:9"])
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    with pytest.raises(urllib.error.HTTPError) as refused:
        get(f"http://127.0.0.1:{server.server_port}", "http://127.0.0.1:9/a.deb")
    assert refused.value.code == 502
    server.shutdown()
    server.server_close()


def test_https_is_passed_on_unread(mirror: Mirror, proxy: str) -> None:
    address, _, port = proxy.removeprefix("http://").partition(":")
    with socket.create_connection((address, int(port)), timeout=10) as connection:
        connection.sendall(f"CONNECT {mirror.host} HTTP/1.1\r\n\r\n".encode())
        assert connection.recv(4096).startswith(b"HTTP/1.1 200")
        connection.sendall(b"GET /d/InRelease HTTP/1.0\r\n\r\n")
        answer = b""
        while data := connection.recv(4096):
            answer += data
    assert answer.endswith(b"one")


def test_no_tunnel_leads_elsewhere(mirror: Mirror, proxy: str) -> None:
    address, _, port = proxy.removeprefix("http://").partition(":")
    with socket.create_connection((address, int(port)), timeout=10) as connection:
        connection.sendall(b"CONNECT 127.0.0.1:9 HTTP/1.1\r\n\r\n")
        assert connection.recv(4096).startswith(b"HTTP/1.1 403")
