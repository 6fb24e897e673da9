"""Sorted indexes in memory, and the choice of the one that serves a query best."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from docmap.query.nodes import And, Compare, Node
from docmap.query.order import OrderTerm
from docmap.query.paths import Path, getter
from docmap.schema.indexes import BoundIndex
from docmap.schema.schema import Schema
from docmap.storage.writes import index_entries, not_unique
from docmap.values import order_key

_FEW = 32  # pending entries up to which placing each beats sorting all


class Entry:
    """One record: its bytes, its revision, and its logical values, read when first needed."""

    __slots__ = ("_schema", "_tree", "data", "revision")

    def __init__(self, data: bytes, revision: int, schema: Schema) -> None:
        self.data = data
        self.revision = revision
        self._schema = schema
        self._tree: Any = None

    def tree(self, schema: Schema) -> Any:
        """The logical values as `schema` reads them."""
        if self._tree is None or self._schema is not schema:
            self._tree = schema.codec.tree(self.data)
            self._schema = schema
        return self._tree


class _Last:
    """Greater than everything: the end of a range over a prefix."""

    def __lt__(self, other: object) -> bool:
        return False

    def __gt__(self, other: object) -> bool:
        return True


_LAST: Any = _Last()


class MemoryIndex:
    """The entries of a declared index, each `(value key, ..., key's key, key)`, sorted."""

    def __init__(self, schema: Schema, declared: BoundIndex) -> None:
        self.schema = schema
        self.declared = declared
        self._sorted: list[tuple[Any, ...]] = []
        self._pending: list[tuple[Any, ...]] = []
        self._owners: dict[tuple[Any, ...], Any] = {}

    @classmethod
    def build(cls, schema: Schema, declared: BoundIndex, entries: Mapping[Any, Entry]) -> MemoryIndex:
        """An index over what is stored. Raises DuplicateKey if a unique one cannot be."""
        index = cls(schema, declared)
        for key, entry in entries.items():
            index.check(schema, key, entry)
            index.add(key, entry)
        return index

    def check(self, schema: Schema, key: Any, entry: Entry) -> None:
        """Raise DuplicateKey if the entry's values are taken by another key."""
        if self.declared.unique:
            for values in index_entries(self.declared, entry.tree(self.schema)):
                if self._owners.get(values, key) != key:
                    raise not_unique(schema, self.declared)

    def add(self, key: Any, entry: Entry) -> None:
        for place in self._places(key, entry):
            self._pending.append(place)
        if self.declared.unique:
            for values in index_entries(self.declared, entry.tree(self.schema)):
                self._owners[values] = key

    def discard(self, key: Any, entry: Entry) -> None:
        self._settle()
        for place in self._places(key, entry):
            position = bisect_left(self._sorted, place)
            if position < len(self._sorted) and self._sorted[position] == place:
                del self._sorted[position]
        if self.declared.unique:
            for values in index_entries(self.declared, entry.tree(self.schema)):
                self._owners.pop(values, None)

    def keys(self, chosen: Range) -> Iterator[Any]:
        """The keys within a range, in the index's order or its reverse."""
        low, high = self._bounds(chosen)
        places = self._sorted[low:high]
        return (place[-1] for place in (reversed(places) if chosen.reverse else places))

    def count(self, chosen: Range) -> int:
        """How many documents lie within a range; only for indexes without elements."""
        low, high = self._bounds(chosen)
        return max(0, high - low)

    def _bounds(self, chosen: Range) -> tuple[int, int]:
        self._settle()
        low_prefix = (*chosen.prefix, *chosen.low)
        high_prefix = (*chosen.prefix, *chosen.high)
        low = (
            bisect_left(self._sorted, low_prefix)
            if chosen.low_included
            else bisect_right(self._sorted, (*low_prefix, _LAST))
        )
        high = (
            bisect_right(self._sorted, (*high_prefix, _LAST))
            if chosen.high_included
            else bisect_left(self._sorted, high_prefix)
        )
        return low, high

    def _settle(self) -> None:
        if not self._pending:
            return
        if len(self._pending) > _FEW:
            self._sorted.extend(self._pending)
            self._sorted.sort()
        else:
            for place in self._pending:
                insort(self._sorted, place)
        self._pending.clear()

    def _places(self, key: Any, entry: Entry) -> Iterable[tuple[Any, ...]]:
        tree = entry.tree(self.schema)
        places: list[tuple[Any, ...]] = [()]
        for term in self.declared.terms:
            value = getter(term.path)(tree)
            values = value if term.elements and isinstance(value, list) else [value]
            keys = [order_key(one) for one in values]
            places = [(*place, one) for place in places for one in keys]
        own = order_key(key)
        return {(*place, own, key) for place in places}


