"""Views: the records of a query as instances of another class."""
# ruff: noqa: RUF012 - pydantic copies the defaults of a model

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, Literal, NamedTuple, NotRequired
from uuid import UUID

import msgspec
import pytest
from pydantic import BaseModel, Field, RootModel, field_validator
from typing_extensions import TypedDict

from docmap import (
    BaseStorageAdapter,
    BigInt,
    Document,
    InvalidQuery,
    InvalidRecord,
    ObjectId,
    Stored,
)
from docmap.schema.structs import reads_alike
from docmap.schema.views import view_of


class Color(Enum):
    RED = "red"
    BLUE = "blue"


class City(BaseModel):
    name: Annotated[str, Stored("n")]
    zip: str | None = None


class Item(BaseModel):
    sku: Annotated[str, Stored("s")]
    price: Decimal = Decimal(1)


class Order(Document, collection="orders"):
    number: str
    city: Annotated[City, Stored("c")] = City(name="Bonn")
    total: Annotated[Decimal, Stored("t")] = Decimal("1.10")
    count: int = 3
    weight: float = 2.5
    color: Color = Color.RED
    at: datetime = datetime(2024, 5, 17, 12, 30, 1, 500000, tzinfo=UTC)
    day: date = date(2024, 5, 17)
    clock: time = time(12, 30, 0, 5)
    wait: timedelta = timedelta(days=1, microseconds=7)
    big: BigInt = 10**30
    blob: bytes = b"\x00\xff"
    token: UUID = UUID(int=7)
    ref: ObjectId = ObjectId("0123456789abcdef01234567")
    tags: list[str] = ["a", "b"]
    marks: set[int] = {1, 2}
    items: list[Item] = [Item(sku="x", price=Decimal("2.50")), Item(sku="y")]
    prices: dict[str, Decimal] = {"a": Decimal("1.5")}
    anything: Any = Decimal("7.0")
    either: Decimal | str = Decimal("3.0")
    note: str | None = None


class CityName(BaseModel):
    name: str


class Summary(BaseModel):
    number: str
    total: Decimal
    city: CityName


class SKU(TypedDict):
    sku: str


@dataclass
class Whole:
    number: str
    city: City
    total: Decimal
    at: datetime
    day: date
    clock: time
    wait: timedelta
    big: BigInt
    blob: bytes
    token: UUID
    ref: ObjectId
    color: Color
    marks: frozenset[int]
    items: tuple[SKU, ...]
    anything: Any
    either: Decimal | str
    prices: dict[str, Any]


class Row(TypedDict):
    number: str
    tags: list[Any]
    missing: NotRequired[int]


class Pair(NamedTuple):
    number: str
    wait: timedelta
    other: int = 5


class StructItem(msgspec.Struct):
    price: Decimal


class Struct(msgspec.Struct, frozen=True):
    """msgspec itself reads all of it as docmap does."""

    number: str
    count: float
    color: Color
    at: datetime
    day: date
    clock: time
    token: UUID
    tags: tuple[str, ...]
    marks: set[int]
    items: list[StructItem]
    prices: dict[str, Decimal]
    note: str | None
    total: Decimal = msgspec.field(name="t")
    extra: int | msgspec.UnsetType = msgspec.UNSET


class Nested(msgspec.Struct):
    sku: str


class Converted(msgspec.Struct):
    """msgspec reads none of these as docmap stores them."""

    wait: timedelta
    blob: bytes
    big: BigInt
    ref: ObjectId
    total: Decimal
    anything: Any
    items: list[Nested]
    either: Decimal | str


def of(number: str, **changes: Any) -> Order:
    return Order(number=number, **changes)


def test_a_model_takes_the_fields_that_it_names(db: BaseStorageAdapter) -> None:
    of("1").save(db)
    summary = db.find(Order).view(Summary).one()
    assert summary == Summary(number="1", total=Decimal("1.10"), city=CityName(name="Bonn"))
    assert type(summary) is Summary


def test_a_dataclass(db: BaseStorageAdapter) -> None:
    order = of("1")
    order.save(db)
    seen = db.find(Order).view(Whole).one()
    assert type(seen) is Whole
    assert seen.items == ({"sku": "x"}, {"sku": "y"})
    for name in set(Whole.__annotations__) - {"items"}:
        assert getattr(seen, name) == getattr(order, name), name


def test_a_typed_dict(db: BaseStorageAdapter) -> None:
    of("1").save(db)
    assert db.find(Order).view(Row).one() == {"number": "1", "tags": ["a", "b"]}


def test_a_named_tuple(db: BaseStorageAdapter) -> None:
    of("1").save(db)
    pair = db.find(Order).view(Pair).one()
    assert type(pair) is Pair
    assert pair == ("1", timedelta(days=1, microseconds=7), 5)


