"""Views have the type of their class, and so has what a document becomes."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple, TypedDict, assert_type

import msgspec
from pydantic import BaseModel

from docmap import Document, Q, connect
from docmap.storage.query import Query
from tests.typing.cases.shop import Order


class Summary(BaseModel):
    number: str
    total: Decimal


@dataclass
class Line:
    number: str


class Row(TypedDict):
    number: str


class Pair(NamedTuple):
    number: str
    total: Decimal


class Struct(msgspec.Struct):
    number: str


class Part(Document, collection="orders", where=Q(number__startswith="A-")):
    number: str


db = connect("memory://")
found = db.find(Order).view(Summary)
assert_type(found, Query[Summary])
assert_type(found.list(), list[Summary])
assert_type(found.order_by("-number")[:3].first(), Summary | None)
for line in db.find(Order, Order.total > 5).view(Line).where(status="paid"):
    assert_type(line, Line)
assert_type(db.find(Order).view(Row).list(), list[Row])
assert_type(db.find(Order).view(Pair).list(), list[Pair])
assert_type(db.find(Order).view(Struct).list(), list[Struct])
assert_type(db.find(Order).view(Part).first(), Part | None)
assert_type(db.find("orders").view(Summary).list(), list[Summary])


def convert(order: Order) -> None:
    """Never called."""
    assert_type(order.convert_to(Summary), Summary)
    assert_type(order.convert_to(Row), Row)
    assert_type(order.save_as(), Order)
    assert_type(order.save_as(Part, key="x", storage=db), Part)
    assert_type(Order.input_model(), type[BaseModel])
