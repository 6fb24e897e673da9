"""Saving documents: encoding, keys, revisions, and the state that a document has afterwards."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from docmap.errors import DuplicateKey, InvalidValue, StaleDocument
from docmap.query.paths import getter
from docmap.schema.schema import Schema
from docmap.storage.loading import State, attach, schema_of, state_of
from docmap.storage.writes import ANY, NEW, Write

if TYPE_CHECKING:
    from docmap.storage.base import BaseStorageAdapter

BATCH = 1000


def prepare(storage: BaseStorageAdapter, schema: Schema, document: Any, expected: int) -> Write:
    """Everything that can be refused before I/O: key, types, ranges, constraints, sizes."""
    if schema.model is None:
        key = document.get(schema.key) if isinstance(document, Mapping) else None
        if key is None and isinstance(document, Mapping):
            key = document[schema.key] = storage.new_key(schema)  # type: ignore[index]
    else:
        held = document.__dict__
        key = held.get(schema.key)
        if key is None:
            key = held[schema.key] = storage.new_key(schema)
    data = schema.codec.encode(document)
    key = schema.key_value(document[schema.key] if schema.model is None else held[schema.key])
    schema.check_index_sizes(data)
    return Write(key, data, expected)


def expected_revision(storage: BaseStorageAdapter, document: Any) -> int:
    """The revision that a save of the document expects to find; NEW if it is not stored there."""
    state = state_of(document)
    if state is None or not (state.storage is None or state.storage.same(storage)):
        return NEW
    return state.revision


def save_document(storage: BaseStorageAdapter, document: Any, expected: int) -> Any:
    """Store one document and note its new revision on it; its key."""
    schema = schema_of(type(document))
    write = prepare(storage, schema, document, expected)
    storage.prepare_collection(schema)
    try:
        revision = storage._save(schema, write)
    except StaleDocument as error:
        raise _moved(schema, document, write, error) from error
    attach(document, storage, revision, write.data)
    return write.key


def _moved(schema: Schema, document: Any, write: Write, error: StaleDocument) -> StaleDocument:
    """The error of a save whose document was given another key since it was loaded."""
    state = state_of(document)
    if state is not None:
        tree = schema.codec.tree(state.data, (schema.key_field.stored,))
        if getter(schema.key_path)(tree) != write.key:
            return StaleDocument(
                f"{schema.name}.{schema.key} was changed since the document was loaded, and a key "
                "does not change: insert a copy with the new key and delete the old document",
                collection=schema.collection,
                field=schema.key,
            )
    return error


def save_data(storage: BaseStorageAdapter, model: Any, data: Any, primary_key: Any) -> Any:
    """Validate a dict as a document of the model and store it under the key; the key."""
    schema = schema_of(model)
    if not isinstance(data, Mapping):
        raise InvalidValue(
            f"save({schema.name}, data) takes a dict of the fields, not {type(data).__name__}",
            collection=schema.collection,
        )
    values = dict(data)
    if primary_key is not None:
        values[schema.key] = schema.key_value(primary_key)
    document = build(schema, values)
    write = prepare(storage, schema, document, NEW if primary_key is None else ANY)
    storage.prepare_collection(schema)
    storage._save(schema, write)
    return write.key


def build(schema: Schema, row: Any) -> Any:
    """A new document from a dict of Python names, validated. Raises InvalidValue."""
    if schema.model is None:
        if not isinstance(row, Mapping):
            raise InvalidValue(
                f"{schema.collection} is an untyped collection: its documents are dicts, not "
                f"{type(row).__name__}",
                collection=schema.collection,
            )
        return dict(row)
    try:
        return schema.model.model_validate(row)
    except ValidationError as error:
        from docmap.schema.diagnose import first_error

        field, reason = first_error(error)
        raise InvalidValue(
            f"{schema.name}.{field} {reason}; nothing was written",
            collection=schema.collection,
            field=field,
        ) from error


def save_all(
    storage: BaseStorageAdapter,
    schema: Schema,
    documents: Iterable[Any],
    *,
    insert: bool,
    batch_size: int,
) -> list[Any]:
    """Store many documents in batches, in order, up to the first that fails; their keys."""
    keys: list[Any] = []
    storage.prepare_collection(schema)
    for batch in _batches(documents, batch_size):
        writes = []
        for document in batch:
            expected = (
                NEW if insert or schema.model is None else expected_revision(storage, document)
            )
            writes.append(prepare(storage, schema, document, expected))
        if len({write.key for write in writes}) < len(writes):
            raise DuplicateKey(
                f"two of the documents for {schema.collection} have the same key: none of this "
                f"batch was written, {len(keys)} before it were",
                collection=schema.collection,
                fields=(schema.key,),
                done=len(keys),
            )
        try:
            revisions = storage._save_many(schema, writes)
        except DuplicateKey as error:
            error.done = len(keys) + (error.done or 0)
            raise
        if schema.model is not None:
            for document, revision, write in zip(batch, revisions, writes, strict=True):
                object.__setattr__(
                    document, "__docmap_state__", State(storage, revision, write.data)
                )
        keys.extend(write.key for write in writes)
    return keys


def _batches(items: Iterable[Any], size: int) -> Iterator[list[Any]]:
    if size < 1:
        raise InvalidValue("batch_size must be at least 1")
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch
