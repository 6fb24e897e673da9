"""Partial documents: a class over the same collection that knows only some of the fields."""
# ruff: noqa: RUF012 - pydantic copies the defaults of a model

from __future__ import annotations

import random
from decimal import Decimal
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field

from docmap import (
    BaseStorageAdapter,
    Document,
    DuplicateKey,
    Index,
    Indexed,
    InvalidQuery,
    StaleDocument,
    Stored,
)


class Item(BaseModel):
    sku: str
    qty: int = 1
    price: Decimal = Decimal("1.10")


class Place(BaseModel):
    city: Annotated[str, Stored("c")]
    street: str = "High Street"


class Book(BaseModel):
    kind: Literal["book"] = "book"
    title: str
    pages: int = 100


class Disc(BaseModel):
    kind: Literal["disc"] = "disc"
    title: str
    minutes: int = 60


class Order(Document, collection="orders", indexes=[Index("total")]):
    number: Annotated[str, Indexed(unique=True)]
    total: Decimal = Decimal("9.50")
    place: Place = Place(city="Bonn")
    items: list[Item] = []
    shelf: dict[str, Item] = {}
    pair: tuple[Item, int] | None = None
    thing: Annotated[Book | Disc, Field(discriminator="kind")] = Book(title="t")
    note: str | None = None


class PartItem(BaseModel):
    sku: str


class PartPlace(BaseModel):
    city: Annotated[str, Stored("c")]


class PartBook(BaseModel):
    kind: Literal["book"] = "book"
    title: str


class PartDisc(BaseModel):
    kind: Literal["disc"] = "disc"
    title: str


class Part(Document, collection="orders"):
    place: PartPlace
    items: list[PartItem] = []
    shelf: dict[str, PartItem] = {}
    pair: tuple[PartItem, int] | None = None
    thing: Annotated[PartBook | PartDisc, Field(discriminator="kind")]


def item(sku: str, price: str) -> Item:
    return Item(sku=sku, qty=len(price), price=Decimal(price))


def stored(db: BaseStorageAdapter, **changes: Any) -> Order:
    order = Order(number="1", **changes)
    order.save(db)
    return order


def part_of(db: BaseStorageAdapter) -> Part:
    return db.find(Order).view(Part).one()


def test_saving_a_part_leaves_the_rest_as_it_is(db: BaseStorageAdapter) -> None:
    order = stored(
        db,
        total=Decimal("99.95"),
        place=Place(city="Bonn", street="x"),
        shelf={"a": item("a", "1.0"), "b": item("b", "2.0")},
        pair=(item("p", "3.0"), 4),
        thing=Disc(title="d", minutes=5),
        note="n",
    )
    part = part_of(db)
    assert type(part) is Part
    assert not part.is_new
    assert part.changed_fields == frozenset()
    part.place.city = "Rome"
    part.shelf["b"].sku = "c"
    del part.shelf["a"]
    assert part.pair is not None
    part.pair[0].sku = "q"
    part.thing.title = "e"
    part.save()
    order.place.city, order.thing.title = "Rome", "e"
    order.shelf = {"b": Item(sku="c", qty=3, price=Decimal("2.0"))}
    order.pair = (Item(sku="q", qty=3, price=Decimal("3.0")), 4)
    assert db.get(Order, order.id) == order


def test_another_member_of_a_union_takes_nothing_over(db: BaseStorageAdapter) -> None:
    stored(db, thing=Disc(title="d", minutes=5))
    part = part_of(db)
    part.thing = PartBook(title="b")
    part.save()
    assert db.find(Order).one().thing == Book(title="b", pages=100)
    raw: Any = db.find(Order).raw().one()
    assert set(raw["thing"]) == {"kind", "title"}


ABC = [("a", "1.0"), ("b", "2.00"), ("c", "3.000")]


@pytest.mark.parametrize(
    ("skus", "prices"),
    [
        ("abc", ["1.0", "2.00", "3.000"]),
        ("xbc", ["1.0", "2.00", "3.000"]),  # changed at its place
        ("cba", ["3.000", "2.00", "1.0"]),
        ("bc", ["2.00", "3.000"]),
        ("ca", ["3.000", "1.0"]),
        ("xabc", [None, "1.0", "2.00", "3.000"]),
        ("abcx", ["1.0", "2.00", "3.000", None]),
        ("abca", ["1.0", "2.00", "3.000", None]),
        ("bxa", ["2.00", None, "1.0"]),
        ("xy", [None, None]),
        ("", []),
    ],
)
def test_elements_of_lists_stay_what_they_are(
    db: BaseStorageAdapter, skus: str, prices: list[str | None]
) -> None:
    stored(db, items=[item(*pair) for pair in ABC])
    part = part_of(db)
    part.items = [PartItem(sku=sku) for sku in skus]
    part.save()
    raw: Any = db.find(Order).raw().one()
    found = raw["items"]
    assert [one["sku"] for one in found] == list(skus)
    assert [str(one["price"]) if "price" in one else None for one in found] == prices


