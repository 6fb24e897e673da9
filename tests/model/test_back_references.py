"""Back references: what refers to a document, as a query."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest
from pydantic import BaseModel, Field

from docmap import (
    BackReference,
    BaseStorageAdapter,
    Document,
    InvalidModel,
    InvalidQuery,
    NoStorage,
    Query,
    Ref,
    back_reference,
)


class Customer(Document):
    name: str = ""
    orders: ClassVar[BackReference[Order]] = back_reference("Order", "customer")
    plain = back_reference("Order", "customer")
    helped = back_reference("Order", "helpers")
    signed = back_reference("Order", "lines.signer")
    named = back_reference("Order", "named")
    wrong = back_reference("Order", "number")
    nowhere = back_reference("Nowhere", "customer")


class Line(BaseModel):
    signer: Ref[Customer]


class Order(Document):
    customer: Ref[Customer]
    number: int = 0
    helpers: list[Ref[Customer]] = Field(default_factory=list)
    lines: list[Line] = Field(default_factory=list)
    named: dict[str, Ref[Customer]] = Field(default_factory=dict)


@pytest.fixture
def ann(db: BaseStorageAdapter) -> Customer:
    ann, bob = Customer(id="ann"), Customer(id="bob")
    db.insert_many([ann, bob])
    db.insert_many(
        [
            Order(customer=ann, number=1, lines=[Line(signer=bob)]),
            Order(customer=ann, number=2, helpers=[Ref(bob), Ref(ann)]),
            Order(customer=bob, number=3, lines=[Line(signer=bob), Line(signer=ann)]),
        ]
    )
    return ann


def numbers(query: Query[Any]) -> list[int]:
    """The orders of a query by their numbers."""
    return sorted(order.number for order in query)


def test_what_refers(db: BaseStorageAdapter, ann: Customer) -> None:
    assert numbers(ann.orders(db)) == [1, 2]
    assert numbers(ann.orders()) == [1, 2], "the storage that it was saved to"
    assert numbers(ann.plain(db).where(number__gt=1)) == [2]
    assert ann.orders(db).count() == 2
    assert ann.orders(db).order_by("-number").fetch("customer")[0].customer.value == ann


def test_in_lists_and_nested_models(db: BaseStorageAdapter, ann: Customer) -> None:
    assert numbers(ann.helped(db)) == [2]
    assert numbers(ann.signed(db)) == [3]


def test_it_is_no_field(db: BaseStorageAdapter, ann: Customer) -> None:
    assert set(Customer.model_fields) == {"id", "name"}
    assert ann.model_dump() == {"id": "ann", "name": ""}
    assert db.find(Customer).raw().get(id="ann") == {"id": "ann", "name": ""}
    assert repr(Customer.orders) == "back_reference('Order', 'customer')"
    with pytest.raises(AttributeError):
        ann.plain = 5  # type: ignore[assignment]


def test_what_is_no_reference_is_refused_when_used(db: BaseStorageAdapter, ann: Customer) -> None:
    with pytest.raises(InvalidModel, match=r"Order\.number is no reference to Customer"):
        ann.wrong(db)
    with pytest.raises(InvalidModel, match=r"Order\.named lies in a dict"):
        ann.named(db)
    with pytest.raises(InvalidModel, match="Nowhere"):
        ann.nowhere(db)
    with pytest.raises(NoStorage):
        Customer().orders()
    with pytest.raises(InvalidModel, match="takes the class"):
        back_reference(5, "customer")  # type: ignore[call-overload]


def test_a_document_without_key_is_refused(db: BaseStorageAdapter) -> None:
    class Counted(Document):
        id: int
        notes = back_reference("Note", "about")

    class Note(Document):
        about: Ref[Counted]

    counted = Counted.model_validate({})
    with pytest.raises(InvalidQuery, match="no key yet"):
        counted.notes(db)
    assert Note.model_fields
