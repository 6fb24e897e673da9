"""Bulk writes of documents of several classes of a family."""

from __future__ import annotations

from typing import Any

import pytest

from docmap import BaseStorageAdapter, BulkError, Document, DuplicateKey, after
from tests.model.vehicles import Car, SportsCar, Truck, Vehicle


def fleet() -> list[Vehicle]:
    """Documents of four classes in turn."""
    kinds: list[Any] = [Car, Truck, SportsCar, Vehicle]
    return [kinds[n % 4](id=f"{n:02}", name=str(n)) for n in range(40)]


def test_all_are_stored_as_what_they_are(db: BaseStorageAdapter) -> None:
    documents = fleet()
    assert db.insert_many(documents) == [one.id for one in documents]
    assert db.find(Vehicle).order_by("id").list() == documents
    for one in documents:
        one.name += "!"
    db.save_many(documents)  # over the revisions that the inserts noted
    assert db.find(Vehicle, name__endswith="!").count() == 40
    assert db.delete_many(documents) == 40


def test_one_commit_for_all(full: BaseStorageAdapter) -> None:
    commits: list[int] = []
    kept = full._save_many

    def counted(schema: Any, writes: Any) -> list[int]:
        commits.append(len(writes))
        return kept(schema, writes)

    storage: Any = full
    storage._save_many = counted
    full.insert_many(iter(fleet()))
    assert commits == [10, 10, 10, 10]


def test_it_stops_at_the_first_that_fails(db: BaseStorageAdapter) -> None:
    Truck(id="21", name="there").insert(db)
    documents = fleet()
    with pytest.raises(DuplicateKey) as caught:
        db.insert_many(documents)
    assert (caught.value.key, caught.value.position, caught.value.done) == ("21", 21, 21)
    assert [one.id for one in db.find(Vehicle).order_by("id")] == [f"{n:02}" for n in range(22)]
    assert [one.is_new for one in documents] == [False] * 21 + [True] * 19


def test_without_order_all_others_are_stored(db: BaseStorageAdapter) -> None:
    Truck(id="21", name="there").insert(db)
    with pytest.raises(BulkError) as caught:
        db.insert_many(fleet(), ordered=False)
    assert [failure.position for failure in caught.value.failed] == [21]
    assert db.find(Vehicle).count() == 40


def test_hooks_of_one_class_only(db: BaseStorageAdapter) -> None:
    seen: list[str] = []

    class Plain(Document):
        pass

    class Loud(Plain):
        @after("insert")
        def tell(self) -> None:
            seen.append(self.id)

    db.insert_many([Plain(id="1"), Loud(id="2"), Plain(id="3"), Loud(id="4")])
    assert seen == ["2", "4"]
