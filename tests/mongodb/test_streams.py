"""Streams from MongoDB: each document at most once, whatever the server's indexes give."""

from __future__ import annotations

from typing import Any

import bson
import pytest
from bson import Binary, Int64

from docmap import connect
from docmap_backends._mongodb_streams import _once
from tests.mongodb.scripted import Command, Scripted, batch

KEYS: list[Any] = [
    *("a", "", "é" * 9, 5, Int64(2**40), 1.5, b"x", Binary(b"y" * 16, 4), True, {"a": 1}, None),
]


def moved(command: Command) -> dict[str, Any]:
    """A document that an index gave, and once more behind where it was moved to."""
    if command["find"] == "_docmap_collections":
        return dict(batch(command["find"]))
    rows: list[dict[str, Any]] = [
        {"_id": "a", "n": 1},
        {"_id": "b", "n": 2},
        {"_id": "a", "n": "moved"},
    ]
    return dict(batch("boxes", *rows))


def test_a_document_that_is_moved_meanwhile_comes_once() -> None:
    with Scripted() as server, connect(server.url) as db:
        server.always("find", moved)
        assert [row["id"] for row in db.find("boxes", n__gte=0)] == ["a", "b"]
        assert [row["id"] for row in db.find("boxes", n__exists=True)] == ["a", "b"]


@pytest.mark.parametrize("key", KEYS, ids=repr)
def test_keys_of_every_type_are_told_apart(key: Any) -> None:
    one, changed = bson.encode({"_id": key, "n": 1}), bson.encode({"_id": key, "n": "text"})
    two = bson.encode({"_id": bson.ObjectId(), "n": 1})
    seen: set[bytes] = set()
    assert _once(one + two + changed, seen) == one + two
    assert _once(two + one, seen) == b""
    last = bson.encode({"n": 1, "_id": key})
    assert _once(last, set()) == last
