"""What `group_by` gives: keys, their order, conditions on groups, slices of them."""

from __future__ import annotations

import pickle
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from docmap import (
    AggregateRow,
    BaseStorageAdapter,
    Collect,
    Command,
    Count,
    GroupedQuery,
    Max,
    Q,
    ScanRefused,
    Sum,
    path,
)
from docmap.query.nodes import Compare
from docmap.query.paths import Path
from tests.aggregates.shop import Colour, Customer, Line, OtherProgram, Sale, found, moment, stored
from tests.differential.oracle import exact


def keys(groups: GroupedQuery) -> list[Any]:
    """The keys and counts of groups."""
    return [tuple(row) for row in groups.aggregate(n=Count())]


# -- keys


def test_groups_come_in_the_order_of_their_keys(db: BaseStorageAdapter) -> None:
    query = stored(db, "status", "b", "a", None, "b", "")
    OtherProgram(id="x").save(db)  # has no status at all: one group with null
    assert keys(query.group_by("status")) == [(None, 2), ("", 1), ("a", 1), ("b", 2)]
    assert keys(query.where(status="zz").group_by("status")) == []
    assert list(query.group_by("status")) == [(None,), ("",), ("a",), ("b",)]


@pytest.mark.parametrize(
    ("field", "values", "wanted"),
    [
        ("flag", [True, False, None, True], [None, False, True]),
        ("whole", [10, 9, -1], [-1, 9, 10]),
        ("big", [10**40, -(10**40), 10**40], [-(10**40), 10**40]),
        ("ratio", [0.3, 0.1, 0.30000000000000004], [0.1, 0.3, 0.30000000000000004]),
        (
            "total",
            [Decimal("1.10"), Decimal("1.1"), Decimal("1E+1")],
            [Decimal("1.1"), Decimal(10)],
        ),
        ("colour", [Colour.RED, Colour.BLUE, Colour.RED], ["blue", "red"]),
        ("day", [date(2024, 1, 2), date(2024, 1, 1)], [date(2024, 1, 1), date(2024, 1, 2)]),
        ("at", [moment(2), moment(1)], [moment(1), moment(2)]),
    ],
)
def test_keys_of_every_type(
    db: BaseStorageAdapter, field: str, values: list[Any], wanted: list[Any]
) -> None:
    found = [row[0] for row in stored(db, field, *values).group_by(field)]
    assert exact(found) == exact(wanted)


def test_keys_without_a_type_are_one_if_they_are_equal(db: BaseStorageAdapter) -> None:
    rows: list[dict[str, Any]] = [
        {"a": 1.0},
        {"a": Decimal("1.0")},
        {"a": True},
        {"a": 1},
        {"a": "1"},
        {"a": None},
        {},
    ]
    found_keys = keys(found(db, *rows).group_by("a"))
    assert exact(found_keys) == exact([(None, 2), (1, 3), ("1", 1), (True, 1)])


def test_several_keys_and_their_names(db: BaseStorageAdapter) -> None:
    for number in range(6):
        customer = Customer(name="x", country="DE" if number % 2 else None)
        Sale(customer=customer, at=moment(1 + number % 3), flag=True).save(db)
    query = db.find(Sale)
    row = query.group_by("customer.country", Sale.at.month, day="at__day").first()  # type: ignore[union-attr]
    assert row is not None
    assert row._fields == ("customer__country", "at__month", "day")
    assert row == (None, 1, 1)
    assert keys(query.group_by(path("customer")["country"], Sale.flag)) == [
        (None, True, 3),
        ("DE", True, 3),
    ]


def test_a_document_is_in_the_group_of_each_different_element(db: BaseStorageAdapter) -> None:
    query = stored(db, "tags", ["x", "y", "x"], ["y"], [])
    assert keys(query.group_by(path("tags").each())) == [("x", 1), ("y", 2)]


def test_functions_on_the_same_list_see_the_elements_of_the_group(db: BaseStorageAdapter) -> None:
    Sale(
        id="1",
        whole=10,
        lines=[Line(sku="a", qty=2), Line(sku="b", qty=3), Line(sku="a", qty=4, notes=["p", "q"])],
    ).save(db)
    Sale(id="2", whole=1, lines=[Line(sku="b", qty=1)]).save(db)
    line = path("lines").each()
    groups = db.find(Sale).group_by(sku=line["sku"])
    rows = groups.aggregate(
        documents=Count(),
        lines=Count(line["sku"]),
        qty=Sum(line["qty"]),
        whole=Sum("whole"),
        notes=Collect(line["notes"].each()),
        all=Count(path("tags").each()),
    )
    assert list(rows) == [("a", 1, 2, 6, 10, ["p", "q"], 0), ("b", 2, 2, 4, 11, [], 0)]
    assert rows.order_by("-qty").first() == ("a", 1, 2, 6, 10, ["p", "q"], 0)


def test_elements_of_mixed_numbers_and_without_the_field(db: BaseStorageAdapter) -> None:
    query = found(db, {"a": [1.0, 1, None]}, {"a": [Decimal("1.0"), {"b": 2}]}, {"a": 1}, {})
    rows = keys(query.group_by(a=path("a").each()))
    assert exact(rows) == exact([(None, 1), (1, 2), ({"b": 2}, 1)])
    assert keys(query.group_by(b=path("a").each()["b"])) == [(None, 2), (2, 1)]


