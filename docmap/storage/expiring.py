"""What has expired: as good as deleted for reads and writes, and removed when it is in the way."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from docmap.errors import DuplicateKey
from docmap.plan import execute
from docmap.plan.plan import Request, make
from docmap.schema.moments import set_moments
from docmap.schema.schema import Schema
from docmap.storage.firing import living
from docmap.storage.loading import state_of
from docmap.storage.writes import ANY, Write, stale

if TYPE_CHECKING:
    from docmap.storage.base import BaseStorageAdapter


def check_alive(schema: Schema, document: Any) -> None:
    """Raise StaleDocument for a loaded document that has expired meanwhile."""
    state = state_of(document)
    if state is not None and schema.has_expired(state.data):
        raise stale(schema, deleted=True)


def save_over_expired(storage: BaseStorageAdapter, schema: Schema, write: Write) -> int:
    """Store one document; what has expired is not in its way. Its revision."""
    if schema.expiry is None:
        return storage._save(schema, write)
    if write.expected == ANY:
        record = storage._get(schema, write.key)
        if record is not None and schema.has_expired(record[0]):
            storage._delete_keys(schema, [(write.key, record[1])])
    try:
        return storage._save(schema, write)
    except DuplicateKey:
        if not remove_expired(storage, schema):
            raise
    return storage._save(schema, write)


def remove_expired(storage: BaseStorageAdapter, schema: Schema) -> int:
    """Remove the documents of a class that have expired; how many there were."""
    if schema.expiry is None:
        return 0
    return execute.delete(storage, make(storage, Request(schema, schema.expiry.gone())))


def make_room(storage: BaseStorageAdapter, schema: Schema) -> None:
    """What is done before many documents are stored: the collection, and nothing in the way."""
    storage.prepare_collection(schema)
    remove_expired(storage, schema)


def set_times(storage: BaseStorageAdapter, schema: Schema, document: Any, expected: int) -> None:
    """Set the CreatedAt and UpdatedAt fields of a document that is about to be stored.

    What a new document was given explicitly is kept, as for an import. One that replaces another
    takes over when that was created.
    """
    moments, values = schema.moments, document.__dict__
    if state_of(document) is not None:  # it keeps when it was created, here and elsewhere
        set_moments(values, moments, kept=(), insert=False)
        return
    kept = set(document.__pydantic_fields_set__)
    if expected == ANY and moments.created:
        record = living(storage, schema, values.get(schema.key))
        if record is not None:
            tree = schema.codec.tree(record[0])
            for field in moments.created:
                before = tree.get(field.stored)
                if field.name not in kept and before is not None:
                    values[field.name] = before
                    kept.add(field.name)
    set_moments(values, moments, kept=kept, insert=True)
