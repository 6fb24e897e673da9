"""What MongoDB makes of comparisons and of lists, and when its form is exact.

Values are operands of `$eq` and its like, never keys, so none is ever an operator.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from itertools import permutations
from typing import Any, Final
from uuid import UUID

from bson import Int64
from bson.decimal128 import Decimal128

from docmap.plan.engine import FieldCodec, Native
from docmap.query.lookups import LookupManager
from docmap.query.paths import Path
from docmap.schema.types import ANY, LISTS, FieldType
from docmap.values import ObjectId, same_number
from docmap_backends._mongodb_decimals import of_decimal
from docmap_backends._mongodb_native import PLAIN
from docmap_backends._mongodb_numbers import (
    compares_exactly,
    near,
    near_operators,
    orders_exactly,
)
from docmap_backends._mongodb_patterns import on_text, part_of
from docmap_backends._mongodb_places import (
    ARRAY,
    NO_ARRAY,
    NOTHING,
    ElementCodec,
    Filter,
    Place,
    guard_of,
    place_of,
)
from docmap_backends._mongodb_values import to_native

lookups = LookupManager()
_MANY: Final = 20_000  # values in one filter, which has room for 16 MiB
_NUMBERS: Final = (int, float, Decimal)


def is_number(value: Any) -> bool:
    """True of a logical number."""
    return isinstance(value, _NUMBERS) and not isinstance(value, bool)


def bound(kind: FieldType, value: Any) -> Any:
    """A logical scalar as it is stored at a place. Raises ValueError if that is no scalar."""
    if isinstance(value, Decimal):
        return of_decimal(same_number(value))  # it may be written with too many zeros
    found = to_native(kind, value)
    if type(found) in PLAIN or isinstance(found, _SCALARS):
        return found
    raise ValueError("no scalar in MongoDB")


def _scalars() -> tuple[type, ...]:
    from bson import ObjectId as DriverObjectId

    return (Decimal128, datetime, UUID, bytes, DriverObjectId, Int64)


_SCALARS: Final = _scalars()


# -- equality


@lookups.register("equals", default=True)
def equals(path: Path, value: Any, codec: FieldCodec) -> Native:
    place = place_of(path, codec)
    if value is None:
        return Native(null(place))
    check_numbers(place.kind, value, codec)
    if isinstance(value, list):
        return _equals_list(place, value, codec)
    if isinstance(value, dict):
        return _equals_object(place, value, codec)
    wanted = _operand(place.kind, value)
    if isinstance(wanted, Decimal128) and not codec.engine.decimal128:
        raise ValueError("the server has no Decimal128")
    if _is_rounded(codec, path, value, wanted):
        return place.native(near(place, "=", value), exact=False)
    return place.native(place.having(**{"$eq": wanted}))


def check_numbers(kind: FieldType, value: Any, codec: FieldCodec) -> None:
    """Raise ValueError for a number in a place where the server may hold Decimals as objects."""
    loose = kind.kind in {"any", "union", "decimal"}
    if loose and is_number(value) and not codec.engine.decimal128:
        raise ValueError("the server has no Decimal128")


def _is_rounded(codec: FieldCodec, path: Path, value: Any, wanted: Any) -> bool:
    """True for a number that the server may take for another that is stored."""
    if not is_number(value) or isinstance(wanted, str) or compares_exactly(codec.engine, value):
        return False
    # Even Decimals alone may be taken for doubles, and large doubles for the largest int.
    large = isinstance(wanted, float) and not -(2**53) < value < 2**53
    rounded = large or isinstance(wanted, Decimal128)
    alone = not rounded and not isinstance(codec, ElementCodec)
    return not (alone and codec.engine.trusts(codec.schema, path, codec.type))


def _operand(kind: FieldType, value: Any) -> Any:
    """A logical scalar as it is stored; an object where MongoDB has no type for it."""
    _check_union(kind, value)
    found = None if isinstance(value, Decimal) else to_native(kind, value)
    if isinstance(found, dict):
        if len(found) == 1 and all(type(item) in PLAIN for item in found.values()):
            return found
        raise ValueError("no scalar in MongoDB")
    if type(found) in PLAIN and found is not None:
        return found
    return bound(kind, value)


def _check_union(kind: FieldType, value: Any) -> None:
    """Raise ValueError for a union whose text may be another type's: a BigInt's, a date's."""
    if kind.kind == "union" and not kind.tagged:
        kinds = {option.kind for option in kind.options}
        if "bigint" in kinds or (isinstance(value, str) and kinds & {"date", "time"}):
            raise ValueError("the text of the union is not of one type")


def null(place: Place) -> Filter:
    """The filter of null and missing: what lies below a list or a scalar is missing, too."""
    if place.positions:
        raise ValueError("nothing tells what is missing in a list")
    found = {place.name: {"$eq": None, **NO_ARRAY}}
    if not place.parents:
        return found
    return {"$or": [found, *({parent: ARRAY} for parent in place.parents)]}


