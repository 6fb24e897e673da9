"""What each aggregate function gives, on every engine."""

from __future__ import annotations

import math
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from random import Random
from typing import Any

import pytest

from docmap import (
    Avg,
    BaseStorageAdapter,
    Collect,
    Count,
    First,
    InvalidValue,
    Last,
    Max,
    Min,
    Sum,
    path,
)
from docmap.query.accumulators import accumulator
from docmap.query.aggregates import Reading, Term
from docmap.query.paths import Path
from docmap.schema.types import FieldType
from tests.aggregates.shop import Colour, Line, OtherProgram, Sale, found, moment, stored
from tests.differential.oracle import exact

MOST = 2**63 - 1


def one(query: Any, function: Any) -> Any:
    """The result of one function."""
    return query.aggregate(result=function).result


def same(result: Any, wanted: Any) -> None:
    """Equal, and of the same type and form."""
    assert exact(result) == exact(wanted)


# -- count


def test_count_counts_documents_and_with_a_place_those_not_null(db: BaseStorageAdapter) -> None:
    query = stored(db, "status", "a", None, "b", "a")
    OtherProgram(id="x").save(db)  # has no status at all
    assert query.aggregate(n=Count(), some=Count("status")) == (5, 3)
    assert one(query, Count("status", distinct=True)) == 2


def test_count_takes_lists_dicts_and_models(db: BaseStorageAdapter) -> None:
    query = stored(db, "customer", {"name": "Ann"}, None)
    assert query.aggregate(a=Count("customer"), b=Count("tags"), c=Count("box")) == (1, 2, 2)


def test_count_distinct_takes_equal_values_once(db: BaseStorageAdapter) -> None:
    numbers = stored(db, "total", Decimal("1.0"), Decimal(1), Decimal("1.10"), None)
    assert one(numbers, Count("total", distinct=True)) == 2
    loose = found(db, {"a": 1}, {"a": True}, {"a": 1.0}, {"a": "1"}, {"a": [1]}, {"a": [1.0]})
    assert one(loose, Count("a", distinct=True)) == 4


# -- sum


@pytest.mark.parametrize(
    ("field", "values", "wanted"),
    [
        ("whole", [MOST, MOST, MOST, None], 3 * MOST),
        ("whole", [-(2**63), -(2**63), 1], -(2**64) + 1),
        ("whole", [-1, -1, 2**32, 5], 2**32 + 3),
        ("big", [10**40, -(10**40), 7, 2**70], 2**70 + 7),
        ("total", [Decimal("0.10"), Decimal("0.20"), None], Decimal("0.3")),
        ("total", [Decimal("1E+10"), Decimal(0)], Decimal(10_000_000_000)),
        (
            "total",
            [Decimal("1E+6143"), Decimal("-1E+6143"), Decimal("1E-6176")],
            Decimal("1E-6176"),
        ),
        ("ratio", [0.1] * 10, 1.0),
        ("ratio", [1e16, 1.0, -1e16], 1.0),
        ("ratio", [1.7e308, 1.7e308, -1.7e308], 1.7e308),
        ("ratio", [-0.0, None], 0.0),
        ("span", [timedelta(days=1), timedelta(microseconds=-1)], timedelta(1, 0, -1)),
    ],
)
def test_sum_is_exact(
    db: BaseStorageAdapter, field: str, values: list[Any], wanted: object
) -> None:
    same(one(stored(db, field, *values), Sum(field)), wanted)


