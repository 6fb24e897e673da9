"""Deleting: every form of delete, by document, key, query or in bulk, goes through here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from docmap.plan import execute
from docmap.plan.plan import Plan
from docmap.schema.schema import Schema
from docmap.storage.firing import fire, held, hooked
from docmap.storage.loading import load_record
from docmap.storage.writes import ANY

if TYPE_CHECKING:
    from docmap.storage.base import BaseStorageAdapter


def delete_one(  # noqa: PLR0913 - what a delete is made of
    storage: BaseStorageAdapter,
    schema: Schema,
    key: Any,
    expected: int = ANY,
    document: Any = None,
    *,
    announce: bool = True,
) -> bool:
    """Delete the record of a key; True if it was there.

    `document` is the one that the caller holds, if there is one; it is loaded if hooks want it.
    They are called before, and after unless not to `announce`. Raises StaleDocument if a revision
    is expected and another one is stored.
    """
    if not hooked(storage, schema, "delete", family=True):
        if not schema.scopes or expected != ANY:
            return storage._delete(schema, key, expected)
        with storage.all_or_nothing():
            record = storage._get(schema, key)
            seen = record is not None and schema.sees(record[0])
            return seen and storage._delete(schema, key, expected)
    if document is not None:
        fire(storage, schema, "before", "delete", document)
        deleted = storage._delete(schema, key, expected)
    else:
        with storage.all_or_nothing():
            record = storage._get(schema, key)
            if record is None or not schema.sees(record[0]):
                return False
            document = load_record(schema, storage, record)
            fire(storage, schema, "before", "delete", document)
            deleted = storage._delete(schema, key, expected)
    if deleted and announce:
        fire(storage, schema, "after", "delete", document)
    return deleted


def delete_matching(storage: BaseStorageAdapter, plan: Plan) -> int:
    """Delete every match of a planned query; how many there were.

    Where hooks want the documents, these are loaded and all hooks called before one is deleted.
    """
    schema = plan.request.schema
    if not hooked(storage, schema, "delete", family=True):
        return execute.delete(storage, plan)
    deleted = []
    with storage.all_or_nothing():
        found = []
        for record in execute.records(storage, plan):
            document = load_record(schema, storage, record)
            key = schema.key_value(held(schema, document)[schema.key])
            found.append((document, key, record[1]))
        for document, _, _ in found:
            fire(storage, schema, "before", "delete", document)
        for document, key, revision in found:
            if storage._delete_keys(schema, [(key, revision)]):
                deleted.append(document)
    for document in deleted:
        fire(storage, schema, "after", "delete", document)
    return len(deleted)
