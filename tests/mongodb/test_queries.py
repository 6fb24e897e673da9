"""Conditions and orders as MongoDB gets them, and what comes back."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

import pytest
from bson.decimal128 import Decimal128
from pydantic import Field

from docmap import BaseStorageAdapter, Document, Precision, Q
from docmap.plan.plan import Request, make
from docmap.schema.bind import bind
from docmap.storage.loading import schema_of
from docmap_backends._mongodb_queries import render
from tests.mongodb.things import Inner, Loose, Thing, able

NO_LIST: dict[str, Any] = {"$not": {"$type": "array"}}
NO_FRACTION: dict[str, Any] = {"$not": {"$type": ["array", "double", "decimal"]}}
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
        (Q(fine=MOMENT), {"fine": {"$eq": 1709208000000000, **NO_FRACTION}}),
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
        (Q(box={"a": 1, "b": 2}), {
            "box": {"$in": [{"a": 1, "b": 2}, {"b": 2, "a": 1}], **NO_LIST}
        }),
        (Q(inner=Inner(city="x")), {
            "inner": {
                "$in": [{"city": "x", "size": None}, {"size": None, "city": "x"}], **NO_LIST
            }
        }),
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
        (Q(box=dict.fromkeys("abcde", 1)), {"box": {"$type": "object", **NO_LIST}}),
        (Q(any={"a": [1], "b": 2}), {"any": {"$type": "object", **NO_LIST}}),
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


def test_objects_are_equal_in_any_order_of_their_keys(things: BaseStorageAdapter) -> None:
    boxes: list[dict[str, int]] = [{"a": 1, "b": 2}, {"b": 2, "a": 1}, {"a": 1}, {"a": 2, "b": 1}]
    things.insert_many([Thing(id=str(n), box=box) for n, box in enumerate(boxes)])
    more = [[{"a": 1, "b": 2}], {"a": 1, "b": 2, "c": None}, {"a": 1.0, "b": Decimal(2)}]
    things.insert_many([Loose(id=f"x{n}", box=one) for n, one in enumerate(more)])  # type: ignore[call-arg]
    query = things.find(Thing, box={"a": 1, "b": 2})
    assert query.count() == 3
    assert query.explain().data["native"]
    assert not query.explain().data["residual"]
    assert things.find(Thing).where_not(box={"a": 1, "b": 2}).count() == 4
    assert things.find(Thing, box__in=[{"b": 1, "a": 2}, {"a": 1}]).count() == 2


def test_a_number_of_another_program_is_no_stretch_of_time(things: BaseStorageAdapter) -> None:
    class Span(Document, collection="spans"):
        span: timedelta | None = None
        spans: list[timedelta] = Field(default=[])
        fine: Annotated[datetime | None, Precision("us")] = None

    class Number(Document, collection="spans"):
        span: float = 5.0
        spans: list[float] = Field(default=[5.0])
        fine: float = 5.0

    five = timedelta(microseconds=5)
    Number(id="number").save(things)
    Span(id="span", span=five, spans=[five], fine=datetime.fromtimestamp(0, UTC)).save(things)
    early = datetime(1960, 1, 1, tzinfo=UTC)
    for condition in (
        Q(span=five),
        Q(span__in=[five]),
        Q(span__gt=timedelta(days=-400)),
        Q(spans__contains=five),
        Q(spans__any={"gte": five}),
        Q(fine__gt=early),
    ):
        found = things.find(Span).where(condition).order_by("id").on_invalid("skip")
        assert [one.id for one in found] == ["span"], condition
        assert things.find(Span).where(condition).count() == 1, condition
