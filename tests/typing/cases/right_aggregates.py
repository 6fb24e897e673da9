"""Aggregates: functions on fields, rows whose results are of any type, groups that chain."""

from __future__ import annotations

from typing import Any, assert_type

from docmap import (
    AggregateRow,
    Avg,
    Collect,
    Count,
    First,
    GroupedQuery,
    Last,
    Max,
    Min,
    Q,
    Sum,
    col,
    connect,
    path,
)
from tests.typing.cases.shop import Order

db = connect("memory://")
query = db.find(Order)

row = query.aggregate(
    n=Count(), revenue=Sum(Order.total), average=Avg("total"), count=Count("note")
)
assert_type(row, AggregateRow)
assert_type(row.revenue, Any)
assert_type(row.count, Any)
assert_type(row._fields, tuple[str, ...])
assert_type(row._asdict(), dict[str, Any])
assert_type(row[0], Any)
n, revenue, average, count = row

query.aggregate(first=First(Order.created_at), last=Last(Order.customer.country))
query.aggregate(low=Min(Order.created_at.year), high=Max("created_at__month"))
query.aggregate(all=Collect(col(Order.tags).each()), qty=Sum(col(Order.items).each().qty))
query.aggregate(different=Count(Order.status, distinct=True))

groups = query.group_by("status", Order.created_at.year, country="customer.country")
assert_type(groups, GroupedQuery)
groups = groups.aggregate(n=Count(), revenue=Sum("total")).having(n__gt=5).having(Q(n=1) | Q(n=2))
groups = groups.order_by("-revenue", path("n").desc())[:10].limit(5).offset(1)
assert_type(groups.list(), list[AggregateRow])
assert_type(groups.first(), AggregateRow | None)
assert_type(groups.count(), int)
for group in groups:
    assert_type(group, AggregateRow)
    assert_type(group.status, Any)
names = [one.country for one in query.group_by(country=path("customer")["country"])]
tags = query.group_by(tag=path("tags").each()).aggregate(n=Count()).list()
