"""The conditions of pages: what sorts after a value, or before it, in PostgreSQL's order."""

from __future__ import annotations

from typing import Any, Final

from docmap.plan.engine import FieldCodec, Native
from docmap.query.lookups import LookupManager
from docmap.query.paths import Path
from docmap.schema.readers import to_wire
from docmap_backends._postgresql_keys import key_text
from docmap_backends._postgresql_lists import listed
from docmap_backends._postgresql_lookups import compared
from docmap_backends._postgresql_places import NUMERIC, SORTABLE, TEXTUAL, Place, misfit, place_of
from docmap_backends._postgresql_sql import Position
from docmap_backends._sql import SQL

positioned = LookupManager(listed)


@positioned.register("_after")
def after(path: Path, value: Any, codec: FieldCodec) -> Native:
    return _beyond(path, ">", value, codec)


@positioned.register("_before")
def before(path: Path, value: Any, codec: FieldCodec) -> Native:
    return _beyond(path, "<", value, codec)


def _beyond(path: Path, sign: str, value: Any, codec: FieldCodec) -> Native:
    place = place_of(path, codec)
    if place.column:
        return Native(SQL(f"{place.column}{sign}%s", (key_text(codec.schema, value),)))
    if place.kind.kind not in SORTABLE:
        raise ValueError("what sorts after it is not known without looking at the types")
    if value is None:
        plain = SQL(f"{place.sortable} IS NOT NULL")
        return Native(Position(plain, SQL(f"{place.text} IS NOT NULL")))
    return Native(_position(place, sign, value))


def _position(place: Place, sign: str, value: Any) -> Position:
    kind = place.kind.kind
    plain = SQL(f"{place.sortable}{sign}{_CAST[kind]}", (written(place, value),))
    own = plain if kind == "bool" else compared(place, sign, value)
    rank = _RANKS[kind]
    others = [t for t, r in _TYPE_RANKS.items() if (r > rank if sign == ">" else r < rank)]
    if not others:
        return Position(plain, own)
    types = ",".join(f"'{one}'" for one in others)
    odd = f"({misfit(kind, place.json, place.text)} AND {place.type} IN ({types}))"
    return Position(plain, SQL(f"({own.text} OR {odd})", own.parameters))


def written(place: Place, value: Any) -> str:
    """A value as the parameter of a comparison with what an index holds."""
    wire = to_wire(place.kind, value)
    if isinstance(wire, bool):
        return str(wire).lower()
    return repr(wire) if isinstance(wire, float) else str(wire)


_CAST: Final = {
    "bool": "%s::boolean",
    **dict.fromkeys(TEXTUAL, "%s"),
    **dict.fromkeys(NUMERIC, "%s::numeric"),
    "float": "%s::float8",
}
_RANKS: Final = {
    **dict.fromkeys(NUMERIC, 1),
    "str": 2,
    "bytes": 5,
    "uuid": 6,
    "objectid": 7,
    "bool": 8,
    "date": 10,
    "datetime": 11,
    "time": 12,
    "timedelta": 13,
}
"""The places of the kinds in the canonical order of types."""
_TYPE_RANKS: Final = {"number": 1, "string": 2, "object": 3, "array": 4, "boolean": 8}
