"""References: what they take, what they give, and how they are compared."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, assert_type

from pydantic import BaseModel, Field

from docmap import BackReference, Condition, Document, Query, Ref, back_reference, col, connect


class Customer(Document):
    id: str = "ann"
    name: str = ""
    orders: ClassVar[BackReference[Order]] = back_reference("Order", "customer")


class Line(BaseModel):
    product: Ref[Customer]


class Order(Document):
    customer: Ref[Customer]
    helper: Ref[Customer] | None = None
    lines: list[Line] = Field(default_factory=list)
    many: list[Ref[Customer]] = Field(default_factory=list)


db = connect("memory://")
ann = Customer()
ann.save(db)
order = Order(customer=ann, helper=Ref(ann), lines=[Line(product=ann)], many=[Ref(ann)])
Order(customer="ann", helper=Ref[Customer]("ann"))
Order(customer=order.customer)
order.customer = ann
order.customer = "ann"
order.save(db)

if TYPE_CHECKING:
    assert_type(order.customer.value, Customer)
    assert_type(order.customer.get(db), Customer)
    assert_type(order.lines[0].product.value, Customer)
    assert_type(order.many[0].get(db), Customer)
    assert_type(Ref(ann), Ref[Customer])
    assert_type(Order.customer == ann, Condition)
    assert_type(ann.orders(db), Query[Order])
    assert_type(db.find(Order).fetch("customer"), Query[Order])
    assert_type(db.fetch([order], Order.customer), list[Order])

if order.helper is not None:
    assert order.helper.key == "ann"
assert db.find(Order, Order.customer == ann, Order.customer.in_([ann, "ann"])).count() == 1
assert db.find(Order, col(Order.customer) == ann).count() == 1
assert db.find(Order, ~col(Order.customer == "bob")).order_by(Order.customer).count() == 1
assert db.find(Order, col(Order.helper) == ann).count() == 1
assert db.find(Order, col(Order.many).contains(Ref(ann))).count() == 1
assert ann.orders(db).fetch(Order.customer).one().customer.value == ann
