"""Text in the keys of objects that no engine keeps: refused before anything is asked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from pydantic import Field

from docmap import BaseStorageAdapter, Document, InvalidQuery, InvalidValue, connect, path

KEYS = {"NUL": "k\0", "surrogate": "k\ud800"}


class Box(Document, collection="boxes"):
    data: dict[str, Any] = Field(default_factory=dict)
    sizes: dict[str, int] = Field(default_factory=dict)
    nested: dict[str, list[dict[str, int]]] = Field(default_factory=dict)


WRITES: dict[str, Callable[[BaseStorageAdapter, str], Any]] = {
    "save": lambda db, key: Box(data={key: 1}).save(db),
    "save of numbers": lambda db, key: Box(sizes={key: 1, key + "\udfff": 2}).save(db),
    "save deep inside": lambda db, key: Box(nested={"a": [{key: 1}]}).save(db),
    "insert many": lambda db, key: db.insert_many([Box(sizes={key: 1})]),
    "untyped": lambda db, key: db.insert_many("boxes", [{"id": "b", key: 1}]),
    "update": lambda db, key: db.find(Box).update(sizes={key: 1}),
}
QUERIES: dict[str, Callable[[BaseStorageAdapter, str], Any]] = {
    "a path": lambda db, key: db.find(Box).where(path("data", key) == 1).count(),
    "an object": lambda db, key: db.find(Box, data={key: 1}).count(),
    "numbers": lambda db, key: db.find(Box, sizes={key: 1}).count(),
    "untyped": lambda db, key: db.find("boxes", **{key: 1}).count(),
    "order": lambda db, key: db.find("boxes").order_by(key).list(),
    "values": lambda db, key: list(db.find("boxes").values(key)),
    "update": lambda db, key: db.find("boxes").update(**{key: 1}),
    "update of a key": lambda db, key: db.find(Box).update(path("data", key).set(1)),
}


@pytest.fixture(params=["memory://", "sqlite://"])
def db(request: pytest.FixtureRequest) -> BaseStorageAdapter:
    db = connect(request.param)
    Box(id="a", data={"k": 1, "�": 2}, sizes={"���": 1}).save(db)
    return db


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("name", WRITES)
def test_it_is_not_stored(db: BaseStorageAdapter, name: str, key: str) -> None:
    with pytest.raises(InvalidValue, match=key):
        WRITES[name](db, KEYS[key])
    assert db.find("boxes").count() == 1


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("name", QUERIES)
def test_nobody_can_ask_for_it(db: BaseStorageAdapter, name: str, key: str) -> None:
    with pytest.raises(InvalidQuery, match=key):
        QUERIES[name](db, KEYS[key])
    assert db.get(Box, "a").data == {"k": 1, "�": 2}


def test_the_character_that_stands_for_others_is_text(db: BaseStorageAdapter) -> None:
    assert db.find(Box, sizes={"���": 1}).count() == 1
    assert db.find(Box).where(path("data", "�") == 2).count() == 1
    assert db.find(Box, data={"k": 1, "�": 2}).one().sizes == {"���": 1}
