"""OpenStack's APIs as the verify room sees them: real HTTP servers on loopback that can go away in several ways."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar, Literal
from urllib.parse import urlsplit

Mode = Literal["up", "503", "hang", "slow"]
PASSWORD = "not a secret"
Reply = tuple[int, Any]


class Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 64

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that has given up is no news."""


class FakeApi:
    """One API. `answer(method, path)` gives status and body; `mode` and `write_mode` say how it fares meanwhile."""

    def __init__(self, answer: Callable[[str, str, Any], Reply]) -> None:
        self.answer = answer
        self.said_host = "127.0.0.1"
        """Where the catalogue says it is; it listens on loopback."""
        self.mode: Mode = "up"
        self.write_mode: Mode = "up"
        self.slow_s = 0.0
        self.requests: list[tuple[str, str]] = []
        self.log: list[tuple[str, float]] = []
        self._port = 0
        self.start()

    @property
    def url(self) -> str:
        return f"http://{self.said_host}:{self._port}"

    def start(self) -> None:
        api = self

        class Handler(BaseHTTPRequestHandler):
            def handle_any(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                body = json.loads(self.rfile.read(length)) if length else None
                api.serve(self, body)

            do_GET = do_POST = do_PUT = do_DELETE = handle_any  # noqa: N815

            def log_message(self, *_: Any) -> None:
                pass

        self._server = Server(("127.0.0.1", self._port), Handler)
        self._port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self) -> None:
        """From now on connections are refused."""
        self._server.shutdown()
        self._server.server_close()

    def serve(self, handler: BaseHTTPRequestHandler, body: Any) -> None:
        method, path = handler.command, handler.path
        self.requests.append((method, path))
        mode = self.mode if method == "GET" or self.mode != "up" else self.write_mode
        if mode == "hang":
            time.sleep(30)
            return
        if mode == "slow":
            time.sleep(self.slow_s)
        status, answer = (
            (503, {"error": "no server is available"}) if mode == "503" else self.answer(method, path, body)
        )
        payload = b"" if answer is None else json.dumps(answer).encode()
        handler.send_response(status)
        if path.endswith("/auth/tokens") and status == 201:
            handler.send_header("X-Subject-Token", "token-1")
        handler.send_header("Content-Type", "application/json")
        handler.send_header("Content-Length", str(len(payload)))
        handler.end_headers()
        handler.wfile.write(payload)


class FakeCloud:
    """Keystone with a catalogue, and an API each for the rest; `objects` are what writers have left in it."""

    TYPES: ClassVar = {
        "glance": ("image", ""),
        "placement": ("placement", ""),
        "nova": ("compute", "/v2.1"),
        "neutron": ("network", ""),
        "cinder": ("block-storage", "/v3/p1"),
        "heat": ("orchestration", "/v1/p1"),
    }

    def __init__(self, bodies: dict[str, dict[str, Any]] | None = None) -> None:
        """`bodies`: {API: {path without query: the JSON that a GET there answers}}."""
        self.objects: dict[str, set[str]] = {}
        self._bodies = bodies or {}
        self._made = 0
        self.apis = {name: FakeApi(self._answering(name)) for name in ("keystone", *self.TYPES)}

    @property
    def auth_url(self) -> str:
        return self.apis["keystone"].url + "/v3"

    def close(self) -> None:
        for api in self.apis.values():
            api.stop()

    def _answering(self, name: str) -> Callable[[str, str, Any], Reply]:
        objects = self.objects.setdefault(name, set())

        def answer(method: str, url: str, body: Any) -> Reply:
            path = urlsplit(url).path
            if path == "/v3/auth/tokens" and method == "POST":
                password = body["auth"]["identity"]["password"]["user"]["password"]
                return (201, self._token()) if password == PASSWORD else (401, {"error": {"message": "no"}})
            if method == "DELETE":
                found = path.rsplit("/", 1)[1] in objects
                objects.discard(path.rsplit("/", 1)[1])
                return (204, None) if found else (404, {})
            if method == "PUT":
                objects.add(path.rsplit("/", 1)[1])
                return 200, {}
            if method == "POST":
                return self._make(objects, path, body)
            return self._get(name, path, objects)

        return answer

    def _make(self, objects: set[str], path: str, body: Any) -> Reply:
        """The id is the name where a watcher removes it by name, and a new one elsewhere."""
        collection = path.rsplit("/", 1)[1]
        key = {"address-scopes": "address_scope", "types": "volume_type", "software_configs": "software_config"}
        if collection not in key:
            objects.add("saltus-watch")
            return 201, {}
        self._made += 1
        objects.add(f"made-{self._made}")
        return 201, {key[collection]: {"id": f"made-{self._made}"}}

    def _get(self, name: str, path: str, objects: set[str]) -> Reply:
        collection = path.rsplit("/", 1)[-1]
        key = {"address-scopes": "address_scopes", "types": "volume_types", "software_configs": "software_configs"}
        if path in self._bodies.get(name, {}):
            return 200, self._bodies[name][path]
        if collection in key:
            return 200, {key[collection]: [{"id": each, "name": "saltus-watch"} for each in sorted(objects)]}
        return 200, self._discovery(name, path)

    def _discovery(self, name: str, path: str) -> Any:
        """What keystoneauth needs to see of versions; other readers only look at the status."""
        api = self.apis[name]
        version = {
            "keystone": "v3",
            "glance": "v2",
            "neutron": "v2.0",
            "nova": "v2.1",
            "cinder": "v3",
            "heat": "v1",
        }.get(name, "v1")
        suffix = self.TYPES.get(name, ("", ""))[1]
        entry = {
            "id": version + (".14" if name == "keystone" else ".0" if version in ("v2", "v3") else ""),
            "status": "CURRENT",
            "links": [{"rel": "self", "href": api.url + (suffix or f"/{version}") + "/"}],
        }
        if name in ("nova", "cinder"):
            entry |= {
                "version": "2.96" if name == "nova" else "3.71",
                "min_version": "2.1" if name == "nova" else "3.0",
            }
        return {"version": entry} if path.strip("/") == version else {"versions": [entry]}

    def _token(self) -> Any:
        expires = datetime.now(UTC) + timedelta(hours=1)
        catalogue = [("identity", self.auth_url)]
        catalogue += [(kind, self.apis[name].url + path) for name, (kind, path) in self.TYPES.items()]
        endpoints = [
            {
                "type": kind,
                "name": kind,
                "id": kind,
                "endpoints": [
                    {"id": kind, "interface": "public", "region": "RegionOne", "region_id": "RegionOne", "url": url}
                ],
            }
            for kind, url in catalogue
        ]
        return {
            "token": {
                "methods": ["password"],
                "expires_at": f"{expires:%Y-%m-%dT%H:%M:%S.%fZ}",
                "issued_at": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%fZ}",
                "user": {"id": "u1", "name": "admin", "domain": {"id": "default", "name": "Default"}},
                "project": {"id": "p1", "name": "admin", "domain": {"id": "default", "name": "Default"}},
                "roles": [{"id": "r1", "name": "admin"}],
                "catalog": endpoints,
            }
        }
