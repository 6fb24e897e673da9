"""Comparing numbers exactly: PostgreSQL keeps decimals, docmap reads ints and floats.

A number of JSONB with a point is the float that is nearest to it, one without is an int. So a
number is compared as a numeric where it is whole, and as a float8 where it is not: the one says
that 2.0**60 is not 2**60, the other that 2**53 is 2**53 + 1.
"""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Final

from docmap_backends._postgresql_places import SAFE_DIGITS, Place, fits_form
from docmap_backends._postgresql_sql import FALSE, likely
from docmap_backends._sql import SQL

Number = int | float | Decimal
_PLAIN: Final = 2**53  # up to it floats hold each int, and their decimals compare as they do
_TEXT: Final = frozenset({"decimal", "bigint"})


def compare_number(place: Place, sign: str, value: Number) -> SQL:
    """The comparison of a declared number, exact whatever is stored; an index serves it."""
    kind = place.kind.kind
    if isinstance(value, float) and math.isinf(value):
        holds = (value > 0) == (sign[0] == "<") and sign != "="
        return SQL(f"({place.type}='number')") if holds else FALSE
    if kind in _TEXT:
        return _of_text(place, sign, value)
    if kind == "timedelta":
        return SQL(f"{place.sortable}{sign}%s::numeric", (str(value),))
    small = -_PLAIN < value < _PLAIN
    if place.indexed and kind == "int" and small:
        return SQL(f"{place.sortable}{sign}%s::numeric", (str(value),))
    if place.indexed and kind == "float" and small:
        return SQL(f"{place.sortable}{sign}%s::float8", (repr(float(value)),))
    return _of_json(place, sign, value)


def _of_json(place: Place, sign: str, value: Number) -> SQL:
    """The comparison of a number: a range in JSONB's own order first, which takes any type."""
    if isinstance(value, int) and abs(value) <= _PLAIN:
        if sign == "=":
            return SQL(f"{place.json}=%s::jsonb", (str(value),))
        return SQL(
            f"({place.json}{sign}%s::jsonb AND {likely(f'{place.type}={_NUMBER}')})", (str(value),)
        )
    near, exact = _near(place.json, "jsonb", sign, value), careful(place, sign, value)
    held = f"CASE {place.type} WHEN {_NUMBER} THEN {exact.text} ELSE FALSE END"
    parts = [near.text, likely(held)]
    parameters = (*near.parameters, *exact.parameters)
    if place.indexed:
        cast = "float8" if place.kind.kind == "float" else "numeric"
        entry = _near(place.sortable, cast, sign, value)
        parts, parameters = [entry.text, *parts], (*entry.parameters, *parameters)
    return SQL(f"({' AND '.join(parts)})", parameters)


_NUMBER: Final = "'number'"


def _of_text(place: Place, sign: str, value: Number) -> SQL:
    """The comparison of a number that is stored as text; others may store it as a number."""
    kind, text = place.kind.kind, place.text
    number = careful(place, sign, value)
    if not place.indexed:
        held = (
            f"(CASE {place.type} WHEN 'string' THEN CASE WHEN {fits_form(kind, text)} "
            f"THEN {text}::numeric{sign}%s::numeric ELSE FALSE END "
            f"WHEN 'number' THEN {number.text} ELSE FALSE END)"
        )
        return SQL(held, (written(value), *number.parameters))
    entry = place.sortable
    same = f"{entry}{sign}%s::numeric"
    held = f"CASE {place.type} WHEN 'number' THEN {number.text} ELSE {same} END"
    if sign == "=":
        # A float that equals it exactly is written alike, but for those of more digits.
        equal, exact = neighbours(value)[1], written(value)
        alike = tuple(dict.fromkeys((exact, exact if equal is None else repr(equal))))
        near = SQL(f"{entry} IN ({','.join(['%s::numeric'] * len(alike))})", alike)
    else:
        near = _near(entry, "numeric", sign, value)
    return SQL(
        f"({near.text} AND {likely(held)})",
        (*near.parameters, *number.parameters, written(value)),
    )


