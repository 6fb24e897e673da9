"""What SQLite calls back: lookups on text that SQL cannot express, marks of changed rows."""

from __future__ import annotations

import sqlite3
from typing import Any, Final
from zlib import crc32

from docmap.query.lookups import VOCABULARY


def register(connection: sqlite3.Connection) -> None:
    """Make the functions known to a connection."""
    connection.create_function("docmap_text", 3, text_lookup, deterministic=True)
    connection.create_function("docmap_mark", 5, mark_again, deterministic=True)


def text_lookup(name: str, stored: Any, wanted: str) -> int | None:
    """One of the vocabulary's lookups on text; nothing for what is none."""
    if not isinstance(stored, str):
        return None
    return int(VOCABULARY[name].matches(stored, wanted))


def mark_again(new: str | None, revision: int, old: str, before: int, own: int) -> int | None:
    """The mark of a changed row. Raises ValueError if the row was damaged before."""
    if crc32(old.encode(), before & _MASK) != own:
        raise ValueError("the row does not fit its mark")
    return None if new is None else crc32(new.encode(), revision & _MASK)


_MASK: Final = 0xFFFFFFFF
