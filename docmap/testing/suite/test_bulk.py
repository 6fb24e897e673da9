"""Many at once: all of them, up to the first that fails, or each by itself, and the truth told."""

from __future__ import annotations

import pytest

from docmap import BaseStorageAdapter, BulkError, DuplicateKey
from docmap.testing.models import Account, Order


@pytest.mark.parametrize("count", [1, 2, 99, 1000, 1001])
def test_every_document_is_stored(db: BaseStorageAdapter, count: int) -> None:
    keys = db.insert_many([Order(id=f"{n:05}", number=f"{n}", lines=n) for n in range(count)])
    assert keys == [f"{n:05}" for n in range(count)]
    assert db.find(Order).count() == count
    assert sorted(one.lines or 0 for one in db.find(Order)) == list(range(count))
    assert db.get(Order, keys[-1]).lines == count - 1


def test_rows_of_a_class(db: BaseStorageAdapter) -> None:
    db.insert_many(Order, ({"id": f"{n:03}", "number": str(n)} for n in range(250)))
    assert db.find(Order).count() == 250
    assert db.get(Order, "249").number == "249"


def test_save_many_inserts_and_updates(db: BaseStorageAdapter) -> None:
    db.insert_many([Order(id=f"{n}", number="old") for n in range(5)])
    orders = db.find(Order).list()
    for one in orders:
        one.number = "new"
    keys = db.save_many([*orders, Order(id="x", number="new")], batch_size=2)
    assert sorted(keys) == ["0", "1", "2", "3", "4", "x"]
    assert db.find(Order, number="new").count() == 6


def test_it_stops_at_the_first_that_fails(db: BaseStorageAdapter) -> None:
    Account(id="5", email="taken").save(db)
    accounts = [Account(id=f"{n}", email=f"{n}@x") for n in range(10)]
    with pytest.raises(DuplicateKey) as caught:
        db.insert_many(accounts)
    assert (caught.value.done, caught.value.position) == (5, 5)
    assert caught.value.written == tuple("01234")
    assert sorted(one.id for one in db.find(Account)) == list("012345")
    assert db.get(Account, "5").email == "taken"


def test_unordered_tries_each(db: BaseStorageAdapter) -> None:
    Account(id="3", email="taken").save(db)
    accounts = [Account(id=f"{n}", email=f"{n}@x") for n in range(6)]
    accounts.append(Account(id="z", email="taken"))
    with pytest.raises(BulkError) as caught:
        db.insert_many(accounts, ordered=False)
    assert [one.position for one in caught.value.failed] == [3, 6]
    assert sorted(caught.value.written) == list("01245")
    assert sorted(one.id for one in db.find(Account)) == list("012345")


def test_two_of_one_key_are_refused_before(db: BaseStorageAdapter) -> None:
    with pytest.raises(DuplicateKey):
        db.insert_many([Order(id=key, number="x") for key in "abca"])
    assert db.find(Order).count() == 0


def test_delete_many(db: BaseStorageAdapter) -> None:
    db.insert_many([Order(id=f"{n:03}", number=str(n)) for n in range(300)])
    assert db.delete_many(db.find(Order).order_by("id")[:250].list(), batch_size=100) == 250
    assert db.find(Order).count() == 50


def test_an_empty_bulk(db: BaseStorageAdapter) -> None:
    assert db.insert_many([]) == []
    assert db.save_many([]) == []
    assert db.delete_many([]) == 0
