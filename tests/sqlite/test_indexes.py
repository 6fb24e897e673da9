"""Indexes in an SQLite file: unique ones, those made over what is stored, limits, counted keys."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

import pytest
from pydantic import BaseModel, Field

from docmap import (
    BaseStorageAdapter,
    BigInt,
    Condition,
    Document,
    DuplicateKey,
    Index,
    Indexed,
    InvalidModel,
    InvalidRecord,
    InvalidValue,
    ObjectId,
    Stored,
    path,
)
from docmap_backends.sqlite import SQLiteStorage

Open = Callable[..., BaseStorageAdapter]


class Inner(BaseModel):
    code: str | None = None
    amount: Decimal | None = None


class Item(
    Document,
    collection="items",
    indexes=[
        Index("name", unique=True),
        Index("first", "second", unique=True),
        Index("inner.code", unique=True),
        Index("inner.amount", unique=True),
        Index("price", unique=True),
        Index("weight", unique=True),
        Index("big", unique=True),
        Index("tags", unique=True),
        Index("group", "parts", unique=True),
        Index("moment", unique=True),
    ],
):
    name: str | None = None
    first: int | None = None
    second: str | None = None
    inner: Inner | None = None
    price: Decimal | None = None
    weight: float | None = None
    big: BigInt | None = None
    tags: list[str] | None = None
    group: int | None = None
    parts: list[int] = Field(default_factory=list)
    moment: datetime | None = None


MOMENT = datetime(2024, 1, 1, tzinfo=UTC)
COLLISIONS: list[tuple[dict[str, Any], dict[str, Any], tuple[str, ...]]] = [
    ({"name": "a"}, {"name": "a"}, ("name",)),
    ({"first": 1, "second": "x"}, {"first": 1, "second": "x"}, ("first", "second")),
    ({"inner": Inner(code="a")}, {"inner": Inner(code="a")}, ("inner.code",)),
    (
        {"inner": Inner(amount=Decimal("1.10"))},
        {"inner": Inner(amount=Decimal("1.1"))},
        ("inner.amount",),
    ),
    ({"price": Decimal(10)}, {"price": Decimal("1E+1")}, ("price",)),
    ({"weight": 0.0}, {"weight": -0.0}, ("weight",)),
    ({"weight": 0.1 + 0.2}, {"weight": 0.30000000000000004}, ("weight",)),
    ({"big": 10**40}, {"big": 10**40}, ("big",)),
    ({"tags": ["a", "b"]}, {"tags": ["c", "b"]}, ("tags",)),
    ({"group": 1, "parts": [1, 2]}, {"group": 1, "parts": [2, 3]}, ("group", "parts")),
    ({"moment": MOMENT}, {"moment": MOMENT.replace(microsecond=999)}, ("moment",)),
]


@pytest.mark.parametrize(("first", "second", "fields"), COLLISIONS)
def test_equal_values_collide(
    db: BaseStorageAdapter, first: dict[str, Any], second: dict[str, Any], fields: tuple[str, ...]
) -> None:
    Item(**first).save(db)
    with pytest.raises(DuplicateKey) as caught:
        Item(**second).save(db)
    assert caught.value.fields == fields
    assert caught.value.index in {index.name for index in Item.__docmap_schema__.indexes}
    assert ", ".join(fields) in str(caught.value)
    other = Item()
    other.save(db)
    for name, value in second.items():
        setattr(other, name, value)
    with pytest.raises(DuplicateKey) as caught:
        other.save(db)
    assert caught.value.fields == fields
    assert db.find(Item).count() == 2
    db.delete(Item, db.find(Item).where_not(id=other.id).one().id)
    other.save(db)


DIFFERENT: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({}, {}),
    ({"name": "a"}, {"name": "A"}),
    ({"name": "\u00e9"}, {"name": "e\u0301"}),
    ({"first": 1}, {"first": 1}),
    ({"first": 1, "second": "x"}, {"first": 1}),
    ({"first": 1, "second": "x"}, {"first": 2, "second": "x"}),
    ({"inner": Inner()}, {"inner": Inner()}),
    ({"price": Decimal("1.1")}, {"price": Decimal("1.11")}),
    ({"weight": 0.1 + 0.2}, {"weight": 0.3}),
    ({"weight": 5e-324}, {"weight": 0.0}),
    ({"big": 10**40}, {"big": 10**40 + 1}),
    ({"tags": []}, {"tags": []}),
    ({"tags": ["a"]}, {"tags": ["A"]}),
    ({"group": 1, "parts": [1]}, {"group": 2, "parts": [1]}),
    ({"parts": [1]}, {"parts": [1]}),
    ({"moment": MOMENT}, {"moment": MOMENT.replace(microsecond=1000)}),
]


@pytest.mark.parametrize(("first", "second"), DIFFERENT)
def test_other_values_null_and_missing_do_not(
    db: BaseStorageAdapter, first: dict[str, Any], second: dict[str, Any]
) -> None:
    Item(**first).save(db)
    Item(**second).save(db)
    assert db.find(Item).count() == 2


def test_an_element_may_be_twice_in_one_list(db: BaseStorageAdapter) -> None:
    item = Item(tags=["a", "a"], group=1, parts=[1, 1])
    item.save(db)
    item.tags = ["a", "b", "b"]
    item.save(db)
    with pytest.raises(DuplicateKey):
        Item(tags=["b"]).save(db)
    item.delete()
    Item(tags=["b"]).save(db)


def test_the_key_collides_too(db: BaseStorageAdapter) -> None:
    Item(id="a", name="a").save(db)
    with pytest.raises(DuplicateKey) as caught:
        db.insert(Item(id="a", name="b"))
    assert caught.value.fields == ("id",)
    assert caught.value.index is None


def test_in_bulk_those_before_the_collision_stay(db: BaseStorageAdapter) -> None:
    items = [Item(name=name, tags=[name]) for name in "abcbd"]
    with pytest.raises(DuplicateKey) as caught:
        db.insert_many(items)
    assert caught.value.done == 3
    assert caught.value.fields == ("name",)
    assert sorted(db.find(Item).values("name")) == ["a", "b", "c"]
    assert db.find(Item, tags__contains="c").count() == 1


def test_in_a_transaction_none_stays(db: BaseStorageAdapter) -> None:
    with pytest.raises(DuplicateKey), db.transaction():
        db.insert_many([Item(name=name) for name in "aba"])
    assert db.find(Item).count() == 0


# -- null elements


class Listed(Document, collection="listed", indexes=[Index("tags", unique=True)]):
    tags: list[str | None] = Field(default_factory=list)


def test_null_elements_of_a_unique_list_are_refused(db: BaseStorageAdapter) -> None:
    with pytest.raises(InvalidValue, match="tags"):
        Listed(tags=["a", None]).save(db)
    with pytest.raises(InvalidValue, match="tags"):
        db.insert_many([Listed(tags=["b"]), Listed(tags=[None])])
    assert db.find(Listed, tags__contains="a").count() == 0


@pytest.mark.parametrize("annotation", [Any, int | str, list[float], list[bool], list[Decimal]])
def test_what_sqlite_would_take_for_equal_cannot_be_unique(annotation: Any) -> None:
    with pytest.raises(InvalidModel):
        type(
            "Loose",
            (Document,),
            {"__annotations__": {"value": annotation}, "__module__": __name__},
            collection="loose",
            indexes=[Index("value", unique=True)],
        )


# -- over what is stored


class Plain(Document, collection="sold"):
    number: int
    price: Decimal
    weight: float
    tags: list[str] = Field(default_factory=list)


class Sold(
    Document,
    collection="sold",
    indexes=[Index("-price"), Index("weight"), Index("tags"), Index("number", unique=True)],
):
    number: int
    price: Decimal
    weight: float
    tags: list[str] = Field(default_factory=list)


def plain(count: int) -> list[Plain]:
    return [
        Plain(number=n, price=Decimal(n) / 4, weight=n / 3, tags=[f"t{n % 7}"])
        for n in range(count)
    ]


def test_indexes_are_made_over_what_is_stored(db: BaseStorageAdapter) -> None:
    db.insert_many("sold", [{"number": n, "price": "0.25", "weight": 1.5} for n in (-1, -2)])
    db.insert_many(plain(1200))
    assert db.indexes(Sold)["missing"] == ["(-price)", "(weight)", "(tags)", "unique (number)"]
    db.ensure_indexes(Sold)
    assert db.indexes(Sold)["missing"] == []
    for query, index, count in (
        ({"price__gte": 290}, "(-price)", 40),
        ({"weight__lt": 1}, "(weight)", 3),
        ({"tags__contains": "t3"}, "(tags)", 171),
        ({"number": 77}, "unique (number)", 1),
        ({"price": Decimal("0.250")}, "(-price)", 3),
    ):
        found = db.find(Sold, **query)
        assert index in found.explain().indexes
        assert found.count() == count
    with pytest.raises(DuplicateKey):
        Sold(number=77, price=Decimal(1), weight=1.0).save(db)


def test_a_unique_index_over_equal_values_is_refused_and_undone(db: BaseStorageAdapter) -> None:
    db.insert_many([Plain(number=1, price=Decimal(1), weight=1.0) for _ in range(2)])
    with pytest.raises(DuplicateKey) as caught:
        db.ensure_indexes(Sold)
    assert caught.value.fields == ("number",)
    assert db.indexes(Sold)["present"] == []
    assert db.find(Sold, number=1).count() == 2
    with pytest.raises(DuplicateKey):
        Sold(number=2, price=Decimal(1), weight=1.0).save(db)
    db.find(Plain)[0].delete()
    Sold(number=2, price=Decimal(1), weight=1.0).save(db)
    assert db.indexes(Sold)["missing"] == []


def test_a_unique_index_over_equal_elements_is_refused(db: BaseStorageAdapter) -> None:
    class Tagged(Document, collection="sold", indexes=[Index("tags", unique=True)]):
        tags: list[str] = Field(default_factory=list)

    db.insert_many(plain(10))
    with pytest.raises(DuplicateKey) as caught:
        db.ensure_indexes(Tagged)
    assert caught.value.fields == ("tags",)
    assert db.indexes(Tagged)["present"] == []


def test_another_storage_on_the_file_sees_the_new_indexes(
    db: BaseStorageAdapter, opened: Open
) -> None:
    other = opened()
    other.insert_many(plain(20))
    assert not other.find(Plain, weight__lt=1).explain().indexes
    db.ensure_indexes(Sold)
    assert other.find(Sold, weight__lt=1).explain().indexes == ("(weight)",)
    with pytest.raises(DuplicateKey, match="another class") as caught:
        other.insert(Plain(number=3, price=Decimal(1), weight=1.0))
    assert caught.value.index == Sold.__docmap_schema__.indexes[-1].name
    other.insert(Plain(number=99, price=Decimal(1), weight=0.5, tags=["t3", "new"]))
    assert db.find(Sold, weight=0.5).one().number == 99
    assert db.find(Sold, tags__contains="new").one().number == 99


def test_indexes_of_other_collections_are_not_extra(db: BaseStorageAdapter) -> None:
    Item(name="a", tags=["x"]).save(db)
    Sold(number=1, price=Decimal(1), weight=1.0).save(db)
    assert db.indexes(Sold)["extra"] == []
    assert len(db.indexes(Plain)["extra"]) == 4


# -- two classes, other types


class AsNumber(Document, collection="shared", indexes=[Index("value"), Index("id")]):
    value: int


class AsText(Document, collection="shared", indexes=[Index("value")]):
    value: str


class AsFloat(Document, collection="shared", indexes=[Index("value", unique=True)]):
    value: float


def test_a_second_class_with_another_type_makes_the_place_mixed(
    db: BaseStorageAdapter, opened: Open
) -> None:
    db.insert_many([AsNumber(id=f"n{n}", value=n) for n in range(10)])
    assert db.find(AsNumber, value__gt=4).explain().data["native"]
    db.insert_many([AsText(id=f"t{n}", value=str(n)) for n in range(10)])
    # SQLite takes any text for greater than any number.
    for storage in (db, opened()):
        numbers = storage.find(AsNumber, value__gt=4)
        assert numbers.count() == 5
        assert storage.find(AsNumber).where_not(value__gt=4).count() == 15
        assert storage.find(AsText, value__gte="4").count() == 6
        assert storage.find(AsText, value__startswith="4").count() == 1
        assert not numbers.explain().data["native"]
        assert [d["id"] for d in storage.find("shared").order_by("value").limit(11).raw()] == [
            *(f"n{n}" for n in range(10)),
            "t0",
        ]
        with pytest.raises(InvalidRecord):
            storage.find(AsNumber).list()


def test_key_columns_of_a_class_stay_when_another_declares_less(
    db: BaseStorageAdapter, opened: Open
) -> None:
    AsFloat(id="a", value=1.5).save(db)
    AsNumber(id="b", value=7).save(db)
    for storage in (db, opened()):
        with pytest.raises(DuplicateKey):
            storage.insert(AsFloat(value=1.5))
        # An int is that float, whoever wrote it.
        with pytest.raises(DuplicateKey):
            storage.insert(AsFloat(value=7.0))
    AsFloat(id="c", value=2.5).save(db)
    assert sorted(opened().find(AsFloat, value__gt=1.0).values("value")) == [1.5, 2.5, 7]


def test_untyped_writes_into_a_typed_collection(db: BaseStorageAdapter) -> None:
    db.insert_many([AsNumber(id=f"n{n}", value=n) for n in range(5)])
    assert db.find(AsNumber, value__lt=3).explain().data["native"]
    db.insert_many("shared", [{"id": "x", "value": 2}, {"id": "y"}])
    assert db.find(AsNumber, value__lt=3).explain().data["native"]
    assert db.find(AsNumber, value=2).count() == 2
    for other in (True, "2", 2.5, None, [2], {"a": 2}, 2.0, Decimal(2), b"2"):
        db.save("shared", {"value": other}, primary_key="z")
        assert db.find(AsNumber, value=2).count() == 2 + (other == 2.0 and other is not True) - (
            isinstance(other, Decimal)
        )
        assert db.find(AsNumber, value__gte=2).count() == 4 + (other in (2.5, 2.0)) - (
            isinstance(other, Decimal)
        ), other


def test_text_keys_of_an_untyped_writer_do_not_mislead_an_int_key(db: BaseStorageAdapter) -> None:
    class Counted(Document, collection="counted"):
        id: int | None = None

    db.insert_many([Counted() for _ in range(5)])
    db.insert_many("counted", [{"id": "abc"}, {"id": 40}])
    assert db.find(Counted, id__gt=3).count() == 3
    assert db.find(Counted).where_not(id__gt=3).count() == 4
    assert db.find(Counted, id=40).one().id == 40
    assert [d["id"] for d in db.find("counted").order_by("-id").raw()] == ["abc", 40, 5, 4, 3, 2, 1]


def test_classes_with_their_keys_in_other_places(db: BaseStorageAdapter) -> None:
    class ByNumber(Document, collection="keyed", key="number"):
        number: str
        other: str = ""

    ByNumber(number="a", other="x").save(db)
    db.insert_many("keyed", [{"id": "b", "number": "c"}])
    assert db.find(ByNumber, number="c").one().number == "c"
    assert db.find(ByNumber, number="b").count() == 0
    assert db.get("keyed", "b")["number"] == "c"
    assert [d.number for d in db.find(ByNumber).order_by("-number")] == ["c", "a"]


def test_paths_that_look_alike_have_columns_of_their_own(db: BaseStorageAdapter) -> None:
    class Below(BaseModel):
        b: float | None = None

    class Alike(Document, collection="alike"):
        dotted: Annotated[float | None, Stored("a.b"), Indexed()] = None
        a: Below | None = None
        upper: Annotated[float | None, Stored("A.b")] = None
        caret: Annotated[float | None, Stored("^a.b")] = None

    Alike(id="x", dotted=1.0, a=Below(b=2.0), upper=3.0, caret=4.0).save(db)
    for query in ({"dotted": 1.0}, {"a__b": 2.0}, {"upper": 3.0}, {"caret": 4.0}):
        assert db.find(Alike, **query).count() == 1
        assert db.find(Alike, **dict.fromkeys(query, 9.0)).count() == 0


@pytest.mark.parametrize("name", ['o"dd', "back\\slash", "line\nbreak", "tab\t", "it's", "$", "é"])
def test_indexes_on_names_that_are_hard_to_quote(db: BaseStorageAdapter, name: str) -> None:
    made: Any = type(
        "Odd",
        (Document,),
        {
            "__annotations__": {"value": Annotated[str | None, Stored(name)]},
            "value": None,
            "__module__": __name__,
        },
        collection="odd",
        indexes=[Index("value"), Index("-value", unique=True)],
    )
    db.insert_many([made(id=text, value=text) for text in ("a", "b", "c")])
    db.insert(made(id="none"))
    with pytest.raises(DuplicateKey):
        db.insert(made(value="b"))
    assert db.find(made, value="b").one().id == "b"
    assert db.find(made, value="b").explain().indexes
    assert [one.id for one in db.find(made).order_by("-value")] == ["c", "b", "a", "none"]


# -- a definition that changed


def test_an_index_whose_field_has_another_type_now_is_made_anew(db: BaseStorageAdapter) -> None:
    class Before(Document, collection="changed", indexes=[Index("value", unique=True)]):
        value: str

    class After(Document, collection="changed", indexes=[Index("value", unique=True)]):
        value: Decimal

    Before(value="1.10").save(db)
    After(value=Decimal("2.00")).save(db)
    with pytest.raises(DuplicateKey):
        After(value=Decimal("1.1")).save(db)
    assert db.find(After, value=Decimal(2)).count() == 1


# -- limits


class Long(Document, collection="long", indexes=[Index("text"), Index("first", "second")]):
    text: str = ""
    first: str = ""
    second: str = ""


def test_an_index_entry_has_at_most_2000_bytes(db: BaseStorageAdapter) -> None:
    Long(text="x" * 2000, first="é" * 500, second="x" * 1000).save(db)
    for fields in (
        {"text": "x" * 2001},
        {"text": "é" * 1001},
        {"first": "x" * 1000, "second": "x" * 1001},
    ):
        with pytest.raises(InvalidValue, match=r"2000|2,000"):
            Long(**fields).save(db)
    assert db.find(Long).count() == 1


def test_a_key_has_at_most_512_bytes(db: BaseStorageAdapter) -> None:
    for key in ("x" * 512, "é" * 256):
        Long(id=key).save(db)
        assert db.get(Long, key).id == key
    for key in ("x" * 513, "é" * 257):
        with pytest.raises(InvalidValue, match="512"):
            Long(id=key).save(db)
        with pytest.raises(InvalidValue, match="512"):
            db.get(Long, key)


# -- counted keys


class Counted(Document, collection="counted"):
    id: int | None = None
    name: str = ""


def test_counted_keys_are_never_used_again(db: BaseStorageAdapter, opened: Open) -> None:
    keys = [Counted().save(db) for _ in range(3)]
    assert keys == [1, 2, 3]
    db.delete(Counted, 3)
    assert Counted().save(db) == 4
    Counted(id=10).save(db)
    db.delete(Counted, 10)
    other = opened()
    assert Counted().save(other) == 11
    assert Counted().save(db) == 12
    assert db.insert_many([Counted(id=None) for _ in range(3)]) == [13, 14, 15]
    db.find(Counted).delete()
    assert Counted().save(other) == 16


def test_counting_goes_on_after_keys_that_nobody_counted(db: BaseStorageAdapter) -> None:
    Counted().save(db)
    db.insert_many("counted", [{"id": 7}, {"id": -3}, {"id": "text"}])
    assert Counted().save(db) == 8


def test_clear_sets_the_counter_back(db: BaseStorageAdapter, opened: Open) -> None:
    other = opened()
    for storage in (db, other):
        Counted(id=90).save(storage)
        assert Counted().save(storage) == 91
        storage.clear()
    assert [Counted().save(db), Counted().save(other), Counted().save(db)] == [1, 2, 3]


def test_the_last_counted_key(db: BaseStorageAdapter) -> None:
    Counted(id=2**63 - 2).save(db)
    assert Counted().save(db) == 2**63 - 1
    with pytest.raises(InvalidValue, match="id"):
        Counted().save(db)
    Counted(id=5).save(db)


@pytest.mark.parametrize(
    "key", ["", " ", "'", '"', "\\", "\n", "é", "%", "a.b", "$", "null", "0", "x" * 512]
)
def test_keys_of_any_text(db: BaseStorageAdapter, key: str) -> None:
    Long(id=key, text="here").save(db)
    Long(id=key + "!" if len(key) < 512 else "!").save(db)
    assert db.get(Long, key).text == "here"
    assert db.find(Long, id=key).one().text == "here"
    assert [one.text for one in db.get_many(Long, [key, key])] == ["here", "here"]
    assert db.delete(Long, key)
    assert db.find(Long).count() == 1


def test_untyped_keys_of_every_type(db: BaseStorageAdapter) -> None:
    keys: list[Any] = [5, -1, "5", "u", UUID(int=5), ObjectId("00" * 11 + "05")]
    db.insert_many("keys", [{"id": key} for key in keys])
    for key in keys:
        assert db.get("keys", key) == {"id": key}
        assert db.find("keys", id=key).one() == {"id": key}
    assert [one["id"] for one in db.find("keys").order_by("id")] == [-1, 5, *keys[2:]]
    assert [one["id"] for one in db.find("keys")[2:4]] == ["5", "u"]
    assert db.find("keys", id="5").explain().indexes == ("(key)",)
    assert isinstance(db, SQLiteStorage)


@pytest.mark.parametrize("name", ['o"dd', "back\\slash", "line\nbreak"])
def test_digits_below_a_key_that_no_json_path_names(db: BaseStorageAdapter, name: str) -> None:
    db.insert_many("odd", [{"id": "list", name: [5, [1, 2]]}, {"id": "object", name: {"0": 7}}])

    def keys(condition: Condition) -> list[str]:
        return [document["id"] for document in db.find("odd").where(condition).order_by("id")]

    assert keys(path(name, "0") <= 5) == ["list"]
    assert keys(path(name, "0") == 7) == ["object"]
    assert keys(path(name, "1").contains(2)) == ["list"]
    assert keys(path(name, "1").exists(False)) == ["object"]
