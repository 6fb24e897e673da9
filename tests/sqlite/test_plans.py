"""SQLite's own plan of every lookup that is said to use an index, and of order and slices."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, time, timedelta
from decimal import Decimal
from functools import reduce
from operator import or_
from typing import Any, Final

import pytest

from docmap import BaseStorageAdapter, Q, Query, connect
from docmap_backends.sqlite import SQLiteStorage
from tests.sqlite.things import NOON, OID, UID, Thing, things


@pytest.fixture(scope="module")
def db() -> Iterator[BaseStorageAdapter]:
    with connect("sqlite://") as storage:
        storage.insert_many(things())
        yield storage


@dataclass(frozen=True)
class Plan:
    """What EXPLAIN QUERY PLAN must say: an index by its label, and how it is searched."""

    index: str
    search: str


SCAN: Final = None
"""Run natively, by reading every document."""
EQUAL, ABOVE, BELOW, WITHIN = "(<expr>=?)", "(<expr>>?)", "(<expr><?)", "(<expr>>? AND <expr><?)"

PLANS: Final[dict[str, list[tuple[dict[str, Any], Plan | None]]]] = {
    "equals": [
        ({"text": "text 03"}, Plan("(text)", EQUAL)),
        ({"code": "c7"}, Plan("unique (code)", EQUAL)),
        ({"number": 3}, Plan("(number)", EQUAL)),
        ({"number": None}, Plan("(number)", EQUAL)),
        ({"flag": True}, Plan("(flag)", EQUAL)),
        ({"amount": 0.5}, Plan("(amount)", "(#amount=?)")),
        ({"price": Decimal("1.50")}, Plan("(price)", "(#price=?)")),
        ({"price": None}, Plan("(price)", "(#price=?)")),
        ({"big": 10**20 + 3}, Plan("(big)", "(#big=?)")),
        ({"at": NOON}, Plan("(at)", EQUAL)),
        ({"day": date(2024, 2, 29)}, Plan("(day)", EQUAL)),
        ({"clock": time(3)}, Plan("(clock)", EQUAL)),
        ({"span": timedelta(seconds=3)}, Plan("(span)", EQUAL)),
        ({"uid": UID}, Plan("(uid)", EQUAL)),
        ({"oid": OID}, Plan("(oid)", EQUAL)),
        ({"raw": b"\x03"}, Plan("(raw)", EQUAL)),
        ({"place__city": "city 03"}, Plan("(place.city)", EQUAL)),
        ({"place__height": 0.5}, Plan("(place.height)", "(#place.height=?)")),
        ({"kind": "a", "number": 3}, Plan("(kind, number)", "(<expr>=? AND <expr>=?)")),
        ({"id": "key-0003"}, Plan("(key)", "(key=?)")),
        ({"plain": "plain 3"}, SCAN),
    ],
    "in": [
        ({"text__in": ["text 03", "text 04"]}, Plan("(text)", EQUAL)),
        ({"number__in": [3, 4, None]}, Plan("(number)", EQUAL)),
        ({"price__in": [Decimal(1), Decimal(2)]}, Plan("(price)", "(#price=?)")),
        ({"id__in": ["key-0003", "key-0004"]}, Plan("(key)", "(key=?)")),
    ],
    "gt": [
        ({"number__gt": 15}, Plan("(number)", ABOVE)),
        ({"amount__gt": 1.5}, Plan("(amount)", "(#amount>?)")),
        ({"price__gt": Decimal(15)}, Plan("(price)", "(#price>?)")),
        ({"big__gt": 10**20 + 15}, Plan("(big)", "(#big>?)")),
        ({"at__gt": NOON}, Plan("(at)", ABOVE)),
        ({"span__gt": timedelta(seconds=15)}, Plan("(span)", ABOVE)),
        ({"id__gt": "key-0050"}, Plan("(key)", "(key>?)")),
        ({"kind": "a", "number__gt": 9}, Plan("(kind, number)", "(<expr>=? AND <expr>>?)")),
        ({"kind": "a", "price__gt": 9}, Plan("(kind, -price)", "(<expr>=? AND #price>?)")),
    ],
    "gte": [({"number__gte": 15}, Plan("(number)", ABOVE))],
    "lt": [
        ({"number__lt": 5}, Plan("(number)", BELOW)),
        ({"kind": "a", "at__lt": NOON}, Plan("(kind, -at)", "(<expr>=? AND <expr><?)")),
    ],
    "lte": [
        ({"number__lte": 5}, Plan("(number)", BELOW)),
        ({"day__lte": date(2024, 2, 29)}, Plan("(day)", BELOW)),
        ({"number__gte": 3, "number__lte": 5}, Plan("(number)", WITHIN)),
    ],
    "between": [
        ({"number__between": (3, 5)}, Plan("(number)", WITHIN)),
        ({"price__between": (3, 5)}, Plan("(price)", "(#price>? AND #price<?)")),
    ],
    "startswith": [
        ({"text__startswith": "text 0"}, Plan("(text)", WITHIN)),
        ({"id__startswith": "key-000"}, Plan("(key)", "(key>? AND key<?)")),
    ],
    "like": [
        ({"text__like": "text 0%"}, Plan("(text)", WITHIN)),
        ({"text__like": "%0_"}, SCAN),
    ],
    "matches": [
        ({"text__matches": "^text 0[1-3]"}, Plan("(text)", WITHIN)),
        ({"text__matches": "0[1-3]"}, SCAN),
    ],
    "is_null": [
        ({"number__is_null": True}, Plan("(number)", EQUAL)),
        ({"amount__is_null": True}, Plan("(amount)", "(#amount=?)")),
        ({"number__is_null": False}, SCAN),
    ],
    "year": [
        ({"at__year": 2024}, Plan("(at)", WITHIN)),
        ({"day__year": 2025}, Plan("(day)", WITHIN)),
    ],
    "contains": [
        ({"tags__contains": "tag 03"}, Plan("(tags)", "(c0=?)")),
        ({"numbers__contains": 3}, SCAN),
        ({"text__contains": "0"}, SCAN),
    ],
    "contains_any": [({"tags__contains_any": ["tag 03", "tag 04"]}, Plan("(tags)", "(c0=?)"))],
    "contains_all": [({"tags__contains_all": ["tag 03", "tag 04"]}, Plan("(tags)", "(c0=?)"))],
    "endswith": [({"text__endswith": "03"}, SCAN)],
    "icontains": [({"text__icontains": "T 0"}, SCAN)],
    "istartswith": [({"text__istartswith": "TEXT 0"}, SCAN)],
    "iendswith": [({"text__iendswith": "03"}, SCAN)],
    "iexact": [({"text__iexact": "TEXT 03"}, SCAN)],
    "matches_caseless": [({"text__matches_caseless": "^TEXT 0"}, SCAN)],
    "exists": [({"number__exists": True}, SCAN)],
    "month": [({"at__month": 3}, SCAN)],
    "day": [({"day__day": 3}, SCAN)],
    "hour": [({"at__hour": 12}, SCAN)],
    "weekday": [({"at__weekday": 0}, SCAN)],
    "size": [({"tags__size": 3}, SCAN)],
    "any": [({"tags__any": Q(equals="tag 03")}, SCAN)],
    "all": [({"tags__all": Q(startswith="tag")}, SCAN)],
}
CASES: Final = [(lookup, *case) for lookup, cases in PLANS.items() for case in cases]


def test_every_native_lookup_has_a_plan() -> None:
    # Those with an underscore belong to pages, which have plans of their own.
    named = {name for name in SQLiteStorage.lookups.names() if not name.startswith("_")}
    assert named == PLANS.keys()


@pytest.mark.parametrize(("lookup", "query", "plan"), CASES)
def test_lookup(
    db: BaseStorageAdapter, lookup: str, query: dict[str, Any], plan: Plan | None
) -> None:
    data = explained(db.find(Thing, **query))
    assert data["native"], data
    if plan is SCAN:
        assert data["scan"]
        return
    assert not data["scan"]
    assert plan.index in data["indexes"]
    assert any(line.endswith(plan.search) for line in data["detail"]), data["detail"]


@pytest.mark.parametrize("query", [query for _, query, _ in CASES])
def test_the_answer_is_that_of_a_scan(db: BaseStorageAdapter, query: dict[str, Any]) -> None:
    with connect("memory://") as memory:
        memory.insert_many(things())
        expected = {thing.id for thing in memory.find(Thing, **query)}
    assert {thing.id for thing in db.find(Thing, **query)} == expected


def explained(query: Query[Any]) -> dict[str, Any]:
    return query.explain().data


Ask = Callable[[Query[Thing]], Query[Thing]]
ORDERS: Final[list[tuple[Ask, str]]] = [
    (lambda q: q.order_by("number")[:5], "(number)"),
    (lambda q: q.order_by("-number")[:5], "(number)"),
    (lambda q: q.order_by("amount")[:5], "(amount)"),
    (lambda q: q.order_by("-price")[2:5], "(price)"),
    (lambda q: q.order_by("big")[:5], "(big)"),
    (lambda q: q.order_by("place.height")[:5], "(place.height)"),
    (lambda q: q.order_by("kind", "-at")[:5], "(kind, -at)"),
    (lambda q: q.order_by("-kind", "at")[:5], "(kind, -at)"),
    (lambda q: q.order_by("text")[:5], "(text)"),
    (lambda q: q[:5], "(key)"),
    (lambda q: q.order_by("-id")[:5], "(key)"),
    (lambda q: q.where(kind="a").order_by("number")[:5], "(kind, number)"),
    (lambda q: q.where(kind="a").order_by("-at")[:5], "(kind, -at)"),
    (lambda q: q.where(kind="a").order_by("at")[:5], "(kind, -at)"),
    (lambda q: q.where(kind="a").order_by("-price")[:5], "(kind, -price)"),
    (lambda q: q.where(kind="a", number__gt=3).order_by("number")[:5], "(kind, number)"),
    (lambda q: q.where(number__gt=3).order_by("-number")[:5], "(number)"),
    (lambda q: q.where(text__startswith="text").order_by("text")[:5], "(text)"),
    (lambda q: q.where(id__gt="key-0010")[:5], "(key)"),
]


@pytest.mark.parametrize(("ask", "index"), ORDERS)
def test_an_index_gives_the_order_of_a_slice(db: BaseStorageAdapter, ask: Ask, index: str) -> None:
    data = explained(ask(db.find(Thing)))
    assert data["order_native"]
    assert data["slice_native"]
    assert not data["scan"]
    assert data["indexes"] == [index]
    assert not [line for line in data["detail"] if "TEMP B-TREE" in line]


@pytest.mark.parametrize("ask", [ask for ask, _ in ORDERS])
def test_the_order_is_the_canonical_one(db: BaseStorageAdapter, ask: Ask) -> None:
    with connect("memory://") as memory:
        memory.insert_many(things())
        expected = [thing.id for thing in ask(memory.find(Thing))]
    assert [thing.id for thing in ask(db.find(Thing))] == expected


def test_a_unique_index_gives_an_order_too(db: BaseStorageAdapter) -> None:
    data = explained(db.find(Thing).order_by("code")[:5])
    assert data["indexes"] == ["unique (code)"]
    assert not data["scan"]


def test_count_reads_the_index_alone(db: BaseStorageAdapter) -> None:
    statement = db.find(Thing, kind="a", number=3).explain().data["statement"]
    condition = statement.partition("WHERE")[2]
    rows = db.native.execute(
        f"EXPLAIN QUERY PLAN SELECT count(*) FROM things WHERE {condition}",  # noqa: S608 - ours
        ("a", 3),
    ).fetchall()
    assert re.search(rb"SEARCH things USING .*INDEX ix_\w+ \(<expr>=\? AND <expr>=\?\)", rows[0][3])


@pytest.mark.parametrize(
    "query",
    [
        {"number__gt": 15},
        {"price__gt": 15},
        {"text__startswith": "text 0"},
        {"tags__contains": "tag 03"},
    ],
)
def test_a_scan_is_refused_only_where_there_is_one(
    db: BaseStorageAdapter, query: dict[str, Any]
) -> None:
    guarded = db.options(allow_scan=False)
    assert guarded.find(Thing, **query).count() == db.find(Thing, **query).count()


def test_many_values_are_one_statement_with_an_index(db: BaseStorageAdapter) -> None:
    data = explained(db.find(Thing, number__in=range(40_000)))
    assert data["native"]
    assert data["indexes"] == ["(number)"]
    assert db.find(Thing, number__in=range(40_000)).count() == 60
    both = db.find(Thing, number__in=range(20_000), text__in=[f"text {n}" for n in range(20_000)])
    assert both.count() == 60 - db.find(Thing, text__startswith="text 0").count()


def test_very_wide_conditions_run(db: BaseStorageAdapter) -> None:
    many = [f"tag {number:02d}" for number in range(3000)]
    assert db.find(Thing, tags__contains_any=many).count() == 60
    assert db.find(Thing, tags__contains_all=many).count() == 0
    either = reduce(or_, (Q(plain=f"plain {number}") for number in range(1, 3000)))
    assert db.find(Thing, either).count() == 59
    assert db.find(Thing, tags__contains_any=[str(n) for n in range(40_000)]).count() == 0
