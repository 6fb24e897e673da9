"""The portable scalars: how docmap's own pydantic-core schema checks, writes and reads each.

A writer gets the Python value while a document is encoded and returns its JSON form. It raises
ValueError or TypeError for what no engine could keep, and notes in `noted` where what it wrote is
not exactly what the instance holds, so that save can bring the instance in line.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from pydantic import SecretBytes, SecretStr, ValidationError
from pydantic_core import CoreSchema, SchemaValidator, TzInfo
from pydantic_core import core_schema as cs

from docmap.schema.types import Kind
from docmap.schema.wire import (
    BIGINT_DIGITS,
    KIND_TAGS,
    datetime_text,
    duration_number,
    read_timedelta,
    tagged,
    time_text,
    untagged,
)
from docmap.values import INT_MAX, INT_MIN, ObjectId, decimal_fault, portable, utc

Writer = Callable[[Any], Any]
Change = tuple[datetime, datetime] | None
"""A datetime with the one that was written for it; None for any other change."""


class _Noted(threading.local):
    """What the writers changed while a document is encoded, in this thread."""

    changes: list[Change] | None = None


noted = _Noted()


def note() -> None:
    """Say that the instance is not quite what was written."""
    if noted.changes is not None:
        noted.changes.append(None)


def write_int(value: Any) -> int:
    """An int of 64 bits."""
    if type(value) is not int:
        if not isinstance(value, int) or isinstance(value, bool):
            raise TypeError("is not an int")
        value = int(value)
        note()
    if INT_MIN <= value <= INT_MAX:
        return value  # type: ignore[no-any-return]
    raise ValueError("is beyond 64 bits: declare the field as BigInt, or store text")


def write_bigint(value: Any) -> str:
    """An int of any size as text."""
    if type(value) is not int:
        if not isinstance(value, int) or isinstance(value, bool):
            raise TypeError("is not an int")
        value = int(value)
        note()
    if abs(value) >= _BIGINT_LIMIT:
        raise ValueError(f"has more than {BIGINT_DIGITS} digits")
    return str(value)


_BIGINT_LIMIT = 10**BIGINT_DIGITS


def write_float(value: Any) -> float:
    """A finite float; an int that a float holds exactly becomes one, `-0.0` becomes `0.0`."""
    if type(value) is not float:
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise TypeError("is not a float")
        exact = value
        try:
            value = float(value)
        except OverflowError:
            raise ValueError("is an int that no float holds exactly") from None
        if value != exact and exact == exact:  # noqa: PLR0124 - a NaN is refused below
            raise ValueError("is an int that no float holds exactly")
        note()
    if value - value != 0.0:
        raise ValueError("is not finite: store None, or declare a text field")
    if value == 0.0 and str(value) == "-0.0":
        note()
        return 0.0
    return value  # type: ignore[no-any-return]


def write_ints(values: list[Any]) -> list[Any]:
    """Ints of 64 bits, checked together: a call for each would cost more than writing them."""
    if set(map(type, values)) == {int} and min(values) >= INT_MIN and max(values) <= INT_MAX:
        return values
    return [write_int(value) for value in values]


def write_floats(values: list[Any]) -> list[Any]:
    """Finite floats, checked together."""
    if set(map(type, values)) == {float} and 0.0 not in values:
        total = sum(values)
        if total - total == 0.0:
            return values
    return [write_float(value) for value in values]


def write_decimal(value: Any) -> str:
    """A Decimal as text, its scale kept."""
    if type(value) is Decimal:
        text = str(value)
        # Short and written out: nothing but digits, a point and a sign, and so portable.
        if (
            len(text) <= _SHORT
            and "E" not in text
            and "e" not in text
            and (text[0] != "-" or value)
            and value.is_finite()
        ):
            return text
    return _write_odd_decimal(value)


_SHORT = 34


def _write_odd_decimal(value: Any) -> str:
    if not isinstance(value, Decimal):
        raise TypeError("is not a Decimal")
    if type(value) is not Decimal:
        value = Decimal(value)
        note()
    fault = decimal_fault(value)
    if fault:
        raise ValueError(f"{fault}: round it, or store text")
    if not value and value.is_signed():
        value = value.copy_abs()
        note()
    return str(value).upper()


def write_text(value: Any) -> str:
    """Text, where pydantic's own serializer does not see it."""
    if type(value) is str:
        return value
    if not isinstance(value, str):
        raise TypeError("is not text")
    note()
    return str.__str__(value)


