"""Memory's indexes never change an answer: ranges, orders, slices and writes on few values."""

from __future__ import annotations

from random import Random
from typing import Any, Final

import pytest

from docmap import BaseStorageAdapter, Document, DuplicateKey, Index, connect
from tests.differential import oracle
from tests.differential.asks import Ask, Both, Leaf, Order, Place, Query
from tests.differential.kinds import ANY
from tests.differential.zoo import Record


class Kept(Document, collection="kept", indexes=[
    Index("a"), Index("a", "-b"), Index("b", "tags"), Index("tags", "a"), Index("anything", "a"),
    Index("name", unique=True), Index("a", "name", unique=True),
]):  # fmt: skip
    id: int
    a: int | None = None
    b: float | None = None
    name: str | None = None
    tags: list[str | None] | None = None
    anything: Any = None


NUMBERS: Final = (0, 1, 1.0, 2, 2.5, True, None)
WORDS: Final = ("a", "ab", "b", "", "\U0010ffff", "a\U0010ffff", None)
VALUES: Final[dict[str, tuple[Any, ...]]] = {
    "id": tuple(range(30)),
    "a": (0, 1, 2, 3, None),
    "b": (0.0, 0.5, 1.0, 2.0, None),
    "anything": (*NUMBERS, *WORDS),
    "name": (*(f"n{n}" for n in range(40)), None),
    "tags": ([], None, ["a"], ["a", "b"], ["b", None], ["ab", "a"]),
}
RANGES: Final = ("gt", "gte", "lt", "lte", "between")


def _document(rng: Random) -> dict[str, Any]:
    return {name: rng.choice(values) for name, values in VALUES.items() if rng.random() < 0.9}


def _leaf(rng: Random) -> Ask:
    name = rng.choice(["a", "a", "a", "b", "anything", "anything", "name", "tags"])
    place = Place((name,), (name,))
    if name == "tags":
        lookup = rng.choice(["contains", "contains_any", "contains_all", "is_null"])
        several = [rng.choice(WORDS) for _ in range(rng.choice((0, 1, 2)))]
        operand = {"contains": "a", "is_null": True}.get(lookup, several)
        return Leaf(place, lookup, operand, operand, declared="list")
    lookups = [*RANGES, *RANGES, "equals", "in", "is_null"]
    lookup = rng.choice([*lookups, "startswith"] if name in {"name", "anything"} else lookups)
    values = [value for value in VALUES[name] if value is not None and value is not True]
    operand = rng.choice(values)
    if lookup == "between":
        operand = (operand, rng.choice(values))
    elif lookup == "in":
        operand = [rng.choice(VALUES[name]) for _ in range(rng.choice((0, 1, 3)))]
    elif lookup == "is_null":
        operand = rng.random() < 0.7
    elif lookup == "startswith":
        operand = rng.choice(["a", "", "n1", "\U0010ffff", "a\U0010ffff"])
    return Leaf(place, lookup, operand, operand)


def _query(rng: Random) -> Query:
    orders = [Order(Place((name,), (name,)), rng.random() < 0.5) for name in ("a", "b", "anything")]
    start = rng.choice((None, 0, 1, 2))
    return Query(
        Both(tuple(_leaf(rng) for _ in range(rng.choice((1, 2, 2, 3))))),
        order=tuple(rng.sample(orders, rng.choice((0, 0, 1, 2)))),
        slices=((start, rng.choice((None, 1, 3))),) if rng.random() < 0.4 else (),
        values=Place(("a",), ("a",)),
    )


def _agrees(db: BaseStorageAdapter, held: dict[int, Record], query: Query) -> bool:
    """Compare; True if an index was used."""
    records = list(held.values())
    asked = query.on(db, Kept)
    expected = [record.key for record in oracle.answer(query, records)]
    found = [tree["id"] for tree in asked.raw()]
    if not query.ordered:
        found.sort()
        expected.sort()
    assert found == expected, query
    assert asked.count() == len(expected), query
    assert asked.values("a") == oracle.values(query, records), query
    return bool(asked.explain().indexes)


def _put(db: BaseStorageAdapter, held: dict[int, Record], values: dict[str, Any]) -> None:
    name = values.get("name")
    others = {record.values["name"] for key, record in held.items() if key != values["id"]}
    if name is not None and name in others:
        with pytest.raises(DuplicateKey):
            db.upsert(Kept(**values))
        return
    db.upsert(Kept(**values))
    stored = {"a": None, "b": None, "name": None, "tags": None, "anything": None, **values}
    held[values["id"]] = Record(Kept, stored, ANY)


@pytest.mark.parametrize("round_", range(6))
def test_random_writes_and_queries(rng: Random, round_: int, *, long_run: bool) -> None:
    held: dict[int, Record] = {}
    used = 0
    with connect("memory://") as db:
        for _ in range(60 * (20 if long_run else 1)):
            for _ in range(rng.choice((0, 1, 5, 50))):
                _put(db, held, {"id": rng.randrange(30), **_document(rng)})
            if rng.random() < 0.3:
                key = rng.randrange(30)
                assert db.delete(Kept, key) == (held.pop(key, None) is not None)
            if rng.random() < 0.3:
                _undone(rng, db, held)
            used += sum(_agrees(db, held, _query(rng)) for _ in range(8))
    assert used > 60


def _undone(rng: Random, db: BaseStorageAdapter, held: dict[int, Record]) -> None:
    """Writes in a transaction that fails."""
    with pytest.raises(ZeroDivisionError), db.transaction():
        _write_and_fail(rng, db, dict(held))


def _write_and_fail(rng: Random, db: BaseStorageAdapter, inside: dict[int, Record]) -> None:
    for _ in range(5):
        _put(db, inside, {"id": rng.randrange(30), **_document(rng)})
    db.delete(Kept, rng.randrange(30))
    db.find(Kept, a=1).delete()
    raise ZeroDivisionError
