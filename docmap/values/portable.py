"""Bringing any value into its portable form, or saying why no engine could keep it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any, Final
from uuid import UUID

from docmap.errors import InvalidValue
from docmap.values.identifiers import ObjectId
from docmap.values.numbers import INT_MAX, INT_MIN, decimal_fault
from docmap.values.order import order_key

MAX_DEPTH: Final = 100
MAX_BYTES: Final = 16_000_000
MAX_KEY_BYTES: Final = 512
MAX_INDEX_BYTES: Final = 2_000
TIMEDELTA_UNIT: Final = timedelta(microseconds=1)


class Unportable(ValueError):
    """A value that no engine could keep: where it lies below the value asked about, and why."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.segments: list[str | int] = []

    @property
    def path(self) -> str:
        """The dotted path to the value; of a very deep one only the beginning."""
        found = ".".join(map(str, reversed(self.segments[-12:])))
        return f"{found}…" if len(self.segments) > 12 else found


def utc(value: datetime, *, microseconds: bool = False) -> datetime:
    """`value` in UTC, cut to milliseconds towards the past unless `microseconds`.

    Raises ValueError if it is naive or leaves the years 1 to 9999 in UTC.
    """
    if value.tzinfo is not UTC:
        if value.utcoffset() is None:
            raise ValueError("needs a time zone, for example datetime.now(UTC)")
        try:
            value = value.astimezone(UTC)
        except OverflowError:
            raise ValueError("leaves the years 1 to 9999 in UTC") from None
    if not microseconds and value.microsecond % 1000:
        value = value.replace(microsecond=value.microsecond // 1000 * 1000)
    return value


def normal(value: Any, path: str = "") -> Any:
    """`value` as a portable logical value: UTC, `-0.0` as `0.0`, tuples and sets as lists.

    Raises InvalidValue naming `path` and below where no engine could keep it.
    """
    try:
        return portable(value)
    except Unportable as fault:
        field = ".".join(part for part in (path, fault.path) if part)
        raise InvalidValue(f"{field or 'the value'} {fault.reason}", field=field) from fault


def portable(value: Any, *, microseconds: bool = False, depth: int = 1) -> Any:
    """`normal`, raising Unportable; `microseconds` keeps those of datetimes."""
    kind = type(value)
    check = _SCALARS.get(kind)
    if check is not None:
        if kind is datetime and microseconds:
            return _datetime(value, microseconds=True)
        return check(value)
    if isinstance(value, Enum):
        return portable(value.value, microseconds=microseconds, depth=depth)
    if isinstance(value, (Mapping, list, tuple, set, frozenset)):
        if depth > MAX_DEPTH:
            raise Unportable(
                f"lies deeper than {MAX_DEPTH} levels: store the inner part as a document of its "
                "own"
            )
        return _container(value, microseconds, depth + 1)
    for base, plain in _PLAIN.items():
        if isinstance(value, base):
            return portable(plain(value), microseconds=microseconds)
    raise Unportable(_unknown(kind))


def _container(value: Any, microseconds: bool, depth: int) -> Any:
    if isinstance(value, Mapping):
        result: dict[str, Any] = {}
        for name, item in value.items():
            key = _key(name)
            if key in result:
                raise Unportable("has two keys that are the same text once stored")
            result[key] = _below(key, item, microseconds, depth)
        return result
    items = [_below(i, item, microseconds, depth) for i, item in enumerate(value)]
    if not isinstance(value, (set, frozenset)):
        return items
    # Two elements may have become one, such as two moments of one millisecond.
    unique = {order_key(item): item for item in items}
    return [unique[key] for key in sorted(unique)]


def _below(segment: str | int, value: Any, microseconds: bool, depth: int) -> Any:
    try:
        return portable(value, microseconds=microseconds, depth=depth)
    except Unportable as fault:
        fault.segments.append(segment)
        raise


def _key(name: Any) -> str:
    if isinstance(name, Enum):
        name = name.value
    if not isinstance(name, str):
        raise Unportable(f"has a key of type {type(name).__name__}; keys are text")
    try:
        return _text(str.__str__(name))
    except Unportable as fault:
        raise Unportable(f"has a key that {fault.reason}") from None


def _unknown(kind: type) -> str:
    if hasattr(kind, "model_fields") or hasattr(kind, "__dataclass_fields__"):
        return (
            f"is a {kind.__name__}, and nothing stored would say so: declare the field with this "
            "type, or store a dict"
        )
    return (
        f"has the type {kind.__name__}, which no engine keeps: convert it, or declare the field "
        "with this type and register a converter for it"
    )


def _text(value: str) -> str:
    if "\0" in value:
        raise Unportable("holds a NUL character, which no engine keeps: remove it, or store bytes")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise Unportable(
            "holds a lone surrogate, which is not text: decode it properly, or store bytes"
        ) from None
    return value


def _integer(value: int) -> int:
    if INT_MIN <= value <= INT_MAX:
        return value
    raise Unportable("is beyond 64 bits: declare the field as BigInt, or store text")


def _float(value: float) -> float:
    if value - value != 0.0:
        raise Unportable("is not finite: store None, or declare a text field")
    return value + 0.0


def _decimal(value: Decimal) -> Decimal:
    fault = decimal_fault(value)
    if fault:
        raise Unportable(f"{fault}: round it, or store text")
    return value or value.copy_abs()


def _datetime(value: datetime, *, microseconds: bool = False) -> datetime:
    try:
        return utc(value, microseconds=microseconds)
    except ValueError as error:
        raise Unportable(str(error)) from None


def _time(value: time) -> time:
    if value.tzinfo is not None:
        raise Unportable("is a time with a time zone: store a naive time, or a datetime")
    return value.replace(fold=0)


def _timedelta(value: timedelta) -> timedelta:
    if INT_MIN <= value // TIMEDELTA_UNIT <= INT_MAX:
        return value
    raise Unportable("is longer than 64 bits of microseconds: store a number of a larger unit")


def _same(value: Any) -> Any:
    return value


# The portable form of a scalar, by its exact type.
_SCALARS: dict[type, Callable[[Any], Any]] = {
    type(None): _same,
    bool: _same,
    int: _integer,
    float: _float,
    Decimal: _decimal,
    str: _text,
    bytes: _same,
    bytearray: bytes,
    datetime: _datetime,
    date: _same,
    time: _time,
    timedelta: _timedelta,
    UUID: _same,
    ObjectId: _same,
}
# From a subclass of a scalar to the scalar; a subclass may print or compare itself otherwise.
_PLAIN: dict[type, Callable[[Any], Any]] = {
    str: str.__str__,
    int: int.__int__,
    float: float.__float__,
    Decimal: Decimal,
    bytes: lambda value: b"".join((value, b"")),
    datetime: lambda value: datetime(
        value.year,
        value.month,
        value.day,
        value.hour,
        value.minute,
        value.second,
        value.microsecond,
        value.tzinfo,
        fold=value.fold,
    ),
    date: lambda value: date(value.year, value.month, value.day),
    time: lambda value: time(
        value.hour, value.minute, value.second, value.microsecond, value.tzinfo
    ),
    timedelta: lambda value: timedelta(value.days, value.seconds, value.microseconds),
    UUID: lambda value: UUID(int=value.int),
    ObjectId: lambda value: ObjectId(value.binary),
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
    if type(value) is int and not INT_MIN <= value <= INT_MAX:
        return 5 + len(str(value))  # a BigInt is text
    return _BSON_SIZES.get(type(value), 8)


_BSON_SIZES = {type(None): 0, bool: 1, Decimal: 16, UUID: 21, ObjectId: 12, time: 20, date: 15}
