"""What a storage in an SQLite file tells of it, and how its log is brought onto the disk."""

from __future__ import annotations

import sqlite3
from typing import Any

from docmap.errors import StoreLocked
from docmap_backends._sqlfile_connections import Connections


def file_info(connections: Connections) -> dict[str, Any]:
    """The version of SQLite, the file, and its size in bytes."""
    pages = connections.rows("PRAGMA page_count")[0][0]
    size = connections.rows("PRAGMA page_size")[0][0]
    return {
        "version": sqlite3.sqlite_version,
        "file": connections.file.path,
        "size": pages * size,
    }


def make_durable(connections: Connections) -> None:
    """Bring what was committed onto the disk. Raises StoreLocked if others keep it from that."""
    if connections.in_transaction:
        return
    busy, *_ = connections.rows("PRAGMA wal_checkpoint(FULL)")[0]
    if busy:
        raise StoreLocked(
            f"{connections.file.path} is read or written by others, and could not be made "
            "durable: try again",
            engine=connections.file.engine,
            path=connections.file.path,
        )
