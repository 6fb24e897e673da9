"""What other programs may have written, and numbers at their limits: the same answers as in memory.

The rows are put in by SQL, as no class of docmap could write them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any, Final
from uuid import UUID

import pytest

from docmap import Avg, BaseStorageAdapter, BigInt, Count, Document, Index, Max, Min, Sum, connect
from docmap_backends.postgresql import PostgreSQLStorage
from tests.servers import postgresql

FIELDS: Final = "text whole ratio price big flag moment day span uid words".split()


class Odd(Document, collection="odd"):
    text: str | None = None
    whole: int | None = None
    ratio: float | None = None
    price: Decimal | None = None
    big: BigInt | None = None
    flag: bool | None = None
    moment: datetime | None = None
    day: date | None = None
    span: timedelta | None = None
    uid: UUID | None = None
    words: list[str] | None = None
    thing: Any = None


class Indexed(Odd, collection="odd_indexed", indexes=[*map(Index, FIELDS)]):
    pass


NOON: Final = "2024-02-29T12:00:00.000000Z"
STORED: Final[dict[str, list[str]]] = {
    "text": ['"a"', '"b"', '""', '"5"', "5", "5.0", "true", '"true"', "null", "{}", "[]", '"é"'],
    "whole": [
        "5", "5.0", "4.999999999999999", "-3", "9007199254740993", "9007199254740992.0",
        "1152921504606846976", "1152921504606847000.0", '"5"', "true", "null", "[5]",
        "1" + "0" * 400,
    ],
    "ratio": [
        "0.1", "0.10000000000000001", "0.33333333333333333333", "1", "1.0", "-2.5", "1e300",
        "100000000000000000000000.0", "9007199254740993", "null", '"0.1"', "[0.1]", "0.1e-310",
    ],
    "price": [
        '"9.99"', '"9.990"', "9.99", "9.5", '"9.5"', '"1E+10"', '"x"', '"NaN"', "null", "10",
        f'"1.{"0" * 40}"', f'"{"9" * 35}"', f'"{"9" * 34}"', f'"-{"9" * 34}E+6110"',
        f'"{"0" * 20}{"1" * 22}"', '"+1"', '".5"', '"1."', '"."', '"0E+9000"', '"1E+6144"',
        '"99E+6143"', '"0.1E+6145"', '"10E-6177"', '"1E-6176"', '"0E-7000"', '"0E+6143"', '"1e5"',
    ],
    "big": ['"100000000000000000000"', '"5"', "5", "5.5", '"05"', '"x"', "null"],
    "flag": ["true", "false", "null", "1", '"true"', "[]"],
    "moment": [
        f'"{NOON}"', '"2024-02-30T12:00:00.000000Z"', '"2023-02-29T12:00:00.000000Z"',
        '"0000-01-01T00:00:00.000000Z"', '"1900-02-28T00:00:00.000001Z"', '"2024"', "2024.5",
        '"2024-03-01T00:00:00.000Z"', "null", "{}",
    ],
    "day": ['"2024-02-29"', '"2023-02-29"', '"2024-12-31"', '"2024-1-1"', "20240101", "null"],
    "span": ["5", "5.0", "-7", "null", '"5"', "5.5"],
    "uid": [f'"{UUID(int=7)}"', f'"{UUID(int=2**100)}"', '"x"', '"00"', "7", "null"],
    "words": ['["a"]', '["a","b"]', "[]", '"a"', "null", '[1,"1"]', '[["a"]]', '{"0":"a"}'],
    "thing": [
        "5", "5.0", '"5"', '{"$decimal":"5.0"}', '{"$decimal":"x"}', '{"$decimal":"5","a":1}',
        "true", "null", '"a"', '["a"]', '{"a":1}', '{"$date":"2024-02-29T12:00:00.000000Z"}',
    ],
}  # fmt: skip
ASKED: Final[dict[str, list[Any]]] = {
    "text": ["a", "5", "true", "", "é"],
    "whole": [5, -3, 2**53, 2**53 + 1, 2**60, 5.5],
    "ratio": [0.1, 1 / 3, 1.0, -2.5, 1e300, 1e23, float(2**53), 5e-324],
    "price": [Decimal("9.99"), Decimal("9.5"), 10, Decimal("1E+10")],
    "big": [5, 10**20, 10**500],
    "flag": [True, False],
    "moment": [datetime(2024, 2, 29, 12, tzinfo=UTC), datetime(1, 1, 1, tzinfo=UTC)],
    "day": [date(2024, 2, 29), date(2023, 3, 1)],
    "span": [timedelta(microseconds=5), timedelta(0)],
    "uid": [UUID(int=7), UUID(int=2**100)],
    "thing": [5, 5.0, Decimal(5), "a", "5", True, ["a"], {"a": 1}],
}
_RANGES: Final = ("gt", "gte", "lt", "lte")
_LISTED: Final[list[dict[str, Any]]] = [
    {"words__contains": "a"},
    {"words__contains": "1"},
    {"words__contains_all": ["a", "b"]},
    {"words__contains_any": ["b", "1"]},
    {"words__size": 2},
    {"words": ["a"]},
    {"words": []},
    {"text__contains": "5"},
    {"text__startswith": ""},
    {"text__like": "%"},
    {"text__matches": "^[a-z5]"},
    {"text__icontains": "É"},
    {"moment__year": 2024},
    {"moment__month": 2},
    {"moment__weekday": 3},
    {"day__year": 2024},
    {"day__day": 29},
]


def _rows() -> Iterator[tuple[str, str]]:
    """Keys and documents: each odd value alone, and many of them together."""
    rng = Random(3)
    for field, values in STORED.items():
        for number, value in enumerate(values):
            yield f"{field} {number:02}", f'{{"id":"{field} {number:02}","{field}":{value}}}'
    for number in range(40):
        held = {field: rng.choice(values) for field, values in STORED.items()}
        text = ",".join(f'"{field}":{value}' for field, value in held.items())
        yield f"mixed {number:02}", f'{{"id":"mixed {number:02}",{text}}}'


@pytest.fixture(scope="module", params=[Odd, Indexed])
def both(
    request: pytest.FixtureRequest,
) -> Iterator[tuple[type[Odd], BaseStorageAdapter, BaseStorageAdapter]]:
    """The class, a storage on PostgreSQL and one in memory, with the same odd documents."""
    model: type[Odd] = request.param
    schema = model.__docmap_schema__
    with PostgreSQLStorage(postgresql.url("odd")) as server, connect("memory://") as memory:
        server.clear()
        server._ensure(schema)
        memory._ensure(schema)
        for key, document in _rows():
            insert = f"INSERT INTO {schema.collection}(key, doc) VALUES (%s, %s::jsonb)"  # noqa: S608
            server.native.execute(insert, (key, document))
        for record in server._scan(schema):
            memory._put(schema, json.loads(record[0])["id"], record)
        yield model, server, memory
        server.clear()


def _conditions() -> Iterator[dict[str, Any]]:
    for field, operands in ASKED.items():
        yield {field: None}
        yield {f"{field}__exists": True}
        yield {f"{field}__in": [*operands, None]}
        for operand in operands:
            yield {field: operand}
            ordered = field != "flag" and type(operand) not in {bool, list, dict}
            if ordered and field != "uid":
                yield from ({f"{field}__{lookup}": operand} for lookup in _RANGES)
                yield {f"{field}__between": (operands[0], operand)} if field != "thing" else {}
    yield from _LISTED


Both = tuple[type[Odd], BaseStorageAdapter, BaseStorageAdapter]


def test_conditions_take_odd_values_as_they_are(both: Both) -> None:
    model, server, memory = both
    for lookups in _conditions():
        found = {one["id"] for one in server.find(model, **lookups).raw()}
        wanted = {one["id"] for one in memory.find(model, **lookups).raw()}
        assert found == wanted, lookups
        query = server.find(model).where_not(**lookups)
        assert query.count() == memory.find(model).where_not(**lookups).count(), lookups


@pytest.mark.parametrize("field", FIELDS[:-1])
def test_order_gives_odd_values_their_places(both: Both, field: str) -> None:
    model, server, memory = both
    for name in (field, f"-{field}"):
        for cut in (slice(None), slice(3, 40)):
            found = [one["id"] for one in server.find(model).order_by(name)[cut].raw()]
            assert found == [one["id"] for one in memory.find(model).order_by(name)[cut].raw()]


def test_pages_go_through_odd_values(both: Both) -> None:
    model, server, memory = both
    for field in FIELDS[:-1]:
        for name in (field, f"-{field}"):
            query, wanted = server.find(model).order_by(name), memory.find(model).order_by(name)
            cursor = wanted.cursor(memory.get(model, f"{field} 00"))
            rest = [one["id"] for one in query.after(cursor)[:30].raw()]
            assert rest == [one["id"] for one in wanted.after(cursor)[:30].raw()], name


def test_values_and_groups_of_odd_values(both: Both) -> None:
    model, server, memory = both
    for field in FIELDS[:-1]:
        assert server.find(model).values(field) == memory.find(model).values(field)
        asked = {"n": Count(), "some": Count(field), "low": Min(field), "high": Max(field)}
        if field in {"whole", "price", "big"}:
            asked |= {"sum": Sum(field), "avg": Avg(field)}
        query = server.find(model).where(**{f"{field}__is_null": False})
        wanted = memory.find(model).where(**{f"{field}__is_null": False})
        try:
            expected = wanted.aggregate(**asked)
        except Exception as error:  # noqa: BLE001 - whatever it is, the server says the same
            with pytest.raises(type(error)):
                query.aggregate(**asked)
            continue
        assert query.aggregate(**asked) == expected, field
        groups = list(query.group_by(field).aggregate(n=Count()))
        assert groups == list(wanted.group_by(field).aggregate(n=Count())), field


def test_counting_behind_a_position_takes_odd_values_too(both: Both) -> None:
    model, server, memory = both
    for field in FIELDS[:-1]:
        for name in (field, f"-{field}"):
            query, wanted = server.find(model).order_by(name), memory.find(model).order_by(name)
            cursor = wanted.cursor(memory.get(model, f"{field} 00"))
            assert query.after(cursor).count() == wanted.after(cursor).count(), name


class Visit(Document, collection="odd_visits", indexes=["moment"]):
    moment: datetime
    size: int = 0


@pytest.mark.parametrize("order", ["size", "-moment", "id"])
def test_the_order_by_one_field_tells_nothing_of_another(db: PostgreSQLStorage, order: str) -> None:
    days = [datetime(2024, 1, day, tzinfo=UTC) for day in range(1, 9)]
    db.insert_many([Visit(id=f"{n}", moment=day) for n, day in enumerate(days)])
    db._connections.script(
        ["""UPDATE odd_visits SET doc = doc || '{"moment": "x"}' WHERE key = '5'"""]
    )
    found = db.find(Visit, moment__gte=days[2]).order_by(order).raw()
    assert sorted(one["id"] for one in found) == ["2", "3", "4", "6", "7"]
