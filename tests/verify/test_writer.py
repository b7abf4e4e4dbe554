"""The watcher's writes: an answer that was lost on its way is no outage that lasts."""

from __future__ import annotations

from typing import Any, cast

from saltus.verify.watcher.apis import APIS, Caller, Writer
from saltus.verify.watcher.asking import Answer


class Keystone:
    """Its tags of a project, as it keeps them: a tag that is there already is refused with 400, not with 409."""

    def __init__(self) -> None:
        self.tags: set[str] = set()
        self.loses_answers = False
        self.writes_nothing = False

    def call(self, method: str, path: str, good: tuple[int, ...], body: Any = None, **facts: str) -> Answer:
        there = path in self.tags
        if self.writes_nothing and (there or method == "PUT"):
            return Answer("500 from keystone", 500)
        if method == "PUT":
            status = 400 if there else 201
            self.tags.add(path)
        else:
            status = 204 if there else 404
            self.tags.discard(path)
        if self.loses_answers:
            return Answer("502 Bad Gateway", 502)
        return Answer("" if status in good else f"{status} from keystone", status)


def asked() -> tuple[Keystone, Writer]:
    keystone = Keystone()
    made = next(api.write for api in APIS if api.name == "keystone")
    assert made is not None
    return keystone, Writer(made, cast(Caller, keystone))


def test_a_write_that_was_served_although_its_answer_was_lost_does_not_fail_for_ever() -> None:
    keystone, writer = asked()
    keystone.loses_answers = True
    assert not cast(Answer, writer.sample()).is_good
    keystone.loses_answers = False
    assert [cast(Answer, writer.sample()).error for _ in range(6)] == [""] * 6
    assert len(keystone.tags) <= 1


def test_while_a_database_takes_no_writes_that_there_is_nothing_to_remove_is_no_good_sign() -> None:
    keystone, writer = asked()
    keystone.writes_nothing = True
    assert [cast(Answer, writer.sample()).status for _ in range(4)] == [500] * 4
    keystone.writes_nothing = False
    assert [cast(Answer, writer.sample()).error for _ in range(4)] == [""] * 4
