"""Document classes with a field of every type, and random documents of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from functools import cached_property
from random import Random
from typing import Annotated, Any, Final
from uuid import UUID

from pydantic import BaseModel, Field, create_model

from docmap import BigInt, Document, Index, ObjectId, Precision, Stored
from docmap.values import order_key
from tests.differential.kinds import ANY, SCALARS, Kind, anything, listed, logical, make
from tests.differential.pools import Colour, Level


class Leaf(BaseModel):
    name: str | None = None
    size: int | None = None
    amount: Annotated[Decimal | None, Stored('the "amount"')] = None
    at: datetime | None = None
    leaf: Leaf | None = None
    parts: list[str] = Field(default=[])


_INDEXES: Final = [
    Index("whole"),
    Index("-price"),
    Index("word", "-moment"),
    Index("tags"),
    Index("numbers", "word"),
    Index("colour", "whole"),
    Index("level", "tags"),
    Index("inner.size"),
    Index("inner.leaf.name", "ratio"),
    Index("thing"),
    Index("either", "flag"),
    Index("uid"),
    Index("fine"),
    Index("big"),
    Index("odd"),
    Index("day", "clock"),
    Index("ratio"),
]


class Fields(Document, abstract=True):
    flag: bool | None = None
    whole: int | None = None
    big: BigInt | None = None
    ratio: float | None = None
    price: Decimal | None = None
    word: str | None = None
    odd: Annotated[str | None, Stored("o.dd 'x' \\ $\"é")] = None
    blob: bytes | None = None
    moment: datetime | None = None
    fine: Annotated[datetime | None, Precision("us")] = None
    day: date | None = None
    clock: time | None = None
    span: timedelta | None = None
    uid: UUID | None = None
    oid: ObjectId | None = None
    colour: Colour | None = None
    level: Level | None = None
    inner: Leaf | None = None
    leaves: list[Leaf] = Field(default=[])
    words: list[str] = Field(default=[])
    numbers: list[int | None] = Field(default=[])
    ratios: list[float] = Field(default=[])
    prices: list[Decimal] = Field(default=[])
    moments: list[datetime] = Field(default=[])
    tags: set[str] = Field(default=set())
    grid: list[list[int]] = Field(default=[])
    box: dict[str, int] = Field(default={})
    costs: dict[str, Decimal] = Field(default={})
    shelves: dict[str, Leaf] = Field(default={})
    pair: tuple[str, int] | None = None
    thing: Any = None
    things: list[Any] = Field(default=[])
    either: int | str | None = None
    mixed: Decimal | str | None = None


class Early(Document, abstract=True):
    """Wrote its records before there were other fields."""

    whole: int | None = None
    word: str | None = None
    leaves: list[Leaf] = Field(default=[])


LEAF: Final = Kind(
    "model",
    model=Leaf,
    fields={
        "name": ("name", SCALARS["str"]),
        "size": ("size", SCALARS["int"]),
        "amount": ('the "amount"', SCALARS["decimal"]),
        "at": ("at", SCALARS["datetime"]),
        "parts": ("parts", listed(SCALARS["str"])),
    },
)
LEAF.fields["leaf"] = ("leaf", LEAF)  # type: ignore[index]

FIELDS: Final[dict[str, tuple[str, Kind]]] = {
    "flag": ("flag", SCALARS["bool"]),
    "whole": ("whole", SCALARS["int"]),
    "big": ("big", SCALARS["bigint"]),
    "ratio": ("ratio", SCALARS["float"]),
    "price": ("price", SCALARS["decimal"]),
    "word": ("word", SCALARS["str"]),
    "odd": ("o.dd 'x' \\ $\"é", SCALARS["str"]),
    "blob": ("blob", SCALARS["bytes"]),
    "moment": ("moment", SCALARS["datetime"]),
    "fine": ("fine", SCALARS["fine"]),
    "day": ("day", SCALARS["date"]),
    "clock": ("clock", SCALARS["time"]),
    "span": ("span", SCALARS["timedelta"]),
    "uid": ("uid", SCALARS["uuid"]),
    "oid": ("oid", SCALARS["objectid"]),
    "colour": ("colour", SCALARS["colour"]),
    "level": ("level", SCALARS["level"]),
    "inner": ("inner", LEAF),
    "leaves": ("leaves", listed(LEAF)),
    "words": ("words", listed(SCALARS["str"])),
    "numbers": ("numbers", Kind("list", SCALARS["int"], nulls=True)),
    "ratios": ("ratios", listed(SCALARS["float"])),
    "prices": ("prices", listed(SCALARS["decimal"])),
    "moments": ("moments", listed(SCALARS["datetime"])),
    "tags": ("tags", Kind("set", SCALARS["str"])),
    "grid": ("grid", listed(listed(SCALARS["int"]))),
    "box": ("box", Kind("dict", SCALARS["int"])),
    "costs": ("costs", Kind("dict", SCALARS["decimal"])),
    "shelves": ("shelves", Kind("dict", LEAF)),
    "pair": ("pair", Kind("pair", items=(SCALARS["str"], SCALARS["int"]))),
    "thing": ("thing", ANY),
    "things": ("things", listed(ANY)),
    "either": ("either", Kind("union", options=(SCALARS["int"], SCALARS["str"]))),
    "mixed": ("mixed", Kind("union", options=(SCALARS["decimal"], SCALARS["str"]))),
}
# Places in which a record of another program is of another type than declared, and what it holds:
# nothing that would read as the declared type.
_FOREIGN: Final[dict[str, tuple[Any, ...]]] = {
    "flag": (0, 1, "true", [True]),
    "whole": (True, "5", 1.5, 5.0, [5], {"a": 1}, ""),
    "big": (7, "x", True, 1.5, [1]),
    "ratio": (1, "1.0", False, [0.1], 2**53 + 1),
    "price": (1, 1.5, True, "x", ["1.1"], {}),
    "word": (1, True, 1.5, ["a"], {"a": "b"}, 0),
    "moment": ("a", 5, "2024-01-31", True, []),
    "day": ("yesterday", 5, False),
    "span": ("PT1S", True, 1.5, []),
    "uid": ("x", 1),
    "colour": ("blue", 1, True),
    "level": ("1", 7, True, 1.0),
    "inner": ("a", 1, [], [1], {"size": "5", "name": 5, "more": 1}, {"leaf": 3}),
    "leaves": ("a", 1, {}, [1, "a", None, {"size": True}], [[{"size": 1}]]),
    "words": ("abc", "a", 1, {"a": 1}, [1, None, "a", ["a"]]),
    "numbers": ("5", 5, 5.0, [5.0, True, "5", None, 1.5], {"0": 5}),
    "prices": (5, [1, 1.5, "x", None, True], "x"),
    "tags": (["b", "a", "a"], "a", 1, [1]),
    "grid": ([1], [[True], "a"], 1),
    "box": ([1], {"a": "1", "size": True, "k": 1.0}, "a"),
    "costs": ({"a": 1, "k": "x", "b": 1.5}, 5),
    "pair": (["a"], "ab", [1, "a"], ["a", 1, 2]),
}


@dataclass(frozen=True, eq=False)
class Family:
    """One key type: the class whose queries are tried, and those that write beside it."""

    key: str
    """The kind of the key; "any" for an untyped collection."""
    model: Any
    older: Any = None
    foreign: Any = None

    @property
    def name(self) -> str:
        """The collection's name."""
        return str(self.model.__docmap_schema__.collection if self.foreign else self.model)

    @property
    def root(self) -> Kind:
        """The kind of the documents."""
        if self.foreign is None:
            return ANY
        return Kind("model", fields={"id": ("id", SCALARS[self.key]), **FIELDS}, model=self.model)


