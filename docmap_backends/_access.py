"""Which index in memory serves a query best, and within which ranges."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from itertools import product
from typing import Any, Final
from uuid import UUID

from docmap.query.nodes import And, Compare, Node
from docmap.query.order import OrderTerm
from docmap.query.paths import Segment
from docmap.schema.indexes import IndexTerm
from docmap.schema.schema import Schema
from docmap.schema.types import LISTS, FieldType
from docmap.values import RANK_DURATION, RANK_NUMBER, RANK_TEXT, ObjectId, order_key
from docmap_backends._tables_index import LAST, Entry, MemoryIndex, Span

_MOST_SPANS: Final = 64
Asked = dict[tuple[Segment, ...], list[tuple[int, Compare]]]
"""The comparisons that must all hold, with their position, by the segments of their path."""


@dataclass(frozen=True, slots=True)
class Access:
    """How an index serves a query."""

    index: MemoryIndex
    spans: Sequence[Span]
    equal: int
    """How many leading fields of the index are compared for equality."""
    narrowed: bool
    """The field after them lies in a range."""
    complete: bool
    """The spans hold exactly the matches, each once."""
    ordered: bool
    """The entries come in the wanted order."""
    reverse: bool

    @property
    def used(self) -> bool:
        """True if the index leaves documents out."""
        return bool(self.equal) or self.narrowed

    def count(self) -> int:
        """How many places the spans hold."""
        return sum(map(self.index.count, self.spans))

    def entries(self, stop: int | None) -> Iterator[Entry]:
        """The entries as they are now; all that are needed for the first `stop` matches."""
        most = stop if self.complete and self.ordered else None
        return self.index.entries(self.spans, reverse=self.reverse, most=most)

    def words(self) -> str:
        """What is read, for explain."""
        names = self.index.declared.fields
        parts = [f"{name} =" for name in names[: self.equal]]
        if self.narrowed:
            parts.append(f"{names[self.equal]} in a range")
        return (", ".join(parts) or "all entries") + (", in order" if self.ordered else "")


def choose(
    indexes: Iterable[MemoryIndex],
    node: Node | None,
    order: Sequence[OrderTerm] = (),
    stop: int | None = None,
) -> Access | None:
    """The index that leaves the least to do for a query; None if none helps."""
    conditions = node.children if isinstance(node, And) else () if node is None else (node,)
    asked: Asked = {}
    for position, one in enumerate(conditions):
        if isinstance(one, Compare):
            asked.setdefault(one.path.segments, []).append((position, one))
    found = []
    for index in indexes:
        first = index.declared.terms[0].path.segments
        if first in asked or (order and order[0].path.segments == first):
            access = _access(index, asked, len(conditions), order)
            if access is not None:
                found.append(access)
    if len(found) < 2:
        return found[0] if found else None
    return min(found, key=lambda access: _cost(access, order, stop))


def asked_keys(schema: Schema, node: Node | None) -> list[Any]:
    """The stored keys that a query names, one of which every match has; empty if it names none."""
    types = _UNTYPED_KEYS if schema.model is None else _KEYS_OF_CLASSES
    for one in node.children if isinstance(node, And) else (node,):
        if isinstance(one, Compare) and one.path == schema.key_path:
            values = {"equals": (one.value,), "in": one.value}.get(one.lookup, ())
            if values and all(type(value) in types for value in values):
                return [schema.stored_key(value) for value in values]
    return []


_UNTYPED_KEYS: Final = frozenset({str, int, UUID, ObjectId})
_KEYS_OF_CLASSES: Final = _UNTYPED_KEYS | {date, datetime}


def _cost(access: Access, order: Sequence[OrderTerm], stop: int | None) -> float:
    """A rough measure: sorting doubles the work, and a slice needs a part of what is ordered."""
    number = access.count()
    if order and not access.ordered:
        return number * 2
    if order and stop is not None:
        return min(number, stop) if access.complete else number / 4
    return number


def _access(
    index: MemoryIndex, asked: Asked, conditions: int, order: Sequence[OrderTerm]
) -> Access | None:
    equal: list[Sequence[Any]] = []
    used: set[int] = set()
    terms = index.declared.terms
    for term in terms:
        keys = _equal_keys(term, asked, used)
        if keys is None:
            break
        equal.append(keys)
    depth = len(equal)
    low, high = _Bound(), _Bound()
    if depth < len(terms) and not terms[depth].elements:
        low, high = _range(terms[depth], asked, used)
    spans = [
        Span(prefix, low.key, high.key, low.included, high.included) for prefix in product(*equal)
    ]
    ordered, reverse = _gives(index, depth, order) if len(spans) == 1 else (False, False)
    if not used and not ordered:
        return None
    complete = len(used) == conditions and not index.declared.elements
    return Access(index, spans, depth, bool(low.key or high.key), complete, ordered, reverse)


def _equal_keys(term: IndexTerm, asked: Asked, used: set[int]) -> Sequence[Any] | None:
    """The sort keys of which the term's field must have one, by the first comparison that tells."""
    lookups = _ELEMENT_KEYS if term.elements else _KEYS
    for position, node in asked.get(term.path.segments, ()):
        if node.lookup in lookups and _reads_alike(node.type, term):
            values = lookups[node.lookup](node.value)
            if values is not None and len(values) <= _MOST_SPANS:
                used.add(position)
                return [order_key(value) for value in values]
    return None


