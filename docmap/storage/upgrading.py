"""Upgrading in place: the records of older versions, written back as of the version of their class.

Each is written under the revision that it was read with, so that others may read and write
meanwhile; what was written carries the version, so that whoever comes after a kill goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final, cast

from docmap.errors import (
    DocmapError,
    DuplicateKey,
    InvalidModel,
    InvalidRecord,
    InvalidValue,
    StaleDocument,
)
from docmap.plan import execute
from docmap.plan.engine import Record
from docmap.plan.plan import Request, make, with_key
from docmap.query.nodes import FALSE, TRUE, Compare, Node, conjunction, negation
from docmap.query.paths import Path
from docmap.schema.schema import Schema
from docmap.schema.stamps import VERSION, WHOLE
from docmap.storage.journal import operation
from docmap.storage.lifecycle import Lifecycle
from docmap.storage.loading import collection_suspended, locate, schema_of
from docmap.storage.writes import Write

if TYPE_CHECKING:
    from docmap.storage.base import BaseStorageAdapter

Told = Callable[[int], None]
_KEPT_ERRORS: Final = 100
_PASSES: Final = 5
_TRIES: Final = 20


@dataclass(frozen=True, slots=True)
class UpgradeReport:
    """What `db.upgrade` found and did, in numbers of records."""

    collection: str
    version: int
    outdated: int
    """Of an older version when it began."""
    upgraded: int
    """Written as of the version; in a dry run those that would be."""
    failed: int
    """Left as they are, because they do not fit or break a unique index."""
    errors: tuple[DocmapError, ...] = field(default=(), repr=False)
    """The errors of the first 100 that failed, with their keys."""
    dry_run: bool = False


def outdated(schema: Schema) -> Node:
    """The bound condition of records of an older version, within what the class sees."""
    version = _version(schema)
    if version == 1:
        return FALSE
    return conjunction(schema.scope(), negation(Compare(Path((VERSION,)), "gte", version, WHOLE)))


def count_outdated(storage: BaseStorageAdapter, schema: Schema) -> int:
    """How many records are of an older version."""
    return execute.count(storage, make(storage, Request(schema, outdated(schema))))


def has_outdated(storage: BaseStorageAdapter, request: Request) -> bool:
    """True if some of the records that a request finds are of an older version."""
    older = outdated(request.schema)
    if older == FALSE:
        return False
    wanted = conjunction(request.condition, older)
    return execute.exists(storage, make(storage, Request(request.schema, wanted)))


def _version(schema: Schema) -> int:
    return 1 if schema.upgrades is None else schema.upgrades.version


def upgrade_records(
    storage: BaseStorageAdapter, schema: Schema, *, dry_run: bool, size: int, told: Told | None
) -> UpgradeReport:
    """Upgrade the records of a class and of its subclasses. Raises InvalidModel without version."""
    if schema.upgrades is None:
        raise InvalidModel(
            f"{schema.name} declares no version: class {schema.name}(Document, version=2)",
            collection=schema.collection,
        )
    if size < 1:
        raise InvalidValue("batch_size must be at least 1")
    if not dry_run:
        storage.prepare_collection(schema)
    with operation(storage, schema.collection, "upgrade", batched=True) as tally:
        run = _Run(storage, schema, size=size, dry=dry_run, told=told)
        report = run.whole()
        tally.count = report.upgraded
    return report


class Upgrading(Lifecycle):
    """The part of a storage that upgrades records in place."""

    def upgrade(
        self,
        model: Any,
        /,
        *,
        dry_run: bool = False,
        batch_size: int = 500,
        progress: Callable[[int], None] | None = None,
    ) -> UpgradeReport:
        """Write the records of older versions of a class back as of its version, in batches.

        A record that cannot be upgraded stays as it is, and is counted in the report. Others may
        read and write meanwhile. After an interruption call it again: it goes on with those that
        are left. `progress` is called with the number of records of each batch. With `dry_run`
        nothing is written. No hooks are called. Raises InvalidModel for a class without `version`.
        """
        self.check_open()
        return upgrade_records(
            cast("BaseStorageAdapter", self),
            schema_of(model),
            dry_run=dry_run,
            size=batch_size,
            told=progress,
        )


class _Run:
    def __init__(
        self,
        storage: BaseStorageAdapter,
        schema: Schema,
        *,
        size: int,
        dry: bool,
        told: Told | None,
    ) -> None:
        self._storage = storage
        self._schema = schema
        self._size = size
        self._dry = dry
        self._told = told or (lambda _: None)
        self._upgraded = 0
        self._failed: dict[Any, DocmapError | None] = {}

    def whole(self) -> UpgradeReport:
        schema = self._schema
        condition, version = outdated(schema), _version(schema)
        found = count_outdated(self._storage, schema)
        for turn in range(1 if self._dry else _PASSES):
            before = self._upgraded
            for batch in self._batches(condition):
                self._batch(batch)
                if not turn:
                    self._told(len(batch))
            # Programs of the older version may have written behind the place that was reached.
            if self._upgraded == before:
                break
        errors = tuple(error for error in self._failed.values() if error is not None)
        return UpgradeReport(
            schema.collection,
            version,
            found,
            self._upgraded,
            len(self._failed),
            errors,
            self._dry,
        )

    def _batches(self, condition: Node) -> Iterator[list[Record]]:
        """The outdated records in the order of their keys, each batch read when it is its turn."""
        schema = self._schema
        after: Node = TRUE
        order = with_key(schema, ())
        while True:
            wanted = conjunction(condition, after)
            request = Request(schema, wanted, order, 0, self._size)
            batch = list(execute.records(self._storage, make(self._storage, request)))
            if not batch:
                return
            yield batch
            last = schema.key_of(batch[-1][0])
            after = Compare(schema.key_path, "gt", last, schema.key_field.type)

    def _batch(self, batch: list[Record]) -> None:
        prepared: list[tuple[Schema, Write]] = []
        with collection_suspended():
            for record in batch:
                made = self._prepared(record)
                if made is not None:
                    prepared.append(made)
        if self._dry:
            self._upgraded += len(prepared)
            return
        for _, run in groupby(prepared, lambda one: id(one[0])):
            self._write(list(run))

    def _prepared(self, record: Record) -> tuple[Schema, Write] | None:
        """The schema of the record's class and what to write; None if it cannot be upgraded."""
        data, revision = record
        key = self._schema.key_of(data)
        try:
            member, current = self._schema.resolve(data)
            document = member.codec.decode(current)
            written = member.codec.encode(document)
            member.check_index_sizes(written)
        except (InvalidRecord, InvalidValue) as error:
            if isinstance(error, InvalidRecord):
                locate(error, self._schema, self._storage, data)
            self._fail(key, error)
            return None
        self._failed.pop(key, None)
        return member, Write(key, written, revision)

    def _write(self, prepared: list[tuple[Schema, Write]]) -> None:
        """Write the records of one class; where somebody else was faster, read and try again."""
        while prepared:
            schema = prepared[0][0]
            try:
                self._storage._save_many(schema, [write for _, write in prepared])
            except DocmapError as error:
                if error.done is None:
                    raise
                self._upgraded += error.done
                _, write = prepared[error.done]
                prepared = prepared[error.done + 1 :]
                if isinstance(error, StaleDocument):
                    self._again(write.key)
                elif isinstance(error, (DuplicateKey, InvalidRecord, InvalidValue)):
                    self._fail(write.key, error)
                else:
                    raise
            else:
                self._upgraded += len(prepared)
                return

    def _again(self, key: Any) -> None:
        """Upgrade a record that was written meanwhile, unless it was upgraded or deleted."""
        last: DocmapError | None = None
        for _ in range(_TRIES):
            record = self._storage._get(self._schema, key)
            if record is None or not self._is_outdated(record):
                return
            made = self._prepared(record)
            if made is None:
                return
            try:
                self._storage._save(*made)
            except StaleDocument as error:
                last = error
            except (DuplicateKey, InvalidRecord, InvalidValue) as error:
                self._fail(key, error)
                return
            else:
                self._upgraded += 1
                return
        if last is not None:
            self._fail(key, last)

    def _is_outdated(self, record: Record) -> bool:
        held = self._schema.codec.tree(record[0], (VERSION,)).get(VERSION)
        return type(held) is not int or held < _version(self._schema)

    def _fail(self, key: Any, error: DocmapError) -> None:
        error.key = key
        kept = sum(one is not None for one in self._failed.values()) < _KEPT_ERRORS
        self._failed[key] = error if kept else None
