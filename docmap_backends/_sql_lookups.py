"""What SQLite's dialect makes of comparisons and of lists, and when its form is exact.

A form is exact where docmap alone wrote values of the declared type (`Place.trusted`), or where it
asks for the JSON type itself. Elsewhere it is a superset: the reference function decides.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from uuid import UUID

from pydantic_core import to_json

from docmap.errors import ProcessorDoesNotExist
from docmap.plan.engine import FieldCodec, Native
from docmap.plan.split import split
from docmap.query.lookups import LookupManager
from docmap.query.nodes import Compare, Element, Node, Not
from docmap.query.paths import Path
from docmap.schema.readers import to_wire
from docmap.schema.types import ANY, LISTS, FieldType
from docmap.values import ObjectId, decimal_key
from docmap_backends._sql import SQL, joined, render
from docmap_backends._sql_places import Place, Source, SQLCodec, element_source, place_of

lookups = LookupManager()
_KEYED = frozenset({"decimal", "bigint"})
_TEXTUAL = frozenset({"str", "datetime", "date", "time", "uuid", "objectid", "bytes"})
_PLAIN = _TEXTUAL | {"int", "timedelta"}
_INEXACT = _KEYED | {"int", "float"}
_MANY = 500


def native(place: Place, text: str, *parameters: Any) -> Native:
    """A condition that is exact if the place can be trusted."""
    return Native(SQL(text, parameters), exact=place.trusted)


def exactly(text: str, *parameters: Any) -> Native:
    """A condition that asks for the JSON type itself, and so is exact whatever is stored."""
    return Native(SQL(text, parameters))


def on_text(place: Place, condition: str, *parameters: Any) -> Native:
    """A condition on text: exact by trust, or by asking for the JSON type."""
    if place.trusted:
        return Native(SQL(condition, parameters))
    return exactly(f"({place.type}='text' AND {condition})", *parameters)


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


def near(place: Place, sign: str, value: Any) -> Native:
    """A superset of a numeric comparison, where SQLite's own is not exact.

    SQLite reads a float from text with an error of a few units in the last place, and a Decimal is
    text or an object to it: a wider range finds them all, and the reference functions decide.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float, Decimal)):
        raise TypeError("no number, and no exact form")
    if not -1e300 < value < 1e300:
        raise ValueError("too near to the end of the floats")
    middle = float(value)
    margin = abs(middle) * 1e-13 + 1e-300
    low = middle - margin if sign != "<" else None
    high = middle + margin if sign != ">" else None
    number = f"CAST({place.value} AS REAL)" if place.kind.kind in _KEYED else place.value
    tests = [f"{number}>=?"] if low is not None else []
    tests += [f"{number}<=?"] if high is not None else []
    text = " AND ".join(tests)
    if place.kind.kind in {"any", "union"}:
        text = f"({place.type} IN ('integer','real') AND {text} OR {place.type}='object')"
    return Native(SQL(text, tuple(end for end in (low, high) if end is not None)), exact=False)


def _by_key(path: Path, value: Any, codec: FieldCodec) -> Any:
    """The stored form of a key of an untyped collection; None if the path is not the key's."""
    schema = codec.schema
    if codec.type.kind != "any" or path != schema.key_path or _source(codec).depth:
        return None
    codec.engine.check_readable(schema)
    if codec.engine.key_column(schema, path) != "key":
        return None
    is_key = isinstance(value, (str, int, UUID, ObjectId)) and not isinstance(value, bool)
    return schema.stored_key(value) if is_key else None


@lookups.register("equals", default=True)
def equals(path: Path, value: Any, codec: FieldCodec) -> Native:
    place = place_of(path, codec)
    key = _by_key(path, value, codec)
    if key is not None:
        return exactly("key=?", key)
    if value is None:
        return exactly(f"{_nullable(path, codec)} IS NULL")
    if _asks_for_type(place, path):
        return _untyped_equals(place, value)
    if not place.trusted and place.kind.kind in _INEXACT:
        return near(place, "=", value)
    return native(place, f"{place.value}=?", bound(place, value))


