"""The places of the suite's documents, and for each the values at which engines differ."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from docmap import FieldExpression, ObjectId, path
from docmap.testing.models import Address, Colour, Item


@dataclass(frozen=True, slots=True)
class Place:
    """A place in a document, what it may hold, and which lookups can ask for it."""

    names: tuple[str | int, ...]
    values: tuple[Any, ...]
    """Values that are stored there, null aside."""
    ordered: bool = True
    """Takes gt, lt and their like."""
    sorts: bool = True
    """Can be sorted by, grouped by and asked for its distinct values."""
    text: bool = False
    parts: tuple[Any, ...] = ()
    """Elements of a list, or parts of a text, to ask for."""
    listed: bool = False
    """Holds a list or a set."""
    dated: bool = False
    """Takes year, month and so on."""
    numeric: bool = False

    @property
    def field(self) -> FieldExpression:
        """The place as a part of a condition."""
        return path(*self.names)

    @property
    def name(self) -> str:
        """The top-level field."""
        return str(self.names[0])


TEXTS: Final = (
    "",
    "a",
    "A",
    "ab",
    "aB",
    "abc",
    "b",
    "a%b",
    "a_b",
    "a\\b",
    "%",
    "axb",
    "é",  # one code point
    "e\u0301",  # two
    "ß",
    "SS",
    "ss",
    "İ",
    "ı",
    "Σ",
    "ς",
    "1",
    "10",
    "9",
    "true",
    "null",
    "a\n",
    "b\na",
    " a",
    "a ",
    "'",
    '"; DROP',
    "$gt",
    "a.b",
    "٣",  # a digit, and none of ASCII's
    "\x01",
    "\uffff",
    "\U0001f600",
    "z" * 60,
)
WHOLES: Final = (0, 1, -1, 2, 5, 9, 10, 100, 2**53, 2**53 + 1, -(2**53) - 1, 2**63 - 1, -(2**63))
RATIOS: Final = (
    0.0, 1.0, -1.0, 0.1, 0.2, 0.1 + 0.2, 1.5, 9.0, 10.0, 2.0**53, 1e300, -1e300, 5e-324, 1e16,
)  # fmt: skip
PRICES: Final = tuple(
    map(
        Decimal,
        (
            "0", "1.10", "1.1", "0.1", "9", "10", "9.99", "-1", "1E+10", "10000000000",
            "9007199254740993", "0.30000000000000004", "12345678901234567890.123456789",
            "12345678901234567890.123456788", "1E-20",
        ),
    )
)  # fmt: skip
_PLUS_ONE: Final = timezone(timedelta(hours=1))
MOMENTS: Final = (
    datetime(2024, 1, 1, tzinfo=UTC),
    datetime(2024, 1, 1, 0, 30, tzinfo=_PLUS_ONE),  # the last day of 2023
    datetime(2023, 12, 31, 23, 59, 59, 999_000, tzinfo=UTC),
    datetime(2024, 2, 29, 12, 0, 0, 1_000, tzinfo=UTC),
    datetime(2024, 2, 29, 12, 0, 0, 2_999, tzinfo=UTC),  # cut to milliseconds
    datetime(1, 1, 1, tzinfo=UTC),
    datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC),
    datetime(1969, 12, 31, 23, 59, 59, 500_000, tzinfo=UTC),
)
FINE: Final = (
    datetime(2024, 2, 29, 12, 0, 0, 1, tzinfo=UTC),
    datetime(2024, 2, 29, 12, 0, 0, 2, tzinfo=UTC),
    datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
)
DAYS: Final = (
    date(2024, 1, 1),
    date(2023, 12, 31),
    date(2024, 2, 29),
    date(1, 1, 1),
    date(9999, 12, 31),
    date(2024, 3, 3),  # a Sunday
)
CLOCKS: Final = (time(0), time(9), time(10, 30), time(23, 59, 59, 999_999))
SPANS: Final = tuple(
    timedelta(microseconds=n) for n in (0, 1, -1, 9, 10, 86_400_000_000, -86_400_000_001)
)
UIDS: Final = tuple(UUID(int=n) for n in (0, 1, 2**64, 2**128 - 1))
OIDS: Final = tuple(ObjectId(bytes([n] * 12)) for n in (0, 1, 127, 255))
BLOBS: Final = (b"", b"a", b"\x00", b"\x00\xff", b"a\x00b", bytes(range(256)))
BIGS: Final = (0, 9, 10, 2**53 + 1, 10**30, 10**30 + 1, -(10**30), 2**64)
WORDS: Final[tuple[list[str], ...]] = (
    [], ["a"], ["A"], ["a", "b"], ["b", "a"], ["ab"], ["a", "a"], ["é", "%"], [""], ["c", "abc"],
)  # fmt: skip
NUMBERS: Final[tuple[list[int | None], ...]] = (
    [],
    [1],
    [1, 2],
    [2, 1],
    [None],
    [1, None],
    [0],
    [10, 9],
    [2**53 + 1],
)
TAGS: Final[tuple[set[str], ...]] = (set(), {"a"}, {"b", "a"}, {"A"}, {"c", "a", "b"})
ITEMS: Final[tuple[list[Item], ...]] = (
    [],
    [Item(sku="a", qty=1, price=Decimal("1.10"))],
    [Item(sku="a", qty=2), Item(sku="b", qty=1)],
    [Item(sku="a", qty=1), Item(sku="b", qty=2, price=Decimal(10))],
    [Item(sku="A", qty=9)],
)
BOXES: Final[tuple[dict[str, int], ...]] = (
    {},
    {"k": 1},
    {"k": 2, "a.b": 1},
    {"a.b": 5},
    {"$gt": 1, "": 3},
    {"size": 10, "q\"'": 1},
    {"0": 7},
)
ADDRESSES: Final = (
    Address(),
    Address(city="a", zip_code=1),
    Address(city="A", zip_code=10, geo={"lat": 0.1, "lon": -1.0}),
    Address(city="é", zip_code=9, geo={"lat": 10.0}),
    Address(city="ab"),
)
THINGS: Final[tuple[Any, ...]] = (
    0, 1, 1.0, True, False, Decimal("1.10"), Decimal(1), 2**53, 2.0**53, 2**53 + 1, "1", "a", "",
    "true", [], [1], [True], [1, 2], ["a"], {}, {"a": 1, "b": 2}, {"b": 2, "a": 1}, {"a": {"b": 1}},
    {"a.b": 1}, {"$gt": ""}, {"$ne": 5}, {"$exists": True}, {"$decimal": "1.10"}, {"a": True},
    {"a": None}, b"a", date(2024, 1, 1), MOMENTS[0], time(9), UIDS[1], OIDS[1],
)  # fmt: skip

PLACES: Final = (
    Place(("id",), ("k01", "k02", "k10", "K01"), text=True, parts=("k0", "1")),
    Place(("flag",), (True, False), ordered=False),
    Place(("whole",), WHOLES, numeric=True),
    Place(("big",), BIGS, numeric=True),
    Place(("ratio",), RATIOS, numeric=True),
    Place(("price",), PRICES, numeric=True),
    Place(("word",), TEXTS, text=True, parts=("a", "A", "%", "_", "ss", "b", "", "é", "\\", "'")),
    Place(("odd",), TEXTS[:12], text=True, parts=("a", "é")),
    Place(("blob",), BLOBS, ordered=False, sorts=False),
    Place(("moment",), MOMENTS, dated=True),
    Place(("fine",), FINE, dated=True),
    Place(("day",), DAYS, dated=True),
    Place(("clock",), CLOCKS),
    Place(("span",), SPANS),
    Place(("uid",), UIDS),
    Place(("oid",), OIDS),
    Place(("colour",), tuple(Colour)),
    Place(("address", "city"), ("a", "A", "é", "ab"), text=True, parts=("a", "b")),
    Place(("address", "zip_code"), (1, 9, 10), numeric=True),
    Place(("address", "geo", "lat"), (0.1, 10.0, 0.0), numeric=True),
    Place(
        ("words",), WORDS, ordered=False, sorts=False, listed=True, parts=("a", "A", "b", "", "%")
    ),
    Place(("words", 0), ("a", "b", ""), text=True, parts=("a", "b")),
    Place(("numbers",), NUMBERS, ordered=False, sorts=False, listed=True, parts=(1, 0, 2**53 + 1)),
    Place(("numbers", 1), (1, 2, 9), numeric=True),
    Place(("tags",), TAGS, ordered=False, sorts=False, listed=True, parts=("a", "A", "b")),
    Place(("items", 0, "sku"), ("a", "A", "b"), text=True, parts=("a",)),
    Place(("items", 0, "price"), (Decimal("1.1"), Decimal(0)), numeric=True),
    Place(("box", "k"), (1, 2), numeric=True),
    Place(("box", "a.b"), (1, 5), numeric=True),
    Place(("pair",), (("a", 1), ("b", 10)), ordered=False, sorts=False),
    Place(("thing",), THINGS, ordered=False),
    Place(("thing", "a"), (1, True, None, {"b": 1}), ordered=False),
)
"""The places that the suite asks for; those of ordinary documents and those that few have."""
BY_NAME: Final = {".".join(map(str, place.names)): place for place in PLACES}
POOLS: Final[dict[str, tuple[Any, ...]]] = {
    **{
        place.name: place.values for place in PLACES if len(place.names) == 1 and place.name != "id"
    },
    "address": ADDRESSES,
    "items": ITEMS,
    "box": BOXES,
}
"""The values of each field of `Everything`."""
