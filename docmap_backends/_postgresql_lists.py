"""What PostgreSQL makes of lookups on lists: containment, which GIN serves, and each element."""

from __future__ import annotations

from typing import Any

from docmap.errors import ProcessorDoesNotExist
from docmap.plan.engine import FieldCodec, Native
from docmap.plan.split import split
from docmap.query.lookups import LookupManager
from docmap.query.nodes import Compare, Element, Node, Not
from docmap.query.paths import Path
from docmap.schema.readers import to_wire
from docmap.schema.types import ANY, LISTS
from docmap_backends._postgresql_lookups import (
    MANY,
    any_of,
    equals,
    exactly,
    json_text,
    lookups,
    written_alike,
)
from docmap_backends._postgresql_places import ElementCodec, Place, element_source, place_of
from docmap_backends._postgresql_sql import likely, render
from docmap_backends._sql import SQL, joined

listed = LookupManager(lookups)


@listed.register("size")
def size(path: Path, value: int, codec: FieldCodec) -> Native:
    place = place_of(path, codec)
    return exactly(
        f"(CASE WHEN {place.type}='array' THEN jsonb_array_length({place.json}) END)=%s::numeric",
        str(value),
    )


@listed.register("contains")
def contains(path: Path, value: Any, codec: FieldCodec) -> Native:
    place = place_of(path, codec)
    if place.kind.kind == "str":
        return _has_part(place, value)
    found = _has_element(place, value, codec)
    if place.kind.kind in LISTS or not isinstance(value, str):
        return found
    return any_of((found, _has_part(place, value)))


def _has_part(place: Place, value: str) -> Native:
    asked = likely(f"{place.type}='string'")
    return exactly(f'(strpos(({place.text} COLLATE "C"),%s)>0 AND {asked})', value)


def _has_element(place: Place, value: Any, codec: FieldCodec) -> Native:
    """A condition for an element equal to `value`; containment in JSONB has an index of its own."""
    element = (place.kind.item or ANY) if place.kind.kind in LISTS else ANY
    if place.kind.items:
        element = ANY  # each of its own type: how each is written is not known
        if not (value is None or isinstance(value, (bool, str))):
            raise ValueError("the elements have types of their own")
    if place.kind.kind not in {*LISTS, "any"}:
        raise ValueError("which list it is decides how its elements are written")
    scalar = not isinstance(value, (list, dict))
    if scalar and written_alike(element, value):
        return exactly(f"{place.json}@>%s::jsonb", json_text([to_wire(element, value)]))
    inner = ElementCodec(element, codec.schema, codec.engine, element_source(_depth(codec)))
    same = equals(Path(), value, inner)
    return Native(_some_element(place, same.condition, _depth(codec)), same.exact)


def _depth(codec: FieldCodec) -> int:
    """The depth of the elements of a place."""
    return codec.source.depth + 1 if isinstance(codec, ElementCodec) else 1


def _some_element(place: Place, condition: SQL, depth: int) -> SQL:
    return SQL(
        f"EXISTS(SELECT 1 FROM {place.elements} e{depth}(value) WHERE {condition.text})",
        condition.parameters,
    )


@listed.register("contains_any")
def contains_any(path: Path, value: tuple[Any, ...], codec: FieldCodec) -> Native:
    return any_of(_each_part(path, value, codec))


@listed.register("contains_all")
def contains_all(path: Path, value: tuple[Any, ...], codec: FieldCodec) -> Native:
    if not value:
        kind, place = codec.type.kind, place_of(path, codec)
        types = "'string'" if kind == "str" else "'array'" if kind in LISTS else "'array','string'"
        return exactly(f"{place.type} IN ({types})")
    parts = _each_part(path, value, codec)
    return Native(joined(" AND ", (p.condition for p in parts)), all(p.exact for p in parts))


def _each_part(path: Path, values: tuple[Any, ...], codec: FieldCodec) -> list[Native]:
    if len(values) > MANY:
        raise ValueError("too many values for one statement")
    return [contains(path, one, codec) for one in values]


def _quantified(quantifier: str) -> None:
    @listed.register(quantifier)
    def quantified(path: Path, condition: Node, codec: FieldCodec) -> Native:
        place, depth = place_of(path, codec), _depth(codec)
        resolve, source = codec.engine.lookups.resolve, element_source(depth)

        def ask(node: Compare | Element) -> Native | None:
            inner = ElementCodec(node.type, codec.schema, codec.engine, source)
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
        found = _some_element(place, inside, depth)
        if quantifier == "any":
            return Native(found, exact=part.residual is None)
        return Native(SQL(f"({place.type}='array' AND NOT {found.text})", found.parameters))


_quantified("any")
_quantified("all")
