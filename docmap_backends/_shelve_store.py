"""A shelf in an SQLite file as an ordered store of bytes: documents in Dict, the rest beside it."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, Final

from docmap.errors import CorruptStore, StorageError
from docmap_backends._keyvalue_records import is_record, record_place, split_record
from docmap_backends._shelve_file import OPEN_NOTES
from docmap_backends._shelve_keys import shelf_key
from docmap_backends._shelve_reads import GET, MISSED, Snapshot, place_of, whole
from docmap_backends._shelve_rows import ITEMS, KEYS, Chunks, Range, Stream
from docmap_backends._sqlfile_connections import Connections, Link

_ODD: Final = "SELECT EXISTS(SELECT 1 FROM docmap_odd)"
_EVEN: Final = "DELETE FROM docmap_odd WHERE key=?"
_PUT: Final = "REPLACE INTO docmap_entries VALUES (?,?,?)"
_DELETE: Final = "DELETE FROM docmap_entries WHERE key=?"
_SHELVE: Final = (
    "INSERT INTO Dict VALUES (?,?) ON CONFLICT (key) DO UPDATE SET value=excluded.value"
)
_UNSHELVE: Final = "DELETE FROM Dict WHERE key=?"


class ShelfStore:
    """The `OrderedStore` of a shelf. Its documents are the values of Dict, byte for byte.

    `adopt` is called inside a write transaction if other programs have written to Dict, before
    anything else is read.
    """

    def __init__(
        self, connections: Connections, adopt: Callable[[sqlite3.Connection], None]
    ) -> None:
        self._connections = connections
        self._adopt = adopt
        self._adopting = False
        self.refusal: Callable[[], StorageError] | None = None
        """Why nothing may be written; None if it may."""
        self.before: dict[bytes, bytes | None] = {}
        """While changes are adopted: documents by their key here, as docmap wrote them."""

    def close(self) -> None:
        """Close the file."""
        self._connections.close()

    # -- reading

    def get(self, key: bytes) -> bytes | None:
        """The value of a key; None if there is none."""
        while True:
            rows = self._connections.rows(GET, (key,))
            if rows:
                if self._settled(rows[0][3]):
                    return self._value(key, *rows[0][:3])
            else:
                noted, hidden = self._connections.rows(MISSED, (place_of(key),))[0]
                if self._settled(noted):
                    self._check_missing(hidden)
                    return None
            self.catch_up()

    def _check_missing(self, hidden: int) -> None:
        """Raise CorruptStore if the document of a key is there, and damage hides it."""
        if hidden and not self._adopting:
            raise self._connections.file.damaged()

    def _value(self, key: bytes, value: bytes, alone: int, document: bytes | None) -> bytes:
        if self.before and key in self.before and self._own:
            document = self.before[key]
        return whole(self._connections, value, alone, document)

    def get_many(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """The values of keys, None for those that are not there."""
        with self.snapshot() as seen:
            return [self.get(key) for key in keys] if seen is self else seen.get_many(keys)

    def items(
        self, low: bytes, high: bytes | None, *, reverse: bool = False
    ) -> Iterator[tuple[bytes, bytes]]:
        """Keys and values of a range, as they are now."""
        rows = self._rows(Range(ITEMS, low, high, reverse))
        return ((row[0], self._value(*row)) for row in rows)

    def keys(self, low: bytes, high: bytes | None, *, reverse: bool = False) -> Iterator[bytes]:
        """The keys of a range, as they are now."""
        return (row[0] for row in self._rows(Range(KEYS, low, high, reverse)))

    def _rows(self, asked: Range) -> Iterator[Any]:
        if self._own:
            return Chunks(self._connections, asked)
        stack = ExitStack()
        try:
            return Stream(self._connections, self._settled_link(stack), stack, asked)
        except BaseException:
            stack.close()
            raise

    @contextmanager
    def snapshot(self) -> Iterator[Any]:
        """What is stored now, for as long as the block lasts."""
        with self.located():
            if self._own:
                yield self
                return
            with ExitStack() as stack:
                yield Snapshot(self._connections, self._settled_link(stack))

    def _settled_link(self, stack: ExitStack) -> Link:
        """A link whose snapshot holds nothing that is yet to be adopted."""
        while True:
            link = stack.enter_context(self._connections.reading())
            with link.lock, self._connections.errors():
                link.connection.execute("BEGIN")
                if self._settled(link.connection.execute(OPEN_NOTES).fetchone()[0]):
                    return link
            stack.close()
            self.catch_up()

    @property
    def _own(self) -> bool:
        """True where this thread reads on the connection that it writes with."""
        return self._connections.in_memory or self._connections.in_transaction

    @contextmanager
    def located(self) -> Iterator[None]:
        """Say which file it is that is damaged."""
        try:
            yield
        except CorruptStore as error:
            self.locate(error)
            raise

    def locate(self, error: CorruptStore) -> None:
        """Say which file it is that is damaged."""
        if error.path is None:
            error.path = self._connections.file.path or None
            error.message = f"{error.path}: {error.message}"

    # -- what others wrote

    def _settled(self, noted: int) -> bool:
        return not noted or self._own

    def catch_up(self) -> None:
        """Adopt what other programs wrote. Raises StorageError if that may not be."""
        try:
            with self.writing():
                pass
        except StorageError as error:
            if self.refusal is not None:
                error.message += ", since another program has written and docmap must adopt it"
            raise

    # -- writing

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Nobody else writes meanwhile. What was written stays, also if an error leaves the block.

        Raises StoreLocked where another thread or process does not end.
        """
        if self.refusal is not None:
            raise self.refusal()
        failure: BaseException | None = None
        with self.located(), self._connections.transaction() as connection:
            if connection.execute(OPEN_NOTES).fetchone()[0]:
                self._adopting = True
                try:
                    self._adopt(connection)
                finally:
                    self._adopting = False
            try:
                yield
            except BaseException as error:
                if not _is_in_transaction(connection):
                    raise
                failure = error
        if failure is not None:
            raise failure

    def write(self, puts: Mapping[bytes, bytes], deletes: Collection[bytes]) -> None:
        """Make all of the changes or none; durable once `writing` has ended."""
        entries: list[tuple[bytes, bytes, bytes | None]] = []
        documents: list[tuple[bytes, bytes]] = []
        for key, value in puts.items():
            if is_record(key):
                head, document = split_record(value)
                place = shelf_key(*record_place(key))
                entries.append((key, head, place))
                documents.append((place, document))
            else:
                entries.append((key, value, None))
        gone = [(place_of(key),) for key in deletes if is_record(key)]
        with self._connections.errors(), self._connections.writing() as connection:
            connection.execute("UPDATE docmap_state SET writing=1")
            connection.executemany(_UNSHELVE, gone)
            connection.executemany(_DELETE, [(key,) for key in deletes])
            connection.executemany(_SHELVE, documents)
            connection.executemany(_PUT, entries)
            if connection.execute(_ODD).fetchone()[0]:
                connection.executemany(_EVEN, [(place,) for place, _ in documents])
            connection.execute("UPDATE docmap_state SET writing=0")


def _is_in_transaction(connection: sqlite3.Connection) -> bool:
    """False too where an interrupt has cost the connection, and with it what it had begun."""
    try:
        return connection.in_transaction
    except sqlite3.ProgrammingError:
        return False
