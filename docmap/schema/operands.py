"""Operands: bringing what a user compares with to the declared type of the field.

So an engine only ever compares like with like: ISO text becomes a datetime, an operand that the
field can never equal makes the condition false. For numbers see `docmap.schema.ranges`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import is_dataclass
from datetime import UTC, date, datetime
from enum import Enum
from functools import lru_cache
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, PydanticUserError, TypeAdapter, ValidationError
from pydantic_core import PydanticSerializationError, SchemaSerializer, from_json

from docmap.schema.converters import custom
from docmap.schema.leaves import LEAVES
from docmap.schema.ranges import NUMBERS, Bound, Misfit, bound_of, exact, number
from docmap.schema.readers import Readers
from docmap.schema.types import ORDERED, UNTYPED, FieldType
from docmap.values import Unportable, order_key, portable, utc


class Never:
    """What an operand becomes that no stored value of the field's type can equal."""


NEVER: Final = Never()


def coerce(kind: FieldType, value: Any) -> Any:
    """The logical value of an operand for equality; NEVER if no stored value can equal it.

    Raises Misfit if it is of another type.
    """
    if value is None:
        return None
    if _by_own_rule(kind, value):
        return _by_schema(kind, value)
    if isinstance(value, Enum):
        value = value.value
    if kind.kind in NUMBERS:
        found = exact(kind, number(kind, value))
        return NEVER if found is None else found
    simple = _SIMPLE.get(kind.kind)
    if simple is not None:
        return simple(kind, value)
    return _by_schema(kind, value)


def _by_own_rule(kind: FieldType, value: Any) -> bool:
    """True if the declared type is not the plain one of its kind, and knows what fits it.

    An enum and a Literal take their members, a type that pydantic knows what it reads; a type with
    a user's converter takes its instances, and what they are stored as is compared as it is.
    """
    declared = kind.annotation
    if kind.kind in UNTYPED or declared in LEAVES or declared is Any:
        return False
    if isinstance(declared, type) and custom(declared) is not None:
        return isinstance(value, declared)
    return kind.kind in _SCALARS


def bound(kind: FieldType, lookup: str, value: Any) -> Bound | bool:
    """The range condition `lookup value` in values of the field's own type.

    False if nothing can satisfy it. Raises Misfit if the operand is of another type or unordered.
    """
    if value is None:
        raise Misfit("takes a value, not None: an ordering lookup never compares with None")
    if isinstance(value, Enum):
        value = value.value
    elif (
        isinstance(kind.annotation, type)
        and kind.annotation is not Any
        and isinstance(value, kind.annotation)
        and custom(kind.annotation)
    ):
        value = _by_schema(kind, value)
    if kind.kind not in NUMBERS:
        plain = isinstance(kind.annotation, type) and issubclass(kind.annotation, Enum)
        coerced = _any(kind, value) if plain and kind.kind == "str" else coerce(kind, value)
        if kind.kind in {"any", "union"} and isinstance(coerced, (bool, bytes, list, dict)):
            raise Misfit(f"cannot order by {type(value).__name__}: only numbers, text and times")
        return False if coerced is NEVER else Bound(lookup, coerced)
    return bound_of(kind, lookup, number(kind, value))


_SCALARS = ORDERED | {"bool", "bytes"}


def _any(kind: FieldType, value: Any) -> Any:
    if isinstance(value, BaseModel):
        raise Misfit("has no declared type: compare it with a dict, not with a model")
    return _portable(value)


def _portable(value: Any, *, microseconds: bool = False) -> Any:
    try:
        return portable(value, microseconds=microseconds)
    except Unportable as fault:
        place = f"its part {fault.path}" if fault.path else "the value given"
        raise Misfit(f"cannot be compared: {place} {fault.reason}") from fault


def _union(kind: FieldType, value: Any) -> Any:
    """The operand as it is, where a member of the union could be equal to it."""
    if isinstance(value, BaseModel) or is_dataclass(value):
        return _by_schema(kind, value)
    members = [option.options[0] if len(option.options) == 1 else option for option in kind.options]
    plain = _portable(value, microseconds=any(member.microseconds for member in members))
    if type(plain) is not str or any(member.kind in {"str", "any"} for member in members):
        return plain
    try:
        return _by_schema(kind, value)  # no member is text: it may be a date in text form
    except Misfit:
        return NEVER


def _bool(kind: FieldType, value: Any) -> Any:
    if isinstance(value, bool):
        return value
    raise Misfit(f"is true or false, not {type(value).__name__}")


def _text(kind: FieldType, value: Any) -> Any:
    if not isinstance(value, str):
        return _by_schema(kind, value)
    return _any(kind, value)


def _datetime(kind: FieldType, value: Any) -> Any:
    if isinstance(value, date) and not isinstance(value, datetime):
        raise Misfit("is a datetime; a date has no time of day: give an aware datetime")
    if type(value) is datetime and value.tzinfo is UTC and kind.annotation is datetime:
        return utc(value, microseconds=kind.microseconds)  # as validation would have it
    moment = _by_schema(kind, value)
    return utc(moment, microseconds=kind.microseconds) if isinstance(moment, datetime) else moment


_SIMPLE: dict[str, Callable[[FieldType, Any], Any]] = {
    "any": _any,
    "union": _union,
    "bool": _bool,
    "str": _text,
    "datetime": _datetime,
}


def _by_schema(kind: FieldType, value: Any) -> Any:
    """Lax validation by the field's own type, then its portable form."""
    adapter, serializer, read = _tools(kind)
    try:
        valid = adapter.validate_python(value, by_alias=True, by_name=True)
        wire = from_json(serializer.to_json(valid, by_alias=True, warnings="error"))
    except (ValidationError, PydanticSerializationError) as error:
        raise Misfit(
            f"is {kind.label}: {type(value).__name__} does not fit{_why(error)}"
        ) from error
    return read(wire) if read else wire


def _why(error: Exception) -> str:
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        return f" ({first['msg']})"
    return " (" + str(error).rpartition(": ")[2] + ")"


@lru_cache(maxsize=512)
def _tools(kind: FieldType) -> tuple[TypeAdapter[Any], SchemaSerializer, Any]:
    try:
        adapter = TypeAdapter(kind.annotation)
    except PydanticUserError:
        adapter = TypeAdapter(kind.annotation, config=ConfigDict(arbitrary_types_allowed=True))
    return adapter, SchemaSerializer(kind.schema, _use_prebuilt=False), Readers().reader(kind)


def unique_in_order(values: Iterable[Any]) -> tuple[Any, ...]:
    """The operands of `in` without repeats, in canonical order: None first."""
    unique = {order_key(value): value for value in values}
    return tuple(unique[key] for key in sorted(unique))
