"""What MongoDB makes of lookups on text and dates; with the modules it imports, of all."""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache
from typing import Any, Final

from docmap.plan.engine import FieldCodec, Native
from docmap.query.lookups import LookupManager
from docmap.query.paths import Path
from docmap.query.regex import like_prefix, literal_prefix
from docmap_backends._mongodb_elements import elements
from docmap_backends._mongodb_lookups import bound
from docmap_backends._mongodb_numbers import orders_exactly
from docmap_backends._mongodb_patterns import literal, of_like, of_regex, on_text
from docmap_backends._mongodb_places import NOTHING, ElementCodec, Place, place_of

dialect: Final = LookupManager(elements)
"""Every lookup that MongoDB has a form of."""


def _prefix(codec: FieldCodec, prefix: str) -> dict[str, Any]:
    """The range of text that begins with a prefix, which an index serves."""
    end = prefix_end(prefix)
    operators = {"$gte": prefix} if end is None else {"$gte": prefix, "$lt": end}
    exact = all(orders_exactly(codec.engine, text) for text in operators.values())
    return operators if exact else {}


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


@dialect.register("startswith")
def startswith(path: Path, value: str, codec: FieldCodec) -> Native:
    place = place_of(path, codec)
    operators = _prefix(codec, value)
    if not operators:
        return on_text(place, rf"\A{literal(value)}")
    return place.native(place.having(**operators))


@dialect.register("endswith")
def endswith(path: Path, value: str, codec: FieldCodec) -> Native:
    return on_text(place_of(path, codec), rf"{literal(value)}\z")


@dialect.register("matches")
def matches(path: Path, value: str, codec: FieldCodec) -> Native:
    place, start = place_of(path, codec), literal_prefix(value)
    operators = _prefix(codec, start) if start else {}
    try:
        return on_text(place, of_regex(value), **operators)
    except ValueError:
        if not operators:
            raise
        return place.native(place.having(**operators), exact=False)


@dialect.register("matches_caseless")
def matches_caseless(path: Path, value: str, codec: FieldCodec) -> Native:
    return on_text(place_of(path, codec), of_regex(value, caseless=True))


@dialect.register("like")
def like(path: Path, value: str, codec: FieldCodec) -> Native:
    place, start = place_of(path, codec), like_prefix(value)
    operators = _prefix(codec, start) if start else {}
    try:
        return on_text(place, of_like(value), **operators)
    except ValueError:
        if not operators:
            raise
        return place.native(place.having(**operators), exact=False)


# -- whatever the case: a superset, as the tables of Unicode differ


def _caseless(name: str, begin: str, end: str) -> None:
    @dialect.register(name)
    def caseless(path: Path, value: str, codec: FieldCodec) -> Native:
        if not value.isascii():
            raise ValueError("servers fold other letters by tables of their own")
        folded = "".join(_both(char) for char in value)
        if len(value) > _LONGEST:
            raise ValueError("too long for a pattern")
        return on_text(place_of(path, codec), f"{begin}{folded}{end}|[{_folding()}]", exact=False)


_LONGEST: Final = 500


def _both(char: str) -> str:
    return f"[{char}{char.upper()}]" if char.isalpha() else literal(char)


@lru_cache(maxsize=1)
def _folding() -> str:
    """The characters beyond ASCII that casefold makes ASCII of, as they stand in a class."""
    last = 0x1FFFF  # no cased letters lie beyond
    found = (
        code for code in range(0x80, last) if any(char < "\x80" for char in chr(code).casefold())
    )
    return "".join(f"\\x{{{code:x}}}" for code in found)


_caseless("icontains", "", "")
_caseless("istartswith", r"\A", "")
_caseless("iendswith", "", r"\z")
_caseless("iexact", r"\A", r"\z")


# -- dates


@dialect.register("year")
def year(path: Path, value: int, codec: FieldCodec) -> Native:
    place = _moment(path, codec)
    if not 1 <= value <= 9999:
        return Native(NOTHING)
    if place.kind.kind == "date":
        return on_text(place, rf"\A{value:04d}-[0-9]{{2}}-[0-9]{{2}}\z")
    start = datetime.fromisoformat(f"{value:04d}-01-01T00:00:00+00:00")
    operators = {"$gte": bound(place.kind, start)}
    if value < 9999:
        operators["$lt"] = bound(place.kind, start.replace(year=value + 1))
    else:
        last = datetime.fromisoformat("9999-12-31T23:59:59.999999+00:00")
        if not place.kind.microseconds:
            last = last.replace(microsecond=999_000)
        operators["$lte"] = bound(place.kind, last)
    return place.native(place.having(**operators))


def _moment(path: Path, codec: FieldCodec) -> Place:
    place = place_of(path, codec)
    if place.kind.kind not in {"date", "datetime"}:
        raise ValueError("no exact form")
    return place


def _part(name: str, expression: str, form: str = "", *, shift: int = 0) -> None:
    @dialect.register(name)
    def part(path: Path, value: int, codec: FieldCodec) -> Native:
        place = _moment(path, codec)
        if not 0 <= value <= 99:
            return Native(NOTHING)
        if place.kind.kind == "datetime":
            return _computed(path, codec, {"$eq": [{expression: f"${place.name}"}, value + shift]})
        if not form:
            raise ValueError("no exact form")
        return on_text(place, form.format(f"{value:02d}"))


def _computed(path: Path, codec: FieldCodec, test: dict[str, Any]) -> Native:
    """A condition on what the server computes, which fails on what is no date."""
    alone = not isinstance(codec, ElementCodec) and not codec.type.microseconds
    if not (alone and codec.engine.trusts(codec.schema, path, codec.type)):
        raise ValueError("other types may be stored there")
    if not codec.engine.date_expressions:
        raise ValueError("the server does not compute parts of dates")
    return Native({"$expr": test})


_part("month", "$month", r"\A[0-9]{{4}}-{0}-[0-9]{{2}}\z")
_part("day", "$dayOfMonth", r"\A[0-9]{{4}}-[0-9]{{2}}-{0}\z")
_part("hour", "$hour")
_part("weekday", "$isoDayOfWeek", shift=1)
