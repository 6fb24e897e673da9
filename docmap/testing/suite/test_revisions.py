"""Revisions: nobody writes over what he has not seen, and nothing deleted comes back."""

from __future__ import annotations

import pytest

from docmap import BaseStorageAdapter, Document, StaleDocument
from docmap.testing.models import Order


def test_a_stale_document_is_refused(db: BaseStorageAdapter) -> None:
    Order(id="a", number="1").save(db)
    first, second = db.get(Order, "a"), db.get(Order, "a")
    first.status = "first"
    first.save()
    second.status = "second"
    with pytest.raises(StaleDocument):
        second.save()
    with pytest.raises(StaleDocument):
        second.delete()
    assert db.get(Order, "a").status == "first"
    second.reload()
    second.status = "second"
    second.save()
    assert db.get(Order, "a").status == "second"


def test_every_save_raises_the_revision(db: BaseStorageAdapter) -> None:
    order = Order(id="a", number="1")
    order.save(db)
    for number in range(3):
        seen = db.get(Order, "a")
        order.status = f"status {number}"
        order.save()
        seen.status = "late"
        with pytest.raises(StaleDocument):
            seen.save()


def test_what_was_deleted_does_not_come_back(db: BaseStorageAdapter) -> None:
    order = Order(id="a", number="1")
    order.save(db)
    db.delete(Order, "a")
    order.status = "back"
    with pytest.raises(StaleDocument):
        order.save()
    assert db.find(Order).count() == 0


def test_save_and_upsert_by_key_ignore_revisions(db: BaseStorageAdapter) -> None:
    Order(id="a", number="1").save(db)
    assert db.save(Order, {"number": "2"}, primary_key="a") == "a"
    assert db.save(Order, {"number": "3"}, primary_key="b") == "b"
    db.upsert(Order(id="a", number="4"))
    db.upsert(Order(id="c", number="5"))
    assert {one.id: one.number for one in db.find(Order)} == {"a": "4", "b": "3", "c": "5"}


def test_save_many_refuses_the_stale_one(db: BaseStorageAdapter) -> None:
    db.insert_many([Order(id=f"{n}", number="x") for n in range(5)])
    orders = db.find(Order).order_by("id").list()
    db.find(Order, id="2").update(status="newer")
    for one in orders:
        one.status = "saved"
    with pytest.raises(StaleDocument) as caught:
        db.save_many(orders)
    assert caught.value.done == 2
    assert [one.status for one in db.find(Order).order_by("id")] == [
        "saved", "saved", "newer", "new", "new",
    ]  # fmt: skip


def test_delete_many_refuses_the_stale_one(db: BaseStorageAdapter) -> None:
    db.insert_many([Order(id=f"{n}", number="x") for n in range(4)])
    orders = db.find(Order).order_by("id").list()
    db.find(Order, id="1").update(status="newer")
    with pytest.raises(StaleDocument):
        db.delete_many(orders)
    assert [one.id for one in db.find(Order).order_by("id")] == ["1", "2", "3"]


def test_what_a_class_does_not_know_is_kept(db: BaseStorageAdapter) -> None:
    class Short(Document, collection="orders"):
        number: str

    order = Order(id="a", number="1", tags=["x"], note="kept")
    order.save(db)
    short = db.get(Short, "a")
    short.number = "2"
    short.save()
    assert db.get(Order, "a") == order.model_copy(update={"id": "a", "number": "2"})
    db.find(Short, number="2").update(number="3")
    assert (db.get(Order, "a").note, db.get(Order, "a").number) == ("kept", "3")
