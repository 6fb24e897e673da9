"""What mongomock answers otherwise than a server: why docs/testing.md has tests use memory://."""

from __future__ import annotations

from typing import Any

import mongomock
import pytest
from bson import Decimal128

from docmap import connect


@pytest.fixture
def mocked() -> Any:
    collection: Any = mongomock.MongoClient().shop.things
    values = (True, 1, "1", None, [1])
    collection.insert_many([{"_id": n, "value": value} for n, value in enumerate(values)])
    return collection


def _ids(found: Any) -> list[int]:
    return [document["_id"] for document in found]


def test_true_is_one(mocked: Any) -> None:
    assert _ids(mocked.find({"value": 1})) == [0, 1, 4]  # a server gives 1 and 4


def test_decimals_have_no_order(mocked: Any) -> None:
    mocked.insert_one({"_id": 9, "value": Decimal128("1")})
    with pytest.raises(NotImplementedError):
        list(mocked.find({"value": {"$gt": 0}}))
    with pytest.raises(NotImplementedError):
        list(mocked.find().sort("value"))


def test_an_int_grows_beyond_the_type(mocked: Any) -> None:
    mocked.insert_one({"_id": 9, "value": 2**63 - 1})
    mocked.update_one({"_id": 9}, {"$inc": {"value": 1}})
    assert mocked.find_one({"_id": 9})["value"] == 2**63  # a server refuses it


def test_a_missing_field_ends_an_expression(mocked: Any) -> None:
    mocked.insert_one({"_id": 9})
    with pytest.raises(KeyError):
        list(mocked.find({"$expr": {"$eq": ["$value", 1]}}))


@mongomock.patch(servers=(("mocked.example.com", 27017),))
def test_docmap_does_not_open_it() -> None:
    with pytest.raises(NotImplementedError, match="command"):
        connect("mongodb://mocked.example.com/shop")
