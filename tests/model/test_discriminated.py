"""Discriminated unions in fields: saved, loaded, queried and updated as what they are."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Discriminator, Field, Tag

from docmap import BaseStorageAdapter, Document, InvalidRecord


class Card(BaseModel):
    kind: Literal["card", "credit"] = "card"
    number: str
    fee: Decimal = Decimal("0.10")


class Transfer(BaseModel):
    kind: Literal["transfer"] = "transfer"
    iban: str


class Cash(BaseModel):
    kind: Literal["cash"] = "cash"
    amount: Decimal


class Split(BaseModel):
    kind: Literal["split"] = "split"
    parts: list[Annotated[Card | Cash, Field(discriminator="kind")]]


def by_size(value: Any) -> str:
    size: int = value["size"] if isinstance(value, dict) else value.size
    return "big" if size > 10 else "small"


class Small(BaseModel):
    size: int
    light: bool = True


class Big(BaseModel):
    size: int
    tons: Decimal = Decimal("1.50")


Sized = Annotated[
    Annotated[Small, Tag("small")] | Annotated[Big, Tag("big")], Discriminator(by_size)
]
Simple = Annotated[Card | Transfer, Field(discriminator="kind")]


class Payment(Document, collection="payments", indexes=["by.kind"]):
    by: Annotated[Simple | Cash | Split, Field(discriminator="kind")]
    later: Simple | None = None
    many: list[Simple] = Field(default_factory=list)
    named: dict[str, Simple] = Field(default_factory=dict)
    box: Sized | None = None


PAYMENTS = [
    Payment(id="1", by=Card(number="4111", fee=Decimal("1.10"))),
    Payment(id="2", by=Transfer(iban="DE02"), later=Card(kind="credit", number="5")),
    Payment(id="3", by=Split(parts=[Card(number="1"), Cash(amount=Decimal("2.50"))])),
    Payment(id="4", by=Cash(amount=Decimal(3)), many=[Card(number="6"), Transfer(iban="FR")]),
    Payment(id="5", by=Card(number="7"), named={"a.b": Transfer(iban="IT")}, box=Big(size=20)),
    Payment(id="6", by=Card(number="8"), box=Small(size=5)),
]


@pytest.fixture
def payments(db: BaseStorageAdapter) -> BaseStorageAdapter:
    db.insert_many(PAYMENTS)
    return db


def ids(payments: BaseStorageAdapter, **lookups: Any) -> str:
    return "".join(one.id for one in payments.find(Payment, **lookups).order_by("id"))


def test_they_come_back_as_they_were(payments: BaseStorageAdapter) -> None:
    assert payments.find(Payment).order_by("id").list() == PAYMENTS
    for one in payments.find(Payment).order_by("id"):
        before = one.changed_fields
        one.save()
        assert before == frozenset()
    assert [type(one.by) for one in payments.find(Payment).order_by("id")] == [
        type(one.by) for one in PAYMENTS
    ]
    boxes = [type(one.box) for one in payments.find(Payment).order_by("id")][4:]
    assert boxes == [Big, Small]


def test_conditions(payments: BaseStorageAdapter) -> None:
    assert ids(payments, by__kind="card") == "156"
    assert ids(payments, by__kind__in=["cash", "split"]) == "34"
    assert ids(payments, by__iban="DE02") == "2"
    assert ids(payments, by__fee__gt=Decimal(1)) == "1"
    assert ids(payments, later__kind="credit") == "2"
    assert ids(payments, later=None) == "13456"
    assert ids(payments, many__0__number="6") == "4"
    assert ids(payments, many__any={"iban": "FR"}) == "4"
    assert ids(payments, by__parts__any={"amount": Decimal("2.5")}) == "3"
    assert ids(payments, box__size__gte=5) == "56"
    assert ids(payments, box__tons=Decimal("1.5")) == "5"
    assert payments.find(Payment).values("by.kind") == ["card", "cash", "split", "transfer"]


def test_a_changed_member(payments: BaseStorageAdapter) -> None:
    one = payments.get(Payment, "1")
    one.by = Cash(amount=Decimal(1))
    assert one.changed_fields == {"by"}
    one.save()
    assert payments.get(Payment, "1") == one
    assert ids(payments, by__number="4111") == ""
    payments.find(Payment, id="1").update(by=Transfer(iban="AT"))
    assert payments.get(Payment, "1").by == Transfer(iban="AT")


def test_a_record_of_no_member(payments: BaseStorageAdapter) -> None:
    payments.save("payments", {"by": {"kind": "cheque", "bank": "x"}}, "9")
    with pytest.raises(InvalidRecord) as caught:
        payments.get(Payment, "9")
    assert (caught.value.field or "").startswith("by")
