"""Indexes in an ordered byte store as the choice of access sees them; the records are one too."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from typing import Any

from docmap.query.nodes import And, Compare, Node, Not, Or
from docmap.query.paths import Path
from docmap.schema.indexes import BoundIndex, IndexTerm
from docmap.schema.schema import Schema
from docmap_backends._keyvalue_catalogue import NO_ELEMENT, HeldIndex
from docmap_backends._keyvalue_store import ReadableStore, counted, runs
from docmap_backends._ordered import NOT_TOLD, above, end_of, ordered, rank_byte, value_of
from docmap_backends._spans import LAST, Span

KEY_INDEX = "(key)"


class StoredIndex:
    """An index in a view of the store. Its entries are the forms of the documents' keys."""

    def __init__(self, view: ReadableStore, held: HeldIndex, key_path: Path) -> None:
        self.declared = held.declared
        self.key_path = key_path
        self._view = view
        self._prefix = held.prefix

    def count(self, span: Span) -> int:
        """How many entries lie within a span."""
        return counted(self._view, *self.bounds(span))

    def about(self, span: Span, most: int) -> int:
        """How many entries lie within a span, of which no more than `most` are counted."""
        return sum(1 for _ in islice(self._view.keys(*self.bounds(span)), most))

    def entries(self, spans: Iterable[Span], *, reverse: bool, most: int | None) -> Iterator[bytes]:
        """The forms of the keys within spans, each once."""
        found = chain.from_iterable(
            islice(self._within(span, reverse=reverse), most) for span in spans
        )
        return iter(dict.fromkeys(found)) if self.declared.elements else found

    def _within(self, span: Span, *, reverse: bool) -> Iterator[bytes]:
        for _, key in self._view.items(*self.bounds(span), reverse=reverse):
            yield key

    def values(self, term: int) -> list[Any] | None:
        """The different values at a term; None if the index cannot tell them, as of numbers."""
        start = len(self._prefix)
        forms: set[bytes] = set()

        def head(key: bytes) -> bytes:
            begin = start
            for _ in range(term):
                begin = end_of(key, begin)
            end = end_of(key, begin)
            forms.add(key[begin:end])  # it is asked once for each run
            return key[:end]

        deque(runs(self._view, self._prefix, _behind(self._prefix), head), maxlen=0)
        forms.discard(NO_ELEMENT)
        values = [value_of(form) for form in forms]
        return None if NOT_TOLD in values else values

    def bounds(self, span: Span) -> tuple[bytes, bytes]:
        """The first key of a span, and the first behind it."""
        head = self._prefix + b"".join(map(ordered, span.prefix))
        low = head + ordered(span.low[0]) if span.low else head
        if not span.low_included:
            low = _behind(low)
        if not span.high:
            return low, _behind(head)
        end = span.high[0]
        if end[-1] is LAST:
            return low, max(low, _behind(head + rank_byte(end[0])))
        high = head + ordered(end)
        return low, max(low, _behind(high) if span.high_included else high)


def _behind(prefix: bytes) -> bytes:
    """The least bytes behind all that begins so: there are some, as no key of ours begins so."""
    end = above(prefix)
    assert end is not None  # noqa: S101 - the first byte is a letter
    return end


class Records(StoredIndex):
    """The records themselves, which lie in the order of their keys, as an index over the key."""

    def __init__(self, view: ReadableStore, prefix: bytes, schema: Schema) -> None:
        term = IndexTerm(
            schema.key_path, descending=False, type=schema.key_field.type, elements=False
        )
        self.declared = _KeyIndex((term,), unique=True, name=KEY_INDEX)
        self.key_path = schema.key_path
        self._view = view
        self._prefix = prefix

    def _within(self, span: Span, *, reverse: bool) -> Iterator[bytes]:
        start = len(self._prefix)
        for key in self._view.keys(*self.bounds(span), reverse=reverse):
            yield key[start:]

    def items(self, spans: Iterable[Span], *, reverse: bool) -> Iterator[tuple[bytes, bytes]]:
        """The keys and packed records within spans."""
        for span in spans:
            yield from self._view.items(*self.bounds(span), reverse=reverse)


class _KeyIndex(BoundIndex):
    """The index that every collection has."""

    @property
    def label(self) -> str:
        """As explain names it."""
        return KEY_INDEX


def keys_serve(schema: Schema, node: Node | None) -> bool:
    """True if what a condition says of the key can be told by the forms of stored keys."""
    kind = schema.key_field.type.kind
    return kind in {"str", "int"} or all(
        kind == "any" and _plain(value) for value in _compared(node, schema.key_path)
    )


def _plain(value: Any) -> bool:
    several = value if isinstance(value, (tuple, list)) else (value,)
    return all(type(one) in {str, int, float} for one in several)


def _compared(node: Node | None, path: Path) -> Iterator[Any]:
    """All values that a condition compares with a path."""
    match node:
        case Compare(place, _, value):
            if place == path:
                yield value
        case And(children) | Or(children):
            for child in children:
                yield from _compared(child, path)
        case Not(child):
            yield from _compared(child, path)