@pytest.mark.parametrize(
    ("field", "zero"),
    [
        ("whole", 0),
        ("big", 0),
        ("ratio", 0.0),
        ("total", Decimal(0)),
        ("span", timedelta(0)),
        ("anything", 0),
    ],
)
def test_over_nothing_sum_is_zero_of_the_type_and_the_others_are_none(
    db: BaseStorageAdapter, field: str, zero: object
) -> None:
    query = db.find(Sale)
    functions = {"sum": Sum(field), "avg": Avg(field), "min": Min(field), "max": Max(field)}
    nothing: list[Any] = [zero, None, None, None, None, None, [], 0]
    for empty in (query, query.where(status="x"), query[:0], query.where(id__in=[])):
        row = empty.aggregate(
            **functions, first=First(field), last=Last(field), all=Collect(field), n=Count(field)
        )
        same(list(row), nothing)
    stored(db, field, None)
    same(one(query, Sum(field)), zero)
    assert one(query, Avg(field)) is None


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("total", [Decimal("1E+20"), Decimal("1E-20")]),
        ("ratio", [1.7e308, 1.7e308]),
        ("span", [timedelta(microseconds=MOST)] * 12),
    ],
)
def test_a_sum_that_is_no_value_is_an_error(
    db: BaseStorageAdapter, field: str, values: list[Any]
) -> None:
    with pytest.raises(InvalidValue, match="sum of") as caught:
        one(stored(db, field, *values), Sum(field))
    error = caught.value
    assert error.collection == "sales"
    assert error.engine == db.scheme
    assert error.field in {field, "the total"}


def test_numbers_of_other_types_are_added_and_what_is_no_number_left_out(
    db: BaseStorageAdapter,
) -> None:
    same(one(found(db, {"a": 1}, {"a": "5"}, {"a": True}, {"a": [7]}, {"b": 1}), Sum("a")), 1)
    stored(db, "whole", 1, 2)
    OtherProgram.model_validate({"id": "x", "whole": "5"}).save(db)
    OtherProgram.model_validate({"id": "y", "whole": 1.5}).save(db)
    assert db.find(Sale).aggregate(s=Sum("whole"), a=Avg("whole"), n=Count("whole")) == (
        4.5,
        1.5,
        4,
    )


@pytest.mark.parametrize(
    ("values", "wanted"),
    [
        ([1, Decimal("0.5")], Decimal("1.5")),
        ([1, 0.5], 1.5),
        ([Decimal("0.1"), 0.5], 0.6),
        ([2**70, 0.5], 2.0**70),
    ],
)
def test_mixed_numbers_without_a_type(
    db: BaseStorageAdapter, values: list[Any], wanted: object
) -> None:
    if values[0] == 2**70:
        values = [2**62] * 256 + [0.5]
    same(one(found(db, *({"a": value} for value in values)), Sum("a")), wanted)


def test_many_floats_are_added_without_keeping_them(rng: Random) -> None:
    term = Term("s", "sum", Reading(Path(("a",)), FieldType("float")))
    added = accumulator(term)
    numbers = [rng.uniform(-1, 1) * 10.0 ** rng.randint(-300, 300) for _ in range(20_000)]
    for start in range(0, len(numbers), 1000):
        added.extend(numbers[start : start + 1000])
    assert added.result() == float(sum(map(Fraction, numbers), Fraction(0)))
    assert len(added._floats) < 5_500  # type: ignore[attr-defined]


def test_many_floats_whose_parts_overflow_are_added_all_the_same() -> None:
    term = Term("s", "sum", Reading(Path(("a",)), FieldType("float")))
    added = accumulator(term)
    for number in (1.7e308, -1.7e308):
        added.extend([number] * 5_000)
    added.extend([0.5])
    assert added.result() == 0.5


# -- avg


