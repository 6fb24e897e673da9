"""Operands of updates: a value as the field stores it, checked as it would be in a document."""

from __future__ import annotations

import dataclasses
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any, Final
from uuid import UUID

from pydantic import BaseModel, ConfigDict, PydanticUserError, TypeAdapter, ValidationError
from pydantic_core import PydanticSerializationError, from_json

from docmap.query.changes import Value
from docmap.schema.checked import serializer
from docmap.schema.diagnose import WHOLE, dotted, find_fault, find_flaw, first_error
from docmap.schema.operands import NEVER, Misfit, coerce
from docmap.schema.readers import to_wire
from docmap.schema.rewrite import check_value, reader
from docmap.schema.types import LISTS, ORDERED, Field, FieldType
from docmap.values import ObjectId


class Misuse(Misfit):
    """The operator has no meaning on the field."""


def stored_value(kind: FieldType, value: Any, depth: int = 1, *, limits: bool = True) -> Value:
    """A value for a place of a type, `depth` levels down; `limits` asks for its constraints too.

    Raises Misfit for one of another type, or that no engine could keep.
    """
    if value is None:
        if not kind.nullable:
            raise Misfit("takes no None")
        return Value(None, None)
    if kind.kind in _CONTAINERS or (kind.kind == "any" and kind.annotation is not Any):
        found = _by_schema(kind, value)
    else:
        logical = coerce(kind, value)
        if logical is NEVER:
            raise Misfit(f"is {kind.label}, and cannot hold the {type(value).__name__} given")
        found = Value(logical, to_wire(kind, logical))
    # The place itself lies as deep as its path is long.
    flaw = find_flaw(found.logical, ("",) * depth)
    if flaw is not None:
        raise Misfit(flaw[1])
    if limits:
        try:
            check_value(kind, found.stored)
        except ValidationError as error:
            field, reason = first_error(error, kind)
            raise Misfit(reason if field == WHOLE else f"{reason} at {field}") from error
    return found


_CONTAINERS: Final = LISTS | {"dict", "model", "union"}


def _by_schema(kind: FieldType, value: Any) -> Value:
    """A value by lax validation of the declared type, and the JSON form of what that gives."""
    try:
        valid = _adapter(kind).validate_python(value, by_alias=True, by_name=True)
    except ValidationError as error:
        field, reason = first_error(error)
        place = "" if field == WHOLE else f" at {field}"
        raise Misfit(
            f"is {kind.label}: the {type(value).__name__} given {reason}{place}"
        ) from error
    fault = find_fault(valid, kind)
    if fault is not None:
        path, reason = fault
        raise Misfit(f"{reason} at {dotted(path)}" if path else reason)
    try:
        wire = from_json(serializer(kind).to_json(valid, by_alias=True, warnings="error"))
    except (PydanticSerializationError, RecursionError) as error:
        raise Misfit(f"is {kind.label}, and the value given cannot be stored") from error
    read = reader(kind)
    return Value(read(wire) if read is not None else wire, wire)


@lru_cache(maxsize=512)
def _adapter(kind: FieldType) -> TypeAdapter[Any]:
    try:
        return TypeAdapter(kind.annotation)
    except PydanticUserError:
        return TypeAdapter(kind.annotation, config=ConfigDict(arbitrary_types_allowed=True))


def number_value(kind: FieldType, value: Any, operator: str) -> Value:
    """The operand of inc and mul. Raises Misfit if the place or the value is no number."""
    if kind.kind not in _NUMBERS:
        raise Misuse(f"is {kind.label}: {operator} works on numbers")
    if isinstance(value, bool) or not isinstance(value, (int, float, Decimal)):
        raise Misfit(f"takes a number with {operator}, not {type(value).__name__}")
    return _scalar(kind, value)


_NUMBERS: Final = frozenset({"int", "bigint", "float", "decimal", "any", "union"})


def ordered_value(kind: FieldType, value: Any, operator: str) -> Value:
    """The operand of min and max. Raises Misfit if the place or the value has no order."""
    if kind.kind not in ORDERED:
        raise Misuse(f"is {kind.label}, which has no order: {operator} cannot compare it")
    if value is None:
        raise Misfit(f"takes a value with {operator}, not None")
    found = _scalar(kind, value)
    if type(found.logical) not in _HAVE_ORDER:
        raise Misfit(f"cannot be compared by {operator} with {type(value).__name__}")
    return found


_HAVE_ORDER: Final = frozenset(
    {int, float, Decimal, str, datetime, date, time, timedelta, UUID, ObjectId}
)


def _scalar(kind: FieldType, value: Any) -> Value:
    logical = coerce(kind, value)
    if logical is NEVER:
        raise Misfit(f"is {kind.label}, and cannot hold the {type(value).__name__} given")
    return Value(logical, to_wire(kind, logical))


def default_value(holder: FieldType, field: Field, depth: int) -> Value | None:
    """The default of a field as it is stored; None where a record does without the field.

    Raises Misuse for a default that is made from the rest of the document.
    """
    declared = holder.annotation
    if isinstance(declared, type) and issubclass(declared, BaseModel):
        info = declared.model_fields[field.name]
        if info.default_factory_takes_validated_data:
            raise Misuse("has a default that is made from other fields: set it instead")
        return stored_value(field.type, info.get_default(call_default_factory=True), depth)
    if isinstance(declared, type) and dataclasses.is_dataclass(declared):
        entry = next(one for one in dataclasses.fields(declared) if one.name == field.name)
        if entry.default_factory is not dataclasses.MISSING:
            return stored_value(field.type, entry.default_factory(), depth)
        return stored_value(field.type, entry.default, depth)
    return None
