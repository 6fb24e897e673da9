"""`col` gives a plainly declared field the lookups of its type."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, assert_type
from uuid import uuid4

from docmap import connect
from docmap.model.fields import Condition, FieldExpression, Q, col, path
from docmap.query.order import OrderTerm
from tests.typing.cases.shop import Address, Color, Item, Order

if TYPE_CHECKING:
    from docmap.model import expressions as ex
    from docmap.model.operators import Equality

    assert_type(col(Order.number), ex.TextExpression)
    assert_type(col(Order.status), ex.TextExpression)
    assert_type(col(Order.note), ex.TextExpression)
    assert_type(col(Order.total), ex.NumberExpression)
    assert_type(col(Order.count), ex.NumberExpression)
    assert_type(col(Order.weight), ex.NumberExpression)
    assert_type(col(Order.flag), ex.BooleanExpression)
    assert_type(col(Order.maybe), ex.BooleanExpression)
    assert_type(col(Order.created_at), ex.DatetimeExpression)
    assert_type(col(Order.day), ex.DateExpression)
    assert_type(col(Order.tags), ex.ListExpression[str])
    assert_type(col(Order.scores), ex.ListExpression[int])
    assert_type(col(Order.labels), ex.SetExpression[str])
    assert_type(col(Order.items), ex.ListExpression[Item])
    assert_type(col(Order.box), ex.MapExpression[str, int])
    assert_type(col(Order.blob), Equality[bytes])
    assert_type(col(Order.address), Address)
    assert_type(col(Order.anything), Any)

db = connect("memory://")

db.find(Order, col(Order.tags).contains("vip"), col(Order.scores).contains_any([1, 2]))
db.find(Order, (Order.total > 100) | col(Order.tags).contains("vip"))
db.find(Order, col(Order.tags).contains("vip") & (Order.total > 100) & Q(status="paid"))
db.find(Order, ~col(Order.flag), ~col(Order.total > 100), ~col(Order.tags).contains("x"))
db.find(Order, ~col(Order.number.startswith("A")), col(Order.flag), col(Order.flag).is_null())
db.find(Order, col(Order.total).between(1, 2.5), 5 < col(Order.count), col(Order.weight) > 1)  # noqa: SIM300
db.find(Order, col(Order.total).in_([1, Decimal(2), None]), col(Order.status).not_in({"new"}))
db.find(Order, col(Order.note) > "x", col(Order.note).icontains("x"), col(Order.note).like("a%"))
db.find(Order, col(Order.created_at).year(2024), col(Order.day).weekday() == 0)
db.find(Order, col(Order.created_at) > datetime.now(UTC), col(Order.day) <= date(2024, 1, 1))
db.find(Order, col(Order.color) > Color.RED, col(Order.color).in_([Color.RED]))
db.find(Order, col(Order.token) == uuid4(), col(Order.token).exists(False), col(Order.blob) != b"")
db.find(Order, col(Order.items).any(sku="x", qty__gt=2), col(Order.items).size(3))
db.find(Order, col(Order.items).all(Q(sku="x") | Q(qty__gt=2)), col(Order.scores).any(gt=5))
db.find(Order, col(Order.items)[0].qty > 5, col(Order.items[0].sku).contains("x"))
db.find(Order, col(Order.address).city == "Rome", col(Order.box)["size"] > 1)
db.find(Order, col(Order.customer.tags).contains("x"), col(Order.number).lookup("startswith", "x"))
db.find(Order).order_by(col(Order.total).desc(), col(Order.number).asc())

assert_type(col(Order.total) > 5, Condition)
assert_type((Order.count > 5) & col(Order.flag), Condition)
assert_type(col(Order.total).desc(), OrderTerm)
assert_type(path("a.b", "c")["d"][0], FieldExpression)
db.find(Order, path("customer", "country") > "A", ~path("number").contains("y"))
db.find(Order, path("items", 0)["qty"] > 5, col(path("items")).any(sku="x"))
db.find(Order, Q(status="new") | ~Q(total__gt=5), Q())