def test_a_struct_that_msgspec_reads(db: BaseStorageAdapter) -> None:
    order = of("1")
    order.save(db)
    seen = db.find(Order).view(Struct).one()
    assert seen == Struct(
        number="1",
        count=3.0,
        color=Color.RED,
        at=order.at,
        day=order.day,
        clock=order.clock,
        token=order.token,
        tags=("a", "b"),
        marks={1, 2},
        items=[StructItem(Decimal("2.50")), StructItem(Decimal(1))],
        prices=order.prices,
        note=None,
        total=order.total,
    )
    assert type(seen.count) is float
    schema = Order.__docmap_schema__
    assert view_of(schema, Struct).decode.__name__ == "decode_struct"


def test_a_struct_of_what_msgspec_stores_otherwise(db: BaseStorageAdapter) -> None:
    order = of("1")
    order.save(db)
    assert db.find(Order).view(Converted).one() == Converted(
        wait=order.wait,
        blob=order.blob,
        big=order.big,
        ref=order.ref,
        total=order.total,
        anything=order.anything,
        items=[Nested("x"), Nested("y")],
        either=order.either,
    )


@pytest.mark.parametrize(
    ("hint", "alike"),
    [
        (int, True),
        (bytes, False),
        (timedelta, False),
        (Any, False),
        (list[bytes], False),
        (dict[str, timedelta], False),
        (dict[date, int], False),
        (tuple[int, ...], True),
        (tuple[int, str], True),
        (Literal["a", 1], True),
        (int | None, True),
        (int | str, False),
        (CityName, False),
        (Nested, True),
    ],
)
def test_where_msgspec_reads_alike(hint: Any, alike: bool) -> None:
    struct: Any = msgspec.defstruct("struct", [("value", hint)])

    class Loose(Document, collection="loose"):
        value: Any = None

    view = view_of(Loose.__docmap_schema__, struct)
    assert reads_alike(view._kind) is alike


@pytest.mark.parametrize(
    "options", [{"forbid_unknown_fields": True}, {"tag": "x"}, {"array_like": True}]
)
def test_how_a_struct_writes_itself_plays_no_part(
    db: BaseStorageAdapter, options: dict[str, Any]
) -> None:
    struct: Any = msgspec.defstruct("struct", [("number", str)], **options)
    of("1").save(db)
    assert db.find(Order).view(struct).one() == struct("1")


def test_the_chain_goes_on_after_view(db: BaseStorageAdapter) -> None:
    for number in "31425":
        of(number, count=int(number)).save(db)
    query = db.find(Order).view(Pair)
    narrowed = query.where(count__gt=1).where_not(number="4").order_by("-number")
    assert [pair.number for pair in narrowed] == ["5", "3", "2"]
    assert [pair.number for pair in narrowed[1:]] == ["3", "2"]
    assert narrowed[0].number == "5"
    assert len(narrowed) == narrowed.count() == 3
    assert narrowed.values("count") == [2, 3, 5]
    first = query.order_by("number").first()
    assert first is not None
    assert first.number == "1"
    assert query.get(number="3").number == "3"
    assert query.where(number="9").first() is None
    assert query.where(number="2").delete() == 1
    assert sorted(pair.number for pair in query.list()) == ["1", "3", "4", "5"]
    assert bool(query)


def test_the_last_of_view_and_raw_counts(db: BaseStorageAdapter) -> None:
    of("1").save(db)
    raw: Any = db.find(Order).view(Pair).raw().one()
    assert raw["number"] == "1"
    assert type(db.find(Order).raw().view(Pair).one()) is Pair


def test_a_view_of_a_collection_without_a_class(db: BaseStorageAdapter) -> None:
    db.insert_many(
        "things", [{"id": "1", "size": Decimal("1.5"), "box": {"day": date(2024, 1, 2)}}]
    )

    class Box(BaseModel):
        day: date

    class Thing(BaseModel):
        id: str
        size: Decimal
        box: Box

    found = db.find("things").view(Thing).one()
    assert found == Thing(id="1", size=Decimal("1.5"), box=Box(day=date(2024, 1, 2)))


def test_post_init_of_a_dataclass_runs(db: BaseStorageAdapter) -> None:
    @dataclass
    class Labelled:
        number: str
        label: str = field(init=False)

        def __post_init__(self) -> None:
            self.label = f"no. {self.number}"

    of("1").save(db)
    assert db.find(Order).view(Labelled).one().label == "no. 1"


def test_validators_of_a_view_do_not_run(db: BaseStorageAdapter) -> None:
    class Loud(BaseModel):
        number: str

        @field_validator("number")
        @classmethod
        def _loud(cls, value: str) -> str:
            return value + "!"

    of("1").save(db)
    assert db.find(Order).view(Loud).one().number == "1"


