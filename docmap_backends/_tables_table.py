"""One collection in memory: its records and indexes, and columns of values for scans."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

from docmap.query.fast import compiled
from docmap.query.nodes import Node
from docmap.query.paths import Path, getter
from docmap.schema.schema import Schema
from docmap_backends._tables_index import Entry, MemoryIndex

_MOST_COLUMNS: Final = 64


class Table:
    """The records in the order in which they came, the indexes, the counter of keys."""

    def __init__(self) -> None:
        self.entries: dict[Any, Entry] = {}
        self.indexes: dict[str, MemoryIndex] = {}
        self.last_key = 0
        self.key_names: set[str] = set()  # where the classes that write it keep the key
        self._rows: Rows | None = None

    def put(self, entry: Entry) -> Entry | None:
        """Store an entry and return the one it replaced. Raises DuplicateKey, nothing changed."""
        for index in self.indexes.values():
            index.check(entry)
        return self.place(entry)

    def place(self, entry: Entry) -> Entry | None:
        """Store an entry that was checked, here or elsewhere."""
        self._rows = None
        old = self.entries.get(entry.key)
        for index in self.indexes.values():
            if old is not None:
                index.discard(old)
            index.add(entry)
        self.entries[entry.key] = entry
        if type(entry.key) is int and entry.key > self.last_key:
            self.last_key = entry.key
        return old

    def rewriter(self, names: frozenset[str]) -> Callable[[Entry, Entry], None]:
        """What stores an entry for another that differs below the top-level `names` alone.

        It raises DuplicateKey, nothing changed.
        """
        moved: list[MemoryIndex] = []
        kept: list[MemoryIndex] = []
        for index in self.indexes.values():
            roots = {term.path.segments[0] for term in index.declared.terms}
            (kept if names.isdisjoint(roots) else moved).append(index)

        def rewrite(old: Entry, new: Entry) -> None:
            for index in moved:
                index.check(new)
            self._rows = None
            for index in moved:
                index.discard(old)
                index.add(new)
            for index in kept:
                index.swap(old, new)
            self.entries[new.key] = new

        return rewrite

    def remove(self, key: Any) -> Entry | None:
        """Take out the entry of a key and return it."""
        old = self.entries.pop(key, None)
        if old is not None:
            self._rows = None
            for index in self.indexes.values():
                index.discard(old)
        return old

    def restore(self, key: Any, old: Entry | None) -> None:
        """Bring back what was stored under the key before a write."""
        if old is None:
            self.remove(key)
        else:
            self.put(old)

    def rows(self) -> Rows:
        """All entries as they are now."""
        if self._rows is None:
            self._rows = Rows(list(self.entries.values()))
        return self._rows


class Rows:
    """The entries between two writes. From the second scan on their values lie in columns.

    A scan of columns reads a tenth of the memory that a scan of documents does.
    """

    def __init__(self, entries: list[Entry]) -> None:
        self.entries = entries
        self._scanned = False
        self._columns: dict[tuple[Schema, Path], list[Any]] = {}

    def matching(self, schema: Schema, node: Node) -> Iterator[Entry]:
        """The entries that match a condition."""
        if not self._scanned:
            self._scanned = True
            return filtered(self.entries, schema, node)
        matches = compiled(node, lambda path: self.column(schema, path).__getitem__)
        entries = self.entries
        return (entries[row] for row in filter(matches, range(len(entries))))

    def column(self, schema: Schema, path: Path) -> list[Any]:
        """The value at a path of every entry; not to be changed."""
        column = self._columns.get((schema, path))
        if column is None:
            get = getter(path)
            column = [get(entry.tree(schema)) for entry in self.entries]
            if len(self._columns) >= _MOST_COLUMNS:
                self._columns = {}
            self._columns[schema, path] = column
        return column


def filtered(entries: Any, schema: Schema, node: Node) -> Iterator[Entry]:
    """Those of the entries that match a condition."""
    matches: Callable[[Any], bool] = compiled(node)
    return (entry for entry in entries if matches(entry.tree(schema)))
