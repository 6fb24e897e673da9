"""What SQLite's dialect makes of each lookup, and when its form is exact.

A form is exact where docmap alone wrote values of the declared type (`Place.trusted`), or where it
asks for the JSON type itself. Elsewhere it is a superset: the reference function decides.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from docmap.plan.engine import FieldCodec, Native
from docmap.plan.split import split
from docmap.query.lookups import LookupManager
from docmap.query.nodes import Compare, Element, Node, Not
from docmap.query.paths import Path
from docmap.query.regex import like_prefix, literal_prefix
from docmap.schema.readers import to_wire
from docmap.schema.types import ANY, FieldType
from docmap.values import decimal_key
from docmap_backends._sql import SQL, joined, render
from docmap_backends._sql_places import Place, Source, SQLCodec, element_source, place_of

lookups = LookupManager()
_KEYED = frozenset({"decimal", "bigint"})
_TEXTUAL = frozenset({"str", "datetime", "date", "time", "uuid", "objectid", "bytes"})
_PLAIN = _TEXTUAL | {"int", "timedelta"}
_MANY = 500


def native(place: Place, text: str, *parameters: Any) -> Native:
    """A condition that is exact if the place can be trusted."""
    return Native(SQL(text, parameters), exact=place.trusted)


def exactly(text: str, *parameters: Any) -> Native:
    """A condition that asks for the JSON type itself, and so is exact whatever is stored."""
    return Native(SQL(text, parameters))


def bound(place: Place, value: Any) -> Any:
    """A logical scalar as the place's SQL value. Raises ValueError if there is none."""
    kind = place.kind.kind
    if kind in _KEYED:
        if not place.trusted:
            raise ValueError("the sortable key is not to be relied on")
        return decimal_key(value)
    if kind == "float" and not place.trusted:
        raise ValueError("SQLite reads floats from text inexactly")
    if kind == "bool":
        return int(value)
    if kind not in _PLAIN and kind != "float":
        raise ValueError(f"{kind} has no scalar in SQL")
    return to_wire(place.kind, value)


@lookups.register("equals", default=True)
def equals(path: Path, value: Any, codec: FieldCodec) -> Native:
    place = place_of(path, codec)
    if value is None:
        return exactly(f"{_raw(path, codec).value} IS NULL")
    if _asks_for_type(place, path):
        return _untyped_equals(place, value)
    return native(place, f"{place.value}=?", bound(place, value))


def _asks_for_type(place: Place, path: Path) -> bool:
    """True where the form must ask what is stored: no declared type, or one not to be trusted."""
    kind = place.kind.kind
    return kind in {"any", "union"} or not path.segments or (kind == "str" and not place.trusted)


def _raw(path: Path, codec: FieldCodec) -> Place:
    """The place in the JSON itself, never a key column: null is null whatever was declared."""
    return place_of(path, SQLCodec(ANY, codec.schema, codec.engine, getattr(codec, "source", Source())))


def _untyped_equals(place: Place, value: Any) -> Native:
    if isinstance(value, bool):
        return exactly(f"{place.type}='{'true' if value else 'false'}'")
    if isinstance(value, str) and place.kind.kind in {"any", "union", "str"}:
        return exactly(f"({place.value}=? AND {place.type}='text')", value)
    raise ValueError("no exact form")


@lookups.register("in")
def in_(path: Path, value: tuple[Any, ...], codec: FieldCodec) -> Native:
    place = place_of(path, codec)
    some = [one for one in value if one is not None]
    null = SQL(f"{_raw(path, codec).value} IS NULL")
    if not some:
        return Native(null)
    if _asks_for_type(place, path):
        parts = [_untyped_equals(place, one).condition for one in some[:_MANY]]
        if len(some) > _MANY:
            raise ValueError("too many values for one statement")
        exact = True
    else:
        if len(some) > 30_000:
            raise ValueError("too many values for one statement")
        marks = ",".join("?" * len(some))
        parts = [SQL(f"{place.value} IN ({marks})", tuple(bound(place, one) for one in some))]
        exact = place.trusted
    if len(some) < len(value):
        parts.append(null)
    return Native(parts[0] if len(parts) == 1 else joined(" OR ", parts), exact)


def _comparison(name: str, sign: str) -> None:
    @lookups.register(name)
    def compare(path: Path, value: Any, codec: FieldCodec) -> Native:
        place = place_of(path, codec)
        if _asks_for_type(place, path):
            if isinstance(value, str) and place.kind.kind in {"any", "union", "str"}:
                return exactly(f"({place.value}{sign}? AND {place.type}='text')", value)
            raise ValueError("no exact form")
        return native(place, f"{place.value}{sign}?", bound(place, value))


