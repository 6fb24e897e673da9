"""Plain annotations: misspelt fields and wrong operands."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

from docmap import connect
from tests.typing.cases.shop import Color, Customer, Order

db = connect("memory://")

db.find(Order, Order.totl > 1)  # error
db.find(Order, Order.customer.contry == "DE")  # error
db.find(Order, Order.items[0].skew == "x")  # error
db.find(Order, Order.total > "x")  # error
db.find(Order, Order.count < "x")  # error
db.find(Order, Order.number >= 5)  # error
db.find(Order, Order.created_at > 5)  # error
db.find(Order, Order.items > 5)  # error
db.find(Order, Order.customer > 5)  # error
db.find(Order, Order.color > Color.RED)  # error
db.find(Order, Order.box[5] > 1)  # error
db.find(Order, Order.total)  # error
db.find(Order, Order.total.between(1, 2))  # error
db.find(Order, Order.tags.contains("vip"))  # error
db.find(Order, ~(Order.total > 5))  # error
db.find(Order, Order.note > "x")  # error
db.find(Order, Order.address.city == "Rome")  # error
db.find(Order, "status")  # error

at = datetime.now(UTC)
ann = Customer(name="Ann", country="DE")
Order(number=1, customer=ann, total=Decimal(1), created_at=at)  # error
Order(number="1", customer=ann, total=Decimal(1))  # error
Order(number="1", customer=ann, total=Decimal(1), created_at=at, colour="red")  # error
Order(number="1", customer=ann, total=Decimal(1), created_at=at).count = "x"  # error
