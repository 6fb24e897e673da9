"""What there is to copy in a storage: each collection, how it is read and written, its indexes."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from docmap.errors import DocmapError, InvalidRecord, Unsupported, nearest
from docmap.plan.engine import Record
from docmap.schema.indexes import BoundIndex
from docmap.schema.rebuilt import rebuilt
from docmap.schema.schema import Schema, untyped
from docmap.storage.loading import schema_of
from docmap.storage.options import did_you_mean
from docmap.values import MISSING, ObjectId

if TYPE_CHECKING:
    from docmap.storage.base import BaseStorageAdapter

MARKER: Final = "docmap-copy"
"""The collection of a target that holds how far a copy came, until it is finished."""
_MOST_BYTES: Final = 8_000_000


@dataclass(frozen=True, slots=True)
class Part:
    """One collection of a source."""

    schema: Schema
    """How its records are read and written; without indexes, which come last."""
    indexes: tuple[tuple[Schema, BoundIndex], ...]
    left: tuple[str, ...]
    """The labels of indexes that only their class can make."""
    documents: int
    last_key: int
    classes: tuple[Schema, ...] = ()

    @property
    def collection(self) -> str:
        """The collection's name."""
        return self.schema.collection

    @property
    def labels(self) -> tuple[str, ...]:
        """The indexes for messages."""
        return tuple(sorted(index.label for _, index in self.indexes))


def parts_of(
    source: BaseStorageAdapter,
    collections: Iterable[str] | None = None,
    models: Iterable[Any] = (),
) -> list[Part]:
    """The collections of a storage, or those named, in the order of their names.

    Those of `models` are copied with the indexes that these classes declare, all others with
    those that they have. Raises DocmapError for a name that the source does not have, and
    Unsupported for a collection whose key it does not know.
    """
    source.check_open()
    known = sorted(source._collections())
    if MARKER in known and source._get(untyped(MARKER), MARKER) is not None:
        raise DocmapError(
            f"{named(source)} is itself a copy that was not finished: run that copy again, and "
            "copy from here once it is done",
            engine=source.scheme,
        )
    known = [name for name in known if name != MARKER]
    wanted = known if collections is None else sorted(set(collections))
    classes: dict[str, list[Schema]] = {}
    for schema in map(schema_of, models):
        classes.setdefault(schema.collection, []).append(schema)
    for name in (*wanted, *classes):
        _check_known(source, name, known if name in wanted else wanted)
    return [_part(source, name, classes.get(name, ())) for name in wanted]


def _check_known(source: BaseStorageAdapter, name: str, known: Collection[str]) -> None:
    if name not in known:
        raise DocmapError(
            f"{named(source)} has no collection {name!r} to copy{did_you_mean(name, known)} "
            f"It has: {', '.join(known) or 'none'}",
            engine=source.scheme,
            collection=name,
            suggestions=nearest(name, known),
        )


def _part(source: BaseStorageAdapter, name: str, classes: Sequence[Schema]) -> Part:
    if classes:
        schema, left = classes[0], list[str]()
        every = {id(one): one for first in classes for one in (first, *first.relatives)}
        indexes = {index.name: (one, index) for one in every.values() for index in one.indexes}
        source._refresh(schema)
    else:
        source._refresh(untyped(name))
        present = source._present_indexes(untyped(name)).values()
        schema, others = rebuilt(name, _key_name(source, name), source._shape(name), present)
        left = [definition.label for definition in others]
        indexes = {index.name: (schema, index) for index in schema.indexes}
    return Part(
        replace(schema, indexes=()),
        tuple(indexes.values()),
        tuple(left),
        source._count(schema, None),
        source._counted_key(schema),
        tuple(classes),
    )


def _key_name(source: BaseStorageAdapter, name: str) -> str:
    """The storage name of the key; where the source does not know it, `id` if that is there."""
    known = source._key_name(name)
    if known:
        return known
    schema = untyped(name)
    first = next(iter(source._scan(schema)), None)
    if first is None or schema.key_of(first[0]) is not MISSING:
        return schema.key
    raise Unsupported(
        f"{source.scheme} does not tell which field of {name} is the key: name the class of the "
        "collection (--model, models=)",
        engine=source.scheme,
        collection=name,
    )


def named(storage: BaseStorageAdapter | None) -> str:
    """A storage in messages: its URL without secrets."""
    return "the target" if storage is None else str(storage.url or f"{storage.scheme}://")


Keyed = dict[Any, tuple[bytes, int]]
KEYS: Final = frozenset({str, int, UUID, ObjectId})
"""The types of keys where no class declares one."""


def batches(
    source: BaseStorageAdapter, schema: Schema, size: int, records: Iterable[Record] | None = None
) -> Iterator[Keyed]:
    """The records of a collection by key, so many at once, or fewer where they are large."""
    batch: Keyed = {}
    held = 0
    for data, revision in source._scan(schema) if records is None else records:
        key = schema.key_of(data)
        if key is MISSING:
            raise InvalidRecord(
                f"a record of {schema.collection} holds no key under {schema.key_field.stored!r}, "
                "and cannot be copied: its class knows where the key is (--model, models=)",
                engine=source.scheme,
                collection=schema.collection,
            )
        if type(key) is dict:  # of a document of MongoDB's
            raise _odd_key(source, schema, key)
        if held >= _MOST_BYTES or len(batch) >= size:
            yield batch
            batch, held = {}, 0
        raw = data if isinstance(data, bytes) else data.encode()
        batch[key] = (raw, revision)
        held += len(raw)
    if batch:
        yield batch


def check_keys(
    source: BaseStorageAdapter, target: BaseStorageAdapter | None, schema: Schema, keys: Keyed
) -> None:
    """Raise InvalidRecord for a key that only the engine of the source has."""
    if schema.model is None and (target is None or target.scheme != source.scheme):
        for key in keys:
            if type(key) not in KEYS:
                raise _odd_key(source, schema, key)


def _odd_key(source: BaseStorageAdapter, schema: Schema, key: Any) -> InvalidRecord:
    return InvalidRecord(
        f"a record of {schema.collection} has a key of type {type(key).__name__}, and keys of a "
        "collection without a class are text, ints, UUIDs and ObjectIds: name its class (--model, "
        "models=), or the collections to copy (--collection, collections=)",
        engine=source.scheme,
        collection=schema.collection,
    )


def held_by(storage: BaseStorageAdapter, schema: Schema, keys: Collection[Any]) -> Keyed:
    """What a storage has under these keys."""
    return {
        key: (data if isinstance(data, bytes) else data.encode(), revision)
        for key, (data, revision) in storage._get_many(schema, list(keys)).items()
    }
