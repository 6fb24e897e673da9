"""The hooks of a storage adapter: what an engine's author writes, and what each may do.

`_connect`, `_disconnect`, `_collections`, `_clear`, `_scan`, `_put` and `_remove` are needed; all
others have a correct form made of these. Documents arrive as bytes with a revision and are kept as
they are. Keys are logical values; `schema.stored_key(key)` gives what JSON engines keep.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

from docmap.errors import DocmapError, StorageError, Unsupported
from docmap.plan.engine import EnginePlan, NativeAggregate, NativeQuery, Record
from docmap.query.groups import Row
from docmap.query.managers import LookupManager
from docmap.query.order import OrderTerm
from docmap.query.paths import Path
from docmap.schema.converters import ConverterManager, converters
from docmap.schema.indexes import BoundIndex, IndexDefinition
from docmap.schema.rewrite import Rewriter
from docmap.schema.schema import Schema
from docmap.schema.types import FieldType
from docmap.storage.batches import Ahead
from docmap.storage.copy_hooks import CopyHooks
from docmap.storage.counting import CountingHooks
from docmap.storage.firing import StorageHooks
from docmap.storage.journal import Listeners
from docmap.storage.writes import (
    ANY,
    NEW,
    Write,
    first_revision,
    index_entries,
    keep_unknown,
    not_unique,
    stale,
    taken,
)

if TYPE_CHECKING:
    from docmap.storage.watching import Feed


class Hooks(CopyHooks, CountingHooks):
    """The hooks of an engine with their general forms. Override what the engine does better."""

    scheme: ClassVar[str] = ""
    """The scheme of its URLs, and its name in messages."""
    settings: ClassVar[dict[str, type]] = {}
    """The options that its URL and `connect` take, beside those that every storage takes."""
    lookups: ClassVar[LookupManager] = LookupManager()
    """The lookups that it runs itself. None registered is correct, and slow."""
    converters: ClassVar[ConverterManager] = converters

    isolation: str = ""
    """The isolation of its transactions in SQL's words; empty where it has none."""

    has_async: ClassVar[bool] = False
    """True if all its I/O goes through `bridge.wait`, so that it runs on async drivers, too."""
    is_async: bool = False
    """True if it is awaited (docmap.aio). With `has_async` it then connects to the async driver."""

    atomic_updates: ClassVar[bool] = False
    """`_update_matching` and `_update_first` are all or nothing by themselves: no transaction is
    opened around them, which would cost a server two more round trips."""

    slow_seconds: float = 1.0
    """An operation that takes so many seconds is logged as a warning."""
    scan_documents: int = 10_000
    """An unindexed scan of so many documents is logged as a warning."""

    def __init__(self) -> None:
        self._mutex = threading.RLock()
        self.scans_seen: dict[tuple[str, str], float] = {}
        """Until when, by `time.monotonic()`, no plan of a query is looked at for a scan, by its
        collection and shape."""
        self.listeners = Listeners()
        self.hooks = StorageHooks()

    # -- the store itself

    def _connect(self) -> None:
        """Open the store. Called once before anything else; wrap the driver's errors."""
        raise self._lacks("connecting")

    def _disconnect(self) -> None:
        """Close the store, whatever state it is in."""
        raise self._lacks("disconnecting")

    def _clear(self) -> None:
        """Remove every collection, and set counters of keys back.

        An engine with transactions keeps other writers out by itself.
        """
        raise self._lacks("clearing")

    def _sync(self) -> None:
        """Make every acknowledged write durable, where writing alone does not."""

    def _ping(self) -> None:
        """Ask the engine for a sign of life. Raise StorageError if there is none."""

    def _native(self) -> Any:
        """The driver's own object."""
        return None

    def _info(self) -> dict[str, Any]:
        """What a person may want to know: version, file, size in bytes."""
        return {}

    # -- collections

    def _collections(self) -> list[str]:
        """The names of the collections that hold something, or were made."""
        raise self._lacks("listing collections")

    def _ensure(self, schema: Schema) -> None:
        """Make the collection and its declared indexes, before the first write. Never drops one."""

    def _present_indexes(self, schema: Schema) -> dict[str, IndexDefinition]:
        """The indexes that exist, by name, those that the class does not declare too."""
        return {index.name: index.definition for index in schema.indexes}

    def _build_index(self, schema: Schema, index: BoundIndex, done: Callable[[int], None]) -> None:
        """Make one declared index, and tell now and then how many more documents are done.

        Raises DuplicateKey if it is unique and stored documents have the same values.
        """
        self._ensure(replace(schema, indexes=(index,)))

    def _drop_index(self, schema: Schema, name: str) -> None:
        """Remove an index that exists."""
        raise self._lacks("dropping indexes")

    def _shape(self, collection: str) -> dict[tuple[str, ...], str]:
        """The types, by storage path, that all values of a collection have; those known."""
        return {}

    # -- records

    def _scan(self, schema: Schema) -> Iterator[Record]:
        """Every record of the collection, each once, writes made meanwhile unseen."""
        raise self._lacks("scanning")

    def _put(self, schema: Schema, key: Any, record: Record) -> None:
        """Store a record under its key, replacing what is there."""
        raise self._lacks("writing")

    def _remove(self, schema: Schema, key: Any) -> bool:
        """Delete the record of a key; True if there was one."""
        raise self._lacks("deleting")

    def _get(self, schema: Schema, key: Any) -> Record | None:
        """The record of a key, or None."""
        return next((one for one in self._scan(schema) if schema.key_of(one[0]) == key), None)

    def _get_many(self, schema: Schema, keys: Sequence[Any]) -> dict[Any, Record]:
        """The records of those keys that exist, by key."""
        found = ((key, self._get(schema, key)) for key in dict.fromkeys(keys))
        return {key: record for key, record in found if record is not None}

    def _save(self, schema: Schema, write: Write) -> int:
        """Store one document and return its new revision, as if nobody else were writing.

        Raises DuplicateKey for a taken key or unique value, StaleDocument for a newer revision.
        """
        with self._mutex:
            stored = self._get(schema, write.key)
            revision = self.checked_revision(schema, write, stored)
            data = write.data if stored is None else keep_unknown(schema, stored[0], write.data)
            self._check_unique(schema, write.key, data)
            self._put(schema, write.key, (data, revision))
            return revision

    def _save_many(self, schema: Schema, writes: Sequence[Write]) -> list[int]:
        """Store documents in turn, up to the first that fails; its error carries `done`."""
        revisions: list[int] = []
        for write in writes:
            try:
                revisions.append(self._save(schema, write))
            except DocmapError as error:
                error.done = len(revisions)
                raise
        return revisions

    def _insert_ahead(self, schema: Schema) -> Ahead | None:
        """Begin to take new documents while others are still prepared; None where that is no use.

        What is sent to it is stored as `_save_many` would, when it is finished.
        """
        return None

    def _save_each(self, schema: Schema, writes: Sequence[Write]) -> Iterator[int | DocmapError]:
        """Store documents, each by itself: its new revision, or the error that it failed with.

        What is given is stored for good, or as good as the transaction that is open. Raises
        StorageError where the engine itself failed.
        """
        for write in writes:
            try:
                yield self._save(schema, write)
            except StorageError:
                raise
            except DocmapError as error:
                yield error

    def _rewrite(
        self, schema: Schema, writes: Sequence[Write], names: frozenset[str] | None
    ) -> list[Write]:
        """Replace stored documents as an update made them, in turn; their revisions rise by one.

        They differ from what is stored below the top-level `names` alone, if these are given.
        Returns those whose revision is not the one expected any more. They are left as they are.
        An error carries `done`, how many were written before it.
        """
        changed: list[Write] = []
        touched = any(
            names is None or any(term.path.segments[0] in names for term in index.terms)
            for _, index in _unique_indexes(schema)
        )
        with self._mutex:
            for position, write in enumerate(writes):
                stored = self._get(schema, write.key)
                if stored is None or stored[1] != write.expected:
                    changed.append(write)
                    continue
                try:
                    if touched:
                        self._check_unique(schema, write.key, write.data)
                    self._put(schema, write.key, (write.data, write.expected + 1))
                except DocmapError as error:
                    error.key, error.done = write.key, position - len(changed)
                    raise
        return changed

    def _delete(self, schema: Schema, key: Any, expected: int = ANY) -> bool:
        """Delete one document; True if it was there. Raises StaleDocument for a newer revision."""
        with self._mutex:
            if expected != ANY:
                stored = self._get(schema, key)
                if stored is None or stored[1] != expected:
                    raise stale(schema, deleted=stored is None)
            return self._remove(schema, key)

    # -- queries

    def _refresh(self, schema: Schema) -> None:
        """Called before a query is planned: bring up to date what is known of the collection."""

    def _find(self, schema: Schema, query: NativeQuery) -> Iterator[Record]:
        """The records that match `query.condition`, ordered and cut as it says.

        The condition is a tree of And, Or and Not over what this adapter's lookups returned; order
        and slice are given only where `_orders` said yes and nothing is residual.
        """
        return self._scan(schema)

    def _count(self, schema: Schema, condition: Any) -> int:
        """How many records match a native condition (None: all)."""
        return sum(1 for _ in self._find(schema, NativeQuery(condition)))

    def _distinct(self, schema: Schema, path: Path, kind: FieldType, condition: Any) -> Any:
        """The values at `path` of the records that match, repeats allowed; None: not natively."""
        return None

    def _aggregate(self, schema: Schema, asked: NativeAggregate) -> Iterable[Row] | None:
        """The groups in any order, each its keys and then its results; None if not natively.

        Without keys all documents are one group, even if there are none. `Groups` makes the groups
        of columns that the engine reads; `docmap.query.groups.aggregate` is the meaning.
        """
        return None

    def _explain_aggregate(self, schema: Schema, asked: NativeAggregate) -> EnginePlan | None:
        """How `_aggregate` would run; None exactly where that gives None."""
        return None

    def _delete_matching(self, schema: Schema, condition: Any) -> int:
        """Delete the records that match a native condition; how many there were."""
        found = self._find(schema, NativeQuery(condition))
        return self._delete_keys(schema, [(schema.key_of(data), rev) for data, rev in found])

    def _delete_keys(self, schema: Schema, records: Iterable[tuple[Any, int]]) -> int:
        """Delete those of the records that still have the revision given; how many there were."""
        deleted = 0
        with self._mutex:
            for key, revision in records:
                stored = self._get(schema, key)
                if stored is not None and stored[1] == revision:
                    deleted += self._remove(schema, key)
        return deleted

    def _update_matching(self, schema: Schema, condition: Any, rewriter: Rewriter) -> int | None:
        """Update the records that match a native condition where the engine does it by itself.

        How many there were; None if it must be done document by document, nothing changed then.
        """
        return None

    def _update_first(
        self, schema: Schema, query: NativeQuery, rewriter: Rewriter, *, new: bool
    ) -> list[Record] | None:
        """Update the first match of a query with a limit of 1, where the engine does it by itself.

        Its record as it is then, or as it was unless `new`, or an empty list if nothing matched;
        None if it must be read and written, nothing changed then.
        """
        return None

    def _update_reason(self, schema: Schema, rewriter: Rewriter) -> str:
        """Why an update is done document by document; empty if the engine does it by itself."""
        return f"{self.scheme} has no form of updates of its own"

    def _orders(self, schema: Schema, terms: Sequence[OrderTerm]) -> bool:
        """True if the engine's own order by these terms is exactly the canonical one."""
        return False

    def _explain(self, schema: Schema, query: NativeQuery) -> EnginePlan:
        """How the engine would run the query."""
        return EnginePlan(documents=self._count(schema, None))

    def _watch(self, schema: Schema, after: str | None) -> Feed:
        """The changes of a collection that are committed from now on, or behind a token.

        Nothing needs to be logged before a collection is first watched.
        """
        from docmap.storage.load import engines_with

        raise Unsupported(
            f"{self.scheme} has no change feed. Engines that have: "
            f"{', '.join(engines_with('watch'))}",
            engine=self.scheme,
            collection=schema.collection,
        )

    def _unwatch(self, schema: Schema) -> None:
        """Log no more changes of a collection; nothing happens if it is not logged."""

    def _transaction(self) -> AbstractContextManager[None]:
        """All or nothing for what happens inside, in this thread."""
        from docmap.storage.load import engines_with

        raise Unsupported(
            f"{self.scheme} has no transactions. Engines that have: "
            f"{', '.join(engines_with('transactions'))}",
            engine=self.scheme,
        )

    def _hold(self, name: str) -> None:
        """Keep out others who hold the same name, until the transaction that is open ends."""

    # -- helpers for adapters

    def checked_revision(self, schema: Schema, write: Write, stored: Record | None) -> int:
        """The revision that a write gets over what is stored. Raises if it may not be written."""
        if stored is None:
            if write.expected >= 0:
                raise stale(schema, deleted=True)
            return first_revision()
        if write.expected == NEW:
            raise taken(schema)
        if write.expected not in {ANY, stored[1]}:
            raise stale(schema, deleted=False)
        return stored[1] + 1

    def _check_unique(self, schema: Schema, key: Any, data: bytes) -> None:
        wanted = [
            (one.codec.tree, index, index_entries(index, one.codec.tree(data)))
            for one, index in _unique_indexes(schema)
        ]
        if not wanted:
            return
        broken: set[int] = set()
        for other, _ in self._scan(schema):
            if schema.key_of(other) != key:
                broken.update(
                    position
                    for position, (tree, index, entries) in enumerate(wanted)
                    if position not in broken and entries & index_entries(index, tree(other))
                )
        if broken:  # several may be: the first that is declared is named
            raise not_unique(schema, wanted[min(broken)][1])

    def _lacks(self, what: str) -> Unsupported:
        return Unsupported(
            f"the adapter {type(self).__name__} has no hook for {what}", engine=self.scheme
        )


def _unique_indexes(schema: Schema) -> Iterator[tuple[Schema, BoundIndex]]:
    """The unique indexes of a collection, each with the class that declares it."""
    for one in (schema, *schema.relatives):
        yield from ((one, index) for index in one.indexes if index.unique)
