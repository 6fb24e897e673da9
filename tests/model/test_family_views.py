"""Views of documents of several classes and versions."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any

import pytest
from pydantic import BaseModel

from docmap import BaseStorageAdapter, Document, InvalidQuery, InvalidRecord, Stored, upgrade


class Vehicle(Document, collection="vehicles"):
    name: str


class Car(Vehicle):
    price: Annotated[Decimal, Stored("p")] = Decimal("1.5")


class Sports(Car):
    power: int = 300


class Named(BaseModel):
    name: str


class Priced(BaseModel):
    name: str
    price: Decimal | None = None


class PartCar(Document, collection="vehicles"):
    name: str


def stored(db: BaseStorageAdapter) -> None:
    db.insert_many([Vehicle(name="a"), Car(name="b"), Sports(name="c", price=Decimal(9))])


def test_each_record_is_read_as_its_own_class_stores_it(db: BaseStorageAdapter) -> None:
    stored(db)
    query = db.find(Vehicle).order_by("name")
    assert query.view(Named).list() == [Named(name="a"), Named(name="b"), Named(name="c")]
    prices = [one.price for one in query.view(Priced)]
    assert prices == [None, Decimal("1.5"), Decimal(9)]
    assert [one.name for one in db.find(Car).order_by("name").view(Priced)] == ["b", "c"]


def test_a_required_field_of_a_branch_is_unknown_to_the_base(db: BaseStorageAdapter) -> None:
    class Strong(BaseModel):
        power: int

    stored(db)
    with pytest.raises(InvalidQuery, match="Vehicle has no field 'power'"):
        db.find(Vehicle).view(Strong)
    assert db.find(Sports).view(Strong).one().power == 300


def test_a_view_through_a_branch_sees_the_branch(db: BaseStorageAdapter) -> None:
    stored(db)
    found = db.find(Vehicle).order_by("name").view(Sports).list()
    assert [type(one) for one in found] == [Sports]
    assert {type(one) for one in db.find(Vehicle).view(Car)} == {Car, Sports}


def test_a_part_of_a_family_member_stays_what_it_is(db: BaseStorageAdapter) -> None:
    stored(db)
    part = db.find(Vehicle, name="c").view(PartCar).one()
    part.name = "d"
    part.save()
    assert db.find(Vehicle, name="d").one() == Sports(id=part.id, name="d", price=Decimal(9))
    assert type(part.convert_to(Sports)) is Sports


class Old(Document, collection="people"):
    name: str


class Person(Document, collection="people", version=2):
    first: str
    last: str

    @upgrade(to=2)
    @staticmethod
    def _(record: dict[str, Any]) -> dict[str, Any]:
        record["first"], _, record["last"] = record.pop("name").partition(" ")
        return record


class Last(BaseModel):
    last: str


def test_records_are_upgraded_before_they_are_seen(db: BaseStorageAdapter) -> None:
    Old(name="Ann Lee").save(db)
    Person(first="Bo", last="Ray").save(db)
    assert sorted(one.last for one in db.find(Person).view(Last)) == ["Lee", "Ray"]
    old = db.find(Old, name="Ann Lee").one()
    assert old.convert_to(Person).last == "Lee"


def test_a_record_of_an_unknown_class_is_named(db: BaseStorageAdapter) -> None:
    db.insert_many("vehicles", [{"id": "1", "name": "x", "_class": "Plane"}])
    with pytest.raises(InvalidRecord) as caught:
        db.find(Vehicle).view(Named).list()
    assert caught.value.key == "1"
