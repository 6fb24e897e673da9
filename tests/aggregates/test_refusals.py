"""What aggregates refuse before anything is read, and how the messages help."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from docmap import (
    Avg,
    BaseStorageAdapter,
    Collect,
    Count,
    Document,
    InvalidQuery,
    Max,
    Min,
    Q,
    Sum,
    path,
)
from tests.aggregates.shop import Sale


class Unrelated(Document):
    whole: int = 0


_EACH = path("lines").each()
REFUSED: list[tuple[Callable[[Any], Any], str]] = [
    (lambda q: q.aggregate(n=Sum("totl")), "did you mean 'total'"),
    (lambda q: q.aggregate(n=Sum("customer.nam")), "did you mean 'name'"),
    (lambda q: q.aggregate(n=Sum("status")), "n: status is text, and sum adds numbers"),
    (lambda q: q.aggregate(n=Avg("flag")), "avg adds numbers and timedeltas"),
    (lambda q: q.aggregate(n=Sum("tags")), r"path\('tags'\).each\(\) takes the elements"),
    (lambda q: q.aggregate(n=Sum("at")), "is datetime, and sum"),
    (lambda q: q.aggregate(n=Max("tags")), "max compares values that have an order"),
    (lambda q: q.aggregate(n=Min("customer")), "is Customer, and min compares"),
    (lambda q: q.aggregate(n=Count("tags", distinct=True)), "distinct compares single values"),
    (lambda q: q.aggregate(n=Count(distinct=True)), "needs a place"),
    (lambda q: q.aggregate(), "needs at least one result"),
    (lambda q: q.group_by("status").aggregate(), "needs at least one result"),
    (lambda q: q.aggregate(n=Count), "n is given Count itself: call it"),
    (lambda q: q.aggregate(n="whole"), r"n=Count\(\) or n=Sum"),
    (lambda q: q.aggregate(n=Sum(Sum("whole"))), r"is a function: it goes into aggregate"),
    (lambda q: q.aggregate(n=Sum(5)), "named by text, a field or path"),
    (lambda q: q.aggregate(_n=Count()), "cannot name a field of a named tuple: choose another"),
    (lambda q: q.aggregate(**{"class": Count()}), "'class' cannot name a field"),
    (lambda q: q.aggregate(n=Sum(Unrelated.whole)), "was given a field of Unrelated"),
    (lambda q: q.aggregate(n=Count("whole__gt")), "ends with the lookup 'gt'; a field is wanted"),
    (lambda q: q.aggregate(n=Count("whole__year")), "whole is int, without a year"),
    (lambda q: q.aggregate(n=Count("day__hour")), "day is date, without a hour"),
    (lambda q: q.group_by("totl"), "did you mean 'total'"),
    (lambda q: q.group_by("tags"), r"path\('tags'\).each\(\)"),
    (lambda q: q.group_by("customer"), "is Customer, and documents are not grouped by such"),
    (lambda q: q.group_by(_EACH), "documents are not grouped by such"),
    (lambda q: q.group_by(Count()), "is a function"),
    (lambda q: q.group_by(Unrelated.whole), "was given a field of Unrelated"),
    (lambda q: q.group_by(_EACH["sku"], path("tags").each()), "the elements of one list only"),
    (lambda q: q.group_by(n=_EACH["notes"].each()), "the elements of one list only"),
    (lambda q: q.group_by("status", "status"), "two results would be called 'status'"),
    (lambda q: q.group_by("status").aggregate(status=Count()), "two results would be called"),
    (
        lambda q: q.group_by("status").aggregate(n=Count()).aggregate(n=Count()),
        "two results would be called 'n'",
    ),
    (
        lambda q: q.group_by("status").having(n__gt=1),
        r"Sale in groups, before aggregate\(\), has no field 'n",
    ),
    (lambda q: q.group_by("status").aggregate(number=Count()).having(numbr=1), "mean 'number'"),
    (
        lambda q: q.group_by("status").aggregate(n=Count()).having(n="x"),
        "is bigint: the text given",
    ),
    (lambda q: q.group_by("status").having(Sale.status == "a"), "call where before group_by"),
    (lambda q: q.group_by("status").aggregate(n=Count()).order_by("-m"), "has no field 'm'"),
    (lambda q: q.group_by("status").aggregate(n=Collect("id")).order_by("n"), "cannot be ordered"),
    (lambda q: q.group_by("status").order_by(), "takes at least one name"),
    (lambda q: q.group_by("status")[:1].order_by("status"), "after a slice"),
    (lambda q: q.group_by("status")[:1].having(status="a"), "after a slice"),
    (lambda q: q.group_by("status")[::2], "no step"),
    (lambda q: q.group_by("status")[-1:], "no negative numbers"),
    (lambda q: q.group_by("status").limit(-1), "no negative numbers"),
]


@pytest.mark.parametrize(("ask", "message"), REFUSED)
def test_refused_before_anything_is_read(
    db: BaseStorageAdapter, ask: Callable[[Any], Any], message: str
) -> None:
    query = db.find(Sale)
    db.disconnect()  # whatever reads now raises NotConnected
    with pytest.raises(InvalidQuery, match=message) as caught:
        pytest.fail(f"gave {ask(query)!r}")
    assert caught.value.engine == db.scheme
    assert caught.value.collection == "sales"


def test_an_odd_name_needs_another(db: BaseStorageAdapter) -> None:
    db.insert_many("odd", [{"id": "1", "the name": "x"}])
    with pytest.raises(InvalidQuery, match=r"give one, as in group_by\(name=path"):
        db.find("odd").group_by(path("the name"))
    assert list(db.find("odd").group_by(name=path("the name"))) == [("x",)]


def test_collected_lists_can_be_conditions_on_groups(db: BaseStorageAdapter) -> None:
    for status, whole in (("a", 1), ("a", 2), ("b", 3)):
        Sale(status=status, whole=whole).save(db)
    groups = db.find(Sale).order_by("whole").group_by("status").aggregate(all=Collect("whole"))
    assert [row.status for row in groups.having(all__contains=3)] == ["b"]
    assert [row.status for row in groups.having(all=[1, 2])] == ["a"]
    assert [row.status for row in groups.having(Q(all__size=1))] == ["b"]
