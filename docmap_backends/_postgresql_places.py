"""Places in JSONB as PostgreSQL's expressions: the value at a path, its type, its text.

The keys of a path are constants in the statement: only then does an index on the expression serve
the query. An index holds `Place.sortable`, which is null for null, missing and whatever is not of
the declared type; `misfit` tells of the latter.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from pydantic.errors import PydanticUndefinedAnnotation

from docmap.errors import InvalidModel
from docmap.plan.engine import FieldCodec
from docmap.query.paths import Digits, Path
from docmap.schema.registry import DECLARATION, known
from docmap.schema.schema import Schema
from docmap.schema.types import UNTYPED, FieldType
from docmap.schema.wire import BIGINT_DIGITS, TAGS
from docmap.values import DECIMAL_DIGITS, DECIMAL_MAX_ADJUSTED, DECIMAL_MIN_EXPONENT
from docmap_backends._postgresql_sql import any_row, literal

_FARTHEST: Final = 2_000_000_000  # an index beyond it is no int of 32 bits


@dataclass(frozen=True, slots=True)
class Source:
    """Where paths start: the document, or an element of a list inside `any` and `all`."""

    json: str = "doc"
    depth: int = 0


@dataclass(slots=True)
class ElementCodec(FieldCodec):
    """The codec that lookups get inside `any` and `all`, where paths start at an element."""

    source: Source = Source()


@dataclass(frozen=True, slots=True)
class Place:
    """One path in one source, as expressions."""

    json: str
    """The JSONB value; NULL if nothing is there."""
    text: str
    """The text of a string, of other values their JSON; NULL for null and missing."""
    kind: FieldType
    indexed: bool = False
    """A declared index holds `sortable`."""
    column: str = ""
    """The column of the keys in their canonical order, if the place is that of the key."""
    key: str = ""
    """The column of the keys, in whatever order."""
    table: str = ""
    """The table that it is in, quoted; empty for an element of a list."""

    @property
    def type(self) -> str:
        """The JSON type as text; NULL if nothing is there."""
        return f"jsonb_typeof({self.json})"

    @property
    def elements(self) -> str:
        """A table function that gives the elements; none for what is no list."""
        return list_elements(self.json)

    @property
    def sortable(self) -> str:
        """What an index holds: NULL unless the value is of the declared type."""
        return sortable(self.kind.kind, self.json, self.text)

    def all_of_kind(self, asked: str) -> str:
        """A condition on the form of a text, which need not be asked where all texts are of it.

        That none is not, is read once for a statement, in an index of those that are not.
        """
        odd = self.any_odd
        return f"NOT {odd} OR {asked}" if odd else asked

    @property
    def any_odd(self) -> str:
        """Whether there are values of other types, where an index says it; else empty."""
        if not self.indexed or not self.table:
            return ""
        return any_odd(self.table, self.kind.kind, self.json, self.text)

    @property
    def number(self) -> str:
        """The value as a numeric. Only where the type is known to be a number."""
        return f"({self.json})::numeric"


def place_of(path: Path, codec: FieldCodec) -> Place:
    """The place that a lookup compares. Raises ValueError for one that SQL cannot name."""
    source: Source | None = getattr(codec, "source", None)
    if is_tag(path, codec.type):
        raise ValueError("an object with this key is stored in another form, or is another value")
    if source is not None and source.depth:
        json, text = expressions(path, source)
        return Place(json, text, codec.type)
    root = source or Source(codec.engine.document_column(codec.schema))
    json, text = expressions(path, root)
    column = codec.engine.key_column(codec.schema, path)
    found = (path.segments, codec.type.kind) in indexed(codec.schema)
    table = codec.engine.table_name(codec.schema)
    key = codec.engine.key_place(codec.schema, path)
    return Place(json, text, codec.type, found, column, key, table)


def is_tag(path: Path, kind: FieldType) -> bool:
    """True if a path goes through a key by which untyped values are told apart where they are kept.

    An object with such a key is stored in another form, or it is another value.
    """
    return kind.kind in UNTYPED and not TAGS.isdisjoint(path.segments)


def indexed(schema: Any) -> frozenset[tuple[tuple[Any, ...], str]]:
    """The paths, each with the kind of its type, that declared indexes hold as they sort."""
    return _indexed(schema, known.generation)


@lru_cache(maxsize=512)
def _indexed(schema: Any, _: int) -> frozenset[tuple[tuple[Any, ...], str]]:
    return frozenset(
        (term.path.segments, term.type.kind)
        for one in (schema, *schema.relatives, *_others(schema))
        for index in one.indexes
        for term in index.terms
        if not term.elements
    )


def _others(schema: Schema) -> Iterator[Schema]:
    """Other classes over the same collection, whose indexes serve this one too."""
    for cls in known.all():
        if getattr(cls, DECLARATION).collection == schema.collection:
            # A class that cannot be used yet has made no index.
            with suppress(InvalidModel, PydanticUndefinedAnnotation):
                yield cls.__docmap_schema__


@lru_cache(maxsize=1024)
def expressions(path: Path, source: Source = Source()) -> tuple[str, str]:
    """The JSONB value at a path and its text, as SQL."""
    json = source.json
    if not path.segments:
        return json, f"({json}#>>'{{}}')"
    for segment in path.segments[:-1]:
        json = _below(json, segment)
    last = path.segments[-1]
    value = _below(json, last)
    if isinstance(last, (int, Digits)):
        return value, f"({value}#>>'{{}}')"
    return value, f"({json}->>{literal(str(last))})"


def _below(json: str, segment: Any) -> str:
    """One segment deeper. PostgreSQL takes a lone scalar for a list of one, so lists are asked."""
    if isinstance(segment, Digits):
        index = min(int(segment[:10]), _FARTHEST)
        return (
            f"(CASE WHEN jsonb_typeof({json})='array' THEN {json}->{index} "
            f"ELSE {json}->{literal(str(segment))} END)"
        )
    if isinstance(segment, int):
        return (
            f"(CASE WHEN jsonb_typeof({json})='array' THEN {json}->{min(segment, _FARTHEST)} END)"
        )
    return f"({json}->{literal(str(segment))})"


def list_elements(json: str) -> str:
    """A table function that gives the elements of a list; none of what is no list."""
    return f"jsonb_array_elements(CASE WHEN jsonb_typeof({json})='array' THEN {json} END)"


def element_source(depth: int) -> Source:
    """The source of conditions on one element of a list."""
    return Source(f"e{depth}.value", depth)


# -- values as they sort

_DAY: Final = (
    r"(?:[0-9]{4}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])"
    r"|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)|02-(?:0[1-9]|1[0-9]|2[0-8]))"
    r"|(?:[0-9]{2}(?:0[48]|[2468][048]|[13579][26])|(?:[02468][048]|[13579][26])00)-02-29)"
)
_TIME: Final = r"(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]\.[0-9]{6}"
FORMS: Final[Mapping[str, str]] = {
    "datetime": f"^{_DAY}T{_TIME}Z$",
    "date": f"^{_DAY}$",
    "time": f"^{_TIME}$",
    "uuid": "^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$",
    "objectid": "^[0-9a-f]{24}$",
    "bytes": "^(?:[0-9a-f]{2})*$",
    "decimal": r"^[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?$",
    "bigint": "^(?:-?[1-9][0-9]*|0)$",
}
"""The text of values that JSON lacks, whole; what is not of this form is text and nothing else."""
TEXTUAL: Final = frozenset({"str", "datetime", "date", "time", "uuid", "objectid", "bytes"})
NUMERIC: Final = frozenset({"int", "timedelta", "float", "decimal", "bigint"})
SORTABLE: Final = TEXTUAL | NUMERIC | {"bool"}
"""The kinds of types whose order PostgreSQL can keep."""
SAFE_DIGITS: Final = 300  # a number written with fewer characters is no overflow of a float


@lru_cache(maxsize=1024)
def sortable(kind: str, json: str, text: str) -> str:
    """The value of a place as PostgreSQL sorts and compares it, NULL for what is not of the kind.

    It never fails, whatever is stored: an index on it takes every row.
    """
    type_of = f"jsonb_typeof({json})"
    if kind == "float":
        number = f"({json})::numeric"
        return (
            f"(CASE WHEN {type_of}='number' THEN CASE WHEN octet_length({text})<{SAFE_DIGITS} "
            f"THEN {text}::float8 WHEN abs({number}) BETWEEN 5e-324 AND 1.7976931348623157e308 "
            f"THEN ({json})::float8 END END)"
        )
    if kind == "int":
        return f"(CASE WHEN {type_of}='number' THEN ({json})::numeric END)"
    if kind == "timedelta":  # of whole microseconds
        return (
            f"(CASE WHEN {type_of}='number' THEN CASE WHEN scale(({json})::numeric)=0 "
            f"THEN ({json})::numeric END END)"
        )
    if kind in {"decimal", "bigint"}:
        return (
            f"(CASE {type_of} WHEN 'string' THEN CASE WHEN {fits_form(kind, text)} "
            f"THEN {text}::numeric END WHEN 'number' THEN ({json})::numeric END)"
        )
    if kind == "bool":
        return f"(CASE WHEN {type_of}='boolean' THEN ({json})::boolean END)"
    return f"""((CASE WHEN {type_of}='string' THEN {text} END) COLLATE "C")"""


@lru_cache(maxsize=1024)
def fits_form(kind: str, text: str) -> str:
    """A condition that a text is the form of a value of the kind."""
    found = f'({text} COLLATE "C")~{literal(FORMS[kind])}'
    if kind == "decimal":
        return _is_decimal(text, found)
    if kind == "bigint":
        return f"octet_length({text})<={BIGINT_DIGITS} AND {found}"
    # The regular expression has room for a year 0; not to have it would make it much slower.
    return f"""{found} AND ({text} COLLATE "C")>='0001'""" if kind in _DATED else found


def _is_decimal(text: str, plain: str) -> str:
    """The condition for a Decimal. Only of long texts and large exponents more has to be asked."""
    number = f"{text}::numeric"
    digits = f"ltrim(regexp_replace({text},'[-+.]|[eE].*$','','g'),'0')"
    exponent = f"coalesce(substring({text} from '[eE][+]?([0-9]{{4}})$'),'0')::int"
    return (
        f"(CASE WHEN octet_length({text})<={DECIMAL_DIGITS} AND {plain} THEN TRUE "
        f"WHEN octet_length({text})<={_LONGEST_DECIMAL} "
        f'AND ({text} COLLATE "C")~{literal(_ANY_DECIMAL)} THEN length({digits})<={DECIMAL_DIGITS} '
        f"AND scale({number})<={-DECIMAL_MIN_EXPONENT} AND CASE WHEN {number}='0' "
        f"THEN {exponent}<{DECIMAL_MAX_ADJUSTED} "
        f"ELSE length(trunc(abs({number}),0)::text)<={DECIMAL_MAX_ADJUSTED} END ELSE FALSE END)"
    )


_LONGEST_DECIMAL: Final = 80  # characters: with zeros that count for nothing
_ANY_DECIMAL: Final = FORMS["decimal"].replace("{1,3}", "{1,4}")
_DATED: Final = frozenset({"date", "datetime"})


CASTS: Final[Mapping[str, str]] = {
    "float": "float8",
    "int": "numeric",
    "timedelta": "numeric",
    "decimal": "numeric",
    "bigint": "numeric",
    "bool": "boolean",
}
"""The types of sortable values; others are text."""


def cast_of(kind: str) -> str:
    """The type of the sortable values of a kind."""
    return CASTS.get(kind, "text")


@lru_cache(maxsize=1024)
def any_odd(table: str, kind: str, json: str, text: str) -> str:
    """Whether values of other types than declared are stored, read in the index that holds them.

    The planner knows nothing of how few they are. It takes an equality of which it knows nothing
    for true in one of two hundred rows, and so does not read the table. Nor shall it start workers
    for that: what asks for the session is not for them.
    """
    few = f"length({text})+0=length({text}) AND pg_backend_pid()>0"
    return any_row(f"{table} WHERE {misfit(kind, json, text)} AND {few}")


@lru_cache(maxsize=1024)
def misfit(kind: str, json: str, text: str) -> str:
    """A condition for a value, neither null nor missing, that is not of the declared type.

    Where it holds for none, the order of `sortable` is the canonical one. It is never unknown.
    """
    type_of = f"coalesce(jsonb_typeof({json}),'null')"
    number = f"({json})::numeric"
    if kind == "float":
        odd = (
            f"CASE WHEN scale({number})=0 THEN abs({number})>9007199254740992 "
            f"ELSE {sortable(kind, json, text)} IS NULL END"
        )
        return f"(CASE {type_of} WHEN 'null' THEN FALSE WHEN 'number' THEN {odd} ELSE TRUE END)"
    if kind in {"int", "timedelta"}:
        odd = f"scale({number})>0"
        return f"(CASE {type_of} WHEN 'null' THEN FALSE WHEN 'number' THEN {odd} ELSE TRUE END)"
    if kind == "bool":
        return f"(CASE {type_of} WHEN 'null' THEN FALSE WHEN 'boolean' THEN FALSE ELSE TRUE END)"
    if kind in FORMS:
        odd = f"NOT ({fits_form(kind, text)})"
        return f"(CASE {type_of} WHEN 'null' THEN FALSE WHEN 'string' THEN {odd} ELSE TRUE END)"
    # Of a list of types the server does not see that it implies the condition of an index that has
    # it beside others.
    return f"(CASE {type_of} WHEN 'null' THEN FALSE WHEN 'string' THEN FALSE ELSE TRUE END)"
