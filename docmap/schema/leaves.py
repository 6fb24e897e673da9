"""The portable scalars: how docmap's own pydantic-core schema checks, writes and reads each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from pydantic import SecretBytes, SecretStr, ValidationError
from pydantic_core import CoreSchema, SchemaValidator
from pydantic_core import core_schema as cs

from docmap.schema.types import Kind
from docmap.schema.wire import KIND_TAGS, read_timedelta, untagged
from docmap.schema.writers import (
    Writer,
    write_any,
    write_bigint,
    write_bool,
    write_bytes,
    write_date,
    write_datetime,
    write_datetime_us,
    write_decimal,
    write_float,
    write_int,
    write_objectid,
    write_secret,
    write_text,
    write_time,
    write_timedelta,
    write_uuid,
)
from docmap.values import ObjectId


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

LEAVES: dict[type, Leaf] = {
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
