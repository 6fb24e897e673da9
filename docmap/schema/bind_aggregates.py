"""Binding keys and aggregate functions: places against the model, names against each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from keyword import iskeyword
from typing import Any, Final

from docmap.errors import InvalidQuery, shown
from docmap.query.aggregates import PARTS, Aggregate, Grouping, Key, Reading, Term
from docmap.query.paths import EACH, Path, Segment
from docmap.schema.leaves import ANY_SCHEMA
from docmap.schema.resolve import Resolved, Root, resolve_keyword, resolve_path, resolve_place
from docmap.schema.types import ANY, LISTS, ORDERED, UNTYPED, Field, FieldType

_CONTAINERS: Final = LISTS | {"dict", "model"}
_SUMMED: Final = frozenset({"int", "bigint", "float", "decimal", "timedelta"}) | UNTYPED
_DATES: Final = frozenset({"date", "datetime"}) | UNTYPED

_PART: Final = FieldType("int", nullable=True)
_WHOLE: Final = FieldType("bigint", nullable=True)
_FLOAT: Final = FieldType("float", nullable=True)
_DECIMAL: Final = FieldType("decimal", nullable=True)
_COLLECTED: Final = FieldType("list", item=ANY, annotation=list, core=ANY_SCHEMA)


def bind_keys(root: Root, places: Sequence[Any], named: Mapping[str, Any]) -> tuple[Key, ...]:
    """The bound keys of `group_by`; those without a name are called as they were written.

    Raises InvalidQuery for a place that cannot be a key, and for a name that cannot be a field's.
    """
    keys = []
    for name, place in [*((None, place) for place in places), *named.items()]:
        reading = _reading(root, place)
        _check_key(root, reading)
        keys.append(Key(_checked_name(root, name or _name(root, place), named=bool(name)), reading))
    lists = {_list_of(key.reading.path) for key in keys if key.reading.path.each}
    if len(lists) > 1 or any(key.reading.path.segments.count(EACH) > 1 for key in keys):
        raise InvalidQuery(
            f"{root.name} can be grouped by the elements of one list only, not by those of lists "
            "beside or inside each other",
            collection=root.collection,
        )
    _check_different(root, [key.name for key in keys])
    return tuple(keys)


def bind_terms(root: Root, functions: Mapping[str, Any]) -> tuple[Term, ...]:
    """The bound functions of `aggregate` by their names.

    Raises InvalidQuery for what is no function, and for a place that it has no meaning for.
    """
    return tuple(_term(root, name, function) for name, function in functions.items())


def bind_grouping(root: Root, keys: tuple[Key, ...], terms: tuple[Term, ...]) -> Grouping:
    """Keys and functions together. Raises InvalidQuery for two of one name."""
    grouping = Grouping(keys, terms)
    _check_different(root, grouping.names)
    return grouping


def result_names(root: Root, grouping: Grouping) -> Root:
    """Where the names of conditions on groups start: the keys and the results, with their types."""
    types = [_type(key.reading) for key in grouping.keys]
    types += [_result_type(term) for term in grouping.terms]
    fields = {
        name: Field(name, name, kind) for name, kind in zip(grouping.names, types, strict=True)
    }
    model = FieldType("model", fields=fields)
    place = "in groups" if grouping.terms else "in groups, before aggregate(),"
    return Root(f"{root.name} {place}", root.collection, model)


# -- places


def _reading(root: Root, place: Any) -> Reading:
    if isinstance(place, Aggregate):
        raise _error(root, f"{place!r} is a function: it goes into aggregate(name={place!r})")
    if not isinstance(place, str) and not isinstance(getattr(place, "_path", None), Path):
        raise _error(root, f"a place is named by text, a field or path(...), not by {shown(place)}")
    part = None if isinstance(place, str) else getattr(place, "_lookup", None)
    if isinstance(place, str) and "__" in place and "." not in place:
        found = resolve_keyword(root, place)
        part = found.lookup
    elif part is not None:
        found = resolve_path(root, place._path.segments)
    else:
        found = resolve_place(root, place)
    if part is None:
        return Reading(found.path, found.type)
    return _part(root, found, part)


def _part(root: Root, found: Resolved, part: str) -> Reading:
    written = f"{found.path.dotted}__{part}"
    if part not in PARTS:
        raise _error(
            root,
            f"{written!r} ends with the lookup {part!r}; a field is wanted here, or a part of a "
            f"date: {', '.join(PARTS)}",
            written,
        )
    allowed = _DATES - {"date"} if part == "hour" else _DATES
    if found.type.kind not in allowed:
        raise _error(root, f"{found.path.dotted} is {found.type.label}, without a {part}", written)
    return Reading(found.path, found.type, part)


def _list_of(path: Path) -> tuple[Segment, ...]:
    return path.segments[: path.segments.index(EACH)]


def _check_key(root: Root, reading: Reading) -> None:
    if reading.kind in _CONTAINERS:
        written = reading.path.dotted
        way = f"take its elements with path({written!r}).each()"
        if reading.kind in {"model", "dict"}:
            way = "name a field in it"
        raise _error(
            root,
            f"{written} is {reading.type.label}, and documents are not grouped by such: {way}",
            written,
        )


# -- names


def _name(root: Root, place: Any) -> str:
    if isinstance(place, str):
        return place.replace(".", "__")
    names = [str(segment) for segment in place._path.segments if segment is not EACH]
    part = getattr(place, "_lookup", None)
    return "__".join([*names, part] if part else names)


def _checked_name(root: Root, name: str, *, named: bool) -> str:
    if name.isidentifier() and not name.startswith("_") and not iskeyword(name):
        return name
    hint = "choose another" if named else f"give one, as in group_by(name=path({name!r}))"
    raise _error(root, f"{name!r} cannot name a field of a named tuple: {hint}", name)


def _check_different(root: Root, names: Sequence[str]) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise _error(
                root,
                f"two results would be called {name!r}: give one of them another name, as in "
                f"group_by(other={name!r}) or aggregate(other=...)",
                name,
            )
        seen.add(name)


# -- functions


def _term(root: Root, name: str, function: Any) -> Term:
    if isinstance(function, type) and issubclass(function, Aggregate):
        raise _error(root, f"{name} is given {function.__name__} itself: call it", name)
    if not isinstance(function, Aggregate):
        raise _error(
            root,
            f"{name} is given {shown(function)}: a result is asked for by a function, as in "
            f"{name}=Count() or {name}=Sum('total')",
            name,
        )
    _checked_name(root, name, named=True)
    kind = function.function
    if function.place is None:
        if kind != "count" or function.distinct:
            raise _error(root, f"{name}: {function!r} needs a place, as in Count('status')", name)
        return Term(name, kind)
    reading = _reading(root, function.place)
    _check_term(root, name, function, reading)
    return Term(name, kind, reading, function.distinct)


def _check_term(root: Root, name: str, function: Aggregate, reading: Reading) -> None:
    kind, written = reading.kind, reading.path.dotted
    if function.function in {"sum", "avg"} and kind not in _SUMMED:
        fault = "adds numbers and timedeltas"
    elif function.function in {"min", "max"} and kind not in ORDERED | {"bool"}:
        fault = "compares values that have an order"
    elif function.distinct and kind in _CONTAINERS:
        fault = "with distinct compares single values"
    else:
        return
    each = f"; path({written!r}).each() takes the elements" if kind in LISTS else ""
    raise _error(
        root,
        f"{name}: {written} is {_type(reading).label}, and {function.function} {fault}{each}",
        written,
    )


def _type(reading: Reading) -> FieldType:
    return _PART if reading.part else reading.type


def _result_type(term: Term) -> FieldType:
    """The type of a result, which conditions on groups compare with."""
    kind = _WHOLE if term.reading is None else _type(term.reading)
    match term.function:
        case "count":
            return _WHOLE
        case "collect":
            return _COLLECTED
        case "sum":
            return _SUMS.get(kind.kind, kind)
        case "avg":
            return _AVERAGES.get(kind.kind, kind)
    return kind


_SUMS: Final[Mapping[str, FieldType]] = {
    "int": _WHOLE,
    "bigint": _WHOLE,
    "float": _FLOAT,
    "decimal": _DECIMAL,
    "any": ANY,
    "union": ANY,
}
_AVERAGES: Final[Mapping[str, FieldType]] = {**_SUMS, "int": _FLOAT, "bigint": _FLOAT}


def _error(root: Root, text: str, field: str | None = None) -> InvalidQuery:
    return InvalidQuery(f"{root.name}: {text}", collection=root.collection, field=field)
