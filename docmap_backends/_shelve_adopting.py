"""What other programs wrote into a shelf, brought into docmap's form and into its indexes."""

from __future__ import annotations

import logging
import sqlite3
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from pydantic_core import to_json

from docmap.errors import DocmapError, StorageError
from docmap.schema.schema import Schema, untyped
from docmap.storage.writes import first_revision
from docmap_backends._keyvalue_records import key_form, records_of
from docmap_backends._shelve_documents import read_value
from docmap_backends._shelve_keys import StoredKey, read_shelf_key, shelf_key, wire_key
from docmap_backends._shelve_plain import NotPlain

if TYPE_CHECKING:
    from docmap_backends.shelve import ShelveStorage

_logger: Final = logging.getLogger("docmap")
_NOTED: Final = (
    "SELECT c.key, c.value, d.value FROM docmap_changed c LEFT JOIN Dict d ON d.key=c.key "
    "WHERE typeof(c.key)='blob'"
)
_KNOWN: Final = "SELECT 1 FROM docmap_entries WHERE key=?"


class _Change(NamedTuple):
    """A document that another program changed: where it belongs, what it was and is."""

    collection: str
    key: StoredKey
    value: bytes | None
    revision: int


def adopt(storage: ShelveStorage, connection: sqlite3.Connection) -> None:
    """Take over what was noted, inside a write transaction.

    What is no document, or takes a value that a unique index has, stays in the shelf and is none
    of docmap's: the log says so.
    """
    noted = connection.execute(_NOTED).fetchall()
    connection.execute("DELETE FROM docmap_changed")
    connection.executemany("DELETE FROM docmap_odd WHERE key=?", [(key,) for key, _, _ in noted])
    changes: list[_Change] = []
    odd: list[tuple[bytes, bytes]] = []
    # All goes out before anything comes in: they may have exchanged values of a unique index.
    for key, before, value in noted:
        place = read_shelf_key(key)
        if place is not None:
            changes.append(_taken_out(storage, connection, place, before, value))
        elif value is not None:
            odd.append((key, value))
    for change in changes:
        if change.value is not None and not _put_in(storage, change):
            _logger.warning(
                "an entry of the shelf for %s is no document of it: left out", change.collection
            )
            odd.append((shelf_key(change.collection, change.key), change.value))
    connection.execute("UPDATE docmap_state SET writing=1")
    connection.executemany("REPLACE INTO Dict VALUES (?,?)", odd)
    connection.execute("UPDATE docmap_state SET writing=0")
    connection.executemany("INSERT INTO docmap_odd VALUES (?)", [(key,) for key, _ in odd])


def _taken_out(
    storage: ShelveStorage,
    connection: sqlite3.Connection,
    place: tuple[str, StoredKey],
    before: bytes | None,
    value: bytes | None,
) -> _Change:
    """Remove the document that was there, as docmap wrote it, with its entries in indexes."""
    collection, key = place
    entry = records_of(collection) + key_form(key)
    if connection.execute(_KNOWN, (entry,)).fetchone() is None:
        return _Change(collection, key, value, first_revision())
    schema = untyped(collection)
    logical = _logical(schema, key)
    shelf = storage.shelf
    shelf.before[entry] = before
    try:
        stored = storage._get(schema, logical)
        storage._remove(schema, logical)
    finally:
        shelf.before.clear()
    return _Change(collection, key, value, 0 if stored is None else stored[1] + 1)


def _put_in(storage: ShelveStorage, change: _Change) -> bool:
    """Store a document that another program wrote; False if it cannot be one."""
    assert change.value is not None  # noqa: S101 - it was asked before
    schema = untyped(change.collection)
    data = _record(storage, change.collection, change.key, change.value)
    if data is None:
        return False
    try:
        storage._write_records(schema, [(_logical(schema, change.key), (data, change.revision))])
    except StorageError:
        raise
    except DocmapError:
        return False
    return True


def _logical(schema: Schema, key: StoredKey) -> Any:
    return schema.key_of(to_json({"id": wire_key(key)}))


def _record(storage: ShelveStorage, collection: str, key: StoredKey, value: bytes) -> bytes | None:
    """The bytes of a document that another program wrote; None if it is none."""
    try:
        wire = read_value(value)
    except NotPlain:
        return None
    name = storage._key_name(collection) or "id"
    own = wire_key(key)
    if wire.get(name) != own or type(wire.get(name)) is not type(own):
        wire = {**wire, name: own}
    return to_json(wire)
