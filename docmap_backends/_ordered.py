"""Portable values as bytes that sort, byte by byte, exactly as the values do.

`ordered(order_key(value))` is the form of a value in a key. No form is the beginning of another, so
forms put one behind another sort as tuples of the values do. What each type looks like is told in
docs/ordered-keys.md.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any, Final
from uuid import UUID

from docmap.values import (
    RANK_BYTES,
    RANK_DATE,
    RANK_DATETIME,
    RANK_DURATION,
    RANK_FALSE,
    RANK_LIST,
    RANK_NULL,
    RANK_NUMBER,
    RANK_OBJECT,
    RANK_OBJECT_ID,
    RANK_TEXT,
    RANK_TIME,
    RANK_TRUE,
    RANK_UUID,
    TIMEDELTA_UNIT,
    ObjectId,
    decimal_key,
    key_number,
    order_key,
)

_END: Final = b"\0"
_EXACT, _INEXACT = b"\0", b"\1"
_PAIR: Final = b"\1"
_EPOCH: Final = datetime(1, 1, 1, tzinfo=UTC)
_DURATIONS: Final = 1 << 79  # added to a duration, so that none is negative
_ALL_ONES: Final = (1 << 64) - 1
_SHORT: Final = 32
_SAFE_INT: Final = 1 << 53  # up to here every int is a double
_SIGN: Final = 1 << 63
_double = struct.Struct(">d").pack
_undouble = struct.Struct(">d").unpack
_bits = struct.Struct(">Q")


def rank_byte(rank: int) -> bytes:
    """The first byte of all values of a type."""
    return bytes((16 + 2 * rank,))


_RANKS: Final = {rank: rank_byte(rank) for rank in range(-1, RANK_DURATION + 2)}
_NOT_A_NUMBER: Final = bytes((16 + 2 * RANK_NUMBER + 1,))
"""Behind all numbers and before all text, so that it lies in no range: it compares with nothing."""


def ordered(key: tuple[Any, ...]) -> bytes:
    """The bytes of a value's `order_key`; of a rank alone, how all values of the type begin."""
    rank = key[0]
    if len(key) == 1:
        return _RANKS[rank]
    return _FORMS[rank](key[1])


def form(value: Any) -> bytes:
    """The bytes of a value itself: `ordered(order_key(value))`, and faster."""
    known = _BY_TYPE.get(type(value))
    return ordered(order_key(value)) if known is None else known(value)


def above(prefix: bytes) -> bytes | None:
    r"""The least bytes that sort behind everything that begins with `prefix`; None if none do.

    >>> above(b"ab"), above(b"a\xff")
    (b'ac', b'b')
    """
    head = prefix.rstrip(b"\xff")
    return head[:-1] + bytes((head[-1] + 1,)) if head else None


def _text(value: str) -> bytes:
    return _short(value) if len(value) < _SHORT else _text_form(value)


def _text_form(value: str) -> bytes:
    # A bound of a range may be a surrogate: it stands between its neighbours in UTF-8 too.
    encoded = value.encode() if value.isascii() else value.encode("utf-8", "surrogatepass")
    return _TEXT + _escaped(encoded) + _END


_short = lru_cache(maxsize=4096)(_text_form)  # the same names and states come again and again


def _binary(value: bytes) -> bytes:
    return _RANKS[RANK_BYTES] + _escaped(value) + _END


def _escaped(value: bytes) -> bytes:
    """The bytes without 0, which ends them."""
    return value.replace(b"\1", b"\1\2").replace(b"\0", b"\1\1")


def _unescaped(value: bytes) -> bytes:
    return value.replace(b"\1\1", b"\0").replace(b"\1\2", b"\1")


def _number(value: Any) -> bytes:
    """The greatest double that is not above the number, and the number where it is not exact."""
    if type(value) is float:
        if math.isnan(value):
            return _NOT_A_NUMBER
        return _NUMBER + _sortable(value) + _EXACT
    if type(value) is int and -_SAFE_INT <= value <= _SAFE_INT:
        return _NUMBER + _sortable(float(value)) + _EXACT
    below = _floor(value)
    if below == value:
        return _NUMBER + _sortable(below) + _EXACT
    return _NUMBER + _sortable(below) + _INEXACT + decimal_key(value).encode() + _END


def _floor(value: int | Decimal) -> float:
    try:
        near = float(value)
    except OverflowError:  # of an int
        near = math.inf if value > 0 else -math.inf
    if math.isinf(near):
        return -math.inf if value < 0 else _GREATEST
    return math.nextafter(near, -math.inf) if near > value else near


_GREATEST: Final = math.nextafter(math.inf, 0)


def _sortable(value: float) -> bytes:
    """Eight bytes that sort as doubles do: the sign bit turned, of negative ones every bit."""
    if value >= 0:
        return _double(-abs(value))  # of 0.0 and -0.0 the same
    return _bits.pack(_ALL_ONES ^ _bits.unpack(_double(value))[0])


def _list(keys: tuple[tuple[Any, ...], ...]) -> bytes:
    return _RANKS[RANK_LIST] + b"".join(map(ordered, keys)) + _END


