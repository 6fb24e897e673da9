"""What PostgreSQL makes of comparisons: conditions that are exact whatever is stored.

Each asks for the type of what is stored, in the index's expression or beside the comparison; some
values need no asking, for no other type is written as they are. See `_postgresql_places`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from pydantic_core import to_json

from docmap.plan.engine import FieldCodec, Native
from docmap.query.lookups import LookupManager
from docmap.query.paths import Path
from docmap.schema.readers import to_wire
from docmap.schema.types import ANY, LISTS, UNTYPED, FieldType
from docmap.schema.wire import TEXT_READERS
from docmap.values import ObjectId
from docmap_backends._postgresql_keys import column_key, key_text
from docmap_backends._postgresql_numbers import compare_number, compare_untyped
from docmap_backends._postgresql_places import (
    FORMS,
    NUMERIC,
    SORTABLE,
    TEXTUAL,
    Place,
    fits_form,
    place_of,
)
from docmap_backends._postgresql_spreading import aimed
from docmap_backends._postgresql_sql import FALSE, Fitting, likely
from docmap_backends._sql import SQL, joined

lookups = LookupManager()
MANY: Final = 500
_PLAIN: Final = 2**53


def exactly(text: str, *parameters: Any) -> Native:
    """A condition that is exact."""
    return Native(SQL(text, parameters))


def json_text(wire: Any) -> str:
    """A JSON value as a parameter, floats with a point and so apart from ints."""
    return to_json(wire).decode()


@lookups.register("equals", default=True)
def equals(path: Path, value: Any, codec: FieldCodec) -> Native:
    return aimed(path, (value,), _equals(path, value, codec), codec)


def _equals(path: Path, value: Any, codec: FieldCodec) -> Native:
    place = place_of(path, codec)
    if value is None:
        return _null(place)
    if _by_key(place, place.key, value):
        return Native(_one_key(place, (value,), codec))
    kind = place.kind.kind
    if kind in UNTYPED:
        return _untyped_equals(place, value)
    if kind in TEXTUAL:
        return Native(_text_comparison(place, "=", to_wire(place.kind, value)))
    if kind in NUMERIC:
        return Native(_number_comparison(place, "=", value))
    return _whole_equals(place, value)


def _null(place: Place) -> Native:
    if place.indexed and place.kind.kind in SORTABLE:
        return exactly(f"({place.sortable} IS NULL AND {likely(f'{place.text} IS NULL')})")
    return exactly(f"{place.text} IS NULL")


def _one_key(place: Place, values: Sequence[Any], codec: FieldCodec) -> SQL:
    """A test for one of some keys."""
    keys, cast = codec.engine.keys_in_table(codec.schema, values)
    if len(values) == 1:
        return SQL(f"{place.key}=%s", tuple(keys)) if keys else FALSE
    return SQL(f"{place.key}=ANY(%s::{cast}[])", (keys,))


def _by_key(place: Place, column: str, value: Any) -> bool:
    """True if a column of the keys decides: it holds the value as it is."""
    if not column:
        return False
    return place.kind.kind != "any" or type(value) in {str, int, UUID, ObjectId}


def _compared_key(place: Place, sign: str, value: Any, codec: FieldCodec) -> SQL:
    """A comparison by the order of keys, of which those of the value's type are one range."""
    key = key_text(codec.schema, value)
    tested = SQL(f"{place.column}{sign}%s", (key,))
    number = key[:1] == column_key(0)[:1].encode()
    if number and sign[0] == "<":
        return tested
    if place.kind.kind == "any" and not isinstance(value, (str, int)):
        raise ValueError("of untyped keys only text and ints are told apart by their order")
    if sign[0] == "<":
        end = SQL(f"{place.column}>=%s", (_FIRST_TEXT,))
    elif number:
        end = SQL(f"{place.column}<%s", (_FIRST_TEXT,))
    else:
        end = SQL(f"{place.column}<%s", (_AFTER_TEXT,))
    asked = [SQL(likely(of_kind(place)))] if place.kind.kind in FORMS else []
    return joined(" AND ", (tested, end, *asked))


_FIRST_TEXT: Final = column_key("")
_AFTER_TEXT: Final = column_key(b"u")[:1]


def _text_comparison(place: Place, sign: str, value: str) -> SQL:
    """The comparison of text with what is stored, if that is text of the declared kind."""
    kind = place.kind.kind
    equal = sign == "="
    if place.indexed:
        compared = f"{place.sortable}{sign}%s"
        asked = "" if equal or kind not in FORMS else place.all_of_kind(fits_form(kind, place.text))
    else:
        compared = f'({place.text} COLLATE "C"){sign}%s'
        asked = "" if equal and not _could_be_json(value) else of_kind(place)
    return SQL(f"({compared} AND {likely(asked)})" if asked else compared, (value,))