def _equals_list(place: Place, value: list[Any], codec: FieldCodec) -> Native:
    if all(_is_exact_item(codec, item) for item in value):
        wanted = to_native(place.kind, value)
        if all(type(item) in PLAIN or isinstance(item, _SCALARS) for item in wanted):
            if not codec.engine.element_filters:
                return place.native(place.listed(**{"$eq": wanted}), exact=False)
            # Without this a list that has the wanted list as its element would match.
            alone = {"$elemMatch": ARRAY}
            return place.native(place.listed(**{"$eq": wanted, "$not": alone}))
    return place.native(place.listed(**{"$size": len(value)}), exact=False)


def _is_exact_item(codec: FieldCodec, item: Any) -> bool:
    if isinstance(item, (list, dict)) or (is_number(item) and not codec.engine.decimal128):
        return False
    return not is_number(item) or compares_exactly(codec.engine, item)


def _is_value(held: Any) -> bool:
    return type(held) in PLAIN or isinstance(held, (*_SCALARS, list, dict))


def _equals_object(place: Place, value: dict[str, Any], codec: FieldCodec) -> Native:
    wanted = to_native(place.kind, value)
    plain = type(wanted) is dict and all(map(_is_value, wanted.values()))
    if len(value) == 1 and not plain:
        raise ValueError("what only MongoDB has may be stored for it")
    few = plain and len(wanted) == len(value) <= _KEYS
    if few and all(_is_exact_item(codec, item) for item in value.values()):
        if len(value) < 2:
            return place.native(place.having(**{"$eq": wanted}))
        # MongoDB's equality of objects depends on the order of their keys.
        orders = [dict(items) for items in permutations(wanted.items())]
        return place.native(place.having(**{"$in": orders}))
    return place.native(place.having(**{"$type": "object"}), exact=False)


_KEYS: Final = 4  # of an object that is asked for in every order


@lookups.register("in")
def in_(path: Path, value: tuple[Any, ...], codec: FieldCodec) -> Native:
    place = place_of(path, codec)
    some = [one for one in value if one is not None]
    if len(some) > _MANY:
        raise ValueError("too many values for one filter")
    wanted: list[Any] = []
    parts: list[Native] = []
    for one in some:
        if not isinstance(one, (list, dict)):
            check_numbers(place.kind, one, codec)
            held = _operand(place.kind, one)
            if isinstance(held, Decimal128) and not codec.engine.decimal128:
                raise ValueError("the server has no Decimal128")
            if not isinstance(held, dict) and not _is_rounded(codec, path, one, held):
                wanted.append(held)
                continue
        parts.append(equals(path, one, codec))
    if wanted:
        parts.append(place.native(place.having(**{"$in": wanted})))
    if len(some) < len(value):
        parts.append(Native(null(place)))
    return either(parts)


def either(parts: list[Native]) -> Native:
    """What one of the parts matches."""
    if not parts:
        return Native(NOTHING)
    if len(parts) == 1:
        return parts[0]
    return Native(
        {"$or": [part.condition for part in parts]}, exact=all(part.exact for part in parts)
    )


# -- ranges

_TEXT_FORMS: Final = {
    "date": r"\A[0-9]{4}-[0-9]{2}-[0-9]{2}\z",
    "time": r"\A[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6}\z",
}
_FIRST_UUID, _LAST_UUID = UUID(int=0), UUID(int=2**128 - 1)


def ranged(path: Path, codec: FieldCodec, ends: dict[str, Any]) -> Native:
    """Values between ends, `{"$gt": low, "$lte": high}`, logical ones of one type."""
    place, sample = place_of(path, codec), next(iter(ends.values()))
    kind = place.kind.kind
    check_numbers(place.kind, sample, codec)
    if kind == "bigint":
        return _bigint_range(place, codec, ends)
    _check_union(place.kind, sample)
    operators = {sign: bound(place.kind, value) for sign, value in ends.items()}
    if is_number(sample):
        if any(_is_rounded(codec, path, end, operators[sign]) for sign, end in ends.items()):
            wider = [near(place, sign[1].translate(_SIGNS), end) for sign, end in ends.items()]
            return place.native(wider[0] if len(wider) == 1 else {"$and": wider}, exact=False)
    elif isinstance(sample, str):
        if not all(orders_exactly(codec.engine, text) for text in ends.values()):
            raise ValueError("the server orders such text otherwise")
    elif isinstance(sample, UUID):
        # Binary values of another length or subtype lie outside.
        lowest = {} if {"$gt", "$gte"} & ends.keys() else {"$gte": _FIRST_UUID}
        highest = {} if {"$lt", "$lte"} & ends.keys() else {"$lte": _LAST_UUID}
        operators = {**operators, **lowest, **highest}
    elif kind in _TEXT_FORMS:
        return on_text(place, _TEXT_FORMS[kind], **operators)
    elif not isinstance(sample, (datetime, ObjectId)) and kind != "timedelta":
        raise ValueError("no order of its own in MongoDB")
    return place.native(place.having(**operators))


_SIGNS: Final = str.maketrans("gl", "><")


