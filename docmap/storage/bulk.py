"""Many documents in one call, in batches: up to the first that fails, or all that can be."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

from docmap.errors import DocmapError, DuplicateKey, Failure, InvalidValue, StorageError
from docmap.schema.schema import Schema
from docmap.storage.batches import CHUNK, Ahead, Batch
from docmap.storage.counting import Reserve
from docmap.storage.deleting import delete_one
from docmap.storage.expiring import make_room
from docmap.storage.failing import bulk_error
from docmap.storage.firing import after_writes, fire, hooked
from docmap.storage.journal import operation
from docmap.storage.loading import collection_suspended, schema_of
from docmap.storage.mixing import by_class, mixed, runs, save_together
from docmap.storage.saving import build, deletion, expected_revision, given_key, prepare, stored
from docmap.storage.writes import NEW, Write, given_twice

if TYPE_CHECKING:
    from docmap.storage.base import BaseStorageAdapter

BATCH = 10_000  # documents of a commit: one of many pages is cheaper than many of the same pages
_EVENTS = ("save", "insert")
T = TypeVar("T")
P = TypeVar("P")


def save_rows(
    storage: BaseStorageAdapter,
    model: Any,
    rows: Iterable[Mapping[str, Any]],
    *,
    size: int,
    ordered: bool = True,
) -> list[Any]:
    """Store dicts as new documents of one class, or of an untyped collection; their keys."""
    schema, bulk = schema_of(model), _Bulk(storage, "insert_many", size, ordered=ordered)
    if isinstance(rows, (list, tuple)):
        bulk.refuse_repeats([(schema, rows)])

    def built(row: Any) -> tuple[Any, Write]:
        document = build(schema, row)
        write = prepare(storage, schema, document, NEW)
        # Nobody else has it: kept until it is written, it would only be work for the collector.
        return document if write.event else None, write

    if isinstance(rows, (list, tuple)) and ordered and not hooked(storage, schema, *_EVENTS):
        # Nothing of the user's own, which might use the storage, runs between two documents.
        bulk.begin = partial(storage._insert_ahead, schema)
    bulk.save(schema, rows, built)
    bulk.finish(schema.collection)
    return bulk.keys


def save_documents(
    storage: BaseStorageAdapter,
    documents: Iterable[Any],
    *,
    insert: bool,
    size: int,
    ordered: bool = True,
) -> list[Any]:
    """Store documents, those of one class in a row together; their keys."""
    bulk = _Bulk(storage, "insert_many" if insert else "save_many", size, ordered=ordered)
    if isinstance(documents, (list, tuple)):
        bulk.refuse_repeats(runs(documents))

    def prepared(document: Any) -> tuple[Any, Write]:
        expected = NEW if insert else expected_revision(storage, document)
        return document, prepare(storage, schema_of(type(document)), document, expected)

    for schema, run in runs(documents, mix=insert):
        bulk.save(schema, run, prepared)
    bulk.finish()
    return bulk.keys


def delete_documents(
    storage: BaseStorageAdapter, documents: Iterable[Any], *, size: int, ordered: bool = True
) -> int:
    """Delete stored documents, each over the revision that it was loaded with; how many."""
    bulk = _Bulk(storage, "delete_many", size, ordered=ordered)
    if isinstance(documents, (list, tuple)):
        bulk.refuse_repeats(runs(documents))
    for schema, run in runs(documents):
        bulk.delete(schema, run)
    bulk.finish()
    return len(bulk.keys)


class _Bulk:
    """One call: what it has written so far, what failed, and the keys that it has seen."""

    def __init__(
        self, storage: BaseStorageAdapter, name: str, size: int, *, ordered: bool = True
    ) -> None:
        if size < 1:
            raise InvalidValue("batch_size must be at least 1")
        storage.check_open()
        self.keys: list[Any] = []
        self.begin: Callable[[], Ahead | None] | None = None
        self._storage = storage
        self._name = name
        self._size = size
        self._ordered = ordered
        self._failed: list[Failure] = []
        self._taken = 0
        self._seen: dict[str, set[Any]] = {}

    def refuse_repeats(self, runs: Iterable[tuple[Schema, Iterable[Any]]]) -> None:
        """Refuse a list with a key twice at once; of an iterator it shows batch by batch."""
        seen: dict[str, set[Any]] = {}
        for schema, documents in runs:
            given = [given_key(schema, one) for one in documents]
            self._check_keys(schema, given, self._taken, seen)
            self._taken += len(given)
        self._taken = 0

    def save(
        self,
        schema: Schema,
        documents: Iterable[Any],
        prepared: Callable[[Any], tuple[Any, Write]],
    ) -> None:
        """Store the documents of one class, in batches."""
        telling = operation(self._storage, schema.collection, self._name, batched=True)
        with telling as tally, self._telling():
            before = len(self.keys)
            make_room(self._storage, schema)
            try:
                with closing(self._batches(schema, documents, prepared)) as batches:
                    for batch in batches:
                        with collection_suspended():
                            keys = [write.key for _, write in batch.ready]
                            self._refuse_seen(schema, batch, keys)
                            self._write(schema, batch)
                        self._stop_at(batch.failure)
            finally:
                tally.count = len(self.keys) - before

    def delete(self, schema: Schema, documents: Iterable[Any]) -> None:
        """Delete the documents of one class, each batch in one transaction where there are any."""
        storage = self._storage

        def prepared(document: Any) -> tuple[Any, tuple[Any, int]]:
            return document, deletion(storage, schema, document)

        telling = operation(storage, schema.collection, self._name, batched=True)
        with telling as tally, self._telling():
            before = len(self.keys)
            try:
                for batch in self._batches(schema, documents, prepared):
                    self._refuse_seen(schema, batch, [key for _, (key, _) in batch.ready])
                    self._stop_at(self._deleted(schema, batch) or batch.failure)
            finally:
                tally.count = len(self.keys) - before

    def finish(self, collection: str | None = None) -> None:
        """Raise BulkError if some of the documents of an unordered call failed."""
        if not self._failed:
            return
        error = bulk_error(self._name, self._taken, self.keys, self._failed)
        error.engine, error.collection = self._storage.scheme, collection or error.collection
        raise error from self._failed[0].error

    @contextmanager
    def _telling(self) -> Iterator[None]:
        """An error that ends the call says what was written before it, and what failed."""
        try:
            yield
        except DocmapError as error:
            error.done = len(self.keys)
            error.written = tuple(self.keys)
            if self._failed:
                error.failed = tuple(self._failed)
            raise

    # -- writing a batch

    def _write(self, schema: Schema, batch: Batch[tuple[Any, Write]]) -> None:
        storage = self._storage
        writes = [write for _, write in batch.ready]
        if not writes:
            return
        revisions: list[int] | None = None
        if mixed(batch):
            revisions = save_together(storage, batch) if self._ordered else None
            if revisions is None:
                for one, part in by_class(batch):
                    self._write(one, part)
                return
        if not self._ordered:
            self._write_each(schema, batch, writes)
            return
        try:
            revisions = revisions or batch.finished() or storage._save_many(schema, writes)
        except DocmapError as error:
            done = error.done or 0
            if not isinstance(error, StorageError):
                self._note_written(schema, batch.ready[:done])
                error.key = writes[done].key if error.key is None else error.key
                error.position = batch.positions[done]
            self.keys += [write.key for write in writes[:done]]
            after_writes(storage, schema, batch.ready[:done])
            raise
        for (document, write), revision in zip(batch.ready, revisions, strict=True):
            stored(storage, schema, document, revision, write)
        self.keys += [write.key for write in writes]
        for one, part in by_class(batch) if mixed(batch) else [(schema, batch)]:
            after_writes(storage, one, part.ready)

    def _write_each(
        self, schema: Schema, batch: Batch[tuple[Any, Write]], writes: list[Write]
    ) -> None:
        storage, done = self._storage, []
        results = storage._save_each(schema, writes)
        for position, (document, write), result in zip(
            batch.positions, batch.ready, results, strict=True
        ):
            if isinstance(result, DocmapError):
                self._fail(position, write.key, result)
            else:
                stored(storage, schema, document, result, write)
                self.keys.append(write.key)
                done.append((document, write))
        after_writes(storage, schema, done)

    def _note_written(self, schema: Schema, batch: list[tuple[Any, Write]]) -> None:
        """Those before the one that failed are stored; their revisions are in the storage only."""
        if schema.model is None or not batch:
            return
        found = {}
        with suppress(StorageError):  # what is to be told is why the one failed
            found = self._storage._get_many(schema, [write.key for _, write in batch])
        for document, write in batch:
            if write.key in found:
                stored(self._storage, schema, document, found[write.key][1], write)

    def _deleted(
        self, schema: Schema, batch: Batch[tuple[Any, tuple[Any, int]]]
    ) -> Exception | None:
        """Delete up to the first that fails, and give its error: what was deleted shall stay."""
        failure: Exception | None = None
        deleted: list[Any] = []
        with self._storage.all_or_nothing():
            for position, (document, (key, expected)) in zip(
                batch.positions, batch.ready, strict=True
            ):
                try:
                    delete_one(self._storage, schema, key, expected, document, announce=False)
                except StorageError:
                    raise
                except Exception as error:  # noqa: BLE001 - a hook may raise anything
                    if self._ordered:
                        failure = self._placed(position, key, error)
                        break
                    self._fail(position, key, error)
                else:
                    self.keys.append(key)
                    deleted.append(document)
        for document in deleted:
            fire(self._storage, schema, "after", "delete", document)
        return failure

    # -- failures

    def _fail(self, position: int, key: Any, error: Exception) -> None:
        """Gather a failure of an unordered call."""
        self._failed.append(Failure(position, key, self._placed(position, key, error)))

    def _placed(self, position: int, key: Any, error: Exception) -> Exception:
        """The error of one document, with its place in the call."""
        if isinstance(error, DocmapError):
            error.engine = error.engine or self._storage.scheme
            error.key = key if error.key is None else error.key
            error.position = position
        return error

    def _stop_at(self, failure: Exception | None) -> None:
        if failure is None:
            return
        if not isinstance(failure, DocmapError):  # a hook's own
            failure.add_note(f"docmap: {len(self.keys)} documents of {self._name} came before it")
        raise failure

    def _refuse_seen(self, schema: Schema, batch: Batch[Any], keys: list[Any]) -> None:
        """Refuse what has a key that came before; of an unordered call only that, not the rest."""
        if self._ordered:
            self._check_keys(schema, keys, batch.positions[0] if keys else 0, self._seen)
            return
        before = self._seen.setdefault(schema.collection, set())
        repeated = set()
        for index, key in enumerate(keys):
            if key in before:
                self._fail(batch.positions[index], key, self._twice(schema, key))
                repeated.add(index)
            before.add(key)
        if repeated:
            kept = [index for index in range(len(keys)) if index not in repeated]
            batch.ready[:] = [batch.ready[index] for index in kept]
            batch.positions[:] = [batch.positions[index] for index in kept]

    def _check_keys(
        self, schema: Schema, keys: list[Any], start: int, seen: dict[str, set[Any]]
    ) -> None:
        """Refuse keys that are there twice, or were seen before in the call; None is no key."""
        before, fresh = seen.setdefault(schema.collection, set()), set(keys)
        if len(fresh) == len(keys) and before.isdisjoint(fresh):
            before |= fresh
            before.discard(None)
            return
        for position, key in enumerate(keys, start):
            if key is None:
                continue
            if key in before:
                error = self._twice(schema, key)
                error.position = position
                raise error
            before.add(key)

    def _twice(self, schema: Schema, key: Any) -> DuplicateKey:
        error = given_twice(schema, key, len(self.keys), ordered=self._ordered)
        error.engine = self._storage.scheme
        return error

    # -- batches

    def _batches(
        self, schema: Schema, items: Iterable[T], prepared: Callable[[T], P]
    ) -> Generator[Batch[P], None, None]:
        """Batches of what is ready to be written, and the error of the item that ended the last.

        What comes before a bad item is written whatever the size of a batch, so the error is kept
        until it is. An unordered call gathers it and goes on.
        """
        iterator = iter(items)
        failure: Exception | None = None
        held: Batch[P] = Batch(self.begin)
        try:
            while failure is None:
                chunk: list[T] = []
                wanted = min(self._size - len(held.ready), CHUNK)
                try:
                    for item in islice(iterator, wanted):
                        chunk.append(item)  # noqa: PERF402 - what came before a failure is kept
                except DocmapError as error:
                    error.position = self._taken + len(chunk)
                    failure = error
                ready, positions, bad = self._prepared(schema, chunk, prepared)
                failure = bad or failure
                held.add(ready, positions)
                ended = failure is not None or len(chunk) < wanted
                if (held.ready or failure) and (ended or held.full(self._size)):
                    held.failure = failure
                    yield held
                    held = Batch(self.begin)
                if ended:
                    return
        finally:
            held.abort()

    def _prepared(
        self, schema: Schema, chunk: list[T], prepared: Callable[[T], P]
    ) -> tuple[list[P], list[int], Exception | None]:
        """What is ready of a chunk, its positions in the call, and the failure that ends it."""
        ready: list[P] = []
        start, skipped = self._taken, set()
        new = sum(given_key(schema, item) is None for item in chunk) if _counted(schema) else 0
        # No garbage is collected here, and not while the items come, which may take long.
        with collection_suspended(), Reserve(self._storage, schema, new):
            for position, item in enumerate(chunk, start):
                try:
                    ready.append(prepared(item))
                except StorageError:
                    raise
                except Exception as error:  # noqa: BLE001 - a hook may raise anything
                    if self._ordered:
                        if isinstance(error, DocmapError):
                            error.position = position
                        self._taken = position + 1
                        return ready, list(range(start, position)), error
                    self._fail(position, given_key(schema, item), error)
                    skipped.add(position)
        self._taken += len(chunk)
        every = range(start, self._taken)
        return ready, [p for p in every if p not in skipped] if skipped else list(every), None


def _counted(schema: Schema) -> bool:
    return schema.model is not None and schema.key_field.type.kind == "int"
