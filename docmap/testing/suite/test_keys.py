"""Keys that differ stay apart, counted keys are never given twice, and clear begins anew."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any, Final
from uuid import UUID

import pytest

from docmap import BaseStorageAdapter, Document, DuplicateKey, InvalidValue, ObjectId
from docmap.testing.collecting import requires
from docmap.testing.models import Account, Numbered, Order
from docmap.testing.suite.fixtures import Opened

LIKE: Final = (
    *("a", "A", "á", "a\u0301", " a", "a ", "a\t", "a.", "a/b", "a%2fb", "../a", "/a", "~a", "\\a"),
    *("aa", "a\x01", "a\uffff", "a\U0001f600", "ß", "ss", "I", "i", "ı", "İ", "con", "nul", "null"),
    *("0", "00", "1", "1.0", "-1", "True", "None", "$a", "*", "?", "'", '"', ";", ":", "#", "\n"),
    *("k" * 512, "k" * 511, "k" * 63, "k" * 64, "é" * 255, "é" * 256),
)
"""Texts that one engine or another takes for the same."""


class Timed(Document, collection="timed"):
    """Its key is a moment."""

    id: datetime
    text: str = ""


class Daily(Document, collection="daily"):
    """Its key is a day."""

    id: date
    text: str = ""


class Identified(Document, collection="identified"):
    """Its key is a UUID."""

    id: UUID
    text: str = ""


class Native(Document, collection="natively"):
    """Its key is an ObjectId."""

    id: ObjectId
    text: str = ""


_TYPED: Final[tuple[tuple[Any, tuple[Any, ...]], ...]] = (
    (Numbered, (-(2**63), -1, 0, 1, 10, 2, 2**53, 2**53 + 1, 2**63 - 1)),
    (Timed, tuple(datetime(2024, 1, 1, 0, 0, n, n * 1000, UTC) for n in range(4))),
    (Daily, (date(1, 1, 1), date(1999, 12, 31), date(2024, 2, 29))),
    (Identified, (UUID(int=0), UUID(int=1), UUID(int=2**128 - 1))),
    (Native, tuple(ObjectId(bytes([n] * 12)) for n in (0, 1, 255))),
)


def test_texts_that_look_alike_are_other_keys(db: BaseStorageAdapter) -> None:
    for position, key in enumerate(LIKE):
        db.insert(Order(id=key, number=str(position)))
    assert db.find(Order).count() == len(LIKE)
    assert {one.id: one.number for one in db.find(Order)} == {
        key: str(position) for position, key in enumerate(LIKE)
    }
    for position, key in enumerate(LIKE):
        assert db.get(Order, key).number == str(position)
        assert db.find(Order, id=key).one().number == str(position)
        with pytest.raises(DuplicateKey):
            db.insert(Order(id=key, number="again"))
    assert [one.id for one in db.get_many(Order, LIKE)] == list(LIKE)
    assert [one.id for one in db.find(Order).order_by("id")] == sorted(LIKE)
    for position, key in enumerate(LIKE):
        assert db.delete(Order, key)
        assert db.find(Order).count() == len(LIKE) - position - 1


@pytest.mark.parametrize(("model", "keys"), _TYPED, ids=lambda one: getattr(one, "__name__", ""))
def test_keys_of_other_types(db: BaseStorageAdapter, model: Any, keys: tuple[Any, ...]) -> None:
    for key in reversed(keys):
        assert db.insert(model(id=key, text=str(key))) == key
    for key in keys:
        assert db.get(model, key) == model(id=key, text=str(key))
        assert db.find(model, id=key).one().text == str(key)
    assert [one.id for one in db.find(model).order_by("id")] == sorted(keys)
    found = db.get(model, keys[1])
    found.text = "changed"
    found.save()
    assert db.find(model, text="changed").one().id == keys[1]
    assert db.delete(model, keys[0])
    assert {one.id for one in db.find(model)} == set(keys[1:])


def test_a_number_and_its_text_are_other_keys(db: BaseStorageAdapter) -> None:
    for key in (1, "1", 2, "02"):
        db.insert_many("mixed", [{"id": key, "of": type(key).__name__}])
    assert db.find("mixed").count() == 4
    assert db.get("mixed", 1)["of"] == "int"
    assert db.get("mixed", "1")["of"] == "str"
    assert db.delete("mixed", 1)
    assert db.get("mixed", "1")["of"] == "str"


def _number(db: BaseStorageAdapter, text: str = "") -> int:
    key: int = db.insert(Numbered(text=text))
    return key


@requires("counters")
def test_counted_keys(db: BaseStorageAdapter) -> None:
    assert [_number(db) for _ in range(3)] == [1, 2, 3]
    db.insert(Numbered(id=10))
    assert _number(db) == 11
    assert db.insert_many([Numbered(), Numbered(id=20), Numbered()])[-1] > 11
    keys = [one.id for one in db.find(Numbered)]
    assert len(keys) == len(set(keys)) == 8


@requires("counters")
def test_a_counted_key_is_not_given_again(db: BaseStorageAdapter) -> None:
    last = [_number(db) for _ in range(3)][-1]
    assert db.delete(Numbered, last)
    assert _number(db) == last + 1
    assert db.find(Numbered).delete() == 3
    assert _number(db) == last + 2


@requires("counters", "durable")
def test_a_counted_key_is_not_given_again_after_closing(opened: Opened) -> None:
    first = opened()
    last = [_number(first) for _ in range(3)][-1]
    assert first.delete(Numbered, last)
    first.disconnect()
    second = opened()
    assert _number(second) == last + 1
    assert second.find(Numbered).count() == 3


def test_clear_begins_anew(db: BaseStorageAdapter) -> None:
    db.insert(Account(id="a", email="a@example.com"))
    db.insert(Order(id="a", number="A"))
    counts = "counters" in db.abilities
    if counts:
        assert [_number(db) for _ in range(3)] == [1, 2, 3]
    assert set(db.collections()) == {"accounts", "orders"} | ({"numbered"} if counts else set())
    db.clear()
    assert db.find(Order).count() == 0
    assert db.find(Account).list() == []
    db.insert(Account(id="b", email="a@example.com"))
    with pytest.raises(DuplicateKey):
        db.insert(Account(id="c", email="a@example.com"))
    if counts:
        assert _number(db) == 1


@requires("durable")
def test_what_was_closed_is_there_again(opened: Opened) -> None:
    first = opened()
    first.insert_many([Order(id=f"{n}", number=f"A-{n}", lines=n) for n in range(30)])
    first.insert(Account(id="a", email="a@example.com"))
    order = first.get(Order, "7")
    order.lines = 700
    order.save()
    before = first.find(Order).order_by("id").list()
    first.disconnect()
    second = opened()
    assert second.find(Order).order_by("id").list() == before
    assert second.collections() == ["accounts", "orders"]
    with pytest.raises(DuplicateKey):
        second.insert(Account(id="b", email="a@example.com"))
    again = second.get(Order, "7")
    again.lines = 701
    again.save()
    assert second.find(Order, lines__gte=700).count() == 1


def test_keys_of_untyped_collections(db: BaseStorageAdapter) -> None:
    """1 and "1" are two keys, and each comes back as it was."""
    keys = ["1", 1, "a", "A", UUID(int=1), ObjectId(bytes(12)), str(UUID(int=1)), "0" * 24]
    db.insert_many("loose", [{"id": key, "n": n} for n, key in enumerate(keys)])
    for number, key in enumerate(keys):
        found = db.get("loose", key)
        assert (type(found["id"]), found["id"], found["n"]) == (type(key), key, number)
    assert db.delete("loose", 1) is True
    assert db.get("loose", "1")["n"] == 0


def test_a_key_is_made(db: BaseStorageAdapter) -> None:
    orders = [Order(number=str(n)) for n in range(50)]
    keys = [order.save(db) for order in orders]
    assert len(set(keys)) == 50
    assert keys == sorted(keys)
    assert [order.id for order in orders] == keys


def test_a_key_of_another_name(db: BaseStorageAdapter) -> None:
    class Country(Document, collection="countries", key="code"):
        code: str
        name: str = ""

    Country(code="DE", name="a").save(db)
    Country(code="de", name="b").save(db)
    assert db.get(Country, "DE").name == "a"
    assert [one.code for one in db.find(Country).order_by("-code")] == ["de", "DE"]
    db.find(Country, code="de").update(name="c")
    assert db.get(Country, "de").name == "c"


@pytest.mark.parametrize("key", ["x" * 513, "é" * 257, "a\0b", "\ud800", None])
def test_keys_that_no_engine_could_keep(db: BaseStorageAdapter, key: Any) -> None:
    Order(id="good", number="0").save(db)
    if key is not None:
        with pytest.raises(InvalidValue):
            Order(id=key, number="1").save(db)
    with pytest.raises(InvalidValue):
        db.get(Order, key)
    assert db.find(Order).count() == 1
