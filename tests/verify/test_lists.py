"""The lists, asked through openstacksdk of APIs that answer as real ones do."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from saltus.errors import OperatorError
from saltus.verify.connection import CloudDidNotAnswer, Login, connect
from saltus.verify.lists import QUESTIONS, ApiLists, ask, fetch
from saltus.verify.rows import Server

from .fake_cloud import PASSWORD, FakeCloud

ANSWERS = json.loads((Path(__file__).parent / "answers" / "cloud.json").read_text())
Start = Callable[[dict[str, Any]], FakeCloud]


@pytest.fixture
def start() -> Iterator[Start]:
    clouds: list[FakeCloud] = []

    def start(bodies: dict[str, Any]) -> FakeCloud:
        clouds.append(FakeCloud(bodies))
        return clouds[-1]

    yield start
    for cloud in clouds:
        cloud.close()


def login(cloud: FakeCloud, password: str = PASSWORD) -> Login:
    port = int(cloud.apis["keystone"].url.rsplit(":", 1)[1])
    return Login("127.0.0.1", "admin", "admin", password, port=port)


def test_all_lists_are_read_through_openstacksdk(start: Start) -> None:
    lists = ask(connect(login(start(ANSWERS))))
    assert {question.name: len(lists.rows(question.name)) for question in QUESTIONS} == {
        "identity_services": 2,
        "images": 2,
        "flavors": 1,
        "compute_services": 2,
        "servers": 2,
        "networks": 1,
        "subnets": 1,
        "ports": 1,
        "routers": 2,
        "volumes": 1,
        "volume_types": 1,
        "orchestration_services": 1,
    }
    assert set(lists.seconds) == {question.name for question in QUESTIONS}
    assert lists.servers[0] == Server(
        id="s1",
        name="demo-1",
        status="ACTIVE",
        project="p2",
        host="cmp01",
        addresses=("ext 10.78.0.11",),
        flavor="1",
        image="img-1",
    )
    assert lists.servers[1].image is None
    assert lists.networks[0].subnets == ("sub1", "sub2")
    assert lists.orchestration_services[0].status == "up"  # one engine of two
    assert lists.volume_types[0].name == "standard"  # and not the watcher's own


def test_a_proxy_that_does_not_have_the_address_yet_is_asked_in_its_place(start: Start) -> None:
    cloud = start(ANSWERS)
    for api in cloud.apis.values():
        api.said_host = "192.0.2.10"  # an address for documentation: nobody is there
    asked = login(cloud)
    lists = ask(connect(Login("192.0.2.10", "admin", "admin", PASSWORD, port=asked.port, by="127.0.0.1")))
    assert len(lists.servers) == 2


def test_lists_are_what_they_were_after_being_written_down(start: Start) -> None:
    lists = ask(connect(login(start(ANSWERS))))
    assert ApiLists.from_json(lists.to_json()) == lists


def test_a_list_without_a_field_that_is_compared_is_an_error_that_names_it(start: Start) -> None:
    answers = copy.deepcopy(ANSWERS)
    del answers["nova"]["/v2.1/servers/detail"]["servers"][0]["status"]
    with pytest.raises(CloudDidNotAnswer, match=r"list of servers is not in the shape we know(.|\n)*status"):
        ask(connect(login(start(answers))))


def test_an_api_that_is_away_is_an_error_that_names_the_list(start: Start) -> None:
    cloud = start(ANSWERS)
    connection = connect(login(cloud))
    cloud.apis["glance"].mode = "503"
    with pytest.raises(CloudDidNotAnswer, match="list of images was not answered"):
        ask(connection)


def test_a_refused_login_names_the_user_and_never_the_password(start: Start) -> None:
    with pytest.raises(OperatorError) as caught:
        connect(login(start(ANSWERS), "wrong-password"))
    assert "as admin" in str(caught.value)
    assert "wrong-password" not in str(caught.value) + repr(login(start(ANSWERS), "wrong-password"))


def test_pages_are_followed_to_their_end() -> None:
    class Proxy:
        """Three rows, two at a time, by marker."""

        rows = tuple({"id": str(n)} for n in range(3))

        def get(self, path: str, microversion: str | None) -> Any:
            begin = int(path.split("marker=")[1]) + 1 if "marker=" in path else 0
            return Response({"flavors": self.rows[begin : begin + 2]})

    class Response:
        status_code = 200

        def __init__(self, body: Any) -> None:
            self.json = lambda: body

    question = next(question for question in QUESTIONS if question.name == "flavors")
    assert [row["id"] for row in fetch(Proxy(), question)] == ["0", "1", "2"]
