"""What each API is asked: a read that reaches its database, and a write that leaves nothing behind.

A write is one small object with the watcher's mark, made and removed in turns: tables whose rows are really deleted, so
that no dead rows pile up, and none that make a service tell its agents. Cinder has no such table: there one volume type
lives as long as the watcher, and is updated.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from saltus.verify.marks import MARK, TRAIT
from saltus.verify.watcher.asking import Answer, Asker
from saltus.verify.watcher.session import Session, Token

# Its private half was thrown away.
PUBLIC_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILPr0dRvYAHpDKQAcBL9KlwCVitFjHqKsA+iCKbjfmTl saltus-watch"


@dataclass(frozen=True)
class Made:
    """An object to make and remove: where, with what body, and how to find one that a dead watcher left."""

    create: str
    path: str
    body: dict[str, Any] | None = None
    answer: str = ""
    """The key of the answer that holds the object's id; empty when its path needs none."""
    listing: str = ""
    """Where objects with the mark are listed, under the plural of `answer`."""
    update: dict[str, Any] | None = None
    """When given, the object is made once and updated with this, instead of made and removed in turns."""


@dataclass(frozen=True)
class Api:
    """One API: its types in keystone's catalogue (newest first), what is asked, what is written."""

    name: str
    types: tuple[str, ...]
    read: str
    write: Made | None = None
    version: str = ""
    """Follows the URL of the catalogue when that carries no version."""
    headers: dict[str, str] = field(default_factory=dict)

    def base(self, token: Token) -> str | None:
        url = next((token.endpoints[each] for each in self.types if each in token.endpoints), None)
        return url and url.removesuffix(self.version) + self.version


APIS = (
    Api(
        "keystone",
        ("identity",),
        "/services?name=keystone",
        Made(f"PUT /projects/{{project}}/tags/{MARK}", f"/projects/{{project}}/tags/{MARK}"),
        version="/v3",
    ),
    Api(
        "glance",
        ("image",),
        "/images?limit=1",
        Made("POST /metadefs/namespaces", f"/metadefs/namespaces/{MARK}", {"namespace": MARK, "visibility": "private"}),
        version="/v2",
    ),
    Api(
        "placement",
        ("placement",),
        f"/resource_providers?name={MARK}",
        Made(f"PUT /traits/{TRAIT}", f"/traits/{TRAIT}"),
        headers={"OpenStack-API-Version": "placement 1.6"},
    ),
    Api(
        "nova",
        ("compute",),
        "/servers?limit=1",
        Made("POST /os-keypairs", f"/os-keypairs/{MARK}", {"keypair": {"name": MARK, "public_key": PUBLIC_KEY}}),
    ),
    Api(
        "neutron",
        ("network",),
        "/networks?limit=1&fields=id",
        Made(
            "POST /address-scopes",
            "/address-scopes/{id}",
            {"address_scope": {"name": MARK, "ip_version": 4}},
            answer="address_scope",
            listing=f"/address-scopes?name={MARK}",
        ),
        version="/v2.0",
    ),
    Api(
        "cinder",
        ("block-storage", "volumev3", "volume"),
        "/volumes?limit=1",
        Made(
            "POST /types",
            "/types/{id}",
            {"volume_type": {"name": MARK, "os-volume-type-access:is_public": False}},
            answer="volume_type",
            listing="/types?is_public=None",
            update={"volume_type": {"description": "the outage watcher's"}},
        ),
    ),
    Api(
        "heat",
        ("orchestration",),
        "/stacks?limit=1",
        Made(
            "POST /software_configs",
            "/software_configs/{id}",
            {"name": MARK, "group": "script", "config": "true"},
            answer="software_config",
            listing="/software_configs",
        ),
    ),
)


class Caller:
    """Asks one API with the session's token. None for an answer: could not ask, there is no token or endpoint yet."""

    def __init__(self, api: Api, session: Session, asker: Asker) -> None:
        self._api, self._session, self._asker = api, session, asker

    def call(self, method: str, path: str, good: tuple[int, ...], body: Any = None, **facts: str) -> Answer | None:
        token = self._session.token
        base = self._api.base(token) if token else None
        if token is None or base is None:
            return None
        path = path.format(project=token.project, **facts)
        answer = self._asker.ask(method, base + path, {"X-Auth-Token": token.id, **self._api.headers}, body, good)
        if answer.status == 401:
            self._session.refused()
        return answer


class Reader:
    def __init__(self, api: Api, caller: Caller) -> None:
        self._path, self._caller = api.read, caller

    def sample(self) -> Answer | None:
        return self._caller.call("GET", self._path, (200,))

    def clean(self) -> None:
        """Nothing to remove."""


class Writer:
    """Makes and removes its object in turns, one request a sample."""

    def __init__(self, made: Made, caller: Caller) -> None:
        self._made, self._caller = made, caller
        self._id: str | None = None
        """Of the object that is there now; empty where no id is needed."""

    def sample(self) -> Answer | None:
        made = self._made
        if self._id is None:
            method, path = made.create.split(" ", 1)
            # 409: an earlier request was served although its answer never came.
            answer = self._caller.call(method, path, (200, 201, 202, 204, 409), made.body)
            if answer and answer.is_good:
                self._id = self._id_of(answer)
            elif answer and not made.answer:
                # It may be there although no answer came, and keystone says 400 of a tag that is: first remove it.
                self._id = ""
        elif made.update:
            answer = self._caller.call("PUT", made.path, (200,), made.update, id=self._id)
            if answer and answer.status == 404:
                self._id = None  # a rollback took it away
        else:
            answer = self._remove(self._id)
            if answer and answer.is_good:
                self._id = None
                if answer.status == 404:
                    return self.sample()  # nothing was there to remove, so nothing has been written yet
        return answer

    def clean(self) -> None:
        """Remove what is there, and what a watcher that died has left. Does its best: an API may be down."""
        for leftover in self._leftovers():
            self._remove(leftover)
        self._id = None

    def _remove(self, identity: str) -> Answer | None:
        return self._caller.call("DELETE", self._made.path, (200, 202, 204, 404), id=identity)

    def _id_of(self, answer: Answer) -> str | None:
        if not self._made.answer:
            return ""
        body = answer.json()
        if self._made.answer in body:
            return str(body[self._made.answer]["id"])
        return next(iter(self._leftovers()), None)

    def _leftovers(self) -> list[str]:
        if not self._made.listing:
            return [""]
        answer = self._caller.call("GET", self._made.listing, (200,))
        rows = answer.json().get(f"{self._made.answer}s", []) if answer and answer.is_good else []
        return [str(row["id"]) for row in rows if row.get("name") == MARK]


class Page:
    """The login page of Horizon: no token, and nothing to write."""

    def __init__(self, url: str, asker: Asker) -> None:
        self._url, self._asker = url, asker

    def sample(self) -> Answer | None:
        return self._asker.ask("GET", self._url, {"Accept": "text/html"})

    def clean(self) -> None:
        """Nothing to remove."""
