"""Documents in a shelf: JSON values in a file that Python's own `dbm.sqlite3` opens."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

from docmap.errors import CorruptStore, InvalidConfig, StorageError
from docmap.plan.engine import Record
from docmap.schema.schema import Schema, untyped
from docmap.storage.url import URL
from docmap_backends._keyvalue import KeyValueStorage
from docmap_backends._shelve_adopting import adopt, leave_alone
from docmap_backends._shelve_converting import convert
from docmap_backends._shelve_documents import Placed, Reading
from docmap_backends._shelve_file import ShelfFile, make_tables
from docmap_backends._shelve_flavours import ENTRIES, Flavour, flavour_of
from docmap_backends._shelve_keys import collection_of, is_collection
from docmap_backends._shelve_mapping import JSONShelf, ShelfMapping
from docmap_backends._shelve_store import ShelfStore
from docmap_backends._sqlfile_connections import Connections
from docmap_backends._sqlfile_info import file_info, make_durable

_SYNCHRONOUS = ("FULL", "NORMAL", "EXTRA")
_BATCH = 1_000


class ShelveStorage(KeyValueStorage):
    """`shelve:///path/file`.

    Options: `timeout` (seconds to wait for a lock, 5), `synchronous` (`FULL`; `NORMAL` may lose the
    last commits when the machine, not the program, dies), `read_only`; and for a shelf that docmap
    did not make, which is read into memory and not written: `convert` (make it docmap's),
    `collection` (what its entries are to be called; the name of the file), `assume_utc` (of
    datetimes without a time zone), `skip_unreadable` (leave out entries that are no plain data).
    """

    scheme = "shelve"
    settings: ClassVar[dict[str, type]] = {
        "timeout": float,
        "synchronous": str,
        "read_only": bool,
        "convert": bool,
        "collection": str,
        "assume_utc": bool,
        "skip_unreadable": bool,
    }
    isolation = "serializable"

    def __init__(self, url: Any = None, **options: Any) -> None:
        super().__init__(url, **options)
        path = (self.url.path if self.url else "") or ""
        if not path:
            raise InvalidConfig("shelve needs a file: shelve:///path/file", engine=self.scheme)
        self._path = Path(path).absolute()  # the program may go to another directory
        self._flavour: Flavour | None = None
        self._synchronous = self._options.get("synchronous", "FULL").upper()
        if self._synchronous not in _SYNCHRONOUS:
            raise InvalidConfig("shelve: synchronous is FULL, NORMAL or EXTRA", engine=self.scheme)
        self._converts = self._options.get("convert", False)
        self._read_only = self._options.get("read_only", False)
        self._collection = self._options.get("collection", "")
        if self._collection and not is_collection(self._collection):
            raise InvalidConfig("shelve: collection is no name of a collection", engine=self.scheme)

    # -- the store

    def _open_store(self) -> ShelfStore:
        self._inherited = before = getattr(self, "_connections", None)
        try:
            return self._opened_shelf()
        except BaseException:
            made = getattr(self, "_connections", None)
            if made is not None and made is not before:
                made.close()
            raise

    def _opened_shelf(self) -> ShelfStore:
        self._flavour = flavour_of(self._path)
        if self._flavour is None:
            return self._opened()
        if not self._converts or self._read_only:
            return self._read(self._flavour)
        if self._flavour.module == "dbm.sqlite3":
            return self._converted()
        timeout = self._options.get("timeout", 5.0)
        convert(self._flavour, self._path, timeout, partial(self._convert_into, self._flavour))
        self._flavour = None
        return self._opened()

    def _opened(self) -> ShelfStore:
        store = self._made(ShelfFile(str(self._path), self._read_only), make_tables)
        if self._read_only:
            store.refusal = self._refusal("was opened with read_only=true: open it without")
        return store

    def _made(self, file: ShelfFile, set_up: Callable[[sqlite3.Connection], None]) -> ShelfStore:
        self._connections = Connections(
            file,
            self._mutex,
            timeout=self._options.get("timeout", 5.0),
            synchronous=self._synchronous,
            on_undo=lambda: None,
        )
        self._connections.open(set_up)
        self.shelf = self._store = ShelfStore(self._connections, partial(adopt, self))
        return self.shelf

    def _refusal(self, text: str) -> Callable[[], StorageError]:
        return lambda: StorageError(
            f"{self._path} {text}", engine=self.scheme, path=str(self._path)
        )

    # -- shelves that docmap did not make

    def _read(self, flavour: Flavour) -> ShelfStore:
        """What is in a shelf, in memory."""
        store = self._made(ShelfFile(""), make_tables)
        self.load(self._documents(flavour.entries()))
        store.refusal = self._refusal(
            f"was made by {flavour.module} and is open for reading only: open it with convert=true "
            "to make it docmap's, or copy it into another storage"
        )
        return store

    def _converted(self) -> ShelfStore:
        """The same file, made docmap's in one transaction."""
        file = ShelfFile(str(self._path), convert=True)
        store = self._made(file, lambda _: None)
        with self._connections.transaction() as connection:
            if not file.check_owner(connection):  # nobody was faster
                reading = self._reading_of_others()
                documents = list(reading.documents(connection.execute(ENTRIES).fetchall()))
                connection.execute("DELETE FROM Dict")
                make_tables(connection)
                self.load(documents)
                self._keep(connection, reading.skipped)
        self._flavour = None
        return store

    def _convert_into(self, flavour: Flavour, path: Path) -> None:
        """Make another file of what is in a shelf."""
        with type(self)(URL(scheme=self.scheme, path=str(path))) as target, target.transaction():
            target.load(self._documents(flavour.entries()))

    def _keep(self, connection: sqlite3.Connection, skipped: list[tuple[bytes, bytes]]) -> None:
        """Put what was left out back into the shelf: its old file is not there any more."""
        for key, _ in skipped:
            if connection.execute("SELECT 1 FROM Dict WHERE key=?", (key,)).fetchone():
                name = key.decode(errors="replace")
                raise StorageError(
                    f"{self._path} has an entry {name} that cannot be read, whose key a document "
                    "would take: give it another key, or delete it; nothing of it was changed",
                    engine=self.scheme,
                    path=str(self._path),
                )
        leave_alone(connection, skipped)

    def _documents(self, entries: Iterable[tuple[bytes, bytes]]) -> Iterator[Placed]:
        return self._reading_of_others().documents(entries)

    def _reading_of_others(self) -> Reading:
        return Reading(
            self._collection or collection_of(self._path),
            assume_utc=self._options.get("assume_utc", False),
            skip=self._options.get("skip_unreadable", False),
            path=str(self._path),
        )

    def load(self, documents: Iterable[Placed]) -> None:
        """Store documents that come from elsewhere, where there are none."""
        by_collection: dict[str, list[bytes]] = {}
        for one in documents:
            by_collection.setdefault(one.collection, []).append(one.data)
        for collection, found in by_collection.items():
            schema = untyped(collection)
            self._ensure(schema)
            for start in range(0, len(found), _BATCH):
                batch = found[start : start + _BATCH]
                self._write_records(schema, [(schema.key_of(data), (data, 0)) for data in batch])

    # -- the rest

    def _get(self, schema: Schema, key: Any) -> Record | None:
        try:
            return super()._get(schema, key)
        except CorruptStore as error:
            self.shelf.locate(error)
            raise

    def _sync(self) -> None:
        if self._synchronous == "NORMAL":  # else what was acknowledged is on the disk
            make_durable(self._connections)

    def _ping(self) -> None:
        self._connections.rows("PRAGMA schema_version")

    def _native(self) -> JSONShelf:
        read_only = self._read_only or self._flavour is not None
        return JSONShelf(ShelfMapping(self._connections, read_only=read_only))

    def _info(self) -> dict[str, Any]:
        made_by = {} if self._flavour is None else {"made_by": self._flavour.module}
        return {**file_info(self._connections), "file": str(self._path), **made_by}
