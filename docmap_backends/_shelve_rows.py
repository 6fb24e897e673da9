"""Ranges of a shelf's entries, read row by row: from a snapshot, or where their thread writes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from typing import Any, Final

from docmap_backends._keyvalue_records import INDEX, RECORD, records_of
from docmap_backends._ordered import above
from docmap_backends._sqlfile_connections import Connections, Link

ITEMS: Final = (
    "SELECT e.key, e.value, e.place IS NULL, d.value "
    "FROM docmap_entries e LEFT JOIN Dict d ON d.key=e.place"
)
_ENTRIES: Final = "SELECT e.key, e.value, 1, NULL FROM docmap_entries e"  # of an index
KEYS: Final = "SELECT e.key FROM docmap_entries e"
_COUNT: Final = (
    "SELECT (SELECT count(*) FROM Dict WHERE key>=?1 AND key<?2) "
    "- (SELECT count(*) FROM docmap_odd WHERE key>=?1 AND key<?2)"
)
_BEHIND_INDEXES: Final = above(INDEX) or b""
_FEW, _MANY = 24, 400  # rows that are read at once, at first and later


@dataclass(frozen=True, slots=True)
class Range:
    """Which entries are asked for, in which order."""

    select: str
    low: bytes
    high: bytes | None
    reverse: bool

    @property
    def statement(self) -> str:
        """The statement that reads them."""
        end = "" if self.high is None else " AND e.key<?"
        order = " DESC" if self.reverse else ""
        select = self.select
        if select is ITEMS and self.low[:1] == INDEX and (self.high or b"\xff") <= _BEHIND_INDEXES:
            select = _ENTRIES
        return f"{select} WHERE e.key>=?{end} ORDER BY e.key{order}"

    @property
    def parameters(self) -> Sequence[bytes]:
        """The parameters of the statement."""
        return (self.low,) if self.high is None else (self.low, self.high)

    @property
    def collection(self) -> str:
        """The collection of which these are all documents; empty if they are something else."""
        if self.low[:1] == RECORD and self.low[-1:] == b"\0" and self.high == above(self.low):
            name = self.low[1:-1].decode(errors="replace")
            if "\0" not in name and records_of(name) == self.low:  # else a key ends so
                return name
        return ""


class Stream(Iterator[Any]):
    """The rows of a range, as they were when it began; its link is given back at their end.

    The keys of documents stand in Dict once more, in an index of its own: all documents of a
    collection are as many as these, or damage has hidden some.
    """

    def __init__(
        self, connections: Connections, link: Link, stack: ExitStack, asked: Range
    ) -> None:
        self._connections = connections
        self._link = link
        self._stack = stack
        self._collection = asked.collection
        with link.lock, connections.errors():
            self._cursor = link.connection.execute(asked.statement, asked.parameters)
        self._rows: Iterator[Any] = iter(())
        self._count = 0
        self._more = True
        self._read(_FEW)

    def __next__(self) -> Any:
        for row in self._rows:
            return row
        self._connections.check_usable()
        if not self._more:
            raise StopIteration
        self._read(_MANY)
        return next(self)

    def _read(self, size: int) -> None:
        try:
            with self._link.lock, self._connections.errors():
                rows = self._cursor.fetchmany(size)
                self._count += len(rows)
                self._more = len(rows) == size
                if not self._more and self._collection:
                    self._check_count()
        except BaseException:
            self._end()
            raise
        self._rows = iter(rows)
        if not self._more:
            self._end()

    def _check_count(self) -> None:
        check_count(self._connections, self._link, self._collection, self._count)

    def _end(self) -> None:
        self._more = False
        self._stack.close()

    def __del__(self) -> None:
        with suppress(Exception):  # of a stream that nobody reads to its end
            self._stack.close()


class Chunks(Iterator[Any]):
    """The rows of a range on the connection that its thread writes with, some at a time."""

    def __init__(self, connections: Connections, asked: Range) -> None:
        self._connections = connections
        self._left = asked
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
        left = self._left
        rows = self._connections.rows(f"{left.statement} LIMIT {size}", left.parameters)
        self._more = len(rows) == size
        self._rows = iter(rows)
        if rows:
            last = rows[-1][0]
            # The first key behind `last` is `last` with a zero; a range ends before its end.
            low, high = (left.low, last) if left.reverse else (last + b"\0", left.high)
            self._left = Range(left.select, low, high, left.reverse)


def check_count(connections: Connections, link: Link, collection: str, found: int) -> None:
    """Raise CorruptStore if a collection has another number of documents than were found."""
    place = _documents_of(collection)
    if link.connection.execute(_COUNT, place).fetchone()[0] != found:
        raise connections.file.damaged()


def _documents_of(collection: str) -> tuple[bytes, bytes]:
    """The range of Dict in which a collection has its documents."""
    return f"{collection}:".encode(), f"{collection};".encode()
