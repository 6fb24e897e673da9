"""Encoding: memory is brought in line with what is stored; what would not come back is refused."""

from __future__ import annotations

import dataclasses
import math
import re
from collections import deque
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone
from enum import Enum, IntEnum, StrEnum
from pathlib import Path
from typing import Annotated, Any

import pytest
from pydantic import BaseModel, Field, HttpUrl, PrivateAttr, RootModel
from typing_extensions import TypedDict

from docmap import (
    BaseStorageAdapter,
    Document,
    InvalidValue,
    Stored,
)
from docmap.values import MAX_BYTES, bson_size
from tests.schema.same import difference

FINE = datetime(2026, 3, 1, 12, 30, 15, 123456, tzinfo=UTC)
CUT = FINE.replace(microsecond=123000)
EAST = timezone(timedelta(hours=5))


class Level(IntEnum):
    LOW = 1


class Shade(StrEnum):
    DARK = "dark"


class Colour(Enum):
    RED = "red"


class Line(BaseModel):
    at: datetime
    price: float
    _seen: int = PrivateAttr(default=0)


class Roots(RootModel[list[Line]]):
    pass


@dataclasses.dataclass(frozen=True)
class Frozen:
    at: datetime


class Typed(TypedDict):
    at: datetime


class Event(Document):
    at: datetime
    other: datetime | None = None
    line: Line
    lines: list[Line] = []
    by_name: dict[str, Line] = {}
    pair: tuple[Line, int] | None = None
    roots: Roots | None = None
    frozen: Frozen | None = None
    typed: Typed | None = None
    numbers: list[float] = []
    level: int = 0
    sequence: Sequence[int] = []
    anything: Any = None


def event(**values: Any) -> Event:
    return Event.model_construct(**{"at": CUT, "line": line(), **values})


def line(at: datetime = CUT, price: float = 1.5) -> Line:
    return Line(at=at, price=price)


def test_save_cuts_and_changes_zones_in_place(db: BaseStorageAdapter) -> None:
    nested, several, named, paired, rooted = (line(FINE) for _ in range(5))
    held, table, typed = [several], {"a": named}, Typed(at=FINE)
    nested._seen = 5
    saved = event(
        at=FINE.astimezone(EAST),
        other=FINE,
        line=nested,
        lines=held,
        by_name=table,
        pair=(paired, 1),
        roots=Roots([rooted]),
        frozen=Frozen(FINE),
        typed=typed,
    )
    db.save(saved)
    assert difference(saved, db.get(Event, saved.id)) is None
    assert [one.at for one in (nested, several, named, paired, rooted)] == [CUT] * 5
    assert saved.at == saved.other == typed["at"] == CUT
    assert saved.at.utcoffset() == timedelta(0)
    assert saved.frozen == Frozen(CUT)
    # What the program holds stays the document's own, private attributes with it.
    assert saved.line is nested
    assert saved.lines is held
    assert saved.lines[0] is several
    assert saved.by_name is table
    assert saved.by_name["a"] is named
    assert saved.typed is typed
    assert nested._seen == 5


def test_one_moment_in_fields_of_two_precisions() -> None:
    class Both(Document):
        coarse: datetime
        fine: Annotated[datetime, Field(), __import__("docmap").Precision("us")]
        inner: Line

    for inner in (CUT, FINE):
        both = Both(coarse=CUT, fine=FINE, inner=line())
        both.inner.at = inner
        Both.__docmap_schema__.codec.encode(both)
        assert both.fine == FINE
        assert both.inner.at == CUT


@pytest.mark.parametrize(
    ("values", "wanted"),
    [
        ({"numbers": [1, -0.0, 2.5]}, {"numbers": [1.0, 0.0, 2.5]}),
        ({"line": line(price=3)}, {"line": line(price=3.0)}),
        ({"level": Level.LOW}, {"level": 1}),
        ({"sequence": (1, 2)}, {"sequence": [1, 2]}),
        ({"sequence": deque([1])}, {"sequence": [1]}),
        ({"anything": (1, {FINE})}, {"anything": [1, [CUT]]}),
        ({"anything": Colour.RED}, {"anything": "red"}),
        ({"anything": {"a": Level.LOW}}, {"anything": {"a": 1}}),
    ],
)
def test_save_normalises(
    db: BaseStorageAdapter, values: dict[str, Any], wanted: dict[str, Any]
) -> None:
    saved = event(**values)
    db.save(saved)
    assert difference(saved, event(id=saved.id, **wanted)) is None
    assert difference(saved, db.get(Event, saved.id)) is None
    assert not any(math.copysign(1, number) < 0 for number in saved.numbers)


