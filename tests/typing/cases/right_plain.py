"""Plain annotations: a field on the class checks as what it is declared as."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

from docmap import connect
from tests.typing.cases.shop import Color, Customer, Order

db = connect("memory://")

db.find(Order, Order.total > 100, Order.total <= Decimal("9.5"), Order.count != 3)
db.find(Order, Order.status == "paid", Order.flag == True, Order.note == None)  # noqa: E711, E712
db.find(Order, Order.customer.country == "DE", Order.items[0].sku == "x")
db.find(Order, Order.box["size"] > 1, Order.tags[0] == "vip", Order.tags == ["a", "b"])
db.find(Order, Order.created_at > datetime.now(UTC), Order.color == Color.RED)
db.find(Order, Order.created_at.year == 2024, Order.created_at.weekday() == 0)
db.find(Order, Order.flag, Order.flag & (Order.total > 5), (Order.count > 3) | (Order.count < 1))
db.find(Order, Order.number.startswith("A-"), Order.customer == Customer(name="a", country="b"))
db.find(Order, Order.anything == 5, Order.anything.deep["x"].deeper > "y")
db.find(Order, True if Order is None else Order.total > 1, status="paid", total__gte=100)

order = Order(
    number="1",
    customer=Customer(name="Ann", country="DE"),
    total=Decimal(5),
    created_at=datetime.now(UTC),
)
order.total += 1
text: str = order.number + order.customer.country
again = Order(
    id="key", number="2", customer=order.customer, total=order.total, created_at=order.created_at
)
found: Order | None = db.find(Order).order_by(Order.total, "-number").first()
