"""Conditions and orders as MongoDB gets them, and what comes back."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from bson.decimal128 import Decimal128

from docmap import BaseStorageAdapter, Q
from docmap.plan.plan import Request, make
from docmap.schema.bind import bind
from docmap.storage.loading import schema_of
from docmap_backends._mongodb_queries import render
from tests.mongodb.things import Inner, Loose, Thing, able

NO_LIST: dict[str, Any] = {"$not": {"$type": "array"}}
MOMENT = datetime(2024, 2, 29, 12, tzinfo=UTC)
BARE = MOMENT.replace(tzinfo=None)
LONG = Decimal("0.1000000000000000055511151231257827")  # what 0.1 is in 34 digits, and is not


def _filter(storage: Any, condition: Any) -> tuple[Any, bool]:
    """The filter of a condition on things, and whether it says all."""
    schema = schema_of(Thing)
    with able():
        plan = make(storage, Request(schema, bind(condition.node, schema.names)))
    return render(plan.native.condition), plan.residual is None


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        (Q(status="a"), {"status": {"$eq": "a", **NO_LIST}}),
        (Q(status=None), {"status": {"$eq": None, **NO_LIST}}),
        (Q(pk="k"), {"_id": {"$eq": "k"}}),
        (Q(pk__in=["k", "l"]), {"_id": {"$in": ["k", "l"]}}),
        (Q(number="n"), {"number": {"$type": "string", "$eq": "n", **NO_LIST}}),
        (Q(count__gt=5), {"count": {"$gt": 5, **NO_LIST}}),
        (Q(count__between=(1, 5)), {"count": {"$gte": 1, "$lte": 5, **NO_LIST}}),
        (Q(flag=True), {"flag": {"$eq": True, **NO_LIST}}),
        (Q(price__gte="1.10"), {"price": {"$gte": Decimal128("1.1"), **NO_LIST}}),
        (Q(big=10**20), {"big": {"$eq": Decimal128(str(10**20)), **NO_LIST}}),
        (Q(at__lt=MOMENT), {"at": {"$lt": BARE, **NO_LIST}}),
        (Q(fine=MOMENT), {"fine": {"$eq": 1709208000000000, **NO_LIST}}),
        (Q(at__year=9999), {"at": {
            "$gte": datetime(9999, 1, 1),  # noqa: DTZ001
            "$lte": datetime(9999, 12, 31, 23, 59, 59, 999000),  # noqa: DTZ001
            **NO_LIST,
        }}),
        (Q(at__month=2), {"$expr": {"$eq": [{"$month": "$at"}, 2]}}),
        (Q(at__weekday=0), {"$expr": {"$eq": [{"$isoDayOfWeek": "$at"}, 1]}}),
        (Q(uid=UUID(int=5)), {"uid": {"$eq": UUID(int=5), **NO_LIST}}),
        (Q(tags__size=1), {"tags": {"$size": 1}}),
        (Q(tags__contains="x"), {"tags": {"$elemMatch": {"$eq": "x"}}}),
        (Q(numbers__contains=5), {"numbers": {"$elemMatch": {"$eq": 5}}}),
        (Q(numbers__any={"gt": 5}), {"numbers": {"$elemMatch": {"$gt": 5, **NO_LIST}}}),
        (Q(numbers=[1, 2]), {"numbers": {
            "$eq": [1, 2], "$not": {"$elemMatch": {"$type": "array"}},
        }}),
        (Q(odd=1), {"%a%2Eb": {"$eq": 1, **NO_LIST}}),
        (Q(status__startswith="ab"), {"status": {"$gte": "ab", "$lt": "ac", **NO_LIST}}),
        (Q(box={}), {"box": {"$eq": {}, **NO_LIST}}),
        (Q(inner__city="X"), {"inner.city": {"$eq": "X", **NO_LIST}, "inner": NO_LIST}),
        (Q(inner__city=None), {"$or": [
            {"inner.city": {"$eq": None, **NO_LIST}}, {"inner": {"$type": "array"}},
        ]}),
        (Q(inner__city__exists=False), {"$nor": [
            {"inner.city": {"$exists": True}, "inner": NO_LIST},
        ]}),
        (Q(status="a") & ~Q(count=1), {"$and": [
            {"status": {"$eq": "a", **NO_LIST}}, {"$nor": [{"count": {"$eq": 1, **NO_LIST}}]},
        ]}),
        (Q(any=MOMENT), {"any": {"$eq": BARE, **NO_LIST}}),
        (Q(any=date(2024, 2, 29)), {"any": {"$eq": {"%$day": "2024-02-29"}, **NO_LIST}}),
        (Q(any={"$gt": ""}), {"any": {"$eq": {"%$gt": ""}, **NO_LIST}}),
        (Q(count__in=[1, None]), {"$or": [
            {"count": {"$in": [1], **NO_LIST}}, {"count": {"$eq": None, **NO_LIST}},
        ]}),
    ],
)  # fmt: skip
def test_conditions_are_exact_filters(
    things: BaseStorageAdapter, condition: Any, expected: Any
) -> None:
    assert _filter(things, condition) == (expected, True)


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        # MongoDB rounds a double to 34 digits beside a Decimal.
        (Q(price=LONG), None),
        # Objects are equal whatever the order of their keys.
        (Q(any={"a": 1, "b": 2}), {"any": {"$type": "object", **NO_LIST}}),
        (Q(inners__any={"city": "X"}), {"inners": {
            "$elemMatch": {"city": {"$eq": "X", **NO_LIST}},
        }}),
        (Q(inners__all={"city": "X"}), {"inners": {"$type": "array"}}),
        (Q(tags__all={"startswith": "x"}), {"tags": {"$type": "array"}}),
        (Q(status__matches="a+b+"), {}),
        (Q(fine__month=2), {}),
    ],
)  # fmt: skip
def test_what_no_filter_says_exactly_is_left_to_docmap(
    things: BaseStorageAdapter, condition: Any, expected: Any
) -> None:
    found, exact = _filter(things, condition)
    assert not exact
    assert expected is None or found == expected


@pytest.mark.parametrize(
    "condition",
    [
        Q(status__matches="^ab[0-9]+$"),
        Q(status__like="a%b"),
        Q(status__like="%ab%"),
        Q(status__endswith="b"),
        Q(status__contains="$gt"),
        Q(day__gt=date(2024, 1, 1)),
        Q(day__month=2),
        Q(big__gt=10**20),
        Q(tags__contains_all=["a", "b"]),
        Q(oid__gt="55f14312c7447c3da7051b26"),
        Q(uid__lte=UUID(int=7)),
    ],
)
def test_these_need_no_help(things: BaseStorageAdapter, condition: Any) -> None:
    assert _filter(things, condition)[1]


def test_a_server_that_rounds_gets_wider_filters(things: BaseStorageAdapter) -> None:
    schema = schema_of(Thing)
    condition = bind(Q(price=Decimal("1.5")).node, schema.names)
    with able():
        exact = make(things, Request(schema, condition))
    assert exact.residual is None
    if not things.exact_numbers:  # type: ignore[attr-defined]
        wider = make(things, Request(schema, condition))
        assert wider.residual is not None
        assert wider.native.condition is not None


PAYLOADS: tuple[Any, ...] = (
    {"$gt": ""}, {"$ne": None}, {"$where": "1"}, {"$regex": ".*"}, {"$exists": True},
    {"$in": [1]}, {"$or": []}, {"$expr": {"$eq": [1, 1]}}, {"$not": {"$gt": ""}}, {"$type": 2},
    {"$regularExpression": {"pattern": ".*", "options": ""}}, {"$elemMatch": {}}, "$status",
    {"$oid": "55f14312c7447c3da7051b26"}, {"$numberDecimal": "NaN"}, {"$size": 0}, ["$status"],
)  # fmt: skip


@pytest.mark.parametrize("payload", PAYLOADS, ids=str)
def test_a_value_is_never_an_operator(things: BaseStorageAdapter, payload: Any) -> None:
    things.insert_many([Thing(id="a", status="x", any=1), Thing(id="b", any=payload)])
    assert [one.id for one in things.find(Thing, any=payload)] == ["b"]
    assert [one.id for one in things.find(Thing, any__in=[payload])] == ["b"]
    assert things.find(Thing).where_not(any=payload).count() == 1
    assert things.get(Thing, "b").any == payload
    assert things.find(Thing, pk="a").update(any=payload).matched == 1
    assert things.get(Thing, "a").any == payload


def test_lists_of_others_are_not_walked_into(things: BaseStorageAdapter) -> None:
    Thing(id="a", status="x", count=5, inner=Inner(city="X")).save(things)
    others: list[dict[str, Any]] = [
        {"id": "b", "status": ["x"], "count": [5, 6], "inner": [{"city": "X"}]},
        {"id": "c", "status": {"x": "x"}, "count": 5.0, "inner": "X"},
    ]
    things.insert_many(Loose, others)

    def keys(**lookups: Any) -> list[Any]:
        found = things.find(Thing, **lookups).order_by("id").raw()
        return [one["id"] for one in found]

    assert keys(status="x") == ["a"]
    assert keys(count=5) == ["a", "c"]
    assert keys(count__gt=4) == ["a", "c"]
    assert keys(inner__city="X") == ["a"]
    assert keys(inner__city=None) == ["b", "c"]
    assert keys(status__startswith="x") == ["a"]
    assert keys(count__is_null=False) == ["a", "b", "c"]


def test_an_order_is_the_servers_where_all_values_are_of_one_type(
    things: BaseStorageAdapter,
) -> None:
    Thing(id="a", count=2).save(things)
    Thing(id="b", count=1).save(things)
    with able():
        plan = things.find(Thing).order_by("count").explain().data
        assert plan["order_native"]
        assert not things.find(Thing).order_by("big").explain().data["order_native"]
        things.insert_many(Loose, [{"id": "c", "count": [0]}])
        assert not things.find(Thing).order_by("count").explain().data["order_native"]
        found = [one["id"] for one in things.find(Thing).order_by("count").raw()]
    assert found == ["b", "a", "c"]


def test_a_collection_of_others_is_looked_at_before_it_is_sorted(
    things: BaseStorageAdapter,
) -> None:
    name = things.native.get_database(things._client.database.name)["things"]  # type: ignore[attr-defined]
    name.insert_many([{"_id": "a", "count": 2}, {"_id": "b", "count": 1}])
    with able():
        assert things.find(Thing).order_by("count").explain().data["order_native"]
        name.insert_one({"_id": "c", "ratio": [0.5]})
        assert not things.find(Thing).order_by("ratio").explain().data["order_native"]


def test_no_document_at_all(things: BaseStorageAdapter) -> None:
    Thing(id="a").save(things)
    assert list(things.find(Thing)[:0]) == []
    assert things.find(Thing).limit(0).count() == 0
    assert things.find(Thing, status__in=[]).count() == 0
