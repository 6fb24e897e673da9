"""Changes that the type does not have, and operands of another type."""

from __future__ import annotations

from docmap import col, connect
from tests.typing.cases.shop import Order

query = connect("memory://").find(Order)

query.update(col(Order.number).inc(1))  # error
query.update(col(Order.total).inc("x"))  # error
query.update(col(Order.total).set("x"))  # error
query.update(col(Order.number).push("x"))  # error
query.update(col(Order.labels).push("x"))  # error
query.update(col(Order.labels).pop())  # error
query.update(col(Order.tags).push(5))  # error
query.update(col(Order.tags).pop("middle"))  # error
query.update(col(Order.tags).push("x", position="first"))  # error
query.update(col(Order.created_at).max("2024"))  # error
query.update(col(Order.flag).min(True))  # error
query.update(col(Order.total) > 5)  # error
query.update(Order.total)  # error
