"""Cursors: a position in the order of a query as text, which a program may hand out and take back.

The text is base64url without padding, safe in a URL: a mark of the order, a checksum, and the sort
values of one document as JSON with type tags. It holds nothing that is executed, and it is no
secret: whoever holds it can read the values.
"""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from dataclasses import replace
from hashlib import blake2b
from typing import Any, Final
from zlib import crc32

from pydantic_core import from_json, to_json

from docmap.errors import InvalidQuery
from docmap.query.keyset import Run, position, runs
from docmap.query.order import OrderTerm
from docmap.query.paths import Digits
from docmap.query.text import order_text
from docmap.schema.operands import coerce
from docmap.schema.schema import Schema
from docmap.schema.types import ANY, UNTYPED, FieldType
from docmap.schema.wire import kind_of, tagged, untagged

_FORMAT: Final = 1
_MARK: Final = 6  # bytes
_CHECK: Final = 4  # bytes


def write_cursor(schema: Schema, terms: Sequence[OrderTerm], data: bytes | str) -> str:
    """The cursor of a stored document in a total order."""
    names = {term.path.segments[0] for term in terms}
    values = position(terms, schema.codec.tree(data, names))
    payload = to_json([tagged(value) for value in values])
    mark = _mark(schema, terms)
    return _text(mark + _check(mark, payload) + payload)


def read_cursor(schema: Schema, terms: Sequence[OrderTerm], cursor: Any) -> tuple[Run, ...]:
    """What sorts after a cursor, in runs.

    Raises InvalidQuery for what is no cursor, a damaged one, and one of another order.
    """
    mark, values = _opened(schema, cursor)
    if mark != _mark(schema, terms) or len(values) != len(terms):
        raise InvalidQuery(
            f"this cursor is of another query than {schema.name} ordered by {order_text(terms)}: "
            "use it with the class, the key and the order that it was made with, or begin again "
            "without one",
            collection=schema.collection,
        )
    for term, value in zip(terms, values, strict=True):
        if type(value) is int and getattr(term.type, "kind", "any") != "bigint":
            _of_no_document(schema, cursor, value)
    fitting = [
        term if _fits(term.type, value) else replace(term, type=ANY)
        for term, value in zip(terms, values, strict=True)
    ]
    return runs(fitting, values)


def _opened(schema: Schema, cursor: Any) -> tuple[bytes, list[Any]]:
    """The mark of a cursor, and its values, which are such as can be stored."""
    try:
        raw = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        mark, check, payload = raw[:_MARK], raw[_MARK : _MARK + _CHECK], raw[_MARK + _CHECK :]
        sound = _text(raw) == cursor and check == _check(mark, payload)
        values = [_storable(untagged(wire)) for wire in from_json(payload)] if sound else None
    except (ValueError, TypeError) as error:
        raise _no_cursor(schema, cursor) from error
    if values is None:
        raise _no_cursor(schema, cursor)
    return mark, values


def _storable(value: Any) -> Any:
    """The value as it would be stored. Whether an int may be a large one, its place decides."""
    return value if type(value) is int else coerce(ANY, value)


def _of_no_document(schema: Schema, cursor: str, value: int) -> None:
    """Refuse an int that no document has in a place whose ints have 64 bits."""
    try:
        coerce(ANY, value)
    except ValueError as error:
        raise _no_cursor(schema, cursor) from error


def _no_cursor(schema: Schema, cursor: Any) -> InvalidQuery:
    what = "damaged, or none" if isinstance(cursor, str) else type(cursor).__name__
    return InvalidQuery(
        f"a query on {schema.name} takes a cursor that docmap made, unchanged: this is {what}",
        collection=schema.collection,
    )


def _text(raw: bytes) -> str:
    return urlsafe_b64encode(raw).decode().rstrip("=")


def _mark(schema: Schema, terms: Sequence[OrderTerm]) -> bytes:
    """What tells one order of one collection from all others: its paths, types and directions."""
    shape = [
        _FORMAT,
        schema.collection,
        schema.key_field.stored,
        *([_names(term), term.descending, getattr(term.type, "kind", "any")] for term in terms),
    ]
    return blake2b(json.dumps(shape).encode(), digest_size=_MARK).digest()


def _names(term: OrderTerm) -> list[Any]:
    return [["#", part] if isinstance(part, Digits) else part for part in term.path.segments]


def _check(mark: bytes, payload: bytes) -> bytes:
    return crc32(mark + payload).to_bytes(_CHECK, "big")


def _fits(kind: FieldType | None, value: Any) -> bool:
    """True if an engine may compare the value as one of the type: others are stored too."""
    if kind is None or value is None or kind.kind in UNTYPED:
        return True
    if kind.kind in _PLAIN:
        return type(value) in _PLAIN[kind.kind]
    return kind_of(value) == kind.kind


_PLAIN: Final[dict[str, frozenset[type]]] = {
    "bool": frozenset({bool}),
    "int": frozenset({int}),
    "bigint": frozenset({int}),
    "float": frozenset({int, float}),
    "str": frozenset({str}),
}
