"""`col`: lookups that the type does not have, and operands of another type."""

from __future__ import annotations

from docmap import connect
from docmap.model.fields import Q, col, path
from tests.typing.cases.shop import Order

db = connect("memory://")

db.find(Order, col(Order.tags).contains(5))  # error
db.find(Order, col(Order.scores).contains("x"))  # error
db.find(Order, col(Order.scores).contains_any(["x"]))  # error
db.find(Order, col(Order.total).startswith("x"))  # error
db.find(Order, col(Order.total) > "x")  # error
db.find(Order, col(Order.total).between("a", "b"))  # error
db.find(Order, col(Order.total).in_(5))  # error
db.find(Order, col(Order.note) > 5)  # error
db.find(Order, col(Order.note).icontains(5))  # error
db.find(Order, col(Order.number).containz("x"))  # error
db.find(Order, col(Order.created_at).yaer(2024))  # error
db.find(Order, col(Order.created_at).year("x"))  # error
db.find(Order, col(Order.day) > "x")  # error
db.find(Order, col(Order.flag) > True)  # error
db.find(Order, col(Order.box)[5] > 1)  # error
db.find(Order, col(Order.address).town == "Rome")  # error
db.find(Order, col(Order.items).any(5))  # error
db.find(Order, col(Order.tags))  # error
db.find(Order, col(Order.total).desc())  # error
db.find(Order, col(Order.totl) > 5)  # error
db.find(Order, path("a").b == 5)  # error
db.find(Order, Q("status"))  # error

"x" in col(Order.tags)  # error # noqa: B015
[*col(Order.tags)]  # error
for tag in col(Order.tags):  # error
    print(tag)  # noqa: T201
if col(Order.total) > 5:  # error in pyright
    db.find(Order)
