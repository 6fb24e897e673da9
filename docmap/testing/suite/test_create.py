"""Documents come into the store whole, once, and under the key that they have."""

from __future__ import annotations

import pytest

from docmap import BaseStorageAdapter, DocumentNotFound, DuplicateKey
from docmap.testing.models import Account, Order


def test_saved_then_loaded_is_equal(db: BaseStorageAdapter) -> None:
    order = Order(number="A-1", tags=["b", "a"])
    key = order.save(db)
    assert key == order.id
    found = db.get(Order, key)
    assert found == order
    assert found is not order


def test_nothing_is_stored_before_save(db: BaseStorageAdapter) -> None:
    order = Order(number="A-1")
    assert db.find(Order).count() == 0
    with pytest.raises(DocumentNotFound):
        db.get(Order, order.id)


def test_a_taken_key_is_refused(db: BaseStorageAdapter) -> None:
    Order(id="a", number="A-1").save(db)
    with pytest.raises(DuplicateKey):
        Order(id="a", number="A-2").save(db)
    assert db.get(Order, "a").number == "A-1"


def test_collections_do_not_mix(db: BaseStorageAdapter) -> None:
    Order(id="a", number="A-1").save(db)
    Account(id="a", name="Ann").save(db)
    assert db.get(Order, "a").number == "A-1"
    assert db.get(Account, "a").name == "Ann"
    assert db.delete(Account, "a")
    assert db.find(Order).count() == 1
    assert {"orders", "accounts"} >= set(db.collections()) >= {"orders"}
