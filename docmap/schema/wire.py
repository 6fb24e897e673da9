"""The JSON form of portable values: text forms by declared type, tags where no type decides.

Where a type is declared, a value that JSON lacks is text (a timedelta a number). Elsewhere it is an
object of one key, `{"$decimal": "1.10"}`, so that it comes back as what it was; a user's own object
that looks like one is kept as `{"$dict": [[key, value]]}`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any
from uuid import UUID

from docmap.values import TIMEDELTA_UNIT, ObjectId, decimal_fault

Reader = Callable[[Any], Any]
BIGINT_DIGITS = 4_000
"""The most digits of a BigInt: Python reads no more than 4,300 from text by default."""
_BIGINT = re.compile(r"-?[1-9][0-9]*\Z|0\Z").match


def datetime_text(value: datetime) -> str:
    """An aware datetime in UTC as `YYYY-MM-DDTHH:MM:SS.ffffffZ`."""
    # Measured: isoformat, asking for the zone, takes half as long again.
    return "%04d-%02d-%02dT%02d:%02d:%02d.%06dZ" % (  # noqa: UP031
        value.year,
        value.month,
        value.day,
        value.hour,
        value.minute,
        value.second,
        value.microsecond,
    )


def duration_number(value: timedelta) -> int:
    """A timedelta in microseconds."""
    return value // TIMEDELTA_UNIT


def time_text(value: time) -> str:
    """A naive time as `HH:MM:SS.ffffff`."""
    return value.isoformat(timespec="microseconds")


_WRITERS: dict[type, tuple[str, Callable[[Any], Any]]] = {
    Decimal: ("$decimal", str),
    datetime: ("$date", datetime_text),
    date: ("$day", date.isoformat),
    time: ("$time", time_text),
    timedelta: ("$duration", duration_number),
    UUID: ("$uuid", str),
    bytes: ("$bytes", bytes.hex),
    ObjectId: ("$oid", str),
}
ESCAPE = "$dict"
TAGS = frozenset(tag for tag, _ in _WRITERS.values()) | {ESCAPE}


def tagged(value: Any) -> Any:
    """The JSON form of a logical value in a place without a declared type."""
    kind = type(value)
    if kind is dict:
        return escaped({name: tagged(item) for name, item in value.items()})
    if kind is list:
        return [tagged(item) for item in value]
    writer = _WRITERS.get(kind)
    return value if writer is None else {writer[0]: writer[1](value)}


def escaped(wire: dict[str, Any]) -> dict[str, Any]:
    """An object that is no tag; one that looks like a tag is wrapped."""
    if len(wire) == 1:
        ((name, item),) = wire.items()
        if name in TAGS:
            return {ESCAPE: [[name, item]]}
    return wire


def unescaped(wire: Any) -> Any:
    """The object that `escaped` wrapped; anything else as it is."""
    if type(wire) is dict and len(wire) == 1 and ESCAPE in wire:
        pairs = wire[ESCAPE]
        if type(pairs) is list and len(pairs) == 1 and _is_pair(pairs[0]):
            return {pairs[0][0]: pairs[0][1]}
    return wire


def _is_pair(item: Any) -> bool:
    return type(item) is list and len(item) == 2 and type(item[0]) is str


def untagged(wire: Any) -> Any:
    """The logical value of a JSON form in a place without a declared type."""
    kind = type(wire)
    if kind is dict:
        if len(wire) == 1:
            ((name, item),) = wire.items()
            if name in TAGS:
                return _untag(name, item, wire)
        return {name: untagged(item) for name, item in wire.items()}
    if kind is list:
        return [untagged(item) for item in wire]
    return wire


def _untag(tag: str, item: Any, wire: dict[str, Any]) -> Any:
    if tag == ESCAPE:
        inner = unescaped(wire)
        return {name: untagged(value) for name, value in inner.items()}
    value = TEXT_READERS[TAG_KINDS[tag]](item)
    # What does not read as its tag says was not written by docmap: it is a plain object.
    return {tag: untagged(item)} if value is item else value


TAG_KINDS = {
    "$decimal": "decimal",
    "$date": "datetime",
    "$day": "date",
    "$time": "time",
    "$duration": "timedelta",
    "$uuid": "uuid",
    "$bytes": "bytes",
    "$oid": "objectid",
}
KIND_TAGS = {kind: tag for tag, kind in TAG_KINDS.items()}


def kind_of(value: Any) -> str | None:
    """The kind of a logical value that JSON lacks; None for one that JSON has."""
    writer = _WRITERS.get(type(value))
    return None if writer is None else TAG_KINDS[writer[0]]


def read_decimal(wire: Any) -> Any:
    """A Decimal from its text; anything else as it is."""
    if type(wire) is not str:
        return wire
    try:
        value = Decimal(wire)
    except InvalidOperation:
        return wire
    return wire if "_" in wire or wire != wire.strip() or decimal_fault(value) else value


def read_bigint(wire: Any) -> Any:
    """An int from its text; anything else as it is."""
    if type(wire) is str and len(wire) <= BIGINT_DIGITS and _BIGINT(wire):
        return int(wire)
    return wire


def read_datetime(wire: Any) -> Any:
    """A datetime from its fixed-width text; anything else as it is."""
    if type(wire) is not str or len(wire) != 27 or wire[26] != "Z" or wire[10] != "T":
        return wire
    try:
        return datetime.fromisoformat(wire[:26]).replace(tzinfo=UTC)
    except ValueError:
        return wire


def read_date(wire: Any) -> Any:
    """A date from its text; anything else as it is."""
    if type(wire) is not str or len(wire) != 10 or wire[4] != "-":
        return wire
    try:
        return date.fromisoformat(wire)
    except ValueError:
        return wire


def read_time(wire: Any) -> Any:
    """A time from its fixed-width text; anything else as it is."""
    if type(wire) is not str or len(wire) != 15 or wire[8] != ".":
        return wire
    try:
        return time.fromisoformat(wire)
    except ValueError:
        return wire


def read_timedelta(wire: Any) -> Any:
    """A timedelta from its microseconds; anything else as it is."""
    if type(wire) is not int:
        return wire
    try:
        return timedelta(microseconds=wire)
    except OverflowError:
        return wire


def read_uuid(wire: Any) -> Any:
    """A UUID from its lower-case text; anything else as it is."""
    if type(wire) is not str or len(wire) != 36 or wire[8] != "-":
        return wire
    try:
        value = UUID(wire)
    except ValueError:
        return wire
    return value if str(value) == wire else wire


def read_bytes(wire: Any) -> Any:
    """Bytes from their hexadecimal text; anything else as it is."""
    if type(wire) is not str:
        return wire
    try:
        value = bytes.fromhex(wire)
    except ValueError:
        return wire
    return value if value.hex() == wire else wire


def read_objectid(wire: Any) -> Any:
    """An ObjectId from its 24 lower-case digits; anything else as it is."""
    if type(wire) is not str or len(wire) != 24:
        return wire
    try:
        value = ObjectId(wire)
    except ValueError:
        return wire
    return value if str(value) == wire else wire


TEXT_READERS: dict[str, Reader] = {
    "decimal": read_decimal,
    "bigint": read_bigint,
    "datetime": read_datetime,
    "date": read_date,
    "time": read_time,
    "timedelta": read_timedelta,
    "uuid": read_uuid,
    "bytes": read_bytes,
    "objectid": read_objectid,
}