for _name, _sign in {"gt": ">", "gte": ">=", "lt": "<", "lte": "<="}.items():
    _comparison(_name, _sign)


@lookups.register("between")
def between(path: Path, value: tuple[Any, Any], codec: FieldCodec) -> Native:
    place = place_of(path, codec)
    low, high = value
    if _asks_for_type(place, path):
        if isinstance(low, str) and isinstance(high, str):
            return exactly(f"({place.value} BETWEEN ? AND ? AND {place.type}='text')", low, high)
        raise ValueError("no exact form")
    return native(place, f"{place.value} BETWEEN ? AND ?", bound(place, low), bound(place, high))


@lookups.register("is_null")
def is_null(path: Path, value: bool, codec: FieldCodec) -> Native:
    return exactly(f"{_raw(path, codec).value} IS {'' if value else 'NOT '}NULL")


@lookups.register("exists")
def exists(path: Path, value: bool, codec: FieldCodec) -> Native:
    return exactly(f"{_raw(path, codec).type} IS {'NOT ' if value else ''}NULL")


@lookups.register("size")
def size(path: Path, value: int, codec: FieldCodec) -> Native:
    place = _raw(path, codec)
    return exactly(
        f"({place.type}='array' AND (SELECT count(*) FROM {place.each})=?)", value
    )


# -- lists


@lookups.register("contains")
def contains(path: Path, value: Any, codec: FieldCodec) -> Native:
    place = place_of(path, codec)
    if place.kind.kind == "str":
        return _text(place, f"instr({place.value},?)>0", value)
    if place.kind.kind in {"list", "set", "tuple"}:
        side = codec.engine.elements_table(codec.schema, path) if _source(codec).depth == 0 else None
        element = place.kind.item or ANY
        if side is not None and value is not None and element.kind in _PLAIN:
            table, column = side
            return exactly(f"key IN (SELECT key FROM {table} WHERE {column}=?)", to_wire(element, value))
        return exactly(*_has_element(place, element, value))
    listed, *parameters = _has_element(place, ANY, value)
    if not isinstance(value, str):
        return exactly(listed, *parameters)
    return exactly(
        f"({listed} OR ({place.type}='text' AND instr({place.value},?)>0))", *parameters, value
    )


def _source(codec: FieldCodec) -> Source:
    return getattr(codec, "source", Source())


def _has_element(place: Place, element: FieldType, value: Any) -> tuple[Any, ...]:
    """A condition for an element equal to `value`, and its parameters."""
    wanted: tuple[Any, ...] = ()
    if value is None:
        test = "type='null'"
    elif isinstance(value, bool):
        test = f"type='{'true' if value else 'false'}'"
    elif element.kind in _TEXTUAL or (element.kind in {"any", "union"} and isinstance(value, str)):
        test, wanted = "type='text' AND value=?", (to_wire(element, value),)
    elif element.kind in {"int", "timedelta"}:
        test, wanted = "type IN ('integer','real') AND value=?", (to_wire(element, value),)
    else:
        raise ValueError("no exact form")
    return (
        f"({place.type}='array' AND EXISTS(SELECT 1 FROM {place.each} WHERE {test}))",
        *wanted,
    )


@lookups.register("contains_any")
def contains_any(path: Path, value: tuple[Any, ...], codec: FieldCodec) -> Native:
    parts = [contains(path, one, codec) for one in value]
    return Native(joined(" OR ", (p.condition for p in parts)), all(p.exact for p in parts))


@lookups.register("contains_all")
def contains_all(path: Path, value: tuple[Any, ...], codec: FieldCodec) -> Native:
    if not value:
        return exactly(f"{_raw(path, codec).type} IN ('array','text')")
    parts = [contains(path, one, codec) for one in value]
    return Native(joined(" AND ", (p.condition for p in parts)), all(p.exact for p in parts))


