"""What other programs wrote into a shelf, brought into docmap's form and into its indexes."""

from __future__ import annotations

import logging
import sqlite3
from typing import TYPE_CHECKING, Any, Final

from pydantic_core import to_json

from docmap.errors import DocmapError, StorageError
from docmap.schema.schema import untyped
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


def adopt(storage: ShelveStorage, connection: sqlite3.Connection) -> None:
    """Take over what was noted, inside a write transaction.

    What is no document, or takes a value that a unique index has, stays in the shelf and is none
    of docmap's: the log says so.
    """
    store = storage.shelf
    noted = connection.execute(_NOTED).fetchall()
    connection.execute("DELETE FROM docmap_changed")
    try:
        for key, before, after in noted:
            place = read_shelf_key(key)
            if place is not None:
                entry = records_of(place[0]) + key_form(place[1])
                store.before[entry] = before
                known = connection.execute(_KNOWN, (entry,)).fetchone() is not None
                _adopt_one(storage, connection, place, after, known=known)
                del store.before[entry]
    finally:
        store.before.clear()


def _adopt_one(
    storage: ShelveStorage,
    connection: sqlite3.Connection,
    place: tuple[str, StoredKey],
    after: Any,
    *,
    known: bool,
) -> None:
    collection, key = place
    schema = untyped(collection)
    record = None if after is None else _record(storage, collection, key, after)
    logical = schema.key_of(to_json({"id": wire_key(key)}))
    if record is not None:
        stored = storage._get(schema, logical) if known else None
        revision = first_revision() if stored is None else stored[1] + 1
        try:
            storage._write_records(schema, [(logical, (record, revision))])
        except StorageError:
            raise
        except DocmapError:
            record = None
    if record is None and after is not None:
        _logger.warning("an entry of the shelf for %s is no document of it: left out", collection)
    if record is None and known:
        storage._remove(schema, logical)
        if after is not None:
            connection.execute("UPDATE docmap_state SET writing=1")
            connection.execute("REPLACE INTO Dict VALUES (?,?)", (shelf_key(*place), after))
            connection.execute("UPDATE docmap_state SET writing=0")


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
