"""`docmap import`: documents from a file into a collection, all of them or what is good of them."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from itertools import islice
from typing import Any, Final
from uuid import UUID

from docmap.cli.command import Command, number
from docmap.cli.extended import from_extended
from docmap.cli.output import at, say
from docmap.cli.progress import Progress, progress
from docmap.cli.rows import Row, Source, opened
from docmap.errors import DuplicateKey, InvalidValue
from docmap.storage.base import BaseStorageAdapter
from docmap.storage.load import load
from docmap.storage.loading import schema_of
from docmap.storage.saving import prepare
from docmap.storage.writes import NEW
from docmap.values import MISSING, ObjectId, equal


def _arguments(parser: ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", help="the file, or - for standard input")
    parser.add_argument("--into", metavar="URL", required=True, help="the storage")
    parser.add_argument(
        "--collection", metavar="NAME", required=True, help="the collection that takes them"
    )
    parser.add_argument(
        "--key",
        metavar="FIELD",
        help="the field whose value is each document's key, a.b for the field b of a; it stays "
        "where it is. Without it the key is the field id, else _id (which becomes id), else new",
    )
    parser.add_argument(
        "--on-error",
        choices=["stop", "skip"],
        default="stop",
        help="stop: one bad document, and nothing is imported (the default); skip: bad documents "
        "are reported and left out",
    )
    parser.add_argument(
        "--batch-size",
        metavar="N",
        type=number,
        default=1000,
        help="how many documents are written at once (1000)",
    )
    parser.add_argument(
        "--quiet", action="store_true", help="no progress bar and no last line; errors are shown"
    )


def run(arguments: Namespace) -> int:
    """Import; returns 1 if there were documents and none was good."""
    storage = load(arguments.into)  # a misspelt URL is told before the file is read
    with opened(arguments.file) as source:
        job = _Import(source, storage, arguments)
        return job.stopping() if arguments.on_error == "stop" else job.skipping()


class _Import:
    def __init__(self, source: Source, storage: BaseStorageAdapter, arguments: Namespace) -> None:
        self._source = source
        self._storage = storage
        self._collection: str = arguments.collection
        self._key: str | None = arguments.key
        self._batch_size: int = max(arguments.batch_size, 1)
        self._quiet: bool = arguments.quiet
        self._schema = schema_of(arguments.collection)
        self._atomic = "transactions" in storage.abilities

    def stopping(self) -> int:
        """All or nothing: the whole file is checked, then written in one transaction."""
        with self._progress("checking") as bar:
            for row in self._source.rows(bar.advance):
                self._checked(row)
        with self._progress("importing") as bar, self._storage_open() as storage:
            documents = (self._document(row) for row in self._source.rows(bar.advance))
            try:
                with storage.transaction() if self._atomic else nullcontext():
                    keys = storage.insert_many(
                        self._collection, documents, batch_size=self._batch_size
                    )
            except DuplicateKey as error:
                raise self._located(error) from error
        self._done(len(keys))
        return 0

    def skipping(self) -> int:
        """What is good is written, in batches; each of the others is reported."""
        if self._source.is_array:  # a broken array is broken before anything is written
            with self._progress("checking") as bar:
                for _ in self._source.rows(bar.advance):
                    pass
        written = skipped = 0
        with self._progress("importing") as bar, self._storage_open() as storage:
            rows = self._source.rows(bar.advance)
            while batch := list(islice(rows, self._batch_size)):
                good: list[tuple[str, dict[str, Any]]] = []
                for row in batch:
                    try:
                        good.append((row.where, self._checked(row)))
                    except InvalidValue as error:
                        bar.say(f"skipped: {error}")
                inserted = self._insert(storage, good, bar)
                written += inserted
                skipped += len(batch) - inserted
        self._done(written, skipped)
        return 1 if skipped and not written else 0

    def _insert(
        self,
        storage: BaseStorageAdapter,
        rows: list[tuple[str, dict[str, Any]]],
        bar: Progress,
    ) -> int:
        """Insert the rows that the collection takes, and report the others."""
        if self._atomic:
            with suppress(DuplicateKey), storage.transaction():
                documents = [document for _, document in rows]
                return len(
                    storage.insert_many(self._collection, documents, batch_size=self._batch_size)
                )
        # One was refused and all were undone, or nothing can be undone: so one by one.
        inserted = 0
        for where, document in rows:
            try:
                storage.insert_many(self._collection, [document])
                inserted += 1
            except DuplicateKey as error:
                bar.say(f"skipped: {where}: {error}")
        return inserted

    def _checked(self, row: Row) -> dict[str, Any]:
        """The document of a row, once everything that can be refused before writing was tried."""
        document = self._document(row)
        try:
            prepare(self._storage, self._schema, dict(document), NEW)
        except InvalidValue as error:
            raise self._at(row, error) from error
        return document

    def _document(self, row: Row) -> dict[str, Any]:
        """The document of a row, with its key as `id`. Raises InvalidValue that says where."""
        if row.fault is not None:
            raise self._at(row, InvalidValue(row.fault))
        try:
            return _keyed(from_extended(row.value), self._key)
        except InvalidValue as error:
            raise self._at(row, error) from error

    def _at(self, row: Row, error: InvalidValue) -> InvalidValue:
        return InvalidValue(
            f"{self._source.name}, {row.where}: {error}",
            collection=self._collection,
            field=error.field,
        )

    def _located(self, error: DuplicateKey) -> DuplicateKey:
        """The error of a whole import, with the line that it is about."""
        held: dict[Any, str] = {}
        where = ""
        for index, row in enumerate(self._source.rows(_nothing)):
            key = self._document(row).get("id")
            if error.index is None and key in held:
                where = f", {held[key]} and {row.where}"
                break
            if index == error.done:
                where = f", {row.where}"
            if key is not None:
                held[key] = row.where
        outcome = "nothing was imported"
        if not self._atomic and error.done:
            outcome = f"the {error.done} before it were imported"
        return DuplicateKey(
            f"{self._source.name}{where}: {error}; {outcome}",
            collection=self._collection,
            index=error.index,
            fields=error.fields,
            done=0 if self._atomic else error.done,
        )

    @contextmanager
    def _storage_open(self) -> Iterator[BaseStorageAdapter]:
        self._storage.connect()
        try:
            yield self._storage
        finally:
            self._storage.disconnect()

    def _progress(self, label: str) -> AbstractContextManager[Progress]:
        return progress(label, self._source.size, quiet=self._quiet)

    def _done(self, count: int, skipped: int = 0) -> None:
        if not self._quiet:
            place = f"{self._collection} ({self._storage.url})"
            note = f", skipped {skipped}" if skipped else ""
            say(f"imported {count} document{'' if count == 1 else 's'} into {place}{note}")


def _nothing(_count: int) -> None:
    """Reading again to find a line is no progress."""


_KEY_TYPES: Final = (str, int, UUID, ObjectId)


def _keyed(value: Any, key: str | None) -> dict[str, Any]:
    """A document with its key under `id`. Raises InvalidValue if it has none that can be one."""
    if not isinstance(value, dict):
        raise InvalidValue("an object is needed, not a single value of Extended JSON")
    document: dict[str, Any] = value
    if key is not None:
        wanted = at(document, key)
        _check_key(wanted, key)
        if "id" in document and not equal(document["id"], wanted):
            raise InvalidValue(
                f"the document has an id of its own, which the key from {key} would replace",
                field="id",
            )
        document.pop("id", None)
        return {"id": wanted, **document}
    name = next((name for name in ("id", "_id") if name in document), None)
    if name is None:
        return document
    _check_key(document[name], name)
    return {"id": document.pop(name), **document}


def _check_key(value: Any, name: str) -> None:
    if type(value) not in _KEY_TYPES:
        problem = (
            "is missing"
            if value is MISSING
            else "is null"
            if value is None
            else f"is of type {type(value).__name__}"
        )
        raise InvalidValue(
            f"{name} {problem}, and a key is text, a whole number, a UUID or an ObjectId "
            "(--key names another field)",
            field=name,
        )


COMMAND: Final = Command(
    "import",
    "import documents from a file",
    "Import a JSON array or JSON lines; Extended JSON of MongoDB is understood. Unless --on-error "
    "skip is given, either all documents are imported or none.",
    "docmap import countries.json --into sqlite:///world.db --collection countries --key cca3",
    _arguments,
    run,
)