def test_a_document_that_cannot_be_stored_is_left_as_it_is() -> None:
    refused = event(at=FINE, numbers=[1, float("nan")])
    with pytest.raises(InvalidValue, match=r"Event\.numbers\.1 is not finite"):
        Event.__docmap_schema__.codec.encode(refused)
    assert refused.at == FINE
    assert type(refused.numbers[0]) is int


# -- limits


class Big(Document):
    data: bytes


def test_the_size_is_that_of_bson(db: BaseStorageAdapter) -> None:
    room = MAX_BYTES - bson_size({"id": "x", "data": b""})
    fits = Big(id="x", data=bytes(room))
    db.upsert(fits)
    assert len(db.get(Big, "x").data) == room
    with pytest.raises(
        InvalidValue, match="larger than 16,000,000 bytes.*nothing was written$"
    ) as e:
        db.save(Big(data=bytes(room + 1)))
    assert e.value.collection == "big"
    with pytest.raises(InvalidValue, match="larger than 16,000,000 bytes"):
        db.save("plain", {"text": "é" * 8_000_000})


class Node(BaseModel):
    below: list[Node] = []
    text: str = ""


class Deep(Document):
    node: Node


def nodes(count: int, text: str = "") -> Node:
    found = Node(text=text)
    for _ in range(count - 1):
        found = Node(below=[found])
    return found


def test_the_depth_of_models(db: BaseStorageAdapter) -> None:
    # The document is 1, each node two more: itself and the list that holds the next.
    assert db.save(Deep(id="x", node=nodes(49))) == "x"
    assert db.get(Deep, "x").node == nodes(49)
    path = re.escape("Deep.node.below.0.below.0.below.0.below.0.below.0.below…")
    for count in (51, 120, 400):
        with pytest.raises(InvalidValue, match=f"^{path} lies deeper than 100 levels"):
            db.save(Deep(node=nodes(count)))
    with pytest.raises(InvalidValue, match=r"Deep\.node\.below\.0\.below\.0\.text holds a NUL"):
        db.save(Deep(node=nodes(3, "\0")))


def test_a_document_that_contains_itself(db: BaseStorageAdapter) -> None:
    node = Node()
    node.below.append(node)
    with pytest.raises(InvalidValue, match="contains itself.*nothing was written"):
        db.save(Deep(node=node))
    row: dict[str, Any] = {}
    row["row"] = row
    with pytest.raises(InvalidValue, match=r"plain\.row\.row.* lies deeper than 100 levels"):
        db.insert_many("plain", [row])


UNTYPED: list[tuple[Any, str]] = [
    ({"a": {"b": [1, float("nan")]}}, r"plain\.a\.b\.1 is not finite"),
    ({"a": {"b\0": 1}}, r"plain\.a has a key that holds a NUL character"),
    ({"a": "\ud800"}, r"plain\.a holds a lone surrogate"),
    ({"a": 2**63}, r"plain\.a is beyond 64 bits"),
    ({"a": line()}, r"plain\.a is a Line, and nothing stored would say so"),
    ({1: 2}, r"plain has a key of type int; keys are text"),
]


@pytest.mark.parametrize(("row", "message"), UNTYPED)
def test_what_an_untyped_collection_refuses(
    db: BaseStorageAdapter, row: dict[Any, Any], message: str
) -> None:
    with pytest.raises(InvalidValue, match=f"^{message}.*; nothing was written$") as caught:
        db.insert_many("plain", [row])
    assert caught.value.collection == "plain"


# -- what would come back as something else


class Animal(BaseModel):
    name: str


class Dog(Animal):
    tricks: int = 0


class Holder(Document):
    one: Animal | None = None
    many: list[Animal] = []
    table: dict[str, Animal] = {}
    either: Animal | int = 0
    unique: set[Frozen] = set()


@dataclasses.dataclass(frozen=True)
class Thawed(Frozen):
    more: int = 0


