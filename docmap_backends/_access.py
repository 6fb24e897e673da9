"""Which indexes serve a query best, and within which ranges: one, several united, or two at once.

It serves engines whose indexes are sorted places of entries, whatever an entry is: it must be
hashable, and one for each document.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from itertools import chain, product
from typing import Any, Final, Generic, Protocol, TypeVar
from uuid import UUID

from docmap.query.nodes import And, Compare, Node, Or
from docmap.query.order import OrderTerm
from docmap.query.paths import Path
from docmap.schema.indexes import BoundIndex
from docmap.schema.schema import Schema
from docmap.values import ObjectId
from docmap_backends._access_ranges import Asked, Bound, equal_keys, range_of, reads_alike
from docmap_backends._spans import Span

E_co = TypeVar("E_co", covariant=True)
E = TypeVar("E")

_COUNTED: Final = 2_000  # entries up to which an index is asked how many it has in a range
_MOST_READ: Final = 4  # how many times as many entries a second index may have to be of use
_WORTH: Final = 50  # entries from which on a second index is looked at


class Searchable(Protocol[E_co]):
    """An index: places sorted by the sort keys of its fields, and then by the document's key."""

    @property
    def declared(self) -> BoundIndex:
        """What it is over."""

    @property
    def key_path(self) -> Path:
        """The path of the documents' key, by which equal places are sorted."""

    def count(self, span: Span) -> int:
        """How many places lie within a span."""

    def about(self, span: Span, most: int) -> int:
        """About how many places lie within a span; `most` if there may be more."""

    def entries(self, spans: Iterable[Span], *, reverse: bool, most: int | None) -> Iterator[E_co]:
        """The entries within spans, as they are now, each once; `most` of a span are enough."""


@dataclass(frozen=True, slots=True)
class Access(Generic[E]):
    """How one index serves a query."""

    index: Searchable[E]
    spans: Sequence[Span]
    equal: int
    """How many leading fields of the index are compared for equality."""
    narrowed: bool
    """The field after them lies in a range."""
    covers: frozenset[int]
    """The conditions, by their position, that hold for all that the spans hold."""
    complete: bool
    """The spans hold exactly the matches, each once."""
    ordered: bool
    """The entries come in the wanted order."""
    reverse: bool

    @property
    def used(self) -> bool:
        """True if the index leaves documents out."""
        return bool(self.equal) or self.narrowed

    @property
    def labels(self) -> tuple[str, ...]:
        """The indexes that are used, for explain."""
        return (self.index.declared.label,)

    def count(self) -> int:
        """How many places the spans hold."""
        return sum(map(self.index.count, self.spans))

    def about(self, most: int = _COUNTED) -> int:
        """About how many places the spans hold; `most` if there may be more."""
        found = 0
        for span in self.spans:
            if found >= most:
                return most
            found += self.index.about(span, most - found)
        return found

    def entries(self, stop: int | None) -> Iterator[E]:
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


@dataclass(frozen=True, slots=True)
class Several(Generic[E]):
    """Several ways at once: what is found on any of them, or on all."""

    ways: tuple[Way[E], ...]
    united: bool
    complete: bool
    """What is found are exactly the matches, each once."""
    ordered: bool = False
    used: bool = True

    @property
    def labels(self) -> tuple[str, ...]:
        """The indexes that are used, for explain."""
        return tuple(dict.fromkeys(chain.from_iterable(way.labels for way in self.ways)))

    def count(self) -> int:
        """How many entries are found."""
        return sum(1 for _ in self.entries(None))

    def about(self, most: int = _COUNTED) -> int:
        """About how many entries are found; `most` if there may be more."""
        numbers = [way.about(most) for way in self.ways]
        return min(most, sum(numbers)) if self.united else min(numbers)

    def entries(self, stop: int | None) -> Iterator[E]:
        """The entries as they are now, each once, in no promised order."""
        if self.united:
            return iter(dict.fromkeys(chain.from_iterable(way.entries(None) for way in self.ways)))
        first, *others = self.ways
        kept = dict.fromkeys(first.entries(None))
        for way in others:
            found = kept
            kept = {entry: None for entry in way.entries(None) if entry in found}
        return iter(kept)

    def words(self) -> str:
        """What is read, for explain."""
        return (" or " if self.united else " and ").join(f"({way.words()})" for way in self.ways)


Way = Access[E] | Several[E]