def _bigint_range(place: Place, codec: FieldCodec, ends: dict[str, Any]) -> Native:
    """Of numbers and, beyond 34 digits, of text: all of it lies above or below every number."""
    operators: dict[str, Any] = {}
    for sign, value in ends.items():
        operators[sign] = bound(place.kind, value)
        if isinstance(operators[sign], str) or not compares_exactly(codec.engine, value):
            raise ValueError("no exact number")
    if not codec.engine.decimal128:
        raise ValueError("larger numbers are objects")
    parts = [place.having(**operators)]
    if not {"$lt", "$lte"} & ends.keys():
        parts.append(on_text(place, r"\A[1-9][0-9]{34,}\z").condition)
    if not {"$gt", "$gte"} & ends.keys():
        parts.append(on_text(place, r"\A-[1-9][0-9]{34,}\z").condition)
    return place.native({"$or": parts} if len(parts) > 1 else parts[0])


def _comparison(name: str) -> None:
    @lookups.register(name)
    def compare(path: Path, value: Any, codec: FieldCodec) -> Native:
        return ranged(path, codec, {f"${name}": value})


for _name in ("gt", "gte", "lt", "lte"):
    _comparison(_name)


@lookups.register("between")
def between(path: Path, value: tuple[Any, Any], codec: FieldCodec) -> Native:
    low, high = value
    return ranged(path, codec, {"$gte": low, "$lte": high})


# -- what is there at all


@lookups.register("is_null")
def is_null(path: Path, value: bool, codec: FieldCodec) -> Native:
    found = null(place_of(path, codec))
    return Native(found if value else {"$nor": [found]})


@lookups.register("exists")
def exists(path: Path, value: bool, codec: FieldCodec) -> Native:
    place = place_of(path, codec)
    if place.positions:
        raise ValueError("nothing tells what is missing in a list")
    found = place.listed(**{"$exists": True})
    return Native(found if value else {"$nor": [found]})


@lookups.register("size")
def size(path: Path, value: int, codec: FieldCodec) -> Native:
    if not 0 <= value < 2**31:
        return Native(NOTHING)
    place = place_of(path, codec)
    return place.native(place.listed(**{"$size": value}))


# -- lists


@lookups.register("contains")
def contains(path: Path, value: Any, codec: FieldCodec) -> Native:
    place = place_of(path, codec)
    if place.kind.kind in LISTS:
        return has_element(place, place.kind.item or ANY, value, codec)
    if place.kind.kind == "str":
        return part_of(place, value)
    listed = has_element(place, ANY, value, codec)
    if not isinstance(value, str):
        return listed
    return either([listed, part_of(place, value)])


def has_element(place: Place, element: FieldType, value: Any, codec: FieldCodec) -> Native:
    """A list with an element that equals a value."""
    if isinstance(value, (list, dict)):
        return place.native(place.listed(**ARRAY), exact=False)
    check_numbers(element, value, codec)
    if is_number(value) and not compares_exactly(codec.engine, value):
        wider = {"$elemMatch": near_operators("=", value)}
        return place.native(place.listed(**wider), exact=False)
    if value is None:
        return place.native(place.listed(**{"$elemMatch": {"$eq": None}}))
    guard = guard_of(element, codec)
    equal = {"$eq": _operand(element, value), **(guard if guard is not NO_ARRAY else {})}
    return place.native(place.listed(**{"$elemMatch": equal}))


@lookups.register("contains_any")
def contains_any(path: Path, value: tuple[Any, ...], codec: FieldCodec) -> Native:
    return either([contains(path, one, codec) for one in _few(value)])


@lookups.register("contains_all")
def contains_all(path: Path, value: tuple[Any, ...], codec: FieldCodec) -> Native:
    if not value:
        place, kind = place_of(path, codec), codec.type.kind
        text = place.native(place.having(**{"$type": "string"}))
        listed = place.native(place.listed(**ARRAY))
        return text if kind == "str" else listed if kind in LISTS else either([listed, text])
    parts = [contains(path, one, codec) for one in _few(value)]
    if len(parts) == 1:
        return parts[0]
    return Native(
        {"$and": [part.condition for part in parts]}, exact=all(part.exact for part in parts)
    )


def _few(values: tuple[Any, ...]) -> tuple[Any, ...]:
    if len(values) > _MANY // 10:
        raise ValueError("too many values for one filter")
    return values


# -- the position of a page


@lookups.register("_after")
def after(path: Path, value: Any, codec: FieldCodec) -> Native:
    place = _sorted_place(path, codec)
    if value is None:
        return Native({"$nor": [null(place)]})
    return ranged(path, codec, {"$gt": value})


@lookups.register("_before")
def before(path: Path, value: Any, codec: FieldCodec) -> Native:
    _sorted_place(path, codec)
    return ranged(path, codec, {"$lt": value})


def _sorted_place(path: Path, codec: FieldCodec) -> Place:
    """The place, where all that is stored sorts by one type. Raises ValueError elsewhere."""
    if isinstance(codec, ElementCodec) or not codec.engine.trusts(codec.schema, path, codec.type):
        raise ValueError("what sorts after it is not known without looking at the types")
    return place_of(path, codec)
