"""The portable values: what every engine can keep, and the one order that all of them follow.

The rules are the table "Values" and the section "Order" of docs/semantics.md.
"""

from __future__ import annotations

import os
import secrets
import threading
import time as clock
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, date, datetime, time, timedelta
from decimal import Context, Decimal
from typing import Any, Final, Self
from uuid import UUID

from docmap.errors import InvalidValue

INT_MIN: Final = -(2**63)
INT_MAX: Final = 2**63 - 1
DECIMAL_DIGITS: Final = 34
DECIMAL_MAX_ADJUSTED: Final = 6144
DECIMAL_MIN_EXPONENT: Final = -6176
MAX_DEPTH: Final = 100
MAX_BYTES: Final = 16_000_000
MAX_KEY_BYTES: Final = 512
MAX_INDEX_BYTES: Final = 2_000
TIMEDELTA_UNIT: Final = timedelta(microseconds=1)


class _Missing:
    """The value at a path that leads nowhere."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "MISSING"

    def __bool__(self) -> bool:
        return False

    def __reduce__(self) -> str:
        return "MISSING"


MISSING: Final = _Missing()


class ObjectId:
    """A 12-byte identifier as MongoDB makes them: 4 bytes of time, 5 of process, 3 of counter.

    `ObjectId()` is new, `ObjectId("55f14312c7447c3da7051b26")` and `ObjectId(b"...")` are given
    ones. Ordered byte by byte; `str()` is 24 hexadecimal digits in lower case.
    Source: the BSON specification, type 0x07.

    >>> str(ObjectId("55F14312C7447C3DA7051B26"))
    '55f14312c7447c3da7051b26'
    """

    __slots__ = ("binary",)
    binary: bytes

    def __init__(self, value: str | bytes | ObjectId | None = None) -> None:
        if value is None:
            binary = _object_ids.new()
        elif isinstance(value, ObjectId):
            binary = value.binary
        elif isinstance(value, bytes) and len(value) == 12:
            binary = value
        elif isinstance(value, str) and len(value) == 24:
            try:
                binary = bytes.fromhex(value)
            except ValueError:
                raise ValueError("an ObjectId is 24 hexadecimal digits") from None
            if len(binary) != 12:
                raise ValueError("an ObjectId is 24 hexadecimal digits")
        else:
            raise ValueError("an ObjectId is 12 bytes or 24 hexadecimal digits")
        object.__setattr__(self, "binary", binary)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError("an ObjectId does not change")

    def __str__(self) -> str:
        return self.binary.hex()

    def __repr__(self) -> str:
        return f"ObjectId('{self.binary.hex()}')"

    def __eq__(self, other: object) -> bool:
        return self.binary == other.binary if isinstance(other, ObjectId) else NotImplemented

    def __lt__(self, other: Any) -> bool:
        return self.binary < other.binary if isinstance(other, ObjectId) else NotImplemented

    def __le__(self, other: Any) -> bool:
        return self.binary <= other.binary if isinstance(other, ObjectId) else NotImplemented

    def __gt__(self, other: Any) -> bool:
        return self.binary > other.binary if isinstance(other, ObjectId) else NotImplemented

    def __ge__(self, other: Any) -> bool:
        return self.binary >= other.binary if isinstance(other, ObjectId) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.binary)

    def __reduce__(self) -> tuple[type[ObjectId], tuple[bytes]]:
        return (ObjectId, (self.binary,))

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: object) -> Self:
        return self

    @classmethod
    def __get_pydantic_core_schema__(cls, source: object, handler: object) -> Any:
        from pydantic_core import core_schema

        return core_schema.no_info_plain_validator_function(
            cls,
            json_schema_input_schema=core_schema.str_schema(pattern="^[0-9a-fA-F]{24}$"),
            serialization=core_schema.to_string_ser_schema(when_used="json"),
        )


class _ObjectIds:
    """Makes new ObjectIds; a forked child gets a process part of its own."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process = b""
        self._pid = -1
        self._counter = 0

    def new(self) -> bytes:
        with self._lock:
            if self._pid != os.getpid():
                self._pid = os.getpid()
                self._process = secrets.token_bytes(5)
                self._counter = secrets.randbits(24)
            self._counter = (self._counter + 1) & 0xFFFFFF
            now = int(clock.time()) & 0xFFFFFFFF
            return now.to_bytes(4, "big") + self._process + self._counter.to_bytes(3, "big")


