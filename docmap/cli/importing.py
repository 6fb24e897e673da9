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
from docmap.errors import DocmapError, DuplicateKey, InvalidValue
from docmap.storage.base import BaseStorageAdapter
from docmap.storage.load import load
from docmap.values import MISSING, ObjectId, equal, normal


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
        help="with --on-error skip, how many documents are written at once (1000)",
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
        self._url = storage.url

    def stopping(self) -> int:
        """All or nothing: the whole file is checked, then written in one transaction."""
        with self._progress("checking") as bar:
            for row in self._source.rows(bar.advance):
                self._document(row)
        with self._progress("importing") as bar, self._storage_open() as storage:
            documents = (self._document(row) for row in self._source.rows(bar.advance))
            try:
                with _all_or_nothing(storage):
                    keys = storage.insert_many(self._collection, documents)
            except DuplicateKey as error:
                raise self._located(storage, error) from error
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
                        good.append((row.where, self._document(row)))
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
        if "transactions" in storage.abilities:
            with suppress(DuplicateKey, InvalidValue), storage.transaction():
                documents = [document for _, document in rows]
                return len(storage.insert_many(self._collection, documents))
        # One of them was refused and all were undone: see which.
        inserted = 0
        for where, document in rows:
            try:
                storage.insert_many(self._collection, [document])
                inserted += 1
            except (DuplicateKey, InvalidValue) as error:
                bar.say(f"skipped: {where}: {error}")
        return inserted

    def _document(self, row: Row) -> dict[str, Any]:
        """The document of a row, with its key as `id`. Raises InvalidValue that says where."""
        if row.fault is not None:
            raise InvalidValue(f"{self._source.name}, {row.where}: {row.fault}")
        try:
            return _keyed(normal(from_extended(row.value)), self._key)
        except InvalidValue as error:
            raise InvalidValue(
                f"{self._source.name}, {row.where}: {error}", field=error.field
            ) from error

    def _located(self, storage: BaseStorageAdapter, error: DuplicateKey) -> DuplicateKey:
        """The error of a whole import, with the line that it is about."""
        held: dict[Any, str] = {}
        where = "some line"
        for place, row in enumerate(self._source.rows(_nothing)):
            key = self._document(row).get("id")
            if key in held:
                where = f"{held[key]} and {row.where}"
                break
            if place == error.done:
                where = row.where
            if key is not None:
                held[key] = row.where
        kept = "" if "transactions" in storage.abilities else f" before it {error.done} were"
        return DuplicateKey(
            f"{self._source.name}, {where}: {error}; nothing was imported",
            collection=self._collection,
            index=error.index,
            fields=error.fields,
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
            note = f", skipped {skipped}" if skipped else ""
            plural = "" if count == 1 else "s"
            say(f"imported {count} document{plural} into {self._collection} ({self._url}){note}")


def _all_or_nothing(storage: BaseStorageAdapter) -> AbstractContextManager[object]:
    return storage.transaction() if "transactions" in storage.abilities else nullcontext()


def _nothing(_count: int) -> None:
    """Reading again to find a line is no progress."""


_KEY_TYPES: Final = (str, int, UUID, ObjectId)


def _keyed(document: Any, key: str | None) -> dict[str, Any]:
    """`document` with its key under `id`. Raises InvalidValue if it has none that can be one."""
    if not isinstance(document, dict):
        raise InvalidValue("an object is needed, not a single value of Extended JSON")
    if key is None:
        if "id" not in document and "_id" in document:
            document = {"id": document["_id"], **document}
            del document["_id"]
        if "id" in document:
            _check_key(document["id"], "id")
        return document
    value = at(document, key)
    _check_key(value, key)
    if "id" in document and not equal(document["id"], value):
        raise InvalidValue(
            f"the document has an id of its own, which the key from {key} would replace",
            field="id",
        )
    return {"id": value} | document | {"id": value}


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
