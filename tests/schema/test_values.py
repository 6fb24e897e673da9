"""The portable values by themselves: their order, their equality, their limits, their sizes."""

from __future__ import annotations

import copy
import pickle
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal, localcontext
from enum import Enum, IntEnum, StrEnum
from fractions import Fraction
from typing import Any
from uuid import RFC_4122, UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from docmap import InvalidValue, ObjectId
from docmap.values import (
    INT_MAX,
    INT_MIN,
    MISSING,
    bson_size,
    decimal_fault,
    decimal_key,
    distinct,
    equal,
    normal,
    order_key,
    same_number,
    uuid7,
    uuid7_text,
)
from tests.schema.strategies import DECIMALS, anything

ID = UUID("12345678-1234-5678-1234-567812345678")
OID = ObjectId("55f14312c7447c3da7051b26")
NOW = datetime(2026, 3, 1, 12, 30, tzinfo=UTC)


class Shade(StrEnum):
    DARK = "dark"


class Mixed(str, Enum):
    A = "a"


class Level(IntEnum):
    LOW = 1


class Colour(Enum):
    RED = "red"


class Text(str):
    __slots__ = ()

    def __str__(self) -> str:
        return "another"


class Number(float):
    __slots__ = ()


class Exact(Decimal):
    __slots__ = ()


class Moment(datetime):
    def isoformat(self, sep: str = "T", timespec: str = "auto") -> str:
        return "another"


# -- the order

IN_ORDER: list[Any] = [
    None,
    INT_MIN,
    -1.5,
    Decimal("-1.4"),
    0,
    5e-324,
    Decimal("0.1"),
    0.1,
    1,
    Decimal("1.5"),
    2**53,
    Decimal(2**53) + Decimal("0.5"),
    2**53 + 1,
    INT_MAX,
    1e300,
    "",
    "A",
    "a",
    "a\x01",
    "ab",
    "é",
    "\ue000",
    "\U0001f600",
    {},
    {"a": 1},
    {"a": 1, "b": 0},
    {"a": 2},
    {"b": 0},
    [],
    [None],
    [1],
    [1, 0],
    [2],
    ["a"],
    [[]],
    b"",
    b"\x00",
    b"\xff",
    UUID(int=0),
    UUID(int=2**64),
    UUID(int=2**128 - 1),
    ObjectId(bytes(12)),
    OID,
    False,
    True,
    date.min,
    date(2026, 3, 1),
    datetime(1, 1, 1, tzinfo=UTC),
    NOW,
    time.min,
    time.max,
    timedelta(microseconds=-1),
    timedelta(0),
]


def test_the_canonical_order(rng: Any) -> None:
    shuffled = rng.sample(IN_ORDER, len(IN_ORDER))
    assert sorted(shuffled, key=order_key) == IN_ORDER
    for left, right in zip(IN_ORDER, IN_ORDER[1:], strict=False):
        assert order_key(left) < order_key(right)
        assert not equal(left, right)


def test_missing_stands_beside_null() -> None:
    assert order_key(MISSING) == order_key(None)
    assert equal(MISSING, None)
    assert not MISSING
    assert pickle.loads(pickle.dumps(MISSING)) is MISSING  # noqa: S301 - our own


@given(values=st.lists(anything(), max_size=4))
def test_the_order_is_total_and_agrees_with_equality(values: list[Any]) -> None:
    for left in values:
        assert equal(left, copy.deepcopy(left))
        for right in values:
            keys = order_key(left), order_key(right)
            assert equal(left, right) == equal(right, left) == (keys[0] == keys[1])
            assert (keys[0] < keys[1]) + (keys[1] < keys[0]) + (keys[0] == keys[1]) == 1