@pytest.mark.parametrize(
    ("field", "values", "wanted"),
    [
        ("whole", [1, 2, None], 1.5),
        ("whole", [MOST, MOST - 2], float(MOST - 1)),
        ("whole", [2, 4], 3.0),
        ("big", [10**40, 10**40 + 2], 1e40),
        ("ratio", [0.1] * 10, 0.1),
        ("ratio", [1.7e308, 1.7e308], 1.7e308),
        ("total", [Decimal(1), Decimal(0), Decimal(0)], Decimal("0." + "3" * 34)),
        ("total", [Decimal("2.50"), Decimal("2.50")], Decimal("2.5")),
        ("total", [Decimal(9), Decimal(9), Decimal("8.000000000000000000000000000000001")], None),
        ("total", [Decimal("9" * 34)] * 3, Decimal("9" * 34)),
        ("span", [timedelta(microseconds=1), timedelta(microseconds=2)], timedelta(microseconds=2)),
        ("span", [timedelta(microseconds=1), timedelta(0)], timedelta(0)),
    ],
)
def test_avg_is_the_sum_by_the_number(
    db: BaseStorageAdapter, field: str, values: list[Any], wanted: Any
) -> None:
    if wanted is None:
        wanted = Decimal("8.666666666666666666666666666666667")
    same(one(stored(db, field, *values), Avg(field)), wanted)


def test_avg_rounds_half_to_even(db: BaseStorageAdapter) -> None:
    zeros = "0" * 32
    query = stored(db, "total", Decimal(f"1.{zeros}1"), Decimal(f"1.{zeros}2"))
    same(one(query, Avg("total")), Decimal(f"1.{zeros}2"))


def test_avg_that_is_not_finite_is_an_error(db: BaseStorageAdapter) -> None:
    with pytest.raises(InvalidValue, match="avg of big, is too large"):
        one(stored(db, "big", 10**400, 10**400), Avg("big"))


# -- min and max


@pytest.mark.parametrize(
    ("field", "values", "least", "greatest"),
    [
        ("whole", [3, -(2**63), None, MOST], -(2**63), MOST),
        ("big", [10**40, -(10**41), 5], -(10**41), 10**40),
        ("ratio", [0.1, 0.30000000000000004, 0.3], 0.1, 0.30000000000000004),
        ("total", [Decimal("1.10"), Decimal("9.0"), None], Decimal("1.1"), Decimal(9)),
        ("total", [Decimal("1E+2"), Decimal("-0.50")], Decimal("-0.5"), Decimal(100)),
        ("status", ["b", "\uffff", "\U00010000", "a"], "a", "\U00010000"),
        ("flag", [True, False, None], False, True),
        ("at", [moment(2), moment(1)], moment(1), moment(2)),
        ("day", [date(2024, 1, 1), date(1, 1, 1)], date(1, 1, 1), date(2024, 1, 1)),
        ("span", [timedelta(1), timedelta(-1)], timedelta(-1), timedelta(1)),
        ("colour", [Colour.RED, Colour.BLUE], "blue", "red"),
    ],
)
def test_min_and_max_are_the_ends_of_the_order(
    db: BaseStorageAdapter, field: str, values: list[Any], least: object, greatest: object
) -> None:
    row = stored(db, field, *values).aggregate(least=Min(field), greatest=Max(field))
    same(list(row), [least, greatest])


def test_min_and_max_without_a_type_follow_the_order_of_types(db: BaseStorageAdapter) -> None:
    query = found(db, {"a": "x"}, {"a": 5}, {"a": True}, {"a": None}, {"a": [1]})
    same(list(query.aggregate(least=Min("a"), greatest=Max("a"))), [5, True])


@pytest.mark.parametrize("values", [[1.0, 1, Decimal("1.0")], [Decimal("1.00"), 1.0, 1]])
def test_of_equal_numbers_the_int_is_shown(db: BaseStorageAdapter, values: list[Any]) -> None:
    query = found(db, *({"a": value} for value in values))
    same(list(query.aggregate(least=Min("a"), greatest=Max("a"))), [1, 1])


def test_a_whole_number_in_a_float_field_stays_what_it_is(db: BaseStorageAdapter) -> None:
    stored(db, "ratio", 2.0, 1.5)
    OtherProgram.model_validate({"id": "x", "ratio": 2}).save(db)
    query = db.find(Sale)
    same(list(query.aggregate(most=Max("ratio"), all=Collect("ratio"))), [2, [2.0, 1.5, 2]])
    same([row.ratio for row in query.group_by("ratio")], [1.5, 2])
    same(one(query, Sum("ratio")), 5.5)


