"""What PostgreSQL makes of lookups on text and dates; with those on which it builds, of all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from docmap.plan.engine import FieldCodec, Native
from docmap.query.lookups import LookupManager
from docmap.query.paths import Path
from docmap.query.regex import Dialect, like_prefix, literal_prefix, parse, write
from docmap.query.regex_parse import Choice, Node, Repeat, Sequence
from docmap_backends._postgresql_keys import column_key
from docmap_backends._postgresql_lookups import exactly, of_kind
from docmap_backends._postgresql_places import Place, place_of
from docmap_backends._postgresql_positions import positioned
from docmap_backends._postgresql_sql import FALSE, likely
from docmap_backends._sql import SQL
from docmap_backends._sql_text import prefix_end

dialect = LookupManager(positioned)
"""Every lookup that PostgreSQL has a form of."""


def _plain(place: Place) -> str:
    return f'({place.text} COLLATE "C")'


def _on_text(place: Place, condition: str, *parameters: Any) -> Native:
    """A condition on the text of a place, if text is stored there."""
    return exactly(f"({condition} AND {likely(f'{place.type}={_STRING}')})", *parameters)


_STRING: Final = "'string'"


@dialect.register("startswith")
def startswith(path: Path, value: str, codec: FieldCodec) -> Native:
    place = place_of(path, codec)
    if not _ranged(place, value):
        return _on_text(place, f"starts_with({place.text},%s)", value)
    found = _prefix(place, value)
    return exactly(f"({found.text})", *found.parameters)


def _ranged(place: Place, prefix: str) -> bool:
    """True if an index serves a range of text."""
    return place.indexed or (bool(place.column) and column_key(prefix) == prefix)


def _prefix(place: Place, prefix: str) -> SQL:
    """A range of text, which an index serves."""
    entry, end = place.column or place.sortable, prefix_end(prefix)
    if end is None:
        return SQL(f"{entry}>=%s", (prefix,))
    return SQL(f"{entry}>=%s AND {entry}<%s", (prefix, end))


@dialect.register("endswith")
def endswith(path: Path, value: str, codec: FieldCodec) -> Native:
    place = place_of(path, codec)
    if not value:
        return exactly(f"{place.type}='string'")
    return _on_text(place, f"right({_plain(place)},{len(value)})=%s", value)


@dialect.register("like")
def like(path: Path, value: str, codec: FieldCodec) -> Native:
    return _with_prefix(path, codec, like_prefix(value), "LIKE %s", value)


def _with_prefix(path: Path, codec: FieldCodec, prefix: str, test: str, value: str) -> Native:
    place = place_of(path, codec)
    tested = f"{_plain(place)} {test}"
    if not prefix or not _ranged(place, prefix):
        return _on_text(place, tested, value)
    found = _prefix(place, prefix)
    return _on_text(place, f"{found.text} AND {tested}", *found.parameters, value)


# -- regular expressions


def _escape(code: int) -> str:
    char = chr(code)
    if char.isascii() and char.isalnum():
        return char
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


_WORD: Final = "[0-9A-Za-z_]"
_EDGE: Final = f"(?<={_WORD})(?!{_WORD})|(?<!{_WORD})(?={_WORD})"
_INSIDE: Final = f"(?<={_WORD})(?={_WORD})|(?<!{_WORD})(?!{_WORD})"
_POSTGRESQL: Final = Dialect(
    anchors={
        "start": "(?:^)",
        "end": "(?:$)",
        "line_start": r"(?:^|(?<=\u000a))",
        "line_end": r"(?:$|(?=\u000a))",
        "word": f"(?:{_EDGE})",
        "not_word": f"(?:{_INSIDE})",
    },
    escape=_escape,
    any=".",
)
_LARGEST: Final = 600  # pieces once repetitions are written out, up to which compiling is cheap


def _matching(name: str, *, caseless: bool) -> None:
    @dialect.register(name)
    def matches(path: Path, value: str, codec: FieldCodec) -> Native:
        regex = parse(value, caseless=caseless)
        if _pieces(regex.node) > _LARGEST:
            raise ValueError("PostgreSQL would take long to compile the pattern")
        prefix = "" if caseless else literal_prefix(value)
        return _with_prefix(path, codec, prefix, "~ %s", f"***:{write(regex.node, _POSTGRESQL)}")


_matching("matches", caseless=False)
_matching("matches_caseless", caseless=True)


def _pieces(node: Node) -> int:
    match node:
        case Sequence(parts) | Choice(parts):
            return 1 + sum(map(_pieces, parts))
        case Repeat(part, least, most):
            return _pieces(part) * max(1, least + 1 if most is None else most)
    return 1


# -- casefold, which PostgreSQL has not


def _folded(name: str, test: Callable[[str], str]) -> None:
    """A superset: text of ASCII letters is compared in lower case, all other text is read."""

    @dialect.register(name)
    def folded(path: Path, value: str, codec: FieldCodec) -> Native:
        place = place_of(path, codec)
        text, asked = place.text, likely(f"{place.type}='string'")
        other = f"octet_length({text})<>length({text})"
        if not value.isascii():
            return Native(SQL(f"({other} AND {asked})"), exact=False)
        tested = test(f'lower({text} COLLATE "C")')
        return Native(SQL(f"(({tested} OR {other}) AND {asked})", (value,)), exact=False)


_folded("icontains", lambda text: f"strpos({text},%s)>0")
_folded("istartswith", lambda text: f"starts_with({text},%s)")
_folded("iexact", lambda text: f"{text}=%s")


@dialect.register("iendswith")
def iendswith(path: Path, value: str, codec: FieldCodec) -> Native:
    place = place_of(path, codec)
    text, asked = place.text, likely(f"{place.type}='string'")
    other = f"octet_length({text})<>length({text})"
    if not value.isascii():
        return Native(SQL(f"({other} AND {asked})"), exact=False)
    tested = f'right(lower({text} COLLATE "C"),{len(value)})=%s' if value else "%s=''"
    return Native(SQL(f"(({tested} OR {other}) AND {asked})", (value,)), exact=False)


# -- dates


@dialect.register("year")
def year(path: Path, value: int, codec: FieldCodec) -> Native:
    place = _moment(path, codec)
    if not 1 <= value <= 9999:
        return Native(FALSE)
    entry = place.sortable if place.indexed else _plain(place)
    return exactly(
        f"({entry}>=%s AND {entry}<%s AND {likely(place.all_of_kind(of_kind(place)))})",
        f"{value:04d}-",
        f"{value:04d}.",
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
            return Native(FALSE)
        asked = likely(of_kind(place))
        return exactly(f"(substr({place.text},{start},2)=%s AND {asked})", f"{value:02d}")


_part("month", 6)
_part("day", 9)
_part("hour", 12)


@dialect.register("weekday")
def weekday(path: Path, value: int, codec: FieldCodec) -> Native:
    place = _moment(path, codec)
    return exactly(
        f"(CASE WHEN {of_kind(place)} THEN {weekday_of(place.text)} END)=%s::numeric", str(value)
    )


def weekday_of(text: str) -> str:
    """The day of the week, Monday 0, of the text of a date or datetime."""
    parts = ",".join(f"substr({text},{a},{n})::int" for a, n in ((1, 4), (6, 2), (9, 2)))
    return f"(extract(isodow FROM make_date({parts}))-1)"