def _asks_for_type(place: Place, path: Path) -> bool:
    """True where the form must ask what is stored: no declared type, or one not to be trusted."""
    kind = place.kind.kind
    return kind in {"any", "union"} or not path.segments or (kind == "str" and not place.trusted)


def raw_place(path: Path, codec: FieldCodec) -> Place:
    """The place in the JSON itself, never a key column: null is null whatever was declared."""
    return place_of(
        path, SQLCodec(ANY, codec.schema, codec.engine, getattr(codec, "source", Source()))
    )


def _nullable(path: Path, codec: FieldCodec) -> str:
    """The value that is null where null is stored, or nothing; the indexed one where it can be."""
    place = place_of(path, codec)
    return place.value if place.trusted else raw_place(path, codec).value


def _untyped_equals(place: Place, value: Any) -> Native:
    if isinstance(value, bool):
        return exactly(f"{place.type}='{'true' if value else 'false'}'")
    if isinstance(value, str) and place.kind.kind in {"any", "union", "str"}:
        return exactly(f"({place.value}=? AND {place.type}='text')", value)
    return near(place, "=", value)


@lookups.register("in")
def in_(path: Path, value: tuple[Any, ...], codec: FieldCodec) -> Native:
    place = place_of(path, codec)
    some = [one for one in value if one is not None]
    null = SQL(f"{_nullable(path, codec)} IS NULL")
    if not some:
        return Native(null)
    if _asks_for_type(place, path):
        if len(some) > _MANY:
            raise ValueError("too many values for one statement")
        each = [equals(path, one, codec) for one in some]
        parts, exact = [one.condition for one in each], all(one.exact for one in each)
    else:
        parts = [_one_of(place, [bound(place, one) for one in some])]
        exact = place.trusted
    if len(some) < len(value):
        parts.append(null)
    return Native(parts[0] if len(parts) == 1 else joined(" OR ", parts), exact)


def _one_of(place: Place, values: list[Any]) -> SQL:
    """A test for any of the values; many are bound as one, for a statement has room for few."""
    if len(values) <= _MANY:
        return SQL(f"{place.value} IN ({','.join('?' * len(values))})", tuple(values))
    if place.kind.kind == "float":
        raise ValueError("SQLite reads floats from text inexactly")
    return SQL(f"{place.value} IN (SELECT value FROM json_each(?))", (to_json(values).decode(),))


def _comparison(name: str, sign: str) -> None:
    @lookups.register(name)
    def compare(path: Path, value: Any, codec: FieldCodec) -> Native:
        place = place_of(path, codec)
        if _asks_for_type(place, path):
            if isinstance(value, str) and place.kind.kind in {"any", "union", "str"}:
                return exactly(f"({place.value}{sign}? AND {place.type}='text')", value)
            return near(place, sign[0], value)
        if not place.trusted and place.kind.kind in _INEXACT:
            return near(place, sign[0], value)
        return native(place, f"{place.value}{sign}?", bound(place, value))


for _name, _sign in {"gt": ">", "gte": ">=", "lt": "<", "lte": "<="}.items():
    _comparison(_name, _sign)


@lookups.register("between")
def between(path: Path, value: tuple[Any, Any], codec: FieldCodec) -> Native:
    place = place_of(path, codec)
    low, high = value
    if _asks_for_type(place, path) and isinstance(low, str) and isinstance(high, str):
        return exactly(f"({place.value} BETWEEN ? AND ? AND {place.type}='text')", low, high)
    if _asks_for_type(place, path) or (not place.trusted and place.kind.kind in _INEXACT):
        ends = (near(place, ">", low).condition, near(place, "<", high).condition)
        return Native(joined(" AND ", ends), exact=False)
    return native(place, f"{place.value} BETWEEN ? AND ?", bound(place, low), bound(place, high))


@lookups.register("is_null")
def is_null(path: Path, value: bool, codec: FieldCodec) -> Native:
    return exactly(f"{_nullable(path, codec)} IS {'' if value else 'NOT '}NULL")


