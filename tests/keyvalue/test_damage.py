"""Damage in a byte store is told: never fewer documents, and never other ones."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import Any, Final

import pytest

from docmap import BaseStorageAdapter, CorruptStore, Document, Index
from docmap_backends._keyvalue_records import (
    is_record,
    packed,
    record_place,
    split_record,
    unpacked,
)
from tests.keyvalue.memory_store import KeyValueMemory, MemoryOrderedStore


class Part(Document, collection="parts", indexes=[Index("place", "size"), Index("tags")]):
    id: int
    place: str
    size: int
    tags: list[str] = []  # noqa: RUF012 - pydantic copies it


@pytest.fixture
def db() -> Iterator[BaseStorageAdapter]:
    """Fifty parts."""
    with KeyValueMemory() as storage:
        storage.insert_many(
            [Part(id=n, place="abc"[n % 3], size=n, tags=[str(n % 5), "all"]) for n in range(50)]
        )
        yield storage


Ask = Callable[[BaseStorageAdapter], Any]
QUESTIONS: Final[dict[str, Ask]] = {
    "all": lambda db: db.find(Part).list(),
    "by index": lambda db: db.find(Part, place="b").list(),
    "by index, in order": lambda db: db.find(Part, place="b").order_by("-size")[:20].list(),
    "by index, and more": lambda db: db.find(Part, place="b", id__gt=3).list(),
    "tried one by one": lambda db: db.find(Part, size__gte=0).list(),
    "by tag": lambda db: db.find(Part, tags__contains="3").list(),
    "by key": lambda db: [db.get(Part, n) for n in range(50)],
    "by many keys": lambda db: db.get_many(Part, range(50)),
    "in the order of keys": lambda db: db.find(Part).order_by("id")[:50].list(),
    "sum": lambda db: db.find(Part).order_by("size").list(),
}


def _store(db: BaseStorageAdapter) -> MemoryOrderedStore:
    return db._store  # type: ignore[attr-defined,no-any-return]


@pytest.mark.parametrize("name", QUESTIONS)
def test_a_flipped_bit_is_told_or_leaves_the_answer(
    db: BaseStorageAdapter, name: str, rng: random.Random
) -> None:
    ask, store = QUESTIONS[name], _store(db)
    expected = ask(db)
    records = list(store.keys(b"r", b"s"))
    told = 0
    for _ in range(60):
        key = rng.choice(records)
        value = store.get(key)
        assert value is not None
        damaged = bytearray(value)
        damaged[rng.randrange(len(damaged))] ^= 1 << rng.randrange(8)
        store.write({key: bytes(damaged)}, ())
        try:
            assert ask(db) == expected
        except CorruptStore as error:
            assert error.collection == "parts"
            told += 1
        store.write({key: value}, ())
    assert told
    assert ask(db) == expected


@pytest.mark.parametrize("cut", [0, 3, 11, 12, 20, -1])
def test_a_record_that_is_cut_is_told(db: BaseStorageAdapter, cut: int) -> None:
    store = _store(db)
    key = next(iter(store.keys(b"r", b"s")))
    value = store.get(key)
    assert value is not None
    store.write({key: value[:cut]}, ())
    with pytest.raises(CorruptStore, match="parts"):
        db.find(Part).list()


@pytest.mark.parametrize("name", ["by index", "by index, in order", "by tag"])
def test_a_record_that_an_index_has_and_the_store_has_not_is_told(
    db: BaseStorageAdapter, name: str
) -> None:
    store = _store(db)
    gone = [key for key in store.keys(b"r", b"s") if record_place(key)[1] == 13]
    store.write({}, gone)
    with pytest.raises(CorruptStore, match="parts"):
        QUESTIONS[name](db)


def test_a_record_under_another_key_is_told(db: BaseStorageAdapter) -> None:
    store = _store(db)
    first, second, *_ = store.keys(b"r", b"s")
    value = store.get(first)
    assert value is not None
    store.write({second: value}, ())
    with pytest.raises(CorruptStore):
        db.find(Part).list()


def test_a_catalogue_that_cannot_be_read_is_told(db: BaseStorageAdapter) -> None:
    _store(db).write({b"cparts": b"{"}, ())
    with pytest.raises(CorruptStore, match="catalogue says of parts"):
        db.find(Part).list()


def test_views_are_given_back(db: BaseStorageAdapter) -> None:
    store = _store(db)
    for ask in QUESTIONS.values():
        ask(db)
    assert store.held == 0
    stream = iter(db.find(Part))
    next(stream)
    assert store.held == 1
    stream.close()  # type: ignore[attr-defined]
    assert store.held == 0
    db.find(Part).first()
    assert store.held == 0


@pytest.mark.parametrize("key", ["", "a", "é\U0001f600", 5, -(2**63), 2**63 - 1, b"u\0\1\xff"])
def test_a_record_is_what_was_packed(key: str | int | bytes) -> None:
    from docmap_backends._keyvalue_records import key_form, records_of

    place = records_of("a.b-c") + key_form(key)
    value = packed(place, b'{"a":1}', 2**48 + 5)
    assert is_record(place)
    assert record_place(place) == ("a.b-c", key)
    assert unpacked(place, value) == (b'{"a":1}', 2**48 + 5)
    head, data = split_record(value)
    assert (len(head), data) == (12, b'{"a":1}')


def test_the_error_names_the_place() -> None:
    with KeyValueMemory("keyvalue:///some/place") as db:
        db.insert(Part(id=1, place="a", size=1))
        store = _store(db)
        (key,) = store.keys(b"r", b"s")
        store.write({key: b"short"}, ())
        asks: list[Ask] = [
            QUESTIONS["all"],
            lambda db: db.find(Part, place="a").list(),
            lambda db: db.get(Part, 1),
            lambda db: db.get_many(Part, [1]),
            lambda db: db.delete(Part, 1),
        ]
        for ask in asks:
            with pytest.raises(
                CorruptStore, match="some/place is damaged: a record of parts"
            ) as at:
                ask(db)
            assert at.value.path is not None
            assert at.value.path.endswith("some/place")
