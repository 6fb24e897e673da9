"""Families: classes that share a collection, each document loaded as what it is."""

from __future__ import annotations

import gc
from decimal import Decimal
from typing import Annotated, Any, Generic, TypeVar

import pytest

from docmap import (
    BaseStorageAdapter,
    Document,
    DocumentNotFound,
    DuplicateKey,
    InvalidModel,
    InvalidQuery,
    InvalidRecord,
    InvalidValue,
    StaleDocument,
    Stored,
    col,
)
from docmap.storage.loading import schema_of
from tests.model.vehicles import (
    Ball,
    Box,
    Car,
    Chest,
    Safe,
    SportsCar,
    Thing,
    Truck,
    Vehicle,
    raw,
)

T = TypeVar("T")


@pytest.fixture
def fleet(db: BaseStorageAdapter) -> list[Vehicle]:
    found = [
        Vehicle(id="1", name="cart", wheels=2),
        Car(id="2", name="mini", doors=3, plate="A"),
        SportsCar(id="3", name="zip", power=500),
        Truck(id="4", name="max", wheels=8, load=2.5),
    ]
    db.save_many(found)
    return found


class TestStamps:
    def test_each_document_carries_its_class(
        self, db: BaseStorageAdapter, fleet: list[Vehicle]
    ) -> None:
        stamps = [raw(db, "vehicles", one.id).get("_class") for one in fleet]
        assert stamps == [None, "Car", "SportsCar", "lorry"]

    def test_through_any_path(self, db: BaseStorageAdapter) -> None:
        db.insert(Car(id="a", name="a"))
        db.upsert(Car(id="b", name="b"))
        db.save(Car, {"name": "c"}, "c")
        db.insert_many(Car, [{"id": "d", "name": "d"}])
        db.insert_many([Car(id="e", name="e")])
        db.get_or_create(Car, name="f", defaults={"id": "f"})
        assert {raw(db, "vehicles", key)["_class"] for key in "abcdef"} == {"Car"}
        assert [car.id for car in db.find(Car).order_by("id")] == list("abcdef")

    def test_the_record_of_another_class_is_replaced_whole(
        self, db: BaseStorageAdapter, fleet: list[Vehicle]
    ) -> None:
        db.upsert(Truck(id="2", name="was a mini"))
        assert "doors" not in raw(db, "vehicles", "2")
        assert type(db.get(Vehicle, "2")) is Truck
        db.upsert(Vehicle(id="2", name="plain"))
        assert "_class" not in raw(db, "vehicles", "2")
        assert db.get(Vehicle, "2") == Vehicle(id="2", name="plain")

    def test_the_root_carries_its_name_if_it_declares_one(self, db: BaseStorageAdapter) -> None:
        class Animal(Document, family_name="animal", extra="forbid"):
            pass

        class Dog(Animal):
            pass

        db.save_many([Animal(id="a"), Dog(id="d")])
        assert raw(db, "animal", "a") == {"id": "a", "_class": "animal"}
        assert [type(one) for one in db.find(Animal).order_by("id")] == [Animal, Dog]

    def test_a_field_of_the_models_own(self, db: BaseStorageAdapter) -> None:
        ball, box, safe = Ball(id="1"), Box(id="2"), Safe(id="3")
        db.save_many([ball, box, safe])
        assert [raw(db, "things", key)["kind"] for key in "123"] == ["ball", "Box", "safe"]
        assert box.kind == "Box"
        assert db.find(Thing).order_by("id").list() == [ball, box, safe]
        assert db.find(Thing, kind="Box").list() == [box]
        assert db.find(Box).order_by("id").list() == [box, safe]
        assert db.find(Chest).list() == [safe]
        with pytest.raises(InvalidValue, match=r"Box\.kind holds the name of the class"):
            Box(kind="ball").save(db)


