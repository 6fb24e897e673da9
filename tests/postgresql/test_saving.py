"""Saving many loaded documents: few statements, and what each of them may find."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import pytest

from docmap import Document, Indexed, connect
from docmap.errors import DuplicateKey, StaleDocument
from docmap_backends.postgresql import PostgreSQLStorage
from tests.servers import postgresql
from tests.servers.tap import Tap


class Part(Document, collection="parts"):
    number: Annotated[int, Indexed(unique=True)]
    name: str = ""


@pytest.fixture
def parts(db: PostgreSQLStorage) -> list[Part]:
    db.insert_many([Part(id=f"{n:03}", number=n) for n in range(250)])
    loaded = db.find(Part).order_by("id").list()
    for one in loaded:
        one.name = f"name {one.number}"
    return loaded


@pytest.fixture
def tap() -> Iterator[Tap]:
    tap = Tap(postgresql.url("saving"))
    yield tap
    tap.close()


def _names(db: PostgreSQLStorage) -> set[str]:
    return {one.name for one in db.find(Part, name__startswith="name")}


def test_they_are_saved_under_their_revisions(db: PostgreSQLStorage, parts: list[Part]) -> None:
    db.save_many(parts)
    assert _names(db) == {f"name {n}" for n in range(250)}
    for one in parts:
        one.name = "again"
    db.save_many(parts)
    assert db.find(Part, name="again").count() == 250


def test_what_comes_before_a_stale_one_is_saved(db: PostgreSQLStorage, parts: list[Part]) -> None:
    db.find(Part, id="120").update(name="newer")
    with pytest.raises(StaleDocument) as caught:
        db.save_many(parts)
    assert (caught.value.position, caught.value.key) == (120, "120")
    assert len(_names(db)) == 120
    assert db.get(Part, "120").name == "newer"


def test_what_comes_before_a_taken_value_is_saved(db: PostgreSQLStorage, parts: list[Part]) -> None:
    parts[130].number = 7
    with pytest.raises(DuplicateKey) as caught:
        db.save_many(parts)
    assert caught.value.position == 130
    assert len(_names(db)) == 130


def test_what_the_class_does_not_know_is_kept(db: PostgreSQLStorage, parts: list[Part]) -> None:
    more = "UPDATE parts SET doc = doc || '{\"more\": [1, 2.5]}' WHERE key = '200'"
    db._connections.written(more)
    db.save_many(parts)
    assert db.find(Part, id="200").raw().one()["more"] == [1, 2.5]
    assert len(_names(db)) == 250


def test_in_a_transaction_a_stale_one_undoes_no_more(
    db: PostgreSQLStorage, parts: list[Part]
) -> None:
    db.find(Part, id="120").update(name="newer")
    with db.transaction():
        with pytest.raises(StaleDocument):
            db.save_many(parts)
        assert len(_names(db)) == 120
        db.get(Part, "130").delete()
    assert db.find(Part).count() == 249


def test_they_are_few_statements(tap: Tap) -> None:
    with connect(tap.url) as storage:
        storage.clear()
        storage.insert_many([Part(id=f"{n:03}", number=n) for n in range(250)])
        loaded = storage.find(Part).list()
        with tap.counting():
            storage.save_many(loaded)
        assert len(tap.asked) <= 5, tap.asked
        storage.clear()