_object_ids = _ObjectIds()


def uuid7() -> UUID:
    """A new version-7 UUID: 48 bits of Unix milliseconds, then 74 random bits (RFC 9562, 5.7)."""
    random = secrets.randbits(74)
    number = (clock.time_ns() // 1_000_000) << 80
    number |= 0x7 << 76 | (random >> 62) << 64 | 0b10 << 62 | (random & (1 << 62) - 1)
    return UUID(int=number)


def uuid7_text() -> str:
    """`str(uuid7())`: what a document's `id` is by default."""
    return str(uuid7())


def utc(value: datetime, *, microseconds: bool = False) -> datetime:
    """`value` in UTC, cut to milliseconds towards the past unless `microseconds`.

    Raises ValueError if it is naive or leaves the years 1 to 9999 in UTC.
    """
    if value.tzinfo is not UTC:
        if value.utcoffset() is None:
            raise ValueError("a datetime needs a time zone, for example datetime.now(UTC)")
        try:
            value = value.astimezone(UTC)
        except OverflowError:
            raise ValueError("the datetime leaves the years 1 to 9999 in UTC") from None
    if not microseconds and value.microsecond % 1000:
        value = value.replace(microsecond=value.microsecond // 1000 * 1000)
    return value


def decimal_fault(value: Decimal) -> str | None:
    """Why no engine could keep `value`; None if all can."""
    if not value.is_finite():
        return "must be finite"
    _, digits, exponent = value.as_tuple()
    if len(digits) > DECIMAL_DIGITS:
        return f"has more than {DECIMAL_DIGITS} digits"
    if value and value.adjusted() > DECIMAL_MAX_ADJUSTED - 1:
        return f"has more than {DECIMAL_MAX_ADJUSTED} digits before the point"
    if not value and isinstance(exponent, int) and exponent > DECIMAL_MAX_ADJUSTED - 1:
        return f"has more than {DECIMAL_MAX_ADJUSTED} digits before the point"
    if isinstance(exponent, int) and exponent < DECIMAL_MIN_EXPONENT:
        return f"has more than {-DECIMAL_MIN_EXPONENT} digits after the point"
    return None


_KEY_OFFSET = 50_000_000
_NINES = str.maketrans("0123456789", "9876543210")


def decimal_key(value: Decimal | int) -> str:
    """Text that sorts, code point by code point, as the numbers do; equal numbers, equal text.

    >>> sorted([10, -3, 2], key=decimal_key)
    [-3, 2, 10]
    >>> decimal_key(Decimal("1.10")) == decimal_key(Decimal("1.1"))
    True
    """
    if not value:
        return "5"
    if isinstance(value, int):
        digits = str(abs(value))
        negative, adjusted = value < 0, len(digits) - 1
    else:
        sign, parts, _ = value.as_tuple()
        digits = "".join(map(str, parts))
        negative, adjusted = bool(sign), value.adjusted()
    digits = digits.rstrip("0")
    if negative:
        return f"4{99_999_999 - adjusted - _KEY_OFFSET:08d}{digits.translate(_NINES)}~"
    return f"6{adjusted + _KEY_OFFSET:08d}{digits}"


_EXACT = Context(prec=DECIMAL_DIGITS, Emin=-999_999, Emax=999_999)


def same_number(value: Any) -> Any:
    """The shortest Decimal of those equal to `value`; anything else as it is."""
    if isinstance(value, Decimal):
        if not value:
            return Decimal(0)
        short = value.normalize(_EXACT)
        exponent = short.as_tuple().exponent
        if isinstance(exponent, int) and exponent > 0 and short.adjusted() < DECIMAL_DIGITS:
            return short.quantize(Decimal(1), context=_EXACT)
        return short
    return value


# The order of types; false and true stand apart in it, and are one bracket in comparisons.
RANK_NULL, RANK_NUMBER, RANK_TEXT, RANK_OBJECT, RANK_LIST, RANK_BYTES = range(6)
RANK_UUID, RANK_OBJECT_ID, RANK_FALSE, RANK_TRUE, RANK_DATE, RANK_DATETIME = range(6, 12)
RANK_TIME, RANK_DURATION = 12, 13

_RANKS: dict[type, int] = {
    type(None): RANK_NULL,
    _Missing: RANK_NULL,
    int: RANK_NUMBER,
    float: RANK_NUMBER,
    Decimal: RANK_NUMBER,
    str: RANK_TEXT,
    dict: RANK_OBJECT,
    list: RANK_LIST,
    bytes: RANK_BYTES,
    UUID: RANK_UUID,
    ObjectId: RANK_OBJECT_ID,
    bool: RANK_FALSE,
    date: RANK_DATE,
    datetime: RANK_DATETIME,
    time: RANK_TIME,
    timedelta: RANK_DURATION,
}


def bracket(value: Any) -> int:
    """The type bracket of a logical value; only values of one bracket compare."""
    return _RANKS[type(value)]


def order_key(value: Any) -> tuple[Any, ...]:
    """A key that sorts logical values in the canonical order, whatever their types.

    >>> sorted(["b", 2, None, True, 1.5], key=order_key)
    [None, 1.5, 2, 'b', True]
    """
    rank = _RANKS[type(value)]
    if rank == RANK_NULL:
        return (RANK_NULL,)
    if rank == RANK_LIST:
        return (rank, tuple(map(order_key, value)))
    if rank == RANK_OBJECT:
        return (rank, tuple((name, order_key(value[name])) for name in sorted(value)))
    if rank == RANK_FALSE:
        return (RANK_TRUE,) if value else (RANK_FALSE,)
    if rank == RANK_UUID:
        return (rank, value.bytes)
    return (rank, value)


_SCALARS = frozenset(_RANKS) - {list, dict, type(None), _Missing}


def equal(left: Any, right: Any) -> bool:
    """True if two logical values are equal: by type bracket, numbers exactly, objects unordered."""
    kind = type(left)
    if kind is type(right):
        if kind in _SCALARS:
            return bool(left == right)
        if kind is list:
            return len(left) == len(right) and all(map(equal, left, right))
        if kind is dict:
            return len(left) == len(right) and all(
                name in right and equal(item, right[name]) for name, item in left.items()
            )
        return True
    rank = _RANKS[kind]
    return rank == _RANKS[type(right)] and (rank == RANK_NULL or bool(left == right))


def distinct(values: Iterable[Any]) -> list[Any]:
    """The distinct values in canonical order; of equal ones the int, the float, the shortest."""
    found: dict[tuple[Any, ...], Any] = {}
    for value in values:
        key = order_key(value)
        held = found.get(key, MISSING)
        if held is MISSING or _preferred(value) < _preferred(held):
            found[key] = value
    return [same_number(found[key]) for key in sorted(found)]


def _preferred(value: Any) -> int:
    return 0 if isinstance(value, int) else 1 if isinstance(value, float) else 2


def normal(value: Any, path: str = "", *, depth: int = 1) -> Any:
    """`value` as a portable logical value: UTC, `-0.0` as `0.0`, tuples and sets as lists.

    Raises InvalidValue naming `path` and below where no engine could keep it.
    """
    kind = type(value)
    if kind in _NORMAL:
        fault = _NORMAL[kind](value)
        if isinstance(fault, str):
            raise InvalidValue(f"{path or 'the value'} {fault}", field=path)
        return fault[0]
    if depth > MAX_DEPTH:
        raise InvalidValue(
            f"{path[:80]}… lies deeper than {MAX_DEPTH} levels: store the inner part as a "
            "document of its own",
            field=path,
        )
    if isinstance(value, Mapping):
        result: dict[str, Any] = {}
        for name, item in value.items():
            if not isinstance(name, str):
                raise InvalidValue(
                    f"{path or 'the value'} has a key of type {type(name).__name__}; keys are text",
                    field=path,
                )
            text_fault = _text(name)
            if isinstance(text_fault, str):
                raise InvalidValue(f"a key of {path or 'the document'} {text_fault}", field=path)
            below = f"{path}.{name}" if path else name
            result[str(name)] = normal(item, below, depth=depth + 1)
        return result
    if isinstance(value, (list, tuple)):
        return [normal(v, f"{path}.{i}", depth=depth + 1) for i, v in enumerate(value)]
    if isinstance(value, (set, frozenset)):
        return sorted(
            (normal(v, f"{path}.{i}", depth=depth + 1) for i, v in enumerate(value)),
            key=order_key,
        )
    for base in kind.__mro__[1:]:  # a subclass of a portable type: StrEnum, IntEnum, a str subclass
        if base in _NORMAL and base is not object:
            return normal(_plain(value, base), path, depth=depth)
    raise InvalidValue(
        f"{path or 'the value'} has the type {kind.__name__}, which no engine keeps: convert it, "
        "or register a converter for it",
        field=path,
    )


def _plain(value: Any, base: type) -> Any:
    if base is datetime:
        return datetime.combine(value.date(), value.time(), value.tzinfo)
    if base is date:
        return date(value.year, value.month, value.day)
    return base.__new__(base, value)


def _text(value: str) -> str | tuple[str]:
    if "\0" in value:
        return "holds a NUL character, which no engine keeps: remove it, or store bytes"
    try:
        value.encode()
    except UnicodeEncodeError:
        return "holds a lone surrogate, which is not text: decode it properly, or store bytes"
    return (value,)


def _integer(value: int) -> str | tuple[int]:
    if INT_MIN <= value <= INT_MAX:
        return (value,)
    return "is beyond 64 bits: declare the field as BigInt, or store text"


def _float(value: float) -> str | tuple[float]:
    if value - value != 0.0:
        return "is not finite: store None, or declare a text field"
    return (value + 0.0,)


def _decimal(value: Decimal) -> str | tuple[Decimal]:
    fault = decimal_fault(value)
    if fault:
        return f"{fault}: round it, or store text"
    return (value if value else value.copy_abs(),)


def _datetime(value: datetime) -> str | tuple[datetime]:
    try:
        return (utc(value),)
    except ValueError as error:
        return f"is not a portable datetime: {error}"


def _time(value: time) -> str | tuple[time]:
    if value.tzinfo is not None:
        return "is a time with a time zone: store a naive time, or a datetime"
    return (value.replace(fold=0),)


def _timedelta(value: timedelta) -> str | tuple[timedelta]:
    if INT_MIN <= value // TIMEDELTA_UNIT <= INT_MAX:
        return (value,)
    return "is longer than 64 bits of microseconds"


def _same(value: Any) -> tuple[Any]:
    return (value,)


# The portable form of a scalar in a 1-tuple, or the fault as text.
_NORMAL: dict[type, Callable[[Any], str | tuple[Any]]] = {
    type(None): _same,
    bool: _same,
    int: _integer,
    float: _float,
    Decimal: _decimal,
    str: _text,
    bytes: _same,
    bytearray: lambda value: (bytes(value),),
    datetime: _datetime,
    date: _same,
    time: _time,
    timedelta: _timedelta,
    UUID: _same,
    ObjectId: _same,
}


def bson_size(value: Any) -> int:
    """The bytes that `value` would take as a BSON document (the BSON specification, 1.1)."""
    if isinstance(value, dict):
        return 5 + sum(2 + len(name.encode()) + bson_size(v) for name, v in value.items())
    if isinstance(value, list):
        return 5 + sum(2 + len(str(i)) + bson_size(v) for i, v in enumerate(value))
    if isinstance(value, str):
        return 5 + len(value.encode())
    if isinstance(value, bytes):
        return 5 + len(value)
    return _BSON_SIZES.get(type(value), 8)


_BSON_SIZES = {type(None): 0, bool: 1, Decimal: 16, UUID: 21, ObjectId: 12, time: 20, date: 15}