def test_any_edit_of_a_list_keeps_what_stays(full: BaseStorageAdapter, seed: int) -> None:
    """An element keeps its price as long as its name stays, whatever happens around it."""
    numbers = random.Random(seed)
    for _ in range(30):
        names = numbers.sample("abcdefgh", numbers.randrange(7))
        prices = {name: str(numbers.randrange(100)) for name in names}
        full.clear()
        stored(full, items=[item(name, prices[name]) for name in names])
        part = part_of(full)
        wanted = numbers.sample("abcdefgh", numbers.randrange(7))
        part.items = [PartItem(sku=name) for name in wanted]
        part.save()
        found: Any = full.find(Order).raw().one()
        for one in found["items"]:
            if one["sku"] in prices:
                assert str(one["price"]) == prices[one["sku"]]


def test_the_revision_is_checked(db: BaseStorageAdapter) -> None:
    order = stored(db)
    part = part_of(db)
    order.note = "newer"
    order.save()
    part.place.city = "Rome"
    with pytest.raises(StaleDocument):
        part.save()
    assert db.get(Order, order.id).place.city == "Bonn"


def test_a_part_is_deleted_as_the_record_is(db: BaseStorageAdapter) -> None:
    stored(db)
    assert part_of(db).delete()
    assert db.find(Order).count() == 0


def test_what_is_kept_is_found_by_conditions_and_indexes(full: BaseStorageAdapter) -> None:
    for number in range(20):
        Order(number=str(number), total=Decimal(number)).save(full)
    for part in full.find(Order).view(Part).list():
        part.place.city = "Rome"
        part.save()
    assert full.find(Order, total__gt=17).count() == 2
    assert full.find(Order, place__city="Rome", total__lt=3).count() == 3
    assert [o.number for o in full.find(Order).order_by("-total")[:2]] == ["19", "18"]
    with pytest.raises(DuplicateKey):
        Order(number="7").save(full)


def test_a_unique_index_of_the_other_class_holds(full: BaseStorageAdapter) -> None:
    class Numbered(Document, collection="orders"):
        number: str

    stored(full)
    Order(number="2").save(full)
    seen = full.find(Order, number="2").view(Numbered).one()
    seen.number = "1"
    with pytest.raises(DuplicateKey):
        seen.save()
    assert seen.number == "1"
    assert full.find(Order, number="2").count() == 1


def test_both_classes_over_one_collection_work_in_any_order(db: BaseStorageAdapter) -> None:
    part = Part(place=PartPlace(city="Rome"), thing=PartBook(title="b"))
    part.save(db)
    stored(db)
    assert db.find(Part).count() == db.find(Order).count() == 2
    assert db.find(Order, place__city="Rome").view(Part).one() == part
    assert db.find(Part, place__city="Bonn").one().thing == PartBook(title="t")


def test_saving_again_after_a_save_keeps_too(db: BaseStorageAdapter) -> None:
    stored(db, note="n")
    part = part_of(db)
    for city in ("Rome", "Oslo"):
        part.place.city = city
        part.save()
    seen = part.convert_to(Order)
    assert (seen.place.city, seen.note) == ("Oslo", "n")
    assert seen.changed_fields == frozenset()
    part.place.city = "Kiel"
    assert part.convert_to(Order).changed_fields == {"place"}


def test_many_parts_are_saved_at_once(db: BaseStorageAdapter) -> None:
    for number in "123":
        Order(number=number, note=number).save(db)
    parts = db.find(Order).order_by("number").view(Part).list()
    for part in parts:
        part.place.city = "Rome"
    db.save_many(parts)
    assert [o.note for o in db.find(Order).order_by("number")] == ["1", "2", "3"]
    assert [o.place.city for o in db.find(Order)] == ["Rome"] * 3


class Elsewhere(Document, collection="others"):
    number: str


class Renamed(Document, collection="orders"):
    number: Annotated[str, Stored("no")]


class RenamedInside(Document, collection="orders"):
    class Place(BaseModel):
        """Without its name in storage."""

        city: str

    place: Place


class OtherKey(Document, collection="orders", key="number"):
    number: str


class Unknown(Document, collection="orders"):
    numbr: str


@pytest.mark.parametrize(
    ("other", "text"),
    [
        (Elsewhere, "Elsewhere is stored in 'others' and Order in 'orders': give Elsewhere coll"),
        (Renamed, r"Renamed.number is stored as 'number' by Order: annotate it with Stored\('numb"),
        (RenamedInside, "RenamedInside.place.city is stored as 'c' by Order"),
        (OtherKey, "OtherKey.number is stored as 'id' by Order"),
        (Unknown, "Unknown.numbr cannot be read: Order has no field 'numbr': did you mean"),
    ],
)
def test_a_class_that_could_not_save_back_is_refused(
    db: BaseStorageAdapter, other: Any, text: str
) -> None:
    with pytest.raises(InvalidQuery, match=text):
        db.find(Order).view(other)