_KEYS: Final[Mapping[str, Callable[[Any], Sequence[Any] | None]]] = {
    "equals": lambda wanted: (wanted,),
    "in": lambda wanted: wanted,
    "is_null": lambda wanted: (None,) if wanted else None,
}
_ELEMENT_KEYS: Final[Mapping[str, Callable[[Any], Sequence[Any] | None]]] = {
    "contains": lambda wanted: (wanted,),
    "contains_any": lambda wanted: wanted,
    "contains_all": lambda wanted: wanted[:1] or None,
}


def _reads_alike(kind: FieldType | None, term: IndexTerm) -> bool:
    """True if the query reads the field as the index does: classes may declare it differently."""
    if kind is not None and term.elements:
        kind = kind.item if kind.kind in LISTS else None
    if kind is None:
        return False
    return kind is term.type or (kind.kind == term.type.kind and kind.kind in _ONE_READING)


_ONE_READING: Final = frozenset(
    "bool int bigint float decimal str bytes datetime date time timedelta uuid objectid any".split()
)


@dataclass(slots=True)
class _Bound:
    """One end of a range; `()` is open."""

    key: tuple[Any, ...] = ()
    included: bool = True

    def raise_to(self, key: Any, *, included: bool) -> None:
        if not self.key or key > self.key[0] or (key == self.key[0] and not included):
            self.key, self.included = (key,), included

    def lower_to(self, key: Any, *, included: bool) -> None:
        if not self.key or key < self.key[0] or (key == self.key[0] and not included):
            self.key, self.included = (key,), included


def _range(term: IndexTerm, asked: Asked, used: set[int]) -> tuple[_Bound, _Bound]:
    """The narrowest range that all comparisons on the term's field leave."""
    low, high = _Bound(), _Bound()
    for position, node in asked.get(term.path.segments, ()):
        if node.lookup in _ENDS and _reads_alike(node.type, term):
            bottom, top = _ENDS[node.lookup](node.value)
            # Values of other types stand before and after: the range ends with the operand's type.
            low.raise_to(bottom or (top[0],), included=node.lookup not in {"gt", "_after"})
            high.lower_to(
                top or (bottom[0], LAST),
                included=node.lookup not in {"lt", "startswith", "_before"},
            )
            used.add(position)
    return low, high


def _prefix(text: str) -> tuple[Any, Any]:
    """The first text that begins with `text`, and the first after those that do."""
    head = text.rstrip(chr(0x10FFFF))
    after = head[:-1] + chr(ord(head[-1]) + 1) if head else LAST
    return (RANK_TEXT, text), (RANK_TEXT, after)


LAST_OF_ALL: Final = (RANK_DURATION + 1,)
_ENDS: Final[Mapping[str, Callable[[Any], tuple[Any, Any]]]] = {
    "gt": lambda wanted: (order_key(wanted), ()),
    "gte": lambda wanted: (order_key(wanted), ()),
    "lt": lambda wanted: ((), order_key(wanted)),
    "lte": lambda wanted: ((), order_key(wanted)),
    "between": lambda wanted: (order_key(wanted[0]), order_key(wanted[1])),
    "startswith": _prefix,
    # A page goes on through values of other types, and never to null.
    "_after": lambda wanted: (order_key(wanted), LAST_OF_ALL),
    "_before": lambda wanted: ((RANK_NUMBER,), order_key(wanted)),
}


def _gives(index: MemoryIndex, depth: int, order: Sequence[OrderTerm]) -> tuple[bool, bool]:
    """Whether the entries of one span come in the wanted order, and whether backwards."""
    terms = index.declared.terms
    if not order or index.declared.elements or len({term.descending for term in order}) > 1:
        return False, False
    fixed = [term.path for term in terms[:depth]]
    rest = [(term.path, term) for term in terms[depth:]]
    wanted = [term for term in order if term.path not in fixed]
    alike = (
        len(wanted) == len(rest) + 1
        and wanted[-1].path == index.schema.key_path
        and all(
            term.path == path and _reads_alike(term.type, held)
            for term, (path, held) in zip(wanted, rest, strict=False)
        )
    )
    return alike, order[0].descending
