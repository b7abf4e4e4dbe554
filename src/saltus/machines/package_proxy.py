"""A small caching proxy for apt, so that machines that reach nothing but this host can get packages.

Only what the host's own apt gets packages from can be reached through it. What never changes (packages, indices named
by their hash) is kept in a directory: many machines that install the same fetch it once. What is fetched over https is
passed on unread, and so not kept.

python -m saltus.machines.package_proxy --listen 10.77.0.1:3142 --cache DIR
"""

from __future__ import annotations

import argparse
import hashlib
import re
import select
import shutil
import socket
import threading
import urllib.error
import urllib.parse
import urllib.request
from collections import defaultdict
from collections.abc import Iterable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from saltus.machines.sources import read_sources

PORT = 3142
"""As apt-cacher-ng has it."""
LASTING = re.compile(r"\.deb$|/by-hash/")
PASSED_ON = ("If-Modified-Since", "Cache-Control", "User-Agent")
TIMEOUT_S = 120


class Proxy(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, listen: tuple[str, int], cache: Path, hosts: Iterable[str]) -> None:
        """`hosts`, with their ports where they have one, are all that can be reached."""
        self.cache, self.hosts = cache, frozenset(hosts)
        self.fetching: dict[Path, threading.Lock] = defaultdict(threading.Lock)
        cache.mkdir(parents=True, exist_ok=True)
        super().__init__(listen, _Handler)


class _Handler(BaseHTTPRequestHandler):
    server: Proxy
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        place = urllib.parse.urlsplit(self.path)
        if place.scheme != "http" or place.netloc not in self.server.hosts:
            self.send_error(403, "this proxy passes on what apt of its host uses, and nothing else")
            return
        try:
            if LASTING.search(place.path):
                self._send_file(self._kept(self.path))
            else:
                self._pass_on()
        except urllib.error.HTTPError as exc:
            self._answer(exc.code, b"")
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True
        except OSError as exc:
            self.send_error(502, f"{place.netloc}: {exc}"[:200].replace("\n", " "))

    def do_CONNECT(self) -> None:
        """A tunnel for https."""
        host, _, port = self.path.rpartition(":")
        if self.path not in self.server.hosts:
            self.send_error(403, "this proxy passes on what apt of its host uses, and nothing else")
            return
        try:
            far = socket.create_connection((host, int(port)), timeout=TIMEOUT_S)
        except OSError as exc:
            self.send_error(502, f"{self.path}: {exc}"[:200].replace("\n", " "))
            return
        with far:
            self.send_response(200)
            self.end_headers()
            ends = {self.connection: far, far: self.connection}
            while readable := select.select(list(ends), [], [], TIMEOUT_S)[0]:
                for end in readable:
                    if not (data := end.recv(65536)):
                        self.close_connection = True
                        return
                    ends[end].sendall(data)
        self.close_connection = True

    def _kept(self, url: str) -> Path:
        """The file of `url`, fetched when it is not there yet; fetched once, however many ask at once."""
        path = self.server.cache / hashlib.sha256(url.encode()).hexdigest()
        with self.server.fetching[path]:
            if not path.exists():
                with urllib.request.urlopen(self._request(url), timeout=TIMEOUT_S) as found:
                    fresh = path.with_suffix(".new")
                    with fresh.open("wb") as file:
                        shutil.copyfileobj(found, file, 1024 * 1024)
                    length = found.headers.get("Content-Length")
                    if length is not None and fresh.stat().st_size != int(length):
                        raise OSError("the connection ended in the middle of the file")
                    fresh.replace(path)
        return path

    def _send_file(self, path: Path) -> None:
        with path.open("rb") as file:
            self.send_response(200)
            self.send_header("Content-Length", str(path.stat().st_size))
            self.end_headers()
            shutil.copyfileobj(file, self.wfile, 1024 * 1024)

    def _pass_on(self) -> None:
        with urllib.request.urlopen(self._request(self.path), timeout=TIMEOUT_S) as found:
            body = found.read()
            self._answer(found.status, body, found.headers.get("Last-Modified"))

    def _request(self, url: str) -> urllib.request.Request:
        headers = {name: value for name in PASSED_ON if (value := self.headers.get(name))}
        return urllib.request.Request(url, headers=headers)

    def _answer(self, code: int, body: bytes, modified: str | None = None) -> None:
        self.send_response(code)
        self.send_header("Content-Length", str(len(body)))
        if modified:
            self.send_header("Last-Modified", modified)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the name that the base class has
        """Silent: apt says on its own side what it could not get."""


def hosts_of_apt() -> set[str]:
    """The hosts from which apt of this machine gets packages: over http as they are named, over https with a port."""
    places = [urllib.parse.urlsplit(source.uri) for source in read_sources()]
    tunnels = {f"{place.hostname}:{place.port or 443}" for place in places if place.scheme == "https"}
    return tunnels | {place.netloc for place in places if place.scheme == "http"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--listen", required=True, metavar="ADDRESS:PORT")
    parser.add_argument("--cache", required=True, type=Path, metavar="DIR")
    said = parser.parse_args()
    address, _, port = said.listen.rpartition(":")
    Proxy((address, int(port)), said.cache, hosts_of_apt()).serve_forever()


if __name__ == "__main__":
    main()
