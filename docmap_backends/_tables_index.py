"""Sorted indexes in memory: what they hold, and what they find within a range."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Collection, Iterable, Iterator
from itertools import chain
from typing import Any, Final

from docmap.errors import DuplicateKey
from docmap.query.paths import getter
from docmap.schema.indexes import BoundIndex
from docmap.schema.schema import Schema
from docmap.storage.writes import cannot_be_unique, index_entries, not_unique
from docmap.values import order_key
from docmap_backends._spans import LAST, Span

_FEW: Final = 32  # pending places up to which putting in each beats sorting all


class Entry:
    """One record: its key, its bytes, its revision, and its values once a schema has read them."""

    __slots__ = ("_read", "data", "key", "revision")

    def __init__(self, key: Any, data: bytes, revision: int) -> None:
        self.key = key
        self.data = data
        self.revision = revision
        self._read: tuple[Schema | None, Any] = (None, None)

    def tree(self, schema: Schema) -> Any:
        """The logical values as `schema` reads them."""
        reader, tree = self._read
        if reader is schema:
            return tree
        tree = schema.codec.tree(self.data)
        self._read = (schema, tree)  # in one step: another thread may read it as another class
        return tree

    def part(self, schema: Schema, names: Collection[str]) -> Any:
        """The logical values of those names at the top: all, if they have been read already."""
        reader, tree = self._read
        return tree if reader is schema else schema.codec.tree(self.data, names)


# Where a list is declared, a document without elements still has a place in the index.
_NO_ELEMENT: Final = (-1,)


class MemoryIndex:
    """The places of a declared index, each `(value key, ..., key's sort key, entry)`, sorted."""

    def __init__(self, schema: Schema, declared: BoundIndex) -> None:
        self.schema = schema
        self.declared = declared
        self.key_path = schema.key_path
        self._terms = [(getter(term.path), term.elements) for term in declared.terms]
        self._names = frozenset(str(term.path.segments[0]) for term in declared.terms)
        self._sorted: list[tuple[Any, ...]] = []
        self._pending: dict[Entry, None] = {}
        self._gone: set[Entry] = set()
        self._swaps: dict[Entry, Entry] = {}
        self._owners: dict[tuple[Any, ...], Any] = {}

    @classmethod
    def build(cls, schema: Schema, declared: BoundIndex, entries: Iterable[Entry]) -> MemoryIndex:
        """An index over what is stored. Raises DuplicateKey if a unique one cannot be."""
        index, every = cls(schema, declared), list(entries)
        try:
            for entry in every:
                index.check(entry)
                index.add(entry)
        except DuplicateKey as error:
            stored = (entry.data for entry in every)
            raise cannot_be_unique(schema, declared, stored) from error
        return index

    @classmethod
    def over(cls, schema: Schema, declared: BoundIndex, entries: Iterable[Entry]) -> MemoryIndex:
        """An index that exists already, over what is stored, whether or not it is unique."""
        index = cls(schema, declared)
        for entry in entries:
            index.add(entry)
        return index

    def check(self, entry: Entry) -> None:
        """Raise DuplicateKey if the entry's values are taken by another key."""
        if not self.declared.unique:
            return
        for values in index_entries(self.declared, entry.tree(self.schema)):
            if self._owners.get(values, entry.key) != entry.key:
                raise not_unique(self.schema, self.declared)

    def add(self, entry: Entry) -> None:
        """Put in an entry that was checked. Its places are found when they are first needed."""
        if entry in self._gone:
            self._gone.remove(entry)  # it is where it was
        else:
            self._pending[entry] = None
        if self.declared.unique:
            for values in index_entries(self.declared, entry.tree(self.schema)):
                self._owners[values] = entry.key

    def discard(self, entry: Entry) -> None:
        """Take out an entry that was put in; its places are cleared when that is first needed."""
        if entry in self._pending:
            del self._pending[entry]
        else:
            self._gone.add(self._swaps.pop(entry, entry))
        if self.declared.unique:
            for values in index_entries(self.declared, entry.tree(self.schema)):
                if self._owners.get(values) == entry.key:
                    del self._owners[values]

    def swap(self, old: Entry, new: Entry) -> None:
        """Put an entry in the places of another that has the same key and the same values here."""
        if old in self._pending:
            del self._pending[old]
            self._pending[new] = None
        else:
            self._swaps[new] = self._swaps.pop(old, old)

    def count(self, span: Span) -> int:
        """How many places lie within a span."""
        low, high = self._bounds(span)
        return high - low

    def about(self, span: Span, most: int) -> int:
        """How many places lie within a span: it is known without reading them."""
        return self.count(span)

    def entries(self, spans: Iterable[Span], *, reverse: bool, most: int | None) -> Iterator[Entry]:
        """The entries within spans, as they are now; `most` of a span are enough."""
        found: list[list[tuple[Any, ...]]] = []
        for span in spans:
            low, high = self._bounds(span)
            if most is not None and high - low > most:
                low, high = (high - most, high) if reverse else (low, low + most)
            found.append(self._sorted[low:high])
            if reverse:
                found[-1].reverse()
        entries = (place[-1] for place in chain.from_iterable(found))
        return iter(dict.fromkeys(entries)) if self.declared.elements else entries

    def _bounds(self, span: Span) -> tuple[int, int]:
        self._settle()
        low, high = (*span.prefix, *span.low), (*span.prefix, *span.high)
        start = (
            bisect_left(self._sorted, low)
            if span.low_included
            else bisect_right(self._sorted, (*low, LAST))
        )
        end = (
            bisect_right(self._sorted, (*high, LAST))
            if span.high_included
            else bisect_left(self._sorted, high)
        )
        return start, max(start, end)

    def _settle(self) -> None:
        if self._swaps:
            swaps, self._swaps = self._swaps, {}
            self._exchange({old: new for new, old in swaps.items()})
        if self._gone:
            gone, self._gone = self._gone, set()
            self._clear(gone)
        if not self._pending:
            return
        pending, self._pending = self._pending, {}
        places = [place for entry in pending for place in self._places(entry)]
        if len(places) > _FEW:
            self._sorted.extend(places)
            self._sorted.sort()
        else:
            for place in places:
                insort(self._sorted, place)

    def _exchange(self, swaps: dict[Entry, Entry]) -> None:
        """Put the new entries where the old ones are: what sorts them stays as it is."""
        if len(swaps) > _FEW:
            self._sorted = [
                (*place[:-1], swaps[place[-1]]) if place[-1] in swaps else place
                for place in self._sorted
            ]
            return
        for old, new in swaps.items():
            for place in self._places(old):
                self._sorted[bisect_left(self._sorted, place)] = (*place[:-1], new)

    def _clear(self, gone: set[Entry]) -> None:
        if len(gone) > _FEW:
            self._sorted = [place for place in self._sorted if place[-1] not in gone]
            return
        for entry in gone:
            for place in self._places(entry):
                del self._sorted[bisect_left(self._sorted, place)]

    def _places(self, entry: Entry) -> Iterable[tuple[Any, ...]]:
        tree = entry.part(self.schema, self._names)
        end = (order_key(entry.key), entry)
        if not self.declared.elements:
            return [(*[order_key(get(tree)) for get, _ in self._terms], *end)]
        places: list[tuple[Any, ...]] = [()]
        for get, elements in self._terms:
            value = get(tree)
            if not elements:
                keys = {order_key(value)}
            elif isinstance(value, list) and value:
                keys = {order_key(element) for element in value}
            else:
                keys = {_NO_ELEMENT}
            places = [(*place, key) for place in places for key in keys]
        return [(*place, *end) for place in places]
