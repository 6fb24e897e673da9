"""What the indexes of an SQLite file are over: their names are hashes, so it is written down.

`docmap_indexes` has the definition of each index, for those who do not know its class. Files
made before it was there have none, and get one with the next index that is made.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from docmap.schema.indexes import BoundIndex, IndexDefinition
from docmap.schema.schema import Schema
from docmap_backends._sql import quoted

_TABLE = """
CREATE TABLE IF NOT EXISTS docmap_indexes(
  name TEXT PRIMARY KEY, collection TEXT NOT NULL, definition TEXT NOT NULL) WITHOUT ROWID
"""
_MADE = "SELECT 1 FROM sqlite_master WHERE type='table' AND name='docmap_indexes'"


def remember(connection: sqlite3.Connection, collection: str, definition: IndexDefinition) -> None:
    """Write down what an index is over."""
    connection.execute(_TABLE)
    text = json.dumps([definition.fields, definition.kinds, definition.unique])
    connection.execute(
        "INSERT OR REPLACE INTO docmap_indexes VALUES(?,?,?)", (definition.name, collection, text)
    )


def index_definitions(connection: sqlite3.Connection, schema: Schema) -> dict[str, IndexDefinition]:
    """The indexes of a collection that are written down or declared, whether they exist or not."""
    found = {index.name: index.definition for index in schema.indexes}
    if connection.execute(_MADE).fetchone() is None:
        return found
    rows = connection.execute(
        "SELECT name, definition FROM docmap_indexes WHERE collection=?", (schema.collection,)
    )
    for name, text in rows:
        fields, kinds, unique = json.loads(text)
        known = IndexDefinition(name.decode(), tuple(fields), tuple(kinds), bool(unique))
        found.setdefault(known.name, known)
    return found


def drop_index(connection: sqlite3.Connection, name: str) -> None:
    """Remove an index; one on the elements of a list is a table with triggers."""
    for kind in ("TRIGGER", "INDEX", "TABLE"):
        rows = connection.execute(
            "SELECT name FROM sqlite_master WHERE type=? AND name IN (?,?,?,?)",
            (kind.lower(), name, f"{name}_insert", f"{name}_update", f"{name}_delete"),
        )
        for (found,) in rows.fetchall():
            connection.execute(f"DROP {kind} {quoted(found.decode())}")
    if connection.execute(_MADE).fetchone() is not None:
        connection.execute("DELETE FROM docmap_indexes WHERE name=?", (name,))


def forget_definitions(connection: sqlite3.Connection, collection: str | None = None) -> None:
    """All indexes are gone, or those of one collection."""
    if connection.execute(_MADE).fetchone() is not None:
        where = ("", ()) if collection is None else (" WHERE collection=?", (collection,))
        connection.execute(f"DELETE FROM docmap_indexes{where[0]}", where[1])


@contextmanager
def building(
    connection: sqlite3.Connection, index: BoundIndex, done: Callable[[int], None]
) -> Iterator[None]:
    """Tell `done` now and then about how many more documents are indexed.

    SQLite tells only how many steps it made, and takes about so many for a document.
    """
    each = _STEPS_OF_ELEMENTS if index.elements else _STEPS + _STEPS_A_TERM * len(index.terms)

    def told() -> int:
        done(_OFTEN // each)
        return 0

    connection.set_progress_handler(told, _OFTEN)
    try:
        yield
    finally:
        connection.set_progress_handler(None, 0)


_OFTEN = 100_000
_STEPS, _STEPS_A_TERM, _STEPS_OF_ELEMENTS = 9, 1, 70  # counted over 30,000 documents
