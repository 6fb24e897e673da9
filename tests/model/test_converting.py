"""`convert_to` and `save_as`: a document through another class, and as another record."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from pydantic import BaseModel
from typing_extensions import TypedDict

from docmap import (
    BaseStorageAdapter,
    Document,
    DuplicateKey,
    InvalidQuery,
    InvalidRecord,
    InvalidValue,
    NoStorage,
    StaleDocument,
)
from tests.model.shop import Address, Country, Customer, Order, Ticket


class Name(BaseModel):
    name: str


class Summary(BaseModel):
    number: str
    total: Decimal
    customer: Name


@dataclass
class Numbered:
    number: str


class Titled(TypedDict):
    title: str


class Tagged(msgspec.Struct):
    tags: list[str]


class Part(Document, collection="orders"):
    status: str


class Invoice(Document, collection="invoices"):
    number: str
    total: Decimal
    paid: bool = False


class Wait(Document, collection="waits"):
    time: timedelta = timedelta(0)
    place: str = ""


class Place(Document, collection="waits"):
    place: str


def order(**changes: Any) -> Order:
    return Order(number="1", customer=Customer(name="Ann", address=Address(city="Bonn")), **changes)


class TestConvertTo:
    def test_what_is_in_memory_counts(self, db: BaseStorageAdapter) -> None:
        found = order(total=Decimal(1))
        found.save(db)
        found.total = Decimal("2.50")
        expected = Summary(number="1", total=Decimal("2.50"), customer=Name(name="Ann"))
        assert found.convert_to(Summary) == expected
        assert order(total=Decimal("2.50")).convert_to(Summary) == expected
        assert db.find(Order).one().total == 1

    def test_every_kind_of_class(self) -> None:
        found = order(tags=["a"])
        assert found.convert_to(Numbered) == Numbered("1")
        assert found.convert_to(Tagged) == Tagged(["a"])
        assert Ticket(title="x").convert_to(Titled) == {"title": "x"}

    def test_a_part_can_be_saved_back(self, db: BaseStorageAdapter) -> None:
        found = order()
        found.save(db)
        part = found.convert_to(Part)
        assert not part.is_new
        part.status = "paid"
        assert part.changed_fields == {"status"}
        part.save()
        with pytest.raises(StaleDocument):
            found.save()
        assert db.get(Order, found.id).status == "paid"
        assert db.get(Order, found.id).customer == found.customer

    def test_a_part_can_become_the_whole(self, db: BaseStorageAdapter) -> None:
        found = order()
        found.save(db)
        part = db.get(Part, found.id)
        part.status = "paid"
        whole = part.convert_to(Order)
        assert (whole.number, whole.status) == ("1", "paid")
        whole.save()
        assert db.find(Order, status="paid").one() == whole
        db.delete(whole)

    def test_of_another_collection_it_is_new(self, db: BaseStorageAdapter) -> None:
        found = order()
        found.save(db)
        invoice = found.convert_to(Invoice)
        assert invoice.is_new
        assert (invoice.id, invoice.number) == (found.id, "1")
        invoice.save(db)
        assert db.find(Order).count() == db.find(Invoice).count() == 1

    def test_what_the_record_lacks_is_named(self) -> None:
        with pytest.raises(
            InvalidRecord, match="does not fit Summary: number is missing"
        ) as caught:
            Ticket(id=1, title="x").convert_to(Summary)
        assert caught.value.field == "number"

    def test_undeclared_stored_fields_are_part_of_the_record(self, db: BaseStorageAdapter) -> None:
        db.insert_many("orders", [{"id": "1", "status": "new", "number": "7"}])
        assert db.get(Part, "1").convert_to(Numbered) == Numbered("7")

    def test_a_class_without_fields_is_refused(self) -> None:
        with pytest.raises(InvalidQuery, match="int is none of them"):
            order().convert_to(int)

    def test_a_value_that_could_not_be_stored_is_refused(self) -> None:
        found = order()
        found.__dict__["total"] = "much"
        with pytest.raises(InvalidValue, match="total"):
            found.convert_to(Summary)

    def test_the_document_stays_as_it_is(self) -> None:
        found = Ticket(title="x")
        found.convert_to(Titled)
        assert found.id is None
        assert found == Ticket(title="x")


class TestSaveAs:
    def test_a_copy_under_a_new_key(self, db: BaseStorageAdapter) -> None:
        found = order(tags=["a"])
        found.save(db)
        found.number = "2"
        copied = found.save_as()
        assert type(copied) is Order
        assert copied.id != found.id
        assert not copied.is_new
        copied.tags.append("b")
        assert found.tags == ["a"]
        assert db.get(Order, copied.id).number == "2"
        assert db.get(Order, found.id).number == "1"
        found.number = "3"
        found.save()
        copied.save()

    def test_under_a_key_given(self, full: BaseStorageAdapter) -> None:
        country = Country(code="DE", name="Germany")
        country.save(full)
        assert country.save_as(key="AT").pk == "AT"
        assert sorted(full.find(Country).values("code")) == ["AT", "DE"]
        with pytest.raises(DuplicateKey) as caught:
            country.save_as(key="AT")
        assert caught.value.key == "AT"
        with pytest.raises(InvalidValue, match="must be given"):
            country.save_as()
        with pytest.raises(InvalidValue, match="Country.code"):
            country.save_as(key=5)

    def test_a_counted_key(self, full: BaseStorageAdapter) -> None:
        ticket = Ticket(title="x")
        ticket.save(full)
        assert ticket.save_as().id == ticket.id + 1

    def test_on_another_storage(self, db: BaseStorageAdapter, second: BaseStorageAdapter) -> None:
        found = order()
        found.save(db)
        copied = found.save_as(storage=second)
        assert second.find(Order).one() == copied
        copied.status = "moved"
        copied.save()
        assert (db.find(Order).one().status, second.find(Order).one().status) == ("new", "moved")

    def test_as_another_class(self, db: BaseStorageAdapter) -> None:
        found = order(total=Decimal(7))
        found.save(db)
        invoice = found.save_as(Invoice)
        assert type(invoice) is Invoice
        assert db.find(Invoice).one() == invoice
        assert invoice.id != found.id
        assert db.find(Order).count() == 1

    def test_what_a_part_does_not_know_is_copied(self, db: BaseStorageAdapter) -> None:
        Wait(time=timedelta(seconds=1), place="here").save(db)
        part = db.find(Place).one()
        part.place = "there"
        copied = part.save_as()
        assert db.get(Wait, copied.id) == Wait(
            id=copied.id, time=timedelta(seconds=1), place="there"
        )
        assert db.get(Wait, part.id).place == "here"

    def test_nothing_to_save_to(self) -> None:
        with pytest.raises(NoStorage):
            order().save_as()
