"""Writes: what an adapter is asked to store, and what every engine must make of it."""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Iterable
from typing import Any, Final, NamedTuple

from pydantic_core import from_json, to_json

from docmap.errors import DuplicateKey, InvalidRecord, StaleDocument
from docmap.query.paths import getter
from docmap.schema.indexes import BoundIndex
from docmap.schema.schema import Schema
from docmap.schema.unknown import carry, has_unknown
from docmap.values import order_key

NEW: Final = -1
"""Expected revision of a write that must find no record under its key."""
ANY: Final = -2
"""Expected revision of a write that replaces or creates, whatever is stored."""


class Write(NamedTuple):
    """One document to store: its key, its bytes, and the revision that it was loaded with."""

    key: Any
    data: bytes
    expected: int = NEW
    event: str = ""
    """`insert` or `update`, if hooks are to be called for it."""
    before: bytes | str | None = None
    """What was stored at the expected revision, or was there when it was loaded: it holds what the
    class does not know. None where the adapter has to read it."""


def first_revision() -> int:
    """The revision of a new record: random, so that a re-created key is not taken for the old."""
    return secrets.randbits(48)


def keep_unknown(schema: Schema, stored: bytes | str, data: bytes) -> bytes:
    """`data` with the stored fields that the model does not know, at every level of models.

    Stamps are not the model's, and yet known: those of `data` hold. So do the fields of the class
    that the record is of, and names that it had in an older version. Raises InvalidRecord if those
    cannot be told.
    """
    if schema.model is None or schema.unknown == "drop":
        return data
    member, current = schema.resolve(stored)
    old = from_json(current)
    if type(old) is not dict:
        return data
    known = set(schema.owned)
    if member is not schema:
        mine = {entry.stored for entry in schema.root.fields.values()}
        known |= {entry.stored for entry in member.root.fields.values()} - mine
    for name in known:
        old.pop(name, None)
    if not has_unknown(old, schema.root):
        return data
    new = from_json(data)
    carry(old, new, schema.root)
    return to_json(new)


def taken(schema: Schema) -> DuplicateKey:
    """The error of an insert whose key is taken."""
    return DuplicateKey(
        f"{schema.collection} has a document with this key already: load it and save it to change "
        "it, or use upsert to replace it",
        collection=schema.collection,
        fields=(schema.key,),
    )


def given_twice(schema: Schema, key: Any, done: int, *, ordered: bool) -> DuplicateKey:
    """The error of a bulk call with two documents of one key, of which `done` were written."""
    told = f": {done} before them were written, and nothing after" if ordered else ""
    return DuplicateKey(
        f"two of the documents for {schema.collection} have the same key{told}",
        collection=schema.collection,
        key=key,
        fields=(schema.key,),
        done=done,
    )


def not_unique(schema: Schema, index: BoundIndex) -> DuplicateKey:
    """The error of a write whose values are taken in a unique index."""
    return DuplicateKey(
        f"{schema.collection} has another document with the same value of the {index.label} index",
        collection=schema.collection,
        index=index.name,
        fields=index.fields,
    )


def cannot_be_unique(
    schema: Schema, index: BoundIndex, stored: Iterable[bytes | str]
) -> DuplicateKey:
    """The error of a unique index over stored documents that have the same values."""
    owners: Counter[tuple[Any, ...]] = Counter()
    shared = 0
    found = []
    for data in stored:
        try:
            entries = index_entries(index, schema.codec.tree(data))
        except InvalidRecord:
            continue  # what cannot be read has no values to compare
        owners.update(entries)
        found.append(entries)
    twice = {entry for entry, count in owners.items() if count > 1}
    shared = sum(not twice.isdisjoint(entries) for entries in found)
    values = "1 value is" if len(twice) == 1 else f"{len(twice):,} values are"
    return DuplicateKey(
        f"{schema.collection} holds documents with the same values of {', '.join(index.fields)}, "
        f"so the {index.label} index cannot be made: {values} in more than one document, "
        f"{shared:,} documents in all; change or delete them, or declare the index without unique",
        collection=schema.collection,
        index=index.name,
        fields=index.fields,
    )


def stale(schema: Schema, *, deleted: bool) -> StaleDocument:
    """The error of a write over a newer revision, or over a document since deleted."""
    what = (
        "was deleted since it was loaded: insert() stores it anew"
        if deleted
        else "was changed by somebody else since it was loaded: reload it, apply the change again "
        "and save"
    )
    return StaleDocument(
        f"the document of {schema.collection} {what}", collection=schema.collection
    )


def index_entries(index: BoundIndex, tree: Any) -> set[tuple[Any, ...]]:
    """The entries that a document's logical tree has in an index, as sortable keys.

    Empty for a unique index in which a field is null or missing: those never collide.
    """
    entries: list[tuple[Any, ...]] = [()]
    for term in index.terms:
        value = getter(term.path)(tree)
        values = value if term.elements and isinstance(value, list) else [value]
        keys = [order_key(one) for one in values]
        if index.unique:
            keys = [key for key in keys if key != (0,)]
        entries = [(*entry, key) for entry in entries for key in keys]
    return set(entries)