EQUAL = [
    (1, 1.0),
    (1, Decimal("1.00")),
    (0.5, Decimal("0.5")),
    (2**53, float(2**53)),
    ([1, {"a": 2}], [1.0, {"a": Decimal(2)}]),
    ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
    (NOW, NOW.astimezone(timezone(timedelta(hours=3)))),
]
UNEQUAL = [
    (True, 1),
    (False, 0),
    (None, 0),
    (0.1, Decimal("0.1")),
    (2**53 + 1, float(2**53)),
    ("1", 1),
    (b"a", "a"),
    (date(2026, 3, 1), datetime(2026, 3, 1, tzinfo=UTC)),
    (str(ID), ID),
    (str(OID), OID),
    (ID.bytes, ID),
    ([1, 2], [2, 1]),
    ([], {}),
    ({"a": None}, {}),
    ([True], [1]),
    (timedelta(microseconds=1), 1),
]


@pytest.mark.parametrize(("left", "right"), EQUAL)
def test_equal(left: Any, right: Any) -> None:
    assert equal(left, right)
    assert equal(right, left)
    assert order_key(left) == order_key(right)


@pytest.mark.parametrize(("left", "right"), UNEQUAL)
def test_unequal(left: Any, right: Any) -> None:
    assert not equal(left, right)
    assert not equal(right, left)
    assert order_key(left) != order_key(right)


def kinds(values: list[Any]) -> list[tuple[str, str]]:
    return [(type(value).__name__, str(value)) for value in values]


DISTINCT = [
    ([1.0, Decimal("1.0"), 1, True, 1], [1, True]),
    ([Decimal("1.10"), Decimal("1.1"), Decimal("1.100")], [Decimal("1.1")]),
    ([Decimal("1E+10")], [Decimal(10000000000)]),
    ([Decimal("1.5"), 1.5], [1.5]),
    ([None, MISSING, "b", "a"], [None, "a", "b"]),
    ([[Decimal("1.10")], [1.1], [Decimal("1.1")]], [[Decimal("1.1")], [1.1]]),
    ([{"a": Decimal("2.0")}, {"a": 2}], [{"a": 2}]),
    ([Decimal("0.00"), Decimal("-0")], [Decimal(0)]),
]


@pytest.mark.parametrize(("values", "wanted"), DISTINCT)
def test_distinct(values: list[Any], wanted: list[Any]) -> None:
    for order in (values, values[::-1]):
        assert kinds(distinct(order)) == kinds(wanted)


# -- numbers

NUMBERS = DECIMALS | st.integers(-(10**4000), 10**4000) | st.integers()


@given(left=NUMBERS, right=NUMBERS)
def test_the_decimal_key_sorts_as_the_numbers_do(left: Any, right: Any) -> None:
    keys = decimal_key(left), decimal_key(right)
    assert (keys[0] < keys[1]) == (Fraction(left) < Fraction(right))
    assert (keys[0] == keys[1]) == (Fraction(left) == Fraction(right))
    assert all(key.isascii() and key.isprintable() for key in keys)


@given(value=DECIMALS)
def test_the_shortest_of_equal_decimals(value: Decimal) -> None:
    short = same_number(value)
    assert short == value
    assert str(short) == str(same_number(short))
    with localcontext(prec=40, Emin=-9999, Emax=9999):
        assert str(same_number(value * Decimal("1.0"))) == str(short)


def test_the_decimals_of_another_context() -> None:
    with localcontext(prec=3, capitals=0):
        assert decimal_key(Decimal(123456)) > decimal_key(Decimal(123450))
        assert str(same_number(Decimal("123456.0"))) == "123456"


@given(value=DECIMALS)
def test_portable_decimals_have_no_fault(value: Decimal) -> None:
    assert decimal_fault(value) is None
    assert decimal_fault(-value) is None


# -- normal

NORMAL: list[tuple[Any, Any]] = [
    ((1, [2.0]), [1, [2.0]]),
    ({2, 1}, [1, 2]),
    (frozenset({"b", "a"}), ["a", "b"]),
    ({NOW, NOW.replace(microsecond=999)}, [NOW]),
    (-0.0, 0.0),
    (Decimal("-0.0"), Decimal("0.0")),
    (NOW.replace(microsecond=1999), NOW.replace(microsecond=1000)),
    (NOW.astimezone(timezone(timedelta(hours=5))), NOW),
    (bytearray(b"a"), b"a"),
    (Shade.DARK, "dark"),
    (Mixed.A, "a"),
    (Level.LOW, 1),
    (Colour.RED, "red"),
    ({Shade.DARK: 1, Mixed.A: 2}, {"dark": 1, "a": 2}),
    (Text("x"), "x"),
    (Number(1.5), 1.5),
    (Exact("1.0"), Decimal("1.0")),
    (Moment(2026, 3, 1, 12, 30, tzinfo=UTC), NOW),
    (time(1, fold=1), time(1)),
]


