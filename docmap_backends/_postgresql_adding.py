"""Adding to stored numbers in PostgreSQL's SQL: the sum as docmap would store it, and when it is.

Of floats the sum is the server's float8, which is Python's float, written with as many digits as it
takes; of Decimals the numeric, which keeps zeros behind the point as Decimals do. Numbers in other
forms than docmap writes are left to docmap, and so are all that are near the limits of a type.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import Any, Final, NamedTuple

from docmap.schema.types import FieldType
from docmap.values import INT_MAX, INT_MIN
from docmap_backends._postgresql_places import SAFE_DIGITS
from docmap_backends._postgresql_sql import literal
from docmap_backends._sql import SQL


class Sum(NamedTuple):
    """A stored number with another added to it."""

    json: SQL
    """The sum as JSON."""
    holds: SQL
    """The condition under which it is exact, and one that the field may hold. Never unknown."""


class _Number(NamedTuple):
    """How numbers of a kind are added."""

    cast: str
    json: Callable[[str], str]
    """The JSON of the sum."""
    form: Callable[[str, str], str]
    """A condition for stored JSON, with its text, that can be added to."""


_LARGE_FLOAT: Final = 1e300
_LENGTH: Final = 28  # characters: far fewer than the 34 digits that a Decimal has at most
_PLAIN_INT: Final = 2**53  # up to it floats hold each int
_PLACES: Final = 6  # behind the point, up to which Python writes a Decimal without an exponent
_PLAIN: Final = literal(rf"^-?[0-9]+\.?[0-9]{{0,{_PLACES}}}$")


def _is_int(json: str, text: str) -> str:
    whole = f"scale({text}::numeric)=0"
    return f"CASE WHEN jsonb_typeof({json})='number' THEN {whole} ELSE FALSE END"


def _is_float(json: str, text: str) -> str:
    # One without a point is an int, which another program wrote.
    of_floats = f"scale({text}::numeric)>0 AND abs({text}::numeric)<{_LARGE_FLOAT:g}"
    return (
        f"CASE WHEN jsonb_typeof({json})='number' THEN octet_length({text})<{SAFE_DIGITS} "
        f"AND {of_floats} ELSE FALSE END"
    )


def _is_decimal(json: str, text: str) -> str:
    return (
        f"jsonb_typeof({json})='string' AND octet_length({text})<={_LENGTH} "
        f'AND ({text} COLLATE "C")~{_PLAIN}'
    )


_NUMBERS: Final[Mapping[str, _Number]] = {
    "int": _Number("numeric", lambda total: f"to_jsonb({total})", _is_int),
    # A whole float is written with a point, and zero without a sign.
    "float": _Number("float8", lambda total: f"to_jsonb({total}::text::numeric+0.0)", _is_float),
    "decimal": _Number("numeric", lambda total: f"to_jsonb({total}::text)", _is_decimal),
}
_LIMITS: Final = {"ge": ">=", "gt": ">", "le": "<=", "lt": "<"}
_KNOWN: Final = frozenset({"type", "strict", "serialization", "allow_inf_nan", *_LIMITS})


def added(kind: FieldType, amount: Any, json: str, text: str) -> Sum:
    """A number added to what is stored at a place; nothing and null are 0 there.

    Raises ValueError, which says why, where SQL cannot state it.
    """
    core = kind.core or {"type": "any"}
    core = core["schema"] if core["type"] == "nullable" else core
    number = _NUMBERS.get(kind.kind)
    if number is None or core["type"] != kind.kind:
        raise ValueError(f"{kind.label} has numbers that SQL adds otherwise")
    if core.keys() - _KNOWN:
        raise ValueError("its limits have no exact form in SQL")
    _check_amount(kind.kind, amount)
    total = f"(CASE WHEN {text} IS NULL THEN 0 ELSE {text}::{number.cast} END+%s::{number.cast})"
    value = repr(amount) if isinstance(amount, float) else str(amount)
    limits = list(_limits(kind.kind, core, total))
    form = f"({text} IS NULL OR ({number.form(json, text)}))"
    within = f"CASE WHEN {form} THEN {' AND '.join(limits)} ELSE FALSE END" if limits else form
    count = sum(limit.count("%s") for limit in limits)
    return Sum(
        SQL(number.json(total), (value,)),
        SQL(f"({within})", (value,) * count),
    )


def _check_amount(kind: str, amount: Any) -> None:
    if kind == "float" and not abs(amount) < _LARGE_FLOAT:
        raise ValueError("the number is very large")
    if kind == "decimal":
        _, digits, exponent = Decimal(amount).as_tuple()
        if not isinstance(exponent, int) or not -_PLACES <= exponent <= 0 or len(digits) > _LENGTH:
            raise ValueError("the number is very large, or has many digits")


def _limits(kind: str, core: Mapping[str, Any], total: str) -> Iterator[str]:
    """Conditions on the sum."""
    if kind == "int":
        yield f"{total} BETWEEN {INT_MIN} AND {INT_MAX}"
    if kind == "float":
        yield f"{total}::text::float8={total}"  # a server may be set to write fewer digits
    for name, sign in _LIMITS.items():
        limit = core.get(name)
        if limit is None:
            continue
        if kind == "float" and (isinstance(limit, float) or abs(limit) < _PLAIN_INT):
            yield f"{total}{sign}'{float(limit)!r}'::float8"
        elif kind != "float" and isinstance(limit, (int, Decimal)):
            yield f"{total}{sign}'{limit}'::numeric"
        else:
            raise ValueError("its limits have no exact form in SQL")