@dataclass(frozen=True, eq=False)
class Record:
    """A document, the class or collection it is written by, and its logical values."""

    writer: Any
    document: Any
    kind: Kind | None = field(default=None, repr=False)
    """What the writer knows of it; None if it is stored as it is written."""

    @cached_property
    def values(self) -> dict[str, Any]:
        """The logical values by storage name."""
        if self.kind is None:
            stored = {**self.document.model_extra, "id": self.document.id}
            return dict(logical(ANY, stored))
        return dict(logical(self.kind, self.document))

    def simpler(self) -> Iterator[Record]:
        """The record with a field less."""
        if isinstance(self.document, dict):
            for name in self.document.keys() - {"id"}:
                fewer = {key: one for key, one in self.document.items() if key != name}
                yield Record(self.writer, fewer, self.kind)
            return
        given = {name: getattr(self.document, name) for name in self.document.model_fields_set}
        for name in given.keys() - {"id"}:
            fewer = {key: one for key, one in given.items() if key != name}
            yield Record(self.writer, self.writer(**fewer), self.kind)

    @property
    def key(self) -> Any:
        """The logical value of the key."""
        return self.values["id"]


def family(key: str, annotation: Any, *, indexed: bool) -> Family:
    """The classes of one key type; those with indexes have a collection of their own."""
    collection = f"zoo_{key}_{'indexed' if indexed else 'plain'}"

    def written(name: str, base: type[Document], **keywords: Any) -> Any:
        keywords["collection"] = collection
        return create_model(name, __base__=base, __cls_kwargs__=keywords, id=(annotation, ...))

    return Family(
        key,
        written("Zoo", Fields, indexes=_INDEXES if indexed else []),
        written("Older", Early),
        # Wrote its records without knowing the types.
        written("Foreign", Document, extra="allow"),
    )


