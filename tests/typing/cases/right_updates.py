"""Changes for `update` as expressions: each kind of field has those that fit it."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import assert_type

from docmap import Change, Document, Push, Q, Updated, col, connect, path
from docmap.model.fields import Mapped, field
from tests.typing.cases.shop import Color, Item, Order


class Note(Document, collection="notes"):
    rank: Mapped[int] = field(default=0)
    tags: Mapped[list[str]] = field(default_factory=list)
    text: Mapped[str | None] = field(default=None)


db = connect("memory://")
query = db.find(Order)

assert_type(col(Order.total).inc(5), Change)
assert_type(query.update(status="paid", count__inc=1), Updated)
assert_type(query.update(col(Order.total).inc(Decimal("0.5"))).matched, int)
assert_type(query.find_one_and_update(status="new"), Order | None)
assert_type(query.order_by("total").find_one_and_update(count=1, return_new=False), Order | None)

query.update(col(Order.number).set("x"), col(Order.note).set(None), col(Order.flag).set(True))
query.update(col(Order.total).mul(2), col(Order.weight).inc(0.5), col(Order.count).min(5))
query.update(col(Order.created_at).max(datetime.now(UTC)), col(Order.day).min(date(2024, 1, 1)))
query.update(col(Order.tags).push("a", "b", position=0, keep=10), col(Order.scores).push(1))
query.update(col(Order.tags).add_to_set("a"), col(Order.labels).add_to_set("a", "b"))
query.update(col(Order.tags).pull("a", "b"), col(Order.items).pull(sku="x", qty__lt=1))
query.update(col(Order.items).pull(Q(sku="x") | Q(qty__gt=2)), col(Order.scores).pop("first"))
query.update(col(Order.items).push(Item(sku="x", qty=1)), col(Order.color).set(Color.RED))
query.update(col(Order.note).unset(), col(Order.tags).set(["x"]), col(Order.box).set({"a": 1}))
query.update(col(Order.note).rename(path("anything")), path("box", "k").inc(1))
query.update(tags__push=Push(["a"], keep=-10), items__pull=Q(qty__lt=1), box__k__inc=1)

db.find(Note).update(Note.rank.inc(1), Note.tags.push("x"), Note.text.set("y"))
