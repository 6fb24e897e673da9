"""Operands: bringing what a user compares with to the declared type of the field.

So an engine only ever compares like with like: `i < 1.5` on an int field becomes `i <= 1`, ISO text
becomes a datetime, an operand that the field can never equal makes the condition false.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal
from enum import Enum
from functools import lru_cache
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, PydanticUserError, TypeAdapter, ValidationError
from pydantic_core import PydanticSerializationError, SchemaSerializer, from_json

from docmap.errors import InvalidValue
from docmap.schema.converters import custom
from docmap.schema.diagnose import find_flaw, find_torn_key
from docmap.schema.leaves import LEAVES
from docmap.schema.readers import Readers
from docmap.schema.references import Ref, key_of
from docmap.schema.registry import is_document_class
from docmap.schema.types import ORDERED, UNTYPED, FieldType
from docmap.values import DECIMAL_DIGITS, INT_MAX, INT_MIN, decimal_fault, normal, order_key, utc


class Never:
    """What an operand becomes that no stored value of the field's type can equal."""


NEVER: Final = Never()


class Misfit(ValueError):
    """The operand does not fit; the text says why, without naming the field."""


def coerce(kind: FieldType, value: Any) -> Any:
    """The logical value of an operand for equality; NEVER if no stored value can equal it.

    Raises Misfit if it is of another type.
    """
    if value is None:
        return None
    if kind.target is not None:
        return _reference(kind, value)
    if _by_own_rule(kind, value):
        return _by_schema(kind, value)
    if isinstance(value, Enum) and not isinstance(value, (str, int)):
        value = value.value if kind.kind != "any" else value
    if kind.kind in _NUMBERS:
        number = _number(kind, value)
        return _cast(kind, number) if _holds(kind, number) else NEVER
    simple = _SIMPLE.get(kind.kind)
    if simple is not None:
        return simple(kind, value)
    return _by_schema(kind, value)


def _reference(kind: FieldType, value: Any) -> Any:
    """The key of a document, or of a reference, of the class referred to; else a key of it."""
    target: Any = kind.target and kind.target()
    if isinstance(value, Ref) or is_document_class(type(value)):
        try:
            return key_of(kind.annotation, value)
        except ValueError as error:
            raise Misfit(str(error)) from error
    try:
        return coerce(target.__docmap_schema__.key_field.type, value)
    except Misfit as error:
        raise Misfit(f"is {kind.label}, whose key {error}") from error


def _by_own_rule(kind: FieldType, value: Any) -> bool:
    """True if the declared type is not the plain one of its kind, and knows what fits it.

    An enum and a Literal take their members, a type that pydantic knows what it reads; a type with
    a user's converter takes its instances, and what they are stored as is compared as it is.
    """
    declared = kind.annotation
    if kind.kind in UNTYPED or declared is Any:
        return False
    if isinstance(declared, type) and declared in LEAVES:
        return False
    if isinstance(declared, type) and custom(declared) is not None:
        return isinstance(value, declared)
    return kind.kind in _SCALARS


@dataclass(frozen=True, slots=True)
class Bound:
    """One end of a range: the lookup to use and the value, or a truth for all or no values."""

    lookup: str
    value: Any


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
    if kind.kind not in _NUMBERS:
        plain = isinstance(kind.annotation, type) and issubclass(kind.annotation, Enum)
        coerced = _any(kind, value) if plain and kind.kind == "str" else coerce(kind, value)
        if kind.kind in {"any", "union"} and isinstance(coerced, (bool, bytes, list, dict)):
            raise Misfit(f"cannot order by {type(value).__name__}: only numbers, text and times")
        return Bound(lookup, coerced)
    number = _number(kind, value)
    if isinstance(number, float) and math.isinf(number):
        number = Decimal(number)
    return _range(kind, lookup, number)


def _range(kind: FieldType, lookup: str, number: Any) -> Bound | bool:
    above = lookup in {"gt", "gte"}
    if isinstance(number, Decimal) and number.is_infinite():
        if (number > 0) == above:
            return False
        edge = _largest(kind) if number > 0 else _smallest(kind)
        return Bound("gte" if above else "lte", edge)
    if _holds(kind, number):
        return Bound(lookup, _cast(kind, number))
    # No value of the type equals the operand: the range starts at the next one inwards.
    near = _next_above(kind, number) if above else _next_below(kind, number)
    return False if near is None else Bound("gte" if above else "lte", near)


def _number(kind: FieldType, value: Any) -> int | float | Decimal:
    if isinstance(value, bool):
        raise Misfit(f"is {kind.label}, not true or false: a bool never equals a number")
    if isinstance(value, Enum):
        value = value.value
    if isinstance(value, str):
        try:
            value = Decimal(value.strip())
        except ArithmeticError:
            raise Misfit(f"is {kind.label}: the text given is not a number") from None
    if not isinstance(value, (int, float, Decimal)):
        raise Misfit(f"is {kind.label}, not {type(value).__name__}")
    if value != value:  # noqa: PLR0124 - NaN
        raise Misfit("cannot be compared with NaN: ask for is_null, or for a range")
    return value