@dataclass(slots=True)
class Range:
    """A stretch of an index: equal leading values, then an optional range on the next."""

    index: MemoryIndex
    prefix: tuple[Any, ...] = ()
    low: tuple[Any, ...] = ()
    high: tuple[Any, ...] = ()
    low_included: bool = True
    high_included: bool = True
    used: set[int] = field(default_factory=set)
    complete: bool = False
    """The range holds exactly the matches."""
    ordered: bool = False
    reverse: bool = False

    def words(self) -> str:
        """What the range is, for explain."""
        names = self.index.declared.fields
        parts = [f"{name} =" for name in names[: len(self.prefix)]]
        if self.low or self.high:
            parts.append(f"{names[len(self.prefix)]} in a range")
        text = ", ".join(parts) or "all entries"
        return text + (", in order" if self.ordered else "")


_RANGES = {"gt", "gte", "lt", "lte", "between"}


def choose(
    indexes: Iterable[MemoryIndex], node: Node | None, order: Sequence[OrderTerm]
) -> Range | None:
    """The index that narrows a query most, or gives its order; None if none helps."""
    conditions = node.children if isinstance(node, And) else (node,) if node is not None else ()
    best: Range | None = None
    for index in indexes:
        found = _range(index, conditions, order)
        if found is not None and (best is None or _worth(found) > _worth(best)):
            best = found
    return best


def _worth(found: Range) -> tuple[int, bool, bool]:
    return (len(found.prefix), bool(found.low or found.high), found.ordered)


def _range(
    index: MemoryIndex, conditions: Sequence[Node], order: Sequence[OrderTerm]
) -> Range | None:
    found = Range(index)
    terms = index.declared.terms
    for term in terms:
        wanted = "contains" if term.elements else "equals"
        position = _find(conditions, term.path, {wanted})
        if position is None:
            break
        node = conditions[position]
        assert isinstance(node, Compare)
        if term.elements and not _one_type(node):
            break
        found.prefix += (order_key(node.value),)
        found.used.add(position)
    depth = len(found.prefix)
    if depth < len(terms) and not terms[depth].elements:
        for position, node in enumerate(conditions):
            if isinstance(node, Compare) and node.path == terms[depth].path:
                _narrow(found, node, position)
    found.ordered, found.reverse = _gives(found, order)
    found.complete = len(found.used) == len(conditions) and not index.declared.elements
    # An index skips nothing by itself; one over elements does not hold documents without any.
    if found.used or (found.ordered and order and not index.declared.elements):
        return found
    return None


def _find(conditions: Sequence[Node], path: Path, lookups: set[str]) -> int | None:
    for position, node in enumerate(conditions):
        if isinstance(node, Compare) and node.path == path and node.lookup in lookups:
            return position
    return None


def _one_type(node: Compare) -> bool:
    """A list is declared here: text with `contains` could also be a part of a stored text."""
    return node.type is not None and node.type.kind in {"list", "set", "tuple"}


def _narrow(found: Range, node: Compare, position: int) -> None:
    if node.lookup not in _RANGES:
        return
    low, high = node.value if node.lookup == "between" else (node.value, node.value)
    bottom, top = order_key(low), order_key(high)
    if node.lookup in {"gt", "gte", "between"} and not found.low:
        found.low, found.low_included = (bottom,), node.lookup != "gt"
        # Values of another type follow those of the operand's: the range ends where they begin.
        if not found.high:
            found.high = ((bottom[0], _LAST),)
        found.used.add(position)
    if node.lookup in {"lt", "lte", "between"} and (
        not found.high or found.high[0][-1] is _LAST
    ):
        found.high, found.high_included = (top,), node.lookup != "lt"
        if not found.low:
            found.low = ((top[0],),)
        found.used.add(position)


def _gives(found: Range, order: Sequence[OrderTerm]) -> tuple[bool, bool]:
    """Whether the range comes in the wanted order, and whether backwards."""
    if not order or len({term.descending for term in order}) > 1:
        return False, False
    terms = found.index.declared.terms
    if any(term.elements for term in terms):
        return False, False
    paths = [term.path for term in terms] + [found.index.schema.key_path]
    rest = paths[len(found.prefix) :]
    wanted = [term.path for term in order if term.path not in paths[: len(found.prefix)]]
    return wanted == rest[: len(wanted)] and len(wanted) == len(rest), order[0].descending
