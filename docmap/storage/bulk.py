"""Many documents in one call: in order, in batches, up to the first that fails."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date
from itertools import groupby, islice
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID

from docmap.errors import DocmapError, DuplicateKey, InvalidValue, StaleDocument
from docmap.schema.schema import Schema
from docmap.storage.deleting import delete_one
from docmap.storage.journal import operation
from docmap.storage.loading import collection_suspended, schema_of
from docmap.storage.saving import build, deletion, expected_revision, prepare, stored
from docmap.storage.writes import NEW, Write
from docmap.values import ObjectId

if TYPE_CHECKING:
    from docmap.storage.base import BaseStorageAdapter

BATCH = 1000
T = TypeVar("T")
P = TypeVar("P")


def save_rows(
    storage: BaseStorageAdapter, model: Any, rows: Iterable[Mapping[str, Any]], *, size: int
) -> list[Any]:
    """Store dicts as new documents of one class, or of an untyped collection; their keys."""
    schema, bulk = schema_of(model), _Bulk(storage, "insert_many", size)
    if isinstance(rows, (list, tuple)):
        bulk.refuse_repeats([(schema, rows)])

    def built(row: Any) -> tuple[Any, Write]:
        document = build(schema, row)
        return document, prepare(storage, schema, document, NEW)

    bulk.save(schema, rows, built)
    return bulk.keys


def save_documents(
    storage: BaseStorageAdapter, documents: Iterable[Any], *, insert: bool, size: int
) -> list[Any]:
    """Store documents, those of one class in a row together; their keys."""
    bulk = _Bulk(storage, "insert_many" if insert else "save_many", size)
    if isinstance(documents, (list, tuple)):
        bulk.refuse_repeats(_runs(documents))
    for schema, run in _runs(documents):

        def prepared(document: Any, schema: Schema = schema) -> tuple[Any, Write]:
            expected = NEW if insert else expected_revision(storage, document)
            return document, prepare(storage, schema, document, expected)

        bulk.save(schema, run, prepared)
    return bulk.keys


def delete_documents(storage: BaseStorageAdapter, documents: Iterable[Any], *, size: int) -> int:
    """Delete stored documents, each over the revision that it was loaded with; how many."""
    bulk = _Bulk(storage, "delete_many", size)
    if isinstance(documents, (list, tuple)):
        bulk.refuse_repeats(_runs(documents))
    for schema, run in _runs(documents):
        bulk.delete(schema, run)
    return len(bulk.keys)


def _runs(documents: Iterable[Any]) -> Iterator[tuple[Schema, Iterable[Any]]]:
    return ((schema_of(kind), run) for kind, run in groupby(documents, type))


class _Bulk:
    """One call: what it has written so far, and the keys that it has seen."""

    def __init__(self, storage: BaseStorageAdapter, name: str, size: int) -> None:
        if size < 1:
            raise InvalidValue("batch_size must be at least 1")
        storage.check_open()
        self.keys: list[Any] = []
        self._storage = storage
        self._name = name
        self._size = size
        self._seen: dict[str, set[Any]] = {}

    def refuse_repeats(self, runs: Iterable[tuple[Schema, Iterable[Any]]]) -> None:
        """Refuse a list that has one key twice before any of it is written.

        Of an iterator this shows batch by batch.
        """
        seen: dict[str, set[Any]] = {}
        for schema, documents in runs:
            keys = [key for one in documents if (key := _given_key(schema, one)) is not None]
            self._check_keys(schema, keys, seen)

    def save(
        self,
        schema: Schema,
        documents: Iterable[Any],
        prepared: Callable[[Any], tuple[Any, Write]],
    ) -> None:
        """Store the documents of one class, in batches."""
        with operation(self._storage, schema.collection, self._name) as tally:
            before = len(self.keys)
            self._storage.prepare_collection(schema)
            try:
                for batch, failure in _batches(documents, prepared, self._size):
                    with collection_suspended:
                        self._check_keys(schema, [write.key for _, write in batch], self._seen)
                        self._write(schema, batch)
                    self._stop_at(failure)
            finally:
                tally.count = len(self.keys) - before

    def delete(self, schema: Schema, documents: Iterable[Any]) -> None:
        """Delete the documents of one class, each batch in one transaction where there are any."""
        storage = self._storage

        def prepared(document: Any) -> tuple[Any, tuple[Any, int]]:
            return document, deletion(storage, schema, document)

        with operation(storage, schema.collection, self._name) as tally:
            before = len(self.keys)
            try:
                for batch, failure in _batches(documents, prepared, self._size):
                    self._check_keys(schema, [key for _, (key, _) in batch], self._seen)
                    self._stop_at(self._deleted(schema, batch) or failure)
            finally:
                tally.count = len(self.keys) - before

    def _write(self, schema: Schema, batch: list[tuple[Any, Write]]) -> None:
        storage = self._storage
        writes = [write for _, write in batch]
        if not writes:
            return
        try:
            revisions = storage._save_many(schema, writes)
        except DocmapError as error:
            done = error.done or 0
            if isinstance(error, (DuplicateKey, StaleDocument)):
                self._note_written(schema, batch[:done])
                error.key = writes[done].key if error.key is None else error.key
            self.keys += [write.key for write in writes[:done]]
            error.done = len(self.keys)
            raise
        for (document, write), revision in zip(batch, revisions, strict=True):
            stored(storage, schema, document, revision, write)
        self.keys += [write.key for write in writes]

    def _note_written(self, schema: Schema, batch: list[tuple[Any, Write]]) -> None:
        """Those before the one that failed are stored; their revisions are in the storage only."""
        if schema.model is None or not batch:
            return
        found = self._storage._get_many(schema, [write.key for _, write in batch])
        for document, write in batch:
            if write.key in found:
                stored(self._storage, schema, document, found[write.key][1], write)

    def _deleted(
        self, schema: Schema, batch: list[tuple[Any, tuple[Any, int]]]
    ) -> DocmapError | None:
        """Delete up to the first that fails, and give its error: what was deleted shall stay."""
        with self._storage.all_or_nothing():
            for document, (key, expected) in batch:
                try:
                    delete_one(self._storage, schema, key, expected, document)
                except DocmapError as error:
                    error.key = key if error.key is None else error.key
                    return error
                self.keys.append(key)
        return None

    def _stop_at(self, failure: DocmapError | None) -> None:
        if failure is not None:
            failure.done = len(self.keys)
            raise failure

    def _check_keys(self, schema: Schema, keys: list[Any], seen: dict[str, set[Any]]) -> None:
        """Refuse keys that are there twice, or were seen before in the call."""
        before, fresh = seen.setdefault(schema.collection, set()), set(keys)
        if len(fresh) == len(keys) and before.isdisjoint(fresh):
            before |= fresh
            return
        for key in keys:
            if key in before:
                raise DuplicateKey(
                    f"two of the documents for {schema.collection} have the same key: "
                    f"{len(self.keys)} before them were written, and nothing after",
                    engine=self._storage.scheme,
                    collection=schema.collection,
                    key=key,
                    fields=(schema.key,),
                    done=len(self.keys),
                )
            before.add(key)


def _given_key(schema: Schema, document: Any) -> Any:
    """The key of a document or a dict that is not checked yet; None if it has no usable one."""
    held = document if isinstance(document, Mapping) else getattr(document, "__dict__", {})
    key = held.get(schema.key)
    return key if isinstance(key, (str, int, date, UUID, ObjectId)) else None


def _batches(
    items: Iterable[T], prepared: Callable[[T], P], size: int
) -> Iterator[tuple[list[P], DocmapError | None]]:
    """Batches of what is ready to be written, and the error of the item that ended the last one.

    What comes before a bad item is written whatever the size of a batch, so the error is kept until
    it is.
    """
    iterator = iter(items)
    failure: DocmapError | None = None
    while failure is None:
        chunk: list[T] = []
        ready: list[P] = []
        try:
            for item in islice(iterator, size):
                chunk.append(item)  # noqa: PERF402 - what came before a failure is kept
        except DocmapError as error:
            failure = error
        try:
            with collection_suspended:  # not while the items come, which may take long
                for item in chunk:
                    ready.append(prepared(item))  # noqa: PERF401 - as above
        except DocmapError as error:
            failure = error
        if ready or failure:
            yield ready, failure
        if len(ready) < size:
            return