def _holds(kind: FieldType, number: Any) -> bool:
    """True if some value of the type equals `number` exactly."""
    if isinstance(number, (float, Decimal)) and not Decimal(number).is_finite():
        return False
    if kind.kind == "float":
        try:
            return bool(float(number) == number)
        except OverflowError:
            return False
    if kind.kind == "decimal":
        exact = Decimal(number)
        return decimal_fault(exact) is None or decimal_fault(exact.normalize(_WIDE)) is None
    whole = int(number) == number
    return whole and (kind.kind == "bigint" or INT_MIN <= number <= INT_MAX)


_WIDE = Context(prec=DECIMAL_DIGITS * 40, Emin=-999_999, Emax=999_999)


def _cast(kind: FieldType, number: Any) -> Any:
    if kind.kind == "float":
        return float(number) + 0.0
    if kind.kind == "decimal":
        return Decimal(number) or Decimal(number).copy_abs()
    return int(number)


def _next_above(kind: FieldType, number: Any) -> Any:
    if kind.kind == "float":
        near = _float(number)
        return near if near > number else math.nextafter(near, math.inf)
    if kind.kind == "decimal":
        return _rounded(number, ROUND_CEILING)
    near = math.ceil(number)
    return near if kind.kind == "bigint" else None if near > INT_MAX else max(near, INT_MIN)


def _next_below(kind: FieldType, number: Any) -> Any:
    if kind.kind == "float":
        near = _float(number)
        return near if near < number else math.nextafter(near, -math.inf)
    if kind.kind == "decimal":
        return _rounded(number, ROUND_FLOOR)
    near = math.floor(number)
    return near if kind.kind == "bigint" else None if near < INT_MIN else min(near, INT_MAX)


def _float(number: Any) -> float:
    try:
        return float(number)
    except OverflowError:
        return math.inf if number > 0 else -math.inf


def _rounded(number: Any, rounding: str) -> Decimal:
    return Context(prec=DECIMAL_DIGITS, rounding=rounding, Emin=-999_999, Emax=999_999).plus(
        Decimal(number)
    )


def _largest(kind: FieldType) -> Any:
    return {"int": INT_MAX, "float": math.inf}.get(kind.kind, Decimal("9" * 34).scaleb(6110))


def _smallest(kind: FieldType) -> Any:
    return {"int": INT_MIN, "float": -math.inf}.get(kind.kind, Decimal("-" + "9" * 34).scaleb(6110))


_NUMBERS = frozenset({"int", "bigint", "float", "decimal"})
_SCALARS = ORDERED | {"bool", "bytes"}


def _any(kind: FieldType, value: Any) -> Any:
    if isinstance(value, BaseModel):
        raise Misfit("has no declared type: compare it with a dict, not with a model")
    try:
        return normal(value)
    except InvalidValue as error:
        raise Misfit(f"cannot be compared: {error}") from error


def _bool(kind: FieldType, value: Any) -> Any:
    if isinstance(value, bool):
        return value
    raise Misfit(f"is true or false, not {type(value).__name__}")


def _text(kind: FieldType, value: Any) -> Any:
    if not isinstance(value, str):
        return _by_schema(kind, value)
    if isinstance(value, Enum):
        value = value.value
    return _any(kind, str(value))


def _datetime(kind: FieldType, value: Any) -> Any:
    if isinstance(value, date) and not isinstance(value, datetime):
        raise Misfit("is a datetime; a date has no time of day: give an aware datetime")
    if type(value) is datetime and value.tzinfo is UTC and kind.annotation is datetime:
        return utc(value, microseconds=kind.microseconds)  # as validation would have it
    moment = _by_schema(kind, value)
    return utc(moment, microseconds=kind.microseconds) if isinstance(moment, datetime) else moment


_SIMPLE: dict[str, Callable[[FieldType, Any], Any]] = {
    "any": _any,
    "union": _any,
    "bool": _bool,
    "str": _text,
    "datetime": _datetime,
}


def _by_schema(kind: FieldType, value: Any) -> Any:
    """Lax validation by the field's own type, then its portable form."""
    adapter, serializer, read = _tools(kind)
    try:
        valid = adapter.validate_python(value)
        data = serializer.to_json(valid, by_alias=True, warnings="error")
    except (ValidationError, PydanticSerializationError) as error:
        raise Misfit(
            f"is {kind.label}: {type(value).__name__} does not fit{_why(error)}"
        ) from error
    wire = from_json(data)
    flaw = find_torn_key(valid, kind, data)
    if flaw is None and b"\\u0000" in data:
        flaw = find_flaw(wire)
    if flaw is not None:
        raise Misfit(f"is {kind.label}: the value {flaw[1]}")
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
    """The operands of `in`, without repeats, None first."""
    return tuple({order_key(value): value for value in values}.values())