def of_kind(place: Place) -> str:
    """A condition that text is stored, of the form of the declared kind."""
    kind, text = place.kind.kind, f"{place.type}='string'"
    if kind not in FORMS:
        return text
    form = fits_form(kind, place.text)
    return f"{text} AND {form}" if kind in {"objectid", "bytes"} else form


_COULD_BE_JSON = re.compile(r"[\[{]|-?[0-9]+(\.[0-9]+)?\Z|true\Z|false\Z")


def _could_be_json(value: str) -> bool:
    """True if the text of another value than text could be this one."""
    return _COULD_BE_JSON.match(value) is not None


def _number_comparison(place: Place, sign: str, value: Any) -> SQL:
    number = to_wire(place.kind, value) if place.kind.kind == "timedelta" else value
    if isinstance(number, bool) or not isinstance(number, (int, float, Decimal)):
        raise TypeError("no number, and no exact form")
    return compare_number(place, sign, number)


def _untyped_equals(place: Place, value: Any) -> Native:
    if isinstance(value, (int, float, Decimal)) and not isinstance(value, bool):
        _check_numbers(place.kind)
        return Native(compare_untyped(place, "=", value))
    if isinstance(value, str):
        _check_text(place.kind)
        if place.indexed:
            return exactly(f"{place.sortable}=%s", value)
    return _whole_equals(place, value)


def _check_numbers(kind: FieldType) -> None:
    """Raise ValueError where a number may be stored in another form than the untyped one."""
    if any(option.kind not in _UNION_NUMBERS for option in kind.options):
        raise ValueError("a number of the union may be stored as text")


def _check_text(kind: FieldType) -> None:
    """Raise ValueError where what is stored as text may be another value."""
    if not kind.tagged and any(option.kind not in _UNION_TEXTS for option in kind.options):
        raise ValueError("text in the union may be another value")


_UNION_TEXTS: Final = frozenset(
    {"str", "int", "float", "bool", "list", "set", "tuple", "timedelta"}
)
_UNION_NUMBERS: Final = _UNION_TEXTS - {"timedelta"}


def _whole_equals(place: Place, value: Any) -> Native:
    """The comparison with a JSON value as it is stored: exact where equal values are written alike.

    JSONB compares objects without the order of their keys.
    """
    if not written_alike(place.kind, value):
        raise ValueError("equal values may be written in two ways")
    if place.indexed and place.kind.kind == "bool":
        return exactly(f"{place.sortable}=%s::boolean", str(value).lower())
    return exactly(f"{place.json}=%s::jsonb", json_text(to_wire(place.kind, value)))


def written_alike(kind: FieldType, value: Any) -> bool:
    """True if whatever equals the value in a place of the type is the same to JSONB."""
    if value is None or isinstance(value, bool):
        return True
    if kind.kind in UNTYPED and kind.options and isinstance(value, (dict, list)):
        return False  # which member of the union it is decides how it is written
    if isinstance(value, list):
        if kind.kind in UNTYPED:
            return all(written_alike(ANY, one) for one in value)
        return kind.kind in LISTS and all(
            written_alike(kind.element(place) or ANY, one) for place, one in enumerate(value)
        )
    if isinstance(value, dict):
        if kind.kind in UNTYPED:
            return all(written_alike(ANY, one) for one in value.values())
        fields = {entry.stored: entry.type for entry in kind.fields.values()}
        others = kind.item or ANY
        return kind.kind in {"dict", "model"} and all(
            written_alike(fields.get(name, others), one) for name, one in value.items()
        )
    if isinstance(value, (int, float, Decimal)):
        return kind.kind == "int" and isinstance(value, int) and abs(value) <= _PLAIN
    if isinstance(value, str):
        return kind.kind == "any" or (kind.kind == "str" or not _readable(kind))
    return (kind.kind in UNTYPED and not isinstance(value, timedelta)) or kind.kind in TEXTUAL


def _readable(kind: FieldType) -> bool:
    return kind.kind in TEXT_READERS or any(map(_readable, kind.options))


@lookups.register("in")
def in_(path: Path, value: tuple[Any, ...], codec: FieldCodec) -> Native:
    return aimed(path, value, _in(path, value, codec), codec)


def _in(path: Path, value: tuple[Any, ...], codec: FieldCodec) -> Native:
    some = [one for one in value if one is not None]
    parts: list[Native] = []
    if some:
        together = _one_of(path, some, codec)
        if together is not None:
            parts.append(Native(together))
        elif len(some) > MANY:
            raise ValueError("too many values for one statement")
        else:
            parts += [_equals(path, one, codec) for one in some]
    if len(some) < len(value):
        parts.append(_equals(path, None, codec))
    return any_of(parts)


