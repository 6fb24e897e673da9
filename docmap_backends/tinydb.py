"""Documents in a TinyDB file: tables that TinyDB reads, with a journal, and indexes in memory."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, ClassVar, Final, cast

from tinydb.version import __version__ as version

from docmap.errors import DocmapError, InvalidConfig, NotConnected, StorageError
from docmap.plan.engine import NativeQuery, Record
from docmap.query.lookups import LookupManager
from docmap.schema.indexes import IndexDefinition
from docmap.schema.schema import Schema
from docmap.storage.journal import LEFT_OUT
from docmap.storage.watching import KEPT, Kind, check_kept, not_now
from docmap.storage.writes import Write
from docmap_backends._tables import TableStorage
from docmap_backends._tables_changes import ChangeLog
from docmap_backends._tables_index import Entry
from docmap_backends._tables_table import Table
from docmap_backends._tinydb_changes import FileFeed, differences, log_all
from docmap_backends._tinydb_file import Contents, is_collection
from docmap_backends._tinydb_native import JournalDB
from docmap_backends._tinydb_queries import Lookups
from docmap_backends._tinydb_scopes import Reading, Writing
from docmap_backends._tinydb_store import Store
from docmap_backends._tinydb_table import (
    Change,
    NumberedTable,
    changed,
    dropped,
    put,
    removed,
    replay,
    tables_of,
)

_logger: Final = logging.getLogger("docmap")
_MOST_KEYS = 64  # that are counted ahead


class TinyDBStorage(TableStorage):
    """`tinydb:///path/file.json`: a file that plain TinyDB reads.

    Options: `timeout` (seconds to wait for another writer, 5), `sync` (true; false leaves it to
    the operating system when writes reach the disk: the last may be lost when the machine, not the
    program, dies), `fold_size` (bytes that the journal may have before it is folded into the file,
    4,194,304; it may have twice the file's size in any case), `kept_changes` (how many changes of
    watched collections are kept in memory, 100,000).
    """

    scheme = "tinydb"
    settings: ClassVar[dict[str, type]] = {
        "timeout": float,
        "sync": bool,
        "fold_size": int,
        "kept_changes": int,
    }
    lookups: ClassVar[LookupManager] = Lookups()

    def __init__(self, url: Any = None, **options: Any) -> None:
        super().__init__(url, **options)
        path = (self.url.path if self.url else "") or ""
        if not path:
            raise InvalidConfig("tinydb needs a file: tinydb:///path/file.json", engine=self.scheme)
        self._path = os.path.realpath(path)
        self._store: Store | None = None
        self._changes = ChangeLog(check_kept(self._options.get("kept_changes", KEPT), self.scheme))
        self.frame: list[bytes] = []
        self._reader = Reading(self)
        self._writer = Writing(self, self._reader)

    # -- the store

    def _connect(self) -> None:
        store = Store(
            self._path,
            sync=self._options.get("sync", True),
            timeout=self._options.get("timeout", 5.0),
            fold=self._options.get("fold_size", 4 << 20),
        )
        try:
            store.open()
            self._store = store
            with self._reading():
                pass
        except BaseException:
            self._store = None
            store.close()
            raise

    def _disconnect(self) -> None:
        store, self._store = self.store, None
        try:
            if self._undo is not None:  # inside a transaction, of which nothing is written
                self._undo.clear()
                self.frame.clear()
            else:
                with suppress(StorageError):  # nothing is lost: the journal has it all
                    self._fold_at_end(store)
        finally:
            store.close()
            self._tables.clear()
            self._changes.forget()

    def _fold_at_end(self, store: Store) -> None:
        if store.inherited or not store.pending:
            return
        store.lock(timeout=0.5)
        try:
            self.catch_up(store, locked=True)
            for name in self._tables:
                table = self._numbered(name)
                if table.mine == table.reserved:
                    table.reserved = 0  # what was counted ahead and not used is given again
            store.fold(self.tables_stored())
        finally:
            store.unlock()

    @property
    def store(self) -> Store:
        """The files. Raises NotConnected if they are closed."""
        if self._store is None:
            raise NotConnected(f"{self!r} was closed meanwhile: call connect()", engine=self.scheme)
        return self._store

    def _info(self) -> dict[str, Any]:
        return {"version": version, **self.store.info()}

    def _collections(self) -> list[str]:
        with self._reading():
            return [name for name in self._tables if is_collection(name)]

    # -- scopes

    def _reading(self) -> Reading:
        return self._reader

    def _writing(self) -> Writing:
        return self._writer

    def catch_up(self, store: Store, *, locked: bool) -> None:
        """Bring the tables up to what the files hold."""
        news = store.news(locked=locked)
        if news is None:
            return
        try:
            changes: list[Change] = []
            if news.contents is not None:
                self._tell_of_others(news.contents)
                before = dict(self._tables)
                self._tables.clear()
                self._tables.update(tables_of(news.contents, before))
                news.contents.tables = {}
                changes = differences(before, self._tables, self._changes.watched)
            for payload in news.payloads:
                changes += replay(payload, self._tables)
            log_all(self._changes, changes)
        except BaseException:
            store.forget()
            raise

    def _tell_of_others(self, contents: Contents) -> None:
        """Warn of what a file of other programs holds that no collection has."""
        for name, rows in contents.tables.items() if not contents.whole else ():
            if rows and not is_collection(name):
                _logger.warning(
                    "%d documents of the table %s in %s are left alone: it has no name that a "
                    "collection may have",
                    len(rows),
                    name,
                    self._path,
                    extra=LEFT_OUT,
                )

    def tables_stored(self) -> Iterator[Any]:
        """The tables as they lie in a file."""
        for name in self._tables:
            table = self._numbered(name)
            yield name, table.made(), table.stored()

    # -- collections

    def _new_table(self) -> Table:
        return NumberedTable()

    def _numbered(self, collection: str) -> NumberedTable:
        return cast("NumberedTable", self._tables[collection])

    def _held(self, collection: str) -> NumberedTable | None:
        return cast("NumberedTable | None", self._tables.get(collection))

    def _record(self, change: bytes) -> None:
        """Make a change part of the frame that is being written."""
        self.frame.append(change)
        self._note(self.frame.pop)

    def _record_made(self, collection: str) -> None:
        self._record(changed(collection, self._numbered(collection).made()))

    def _refresh(self, schema: Schema) -> None:
        with self._reading():
            table = self._held(schema.collection)
            if table is not None:
                for one in (schema, *schema.relatives):
                    table.open_indexes(one)

    def _ensure(self, schema: Schema) -> None:
        with self._reading():
            held = self._held(schema.collection)
            if held is not None and held.knows(schema):
                held.open_indexes(schema)
                return
        with self._writing():
            new = schema.collection not in self._tables
            if new:
                self._note(partial(self._tables.pop, schema.collection, None))
            else:
                self._numbered(schema.collection).open_indexes(schema)
            super()._ensure(schema)
            table = self._numbered(schema.collection)
            if not new:
                self._note(partial(table.be, table.made()))
            for declared in schema.indexes:
                table.definitions[declared.name] = declared.definition
            self._record_made(schema.collection)

    def _present_indexes(self, schema: Schema) -> dict[str, IndexDefinition]:
        with self._reading():
            table = self._held(schema.collection)
            return {} if table is None else dict(table.definitions)

    def _drop_index(self, schema: Schema, name: str) -> None:
        with self._writing():
            table = self._held(schema.collection)
            if table is not None and name in table.definitions:
                definition, index = table.definitions.pop(name), table.indexes.pop(name, None)
                self._note(partial(table.definitions.__setitem__, name, definition))
                if index is not None:
                    self._note(partial(table.indexes.__setitem__, name, index))
                self._record_made(schema.collection)

    def _clear(self) -> None:
        with self._writing():
            before = dict(self._tables)
            names = [name for name in before if is_collection(name)]
            for name in names:
                for entry in before[name].entries.values() if name in self._changes.watched else ():
                    self._changes.add(name, "delete", (entry.data, entry.revision))
                    self._note(self._changes.take_back)
                del self._tables[name]
            self._note(lambda: self._bring_back(before))
            self._record(dropped(*names))

    def _drop_collection(self, schema: Schema) -> None:
        with self._writing():
            super()._drop_collection(schema)
            self._record(dropped(schema.collection))

    # -- records

    def _changed(self, collection: str, kind: Kind, entry: Entry) -> None:
        table = self._numbered(collection)
        if collection in self._changes.watched:
            self._changes.add(collection, kind, (entry.data, entry.revision))
            self._note(self._changes.take_back)
        if kind == "delete":
            number = table.numbers.get(entry.key)
            table.release(entry.key)
            self._note(partial(table.number, entry.key, number))
            self._record(removed(collection, entry.key))
            return
        if kind == "insert":
            self._note(partial(table.release, entry.key))
        self._record(put(collection, table.number(entry.key), entry))

    def _find(self, schema: Schema, query: NativeQuery) -> Iterator[Record]:
        return self._guarded(super()._find(schema, query))

    def _guarded(self, found: Iterator[Record]) -> Iterator[Record]:
        """What was found, as long as the storage is open here, and not in a child process."""
        for record in found:
            self.store.check_process()
            yield record

    def _get_many(self, schema: Schema, keys: Sequence[Any]) -> dict[Any, Record]:
        with self._reading():
            return super()._get_many(schema, keys)

    def _save_many(self, schema: Schema, writes: Sequence[Write]) -> list[int]:
        revisions: list[int] = []
        failed: DocmapError | None = None
        with self._writing():
            for write in writes:
                try:
                    revisions.append(self._save(schema, write))
                except DocmapError as error:
                    failed = error
                    break
        if failed is not None:
            failed.done = len(revisions)
            raise failed
        return revisions

    def _save_each(self, schema: Schema, writes: Sequence[Write]) -> Iterator[int | DocmapError]:
        with self._writing():
            results = list(super()._save_each(schema, writes))
        yield from results

    def _rewrite(
        self, schema: Schema, writes: Sequence[Write], names: frozenset[str] | None
    ) -> list[Write]:
        with self._writing():
            return super()._rewrite(schema, writes, names)

    def _delete_keys(self, schema: Schema, records: Iterable[tuple[Any, int]]) -> int:
        with self._writing():
            return super()._delete_keys(schema, records)

    # -- TinyDB itself

    def _native(self) -> JournalDB:
        return JournalDB(self)

    # -- changes

    def _watch(self, schema: Schema, after: str | None) -> FileFeed:
        with self._reading():
            if self._undo is not None:
                raise not_now(schema)
            return FileFeed(self._changes, schema.collection, after, self._reading)

    def _unwatch(self, schema: Schema) -> None:
        with self._reading():
            if self._undo is not None:
                raise not_now(schema)
            self._changes.unwatch(schema.collection)

    def forget(self) -> None:
        """Read everything anew the next time, if the storage is open."""
        if self._store is not None:
            self._store.forget()

    def acknowledged(self) -> None:
        """Called when a frame is on the disk."""
        self._changes.publish()

    # -- keys that are counted

    def _next_key(self, schema: Schema) -> int:
        with self._reading():
            held = self._held(schema.collection)
            if held is not None and held.last_key < held.mine:
                return super()._next_key(schema)
        with self._writing():
            self._writable(schema)
            table = self._numbered(schema.collection)
            if table.last_key < table.mine:  # another thread was here meanwhile
                return super()._next_key(schema)
            key = max(table.last_key, table.reserved) + 1
            ahead = min(max(2 * table.ahead, 1), _MOST_KEYS)
            self._note(partial(table.count_as, table.last_key, table.reserved, table.mine))
            table.ahead = ahead
            table.count_as(key, key + ahead - 1, key + ahead - 1)
            self._record_made(schema.collection)
            return key

    def _count_to(self, schema: Schema, key: int) -> None:
        with self._writing():
            super()._count_to(schema, key)
            self._record_made(schema.collection)
