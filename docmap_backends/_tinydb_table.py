"""One collection of a TinyDB storage: a table whose documents have numbers, and its frames."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import count
from typing import Any

from pydantic_core import from_json, to_json

from docmap.schema.indexes import IndexDefinition
from docmap.schema.schema import Schema
from docmap.storage.watching import Kind
from docmap_backends._tables_index import Entry, MemoryIndex
from docmap_backends._tables_table import Table
from docmap_backends._tinydb_file import Contents, Made, Row, key_from_json, key_to_json, line_of


class NumberedTable(Table):
    """A table that knows the number of each document in TinyDB, and what exists of indexes.

    An index exists in the file by its definition; its places are made when a class that declares
    it comes along.
    """

    def __init__(self) -> None:
        super().__init__()
        self.numbers: dict[Any, int] = {}
        self._taken: dict[int, Any] = {}
        self._next = 1
        self.definitions: dict[str, IndexDefinition] = {}
        self.reserved = 0
        """The highest int key that some process may count up to; the next begins behind it."""
        self.mine = 0
        """The highest int key that this process may count up to."""
        self.ahead = 0
        """How many keys were last counted ahead."""

    @classmethod
    def made_of(cls, made: Made, rows: Iterable[Row]) -> NumberedTable:
        """The table of what a file holds."""
        table = cls()
        for row in rows:
            table.place(Entry(row.key, row.data, row.revision))
            table.number(row.key, row.number)
        table.be(made)
        return table

    def be(self, made: Made) -> None:
        """Take over what is known of the collection beside its documents."""
        self.key_names = set(made.keys)
        self.last_key = max(self.last_key, made.last_key)
        self.reserved = max(self.reserved, made.last_key)
        self.definitions = {
            name: IndexDefinition(name, tuple(fields), tuple(kinds), unique)
            for name, (fields, kinds, unique) in made.indexes.items()
        }
        for name in self.indexes.keys() - self.definitions.keys():
            del self.indexes[name]

    def made(self) -> Made:
        """What is known of the collection beside its documents."""
        indexes = {
            name: [list(one.fields), list(one.kinds), one.unique]
            for name, one in self.definitions.items()
        }
        return Made(sorted(self.key_names), max(self.reserved, self.last_key), indexes)

    def stored(self) -> Iterator[Row]:
        """The documents as they lie in a file."""
        numbers = self.numbers
        for key, entry in self.entries.items():
            yield Row(numbers[key], key, entry.revision, entry.data)

    def number(self, key: Any, wanted: int | None = None) -> int:
        """The number of a document, from now on if it had none: its key where that can be one."""
        number = self.numbers.get(key)
        if number is None:
            if wanted is None:
                wanted = key if type(key) is int and key > 0 else self._next
            number = wanted
            if number in self._taken:
                number = next(one for one in count(self._next) if one not in self._taken)
            self.numbers[key], self._taken[number] = number, key
            self._next = max(self._next, number + 1)
        return number

    @property
    def next_number(self) -> int:
        """The number that the next document gets, if its key is not one."""
        return self._next

    def release(self, key: Any) -> None:
        """Forget the number of a document that was deleted."""
        number = self.numbers.pop(key, None)
        if number is not None:
            del self._taken[number]

    def count_as(self, last_key: int, reserved: int, mine: int) -> None:
        """Set the counter of keys."""
        self.last_key, self.reserved, self.mine = last_key, reserved, mine

    def knows(self, schema: Schema) -> bool:
        """True if nothing that a class declares is missing here."""
        return schema.key_field.stored in self.key_names and all(
            declared.name in self.definitions for declared in schema.indexes
        )

    def open_indexes(self, schema: Schema) -> None:
        """Make the places of the indexes that the file has and a class declares."""
        for declared in schema.indexes:
            if declared.name in self.definitions and declared.name not in self.indexes:
                found = MemoryIndex.over(schema, declared, self.entries.values())
                self.indexes[declared.name] = found

    def reopen_indexes(self, before: Table) -> None:
        """Make the places of the indexes that a table had which this one takes the place of."""
        for name, index in before.indexes.items():
            if name in self.definitions and name not in self.indexes:
                entries = self.entries.values()
                self.indexes[name] = MemoryIndex.over(index.schema, index.declared, entries)


Tables = dict[str, Any]
Change = tuple[str, Kind, Entry]
"""A collection, what was done, and what is stored now or was deleted."""


def tables_of(contents: Contents, before: Tables) -> Tables:
    """The tables of what a file holds, with the indexes that those before had."""
    tables: Tables = {}
    for name, rows in contents.tables.items():
        table = NumberedTable.made_of(contents.made.get(name, Made()), rows)
        if name in before:
            table.reopen_indexes(before[name])
        tables[name] = table
    return tables


# -- frames: two lines for each change, what it is about, and the document


def put(collection: str, number: int, entry: Entry) -> bytes:
    """A document that was stored."""
    about = [collection, key_to_json(entry.key), number, entry.revision]
    return b"%s\n%s" % (to_json(about), line_of(entry.data))


def removed(collection: str, key: Any) -> bytes:
    """A document that was deleted."""
    return b"%s\n" % to_json([collection, key_to_json(key)])


def changed(collection: str, made: Made) -> bytes:
    """A collection that was made, and what is known of it beside its documents."""
    told = {"keys": made.keys, "last_key": made.last_key, "indexes": made.indexes}
    return b"%s\n%s" % (to_json([collection]), to_json(told))


def dropped(*collections: str) -> bytes:
    """Collections that were removed with all that they had."""
    return b"%s\n" % to_json([list(collections)])


def replay(payload: bytes, tables: Tables) -> list[Change]:
    """Make in the tables the changes of a frame, and tell them."""
    changes: list[Change] = []
    lines = payload.split(b"\n")
    for about, line in zip(lines[::2], lines[1::2], strict=True):
        match from_json(about):
            case [list(names)]:
                for name in names:
                    gone = tables.pop(name, None)
                    held = gone.entries.values() if gone is not None else ()
                    changes.extend((name, "delete", entry) for entry in held)
            case [name]:
                _table(tables, name).be(Made(**from_json(line)))
            case [name, key]:
                table = _table(tables, name)
                old = table.remove(key_from_json(key))
                table.release(key_from_json(key))
                if old is not None:
                    changes.append((name, "delete", old))
            case [name, key, number, revision]:
                table = _table(tables, name)
                entry = Entry(key_from_json(key), line, revision)
                kind: Kind = "insert" if table.place(entry) is None else "update"
                table.number(entry.key, number)
                changes.append((name, kind, entry))
    return changes


def _table(tables: Tables, name: str) -> NumberedTable:
    table: NumberedTable | None = tables.get(name)
    if table is None:
        table = tables[name] = NumberedTable()
    return table
