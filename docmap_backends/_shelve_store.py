"""A shelf in an SQLite file as an ordered store of bytes: documents in Dict, the rest beside it."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from typing import Any, Final

from docmap.errors import StorageError
from docmap_backends._keyvalue_records import is_record, record_place, split_record
from docmap_backends._shelve_file import OPEN_NOTES
from docmap_backends._shelve_keys import shelf_key
from docmap_backends._sqlfile_connections import Connections, Link

_FEW, _MANY = 24, 400  # rows that a stream reads at once, at first and later

_GET: Final = (
    "SELECT e.value, e.place IS NULL, d.value, (SELECT EXISTS(SELECT 1 FROM docmap_changed)) "
    "FROM docmap_entries e LEFT JOIN Dict d ON d.key=e.place WHERE e.key=?"
)
_ITEMS: Final = (
    "SELECT e.key, e.value, e.place IS NULL, d.value "
    "FROM docmap_entries e LEFT JOIN Dict d ON d.key=e.place"
)
_KEYS: Final = "SELECT e.key FROM docmap_entries e"
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
            rows = self._connections.rows(_GET, (key,))
            if not rows:
                # What is not there may have been written by others, and then it is noted.
                if self._settled(self._connections.rows(OPEN_NOTES)[0][0]):
                    return None
            elif self._settled(rows[0][3]):
                return self._value(key, *rows[0][:3])
            self.catch_up()

    def get_many(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """The values of keys, None for those that are not there."""
        with self.snapshot() as seen:
            return [seen.get(key) for key in keys]

    def items(
        self, low: bytes, high: bytes | None, *, reverse: bool = False
    ) -> Iterator[tuple[bytes, bytes]]:
        """Keys and values of a range, as they are now."""
        rows = self._rows(_ITEMS, low, high, reverse=reverse)
        return ((row[0], self._value(*row)) for row in rows)

    def keys(self, low: bytes, high: bytes | None, *, reverse: bool = False) -> Iterator[bytes]:
        """The keys of a range, as they are now."""
        return (row[0] for row in self._rows(_KEYS, low, high, reverse=reverse))

    def _rows(self, select: str, low: bytes, high: bytes | None, *, reverse: bool) -> Iterator[Any]:
        if self._own:
            return _Chunks(self._connections, select, low, high, reverse=reverse)
        stack = ExitStack()
        try:
            link = self._settled_link(stack)
            return _Stream(self._connections, link, stack, *_ranged(select, low, high, reverse))
        except BaseException:
            stack.close()
            raise

    @contextmanager
    def snapshot(self) -> Iterator[Any]:
        """What is stored now, for as long as the block lasts."""
        if self._own:
            yield self
            return
        with ExitStack() as stack:
            yield _Snapshot(self, self._connections, self._settled_link(stack))

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

    def _value(self, key: bytes, value: bytes, alone: int, document: bytes | None) -> bytes:
        if alone:
            return value
        if self.before and key in self.before and self._own:
            document = self.before[key]
        if document is None:
            raise self._connections.file.damaged()
        return value + document

    @property
    def _own(self) -> bool:
        """True where this thread reads on the connection that it writes with."""
        return self._connections.in_memory or self._connections.in_transaction

    # -- what others wrote

    def _settled(self, noted: int) -> bool:
        return not noted or self._own

    def catch_up(self) -> None:
        """Adopt what other programs wrote."""
        with self.writing():
            pass

    # -- writing

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Nobody else writes meanwhile. What was written stays, also if an error leaves the block.

        Raises StoreLocked where another thread or process does not end.
        """
        if self.refusal is not None:
            raise self.refusal()
        failure: BaseException | None = None
        with self._connections.transaction() as connection:
            if connection.execute(OPEN_NOTES).fetchone()[0]:
                self._adopt(connection)
            try:
                yield
            except BaseException as error:
                if not connection.in_transaction:
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
        gone = [(shelf_key(*record_place(key)),) for key in deletes if is_record(key)]
        with self._connections.errors(), self._connections.writing() as connection:
            connection.execute("UPDATE docmap_state SET writing=1")
            connection.executemany(_UNSHELVE, gone)
            connection.executemany(_DELETE, [(key,) for key in deletes])
            connection.executemany(_SHELVE, documents)
            connection.executemany(_PUT, entries)
            connection.execute("UPDATE docmap_state SET writing=0")


