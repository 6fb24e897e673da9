"""References that are given, compared or asked for wrongly."""

from __future__ import annotations

from docmap import Document, Ref, connect


class Customer(Document):
    name: str = ""


class Product(Document):
    title: str = ""


class Order(Document):
    customer: Ref[Customer]


db = connect("memory://")
order = Order(customer=Customer())
product = Product()

Order(customer=product)  # error
Order(customer=None)  # error
Order(customer=1.5)  # error
order.customer = product  # error
str(order.customer.name)  # error
str(Order.customer.name)  # error
str(order.customer.value.title)  # error
Order.customer.in_([product])  # error
str(Order.customer > "ann")  # error
Order.customer.startswith("a")  # error
order.customer.value = product  # error
