"""What SQLite's dialect makes of lookups on text and dates; with `_sql_lookups`, of all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from docmap.plan.engine import FieldCodec, Native
from docmap.query.lookups import LookupManager
from docmap.query.paths import Path
from docmap.query.regex import like_prefix, literal_prefix
from docmap_backends._sql import SQL
from docmap_backends._sql_lookups import exactly, lookups, native, on_text, raw_place
from docmap_backends._sql_places import Place, place_of

dialect = LookupManager(lookups)
"""Every lookup that SQLite's dialect has a form of."""


@dialect.register("startswith")
def startswith(path: Path, value: str, codec: FieldCodec) -> Native:
    place = place_of(path, codec)
    condition, parameters = _prefix(place, value)
    return on_text(place, condition, *parameters)


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


@dialect.register("endswith")
def endswith(path: Path, value: str, codec: FieldCodec) -> Native:
    place = place_of(path, codec)
    if not value:
        return exactly(f"{raw_place(path, codec).type}='text'")
    return on_text(place, f"substr({place.value},-{len(value)})=?", value)


def _by_function(name: str, prefix: Callable[[str], str] | None = None) -> None:
    """A lookup that SQLite calls back for: Python's casefold, a linear regular expression."""

    @dialect.register(name)
    def called(path: Path, value: str, codec: FieldCodec) -> Native:
        if not codec.engine.has_functions:
            raise ValueError("the engine cannot call back")
        place = place_of(path, codec)
        condition, parameters = f"docmap_text('{name}',{place.value},?)", (value,)
        start = prefix(value) if prefix is not None else ""
        if start:
            ranged, ends = _prefix(place, start)
            condition, parameters = f"({ranged} AND {condition})", (*ends, value)
        return on_text(place, condition, *parameters)


for _name in ("icontains", "istartswith", "iendswith", "iexact", "matches_caseless"):
    _by_function(_name)
_by_function("matches", literal_prefix)
_by_function("like", like_prefix)


# -- dates


@dialect.register("year")
def year(path: Path, value: int, codec: FieldCodec) -> Native:
    place = _moment(path, codec)
    if not 1 <= value <= 9999:
        return Native(SQL("0"))
    return native(
        place, f"({place.value}>=? AND {place.value}<?)", f"{value:04d}-", f"{value:04d}."
    )


def _moment(path: Path, codec: FieldCodec) -> Place:
    place = place_of(path, codec)
    if place.kind.kind not in {"date", "datetime"}:
        raise ValueError("no exact form")
    return place


def _part(name: str, start: int) -> None:
    @dialect.register(name)
    def part(path: Path, value: int, codec: FieldCodec) -> Native:
        place = _moment(path, codec)
        if not 0 <= value <= 99:
            return Native(SQL("0"))
        return native(place, f"substr({place.value},{start},2)=?", f"{value:02d}")


_part("month", 6)
_part("day", 9)
_part("hour", 12)


@dialect.register("weekday")
def weekday(path: Path, value: int, codec: FieldCodec) -> Native:
    place = _moment(path, codec)
    if not 0 <= value <= 6:
        return Native(SQL("0"))
    sunday_first = str((value + 1) % 7)
    return native(place, f"strftime('%w',substr({place.value},1,10))=?", sunday_first)
