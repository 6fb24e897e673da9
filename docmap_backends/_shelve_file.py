"""The file of a shelf: whose it is, and the tables that docmap keeps in it beside its documents."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from typing import Final

from docmap_backends._sqlfile_files import File

# "dmsh": says in the file's header that docmap keeps the shelf.
APPLICATION_ID: Final = 0x646D7368
FORMAT: Final = 1

DICT: Final = "CREATE TABLE IF NOT EXISTS Dict (key BLOB UNIQUE NOT NULL, value BLOB NOT NULL)"
"""The table of Python's dbm.sqlite3, in its own words."""
OPEN_NOTES: Final = "SELECT EXISTS(SELECT 1 FROM docmap_changed)"

_TABLES: Final = (
    DICT,
    # Ordered bytes under bytes. Of a document only what stands before its JSON: that is in Dict,
    # under the key `place`.
    """CREATE TABLE docmap_entries (key BLOB PRIMARY KEY, value BLOB NOT NULL, place BLOB)
    WITHOUT ROWID""",
    # What other programs have written since docmap looked: the key, and the value before.
    "CREATE TABLE docmap_changed (key BLOB PRIMARY KEY, value BLOB) WITHOUT ROWID",
    # The keys of what other programs wrote and docmap leaves alone.
    "CREATE TABLE docmap_odd (key BLOB PRIMARY KEY) WITHOUT ROWID",
    # 1 while docmap itself writes: nobody else sees it so.
    "CREATE TABLE docmap_state (writing INTEGER NOT NULL)",
    "INSERT INTO docmap_state VALUES (0)",
    *(
        f"CREATE TRIGGER docmap_{event.lower()}_{row.lower()} BEFORE {event} ON Dict "
        "WHEN NOT (SELECT writing FROM docmap_state) "
        # The first value counts. REPLACE would overrule a conflict clause here.
        f"AND NOT EXISTS (SELECT 1 FROM docmap_changed WHERE key={row}.key) BEGIN "
        f"INSERT INTO docmap_changed VALUES ({row}.key, "
        f"(SELECT value FROM Dict WHERE key={row}.key)); END"
        for event, row in (
            ("INSERT", "NEW"),
            ("UPDATE", "OLD"),
            ("UPDATE", "NEW"),
            ("DELETE", "OLD"),
        )
    ),
)


@dataclass(frozen=True, slots=True)
class ShelfFile(File):
    """A file of docmap's shelves, or of Python's that docmap was told to convert."""

    engine: str = "shelve"
    convert: bool = False

    def check_owner(self, connection: sqlite3.Connection) -> bool:
        """True if the file is docmap's, False if it is yet to be made so.

        Raises ForeignStore for another program's, and for a shelf of Python's own.
        """
        owner = connection.execute("PRAGMA application_id").fetchone()[0]
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        if owner == APPLICATION_ID:
            if version > FORMAT:
                raise self.foreign(
                    f"has the format {version} of a newer docmap, and this one reads up to "
                    f"{FORMAT}: upgrade docmap"
                )
            return bool(version)
        tables = _tables(connection)
        if owner or version or tables not in ([], ["Dict"]):
            raise self.foreign(
                "is an SQLite file of another program, and docmap does not write into it: name a "
                "file of its own"
            )
        if tables and not self.convert and _filled(connection):
            raise self.foreign(
                "is a shelf that docmap did not make: open it with convert=true to make it one, or "
                "read it without"
            )
        return False


def is_plain_shelf(file: File) -> bool | None:
    """True for a file of Python's dbm.sqlite3 that holds something; None for no SQLite file."""
    try:
        with closing(sqlite3.connect(file.uri("ro"), uri=True)) as connection:
            owner = connection.execute("PRAGMA application_id").fetchone()[0]
            return not owner and _tables(connection) == ["Dict"] and _filled(connection)
    except sqlite3.Error as error:
        return None if error.sqlite_errorcode == sqlite3.SQLITE_NOTADB else False


def make_tables(connection: sqlite3.Connection) -> None:
    """Make an empty file docmap's, or one with a Dict; inside a transaction."""
    connection.execute(f"PRAGMA application_id={APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version={FORMAT}")
    for statement in _TABLES:
        connection.execute(statement)


def _tables(connection: sqlite3.Connection) -> list[str]:
    rows = connection.execute("SELECT name FROM sqlite_master WHERE type<>'index'").fetchall()
    return sorted(_text(name) for (name,) in rows)


def _text(name: str | bytes) -> str:
    return name.decode(errors="replace") if isinstance(name, bytes) else name


def _filled(connection: sqlite3.Connection) -> bool:
    filled: int = connection.execute("SELECT EXISTS(SELECT 1 FROM Dict)").fetchone()[0]
    return filled == 1