def any_of(parts: Iterable[Native]) -> Native:
    found = list(parts)
    if not found:
        return Native(FALSE)
    if len(found) == 1:
        return found[0]
    return Native(joined(" OR ", (p.condition for p in found)), all(p.exact for p in found))


def _one_of(path: Path, values: list[Any], codec: FieldCodec) -> SQL | None:
    """A test for any of the values, bound as one array; None where each needs a test."""
    place = place_of(path, codec)
    kind = place.kind.kind
    if all(_by_key(place, place.key, one) for one in values):
        return _one_key(place, values, codec)
    if kind in TEXTUAL:
        wires = [to_wire(place.kind, one) for one in values]
        if place.indexed:
            return SQL(f"{place.sortable}=ANY(%s::text[])", (wires,))
        tested = f'({place.text} COLLATE "C")=ANY(%s::text[])'
        if any(map(_could_be_json, wires)):
            tested = f"({tested} AND {likely(f'{place.type}={_STRING}')})"
        return SQL(tested, (wires,))
    if kind == "int" and all(abs(one) <= _PLAIN for one in values):
        entry, cast = (place.sortable, "numeric") if place.indexed else (place.json, "jsonb")
        return SQL(f"{entry}=ANY(%s::{cast}[])", ([str(one) for one in values],))
    return None


_STRING: Final = "'string'"


# -- ranges


def compared(place: Place, sign: str, value: Any) -> SQL:
    """A comparison by order. Raises ValueError where it has no exact form."""
    kind = place.kind.kind
    if kind in TEXTUAL:
        return _text_comparison(place, sign, to_wire(place.kind, value))
    if kind in NUMERIC:
        return _number_comparison(place, sign, value)
    if kind in UNTYPED and isinstance(value, str):
        _check_text(place.kind)
        if place.indexed:
            return SQL(f"{place.sortable}{sign}%s", (value,))
        asked = likely(f"{place.type}='string'")
        return SQL(f'(({place.text} COLLATE "C"){sign}%s AND {asked})', (value,))
    if kind in UNTYPED and type(value) in {int, float, Decimal}:
        _check_numbers(place.kind)
        return compare_untyped(place, sign, value)
    raise ValueError(f"{kind} has no exact form")


SIGNS: Final = {"gt": ">", "gte": ">=", "lt": "<", "lte": "<="}


def _comparison(name: str, sign: str) -> None:
    @lookups.register(name)
    def compare(path: Path, value: Any, codec: FieldCodec) -> Native:
        place = place_of(path, codec)
        if _asks_form(place):
            return _fitting(place, ((sign, value),))
        return Native(_compared(place, sign, value, codec))


def _asks_form(place: Place) -> bool:
    """True if an index holds texts that need not be of the declared form."""
    kind = place.kind.kind
    return kind in FORMS and kind in TEXTUAL and not place.column and bool(place.any_odd)


def _fitting(place: Place, ends: Iterable[tuple[str, Any]]) -> Native:
    compared = [SQL(f"{place.sortable}{s}%s", (to_wire(place.kind, v),)) for s, v in ends]
    asked = likely(place.all_of_kind(fits_form(place.kind.kind, place.text)))
    plain, whole = joined(" AND ", compared), joined(" AND ", [*compared, SQL(asked)])
    return Native(Fitting(plain, whole, place.any_odd))


def _compared(place: Place, sign: str, value: Any, codec: FieldCodec) -> SQL:
    if _by_key(place, place.column, value):
        return _compared_key(place, sign, value, codec)
    return compared(place, sign, value)


for _name, _sign in SIGNS.items():
    _comparison(_name, _sign)


@lookups.register("between")
def between(path: Path, value: tuple[Any, Any], codec: FieldCodec) -> Native:
    low, high = value
    place = place_of(path, codec)
    if _asks_form(place):
        return _fitting(place, ((">=", low), ("<=", high)))
    ends = (_compared(place, ">=", low, codec), _compared(place, "<=", high, codec))
    return Native(joined(" AND ", ends))


@lookups.register("is_null")
def is_null(path: Path, value: bool, codec: FieldCodec) -> Native:
    place = place_of(path, codec)
    return _null(place) if value else exactly(f"{place.text} IS NOT NULL")


@lookups.register("exists")
def exists(path: Path, value: bool, codec: FieldCodec) -> Native:
    return exactly(f"{place_of(path, codec).json} IS {'NOT ' if value else ''}NULL")
