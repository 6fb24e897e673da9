"""The portable scalars: how docmap's own pydantic-core schema checks, writes and reads each.

A writer gets the Python value while a document is encoded and returns its JSON form. It raises
ValueError or TypeError for what no engine could keep, and notes in `noted` when what it wrote is not
exactly what the instance holds, so that save can bring the instance in line.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from pydantic import SecretBytes, SecretStr
from pydantic_core import CoreSchema
from pydantic_core import core_schema as cs

from docmap.schema.types import Kind
from docmap.schema.wire import (
    BIGINT_DIGITS,
    datetime_text,
    duration_number,
    read_timedelta,
    tagged,
    time_text,
    untagged,
)
from docmap.values import INT_MAX, INT_MIN, ObjectId, decimal_fault, normal, utc


class _Noted(threading.local):
    """Whether a writer changed a value since `changed` was last set to False, in this thread."""

    changed = False


noted = _Noted()


def write_int(value: Any) -> int:
    """An int of 64 bits."""
    if type(value) is not int:
        if not isinstance(value, int) or isinstance(value, bool):
            raise TypeError("is not an int")
        value = int(value)
        noted.changed = True
    if INT_MIN <= value <= INT_MAX:
        return value  # type: ignore[no-any-return]
    raise ValueError("is beyond 64 bits: declare the field as BigInt, or store text")


def write_bigint(value: Any) -> str:
    """An int of any size as text."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError("is not an int")
    if abs(value) >= _BIGINT_LIMIT:
        raise ValueError(f"has more than {BIGINT_DIGITS} digits")
    return str(int(value))


_BIGINT_LIMIT = 10**BIGINT_DIGITS


def write_float(value: Any) -> float:
    """A finite float; an int that a float holds exactly becomes one, `-0.0` becomes `0.0`."""
    if type(value) is not float:
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise TypeError("is not a float")
        exact = value
        value = float(value)
        if value != exact:
            raise ValueError("is an int that no float holds exactly")
        noted.changed = True
    if value - value != 0.0:
        raise ValueError("is not finite: store None, or declare a text field")
    if value == 0.0 and str(value) == "-0.0":
        noted.changed = True
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
    if not isinstance(value, Decimal):
        raise TypeError("is not a Decimal")
    fault = decimal_fault(value)
    if fault:
        raise ValueError(f"{fault}: round it, or store text")
    if not value and value.is_signed():
        noted.changed = True
        return str(value.copy_abs())
    return str(value)


def write_datetime(value: Any) -> str:
    """An aware datetime as text in UTC, cut to milliseconds."""
    if not isinstance(value, datetime):
        raise TypeError("is not a datetime")
    if value.microsecond % 1000 or value.utcoffset() != _ZERO:
        value = utc(value)
        noted.changed = True
    return datetime_text(value)


def write_datetime_us(value: Any) -> str:
    """An aware datetime as text in UTC, microseconds kept."""
    if not isinstance(value, datetime):
        raise TypeError("is not a datetime")
    if value.utcoffset() != _ZERO:
        value = utc(value, microseconds=True)
        noted.changed = True
    return datetime_text(value)


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
    return write_int(duration_number(value))


def write_bytes(value: Any) -> str:
    """Bytes as hexadecimal text."""
    if not isinstance(value, bytes):
        raise TypeError("is not bytes")
    return value.hex()


def write_objectid(value: Any) -> str:
    """An ObjectId as 24 hexadecimal digits."""
    if not isinstance(value, ObjectId):
        raise TypeError("is not an ObjectId")
    return str(value)


def write_any(value: Any) -> Any:
    """A value without a declared type, tagged where JSON lacks its type."""
    plain = normal(value)
    if plain != value:
        noted.changed = True
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
    """One portable scalar: its schema from constraints, its writer (None: pydantic's own)."""

    kind: Kind
    read: Callable[..., CoreSchema]
    write: Callable[[Any], Any] | None
    constraints: frozenset[str]


def _limits(*more: str) -> frozenset[str]:
    return frozenset({"gt", "ge", "lt", "le", *more})


def _after(function: Callable[[Any], Any], inner: CoreSchema) -> CoreSchema:
    return cs.no_info_after_validator_function(function, inner)


_LENGTHS = frozenset({"min_length", "max_length"})

LEAVES: Mapping[type, Leaf] = {
    bool: Leaf("bool", lambda: cs.bool_schema(strict=True), None, frozenset()),
    int: Leaf("int", lambda **k: cs.int_schema(strict=True, **k), write_int, _limits("multiple_of")),
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
    str: Leaf(
        "str",
        lambda **k: cs.str_schema(strict=True, **k),
        None,
        _LENGTHS | {"pattern", "regex_engine"},
    ),
    bytes: Leaf(
        "bytes",
        lambda **k: cs.chain_schema([_after(read_bytes, cs.str_schema()), cs.bytes_schema(**k)]),
        write_bytes,
        _LENGTHS,
    ),
    datetime: Leaf(
        "datetime",
        lambda **k: cs.datetime_schema(tz_constraint="aware", **k),
        write_datetime,
        _limits(),
    ),
    date: Leaf("date", cs.date_schema, write_date, _limits()),
    time: Leaf("time", cs.time_schema, write_time, _limits()),
    timedelta: Leaf(
        "timedelta",
        lambda **k: cs.chain_schema(
            [_after(read_duration, cs.int_schema(strict=True)), cs.timedelta_schema(**k)]
        ),
        write_timedelta,
        _limits(),
    ),
    UUID: Leaf("uuid", lambda: cs.uuid_schema(), None, frozenset()),
    ObjectId: Leaf("objectid", lambda: _after(ObjectId, cs.str_schema()), write_objectid, frozenset()),
    SecretStr: Leaf(
        "str",
        lambda **k: _after(SecretStr, cs.str_schema(**k)),
        write_secret,
        _LENGTHS,
    ),
    SecretBytes: Leaf(
        "bytes",
        lambda **k: _after(
            SecretBytes,
            cs.chain_schema([_after(read_bytes, cs.str_schema()), cs.bytes_schema(**k)]),
        ),
        lambda value: write_secret(value).hex(),
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
    serialization=cs.plain_serializer_function_ser_schema(
        write_any, return_schema=cs.any_schema()
    ),
)


def leaf_schema(leaf: Leaf, constraints: Mapping[str, Any], *, microseconds: bool) -> CoreSchema:
    """The schema of a scalar with those of `constraints` that apply to it."""
    schema = leaf.read(**{k: v for k, v in constraints.items() if k in leaf.constraints})
    writer = write_datetime_us if microseconds and leaf.kind == "datetime" else leaf.write
    if writer is not None:
        schema["serialization"] = cs.plain_serializer_function_ser_schema(writer)  # type: ignore[index]
    return schema