def careful(place: Place, sign: str, value: Number) -> SQL:
    """The comparison of a JSON number with a number, by the exact value of each."""
    number, text = place.number, place.text
    below, same, above = neighbours(value)
    limit: float | None
    match sign:
        case "=":
            against, limit = "=", same
        case ">":
            against, limit = ">=", above
        case ">=":
            against, limit = ">=", above if same is None else same
        case "<":
            against, limit = "<=", below
        case _:
            against, limit = "<=", below if same is None else same
    whole = written(value)
    if limit is None or math.isinf(limit):
        return SQL(
            f"(CASE WHEN scale({number})=0 THEN {number}{sign}%s::numeric ELSE FALSE END)", (whole,)
        )
    return SQL(
        f"(CASE WHEN scale({number})=0 THEN {number}{sign}%s::numeric "
        f"WHEN octet_length({text})<{SAFE_DIGITS} THEN {text}::float8{against}%s::float8 "
        f"ELSE {number}{against}%s::numeric END)",
        (whole, repr(limit), repr(limit)),
    )


def _near(entry: str, cast: str, sign: str, value: Number) -> SQL:
    """A range that is a little wider than the comparison.

    A float is written with few digits, which may lie on the other side of it than a whole number:
    so it is the next but one.
    """
    before, _, after = neighbours(value)
    below, above = math.nextafter(before, -math.inf), math.nextafter(after, math.inf)
    ends = (_finite(below), _finite(above)) if cast == "float8" else _wide(below, above, value)
    low, high = SQL(f"{entry}>=%s::{cast}", ends[:1]), SQL(f"{entry}<=%s::{cast}", ends[1:])
    if sign == "=":
        return SQL(f"{low.text} AND {high.text}", ends)
    return low if sign[0] == ">" else high


def neighbours(value: Number) -> tuple[float, float | None, float]:
    """The float before a number, the float that equals it, if there is one, and the next one.

    >>> neighbours(Decimal("0.5"))
    (0.49999999999999994, 0.5, 0.5000000000000001)
    """
    near = _nearest(value)
    if near == value:
        return math.nextafter(near, -math.inf), near, math.nextafter(near, math.inf)
    if near < value:
        return near, None, math.nextafter(near, math.inf)
    return math.nextafter(near, -math.inf), None, near


def _nearest(value: Number) -> float:
    try:
        near = float(value)
    except OverflowError:
        near = math.inf if value > 0 else -math.inf
    return near


def _finite(value: float) -> str:
    """An end of a range; no float that is stored lies beyond the last one."""
    return repr(max(-_LARGEST, min(_LARGEST, value)))


_LARGEST: Final = 1.7976931348623157e308


def _wide(below: float, above: float, value: Number) -> tuple[str, str]:
    """The ends of a range of decimals, which go on where floats end."""
    low = str(min(-_BEYOND, Decimal(value))) if math.isinf(below) else repr(below)
    return low, str(max(_BEYOND, Decimal(value))) if math.isinf(above) else repr(above)


_BEYOND: Final = Decimal("1.8e308")  # no float is as large, however it is written


def written(value: Number) -> str:
    """The exact value of a number as PostgreSQL's numeric takes it."""
    return str(Decimal(value)) if isinstance(value, float) else str(value)


# -- places without a declared type


def compare_untyped(place: Place, sign: str, value: Number) -> SQL:
    """The comparison of whatever is stored with a number: ints, floats and tagged Decimals."""
    number = careful(place, sign, value)
    tag = f"({place.json}->>'$decimal')"
    decimal = (
        f"CASE WHEN {fits_form('decimal', tag)} AND "
        f"{place.json}=jsonb_build_object('$decimal',{tag}) "
        f"THEN {tag}::numeric{sign}%s::numeric ELSE FALSE END"
    )
    return SQL(
        f"(CASE {place.type} WHEN 'number' THEN {number.text} WHEN 'object' THEN {decimal} "
        "ELSE FALSE END)",
        (*number.parameters, written(value)),
    )