class TestReading:
    def test_documents_come_as_what_they_are(
        self, db: BaseStorageAdapter, fleet: list[Vehicle]
    ) -> None:
        assert db.find(Vehicle).order_by("id").list() == fleet
        assert [db.get(Vehicle, one.id) for one in fleet] == fleet
        assert db.get_many(Vehicle, ["4", "1"]) == [fleet[3], fleet[0]]
        assert list(db.collection(Vehicle).__iter__()) == db.find(Vehicle).list()

    def test_a_branch_sees_its_own(self, db: BaseStorageAdapter, fleet: list[Vehicle]) -> None:
        assert db.find(Car).order_by("id").list() == fleet[1:3]
        assert db.find(SportsCar).list() == [fleet[2]]
        assert db.find(Car).where_not(doors=3).list() == [fleet[2]]
        assert (len(db.collection(Car)), len(db.collection(Vehicle))) == (2, 4)
        assert db.find(Car).values("name") == ["mini", "zip"]
        assert "4" not in db.collection(Car)
        assert db.get_many(Car, ["1", "2", "3", "4"]) == fleet[1:3]

    def test_a_document_of_another_branch_is_not_there(
        self, db: BaseStorageAdapter, fleet: list[Vehicle]
    ) -> None:
        with pytest.raises(DocumentNotFound):
            db.get(Car, "4")
        assert db.get(Car, "3") == fleet[2]

    def test_a_branch_deletes_its_own(self, db: BaseStorageAdapter, fleet: list[Vehicle]) -> None:
        assert not db.delete(Car, "4")
        assert db.find(Car).delete() == 2
        assert db.find(Vehicle).order_by("id").list() == [fleet[0], fleet[3]]

    def test_reload_and_save_again(self, db: BaseStorageAdapter, fleet: list[Vehicle]) -> None:
        loaded: Any = db.find(Vehicle, name="zip").one()
        loaded.power = 900
        loaded.save()
        fleet[2].reload(db)
        assert fleet[2] == loaded
        with pytest.raises(DuplicateKey):
            Car(id="4", name="x").insert(db)
        stale = db.get(Truck, "4")
        db.get(Truck, "4").save()
        with pytest.raises(StaleDocument):
            stale.save()

    def test_conditions_and_order_on_the_base(
        self, db: BaseStorageAdapter, fleet: list[Vehicle]
    ) -> None:
        assert db.find(Vehicle, Vehicle.wheels > 4).list() == [fleet[3]]
        assert db.find(Car, Vehicle.wheels == 4).count() == 2
        assert db.find(Vehicle).order_by("-wheels", "name").list()[:2] == [fleet[3], fleet[1]]
        assert [type(v) for v in db.find(Vehicle).order_by("id")[1:3]] == [Car, SportsCar]

    def test_an_overridden_field_compares_by_its_own_type(
        self, db: BaseStorageAdapter, fleet: list[Vehicle]
    ) -> None:
        assert db.find(SportsCar, size__gt=1).list() == [fleet[2]]
        assert db.find(SportsCar, size=Decimal("1.50")).count() == 1

    def test_a_subclasss_field_on_the_base_names_the_way_out(self, db: BaseStorageAdapter) -> None:
        with pytest.raises(InvalidQuery, match=r"db\.find\(Car\)"):
            db.find(Vehicle, Car.doors > 3)
        assert db.find(SportsCar, col(Car.doors) > 3).count() == 0

    def test_views_of_a_family(self, db: BaseStorageAdapter, fleet: list[Vehicle]) -> None:
        raws = db.find(Car).order_by("id").raw().list()
        assert [row["_class"] for row in raws] == ["Car", "SportsCar"]


class TestRecordsOfOthers:
    def test_without_a_class_they_are_the_roots(self, db: BaseStorageAdapter) -> None:
        db.save("vehicles", {"name": "old", "note": {"_class": "Car"}}, "o")
        assert type(db.get(Vehicle, "o")) is Vehicle
        assert db.find(Vehicle).one().name == "old"
        assert db.find(Car).count() == 0

    def test_the_class_may_stand_anywhere(self, db: BaseStorageAdapter) -> None:
        db.save("vehicles", {"name": "a", "x": {"_class": "lorry"}, "_class": "Car"}, "c")
        assert type(db.find(Vehicle).one()) is Car
        db.save("things", {"name": "a", "x": {"kind": "Box"}, "kind": "ball"}, "b")
        assert type(db.find(Thing).one()) is Ball

    @pytest.mark.parametrize("name", ["Plane", 5, "Car\\", ""])
    def test_an_unknown_class(
        self, db: BaseStorageAdapter, fleet: list[Vehicle], name: object
    ) -> None:
        db.save("vehicles", {"name": "x", "_class": name}, "9")
        with pytest.raises(InvalidRecord, match="Car, SportsCar, Vehicle, lorry") as caught:
            db.get(Vehicle, "9")
        assert (caught.value.key, caught.value.field) == ("9", "_class")
        with pytest.raises(InvalidRecord):
            db.find(Vehicle).list()
        found: list[InvalidRecord] = []
        assert (
            db.find(Vehicle).on_invalid(found.append).list()
            == db.find(Vehicle).on_invalid("skip").list()
        )
        assert [error.key for error in found] == ["9"]
        assert db.find(Car).count() == 2

    def test_an_abstract_root_has_no_documents(self, db: BaseStorageAdapter) -> None:
        with pytest.raises(InvalidModel, match="Thing is abstract"):
            Thing(name="x").save(db)
        db.save("things", {"name": "x"}, "1")
        with pytest.raises(InvalidRecord, match="abstract"):
            db.get(Thing, "1")


