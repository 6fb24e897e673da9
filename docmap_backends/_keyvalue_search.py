"""Queries over a view of an ordered byte store: by keys, by indexes, or by all records."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, Final

from docmap.plan.engine import EnginePlan, NativeQuery, Record
from docmap.query.evaluate import roots, sorted_by
from docmap.query.fast import compiled
from docmap.query.nodes import Node
from docmap.query.order import OrderTerm
from docmap.query.paths import EACH, Path
from docmap.schema.indexes import BoundIndex, IndexTerm
from docmap.schema.schema import Schema
from docmap.schema.types import FieldType
from docmap_backends._access import Access, Way, asked_keys, choose, reads_all
from docmap_backends._access_ranges import ONE_READING, reads_alike
from docmap_backends._keyvalue_catalogue import Table
from docmap_backends._keyvalue_index import KEY_INDEX, Records, StoredIndex, keys_serve
from docmap_backends._keyvalue_probe import probe
from docmap_backends._keyvalue_records import HEAD_SIZE, damaged, key_form, records_of, unpacked
from docmap_backends._keyvalue_store import ReadableStore, counted, fetched, valued
from docmap_backends._ordered import above
from docmap_backends._references import node_of

_FEW, _MANY = 16, 256  # records that are fetched at once, at first and later


class Search:
    """The queries of one schema over one view, which does not change meanwhile."""

    def __init__(
        self,
        view: ReadableStore,
        schema: Schema,
        table: Table | None,
        *,
        checked: bool = False,
        path: str = "",
    ) -> None:
        """`checked`: the store itself makes sure that what it gives is what was written.

        `path` is the file or directory that errors name.
        """
        self._checked = checked
        self._path = path
        self.view = view
        self._schema = schema
        self._table = table if table is not None else Table()
        self._prefix = records_of(schema.collection)

    def records(self, query: NativeQuery) -> Iterator[Record]:
        """The records that a query asks for, in its order."""
        if query.parts:
            return self._in_parts(query)
        stop = None if query.limit is None else query.offset + query.limit
        node = node_of(query.condition)
        keys = asked_keys(self._schema, node)
        if keys:
            found = self._filtered(self._fetched(map(key_form, keys), there=False), node)
            return islice(self._sorted(found, query.order, stop), query.offset, stop)
        way = self.way(node, query.order, stop)
        if way is None:
            found = self._scanned(node)
            return islice(self._sorted(found, query.order, stop), query.offset, stop)
        found = self._on(way, stop)
        if not way.complete:
            found = self._filtered(found, node)
        if not way.ordered:
            found = self._sorted(found, query.order, stop)
        return islice(found, query.offset, stop)

    def count(self, condition: Any) -> int:
        """How many records match a condition."""
        node = node_of(condition)
        if node is None:
            return self.size()
        way = None if asked_keys(self._schema, node) else self.way(node)
        if way is not None and way.complete:
            return way.count()
        return sum(1 for _ in self.records(NativeQuery(condition)))

    def size(self) -> int:
        """How many records there are."""
        end = above(self._prefix)
        assert end is not None  # noqa: S101 - it ends with a zero
        return counted(self.view, self._prefix, end)

    def all(self) -> Iterator[Record]:
        """All records, in the order of their keys."""
        end = above(self._prefix)
        if self._checked:
            return map(_unchecked, valued(self.view, self._prefix, end))
        return self._unpacked(self.view.items(self._prefix, end))

    def distinct(self, path: Path, kind: FieldType) -> list[Any] | None:
        """The values at a path of all records, each once, if an index tells them."""
        for name, held in self._table.indexes.items():
            for place, term in enumerate(held.declared.terms):
                if _tells(held.declared, term, path, kind):
                    return self.index(name).values(place)
        return None

    def explain(self, query: NativeQuery) -> EnginePlan:
        """How a query would run."""
        stop = None if query.limit is None else query.offset + query.limit
        node = node_of(query.condition)
        size = self.size()
        if asked_keys(self._schema, node):
            return EnginePlan((KEY_INDEX,), scan=False, documents=size, detail=("by key",))
        way = self.way(node, query.order, stop)
        if way is None:
            return EnginePlan(documents=size, detail=("every document by the reference functions",))
        scan = reads_all(way, stop)
        if scan and node is not None:
            # To try one by one is the shorter way: it is no scan if there is another.
            other = self.way(node)
            scan = other is None or not other.used
        return EnginePlan(way.labels, scan=scan, documents=size, detail=(way.words(),))

    def way(
        self, node: Node | None, order: Sequence[OrderTerm] = (), stop: int | None = None
    ) -> Way[bytes] | None:
        """The indexes that serve a query best, among them the keys of the records."""
        if node is None and not order:
            return None
        indexes = [self.index(name) for name in self._table.indexes]
        if keys_serve(self._schema, node):
            indexes.append(Records(self.view, self._prefix, self._schema))
        return choose(indexes, node, order, stop, crossing=True)

    def index(self, name: str) -> StoredIndex:
        """One index that the collection has."""
        return StoredIndex(self.view, self._table.indexes[name], self._schema.key_path)

    # -- records

    def _in_parts(self, query: NativeQuery) -> Iterator[Record]:
        """The records of each part in turn, until there are enough."""
        stop = None if query.limit is None else query.offset + query.limit

        def found() -> Iterator[Record]:
            left = stop
            for part in query.parts:
                for record in self.records(part._replace(limit=left)):
                    yield record
                    left = None if left is None else left - 1
                if left == 0:
                    return

        return islice(found(), query.offset, stop)

    def _on(self, way: Way[bytes], stop: int | None) -> Iterator[Record]:
        if isinstance(way, Access) and isinstance(way.index, Records):
            return self._unpacked(way.index.items(way.spans, reverse=way.reverse))
        enough = stop if way.complete and way.ordered else None
        return self._fetched(islice(way.entries(stop), enough), there=True)

    def _fetched(self, forms: Iterable[bytes], *, there: bool) -> Iterator[Record]:
        """The records of keys. `there`: raise CorruptStore for one that is not."""
        forms, size = iter(forms), _FEW
        while chunk := [self._prefix + form for form in islice(forms, size)]:
            for key, value in zip(chunk, fetched(self.view, chunk), strict=True):
                if value is not None:
                    yield _unchecked(value) if self._checked else unpacked(key, value, self._path)
                elif there:
                    raise damaged(key, "is in an index and is not there", self._path)
            size = _MANY

    def _unpacked(self, found: Iterable[tuple[bytes, bytes]]) -> Iterator[Record]:
        if self._checked:
            return (_unchecked(value) for _, value in found)
        return (unpacked(key, value, self._path) for key, value in found)

    def _scanned(self, node: Node | None) -> Iterator[Record]:
        """All records that match, tried one by one."""
        may_match = probe(node)
        if may_match is None:
            return self._filtered(self.all(), node)
        if not self._checked:
            found = (record for record in self.all() if may_match(record[0]))  # type: ignore[arg-type]
            return self._filtered(found, node)
        values = valued(self.view, self._prefix, above(self._prefix))
        # Twelve bytes in front of the document rule nothing out.
        return self._filtered(map(_unchecked, filter(may_match, values)), node)

    def _filtered(self, found: Iterator[Record], node: Node | None) -> Iterator[Record]:
        if node is None:
            return found
        matches, tree = compiled(node), self._schema.codec.reader(roots(node))
        return (record for record in found if matches(tree(record[0])))

    def _sorted(
        self, found: Iterator[Record], order: Sequence[OrderTerm], stop: int | None
    ) -> Iterator[Record]:
        if not order:
            return found
        tree = self._schema.codec.reader({term.path.segments[0] for term in order})
        return iter(sorted_by(found, order, lambda record: tree(record[0]), stop))


def _tells(index: BoundIndex, term: IndexTerm, path: Path, kind: FieldType) -> bool:
    """True if the values at a term of an index are those at a path of all documents."""
    if not path.each:
        return term.path == path and not index.elements and reads_alike(kind, term)
    of_elements = term.path.child(EACH) == path and term.elements
    return of_elements and kind.kind == term.type.kind and kind.kind in ONE_READING


def _unchecked(value: bytes) -> Record:
    """A packed record, of which the store itself says that it is as it was written."""
    return value[HEAD_SIZE:], int.from_bytes(value[4:HEAD_SIZE], "big")


IN_MEMORY: Final = 1000
"""Records up to which an answer is read at once, and the view given back."""
