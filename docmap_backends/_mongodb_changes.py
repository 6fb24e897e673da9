"""What a write changes in a stored document: an update that leaves alone what it is not about."""

from __future__ import annotations

from typing import Any

from docmap.schema.schema import Schema
from docmap.storage.writes import Write, keep_unknown
from docmap_backends._mongodb_fields import stored_top
from docmap_backends._mongodb_names import ID, REVISION
from docmap_backends._mongodb_values import to_document

Update = dict[str, Any]
"""A whole document, or an update with operators."""


def replacing(schema: Schema, data: bytes, revision: int) -> Update:
    """The document of a record, whole."""
    document = to_document(schema, data)
    document[REVISION] = revision
    return document


def is_operators(update: Update) -> bool:
    """True of an update with operators, False of a whole document."""
    return "$set" in update


def saving(schema: Schema, write: Write, stored: bytes | str, revision: int) -> Update:
    """What a save of a document makes of what is stored.

    Fields that the class does not know stay, at the top level whatever they are by now.
    """
    if schema.model is None or schema.unknown == "drop":
        return replacing(schema, write.data, revision)
    data = keep_unknown(schema, stored, write.data)
    document = to_document(schema, data)
    own = document if data is write.data else to_document(schema, write.data)
    values = {name: document[name] for name in own if name != ID}
    gone = []
    if _may_lose_fields(schema):
        held = stored if isinstance(stored, bytes) else stored.encode()
        gone = [name for name in to_document(schema, held) if name not in document]
    return _operators(values, gone, revision)


def changing(schema: Schema, write: Write, names: frozenset[str] | None, revision: int) -> Update:
    """What an update makes of a document that differs below these top-level names alone."""
    document = to_document(schema, write.data)
    if names is None or schema.model is None:
        document[REVISION] = revision
        return document
    stored = {name: field_name(schema, name) for name in names}
    values = {name: document[name] for name in stored.values() if name in document}
    gone = [name for name in stored.values() if name not in document]
    if ID in values or ID in gone:
        document[REVISION] = revision
        return document
    return _operators(values, gone, revision)


def _operators(values: dict[str, Any], gone: list[str], revision: int) -> Update:
    update: Update = {"$set": {**values, REVISION: revision}}
    if gone:
        update["$unset"] = dict.fromkeys(gone, "")
    return update


def _may_lose_fields(schema: Schema) -> bool:
    """True if a stored document may have fields that the class knows of and does not write."""
    alone = schema.family is None or schema.family.alone
    return bool(schema.upgrades is not None or schema.stamps or not alone)


def field_name(schema: Schema, name: str) -> str:
    """What a top-level field is called in MongoDB."""
    return stored_top(name, schema.key_field.stored)
