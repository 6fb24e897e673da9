"""Scalar values at which engines differ, and neighbours of a value."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import IntEnum, StrEnum
from random import Random
from typing import Any, Final
from uuid import UUID

from docmap import ObjectId


class Colour(StrEnum):
    RED = "red"
    ROT = "Rot"
    NONE = ""
    ODD = "%_\\"


class Level(IntEnum):
    LOW = 0
    ONE = 1
    HIGH = 10
    EDGE = 2**63 - 1


BOOLS: Final = (True, False)
INTS: Final = (
    0, 1, -1, 2, 3, 5, 10, 11, 100, 1000, 2**31, 2**53 - 1, 2**53, 2**53 + 1, -(2**53) - 1,
    2**63 - 2, 2**63 - 1, -(2**63), -(2**63) + 1,
)  # fmt: skip
BIG_INTS: Final = (*INTS, 2**63, 2**64 + 1, -(2**63) - 1, 10**40, 10**40 + 1, -(10**40))
FLOATS: Final = (
    0.0, -0.0, 1.0, 1.5, -1.5, 2.0, 5.0, 10.0, 100.0, 0.1, 0.2, 0.1 + 0.2, 1 / 3, 1e-7, 1e16, 1e22,
    2.0**53, 2.0**63, -(2.0**63), 5e-324, 2.2250738585072014e-308, 1.7976931348623157e308,
    math.nextafter(1, 2), math.nextafter(1, 0), 123456789.12345679, 9007199254740994.0,
)  # fmt: skip
DECIMALS: Final = tuple(
    map(
        Decimal,
        """0 -0 0.00 1 1.0 1.00 1.1 1.10 1.100 -1.1 -1.10 0.1 0.10 1.5 -1.5 5 10 1E+1 100 1E+2 1E+3
        1000 99.95 99.950 0.30000000000000004 9007199254740993 9223372036854775807 1E+6143 1E-6176
        -1E+6143 9999999999999999999999999999999999 0.1000000000000000055511151231257827 12E-1
        -9999999999999999999999999999999999 3 2 11 1e-7""".split(),
    )
)
TEXTS: Final = (
    "", " ", "a", "A", "b", "ab", "abc", "aB", "Ab", "b ", "é", "e\u0301", "É", "İ", "i̇", "i", "ı",
    "I", "ſ", "s", "S", "ß", "ss", "SS", "K", "k", "ﬁ", "fi", "Σ", "ς", "σ", "ά", "ΐ", "😀", "a😀b",
    "\uffff", "\U00010000", "\ue000", "%", "_", "\\", "100%", "a_b", "a%b", "axb", "a\\b", "a\\%",
    "'", '"', "a'b", 'a"b', "$", "$gt", '{"a":1}', '{"$gt": ""}', "[1]", '"x"', "null", "true", "1",
    "0", "01", "1.0", "1.5", "1e3", "-5", "10", "2024-01-31", "2024-02-29T00:00:00.000000Z",
    "12:00:00.000000", "nan", "Infinity", "\n", "a\nb", "\t", "a\r\n", "\x01", "\x1f",
    "\x7f", "\x85", "\u2028", "\ufeff", "*", "a*", "?", "[a-z]", "a.b", "red", "Rot", "x" * 40,
    "abab", "1 1",
)  # fmt: skip
EAST: Final = timezone(timedelta(hours=5, minutes=30))
MOMENTS: Final = (
    datetime(2024, 1, 31, 23, 59, 59, 999000, UTC),
    datetime(2024, 1, 31, 23, 59, 59, 999999, UTC),
    datetime(2024, 2, 1, tzinfo=UTC),
    datetime(2024, 2, 29, 12, 30, tzinfo=UTC),
    datetime(2024, 2, 29, 12, 30, 0, 1000, UTC),
    datetime(2024, 2, 29, 12, 30, 0, 999, UTC),
    datetime(2024, 3, 1, 1, 15, tzinfo=EAST),
    datetime(1, 1, 1, tzinfo=UTC),
    datetime(1, 1, 1, 0, 0, 0, 1500, UTC),
    datetime(9999, 12, 31, 23, 59, 59, 999999, UTC),
    datetime(1970, 1, 1, tzinfo=UTC),
    datetime(1969, 12, 31, 23, 59, 59, 999500, UTC),
    datetime(2000, 1, 3, 9, tzinfo=UTC),
)
DATES: Final = (
    date(2024, 1, 31),
    date(2024, 2, 1),
    date(2024, 2, 29),
    date(2024, 3, 1),
    date(1, 1, 1),
    date(9999, 12, 31),
    date(1970, 1, 1),
    date(2000, 1, 3),
)
TIMES: Final = (time(0), time(12), time(12, 30, 0, 1), time(12, 30), time(23, 59, 59, 999999))
SPANS: Final = (
    timedelta(0),
    timedelta(microseconds=1),
    timedelta(microseconds=-1),
    timedelta(seconds=1),
    timedelta(days=1),
    timedelta(days=-400),
    timedelta(microseconds=2**63 - 1),
)
UUIDS: Final = (
    UUID(int=0),
    UUID(int=1),
    UUID("018f2c6e-7b1a-7c3d-9e4f-0123456789ab"),
    UUID("ffffffff-ffff-ffff-ffff-ffffffffffff"),
    UUID("a0000000-0000-4000-8000-000000000000"),
)
OBJECT_IDS: Final = (
    ObjectId("000000000000000000000000"),
    ObjectId("55f14312c7447c3da7051b26"),
    ObjectId("55f14312c7447c3da7051b27"),
    ObjectId("ffffffffffffffffffffffff"),
)
BYTES: Final = (b"", b"\x00", b"a", b"ab", b"\xff", b"\xff\x00", b"A")
DICT_KEYS: Final = (
    "", "a", "b", "k", "size", "name", "0", "1", "01", "-1", "a.b", "$gt", "$", 'q"uote', "a'b",
    "back\\slash", "é", "e\u0301", "😀", "\x01", "\n", "a b", "_x", "x__y", "[0]", "#", "id",
    "equals", "$decimal", "%", "$.a", "a[0]", "*",
)  # fmt: skip
PATTERNS: Final = (
    "", "a", "^a", "b$", "^$", "[a-c]+", "[^a]", r"\d+", r"^\d+$", r"\w", r"\W", r"\s", "a|b", ".",
    "^.{2,3}$", "é", "(ab)+", r"\b1\b", "^[A-Z]", r"\.", r"\\", "%", "s", "k", "(?i)ab", "^a.b$",
    "i", "^(?:a|ab)b?$", "[é-ü]", "😀", r"\n",
)  # fmt: skip
LIKES: Final = (
    "", "%", "_", "__", "a%", "%b", "%b%", "a_b", r"a\%b", r"a\_b", "\\\\", r"%\%", r"100\%", "é",
    "É", "é%", "%😀%", "A%", "a%b%", "[%", "x%x", "%\n%", "_\n_", "'%", "k", "İ", "_%", "%%",
)  # fmt: skip

POOLS: Final[Mapping[str, Sequence[Any]]] = {
    "bool": BOOLS,
    "int": INTS,
    "bigint": BIG_INTS,
    "float": FLOATS,
    "decimal": DECIMALS,
    "str": TEXTS,
    "bytes": BYTES,
    "datetime": MOMENTS,
    "fine": MOMENTS,
    "date": DATES,
    "time": TIMES,
    "timedelta": SPANS,
    "uuid": UUIDS,
    "objectid": OBJECT_IDS,
    "colour": tuple(Colour),
    "level": tuple(Level),
}


def near(rng: Random, value: Any) -> Any:
    """A value beside `value`, of its type; `value` itself where there is none."""
    move = _NEAR.get(type(value))
    if move is None:
        return value
    try:
        return move(rng, value)
    except (ArithmeticError, ValueError):  # over the edge of the type
        return value


def _text(rng: Random, value: str) -> str:
    cut = rng.randrange(len(value) + 1)
    return rng.choice(
        [value[:cut], value[cut:], value + "a", value.swapcase(), value.casefold(), value.upper()]
    )


def _float(rng: Random, value: float) -> float:
    moved = rng.choice([math.nextafter(value, math.inf), math.nextafter(value, -math.inf), -value])
    return moved if math.isfinite(moved) else value


def _decimal(rng: Random, value: Decimal) -> Decimal:
    step = Decimal(1).scaleb(max(value.adjusted() - 20, -6176))
    return rng.choice([value.normalize(), value + step, value - step, -value])


def _moment(rng: Random, value: datetime) -> datetime:
    unit = rng.choice([timedelta(microseconds=1), timedelta(milliseconds=1), timedelta(hours=1)])
    moved = value + unit * rng.choice([1, -1])
    return moved if 1 < moved.year < 9999 else value


_NEAR: Final[Mapping[type, Callable[[Random, Any], Any]]] = {
    bool: lambda _, value: not value,
    int: lambda rng, value: value + rng.choice([1, -1]) if abs(value) < 2**63 - 1 else value,
    float: _float,
    Decimal: _decimal,
    str: _text,
    bytes: lambda rng, value: rng.choice([value + b"\x00", value[:-1]]),
    datetime: _moment,
    date: lambda rng, value: value + timedelta(days=rng.choice([1, -1])),
    timedelta: lambda rng, value: value + timedelta(microseconds=rng.choice([-1, -2])),
    UUID: lambda _, value: UUID(int=value.int ^ 1),
}
