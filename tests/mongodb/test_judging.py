"""Which index serves a query, as docmap judges it where the server does not say."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from docmap import BaseStorageAdapter, Count, ScanRefused, connect
from docmap_backends._mongodb_judging import JUDGED, Index, judged, listed
from tests.mongodb.scripted import Scripted, failure
from tests.mongodb.things import Thing

INDEXES = [
    Index("_id_", ("_id",), {}),
    Index("ab", ("a", "b", "_id"), {}),
    Index("c", ("c",), {"c": "string"}),
    Index("c_order", ("c", "_id"), {}),
]


@pytest.mark.parametrize(
    ("condition", "order", "used"),
    [
        ({}, [], ()),
        ({"_id": {"$in": [1]}}, [], ("_id_",)),
        ({"a": {"$eq": 1, "$not": {"$type": "array"}}}, [], ("ab",)),
        ({"$and": [{"a": {"$eq": 1}}, {"b": {"$gt": 1}}]}, [], ("ab",)),
        ({"b": {"$eq": 1}}, [], ()),
        ({"a": {"$not": {"$type": "array"}}}, [], ()),
        ({"a": {"$exists": True}}, [], ()),
        ({"a": {"$elemMatch": {"$eq": 1}}}, [], ("ab",)),
        ({"$nor": [{"a": {"$eq": 1}}]}, [], ()),
        ({"$and": [{"a": {"$type": "string"}}, {"a": {"$regex": r"\Ax"}}]}, [], ("ab",)),
        ({"a": {"$regex": "x"}}, [], ()),
        ({"a": {"$regex": r"\A.x"}}, [], ()),
        ({"c": {"$eq": "x", "$type": "string"}}, [], ("c",)),
        ({"c": {"$eq": "x"}}, [], ("c_order",)),
        ({"$or": [{"a": {"$eq": 1}}, {"_id": {"$eq": 1}}]}, [], ("ab", "_id_")),
        ({"$or": [{"a": {"$eq": 1}}, {"b": {"$eq": 1}}]}, [], ()),
        ({"$or": [{"b": {"$eq": 1}}], "a": {"$lt": 1}}, [], ("ab",)),
        ({}, [("a", 1)], ("ab",)),
        ({}, [("b", 1)], ()),
        ({}, [("c", -1), ("_id", -1)], ("c_order",)),
    ],
)
def test_an_index_serves_by_its_first_fields(condition: Any, order: Any, used: Any) -> None:
    assert judged(condition, order, INDEXES) == used


def test_indexes_of_other_kinds_serve_nothing() -> None:
    hashed = [{"name": "h", "key": {"a": "hashed"}}, {"name": "a", "key": {"a": 1}}]
    assert [one.name for one in listed(hashed)] == ["a"]


@pytest.fixture
def filled(things: BaseStorageAdapter) -> BaseStorageAdapter:
    """Documents on the server of the tests, which may explain its plans or not."""
    things.insert_many([Thing(id=str(i), number=f"n{i}", status="ab"[i % 2]) for i in range(9)])
    return things


def test_a_good_query_is_not_refused(filled: BaseStorageAdapter) -> None:
    careful = filled.options(allow_scan=False)
    assert careful.find(Thing, status="a").count() == 5
    assert careful.find(Thing, number="n3").one().id == "3"
    assert careful.find(Thing, status="a", at__gt=datetime(2024, 1, 1, tzinfo=UTC)).list() == []
    for bad in (careful.find(Thing, count=1), careful.find(Thing).where_not(status="a")):
        with pytest.raises(ScanRefused):
            bad.list()


@pytest.fixture
def silent() -> Iterator[BaseStorageAdapter]:
    """A storage on a server that explains nothing."""
    keys = [{"_id": 1}, {"status": 1, "at": -1, "_id": -1}]
    index = next(one for one in Thing.__docmap_schema__.indexes if one.label == "(status, -at)")
    told = [
        {"name": name, "key": key} for name, key in zip(("_id_", index.name), keys, strict=True)
    ]
    with Scripted() as server:
        server.always("explain", failure(59, "CommandNotFound"))
        cursor = {"id": 0, "ns": "shop.things", "firstBatch": told}
        server.always("listIndexes", {"cursor": cursor, "ok": 1.0})
        with connect(server.url) as db:
            yield db


def test_explain_says_whose_judgement_it_is(silent: BaseStorageAdapter) -> None:
    plan = silent.find(Thing, status="a").explain()
    assert (plan.indexes, plan.scan) == (("(status, -at)",), False)
    assert JUDGED in str(plan)
    assert silent.find(Thing, id="a").explain().indexes == ("(key)",)
    assert silent.find(Thing, count=1).explain().scan
    grouped = silent.find(Thing, status="a").group_by("status").aggregate(n=Count())
    assert grouped.explain().indexes == ("(status, -at)",)