def test_limits_of_a_view_hold(db: BaseStorageAdapter) -> None:
    class Small(BaseModel):
        count: Annotated[int, Field(lt=5)]

    class SmallStruct(msgspec.Struct):
        count: Annotated[int, msgspec.Meta(lt=5)]

    of("1", count=4).save(db)
    key = of("2", count=6).save(db)
    views: tuple[Any, ...] = (Small, SmallStruct)
    for other in views:
        query = db.find(Order).order_by("number").view(other)
        with pytest.raises(InvalidRecord) as caught:
            query.list()
        assert (caught.value.field, caught.value.key) == ("count", key)
        assert caught.value.engine == db.scheme
        assert other.__name__ in str(caught.value)
        assert [seen.count for seen in query.on_invalid("skip")] == [4]
        met: list[InvalidRecord] = []
        assert len(query.on_invalid(met.append).list()) == 1
        assert [error.field for error in met] == ["count"]


def test_a_stored_null_where_the_view_takes_none(db: BaseStorageAdapter) -> None:
    class Noted(msgspec.Struct):
        note: str

    of("1").save(db)
    with pytest.raises(InvalidRecord, match="a record of orders does not fit Noted: note"):
        db.find(Order).view(Noted).one()


class Misspelt(BaseModel):
    numbr: str


class Place(BaseModel):
    nam: str


class Deeper(BaseModel):
    city: Place


class Part(msgspec.Struct):
    skuu: str


class Elements(msgspec.Struct):
    items: list[Part]


class WrongType(BaseModel):
    total: str


class WrongElement(BaseModel):
    tags: list[int]


class WrongKind(BaseModel):
    city: list[str]


@pytest.mark.parametrize(
    ("other", "text", "suggestions"),
    [
        (Misspelt, "Misspelt.numbr .*Order has no field 'numbr': did you mean 'num", ("number",)),
        (Deeper, r"Deeper.city.nam .*Order.city has no field 'nam'", ("name",)),
        (Elements, r"Elements.items\[\].skuu .*Order.items\[\] has no field", ("sku",)),
        (WrongType, "WrongType.total is text, and Order.total is stored as decimal", ()),
        (
            WrongElement,
            "WrongElement.tags is list of int, and Order.tags is stored as list of text",
            (),
        ),
        (WrongKind, "WrongKind.city is list of text, and Order.city is stored as City", ()),
        (int, "int is none of them", ()),
        (RootModel[int], "is none of them", ()),
        (None, "NoneType is none of them", ()),
    ],
)
def test_what_cannot_be_read_is_refused_before_anything_is(
    other: Any, text: str, suggestions: tuple[str, ...], db: BaseStorageAdapter
) -> None:
    with pytest.raises(InvalidQuery, match=text) as caught:
        db.find(Order).view(other)
    assert caught.value.suggestions == suggestions
    assert (caught.value.engine, caught.value.collection) == (db.scheme, "orders")


def test_a_field_with_a_default_may_be_unknown(db: BaseStorageAdapter) -> None:
    class More(BaseModel):
        number: str
        rank: int = 9

    of("1").save(db)
    assert db.find(Order).view(More).one() == More(number="1", rank=9)


def test_an_undeclared_stored_field_is_read_by_its_name(db: BaseStorageAdapter) -> None:
    db.insert_many("orders", [{"id": "1", "number": "1", "rank": 4}])

    class More(BaseModel):
        number: str
        rank: int = 9

    assert db.find(Order).view(More).one().rank == 4


def test_a_view_is_compiled_once() -> None:
    schema = Order.__docmap_schema__
    assert view_of(schema, Summary) is view_of(schema, Summary)


class Node(BaseModel):
    name: Annotated[str, Stored("n")]
    below: list[Node] = []


class Tree(Document, collection="trees"):
    top: Node


class Twig(BaseModel):
    name: str
    below: list[Twig] = []


class Trunk(BaseModel):
    top: Twig


class AnyTrunk(BaseModel):
    top: Any


def test_types_that_contain_themselves(db: BaseStorageAdapter) -> None:
    tree = Tree(top=Node(name="a", below=[Node(name="b")]))
    tree.save(db)
    assert db.find(Tree).view(Trunk).one().top == Twig(name="a", below=[Twig(name="b")])
    assert db.find(Tree).view(AnyTrunk).one().top == tree.top


def test_one_class_over_two_places(db: BaseStorageAdapter) -> None:
    class Left(BaseModel):
        name: Annotated[str, Stored("l")]

    class Right(BaseModel):
        name: Annotated[str, Stored("r")]

    class Both(Document, collection="both"):
        left: Left
        right: Right

    class Seen(BaseModel):
        left: CityName
        right: CityName

    Both(left=Left(name="1"), right=Right(name="2")).save(db)
    seen = db.find(Both).view(Seen).one()
    assert (seen.left.name, seen.right.name) == ("1", "2")


def test_what_an_update_gives_back_is_seen_through_the_view(db: BaseStorageAdapter) -> None:
    of("1").save(db)
    query = db.find(Order).view(CityOnly)
    assert query.find_one_and_update(city__name="Rome") == CityOnly(CityName(name="Rome"))
    assert query.update(city__name="Oslo").matched == 1
    assert query.one() == CityOnly(CityName(name="Oslo"))


@dataclass
class CityOnly:
    city: CityName
