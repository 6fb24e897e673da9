"""Deleting: every form of delete, by document, key, query or in bulk, goes through here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from docmap.plan import execute
from docmap.plan.plan import Plan
from docmap.schema.schema import Schema
from docmap.storage.writes import ANY

if TYPE_CHECKING:
    from docmap.storage.base import BaseStorageAdapter


def delete_one(
    storage: BaseStorageAdapter,
    schema: Schema,
    key: Any,
    expected: int = ANY,
    document: Any = None,
) -> bool:
    """Delete the record of a key; True if it was there.

    `document` is the one that the caller holds, if there is one. Raises StaleDocument if a revision
    is expected and another one is stored.
    """
    return storage._delete(schema, key, expected)


def delete_matching(storage: BaseStorageAdapter, plan: Plan) -> int:
    """Delete every match of a planned query; how many there were."""
    return execute.delete(storage, plan)