class TestIndexes:
    def test_uniqueness_holds_in_the_collection(
        self, db: BaseStorageAdapter, fleet: list[Vehicle]
    ) -> None:
        with pytest.raises(DuplicateKey):
            SportsCar(name="other", plate="A").save(db)
        with pytest.raises(DuplicateKey):
            Truck(name="other", plate="A").save(db)

    def test_an_update_of_another_class_obeys_it(
        self, db: BaseStorageAdapter, fleet: list[Vehicle]
    ) -> None:
        db.insert(Truck(name="other", plate="B"))
        with pytest.raises(DuplicateKey):
            db.find(Truck, name="other").update(plate="A")
        assert db.find(Truck, name="other").one().plate == "B"

    def test_a_branch_is_found_by_an_index(self, full: BaseStorageAdapter) -> None:
        full.save_many([Car(name=str(i), doors=i) for i in range(9)])
        full.save_many([Truck(name=str(i)) for i in range(9)])
        plan = full.find(SportsCar, doors=3).explain()
        assert plan.data["native"]
        assert not plan.scan
        assert plan.indexes == ("(_class, doors)",)
        full.find(Car).options(allow_scan=False).count()


class TestDefinitions:
    def test_two_classes_of_one_name(self) -> None:
        class Bird(Document):
            pass

        class Gull(Bird):
            pass

        with pytest.raises(InvalidModel, match=r"Gull and .*Tern|Tern and .*Gull"):

            class Tern(Bird, family_name="Gull"):
                pass

        assert Gull.__name__ == "Gull"

    def test_one_defined_again_replaces_the_older(self, db: BaseStorageAdapter) -> None:
        class Bird(Document):
            pass

        def define() -> type[Bird]:
            class Gull(Bird):
                pass

            return Gull

        first, again = define(), define()
        db.save(first())
        assert type(db.find(Bird).one()) is again
        assert db.find(again).count() == 1

    def test_a_class_nobody_uses_is_forgotten(self) -> None:
        class Bird(Document):
            pass

        class Gull(Bird):
            pass

        family = schema_of(Bird).family
        assert family is not None
        assert family.names == ["Bird", "Gull"]
        del Gull
        gc.collect()
        assert family.names == ["Bird"]
        assert family.alone

    def test_a_collection_of_its_own_begins_a_family(self, db: BaseStorageAdapter) -> None:
        class Boat(Vehicle, collection="boats"):
            pass

        class Canoe(Boat):
            pass

        db.save_many([Boat(name="b"), Canoe(name="c")])
        assert db.find(Vehicle).count() == 0
        assert {type(one) for one in db.find(Boat)} == {Boat, Canoe}
        with pytest.raises(InvalidModel, match="'boats' and 'vehicles'"):

            class Amphibian(Car, Boat):
                pass

    @pytest.mark.parametrize(
        ("keywords", "text"),
        [
            ({"version": 2}, "version holds for all classes of a family"),
            ({"family_field": "kind"}, "family_field holds for all classes"),
            ({"key": "name"}, "key holds for all classes"),
            ({"family_name": ""}, "family_name is a text"),
        ],
    )
    def test_keywords_that_are_the_roots(self, keywords: dict[str, Any], text: str) -> None:
        with pytest.raises(InvalidModel, match=text):
            type("Odd", (Vehicle,), {}, **keywords)

    def test_what_cannot_hold_the_name(self) -> None:
        with pytest.raises(InvalidModel, match="declare it as str"):

            class Odd(Document, family_field="kind"):
                kind: int = 0

        with pytest.raises(InvalidModel, match=r"override the field, kind: Literal\[\"Cube\"\]"):

            class Cube(Ball, family_name="Cube"):
                pass

        with pytest.raises(InvalidModel, match="is the key, and Vehicle has one of another type"):

            class Counted(Vehicle):
                id: int = 0

        with pytest.raises(InvalidModel, match="stored as '_class'"):

            class Model(Vehicle):
                kind: Annotated[str, Stored("_class")] = ""

    def test_generics_are_what_their_origin_is(self, db: BaseStorageAdapter) -> None:
        class Page(Document, Generic[T]):
            item: T

        class Numbers(Page[int]):
            total: int = 0

        db.save_many([Page[int](id="1", item=5), Numbers(id="2", item=6)])
        assert [type(one) for one in db.find(Page[int]).order_by("id")] == [Page[int], Numbers]
        assert db.find(Numbers).count() == 1

    def test_validators_on_loading(self, db: BaseStorageAdapter) -> None:
        class Base(Document, load="validate"):
            pass

        class Sub(Base):
            a: int = 1

        db.save_many([Base(), Sub()])
        assert {type(one) for one in db.find(Base)} == {Base, Sub}
