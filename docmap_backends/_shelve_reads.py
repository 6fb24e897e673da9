"""Reads of a shelf as it was at one moment: what the queries of docmap ask."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from typing import Any, Final

from docmap_backends._keyvalue_records import is_record, record_place
from docmap_backends._ordered import above
from docmap_backends._shelve_file import OPEN_NOTES
from docmap_backends._shelve_keys import shelf_key
from docmap_backends._shelve_rows import ITEMS, KEYS, Range, Stream, check_count
from docmap_backends._sqlfile_connections import Connections, Link

GET: Final = (
    f"SELECT e.value, e.place IS NULL, d.value, ({OPEN_NOTES}) "
    "FROM docmap_entries e LEFT JOIN Dict d ON d.key=e.place WHERE e.key=?"
)
# Of a key that is not there: are there notes, and is its document in Dict all the same?
MISSED: Final = (
    f"SELECT ({OPEN_NOTES}), EXISTS(SELECT 1 FROM Dict WHERE key=?1) "
    "AND NOT EXISTS(SELECT 1 FROM docmap_odd WHERE key=?1)"
)
_COUNT: Final = "SELECT count(*) FROM docmap_entries WHERE key>=? AND key<?"
_FIRST: Final = "SELECT key FROM docmap_entries WHERE key>=? AND key<? ORDER BY key LIMIT 1"
_AT_ONCE: Final = (4, 32, 256)  # keys that a statement asks for: few statements are to be compiled


class Snapshot:
    """The store as one link's transaction sees it."""

    def __init__(self, connections: Connections, link: Link) -> None:
        self._connections = connections
        self._link = link

    def get(self, key: bytes) -> bytes | None:
        """The value of a key; None if there is none."""
        self._connections.check_usable()
        with self._link.lock, self._connections.errors():
            row = self._link.connection.execute(GET, (key,)).fetchone()
            if row is not None:
                return whole(self._connections, *row[:3])
            if self._link.connection.execute(MISSED, (place_of(key),)).fetchone()[1]:
                raise self._connections.file.damaged()
        return None

    def get_many(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """The values of keys, None for those that are not there."""
        self._connections.check_usable()
        found: dict[bytes, bytes] = {}
        with self._link.lock, self._connections.errors():
            start = 0
            while start < len(keys):
                left = len(keys) - start
                size = next((size for size in _AT_ONCE if left <= size), _AT_ONCE[-1])
                chunk = keys[start : start + size]
                start += size
                asked = (*chunk, *[chunk[-1]] * (size - len(chunk)))
                statement = f"{ITEMS} WHERE e.key IN ({','.join('?' * size)})"
                for key, *row in self._link.connection.execute(statement, asked):
                    found[key] = whole(self._connections, *row)
        # What is not there is asked for once more by itself: damage may hide it.
        return [found[key] if key in found else self.get(key) for key in keys]

    def items(
        self, low: bytes, high: bytes | None, *, reverse: bool = False
    ) -> Iterator[tuple[bytes, bytes]]:
        """Keys and values of a range."""
        connections = self._connections
        rows = self._rows(Range(ITEMS, low, high, reverse))
        return ((key, whole(connections, value, alone, doc)) for key, value, alone, doc in rows)

    def keys(self, low: bytes, high: bytes | None, *, reverse: bool = False) -> Iterator[bytes]:
        """The keys of a range."""
        return (row[0] for row in self._rows(Range(KEYS, low, high, reverse)))

    def _rows(self, asked: Range) -> Iterator[Any]:
        return Stream(self._connections, self._link, ExitStack(), asked)

    def count(self, low: bytes, high: bytes) -> int:
        """How many keys lie in a range."""
        self._connections.check_usable()
        with self._link.lock, self._connections.errors():
            found: int = self._link.connection.execute(_COUNT, (low, high)).fetchone()[0]
            collection = Range(KEYS, low, high, reverse=False).collection
            if collection:
                check_count(self._connections, self._link, collection, found)
        return found

    def runs(self, low: bytes, high: bytes, head: Callable[[bytes], bytes]) -> Iterator[bytes]:
        """The first key of each run of keys with the same head, which is how they begin."""
        behind: bytes | None = low
        while behind is not None:
            self._connections.check_usable()
            with self._link.lock, self._connections.errors():
                row = self._link.connection.execute(_FIRST, (behind, high)).fetchone()
            if row is None:
                return
            yield row[0]
            behind = above(head(row[0]))


def whole(connections: Connections, value: bytes, alone: int, document: bytes | None) -> bytes:
    """The value of an entry, a document's with what is in Dict. Raises CorruptStore."""
    if alone:
        return value
    if document is None:
        raise connections.file.damaged()
    return value + document


def place_of(key: bytes) -> bytes | None:
    """The key in Dict of a document; None for what is none."""
    return shelf_key(*record_place(key)) if is_record(key) else None