@pytest.mark.parametrize(("value", "wanted"), NORMAL)
def test_normal(value: Any, wanted: Any) -> None:
    found = normal(value)
    assert repr(found) == repr(wanted)
    assert type(found) is type(wanted)


def test_normal_names_the_path() -> None:
    with pytest.raises(InvalidValue, match=r"^box\.a\.1 is not finite") as caught:
        normal({"a": [1, float("nan")]}, "box")
    assert caught.value.field == "box.a.1"
    with pytest.raises(InvalidValue, match="^the value has the type object"):
        normal(object())
    with pytest.raises(InvalidValue, match="has two keys that are the same text"):
        normal({"a": 1, Mixed.A: 2, Text("b"): 3, "b": 4} | {Colour.RED: 5, "red": 6})


# -- sizes, by hand from the BSON specification: 4 bytes of length and a final zero for a document,
#    for each element a byte of type and its name with a zero

SIZES: list[tuple[Any, int]] = [
    ({}, 5),
    ({"a": None}, 5 + 3),
    ({"a": True}, 5 + 3 + 1),
    ({"a": 1}, 5 + 3 + 8),
    ({"a": 1.5}, 5 + 3 + 8),
    ({"a": NOW}, 5 + 3 + 8),
    ({"a": timedelta(1)}, 5 + 3 + 8),
    ({"a": Decimal(1)}, 5 + 3 + 16),
    ({"a": "é"}, 5 + 3 + 4 + 2 + 1),
    ({"a": b"abc"}, 5 + 3 + 4 + 1 + 3),
    ({"a": ID}, 5 + 3 + 4 + 1 + 16),
    ({"a": OID}, 5 + 3 + 12),
    ({"a": date(2026, 1, 1)}, 5 + 3 + 4 + 10 + 1),
    ({"a": time(1)}, 5 + 3 + 4 + 15 + 1),
    ({"a": 10**30}, 5 + 3 + 4 + 31 + 1),
    ({"é": {"b": 1}}, 5 + 1 + 2 + 1 + 5 + 3 + 8),
    ({"a": [None] * 11}, 5 + 3 + 5 + 10 * 3 + 4),
]


@pytest.mark.parametrize(("value", "size"), SIZES)
def test_the_size_as_bson(value: Any, size: int) -> None:
    assert bson_size(value) == size


# -- identifiers


def test_object_ids() -> None:
    assert str(ObjectId("55F14312C7447C3DA7051B26")) == "55f14312c7447c3da7051b26"
    assert ObjectId(OID.binary) == ObjectId(OID) == OID
    assert ObjectId(bytes(12)) < OID <= OID
    assert ObjectId(bytes(12)) < OID
    assert OID >= OID
    assert str(OID) != OID
    assert len({OID, ObjectId(str(OID))}) == 1
    assert copy.deepcopy(OID) is copy.copy(OID) is OID
    assert pickle.loads(pickle.dumps(OID)) == OID  # noqa: S301 - our own
    made = [ObjectId() for _ in range(1000)]
    assert len(set(made)) == 1000
    with pytest.raises(AttributeError, match="does not change"):
        OID.binary = b""
    with pytest.raises(TypeError):
        _ = OID < 5


@pytest.mark.parametrize("wrong", ["", "x" * 24, "5" * 23, "5 " * 12, b"x", 5])
def test_what_is_no_object_id(wrong: Any) -> None:
    with pytest.raises(ValueError, match="an ObjectId is"):
        ObjectId(wrong)


def test_uuids_are_in_the_order_of_time() -> None:
    made = [uuid7() for _ in range(5000)]
    assert len(set(made)) == 5000
    assert {one.version for one in made} == {7}
    assert {one.variant for one in made} == {RFC_4122}
    assert made == sorted(made)
    assert UUID(uuid7_text()).version == 7
