"""Converting: a document seen through another class, and saved as another record."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic_core import PydanticUndefined, from_json, to_json

from docmap.schema.schema import Schema
from docmap.storage.journal import operation
from docmap.storage.loading import STATE, State, schema_of, state_of
from docmap.storage.saving import save_document
from docmap.storage.viewing import check_version, converting
from docmap.storage.writes import NEW, keep_unknown

if TYPE_CHECKING:
    from docmap.storage.base import BaseStorageAdapter


def convert(document: Any, other: Any) -> Any:
    """The record of a document, as it is in memory, as an instance of another class.

    What was stored beside the document's own fields is part of it. A class over the same collection
    gives a document of the same record: it has its storage and revision. Of a family it becomes a
    member of that class, which it is in storage once it is saved.
    """
    schema, state = schema_of(type(document)), state_of(document)
    data = _written(schema, document)
    if state is not None:
        data = keep_unknown(schema, state.whole, data)
    decode, target = converting(schema, other)
    made = decode(data)
    if hasattr(other, "__docmap_schema__"):
        schema_of(other).codec.rename(made)  # it is of that class from now on
    if target is not None and state is not None:
        check_version(schema, target, state.storage, state.data)
        known = state.data.encode() if isinstance(state.data, str) else state.data
        kept = keep_unknown(schema, state.whole, known)
        object.__setattr__(made, STATE, State(state.storage, state.revision, kept))
    return made


def save_copy(document: Any, other: Any, storage: BaseStorageAdapter, key: Any) -> Any:
    """Store the record of a document once more, under another key; the new document."""
    schema, state = schema_of(type(document)), state_of(document)
    made = document if other is type(document) else convert(document, other)
    made = made.model_copy(deep=True)
    target = schema_of(type(made))
    made.__dict__[target.key] = _new_key(target, key)
    same = state is not None and target.collection == schema.collection
    storage.check_open()
    with operation(storage, target.collection, "insert"):
        save_document(storage, made, NEW, state.whole if state is not None and same else None)
    return made


def _new_key(schema: Schema, given: Any) -> Any:
    """The key given, or one that the class makes; None for one that the storage counts."""
    if given is not None:
        return schema.key_value(given)
    made = schema.model.model_fields[schema.key].get_default(
        call_default_factory=True, validated_data={}
    )
    return None if made is PydanticUndefined else made


def _written(schema: Schema, document: Any) -> bytes:
    """The record that a save would write; without a key that the storage has yet to count."""
    held = document.__dict__
    if held.get(schema.key, ...) is not None or schema.key_field.type.kind != "int":
        return schema.codec.dump(document)
    held[schema.key] = 0
    try:
        record = from_json(schema.codec.dump(document))
    finally:
        held[schema.key] = None
    del record[schema.key_field.stored]
    return to_json(record)
