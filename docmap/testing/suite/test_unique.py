"""Unique indexes: no two documents with one value, whatever way they come, and nulls as many."""

from __future__ import annotations

from typing import Annotated

import pytest

from docmap import BaseStorageAdapter, Document, DuplicateKey, Index, Indexed
from docmap.testing.collecting import requires
from docmap.testing.models import Account


class Seat(Document, collection="seats", indexes=[Index("row", "number", unique=True)]):
    """Unique over two fields."""

    row: str | None = None
    number: int | None = None


class Tagged(Document, collection="tagged"):
    """Unique over the elements of a list."""

    tags: Annotated[list[str], Indexed(unique=True)] = []  # noqa: RUF012 - pydantic copies it


def _emails(db: BaseStorageAdapter) -> list[str | None]:
    return [one.email for one in db.find(Account).order_by("id")]


def test_a_taken_value_is_refused(db: BaseStorageAdapter) -> None:
    Account(id="a", email="x").save(db)
    with pytest.raises(DuplicateKey) as caught:
        Account(id="b", email="x").save(db)
    assert caught.value.fields == ("email",)
    Account(id="c", email="X").save(db)
    Account(id="d", email="x ").save(db)
    assert _emails(db) == ["x", "X", "x "]


def test_a_value_is_free_again(db: BaseStorageAdapter) -> None:
    account = Account(id="a", email="x")
    account.save(db)
    account.email = "y"
    account.save()
    Account(id="b", email="x").save(db)
    account.email = "x"
    with pytest.raises(DuplicateKey):
        account.save()
    db.delete(Account, "b")
    account.save()
    assert _emails(db) == ["x"]


def test_saving_again_is_no_duplicate(db: BaseStorageAdapter) -> None:
    account = Account(id="a", email="x")
    account.save(db)
    account.name = "Ann"
    account.save()
    db.upsert(Account(id="a", email="x", name="Bob"))
    assert db.get(Account, "a").name == "Bob"


def test_nulls_do_not_collide(db: BaseStorageAdapter) -> None:
    for key in "abc":
        Account(id=key).save(db)
    db.insert_many("accounts", [{"id": "d", "name": ""}, {"id": "e", "name": ""}])
    assert db.find(Account, email=None).count() == 5


def test_several_fields_are_one_value(db: BaseStorageAdapter) -> None:
    Seat(id="a", row="A", number=1).save(db)
    Seat(id="b", row="A", number=2).save(db)
    Seat(id="c", row="B", number=1).save(db)
    Seat(id="d", row="A").save(db)
    Seat(id="e", row="A").save(db)
    Seat(id="f", number=1).save(db)
    with pytest.raises(DuplicateKey):
        Seat(id="g", row="A", number=1).save(db)
    assert db.find(Seat).count() == 6


def test_elements_are_unique_among_documents(db: BaseStorageAdapter) -> None:
    Tagged(id="a", tags=["x", "y", "x"]).save(db)
    Tagged(id="b", tags=[]).save(db)
    Tagged(id="c", tags=[]).save(db)
    with pytest.raises(DuplicateKey):
        Tagged(id="d", tags=["z", "y"]).save(db)
    Tagged(id="d", tags=["z", "xy"]).save(db)
    assert db.find(Tagged, tags__contains="y").count() == 1


def test_an_update_is_checked(db: BaseStorageAdapter) -> None:
    db.insert_many([Account(id=f"{n}", email=f"{n}", visits=n) for n in range(4)])
    with pytest.raises(DuplicateKey):
        db.find(Account, id="2").update(email="1")
    with pytest.raises(DuplicateKey):
        db.find(Account, visits__gte=2).update(email="same")
    if "transactions" in db.abilities:
        assert _emails(db) == ["0", "1", "2", "3"]
    assert len(set(_emails(db))) == 4
    assert db.find(Account, id="2").update(email="free") == (1, 1)


def test_many_are_checked(db: BaseStorageAdapter) -> None:
    accounts = [Account(id=f"{n}", email=email) for n, email in enumerate("abcadb")]
    with pytest.raises(DuplicateKey) as caught:
        db.insert_many(accounts)
    assert caught.value.done == 3
    assert _emails(db) == ["a", "b", "c"]


def test_the_key_is_unique(db: BaseStorageAdapter) -> None:
    Account(id="a", email="x").save(db)
    with pytest.raises(DuplicateKey):
        db.insert(Account(id="a", email="y"))
    with pytest.raises(DuplicateKey):
        db.insert_many([Account(id="b", email="z"), Account(id="a", email="y")])
    assert _emails(db) == ["x", "z"]


def test_get_or_create(db: BaseStorageAdapter) -> None:
    first, created = db.get_or_create(Account, {"name": "Ann"}, email="x")
    again, once_more = db.get_or_create(Account, {"name": "Bob"}, email="x")
    assert (created, once_more) == (True, False)
    assert (again.id, again.name) == (first.id, "Ann")
    assert db.find(Account).count() == 1


@requires("indexes")
def test_a_unique_index_over_duplicates_is_refused(db: BaseStorageAdapter) -> None:
    db.insert_many("accounts", [{"id": "a", "email": "x"}, {"id": "b", "email": "x"}])
    with pytest.raises(DuplicateKey):
        db.ensure_indexes(Account)
    assert db.find("accounts").count() == 2
    db.delete("accounts", "b")
    db.ensure_indexes(Account)
    with pytest.raises(DuplicateKey):
        Account(id="c", email="x").save(db)


@requires("indexes")
def test_indexes_are_told(db: BaseStorageAdapter) -> None:
    db.ensure_indexes(Account, Seat)
    for model in (Account, Seat):
        told = db.indexes(model)
        assert told["missing"] == []
        assert told["conflicts"] == []
        assert told["present"] == told["declared"]
        assert len(told["present"]) == 1