def choose(
    indexes: Iterable[Searchable[E]],
    node: Node | None,
    order: Sequence[OrderTerm] = (),
    stop: int | None = None,
    *,
    crossing: bool = False,
) -> Way[E] | None:
    """The way that leaves the least to do for a query; None if no index helps.

    `crossing`: it pays to read two indexes for what is in both, as reading a document is dear.
    """
    indexes = list(indexes)
    conditions = node.children if isinstance(node, And) else () if node is None else (node,)
    asked: Asked = {}
    found: list[Way[E]] = []
    for position, one in enumerate(conditions):
        if isinstance(one, Compare):
            asked.setdefault(one.path.segments, []).append((position, one))
        elif isinstance(one, Or) and one.children:
            united = _united(indexes, one, len(conditions))
            if united is not None:
                found.append(united)
    single: list[Access[E]] = []
    for index in indexes:
        first = index.declared.terms[0].path.segments
        if first in asked or (order and order[0].path.segments == first):
            access = _access(index, asked, len(conditions), order)
            if access is not None:
                single.append(access)
    found += single
    if len(found) < 2:
        return found[0] if found else None
    costs = [_cost(way, order, stop) for way in found]
    best = costs.index(min(costs))
    if crossing and costs[best] > _WORTH:
        crossed = _crossed(found[best], single, len(conditions), order, stop)
        if crossed is not None:
            return crossed
    return found[best]


def _united(indexes: list[Searchable[E]], node: Or, conditions: int) -> Several[E] | None:
    """The ways to each of the alternatives; None if one of them needs all documents."""
    ways: list[Way[E]] = []
    for child in node.children:
        way = choose(indexes, child)
        if way is None or not way.used:
            return None
        ways.append(way)
    complete = conditions == 1 and all(way.complete for way in ways)
    return Several(tuple(ways), united=True, complete=complete)


def _crossed(
    best: Way[E],
    single: list[Access[E]],
    conditions: int,
    order: Sequence[OrderTerm],
    stop: int | None,
) -> Several[E] | None:
    """The best way with a second one that leaves out what the first does not."""
    if not isinstance(best, Access) or best.complete or not best.used:
        return None
    if best.ordered and stop is not None:
        return None  # it ends early by itself
    number = best.about()
    others = [
        (access.about(_MOST_READ * number + 1), access)
        for access in single
        if access is not best and access.used and not access.covers <= best.covers
    ]
    for size, other in sorted(others, key=lambda pair: pair[0]):
        if size <= _MOST_READ * number:
            covered = best.covers | other.covers
            plain = not (best.index.declared.elements or other.index.declared.elements)
            return Several(
                (best, other), united=False, complete=plain and len(covered) == conditions
            )
    return None


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


def reads_all(way: Way[Any], stop: int | None) -> bool:
    """True if the index only gives the order, and documents are tried until enough match."""
    return not way.used and not (way.complete and stop is not None)


def _cost(way: Way[Any], order: Sequence[OrderTerm], stop: int | None) -> float:
    """A rough measure: sorting doubles the work, and a slice needs a part of what is ordered.

    Where there may be more than were counted, nobody knows how many are tried until enough match:
    what is known to be few is read and sorted instead.
    """
    if order and way.ordered and way.complete and stop is not None:
        return way.about(stop)
    number = way.about()
    more = number == _COUNTED
    if order and not way.ordered:
        return number * (4 if more else 2)
    if order and stop is not None:
        return number * 3 if more else number / 4
    return number


def _access(
    index: Searchable[E], asked: Asked, conditions: int, order: Sequence[OrderTerm]
) -> Access[E] | None:
    equal: list[Sequence[Any]] = []
    used: set[int] = set()
    terms = index.declared.terms
    for term in terms:
        keys = equal_keys(term, asked, used)
        if keys is None:
            break
        equal.append(keys)
    depth = len(equal)
    low, high = Bound(), Bound()
    if depth < len(terms) and not terms[depth].elements:
        low, high = range_of(terms[depth], asked, used)
    spans = [
        Span(prefix, low.key, high.key, low.included, high.included) for prefix in product(*equal)
    ]
    ordered, reverse = _gives(index, depth, order) if len(spans) == 1 else (False, False)
    if not used and not ordered:
        return None
    complete = len(used) == conditions and not index.declared.elements
    narrowed = bool(low.key or high.key)
    return Access(index, spans, depth, narrowed, frozenset(used), complete, ordered, reverse)


def _gives(index: Searchable[Any], depth: int, order: Sequence[OrderTerm]) -> tuple[bool, bool]:
    """Whether the entries of one span come in the wanted order, and whether backwards."""
    terms = index.declared.terms
    if not order or index.declared.elements or len({term.descending for term in order}) > 1:
        return False, False
    fixed = [term.path for term in terms[:depth]]
    rest = [(term.path, term) for term in terms[depth:]]
    if rest and rest[-1][0] == index.key_path:
        rest.pop()  # the key is what follows in any case
    wanted = [term for term in order if term.path not in fixed]
    alike = (
        len(wanted) == len(rest) + 1
        and wanted[-1].path == index.key_path
        and all(
            term.path == path and reads_alike(term.type, held)
            for term, (path, held) in zip(wanted, rest, strict=False)
        )
    )
    return alike, order[0].descending
