"""What other programs wrote into a shelf, brought into docmap's form and into its indexes."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from pydantic_core import to_json

from docmap.errors import DocmapError, StorageError
from docmap.plan.engine import Record
from docmap.schema.schema import Schema, untyped
from docmap.storage.journal import LEFT_OUT
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


class _Change(NamedTuple):
    """A document that another program changed: its key, what it was, and what it is now."""

    key: StoredKey
    before: bytes | None
    value: bytes | None


def adopt(storage: ShelveStorage, connection: sqlite3.Connection) -> None:
    """Take over what was noted, inside a write transaction.

    What is no document, or takes a value that a unique index has, stays in the shelf and is none
    of docmap's: the log says so.
    """
    noted = connection.execute(_NOTED).fetchall()
    connection.execute("DELETE FROM docmap_changed")
    connection.executemany("DELETE FROM docmap_odd WHERE key=?", [(key,) for key, _, _ in noted])
    changes: dict[str, list[_Change]] = {}
    odd: list[tuple[bytes, bytes]] = []
    for key, before, value in noted:
        place = read_shelf_key(key)
        if place is not None:
            changes.setdefault(place[0], []).append(_Change(place[1], before, value))
        elif value is not None:
            odd.append((key, value))
    for collection, changed in changes.items():
        # All goes out before anything comes in: they may have exchanged values of a unique index.
        revisions = _taken_out(storage, collection, changed)
        for change in _put_in(storage, collection, changed, revisions):
            _logger.warning(
                "an entry of the shelf for %s is no document: left out", collection, extra=LEFT_OUT
            )
            odd.append((shelf_key(collection, change.key), change.value or b""))
    leave_alone(connection, odd)


def leave_alone(connection: sqlite3.Connection, odd: Sequence[tuple[bytes, bytes]]) -> None:
    """Keep entries in the shelf that are none of docmap's, inside a write transaction."""
    connection.execute("UPDATE docmap_state SET writing=1")
    connection.executemany("REPLACE INTO Dict VALUES (?,?)", odd)
    connection.execute("UPDATE docmap_state SET writing=0")
    connection.executemany("INSERT INTO docmap_odd VALUES (?)", [(key,) for key, _ in odd])


def _taken_out(
    storage: ShelveStorage, collection: str, changes: list[_Change]
) -> dict[StoredKey, int]:
    """Remove the documents that were there, as docmap wrote them; their revisions, by key."""
    schema, prefix = untyped(collection), records_of(collection)
    keys = {_logical(schema, one.key): one.key for one in changes}
    before = storage.shelf.before
    before.update({prefix + key_form(one.key): one.before for one in changes})
    try:
        found = storage._get_many(schema, list(keys))
        storage._delete_keys(schema, [(key, revision) for key, (_, revision) in found.items()])
    finally:
        before.clear()
    return {keys[key]: revision for key, (_, revision) in found.items()}


def _put_in(
    storage: ShelveStorage,
    collection: str,
    changes: list[_Change],
    revisions: dict[StoredKey, int],
) -> Iterator[_Change]:
    """Store the documents that other programs wrote; gives those that cannot be any."""
    schema = untyped(collection)
    records: list[tuple[_Change, tuple[Any, Record]]] = []
    for change in changes:
        if change.value is None:
            continue
        data = _record(storage, collection, change.key, change.value)
        if data is None:
            yield change
            continue
        known = revisions.get(change.key)
        revision = first_revision() if known is None else known + 1
        records.append((change, (_logical(schema, change.key), (data, revision))))
    if records and not _written(storage, schema, [record for _, record in records]):
        for change, record in records:
            if not _written(storage, schema, [record]):
                yield change


def _written(storage: ShelveStorage, schema: Schema, records: list[tuple[Any, Record]]) -> bool:
    """Store documents, all or none; False if one of them cannot be stored."""
    try:
        storage._write_records(schema, records)
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
