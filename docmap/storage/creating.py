"""Getting a document or creating it, so that of callers who race exactly one creates."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from docmap.errors import DuplicateKey
from docmap.storage.firing import hooked
from docmap.storage.loading import schema_of
from docmap.storage.saving import build, starting_values
from docmap.storage.transactions import undisturbed

if TYPE_CHECKING:
    from docmap.storage.base import BaseStorageAdapter


def get_or_create(
    storage: BaseStorageAdapter,
    model: Any,
    conditions: Mapping[str, Any],
    defaults: Mapping[str, Any] | None,
) -> tuple[Any, bool]:
    """The first match in key order and False, or a new document and True; see the method."""
    query = storage.find(model, **dict(sorted(conditions.items())))

    def first_or_new() -> tuple[Any, bool]:
        # What was bound, as a set of the user's is printed otherwise by each process.
        storage._hold(f"{schema_of(model).collection} {query._request.condition!r}")
        found = query.first()
        if found is not None:
            return found, False
        return _created(storage, model, conditions, defaults), True

    found: Any = query.first()
    if found is not None:
        return found, False
    again = not hooked(storage, schema_of(model), "insert")
    try:
        # In the write transaction, or under the lock, nobody else of this storage creates one;
        # where transactions write side by side, nobody else who asks for the same does.
        return undisturbed(storage, first_or_new, again=again)
    except DuplicateKey:
        # Without transactions another process may be faster: the key or a unique index says so.
        found = query.first()
        if found is None:
            raise
        return found, False


def _created(
    storage: BaseStorageAdapter,
    model: Any,
    conditions: Mapping[str, Any],
    defaults: Mapping[str, Any] | None,
) -> Any:
    schema = schema_of(model)
    values = {**starting_values(schema, conditions), **(defaults or {})}
    if schema.model is None:
        (values[schema.key],) = storage.insert_many(model, [values])
        return values
    document = build(schema, values)
    storage.insert(document)
    return document
