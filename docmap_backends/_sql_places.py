"""Places in stored JSON as SQLite expressions: the value at a path, its JSON type, its elements.

The path is a literal in the statement: only then does an expression index on it serve the query.
Keys that a JSON path cannot name in SQLite 3.40 (quotes, backslashes, control characters) are
found through `json_each`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any

from docmap.plan.engine import FieldCodec
from docmap.query.paths import Digits, Path
from docmap.schema.types import UNTYPED, FieldType
from docmap.schema.wire import TAGS
from docmap_backends._sql import quoted, text_literal

_UNREACHABLE = re.compile(r'["\\\x00-\x1f]')
_FARTHEST = 2_000_000_000  # an index beyond it would wrap around in SQLite's 32 bits


@dataclass(frozen=True, slots=True)
class Source:
    """Where paths start: the document, or an element of a list inside `any` and `all`."""

    json: str = "doc"
    """An expression for the JSON text that paths go into."""
    value: str = "doc"
    """An expression for the value of the empty path."""
    type: str = "json_type(doc)"
    depth: int = 0


_ROOT = Source()


@dataclass(slots=True)
class SQLCodec(FieldCodec):
    """The codec that lookups get inside `any` and `all`, where paths start at an element."""

    source: Source = Source()


@dataclass(frozen=True, slots=True)
class Place:
    """One path in one source, as expressions."""

    value: str
    """The SQL value: NULL for null and missing, 0 and 1 for false and true."""
    type: str
    """The JSON type as text; NULL if nothing is there."""
    each: str
    """A table-valued function that gives the elements."""
    kind: FieldType
    trusted: bool
    """Whatever is stored here is of the declared type, or null."""


def place_of(path: Path, codec: FieldCodec) -> Place:
    """The place that a lookup compares, worked out once for as long as what is stored holds."""
    source = getattr(codec, "source", _ROOT)
    # Digits equal the text that they look like, and mean something else.
    if source.depth or Digits in map(type, path.segments):
        return _worked_out(path, codec, source)
    known = codec.engine.places(codec.schema)
    wanted = (path.segments, id(codec.type))  # a place holds its type, so the number stays taken
    if wanted not in known:
        known[wanted] = _worked_out(path, codec, source)
    return known[wanted]  # type: ignore[no-any-return]


def _worked_out(path: Path, codec: FieldCodec, source: Source) -> Place:
    if not source.depth:
        codec.engine.check_readable(codec.schema)
    if codec.type.kind in UNTYPED and not TAGS.isdisjoint(path.segments):
        raise ValueError("an object with this key is stored in another form, or is another value")
    trusted = source.depth == 0 and codec.engine.trusts(codec.schema, path, codec.type)
    if not path.segments:
        return Place(source.value, source.type, f"json_each({source.json})", codec.type, False)
    value, kind, each = expressions(path, source)
    column = codec.engine.key_column(codec.schema, path) if source.depth == 0 else None
    if column is not None and (trusted or column == "key"):
        value = quoted(column)
    return Place(value, kind, each, codec.type, trusted)


def expressions(path: Path, source: Source = Source()) -> tuple[str, str, str]:
    """The value, the JSON type and the elements at a path, as SQL."""
    json, literal = source.json, "$"
    for position, segment in enumerate(path.segments):
        if isinstance(segment, Digits):
            return _by_what_is_stored(path, position, source)
        if isinstance(segment, int):
            literal += f"[{min(segment, _FARTHEST)}]"
        elif _UNREACHABLE.search(str(segment)):
            rest = Path(path.segments[position + 1 :])
            return _by_key(json, literal, str(segment), rest, source)
        else:
            literal += f'."{segment}"'
    place = text_literal(literal)
    return (
        f"json_extract({json},{place})",
        f"json_type({json},{place})",
        f"json_each({json},{place})",
    )


def _by_key(json: str, literal: str, key: str, rest: Path, source: Source) -> tuple[str, str, str]:
    """A key that no JSON path can name: found by comparing the keys of the object."""
    alias = f"k{source.depth}_{len(rest.segments)}"
    below = replace(source, json=_json_of(alias), value=f"{alias}.value", type=f"{alias}.type")
    found = (
        f"FROM json_each({json},{text_literal(literal)}) {alias} "
        f"WHERE {alias}.key={_escaped(key)} AND json_type({json},{text_literal(literal)})='object'"
    )
    if not rest.segments:
        inner = (
            f"{alias}.value",
            f"{alias}.type",
            f"json_each((SELECT {_json_of(alias)} {found}))",
        )
    else:
        value, kind, _ = expressions(rest, below)
        each_json = f"(SELECT {_json_of(alias)} {found})"
        listed = replace(source, json=each_json, value=each_json, type=f"json_type({each_json})")
        inner = (value, kind, expressions(rest, listed)[2])
    return f"(SELECT {inner[0]} {found})", f"(SELECT {inner[1]} {found})", inner[2]


def _json_of(alias: str) -> str:
    """The JSON of a row of json_each: text of a scalar would not parse."""
    return f"CASE WHEN {alias}.type IN ('object','array') THEN {alias}.value END"


def _escaped(key: str) -> str:
    """A text constant that may hold control characters."""
    if re.search(r"[\x00-\x1f]", key):
        return f"CAST(x'{key.encode().hex()}' AS TEXT)"
    return text_literal(key)


def _by_what_is_stored(path: Path, position: int, source: Source) -> tuple[str, str, str]:
    """Digits in an untyped place: an index if a list is stored there, else a key."""
    before = path.segments[:position]
    digits, after = str(path.segments[position]), path.segments[position + 1 :]
    holder = expressions(Path(before), source)[1] if before else source.type
    index = expressions(Path((*before, int(digits[:10]), *after)), source)
    key = expressions(Path((*before, digits, *after)), source)
    value, kind = (f"CASE WHEN {holder}='array' THEN {index[i]} ELSE {key[i]} END" for i in (0, 1))
    element = f"CASE WHEN {kind} IN ('object','array') THEN {value} END"
    return value, kind, f"json_each({element})"


def reachable(segments: tuple[Any, ...]) -> bool:
    """True if a JSON path of SQLite can name the place, and so an index can hold it."""
    return not any(_UNREACHABLE.search(str(segment)) for segment in segments)


def element_source(alias: str, depth: int) -> Source:
    """The source of conditions on one element of a list."""
    return Source(_json_of(alias), f"{alias}.value", f"{alias}.type", depth)