class _Snapshot:
    """The store as one link's transaction sees it."""

    def __init__(self, store: ShelfStore, connections: Connections, link: Link) -> None:
        self._store = store
        self._connections = connections
        self._link = link

    def get(self, key: bytes) -> bytes | None:
        """The value of a key; None if there is none."""
        self._connections.check_usable()
        with self._link.lock, self._connections.errors():
            row = self._link.connection.execute(_GET, (key,)).fetchone()
        return None if row is None else self._store._value(key, *row[:3])

    def get_many(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """The values of keys, None for those that are not there."""
        return [self.get(key) for key in keys]

    def items(
        self, low: bytes, high: bytes | None, *, reverse: bool = False
    ) -> Iterator[tuple[bytes, bytes]]:
        """Keys and values of a range."""
        rows = self._rows(_ITEMS, low, high, reverse)
        return ((row[0], self._store._value(*row)) for row in rows)

    def keys(self, low: bytes, high: bytes | None, *, reverse: bool = False) -> Iterator[bytes]:
        """The keys of a range."""
        return (row[0] for row in self._rows(_KEYS, low, high, reverse))

    def _rows(self, select: str, low: bytes, high: bytes | None, reverse: bool) -> Iterator[Any]:
        statement, parameters = _ranged(select, low, high, reverse)
        return _Stream(self._connections, self._link, ExitStack(), statement, parameters)


class _Stream(Iterator[Any]):
    """The rows of a statement on a link of its own, which is given back at the end of them."""

    def __init__(
        self,
        connections: Connections,
        link: Link,
        stack: ExitStack,
        statement: str,
        parameters: Sequence[bytes],
    ) -> None:
        self._connections = connections
        self._link = link
        self._stack = stack
        with link.lock, connections.errors():
            self._cursor = link.connection.execute(statement, parameters)
        self._rows: Iterator[Any] = iter(())
        self._more = True
        self._read(_FEW)

    def __next__(self) -> Any:
        for row in self._rows:
            return row
        if not self._more:
            raise StopIteration
        self._read(_MANY)
        return next(self)

    def _read(self, size: int) -> None:
        try:
            self._connections.check_usable()
            with self._link.lock, self._connections.errors():
                rows = self._cursor.fetchmany(size)
        except BaseException:
            self._end()
            raise
        self._rows = iter(rows)
        if len(rows) < size:
            self._end()

    def _end(self) -> None:
        self._more = False
        self._stack.close()

    def __del__(self) -> None:
        with suppress(Exception):  # of a stream that nobody reads to its end
            self._stack.close()


class _Chunks(Iterator[Any]):
    """The rows of a statement on the connection that its thread writes with, some at a time."""

    def __init__(
        self,
        connections: Connections,
        select: str,
        low: bytes,
        high: bytes | None,
        *,
        reverse: bool,
    ) -> None:
        self._connections = connections
        self._select = select
        self._bounds = [low, high]
        self._reverse = reverse
        self._rows: Iterator[Any] = iter(())
        self._more = True
        self._read(_FEW)

    def __next__(self) -> Any:
        for row in self._rows:
            return row
        if not self._more:
            raise StopIteration
        self._read(_MANY)
        return next(self)

    def _read(self, size: int) -> None:
        low, high = self._bounds
        statement, parameters = _ranged(self._select, low or b"", high, self._reverse)
        rows = self._connections.rows(f"{statement} LIMIT {size}", parameters)
        self._more = len(rows) == size
        if rows:
            last = rows[-1][0]
            # The first key behind `last` is `last` with a zero; the range ends before its end.
            self._bounds[1 if self._reverse else 0] = last if self._reverse else last + b"\0"
        self._rows = iter(rows)


def _ranged(
    select: str, low: bytes, high: bytes | None, reverse: bool
) -> tuple[str, Sequence[bytes]]:
    """The statement of a range, and its parameters."""
    order = " ORDER BY e.key DESC" if reverse else " ORDER BY e.key"
    if high is None:
        return f"{select} WHERE e.key>=?{order}", (low,)
    return f"{select} WHERE e.key>=? AND e.key<?{order}", (low, high)