_KEY_TYPES: Final = {
    "str": str,
    "int": int,
    "uuid": UUID,
    "objectid": ObjectId,
    "datetime": datetime,
    "date": date,
}
FAMILIES: Final = (
    *(family(*key, indexed=False) for key in _KEY_TYPES.items()),
    *(family(*key, indexed=True) for key in _KEY_TYPES.items()),
    Family("any", "untyped"),
    Family("any", "loose"),
    Family("any", "plain"),
)


def documents(rng: Random, of: Family, count: int) -> list[Record]:
    """Random documents with different keys; some by the class's past, some by another program."""
    found: dict[Any, Record] = {}
    foreign = rng.choice((0.0, 0.15))  # an engine may trust what the class alone has written
    for _ in range(count * 3):
        record = _record(rng, of, foreign)
        found.setdefault(order_key(record.key), record)
        if len(found) == count:
            break
    return list(found.values())


def _record(rng: Random, of: Family, foreign: float) -> Record:
    if of.foreign is None:
        return _untyped(rng, of)
    key = make(rng, SCALARS[of.key])
    if rng.random() < foreign:
        names = rng.sample(sorted(_FOREIGN), rng.randint(1, 12))
        values = {name: rng.choice(_FOREIGN[name]) for name in names}
        return Record(of.foreign, of.foreign(id=key, **values))
    writer = of.older if rng.random() < 0.15 else of.model
    names = [name for name in FIELDS if name in writer.model_fields]
    given: dict[str, Any] = {}
    for name in names:
        chance = rng.random()
        if chance < 0.1 and not writer.model_fields[name].default_factory:
            given[name] = writer.model_fields[name].get_default(call_default_factory=True)
        elif chance > 0.35:
            given[name] = make(rng, FIELDS[name][1])
    document = writer(id=key, **given)
    kind = Kind("model", fields={n: f for n, f in of.root.fields.items() if n in {"id", *names}})
    return Record(writer, document, kind)


def _untyped(rng: Random, of: Family) -> Record:
    kind = SCALARS[rng.choice(["str", "str", "int", "uuid", "objectid"])]
    names = rng.sample(_UNTYPED_NAMES, rng.randint(0, 6))
    row = {"id": make(rng, kind), **{name: anything(rng) for name in names}}
    return Record(of.model, row, ANY)


_UNTYPED_NAMES: Final = (
    "a",
    "b",
    "size",
    "0",
    'q"uote',
    "back\\slash",
    "a.b",
    "$gt",
    "é",
    "\x01",
    "",
)
