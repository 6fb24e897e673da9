"""Reading: by key, by many keys, as streams that show one moment, as other shapes."""

from __future__ import annotations

import pytest
from pydantic import BaseModel

from docmap import BaseStorageAdapter, DocumentNotFound, InvalidRecord, MultipleFound
from docmap.testing.models import Account, Order


def _orders(db: BaseStorageAdapter, count: int) -> list[str]:
    found: list[str] = db.insert_many(
        [Order(id=f"{n:04}", number=f"A-{n}", lines=n) for n in range(count)]
    )
    return found


def test_get(db: BaseStorageAdapter) -> None:
    _orders(db, 3)
    assert db.get(Order, "0001").lines == 1
    with pytest.raises(DocumentNotFound):
        db.get(Order, "1")
    with pytest.raises(KeyError):
        db.get(Account, "0001")


def test_get_many(db: BaseStorageAdapter) -> None:
    keys = _orders(db, 30)
    wanted = [keys[7], "missing", keys[2], keys[7], keys[29], keys[0]]
    found = db.get_many(Order, wanted)
    assert [one.id for one in found] == [key for key in wanted if key != "missing"]
    assert db.get_many(Order, []) == []
    assert [one.id for one in db.get_many(Order, reversed(keys))] == keys[::-1]


def test_a_stream_shows_one_moment(db: BaseStorageAdapter) -> None:
    """What is written in a loop is not seen by it; nothing comes twice and nothing is left out."""
    _orders(db, 60)
    seen = []
    for order in db.find(Order, lines__gte=0):
        seen.append(order.id)
        if len(seen) <= 60:
            Order(id=f"{order.id}x", number="new", lines=1000 + len(seen)).save(db)
    assert sorted(seen) == [f"{n:04}" for n in range(60)]
    assert db.find(Order).count() == 120


def test_a_stream_of_what_it_changes(db: BaseStorageAdapter) -> None:
    """The loop raises what it is ordered by, and ends."""
    _orders(db, 40)
    seen = 0
    for order in db.find(Order).order_by("lines"):
        order.lines = (order.lines or 0) + 100
        order.save()
        seen += 1
    assert seen == 40
    assert db.find(Order, lines__gte=100).count() == 40


def test_a_stream_that_is_left(db: BaseStorageAdapter) -> None:
    _orders(db, 50)
    stream = iter(db.find(Order).order_by("lines"))
    assert next(stream).lines == 0
    del stream
    Order(id="new", number="n").save(db)
    assert db.find(Order).count() == 51


def test_two_streams_at_once(db: BaseStorageAdapter) -> None:
    _orders(db, 20)
    pairs = list(
        zip(db.find(Order).order_by("lines"), db.find(Order).order_by("-lines"), strict=True)
    )
    assert [(a.lines, b.lines) for a, b in pairs] == [(n, 19 - n) for n in range(20)]


def test_documents_are_copies(db: BaseStorageAdapter) -> None:
    order = Order(id="a", number="A", tags=["x"])
    order.save(db)
    order.tags.append("y")
    found = db.get(Order, "a")
    assert found.tags == ["x"]
    found.tags.append("z")
    raw = next(iter(db.find(Order).raw()))
    raw["tags"].append("w")
    assert db.get(Order, "a").tags == ["x"]
    assert next(iter(db.find(Order).raw()))["tags"] == ["x"]


def test_one_and_get_of_a_query(db: BaseStorageAdapter) -> None:
    _orders(db, 5)
    assert db.find(Order, lines=3).one().id == "0003"
    assert db.find(Order).get(lines=2).id == "0002"
    with pytest.raises(MultipleFound):
        db.find(Order).one()
    with pytest.raises(DocumentNotFound):
        db.find(Order, lines=99).one()


def test_a_view_reads_what_it_names(db: BaseStorageAdapter) -> None:
    class Short(BaseModel):
        number: str
        lines: int | None

    _orders(db, 3)
    found = db.find(Order).order_by("-lines").view(Short).list()
    assert found == [Short(number=f"A-{n}", lines=n) for n in (2, 1, 0)]


def test_a_record_that_does_not_fit_is_named(db: BaseStorageAdapter) -> None:
    _orders(db, 3)
    db.insert_many("orders", [{"id": "bad", "number": 5}])
    with pytest.raises(InvalidRecord) as caught:
        db.get(Order, "bad")
    assert caught.value.collection == "orders"
    assert len(db.find(Order).on_invalid("skip").list()) == 3
    assert db.find(Order).count() == 4


def test_a_collection_is_a_container(db: BaseStorageAdapter) -> None:
    _orders(db, 4)
    collection = db.collection(Order)
    assert len(collection) == 4
    assert "0002" in collection
    assert "2" not in collection
    assert sorted(one.id for one in collection) == [f"{n:04}" for n in range(4)]
    collection.clear()
    assert len(db.collection(Order)) == 0


def test_nothing_is_found_where_nothing_was_stored(db: BaseStorageAdapter) -> None:
    assert db.collections() == []
    assert db.find(Order).list() == []
    assert db.find("nowhere", a=1).count() == 0
    assert db.find(Order).order_by("number")[2:].list() == []
    assert db.find(Order).values("number") == []
    assert db.find(Order).delete() == 0
    assert db.delete(Order, "a") is False
    assert db.find(Order, number="a").update(status="b") == (0, 0)
    assert db.get_many(Order, ["a"]) == []
