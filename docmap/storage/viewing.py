"""Records seen through another class: by a view, or by the schema of a document class."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from docmap.errors import InvalidQuery, InvalidRecord
from docmap.plan.engine import Record
from docmap.query.nodes import TRUE, Node
from docmap.schema.schema import Schema
from docmap.schema.views import View, view_of
from docmap.storage.loading import (
    collection_suspended,
    load_record,
    load_records,
    locate,
    schema_of,
)
from docmap.storage.view_scopes import seen_through

if TYPE_CHECKING:
    from docmap.storage.base import BaseStorageAdapter

Decode = Callable[[bytes | str], Any]
_KEPT: Final = 512


class Viewing:
    """How the records of one class become instances of another."""

    def __init__(self, schema: Schema, view: View) -> None:
        self._schema = schema
        self._view = view

    @property
    def _alike(self) -> bool:
        """True if all records are of one class and version, and so decoded alike."""
        return self._schema.upgrades is None and not self._schema.relatives

    @property
    def _decode(self) -> Decode:
        """What makes the instances, for one read: of each record as its own class now stores it."""
        schema, view = self._schema, self._view
        if self._alike:
            return view.decode

        def decode(data: bytes | str) -> Any:
            member, current = schema.resolve(data)
            own = view if member is schema else view_of(member, view.other, strict=False)
            return own.decode(current)

        return decode

    @property
    def target(self) -> Schema | None:
        """The schema of the other class, if its instances are documents."""
        return None

    def scope(self) -> Node:
        """What the other class narrows every read by."""
        return TRUE

    def one(self, storage: BaseStorageAdapter, record: Record) -> Any:
        """The instance for a record. Raises InvalidRecord if it does not fit."""
        try:
            return self._decode(record[0])
        except InvalidRecord as error:
            locate(error, self._schema, storage, record[0])
            raise

    def many(self, storage: BaseStorageAdapter, batches: Iterable[list[Record]]) -> Iterator[Any]:
        """The instances for records that come in batches, streamed."""
        decode, alike = self._decode, self._alike
        quick, failures = self._view.quick, self._view.failures
        for batch in batches:
            made: list[Any] = []
            unfit: InvalidRecord | None = None
            with collection_suspended():
                try:
                    made = [quick(data) for data, _ in batch] if alike else []
                except failures:
                    made = []  # one of them needs care: all are decoded again
                if not made:
                    unfit = _decoded(decode, batch, made)
            yield from made
            if unfit is not None:
                locate(unfit, self._schema, storage, batch[len(made)][0])
                raise unfit


def _decoded(decode: Decode, batch: list[Record], made: list[Any]) -> InvalidRecord | None:
    """Add the instances of a batch to `made`; the error of the first that does not fit."""
    try:
        for data, _ in batch:
            made.append(decode(data))
    except InvalidRecord as error:
        return error
    return None


class _DocumentViewing(Viewing):
    """A document class over the same collection: partial documents, which can be saved back."""

    def __init__(self, schema: Schema, view: View, target: Schema) -> None:
        super().__init__(schema, view)
        self._target = target
        self.scope()  # refused at once where it cannot be asked

    def scope(self) -> Node:
        scope = self._target.scope()
        return scope if scope is TRUE else seen_through(self._schema, self._target, scope)

    @property
    def target(self) -> Schema:
        return self._target

    def one(self, storage: BaseStorageAdapter, record: Record) -> Any:
        if _is_behind(self._schema, self._target):
            check_version(self._schema, self._target, storage, record[0])
        return load_record(self._target, storage, record)

    def many(self, storage: BaseStorageAdapter, batches: Iterable[list[Record]]) -> Iterator[Any]:
        if not _is_behind(self._schema, self._target):
            return load_records(self._target, storage, batches)
        return (self.one(storage, record) for batch in batches for record in batch)


def _is_behind(schema: Schema, target: Schema) -> bool:
    """True if the other class knows nothing of the versions that records have."""
    return schema.upgrades is not None and target.upgrades is None


def check_version(
    schema: Schema, target: Schema, storage: BaseStorageAdapter | None, data: bytes | str
) -> None:
    """Raise InvalidRecord for an older record that a class without a version would save.

    What such a document saved, the upgrade of its record would undo.
    """
    stored = data.encode() if isinstance(data, str) else data
    if not _is_behind(schema, target) or schema.resolve(stored)[1] is stored:
        return
    error = InvalidRecord(
        f"a record of {schema.collection} is of an older version, which {target.name} does not "
        f"know: declare version= in {target.name} too, or upgrade the records with "
        f"db.upgrade({schema.name})",
        collection=schema.collection,
    )
    if storage is not None:
        locate(error, schema, storage, data)
    raise error


def viewing(schema: Schema, other: Any) -> Viewing:
    """How records of a schema become instances of another class.

    Raises InvalidQuery if its fields cannot come from the documents, or, for a document class, if
    it could not save them back: another collection, another key, other names in storage.
    """
    return _made(schema, other, view_of(schema, other))


def converting(schema: Schema, other: Any) -> tuple[Decode, Schema | None]:
    """What makes an instance of another class of a record; its schema if it is the same record.

    What the record lacks is left to the decoder, which raises InvalidRecord: fields that the class
    of the record does not declare may be in it all the same. Raises InvalidQuery for a class that
    has no fields, or stores a field of the same collection under another name.
    """
    view = view_of(schema, other, strict=False)
    target = schema_of(other) if hasattr(other, "__docmap_schema__") else None
    if target is None or target.collection != schema.collection:
        return view.decode, None
    _made(schema, other, view)
    decode, upgrades = target.codec.decode, target.upgrades
    if upgrades is None:
        return decode, target
    return lambda data: decode(upgrades.current(target, data)), target


@lru_cache(maxsize=_KEPT)
def _made(schema: Schema, other: Any, view: View) -> Viewing:
    if not hasattr(other, "__docmap_schema__"):
        return Viewing(schema, view)
    target = schema_of(other)
    if target.collection != schema.collection:
        raise InvalidQuery(
            f"{target.name} is stored in {target.collection!r} and {schema.name} in "
            f"{schema.collection!r}: give {target.name} collection={schema.collection!r} so that "
            "its documents can be saved back, or view through a plain pydantic model",
            collection=schema.collection,
        )
    names = {field: stored for field, _, stored in view.renamed}
    if target.key_field.stored != schema.key_field.stored:
        names.setdefault(f"{target.name}.{target.key}", schema.key_field.stored)
    for field, stored in names.items():
        raise InvalidQuery(
            f"{field} is stored as {stored!r} by {schema.name}: annotate it with "
            f"Stored({stored!r}), else {target.name} could not be saved back",
            collection=schema.collection,
            field=field.partition(".")[2],
        )
    return _DocumentViewing(schema, view, target)
