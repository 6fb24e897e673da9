"""Making indexes on tables that are in use, without keeping their writers waiting.

PostgreSQL makes such an index in steps of its own, outside of transactions. What it has made when
it is interrupted stays, is kept up, and serves no query: it is removed before the next attempt.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from hashlib import sha256
from time import monotonic
from typing import Final

import psycopg
from psycopg import errors as pg

from docmap.errors import StorageError
from docmap.storage.bridge import sleep
from docmap_backends._postgresql_connections import Connections
from docmap_backends._postgresql_link import Link, encoded, numbered
from docmap_backends._sql import quoted

_LACKING: Final = (pg.FeatureNotSupported, pg.UndefinedFunction, pg.SyntaxError)
_LOOK: Final = 0.1  # seconds between two looks whether another program has ended
_REMOVING: Final = 5.0  # seconds to remove what was begun, when time is up
INVALID: Final = (
    "SELECT c.relname FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid "
    "WHERE i.indrelid = to_regclass(%s) AND NOT i.indisvalid AND left(c.relname, 19) = %s"
)
"""The parts of an index that were begun and never ended, by its table and name."""


def can_build(error: StorageError) -> bool:
    """True unless an error says that the server does not make indexes beside its writers."""
    return not isinstance(error.__cause__, _LACKING)


def build(
    connections: Connections,
    table: str,
    name: str,
    statements: Sequence[str],
    is_there: Callable[[], bool],
) -> None:
    """Run the statements that make an index, one after the other, unless others have made it.

    Only one program makes it; the others wait until `is_there` says that it is done, or make it
    themselves. Raises psycopg.IntegrityError if documents have the same values, Unavailable if it
    takes longer than the call has.
    """
    turn = int.from_bytes(sha256(f"index {name}".encode()).digest()[:8], "big", signed=True)

    def work(link: Link, end: float | None) -> None:
        while not _asked(link, "SELECT pg_try_advisory_lock(%s::bigint)", turn, end):
            if is_there():
                return
            sleep(_LOOK)
        try:
            if not is_there():
                _make(link, table, name, statements, end)
        finally:
            if not link.closed:
                _asked(link, "SELECT pg_advisory_unlock(%s::bigint)", turn, _soon())

    connections.on_link(work, write=True)


def _asked(link: Link, question: str, number: int, end: float | None) -> bool:
    found = link.execute(numbered(question), [encoded(str(number))], end)
    return found.get_value(0, 0) == b"t"


def _make(link: Link, table: str, name: str, statements: Sequence[str], end: float | None) -> None:
    _remove(link, table, name, end)
    for statement in statements:
        text = statement.replace(" IF NOT EXISTS", " CONCURRENTLY IF NOT EXISTS", 1)
        try:
            link.control(numbered(text).decode(), end)
        except psycopg.Error:
            if not link.closed:
                _remove(link, table, name, _soon())
            raise


def _remove(link: Link, table: str, name: str, end: float | None) -> None:
    """Remove what was begun and never ended."""
    values = [encoded(table.replace("%%", "%")), encoded(name)]
    found = link.execute(numbered(INVALID), values, end)
    for row in range(found.ntuples):
        part = (found.get_value(row, 0) or b"").decode()
        link.control(f"DROP INDEX CONCURRENTLY IF EXISTS {quoted(part)}", end)


def _soon() -> float:
    return monotonic() + _REMOVING
