"""Indexes that are made on tables in use, as `docmap indexes apply` makes them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from time import sleep
from typing import Any, Final

import pytest

from docmap import Document, DuplicateKey, Index
from docmap.storage.indexing import build_missing, plan_indexes
from docmap.storage.loading import schema_of
from docmap_backends.postgresql import PostgreSQLStorage
from tests.postgresql.applying import applied_together
from tests.postgresql.conftest import Opened
from tests.postgresql.lacking import Lacking

pytestmark = pytest.mark.engine("postgresql")


class Plain(Document, collection="parcels"):
    number: int
    tags: list[str]


class Parcel(Document, collection="parcels", indexes=["number", "tags"]):
    number: int
    tags: list[str]


class Numbered(Document, collection="parcels", indexes=[Index("number", unique=True)]):
    number: int
    tags: list[str]


def _apply(db: PostgreSQLStorage, model: type[Document]) -> None:
    for plan in plan_indexes(db, [schema_of(model)]):
        build_missing(db, plan, lambda _: None)


def _invalid(db: PostgreSQLStorage) -> list[Any]:
    return db._connections.rows(
        "SELECT c.relname FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid "
        "WHERE NOT indisvalid"
    )


@pytest.fixture
def parcels(db: PostgreSQLStorage) -> PostgreSQLStorage:
    """Parcels, two of each number."""
    db.insert_many([Plain(number=n // 2, tags=[str(n)]) for n in range(600)])
    return db


def test_writers_do_not_wait(parcels: PostgreSQLStorage, opened: Opened) -> None:
    maker, writer = opened(), opened()
    failed: list[BaseException] = []

    def make() -> None:
        try:
            _apply(maker, Parcel)
        except BaseException as error:  # noqa: BLE001 - it is told by the thread that asked
            failed.append(error)

    thread = threading.Thread(target=make)
    with parcels.transaction():
        Plain(number=-1, tags=[]).save(parcels)  # its end is waited for
        thread.start()
        _until(writer, "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'CREATE INDEX%%'")
        for number in range(1000, 1010):
            Plain(number=number, tags=[]).save(writer)  # behind it nobody waits
        assert thread.is_alive()
    thread.join(60)
    assert failed == []
    assert parcels.indexes(Parcel)["missing"] == []
    parcels._connections.written("ANALYZE parcels")
    assert parcels.find(Parcel, number=1005).explain().indexes == ("(number)",)
    assert parcels.find(Parcel, number__gte=1000).count() == 10


def _until(db: PostgreSQLStorage, question: str) -> None:
    """Wait until something is there."""
    for _ in range(3000):
        if db._connections.rows(question, apart=True) != [(b"0",)]:
            return
        sleep(0.02)
    raise AssertionError(question)


def test_a_unique_one_names_what_is_there_twice(parcels: PostgreSQLStorage) -> None:
    with pytest.raises(DuplicateKey, match="number"):
        _apply(parcels, Numbered)
    assert _invalid(parcels) == []
    assert parcels.indexes(Numbered)["missing"] == ["unique (number)"]
    for number, parcel in enumerate(parcels.find(Plain).list()):
        parcel.number = number
        parcel.save(parcels)
    _apply(parcels, Numbered)
    assert parcels.indexes(Numbered)["missing"] == []
    with pytest.raises(DuplicateKey):
        Numbered(number=5, tags=[]).save(parcels)


@pytest.mark.parametrize("make", [_apply, PostgreSQLStorage.ensure_indexes])
def test_one_that_was_interrupted_is_made_again(
    parcels: PostgreSQLStorage, make: Callable[[PostgreSQLStorage, type[Document]], None]
) -> None:
    index = schema_of(Parcel).indexes[0]
    begun = f"CREATE UNIQUE INDEX CONCURRENTLY {index.name} ON parcels((doc->>'number'))"
    with pytest.raises(Exception, match="could not create unique index"):
        parcels.native.execute(begun)
    assert _invalid(parcels) == [(index.name.encode(),)]
    assert "(number)" in parcels.indexes(Parcel)["missing"]
    make(parcels, Parcel)
    assert _invalid(parcels) == []
    assert parcels.indexes(Parcel)["missing"] == []
    parcels._connections.written("ANALYZE parcels")
    assert parcels.find(Parcel, number=5).explain().indexes == ("(number)",)
    assert parcels.find(Parcel, number=5).count() == 2


MODULE: Final = """
from docmap import Document, Index

class Parcel(Document, collection="parcels", indexes=["number", "-number", "tags"]):
    number: int
    tags: list[str]
"""


def test_programs_that_apply_together_make_each_once(
    parcels: PostgreSQLStorage, server_url: str, tmp_path: Path
) -> None:
    applied_together(server_url, tmp_path, MODULE, "Parcel")
    assert parcels.indexes(Parcel)["missing"] == []
    assert _invalid(parcels) == []


def test_a_server_without_it_makes_them_all_the_same(
    parcels: PostgreSQLStorage, server_url: str
) -> None:
    relay = Lacking(server_url, {"CONCURRENTLY": "0A000"})
    with PostgreSQLStorage(relay.url) as db:
        _apply(db, Parcel)
        assert len(relay.refused) == 2
    relay.close()
    assert parcels.indexes(Parcel)["missing"] == []
