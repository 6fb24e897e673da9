"""Aggregates: what is no function, misspelt methods and fields."""

from __future__ import annotations

from docmap import Count, Sum, connect
from tests.typing.cases.shop import Order

query = connect("memory://").find(Order)

query.aggregate(Count())  # error
query.aggregate(n="total")  # error
query.aggregate(n=Count)  # error
query.aggregate(n=Sum())  # error
query.aggregate(n=Sum(Order.totl))  # error
query.aggregate(n=Sum("total", distinct=True))  # error
query.group_by("status").aggregate(n=5)  # error
query.group_by("status").where(n=5)  # error
query.group_by("status").limit("5")  # error