def _quantified(quantifier: str) -> None:
    @lookups.register(quantifier)
    def quantified(path: Path, condition: Node, codec: FieldCodec) -> Native:
        place = _raw(path, codec)
        depth = _source(codec).depth + 1
        source = element_source(f"e{depth}", depth)

        def ask(node: Compare | Element) -> Native | None:
            inner = SQLCodec(node.type, codec.schema, codec.engine, source)
            operation = node.lookup if isinstance(node, Compare) else node.quantifier
            value = node.value if isinstance(node, Compare) else node.condition
            try:
                found = lookups.resolve(node.path, operation, value, inner)
            except (LookupError, ValueError, TypeError, lookups.exception_class):
                return None
            return found  # type: ignore[no-any-return]

        part = split(condition, ask)
        if part.native is None or (part.residual is not None and quantifier == "all"):
            raise ValueError("no exact form")
        inside = render(Not(part.native) if quantifier == "all" else part.native)  # type: ignore[arg-type]
        negated = "NOT " if quantifier == "all" else ""
        return Native(
            SQL(
                f"({place.type}='array' AND {negated}EXISTS(SELECT 1 FROM {place.each} e{depth} "
                f"WHERE {inside.text}))",
                inside.parameters,
            ),
            exact=part.residual is None,
        )


_quantified("any")
_quantified("all")


# -- text


def _text(place: Place, condition: str, *parameters: Any) -> Native:
    """A condition on text: exact by trust, or by asking for the JSON type."""
    if place.trusted:
        return Native(SQL(condition, parameters))
    return exactly(f"({place.type}='text' AND {condition})", *parameters)


@lookups.register("startswith")
def startswith(path: Path, value: str, codec: FieldCodec) -> Native:
    place = place_of(path, codec)
    condition, parameters = _prefix(place, value)
    return _text(place, condition, *parameters)


def _prefix(place: Place, prefix: str) -> tuple[str, tuple[Any, ...]]:
    """A range of text, which an index serves."""
    end = prefix_end(prefix)
    if end is None:
        return f"{place.value}>=?", (prefix,)
    return f"({place.value}>=? AND {place.value}<?)", (prefix, end)


def prefix_end(prefix: str) -> str | None:
    """The least text greater than all that begin with `prefix`; None if there is none."""
    while prefix:
        last = ord(prefix[-1]) + 1
        if last == 0xD800:
            last = 0xE000
        if last <= 0x10FFFF:
            return prefix[:-1] + chr(last)
        prefix = prefix[:-1]
    return None


@lookups.register("endswith")
def endswith(path: Path, value: str, codec: FieldCodec) -> Native:
    place = place_of(path, codec)
    if not value:
        return exactly(f"{_raw(path, codec).type}='text'")
    return _text(place, f"substr({place.value},-{len(value)})=?", value)


def _by_function(name: str, prefix: Callable[[str], str] | None = None) -> None:
    """A lookup that SQLite calls back for: Python's casefold, a linear regular expression."""

    @lookups.register(name)
    def called(path: Path, value: str, codec: FieldCodec) -> Native:
        if not codec.engine.has_functions:
            raise ValueError("the engine cannot call back")
        place = place_of(path, codec)
        condition, parameters = f"docmap_text('{name}',{place.value},?)", (value,)
        start = prefix(value) if prefix is not None else ""
        if start:
            ranged, ends = _prefix(place, start)
            condition, parameters = f"({ranged} AND {condition})", (*ends, value)  # type: ignore[assignment]
        return _text(place, condition, *parameters)


for _name in ("icontains", "istartswith", "iendswith", "iexact", "matches_caseless"):
    _by_function(_name)
_by_function("matches", literal_prefix)
_by_function("like", like_prefix)


# -- dates


@lookups.register("year")
def year(path: Path, value: int, codec: FieldCodec) -> Native:
    place = _moment(path, codec)
    if not 1 <= value <= 9999:
        return Native(SQL("0"))
    return native(place, f"({place.value}>=? AND {place.value}<?)", f"{value:04d}-", f"{value:04d}.")


def _moment(path: Path, codec: FieldCodec) -> Place:
    place = place_of(path, codec)
    if place.kind.kind not in {"date", "datetime"}:
        raise ValueError("no exact form")
    return place


def _part(name: str, start: int) -> None:
    @lookups.register(name)
    def part(path: Path, value: int, codec: FieldCodec) -> Native:
        place = _moment(path, codec)
        if not 0 <= value <= 99:
            return Native(SQL("0"))
        return native(place, f"substr({place.value},{start},2)=?", f"{value:02d}")


_part("month", 6)
_part("day", 9)
_part("hour", 12)


@lookups.register("weekday")
def weekday(path: Path, value: int, codec: FieldCodec) -> Native:
    place = _moment(path, codec)
    if not 0 <= value <= 6:
        return Native(SQL("0"))
    sunday_first = str((value + 1) % 7)
    return native(place, f"strftime('%w',substr({place.value},1,10))=?", sunday_first)

