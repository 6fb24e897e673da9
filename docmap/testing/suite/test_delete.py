"""Deleting takes what was meant, says what was there, and leaves everything else."""

from __future__ import annotations

import pytest

from docmap import BaseStorageAdapter, DocumentNotFound, Q, StaleDocument
from docmap.testing.models import Account, Order


def _orders(db: BaseStorageAdapter, count: int) -> None:
    db.insert_many(
        [
            Order(id=f"{n:03}", number=f"A-{n}", lines=n, status=["new", "Paid"][n % 2])
            for n in range(count)
        ]
    )


def _left(db: BaseStorageAdapter) -> list[int]:
    return sorted(one.lines or 0 for one in db.find(Order))


def test_delete_by_key(db: BaseStorageAdapter) -> None:
    _orders(db, 3)
    assert db.delete(Order, "001") is True
    assert db.delete(Order, "001") is False
    assert db.delete(Order, "none") is False
    assert _left(db) == [0, 2]
    with pytest.raises(DocumentNotFound):
        db.get(Order, "001")


def test_delete_a_document(db: BaseStorageAdapter) -> None:
    _orders(db, 3)
    order, same = db.get(Order, "001"), db.get(Order, "001")
    assert order.delete() is True
    assert _left(db) == [0, 2]
    same.status = "late"
    with pytest.raises(StaleDocument):
        same.save()
    assert _left(db) == [0, 2]


def test_delete_by_condition(db: BaseStorageAdapter) -> None:
    _orders(db, 20)
    assert db.find(Order, lines__lt=5).delete() == 5
    assert db.find(Order, status__iexact="PAID", lines__lt=10).delete() == 3
    assert db.find(Order).where_not(lines__lt=18).delete() == 2
    assert db.find(Order, Q(lines=10) | Q(number__matches="-12$")).delete() == 2
    assert db.find(Order, lines=999).delete() == 0
    assert _left(db) == [6, 8, 11, 13, 14, 15, 16, 17]


def test_delete_all_of_one_collection(db: BaseStorageAdapter) -> None:
    _orders(db, 5)
    Account(id="a", name="x").save(db)
    assert db.find(Order).delete() == 5
    assert db.find(Order).count() == 0
    assert db.find(Account).count() == 1


def test_deleted_then_made_anew(db: BaseStorageAdapter) -> None:
    _orders(db, 2)
    old = db.get(Order, "000")
    db.delete(Order, "000")
    Order(id="000", number="again", lines=7).save(db)
    old.status = "late"
    with pytest.raises(StaleDocument):
        old.save()
    with pytest.raises(StaleDocument):
        old.delete()
    assert db.get(Order, "000").number == "again"


def test_clear_removes_everything(db: BaseStorageAdapter) -> None:
    _orders(db, 5)
    Account(id="a", email="a@x").save(db)
    db.clear()
    assert db.find(Order).count() == 0
    assert db.find(Account).count() == 0
    assert db.get_many(Order, ["000"]) == []
    Account(id="b", email="a@x").save(db)
    assert [one.id for one in db.find(Account, email="a@x")] == ["b"]


def test_what_is_deleted_is_found_by_no_index(db: BaseStorageAdapter) -> None:
    db.insert_many([Account(id=f"{n:02}", email=f"{n}@x") for n in range(10)])
    assert db.delete_many(db.find(Account, email__in=["3@x", "4@x"]).list()) == 2
    assert db.find(Account, email="3@x").count() == 0
    assert db.find(Account, email__startswith="").count() == 8
    Account(id="new", email="3@x").save(db)
    assert [one.id for one in db.find(Account, email="3@x")] == ["new"]
