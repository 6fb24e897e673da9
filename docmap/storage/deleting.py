"""Deleting: every form of delete, by document, key, query or in bulk, goes through here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from docmap.plan import execute
from docmap.plan.plan import Plan
from docmap.schema.delete_rules import rules_about
from docmap.schema.schema import Schema
from docmap.storage.delete_rules import follow
from docmap.storage.firing import fire, hooked
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
    They are called before, and after unless not to `announce`. Delete rules of the classes that
    refer to this one are followed. Raises StaleDocument if a revision is expected and another one
    is stored, ReferencedDocument if a rule denies it.
    """
    if not rules_about(schema):
        return _delete_one(storage, schema, key, expected, document, announce=announce)
    with storage.all_or_nothing():
        record = storage._get(schema, key)
        if record is not None and schema.sees(record[0]) and expected in {ANY, record[1]}:
            _delete_with(storage, schema, [key])
        return _delete_one(storage, schema, key, expected, document, announce=announce)


def _delete_with(storage: BaseStorageAdapter, schema: Schema, keys: list[Any]) -> None:
    """Do what delete rules ask for before documents are deleted."""
    for other, key, revision in follow(storage, schema, keys):
        _delete_one(storage, other, key, revision)


def _delete_one(  # noqa: PLR0913 - as above
    storage: BaseStorageAdapter,
    schema: Schema,
    key: Any,
    expected: int,
    document: Any = None,
    *,
    announce: bool = True,
) -> bool:
    """`delete_one` without delete rules."""
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
    ruled, heard = bool(rules_about(schema)), hooked(storage, schema, "delete", family=True)
    if not ruled and not heard:
        return execute.delete(storage, plan)
    deleted = []
    with storage.all_or_nothing():
        records = [(schema.key_of(one[0]), one) for one in execute.records(storage, plan)]
        found = []
        if heard:
            found = [(load_record(schema, storage, one), key, one[1]) for key, one in records]
        for document, _, _ in found:
            fire(storage, schema, "before", "delete", document)
        if ruled:
            _delete_with(storage, schema, [key for key, _ in records])
        if not heard:
            return storage._delete_keys(schema, [(key, one[1]) for key, one in records])
        for document, key, revision in found:
            if storage._delete_keys(schema, [(key, revision)]):
                deleted.append(document)
    for document in deleted:
        fire(storage, schema, "after", "delete", document)
    return len(deleted)