def write_bool(value: Any) -> bool:
    """True or false, where pydantic's own serializer does not see it."""
    if value is True or value is False:
        return value  # type: ignore[no-any-return]
    raise TypeError("is not true or false")


def write_datetime(value: Any) -> str:
    """An aware datetime as text in UTC, cut to milliseconds."""
    if type(value) is datetime and not value.microsecond % 1000 and _is_utc(value):
        return datetime_text(value)
    return _write_odd_datetime(value, microseconds=False)


def write_datetime_us(value: Any) -> str:
    """An aware datetime as text in UTC, microseconds kept."""
    if type(value) is datetime and _is_utc(value):
        return datetime_text(value)
    return _write_odd_datetime(value, microseconds=True)


def _is_utc(value: datetime) -> bool:
    zone = value.tzinfo
    return zone is UTC or (type(zone) is TzInfo and value.utcoffset() == _ZERO)


def _write_odd_datetime(value: Any, *, microseconds: bool) -> str:
    if not isinstance(value, datetime):
        raise TypeError("is not a datetime")
    try:
        moment = portable(value, microseconds=microseconds)
    except ValueError as error:
        raise ValueError(str(error).removeprefix("is not a portable datetime: ")) from error
    if noted.changes is not None:
        noted.changes.append(None if microseconds else (value, moment))
    return datetime_text(moment)


_ZERO = timedelta(0)


def write_date(value: Any) -> str:
    """A date as text; a datetime is refused."""
    if not isinstance(value, date) or isinstance(value, datetime):
        raise TypeError("is not a date")
    return date.isoformat(value)


def write_time(value: Any) -> str:
    """A naive time as text with six digits."""
    if not isinstance(value, time):
        raise TypeError("is not a time")
    if value.tzinfo is not None:
        raise ValueError("is a time with a time zone: store a naive time, or a datetime")
    return time_text(value)


def write_timedelta(value: Any) -> int:
    """A timedelta in microseconds."""
    if not isinstance(value, timedelta):
        raise TypeError("is not a timedelta")
    return duration_number(portable(value))


def write_bytes(value: Any) -> str:
    """Bytes as hexadecimal text."""
    if not isinstance(value, bytes):
        raise TypeError("is not bytes")
    return value.hex()


def write_uuid(value: Any) -> str:
    """A UUID as lower-case text, where pydantic's own serializer does not see it."""
    if not isinstance(value, UUID):
        raise TypeError("is not a UUID")
    return str(value)


def write_objectid(value: Any) -> str:
    """An ObjectId as 24 hexadecimal digits."""
    if not isinstance(value, ObjectId):
        raise TypeError("is not an ObjectId")
    return str(value)


def write_any(value: Any) -> Any:
    """A value without a declared type, tagged where JSON lacks its type."""
    plain = portable(value)
    if type(plain) is not type(value) or plain != value:
        note()
    return tagged(plain)


def write_secret(value: Any) -> Any:
    """The secret itself: storage must be able to give it back."""
    if not isinstance(value, (SecretStr, SecretBytes)):
        raise TypeError("is not a secret")
    return value.get_secret_value()


def read_duration(value: int) -> timedelta:
    """A timedelta from microseconds. Raises ValueError beyond Python's range."""
    result = read_timedelta(value)
    if result is value:
        raise ValueError("is not a number of microseconds that a timedelta can hold")
    return result  # type: ignore[no-any-return]


def read_bytes(value: str) -> bytes:
    """Bytes from hexadecimal text. Raises ValueError if it is not."""
    return bytes.fromhex(value)


@dataclass(frozen=True, slots=True)
class Leaf:
    """One portable scalar: its schema from constraints, and its writer.

    pydantic's own serializer writes it where `native`: unless it has constraints, or a tag.
    """

    kind: Kind
    read: Callable[..., CoreSchema]
    write: Writer
    constraints: frozenset[str] = frozenset()
    native: bool = False


def _limits(*more: str) -> frozenset[str]:
    return frozenset({"gt", "ge", "lt", "le", *more})


def _after(function: Callable[[Any], Any], inner: CoreSchema) -> CoreSchema:
    return cs.no_info_after_validator_function(function, inner)


def _text(**limits: Any) -> CoreSchema:
    return cs.str_schema(strict=True, **limits)


def _bytes(**limits: Any) -> CoreSchema:
    return cs.chain_schema([_after(read_bytes, cs.str_schema()), cs.bytes_schema(**limits)])


def _timedelta(**limits: Any) -> CoreSchema:
    microseconds = _after(read_duration, cs.int_schema(strict=True))
    return cs.chain_schema([microseconds, cs.timedelta_schema(**limits)])