@lookups.register("exists")
def exists(path: Path, value: bool, codec: FieldCodec) -> Native:
    return exactly(f"{raw_place(path, codec).type} IS {'NOT ' if value else ''}NULL")


@lookups.register("size")
def size(path: Path, value: int, codec: FieldCodec) -> Native:
    place = raw_place(path, codec)
    return exactly(f"({place.type}='array' AND (SELECT count(*) FROM {place.each})=?)", value)


# -- lists


@lookups.register("contains")
def contains(path: Path, value: Any, codec: FieldCodec) -> Native:
    place = place_of(path, codec)
    if place.kind.kind == "str":
        return on_text(place, f"instr({place.value},?)>0", value)
    if place.kind.kind in LISTS:
        side = None if _source(codec).depth else codec.engine.elements_table(codec.schema, path)
        element = place.kind.item or ANY
        if side is not None and value is not None and element.kind in _PLAIN:
            table, column = side
            return exactly(
                f"key IN (SELECT key FROM {table} WHERE {column}=?)", to_wire(element, value)
            )
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
    parts = _each_part(path, value, codec)
    return Native(joined(" OR ", (p.condition for p in parts)), all(p.exact for p in parts))


@lookups.register("contains_all")
def contains_all(path: Path, value: tuple[Any, ...], codec: FieldCodec) -> Native:
    if not value:
        kind = codec.type.kind
        types = "'text'" if kind == "str" else "'array'" if kind in LISTS else "'array','text'"
        return exactly(f"{raw_place(path, codec).type} IN ({types})")
    parts = _each_part(path, value, codec)
    return Native(joined(" AND ", (p.condition for p in parts)), all(p.exact for p in parts))


def _each_part(path: Path, values: tuple[Any, ...], codec: FieldCodec) -> list[Native]:
    if len(values) > _MANY * 10:
        raise ValueError("too many values for one statement")
    return [contains(path, one, codec) for one in values]


def _quantified(quantifier: str) -> None:
    @lookups.register(quantifier)
    def quantified(path: Path, condition: Node, codec: FieldCodec) -> Native:
        place = raw_place(path, codec)
        depth = _source(codec).depth + 1
        source = element_source(f"e{depth}", depth)
        resolve = codec.engine.lookups.resolve

        def ask(node: Compare | Element) -> Native | None:
            inner = SQLCodec(node.type, codec.schema, codec.engine, source)
            operation = node.lookup if isinstance(node, Compare) else node.quantifier
            value = node.value if isinstance(node, Compare) else node.condition
            try:
                return resolve(node.path, operation, value, inner)  # type: ignore[no-any-return]
            except (ValueError, TypeError, ProcessorDoesNotExist):
                return None

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


# -- the position of a page


@lookups.register("_after")
def after(path: Path, value: Any, codec: FieldCodec) -> Native:
    column, wanted = _sortable(path, value, codec)
    if value is None:
        # Every value that is not null, stated as a range: an index is entered at its beginning.
        return exactly(f"{column}>=-9e999")
    return exactly(f"{column}>?", wanted)


@lookups.register("_before")
def before(path: Path, value: Any, codec: FieldCodec) -> Native:
    column, wanted = _sortable(path, value, codec)
    return exactly(f"{column}<?", wanted)


def _sortable(path: Path, value: Any, codec: FieldCodec) -> tuple[str, Any]:
    """What SQLite sorts by at a path, and the value's form in it. Raises ValueError if nothing."""
    place, schema = place_of(path, codec), codec.schema
    if path == schema.key_path and codec.engine.key_column(schema, path) == "key":
        fits = schema.model is not None or type(value) in {str, int, UUID, ObjectId}
        if fits and codec.type.kind == schema.key_field.type.kind:
            return "key", schema.stored_key(value)
    if not place.trusted:
        raise ValueError("what sorts after it is not known without looking at the types")
    return place.value, None if value is None else bound(place, value)