@pytest.mark.parametrize(
    ("values", "path"),
    [
        ({"one": Dog(name="a")}, "one"),
        ({"many": [Animal(name="a"), Dog(name="b")]}, "many.1"),
        ({"table": {"x": Dog(name="b")}}, "table.x"),
        ({"unique": {Thawed(CUT)}}, "unique"),
        ({"either": Dog(name="a")}, "either"),
    ],
)
def test_a_subclass_is_refused_where_it_would_lose_fields(
    db: BaseStorageAdapter, values: dict[str, Any], path: str
) -> None:
    with pytest.raises(InvalidValue, match=r"must be (Animal|Frozen|Animal or int)\b") as caught:
        db.save(Holder.model_construct(**values))
    assert caught.value.field == path


AMBIGUOUS: list[tuple[Any, Any]] = [
    (str | Path, Path("a")),
    (HttpUrl | str, HttpUrl("https://example.com/")),
    (list[int] | tuple[int, ...], (1,)),
    (list[int] | set[int], {1}),
    (Colour | str, "red"),
    (Animal | dict[str, str], {"name": "a"}),
]


@pytest.mark.parametrize(("annotation", "value"), AMBIGUOUS)
def test_a_union_refuses_what_would_come_back_as_another_member(
    db: BaseStorageAdapter, annotation: Any, value: Any
) -> None:
    from pydantic import create_model

    model = create_model("Ambiguous", __base__=Document, it=(annotation, ...))
    with pytest.raises(InvalidValue, match=r"Ambiguous\.it is stored like .* would come back as"):
        db.save(model.model_construct(it=value))


def test_a_union_takes_what_comes_back_equal(db: BaseStorageAdapter) -> None:
    class Shaded(Document):
        it: Shade | str

    saved = Shaded.model_construct(it="dark")
    db.save(saved)
    assert db.get(Shaded, saved.id).it is saved.it is Shade.DARK


class Open(Document, extra="allow"):
    name: Annotated[str, Stored("title")]


def test_an_extra_field_cannot_take_a_stored_name(db: BaseStorageAdapter) -> None:
    clash = Open.model_construct(name="a", title="b")
    with pytest.raises(InvalidValue, match="Open has an extra field title, .* its field name"):
        db.save(clash)


class Pattern(Document):
    it: re.Pattern[str]


def test_a_foreign_type_that_loses_something(db: BaseStorageAdapter) -> None:
    saved = Pattern(it=re.compile("a+"))
    db.save(saved)
    assert db.get(Pattern, saved.id) == saved
    with pytest.raises(InvalidValue, match=r"Pattern\.it would not come back from its JSON form"):
        db.save(Pattern(it=re.compile("a+", re.IGNORECASE)))


# -- constraints


class Limits(Document):
    inner: Annotated[list[Annotated[int, Field(ge=0)]], Field(max_length=2)] = []
    table: dict[str, Annotated[str, Field(pattern="^[a-z]+$")]] = {}
    count: int = Field(default=0, ge=0, lt=10)


@pytest.mark.parametrize(
    ("values", "path"),
    [
        ({"count": -1}, "count"),
        ({"count": 10}, "count"),
        ({"inner": [1, -1]}, "inner.1"),
        ({"inner": [1, 2, 3]}, "inner"),
        ({"table": {"a": "A"}}, "table.a"),
    ],
)
def test_a_broken_limit_is_never_stored(
    db: BaseStorageAdapter, values: dict[str, Any], path: str
) -> None:
    for broken in (Limits.model_construct(**values), Limits().model_copy(update=values)):
        with pytest.raises(InvalidValue, match="is not valid") as caught:
            db.save(broken)
        assert caught.value.field == path
    assert db.find(Limits).count() == 0


def test_limits_hold_for_what_is_changed_inside(db: BaseStorageAdapter) -> None:
    limits = Limits(inner=[1], table={"a": "a"})
    limits.inner.append(-5)
    with pytest.raises(InvalidValue, match=r"Limits\.inner\.1 is not valid"):
        db.save(limits)
    limits.inner[1:] = []
    limits.table["b"] = ""
    with pytest.raises(InvalidValue, match=r"Limits\.table\.b is not valid"):
        db.save(limits)