_LENGTHS = frozenset({"min_length", "max_length"})

LEAVES: Mapping[type, Leaf] = {
    bool: Leaf("bool", lambda: cs.bool_schema(strict=True), write_bool, native=True),
    int: Leaf(
        "int", lambda **k: cs.int_schema(strict=True, **k), write_int, _limits("multiple_of")
    ),
    float: Leaf(
        "float",
        lambda **k: cs.float_schema(strict=True, allow_inf_nan=False, **k),
        write_float,
        _limits("multiple_of"),
    ),
    Decimal: Leaf(
        "decimal",
        lambda **k: cs.decimal_schema(allow_inf_nan=False, **k),
        write_decimal,
        _limits("multiple_of", "max_digits", "decimal_places"),
    ),
    str: Leaf("str", _text, write_text, _LENGTHS | {"pattern", "regex_engine"}, native=True),
    bytes: Leaf("bytes", _bytes, write_bytes, _LENGTHS),
    datetime: Leaf(
        "datetime",
        lambda **k: cs.datetime_schema(tz_constraint="aware", **k),
        write_datetime,
        _limits(),
    ),
    date: Leaf("date", cs.date_schema, write_date, _limits()),
    time: Leaf("time", cs.time_schema, write_time, _limits()),
    timedelta: Leaf("timedelta", _timedelta, write_timedelta, _limits()),
    UUID: Leaf("uuid", cs.uuid_schema, write_uuid, native=True),
    ObjectId: Leaf("objectid", lambda: _after(ObjectId, cs.str_schema()), write_objectid),
    SecretStr: Leaf("str", lambda **k: _after(SecretStr, _text(**k)), write_secret, _LENGTHS),
    SecretBytes: Leaf(
        "bytes",
        lambda **k: _after(SecretBytes, _bytes(**k)),
        lambda value: write_bytes(write_secret(value)),
        _LENGTHS,
    ),
}

BIGINT = Leaf(
    "bigint",
    lambda **k: cs.chain_schema([_after(int, cs.str_schema(strict=True)), cs.int_schema(**k)]),
    write_bigint,
    _limits("multiple_of"),
)

ANY_SCHEMA: CoreSchema = cs.no_info_after_validator_function(
    untagged,
    cs.any_schema(),
    serialization=cs.plain_serializer_function_ser_schema(write_any, return_schema=cs.any_schema()),
)


def leaf_schema(
    leaf: Leaf, constraints: Mapping[str, Any], *, microseconds: bool = False, tag: bool = False
) -> CoreSchema:
    """The schema of a scalar with those of `constraints` that apply to it.

    `tag` is for places where no single type is declared: what JSON lacks says what it is.
    """
    limits = {name: limit for name, limit in constraints.items() if name in leaf.constraints}
    schema = leaf.read(**limits)
    write = write_datetime_us if microseconds and leaf.kind == "datetime" else leaf.write
    if limits:
        write = _within(write, schema)
    name = KIND_TAGS.get(leaf.kind) if tag else None
    if name is not None:
        write, schema = _tagging(write, name), cs.chain_schema([_untagging(name), schema])
    elif leaf.native and not limits:
        return schema
    schema["serialization"] = cs.plain_serializer_function_ser_schema(  # type: ignore[index]
        write, return_schema=_RETURNED.get(leaf.kind, cs.str_schema()) if name is None else None
    )
    return schema


# What a writer returns, where it is not text: naming it saves pydantic the question.
_RETURNED: Mapping[str, CoreSchema] = {
    "int": cs.int_schema(),
    "float": cs.float_schema(),
    "timedelta": cs.int_schema(),
    "bool": cs.bool_schema(),
}


def _within(write: Writer, schema: CoreSchema) -> Writer:
    """A writer that refuses what the limits of the schema would refuse on reading."""
    validate = SchemaValidator(schema).validate_python

    def write_limited(value: Any) -> Any:
        wire = write(value)
        try:
            validate(wire)
        except ValidationError as error:
            raise ValueError(limit_broken(error)) from error
        return wire

    return write_limited


def limit_broken(error: ValidationError) -> str:
    """The first of pydantic's reasons, without the value."""
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    return f"is not valid ({first['msg']})"


def _tagging(write: Writer, name: str) -> Writer:
    return lambda value: {name: write(value)}


def _untagging(name: str) -> CoreSchema:
    def untag(wire: Any) -> Any:
        return wire[name] if type(wire) is dict and len(wire) == 1 and name in wire else wire

    return cs.no_info_plain_validator_function(untag)
