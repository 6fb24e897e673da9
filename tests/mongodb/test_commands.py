"""What is sent to the server: one command for one operation, and what stands in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest
from pydantic import BaseModel

from docmap import BaseStorageAdapter, Document, Index, StaleDocument, connect
from tests.mongodb.scripted import Scripted, batch
from tests.servers import mongo


class Place(BaseModel):
    country: str = "DE"


class Box(Document, collection="boxes", indexes=[Index("status")]):
    status: str = "new"
    size: int = 0
    place: Place = Place()


OPERATIONS: dict[str, tuple[Callable[[BaseStorageAdapter], Any], str]] = {
    "insert": (lambda db: db.insert(Box(id="b")), "insert"),
    "get": (lambda db: db.get(Box, "a"), "find"),
    "get_many": (lambda db: db.get_many(Box, ["a", "z"]), "find"),
    "delete": (lambda db: db.delete(Box, "a"), "delete"),
    "insert_many": (lambda db: db.insert_many([Box() for _ in range(50)]), "insert"),
    "list": (lambda db: db.find(Box, status="new").list(), "find"),
    "first": (lambda db: db.find(Box, status="new").first(), "find"),
    "exists": (lambda db: db.find(Box, status="new").exists(), "find"),
    "count": (lambda db: db.find(Box, status="new").count(), "aggregate"),
    "values": (lambda db: db.find(Box).values("status"), "aggregate"),
    "update": (lambda db: db.find(Box, status="new").update(size=5), "update"),
    "delete by query": (lambda db: db.find(Box, status="new").delete(), "delete"),
}


@pytest.fixture
def sent() -> Iterator[tuple[BaseStorageAdapter, list[str]]]:
    """A storage that has been used a little, and the names of the commands that it sends."""
    names: list[str] = []
    with connect(mongo.url("commands"), scan_documents=10**9) as db:
        db.clear()
        db.insert(Box(id="a", size=1))
        db.find(Box, status="new", size__gte=0).list()
        db.find(Box, status="new").first()  # which asks how the server orders text
        db.find(Box, status="new").update(size=1)
        db.native._event_listeners.event_listeners()[0].started = _noting(db, names)
        yield db, names
        db.clear()


def _noting(db: BaseStorageAdapter, names: list[str]) -> Callable[[Any], None]:
    (listener,) = db.native._event_listeners.event_listeners()
    original: Callable[[Any], None] = listener.started

    def started(event: Any) -> None:
        names.append(event.command_name)
        original(event)

    return started


@pytest.mark.parametrize("name", OPERATIONS)
def test_an_operation_is_one_command(name: str, sent: tuple[BaseStorageAdapter, list[str]]) -> None:
    db, names = sent
    use, command = OPERATIONS[name]
    use(db)
    assert names == [command]


def test_a_save_is_one_command(sent: tuple[BaseStorageAdapter, list[str]]) -> None:
    db, names = sent
    loaded = db.get(Box, "a")
    names.clear()
    loaded.size = 7
    loaded.save()
    loaded.size = 8
    loaded.save()
    assert names == ["update", "update"]
    assert db.get(Box, "a").size == 8


def test_a_save_sets_the_fields_of_its_class_alone() -> None:
    stored = {"_id": "a", "status": "new", "size": 1, "place": {"country": "DE", "zip": "1"}}
    with Scripted() as server, connect(server.url) as db:
        db.ensure_indexes(Box)
        server.always("find", batch("boxes", {**stored, "extra": [1], "_rev": 5}))
        loaded = db.get(Box, "a")
        server.forget()
        loaded.size = 2
        loaded.save()
        (update,) = server.asked("update")[0]["updates"]
    assert update["q"] == {"_id": "a", "_rev": 5}
    assert update["u"] == {
        "$set": {
            "status": "new",
            "size": 2,
            "place": {"country": "DE", "zip": "1"},
            "_rev": 6,
        }
    }


def test_a_document_of_another_program_is_saved_once(
    sent: tuple[BaseStorageAdapter, list[str]],
) -> None:
    db, _ = sent
    boxes = db.native[db.url.path if db.url else ""]["boxes"]
    boxes.insert_one({"_id": "theirs", "status": "old", "size": 3, "place": {"country": "FR"}})
    early, late = db.get(Box, "theirs"), db.get(Box, "theirs")
    boxes.update_one({"_id": "theirs"}, {"$set": {"note": "kept"}})
    early.size = 4
    early.save()
    late.size = 5
    with pytest.raises(StaleDocument):
        late.save()
    held = boxes.find_one({"_id": "theirs"})
    assert (held["size"], held["note"], held["_rev"]) == (4, "kept", 1)


PAYLOADS = [{"$gt": ""}, {"$where": "1"}, {"$ne": None}, {"$regex": ".*"}, {"$in": ["a"]}]


@pytest.mark.parametrize("payload", PAYLOADS, ids=str)
def test_a_value_is_never_an_operator(
    payload: Any, sent: tuple[BaseStorageAdapter, list[str]]
) -> None:
    db, _ = sent
    db.insert_many("boxes", [{"id": "p", "any": payload}])
    uses: list[Callable[[], list[Any]]] = [
        lambda: db.find("boxes", any=payload).list(),
        lambda: db.find("boxes", status=payload).list(),
        lambda: db.find("boxes", any__in=[payload]).list(),
        lambda: db.find(Box, status=payload).list(),
        lambda: db.find("boxes", id=payload).list(),
    ]
    for use in uses:
        with suppress(ValueError):
            found = use()
            assert [one["id"] for one in found] in ([], ["p"])
    assert db.get("boxes", "p")["any"] == payload