# -- having, order, slices


@pytest.fixture
def groups(db: BaseStorageAdapter) -> GroupedQuery:
    for status, whole in (("a", 1), ("b", 2), ("b", 3), ("c", 4), (None, 4)):
        Sale(status=status, whole=whole).save(db)
    return db.find(Sale).group_by("status").aggregate(n=Count(), sum=Sum("whole"))


def test_having_keeps_groups(groups: GroupedQuery) -> None:
    assert list(groups.having(n__gt=1)) == [("b", 2, 5)]
    assert list(groups.having(sum__between=(2, 4), status=None)) == [(None, 1, 4)]
    assert list(groups.having(Q(status="a") | Q(n=2))) == [("a", 1, 1), ("b", 2, 5)]
    assert list(groups.having(path("sum") >= 5)) == [("b", 2, 5)]
    assert list(groups.having(n=1).having(sum__gt=1.5).aggregate(m=Max("whole"))) == [
        (None, 1, 4, 4),
        ("c", 1, 4, 4),
    ]
    assert not groups.having(n__gt=2)


def test_conditions_on_the_documents_come_before(groups: GroupedQuery) -> None:
    query = groups._query.where(whole__lt=4)
    assert keys(query.group_by("status")) == [("a", 1), ("b", 2)]


def test_order_and_slices_of_groups(groups: GroupedQuery) -> None:
    ordered = groups.order_by("-sum", "status")
    assert [row.status for row in ordered] == ["b", None, "c", "a"]
    assert [row.status for row in groups.order_by("sum")] == ["a", None, "c", "b"]
    assert [row.status for row in groups.order_by("-sum")] == ["b", "c", None, "a"]
    assert [row.status for row in ordered[1:3]] == [None, "c"]
    assert [row.status for row in groups[1:][:2]] == ["a", "b"]
    assert [row.status for row in groups.offset(1).limit(5).offset(1).limit(1)] == ["b"]
    assert [row.status for row in groups.order_by(path("status").desc())] == ["c", "b", "a", None]
    assert ordered[0] == ordered.first() == ordered.list()[0] == ("b", 2, 5)
    assert groups[1].status == "a"
    assert (groups.count(), ordered[:3].count(), groups[:0].count()) == (4, 3, 0)
    assert groups[9:].first() is None
    with pytest.raises(IndexError):
        groups[4]


def test_nothing_that_is_chained_changes_what_it_is_chained_to(groups: GroupedQuery) -> None:
    before = groups.list()
    groups.having(n=9)
    groups.order_by("-n")
    groups.aggregate(m=Max("whole"))
    assert groups[:1] is not groups
    assert groups.list() == before


def test_rows_are_named_tuples(groups: GroupedQuery) -> None:
    row = groups[1]
    assert isinstance(row, tuple)
    assert isinstance(row, AggregateRow)
    assert row._asdict() == {"status": "a", "n": 1, "sum": 1}
    assert pickle.loads(pickle.dumps(row)) == row  # noqa: S301 - our own
    assert repr(row) == "AggregateRow(status='a', n=1, sum=1)"
    assert repr(groups).startswith("<GroupedQuery by status, n, sum of <Query Sale on ")
    query = groups._query
    assert query.aggregate(count=Count(), index=Sum("whole")).count == 5


# -- around it


def test_groups_see_the_slice_of_the_query(groups: GroupedQuery) -> None:
    query = groups._query
    assert keys(query.order_by("-whole")[:3].group_by("status")) == [(None, 1), ("b", 1), ("c", 1)]
    assert keys(query[:0].group_by("status")) == []
    assert list(query[:0].group_by().aggregate(n=Count())) == [(0,)]


def test_aggregates_stay_within_the_scope_of_the_class(db: BaseStorageAdapter) -> None:
    stored(db, "status", "a", "b", "b")
    wanted = Compare(
        Path(("status",)), "equals", "b", Sale.__docmap_schema__.root.fields["status"].type
    )
    narrow: Any = replace(Sale.__docmap_schema__, scopes=(lambda: wanted,))
    assert db.find(narrow).aggregate(n=Count()) == (2,)
    assert keys(db.find(narrow).group_by("status")) == [("b", 2)]


def test_a_transaction_sees_its_own_writes(full: BaseStorageAdapter) -> None:
    query = stored(full, "whole", 1, 2)
    with full.transaction():
        Sale(whole=5, status="x").save(full)
        assert query.aggregate(n=Count(), s=Sum("whole")) == (3, 8)
        assert keys(query.group_by("status")) == [(None, 2), ("x", 1)]


def test_a_scan_that_is_not_allowed_is_refused(db: BaseStorageAdapter) -> None:
    query = stored(db, "whole", 1).options(allow_scan=False)
    with pytest.raises(ScanRefused):
        query.aggregate(n=Count())
    assert query.where(id__in=[]).aggregate(n=Count()) == (0,)


def test_one_command_is_told_of_each(db: BaseStorageAdapter) -> None:
    query = stored(db, "status", "a", "b", "a")
    told: list[Command] = []
    end = db.on_command(told.append)
    query.group_by("status").aggregate(n=Count()).having(n=2).list()
    query.aggregate(n=Count())
    end()
    assert [(one.name, one.collection, one.count) for one in told] == [
        ("aggregate", "sales", 2),
        ("aggregate", "sales", 1),
    ]
