"""`Mapped[X]`: wrong operands, wrong values."""

from __future__ import annotations

from decimal import Decimal

from docmap import Document, connect
from docmap.model.fields import Mapped, field
from tests.typing.cases.shop import Customer


class Order(Document, collection="orders"):
    customer: Mapped[Customer]
    total: Mapped[Decimal]
    tags: Mapped[list[str]] = field(default_factory=list)
    note: Mapped[str | None] = field(defualt=None)  # error


db = connect("memory://")
ann = Customer(name="Ann", country="DE")

db.find(Order, Order.tags.contains(5))  # error
db.find(Order, Order.tags.startswith("x"))  # error
db.find(Order, Order.tagz.contains("x"))  # error
db.find(Order, Order.total > "x")  # error
db.find(Order, Order.total)  # error
db.find(Order, Order.customer.contry == "DE")  # error
db.find(Order, "x" in Order.tags)  # error

order = Order(customer=ann, total=Decimal(1), note="x")
Order(customer=ann, total="x", note="x")  # error
Order(total=Decimal(1), note="x")  # error
order.tags = "x"  # error
order.tags.append(5)  # error
