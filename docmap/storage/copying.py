"""Copying a database from one storage to another, on whatever engines the two are.

Documents are not read as their classes would read them: their bytes and revisions are written as
they are. How far a copy came is kept in the target, and a copy that was interrupted goes on when
it is run again: what is there already is compared, and not written twice. In the end all of it is
read back, and must be what was read from the source by count and content hash.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from docmap.errors import DocmapError, DuplicateKey, InvalidValue, StorageError
from docmap.schema.schema import untyped
from docmap.storage.copy_content import Digest, same
from docmap.storage.copy_parts import (
    MARKER,
    Keyed,
    Part,
    batches,
    check_keys,
    held_by,
    named,
    parts_of,
)
from docmap.storage.indexing import build_missing, plan_indexes
from docmap.storage.writes import first_revision

if TYPE_CHECKING:
    from docmap.storage.base import BaseStorageAdapter

BATCH: Final = 1000


@dataclass(frozen=True, slots=True)
class CollectionCopy:
    """What was done for one collection, or would be."""

    collection: str
    documents: int
    written: int
    """How many of the documents were not there yet."""
    removed: int
    """How many the target had of an earlier, interrupted run that the source has no longer."""
    indexes: tuple[str, ...]
    """The indexes that the target has now."""
    left: tuple[str, ...]
    """The indexes that only their class can make, as it does before its first write."""
    sha256: str = ""
    """The content, documents and revisions, in any order: the same on both sides."""


@dataclass(frozen=True, slots=True)
class CopyReport:
    """What a copy did, or would do."""

    collections: tuple[CollectionCopy, ...]
    resumed: bool
    dry_run: bool

    @property
    def documents(self) -> int:
        """How many documents there are in all."""
        return sum(one.documents for one in self.collections)

    @property
    def written(self) -> int:
        """How many of them were written."""
        return sum(one.written for one in self.collections)


def copy(  # noqa: PLR0913 - each is a choice of its own
    source: BaseStorageAdapter,
    target: BaseStorageAdapter | None,
    *,
    collections: Iterable[str] | None = None,
    models: Iterable[Any] = (),
    into_existing: bool = False,
    dry_run: bool = False,
    batch_size: int = BATCH,
    progress: Callable[[int], None] = lambda _: None,
) -> CopyReport:
    """Copy the collections of `source`, all or those named, to `target`; both are connected.

    Keys, revisions, stored bytes, counters of keys and indexes come along; of the collections of
    `models` the indexes that these classes declare. `progress` is told how many documents were
    written or checked: each is once written and once checked.

    The target must be empty, or hold an interrupted copy of the same source, which is gone on
    with. With `into_existing` documents are added to what is there, and one that is there with
    another content is DuplicateKey before anything is written. With `dry_run` nothing is written,
    and `target` may be None for one that is still to be made.

    Raises DocmapError for a target that holds anything else, InvalidValue for a batch size below
    1, StorageError if the target does not have in the end what was read.
    """
    if batch_size < 1:
        raise InvalidValue("a copy takes batches of at least one document")
    if target is not None:
        _check_two(source, target)
    parts = parts_of(source, collections, models)
    chosen = None if collections is None else [part.collection for part in parts]
    job = _Copy(source, target, batch_size, progress, dry_run=dry_run)
    job.begin(parts, chosen, into_existing=into_existing)
    done = tuple(job.part(part) for part in parts)
    job.finish()
    return CopyReport(done, job.resumed, dry_run)


def _check_two(source: BaseStorageAdapter, target: BaseStorageAdapter) -> None:
    target.check_open()
    place, other = _place(source), _place(target)
    if source.same(target) or (place and place == other):
        raise DocmapError(
            f"{named(source)} cannot be copied to itself: name another target", engine=source.scheme
        )


def _place(storage: BaseStorageAdapter) -> str:
    """Where a storage is, so that it is known again; empty for one in memory."""
    url = storage.url
    if url is None or (not url.path and not url.hosts):
        return ""
    return str(url) if url.hosts else f"{url.scheme}:{Path(url.path or '').resolve()}"


@dataclass(slots=True)
class _Mark:
    """What the marker holds: whose copy it is, and into what."""

    source: str
    collections: list[str] | None
    merged: list[str]
    """The collections that held documents before."""


class _Copy:
    def __init__(
        self,
        source: BaseStorageAdapter,
        target: BaseStorageAdapter | None,
        batch_size: int,
        progress: Callable[[int], None],
        *,
        dry_run: bool,
    ) -> None:
        self._source = source
        self._target = target
        self._size = batch_size
        self._progress = progress
        self._dry_run = dry_run
        self._state = _Mark("", None, [])
        self.resumed = False

    # -- whose target it is

    def begin(self, parts: list[Part], chosen: list[str] | None, *, into_existing: bool) -> None:
        """Find out whether the target may be written, and note in it that it is being."""
        target = self._target
        if target is None:
            return
        place = _place(self._source) or self._source.scheme
        found = _read_marker(target)
        if found is not None:
            if (found.source, found.collections) != (place, chosen):
                what = "" if found.source == place else f" of {found.source}"
                raise DocmapError(
                    f"{named(target)} holds a copy{what} that was not finished: run it again with "
                    "the same source and the same collections, or clear the target",
                    engine=target.scheme,
                )
            self._state, self.resumed = found, True
        else:
            held = _held(target)
            if held and not into_existing:
                raise DocmapError(
                    f"{named(target)} is not empty ({', '.join(held)}): copy to another target, or "
                    "add to what is there (--into-existing, into_existing=True)",
                    engine=target.scheme,
                )
            self._state = _Mark(place, chosen, held)
        for part in parts:
            if part.collection in self._state.merged:
                self._check_free(part)
        if not self._dry_run:
            _write_marker(target, self._state)

    def _check_free(self, part: Part) -> None:
        """Raise DuplicateKey if a document is in the target with another content."""
        taken = 0
        for batch in batches(self._source, part.schema, self._size):
            held = self._held(part, batch)
            taken += sum(not same(held[key], batch[key]) for key in held)
        if taken:
            raise DuplicateKey(
                f"{named(self._target)} has {taken} of the documents of {part.collection} with "
                "another content, and a copy replaces nothing; nothing was written",
                engine=self._target.scheme if self._target else None,
                collection=part.collection,
            )

    def _held(self, part: Part, batch: Keyed) -> Keyed:
        if self._target is None:
            return {}
        self._target._refresh(part.schema)
        return held_by(self._target, part.schema, batch)

    # -- one collection

    def part(self, part: Part) -> CollectionCopy:
        """Write what is not there yet, make the indexes, and check that both sides are alike."""
        target = None if self._dry_run else self._target
        if target is not None:
            target._ensure(part.schema)
        merged = part.collection in self._state.merged
        if target is not None and self.resumed and not merged:
            _drop_indexes(target, part)  # values may have gone from one document to another
        written, read = 0, Digest()
        for batch in batches(self._source, part.schema, self._size):
            check_keys(self._source, target, part.schema, batch)
            held = self._held(part, batch) if merged or self.resumed else {}
            missing = {
                key: record for key, record in batch.items() if not same(held.get(key), record)
            }
            if missing and target is not None:
                _write(target, part, missing, merged=merged)
            written += len(missing)
            for record in batch.values():
                read.add(record)
            self._progress(len(batch))
        indexes, removed = part.labels, 0
        if target is not None:
            removed = 0 if merged or not self.resumed else self._remove_others(target, part, read)
            if part.last_key:
                target._count_to(part.schema, part.last_key)
            indexes = _make_indexes(target, part)
            self._verify(target, part, read, merged=merged)
        return CollectionCopy(
            part.collection, read.count, written, removed, indexes, part.left, read.hex
        )

    def _remove_others(self, target: BaseStorageAdapter, part: Part, read: Digest) -> int:
        """Delete what an earlier run wrote and the source has no longer; how many there were."""
        schema = part.schema
        target._refresh(schema)
        if target._count(schema, None) == read.count:
            return 0
        removed = 0
        for batch in batches(target, schema, self._size):
            known = held_by(self._source, schema, batch)
            with target.all_or_nothing():
                removed += sum(target._delete(schema, key) for key in batch if key not in known)
        return removed

    def _verify(
        self, target: BaseStorageAdapter, part: Part, read: Digest, *, merged: bool
    ) -> None:
        """Raise StorageError unless the target has exactly what was read from the source."""
        schema, found = part.schema, Digest()
        target._refresh(schema)
        for batch in batches(self._source if merged else target, schema, self._size):
            held = held_by(target, schema, batch) if merged else batch
            for record in held.values():
                found.add(record)
            self._progress(len(batch))
        if (found.count, found.hex) != (read.count, read.hex):
            raise StorageError(
                f"{part.collection} on {named(target)} is not what was read from "
                f"{named(self._source)}: {found.count:,} documents, not {read.count:,}, or others. "
                "One of the two was written meanwhile: run the copy again, and it is brought up to "
                "date",
                engine=target.scheme,
                collection=part.collection,
            )

    def finish(self) -> None:
        """The target is a database as any other from now on."""
        if self._target is not None and not self._dry_run:
            self._target._drop_collection(untyped(MARKER))


def _write(target: BaseStorageAdapter, part: Part, records: Keyed, *, merged: bool) -> None:
    with target.all_or_nothing():
        if merged and "indexes" not in target.abilities:  # nothing else looks what must be unique
            for one in part.classes:
                for key, (data, _) in records.items():
                    target._check_unique(one, key, data)
        target._write_records(part.schema, list(records.items()))


def _drop_indexes(target: BaseStorageAdapter, part: Part) -> None:
    if "indexes" in target.abilities:
        for name in target._present_indexes(part.schema):
            target._drop_index(part.schema, name)


def _make_indexes(target: BaseStorageAdapter, part: Part) -> tuple[str, ...]:
    """Make those that the target lacks; the labels of all that the copy is to have."""
    if "indexes" not in target.abilities:
        return ()
    if part.classes:
        (plan,) = plan_indexes(target, part.classes)
        build_missing(target, plan, lambda _: None)
    present = target._present_indexes(part.schema)
    for schema, index in part.indexes:
        if index.name not in present:
            target._build_index(schema, index, lambda _: None)
    return part.labels


def _held(target: BaseStorageAdapter) -> list[str]:
    """The collections of a storage that hold documents."""
    found = []
    for name in sorted(target._collections()):
        schema = untyped(name)
        target._refresh(schema)
        if target._count(schema, None):
            found.append(name)
    return found


def _read_marker(target: BaseStorageAdapter) -> _Mark | None:
    schema = untyped(MARKER)
    if MARKER not in target._collections() or (record := target._get(schema, MARKER)) is None:
        return None
    try:
        held = json.loads(record[0])
        return _Mark(held["source"], held["collections"], held["merged"])
    except (ValueError, KeyError, TypeError) as error:
        raise DocmapError(
            f"the collection {MARKER} of {named(target)} does not tell how far a copy came: drop "
            "it, or take another target",
            engine=target.scheme,
            collection=MARKER,
        ) from error


def _write_marker(target: BaseStorageAdapter, state: _Mark) -> None:
    data = json.dumps({"id": MARKER, **asdict(state)}).encode()
    target._write_records(untyped(MARKER), [(MARKER, (data, first_revision()))])
