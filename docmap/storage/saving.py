"""Saving documents: encoding, keys, revisions, and the state that a document has afterwards."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import TYPE_CHECKING, Any
from uuid import UUID

from pydantic import ValidationError
from pydantic_core import to_json

from docmap.errors import DuplicateKey, InvalidModel, InvalidValue, StaleDocument
from docmap.schema.filters import check_where
from docmap.schema.moments import NO_MOMENTS
from docmap.schema.schema import Schema
from docmap.schema.sharding import check_kept
from docmap.storage.expiring import check_alive, save_over_expired, set_times
from docmap.storage.firing import after_write, before_write, living, settled
from docmap.storage.journal import decoding, running
from docmap.storage.loading import STATE, State, schema_of, state_of
from docmap.storage.rollback import note
from docmap.storage.writes import ANY, NEW, Write, keep_unknown
from docmap.values import ObjectId

if TYPE_CHECKING:
    from docmap.storage.base import BaseStorageAdapter


def prepare(storage: BaseStorageAdapter, schema: Schema, document: Any, expected: int) -> Write:
    """Everything that can be refused before I/O: by hooks; key, types, ranges, limits, sizes."""
    if schema.expiry is not None and expected >= 0:
        check_alive(schema, document)
    if schema.moments is not NO_MOMENTS:
        set_times(storage, schema, document, expected)
    event = before_write(storage, schema, document, expected)
    if schema.model is None:
        held = document if isinstance(document, dict) else {schema.key: ""}
        if held.get(schema.key) is None:
            held[schema.key] = storage.new_key(schema)
    else:
        if schema.abstract:
            raise InvalidModel(
                f"{schema.name} is abstract and has no documents of its own: save one of a class "
                "that derives from it",
                collection=schema.collection,
            )
        held = document.__dict__
        if held.get(schema.key) is None:
            held[schema.key] = storage.new_key(schema)
            note(storage, document, schema.key)
    if running.tally is None:
        data = schema.codec.encode(document)
    else:
        with decoding():
            data = schema.codec.encode(document)
    key = schema.key_value(held[schema.key])
    schema.check_index_sizes(data)
    check_where(schema, data)
    if expected >= 0:
        _check_same_key(schema, document, key)
        if schema.shard_key is not None and (state := state_of(document)) is not None:
            check_kept(schema, state.data, data)
    if expected < 0:
        return Write(key, data, expected, event)
    state = state_of(document)
    return Write(key, data, expected, event, None if state is None else state.whole)


def _check_same_key(schema: Schema, document: Any, key: Any) -> None:
    """Refuse a loaded document whose key was changed: it could overwrite another's record."""
    state = state_of(document)
    if state is None:
        return
    mark = to_json(schema.stored_key(key))
    data = state.data.encode() if isinstance(state.data, str) else state.data
    if type(key) is str and mark in data:
        return  # as good as certain, and much cheaper than to read the record
    if schema.key_of(data) != key:
        raise StaleDocument(
            f"{schema.name}.{schema.key} was changed since the document was loaded, and a key "
            "does not change: insert a copy with the new key and delete the old document",
            collection=schema.collection,
            field=schema.key,
        )


def expected_revision(storage: BaseStorageAdapter, document: Any) -> int:
    """The revision that a save of the document expects to find; NEW if it is not stored there."""
    state = state_of(document)
    if state is None or not (state.storage is None or state.storage.same(storage)):
        return NEW
    return state.revision


def save_document(
    storage: BaseStorageAdapter, document: Any, expected: int, like: bytes | str | None = None
) -> Any:
    """Store one document and note its new revision on it; its key.

    `like` is a record whose fields unknown to the class the new one gets too.
    """
    return _save(storage, schema_of(type(document)), document, expected, like)


def _save(
    storage: BaseStorageAdapter,
    schema: Schema,
    document: Any,
    expected: int,
    like: bytes | str | None = None,
) -> Any:
    with settled(storage, schema, expected):
        write = prepare(storage, schema, document, expected)
        if like is not None:
            write = write._replace(data=keep_unknown(schema, like, write.data))
        storage.prepare_collection(schema)
        _check_seen(storage, schema, write)
        try:
            revision = save_over_expired(storage, schema, write)
        except (DuplicateKey, StaleDocument) as error:
            error.key = write.key if error.key is None else error.key
            raise
        stored(storage, schema, document, revision, write)
    after_write(storage, schema, document, write.event)
    return write.key


def _check_seen(storage: BaseStorageAdapter, schema: Schema, write: Write) -> None:
    """Refuse to replace, whatever its revision, a record that the class does not see or move."""
    if write.expected != ANY or (schema.where is None and schema.shard_key is None):
        return
    record = living(storage, schema, write.key)
    if record is None:
        return
    check_kept(schema, record[0], write.data)
    if not schema.sees(record[0]):
        raise DuplicateKey(
            f"{schema.collection} has a document with this key that {schema.name} does not see: "
            "use another key, or a class that sees it",
            collection=schema.collection,
            fields=(schema.key,),
            key=write.key,
        )


def stored(
    storage: BaseStorageAdapter, schema: Schema, document: Any, revision: int, write: Write
) -> None:
    """Note on a document, if anybody has it, that it is stored. Plain dicts carry no state."""
    if schema.model is not None and document is not None:
        note(storage, document)
        held = state_of(document) if write.expected >= 0 else None
        before = None if held is None else held.whole
        object.__setattr__(document, STATE, State(storage, revision, write.data, before))


def deletion(storage: BaseStorageAdapter, schema: Schema, document: Any) -> tuple[Any, int]:
    """The key of a document that is to be deleted, and the revision that is expected there."""
    expected = expected_revision(storage, document)
    if expected == NEW:
        raise InvalidValue(
            f"this {schema.name} is not stored on {storage.scheme}: nothing to delete",
            collection=schema.collection,
        )
    check_alive(schema, document)
    return schema.key_value(document.__dict__.get(schema.key)), expected


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
    if primary_key is not None and schema.model is not None:
        document.__dict__[schema.key] = values[schema.key]  # whatever the data has under an alias
    return _save(storage, schema, document, NEW if primary_key is None else ANY)


def starting_values(schema: Schema, conditions: Mapping[str, Any]) -> dict[str, Any]:
    """What a new document takes from the conditions that no document met."""
    if schema.model is None:
        return {name: value for name, value in conditions.items() if "__" not in name}
    named = {schema.key if name == "pk" else name: value for name, value in conditions.items()}
    return {name: value for name, value in named.items() if name in schema.root.fields}


def build(schema: Schema, row: Any) -> Any:
    """A new document from a dict of Python names or aliases, validated. Raises InvalidValue."""
    if schema.model is None:
        if not isinstance(row, Mapping):
            raise InvalidValue(
                f"{schema.collection} is an untyped collection: its documents are dicts, not "
                f"{type(row).__name__}",
                collection=schema.collection,
            )
        return dict(row)
    try:
        return schema.model.model_validate(row, by_alias=True, by_name=True)
    except ValidationError as error:
        from docmap.schema.diagnose import WHOLE, first_error

        field, reason = first_error(error)
        place = schema.name if field == WHOLE else f"{schema.name}.{field}"
        raise InvalidValue(
            f"{place} {reason}; nothing was written",
            collection=schema.collection,
            field=field,
        ) from error


def given_key(schema: Schema, document: Any) -> Any:
    """The key of a document or a dict that is not checked yet; None if it has no usable one."""
    held = document if isinstance(document, Mapping) else getattr(document, "__dict__", {})
    key = held.get(schema.key)
    return key if isinstance(key, (str, int, date, UUID, ObjectId)) else None
