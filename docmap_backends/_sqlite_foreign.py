"""Rows that other programs wrote: noticed by their mark, brought into docmap's form.

docmap marks what it writes with a checksum of the document and its revision. Other programs know
nothing of the mark: their rows have none, and a trigger takes it off those that they change. Before
docmap relies on anything it reads such rows again: escaped names and repeated keys would mislead
SQLite's JSON functions, and types, key columns and the key in the document may be wrong or missing.
"""

from __future__ import annotations

import sqlite3
from typing import Any
from uuid import UUID
from zlib import crc32

from pydantic_core import to_json

from docmap.values import ObjectId
from docmap_backends._files_foreign import normal_form
from docmap_backends._sql import quoted
from docmap_backends._sqlite_shape import Shape
from docmap_backends._sqlite_tables import ODD, Table, save_shape

_BATCH = 500
_LAST_REVISION = 2**62


def mark_of(data: bytes, revision: int) -> int:
    """The mark of a row that docmap writes: also what tells that its bytes are damaged."""
    return crc32(data, revision & 0xFFFFFFFF)


def take_over(connection: sqlite3.Connection, table: Table, key_name: str) -> None:
    """Bring the rows of other programs into docmap's form, inside a write transaction.

    What has no such form (text with NUL, numbers that are not finite, no object at all) is marked
    as odd: conditions are then left to the reference functions.
    """
    _forget_elements(connection, table)
    columns = "".join(f", {quoted(column)}=?" for column in table.columns)
    update = f"UPDATE {table.name} SET doc=?, rev=?, own=?{columns} WHERE rowid=?"
    marked: Shape = {}
    while rows := connection.execute(
        f"SELECT rowid, key, typeof(key), rev, doc FROM {table.name} "
        f"WHERE ifnull(own,-1)<0 AND own IS NOT {ODD} LIMIT {_BATCH}"
    ).fetchall():
        for row, key, kind, rev, doc in rows:
            wire = normal_form(doc, wire_key(key, kind), table.key_name or key_name)
            odd = wire is None
            if wire is not None:
                data = to_json(wire)
                revision = rev if type(rev) is int and 0 <= rev < _LAST_REVISION else 0
                values = (data.decode(), revision, mark_of(data, revision), *table.key_values(wire))
                try:
                    connection.execute(update, (*values, row))
                except sqlite3.IntegrityError:
                    odd = True  # its values are taken in a unique index, which did not see them
                else:
                    marked |= table.misfits(wire)
            if odd:
                connection.execute(f"UPDATE {table.name} SET own={ODD} WHERE rowid=?", (row,))
    if marked:
        save_shape(connection, table, {**table.shape, **marked})


def _forget_elements(connection: sqlite3.Connection, table: Table) -> None:
    """Take the rows out of the indexes on elements: REPLACE leaves those of the old row there.

    The update that follows puts back what belongs there.
    """
    for side in table.lists:
        connection.execute(
            f"DELETE FROM {quoted(side)} WHERE key IN "
            f"(SELECT key FROM {table.name} WHERE ifnull(own,-1)<0)"
        )


def wire_key(key: Any, kind: bytes) -> Any:
    """The JSON form of a stored key; None if docmap writes no such key."""
    if kind == b"text":
        return _decoded(key)
    if kind == b"integer":
        return key
    if kind == b"blob" and len(key) == 17 and key[:1] == b"u":
        return {"$uuid": str(UUID(bytes=key[1:]))}
    if kind == b"blob" and len(key) == 13 and key[:1] == b"v":
        return {"$oid": str(ObjectId(key[1:]))}
    return None


def _decoded(text: bytes) -> str | None:
    try:
        found = text.decode()
    except UnicodeDecodeError:
        return None
    return None if "\0" in found else found