# -- first, last, collect


def test_first_and_last_skip_null_and_collect_keeps_it(db: BaseStorageAdapter) -> None:
    query = stored(db, "status", None, "b", "a", None)
    row = query.aggregate(first=First("status"), last=Last("status"), all=Collect("status"))
    assert row == ("b", "a", [None, "b", "a", None])


def test_they_follow_the_order_of_the_query_else_of_the_keys(db: BaseStorageAdapter) -> None:
    for key, status in (("2", "x"), ("1", "y"), ("3", "z")):
        Sale(id=key, status=status).save(db)
    query = db.find(Sale)
    assert one(query, Collect("id")) == ["1", "2", "3"]
    assert one(query.order_by("-status"), Collect("id")) == ["3", "1", "2"]
    assert one(query.order_by("-status"), First("id")) == "3"
    assert one(query.order_by("-status"), Last("id")) == "2"
    assert one(query.order_by("-status")[1:], Collect("id")) == ["1", "2"]


def test_collect_keeps_the_scale_of_decimals_and_gives_copies(db: BaseStorageAdapter) -> None:
    query = stored(db, "total", Decimal("1.10"), Decimal("1E+2"))
    same(one(query, Collect("total")), [Decimal("1.10"), Decimal("1E+2")])
    same(one(query, First("total")), Decimal("1.10"))
    loose = found(db, {"a": [1]}, {"a": {"b": 2}})
    kept = one(loose, Collect("a"))
    kept[0].append(2)
    kept[1].clear()
    assert one(loose, Collect("a")) == [[1], {"b": 2}]


# -- every element, and parts of dates


def test_each_takes_every_element(db: BaseStorageAdapter) -> None:
    first = [Line(sku="a", qty=2), Line(sku="b", qty=3, price=Decimal("0.5"))]
    Sale(id="1", lines=first, tags=["x", "y", "x"]).save(db)
    Sale(id="2", lines=[Line(sku="a", qty=5)]).save(db)
    qty = path("lines").each()["qty"]
    row = db.find(Sale).aggregate(
        sum=Sum(qty),
        n=Count(qty),
        documents=Count(),
        tags=Count(path("tags").each(), distinct=True),
        price=Min(path("lines").each()["price"]),
        all=Collect(path("tags").each()),
    )
    same(list(row), [10, 3, 2, 2, Decimal("0.5"), ["x", "y", "x"]])


def test_parts_of_dates(db: BaseStorageAdapter) -> None:
    query = stored(db, "at", moment(2, 5, 13), moment(12, 31, 1), None)
    row = query.aggregate(
        month=Max("at__month"),
        hours=Sum(Sale.at.hour),  # type: ignore[union-attr]
        year=Collect("at__year"),
        day=Avg("at__day"),
        weekday=Min(path("at").weekday),
    )
    same(list(row), [12, 14, [2024, 2024, None], 18.0, 0])


def test_a_date_without_a_type_has_no_hour(db: BaseStorageAdapter) -> None:
    query = found(db, {"a": date(2024, 5, 1)}, {"a": moment(6, 1, 7)}, {"a": "2024-01-01"})
    same(list(query.aggregate(a=Sum("a__hour"), b=Collect("a__month"))), [7, [5, 6, None]])


def test_results_see_the_slice(db: BaseStorageAdapter) -> None:
    query = stored(db, "whole", *range(10))
    assert query.order_by("-whole")[2:5].aggregate(n=Count(), s=Sum("whole")) == (3, 7 + 6 + 5)
    assert query[8:].aggregate(n=Count(), s=Sum("whole")) == (2, 17)
    assert math.isclose(query.limit(3).aggregate(a=Avg("whole")).a, 1.0)
