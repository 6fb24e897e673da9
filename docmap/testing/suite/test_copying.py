"""Whole databases are copied to the store and from it, as they are."""

from __future__ import annotations

import pytest

from docmap import BaseStorageAdapter, DuplicateKey, ObjectId, connect
from docmap.storage.copy_content import canonical
from docmap.storage.copying import copy
from docmap.storage.loading import schema_of
from docmap.testing.collecting import requires
from docmap.testing.models import Account, Indexes, Numbered, Order

Contents = dict[str, dict[object, tuple[bytes, int]]]


def _contents(storage: BaseStorageAdapter) -> Contents:
    """The content and revisions of all documents, by collection and key."""
    found: Contents = {}
    for name in storage.collections():
        schema = schema_of(name)
        storage._refresh(schema)
        records = {schema.key_of(data): (data, rev) for data, rev in storage._scan(schema)}
        if records:
            found[name] = {
                key: (canonical(data), revision) for key, (data, revision) in records.items()
            }
    return found


def _fill(storage: BaseStorageAdapter) -> None:
    storage.insert_many(Order(number=f"A-{n}", tags=["a", "b"][: n % 3]) for n in range(20))
    storage.insert_many(Indexes(whole=n % 3, words=["é", "z"][: n % 3]) for n in range(10))
    storage.insert_many(Account(email=f"{n}@example.com") for n in range(5))
    storage.find(Account, email="1@example.com").update(visits=3)
    storage.insert_many("loose", [{"id": ObjectId()}, {"id": 5, "$x": {"": 1e22}}, {"id": "é"}])


@requires("sync")
def test_a_copy_has_the_same_content_and_revisions(
    db: BaseStorageAdapter, beside: BaseStorageAdapter
) -> None:
    _fill(beside)
    report = copy(beside, db, batch_size=7)
    assert (report.documents, report.written) == (38, 38)
    assert _contents(db) == _contents(beside)
    with connect("memory://") as back:
        again = copy(db, back, batch_size=7)
        assert _contents(back) == _contents(beside)
        assert [one.sha256 for one in again.collections] == [
            one.sha256 for one in report.collections
        ]


@requires("sync")
def test_a_copy_is_used_as_what_it_is_of(
    db: BaseStorageAdapter, beside: BaseStorageAdapter
) -> None:
    _fill(beside)
    held = beside.find(Account, visits=3).one()
    copy(beside, db)
    found = db.get(Account, held.id)
    assert found == held
    found.visits += 1
    found.save(db)
    assert db.find(Indexes, whole=1).order_by("-price").count() == 3
    with pytest.raises(DuplicateKey):
        Account(email="2@example.com").save(db)


@requires("indexes", "sync")
def test_a_copy_has_the_indexes(db: BaseStorageAdapter, beside: BaseStorageAdapter) -> None:
    _fill(beside)
    copy(beside, db)
    for model in (Indexes, Account):
        assert db.indexes(model)["missing"] == []
        assert db.indexes(model)["extra"] == []


@requires("counters", "sync")
def test_a_copy_counts_on(db: BaseStorageAdapter, beside: BaseStorageAdapter) -> None:
    documents = [Numbered(), Numbered(), Numbered()]
    beside.insert_many(documents)
    documents[2].delete()
    copy(beside, db)
    new = Numbered()
    new.save(db)
    assert new.id == 4
    new.delete()
    with connect("memory://") as back:
        copy(db, back)
        assert Numbered().save(back) == 5


@requires("sync")
def test_an_interrupted_copy_goes_on(db: BaseStorageAdapter, beside: BaseStorageAdapter) -> None:
    _fill(beside)
    told = 0

    def progress(count: int) -> None:
        nonlocal told
        told += count
        if told > 30:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        copy(beside, db, batch_size=4, progress=progress)
    beside.find(Order, number__in=["A-3", "A-4"]).delete()
    beside.find(Account).update(name="Ann")
    report = copy(beside, db, batch_size=4)
    assert report.resumed
    assert report.written < report.documents == 36
    assert _contents(db) == _contents(beside)


@requires("sync")
def test_a_copy_replaces_nothing(db: BaseStorageAdapter, beside: BaseStorageAdapter) -> None:
    _fill(beside)
    db.save("loose", {"id": 5, "mine": True})
    before = _contents(db)
    with pytest.raises(DuplicateKey):
        copy(beside, db, into_existing=True)
    assert _contents(db) == before