def _object(pairs: tuple[tuple[str, tuple[Any, ...]], ...]) -> bytes:
    inside = b"".join(_PAIR + _text(name) + ordered(key) for name, key in pairs)
    return _RANKS[RANK_OBJECT] + inside + _END


def _datetime(value: datetime) -> bytes:
    return _RANKS[RANK_DATETIME] + ((value - _EPOCH) // TIMEDELTA_UNIT).to_bytes(8, "big")


def _time(value: time) -> bytes:
    seconds = (value.hour * 60 + value.minute) * 60 + value.second
    return _RANKS[RANK_TIME] + (seconds * 1_000_000 + value.microsecond).to_bytes(8, "big")


def _duration(value: timedelta) -> bytes:
    return _RANKS[RANK_DURATION] + (value // TIMEDELTA_UNIT + _DURATIONS).to_bytes(10, "big")


_TEXT_RANK: Final = _RANKS[RANK_TEXT][0]
_TEXT, _NUMBER = _RANKS[RANK_TEXT], _RANKS[RANK_NUMBER]
_FORMS: Final[dict[int, Callable[[Any], bytes]]] = {
    RANK_NUMBER: _number,
    RANK_TEXT: _text,
    RANK_OBJECT: _object,
    RANK_LIST: _list,
    RANK_BYTES: _binary,
    RANK_UUID: lambda value: _RANKS[RANK_UUID] + value,
    RANK_OBJECT_ID: lambda value: _RANKS[RANK_OBJECT_ID] + value.binary,
    RANK_DATE: lambda value: _RANKS[RANK_DATE] + value.toordinal().to_bytes(4, "big"),
    RANK_DATETIME: _datetime,
    RANK_TIME: _time,
    RANK_DURATION: _duration,
}

_BY_TYPE: Final[dict[type, Callable[[Any], bytes]]] = {
    str: _text,
    int: _number,
    float: _number,
    Decimal: _number,
    datetime: _datetime,
    date: _FORMS[RANK_DATE],
}


def plain(form: bytes) -> str | int | bytes:
    """The text, int or bytes that a form is of: what keys are made of."""
    if form[:1] == _TEXT:
        return _unescaped(form[1:-1]).decode("utf-8", "surrogatepass")
    if form[:1] == _NUMBER:
        if form[9:10] == _INEXACT:
            return int(key_number(form[10:-1]))
        bits = _bits.unpack(form[1:9])[0]
        bits ^= _SIGN if bits & _SIGN else _ALL_ONES
        return int(_undouble(_bits.pack(bits))[0])
    return _unescaped(form[1:-1])


NOT_TOLD: Final = object()
"""The value of a form that leaves open which it is: 1, 1.0 and Decimal(1) have the same form."""


def value_of(form: bytes) -> Any:
    """The value that a form is of; NOT_TOLD of numbers, lists and objects."""
    read = _VALUES.get(form[0])
    return NOT_TOLD if read is None else read(form)


_VALUES: Final[dict[int, Callable[[bytes], Any]]] = {
    rank_byte(RANK_NULL)[0]: lambda _: None,
    rank_byte(RANK_FALSE)[0]: lambda _: False,
    rank_byte(RANK_TRUE)[0]: lambda _: True,
    _TEXT[0]: plain,
    rank_byte(RANK_UUID)[0]: lambda form: UUID(bytes=form[1:]),
    rank_byte(RANK_OBJECT_ID)[0]: lambda form: ObjectId(form[1:]),
    rank_byte(RANK_DATE)[0]: lambda form: date.fromordinal(int.from_bytes(form[1:], "big")),
    rank_byte(RANK_DATETIME)[0]: lambda form: (
        _EPOCH + int.from_bytes(form[1:], "big") * TIMEDELTA_UNIT
    ),
}


def end_of(key: bytes, start: int) -> int:
    """Where the form that starts there ends, in forms that stand one behind the other."""
    rank = key[start]
    if rank == _TEXT_RANK:
        return key.index(_END, start) + 1
    length = _LENGTHS.get(rank)
    if length is not None:
        return start + length
    if rank == _NUMBER[0]:
        return (
            start + 10 if key[start + 9 : start + 10] == _EXACT else key.index(_END, start + 10) + 1
        )
    place = start + 1
    if rank == rank_byte(RANK_LIST)[0]:
        while key[place]:
            place = end_of(key, place)
        return place + 1
    if rank == rank_byte(RANK_OBJECT)[0]:
        while key[place]:
            place = end_of(key, end_of(key, place + 1))
        return place + 1
    return key.index(_END, place) + 1


_LENGTHS: Final = {
    rank_byte(-1)[0]: 1,
    rank_byte(RANK_NULL)[0]: 1,
    _NOT_A_NUMBER[0]: 1,
    rank_byte(RANK_FALSE)[0]: 1,
    rank_byte(RANK_TRUE)[0]: 1,
    rank_byte(RANK_UUID)[0]: 17,
    rank_byte(RANK_OBJECT_ID)[0]: 13,
    rank_byte(RANK_DATE)[0]: 5,
    rank_byte(RANK_DATETIME)[0]: 9,
    rank_byte(RANK_TIME)[0]: 9,
    rank_byte(RANK_DURATION)[0]: 11,
}
