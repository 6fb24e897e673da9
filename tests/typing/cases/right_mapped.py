"""`Mapped[X]`: the class gives expressions, an instance gives X."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, assert_type

from pydantic import BaseModel

from docmap import Document, connect
from docmap.model.fields import Mapped, col, field
from tests.typing.cases.shop import Address, Color, Item


class Customer(BaseModel):
    name: str
    tags: Mapped[list[str]] = field(default_factory=list)


class Order(Document, collection="orders"):
    number: Mapped[str]
    customer: Mapped[Customer]
    address: Mapped[Address | None] = field(default=None)
    total: Mapped[Decimal] = field(default=Decimal(0), ge=0)
    count: Mapped[int] = field(default=0)
    flag: Mapped[bool] = field(default=False)
    created_at: Mapped[datetime]
    day: Mapped[date | None] = field(default=None)
    tags: Mapped[list[str]] = field(default_factory=list)
    items: Mapped[list[Item]] = field(default_factory=list)
    note: Mapped[str | None] = field(default=None)
    color: Mapped[Color] = field(default=Color.RED)
    box: Mapped[dict[str, int]] = field(default_factory=dict)
    labels: Mapped[set[str]] = field(default_factory=set)
    blob: Mapped[bytes] = field(default=b"")
    anything: Mapped[Any] = field(default=None)


if TYPE_CHECKING:
    from docmap.model import expressions as ex

    assert_type(Order.number, ex.TextExpression)
    assert_type(Order.note, ex.TextExpression)
    assert_type(Order.total, ex.NumberExpression)
    assert_type(Order.flag, ex.BooleanExpression)
    assert_type(Order.created_at, ex.DatetimeExpression)
    assert_type(Order.day, ex.DateExpression)
    assert_type(Order.tags, ex.ListExpression[str])
    assert_type(Order.labels, ex.SetExpression[str])
    assert_type(Order.box, ex.MapExpression[str, int])
    assert_type(Order.color, ex.ScalarExpression[Color])
    assert_type(Order.customer, type[Customer])
    assert_type(Order.address, type[Address])
    assert_type(Order.anything, Any)

db = connect("memory://")

db.find(Order, Order.tags.contains("vip") | (Order.total > 100), ~Order.flag, Order.flag)
db.find(Order, Order.total.between(1, 2), Order.note.startswith("x"), Order.note == None)  # noqa: E711
db.find(Order, Order.customer.name == "Ann", Order.address.city == "Rome")
db.find(Order, Order.customer.tags.contains("x"), Order.items[0].sku == "x")
db.find(Order, Order.items.any(sku="x"), Order.created_at.year(2024), Order.box["x"] > 1)
db.find(Order, col(Order.tags).contains("vip"), Order.color.in_([Color.RED]), Order.count.in_([1]))
db.find(Order).order_by(Order.total.desc())

order = Order(number="1", customer=Customer(name="Ann"), created_at=datetime.now(UTC))
order.tags.append("vip")
order.total = order.total + 1
order.note = "text" if order.note is None else order.note.upper()
assert_type(order.customer.name, str)
assert_type(order.tags, list[str])
