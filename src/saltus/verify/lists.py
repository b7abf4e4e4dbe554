"""What a cloud says it has: the eight lists of its APIs, asked in the same words of every release."""

from __future__ import annotations

import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from saltus.verify.connection import CloudDidNotAnswer, translated
from saltus.verify.marks import MARK
from saltus.verify.rows import (
    ComputeService,
    Flavor,
    IdentityService,
    Image,
    Network,
    OrchestrationService,
    Port,
    Router,
    Row,
    Server,
    Subnet,
    Volume,
    VolumeType,
)

PAGE = 1000
"""Rows asked for at once: nova's, cinder's and glance's own upper limit as they are installed."""


class ApiLists(BaseModel):
    """The eight lists at one moment: networks with subnets, ports and routers, volumes with their types."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[1] = 1
    seconds: dict[str, float]
    """{list: how long the cloud took to answer it}."""
    identity_services: tuple[IdentityService, ...]
    images: tuple[Image, ...]
    flavors: tuple[Flavor, ...]
    compute_services: tuple[ComputeService, ...]
    servers: tuple[Server, ...]
    networks: tuple[Network, ...]
    subnets: tuple[Subnet, ...]
    ports: tuple[Port, ...]
    routers: tuple[Router, ...]
    volumes: tuple[Volume, ...]
    volume_types: tuple[VolumeType, ...]
    orchestration_services: tuple[OrchestrationService, ...]

    def rows(self, name: str) -> tuple[Row, ...]:
        rows: tuple[Row, ...] = getattr(self, name)
        return rows

    def to_json(self) -> str:
        return self.model_dump_json(indent=1) + "\n"

    @classmethod
    def from_json(cls, text: str) -> ApiLists:
        return cls.model_validate_json(text)


@dataclass(frozen=True)
class Question:
    """How one list is asked: the openstacksdk proxy that knows the endpoint, the path there, the key of the answer.

    The microversion is pinned to the oldest, which every release since Mitaka answers in the same shape: two releases
    are compared in one language.
    """

    name: str
    proxy: str
    path: str
    answer: str
    row: type[Row]
    microversion: str | None = None
    paged: bool = True


QUESTIONS = (
    Question("identity_services", "identity", "/services", "services", IdentityService, paged=False),
    Question("images", "image", "/images?visibility=all", "images", Image),
    Question("flavors", "compute", "/flavors/detail?is_public=None", "flavors", Flavor, "2.1"),
    Question("compute_services", "compute", "/os-services", "services", ComputeService, "2.1", paged=False),
    Question("servers", "compute", "/servers/detail?all_tenants=1", "servers", Server, "2.1"),
    Question("networks", "network", "/networks", "networks", Network),
    Question("subnets", "network", "/subnets", "subnets", Subnet),
    Question("ports", "network", "/ports", "ports", Port),
    Question("routers", "network", "/routers", "routers", Router),
    Question("volumes", "block_storage", "/volumes/detail?all_tenants=1", "volumes", Volume, "3.0"),
    Question("volume_types", "block_storage", "/types?is_public=None", "volume_types", VolumeType, "3.0"),
    Question("orchestration_services", "orchestration", "/services", "services", OrchestrationService, paged=False),
)


def ask(connection: Any) -> ApiLists:
    """Ask every list of the cloud behind `connection` (an admin's, made by `connection.connect`).

    Services side by side, the lists of one service one after another: seconds count before the switch.
    """
    proxies = dict.fromkeys(question.proxy for question in QUESTIONS)

    def of(proxy: str) -> list[tuple[Question, float, tuple[Row, ...]]]:
        return [(question, *_timed(connection, question)) for question in QUESTIONS if question.proxy == proxy]

    with ThreadPoolExecutor(len(proxies)) as pool:
        answers = [answer for of_proxy in pool.map(of, proxies) for answer in of_proxy]
    answers.sort(key=lambda answer: QUESTIONS.index(answer[0]))
    lists = {question.name: rows for question, _, rows in answers}
    return ApiLists.model_validate({"seconds": {question.name: s for question, s, _ in answers}, **lists})


def _timed(connection: Any, question: Question) -> tuple[float, tuple[Row, ...]]:
    started = time.monotonic()
    with translated(f"the list of {question.name.replace('_', ' ')} was not answered"):
        items = fetch(getattr(connection, question.proxy), question)
    return round(time.monotonic() - started, 3), parse(question, items)


def parse(question: Question, items: Iterable[dict[str, Any]]) -> tuple[Row, ...]:
    """Rows in the order of their identity, without those that the outage watcher makes and removes."""
    try:
        rows = [question.row.model_validate(item) for item in items if MARK not in str(item.get("name"))]
    except (ValidationError, KeyError, TypeError) as exc:
        raise CloudDidNotAnswer(
            what=f"the list of {question.name.replace('_', ' ')} is not in the shape we know",
            because=str(exc),
            do="this release answers differently: teach saltus/verify/lists.py its shape",
        ) from exc
    # The last of equal identity stays: by status, `up` sorts behind `down` (heat's engines of one host).
    rows.sort(key=lambda row: (row.identity(), getattr(row, "status", "")))
    return tuple({row.identity(): row for row in rows}.values())


def fetch(proxy: Any, question: Question) -> list[dict[str, Any]]:
    """All pages of a list. Ends at an empty page or one that brings nothing new (a backend that knows no markers)."""
    from openstack.exceptions import raise_from_response

    found: dict[str, dict[str, Any]] = {}
    marker: str | None = None
    while True:
        path = question.path
        if question.paged:
            path += f"{'&' if '?' in path else '?'}limit={PAGE}" + (f"&marker={marker}" if marker else "")
        response = proxy.get(path, microversion=question.microversion)
        raise_from_response(response)
        page: list[dict[str, Any]] = response.json()[question.answer]
        if not question.paged:
            return page
        new = {str(item["id"]): item for item in page if str(item["id"]) not in found}
        if not new:
            return list(found.values())
        found |= new
        marker = str(page[-1]["id"])
