"""The SQLite file of a storage: whose it is, and what SQLite's errors say of it."""

from __future__ import annotations

import os
import sqlite3
import stat
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from docmap.errors import CorruptStore, ForeignStore, StorageError, StorageFull, StoreLocked

# "dmap": says in the file's header whose it is.
APPLICATION_ID: Final = 0x646D6170
FORMAT: Final = 1
_HEADER = 100  # bytes; a file with fewer is no database

_ERRORS: Final[dict[int, tuple[type[StorageError], str]]] = {
    sqlite3.SQLITE_BUSY: (
        StoreLocked,
        "is locked by another connection: try again, or raise the option timeout",
    ),
    sqlite3.SQLITE_LOCKED: (StoreLocked, "is locked by another connection: try again"),
    sqlite3.SQLITE_FULL: (
        StorageFull,
        "has no space left on its disk: free some; what was saved is intact",
    ),
    sqlite3.SQLITE_CORRUPT: (
        CorruptStore,
        "is damaged: restore a backup, or recover it with the sqlite3 shell's .recover",
    ),
    sqlite3.SQLITE_NOTADB: (
        ForeignStore,
        (
            "is not an SQLite file, or its beginning is damaged: name another file, or restore a "
            "backup"
        ),
    ),
    sqlite3.SQLITE_READONLY: (
        StorageError,
        "cannot be written: check its permissions, or open it with ?read_only=true",
    ),
    sqlite3.SQLITE_PERM: (StorageError, "may not be opened: check its permissions"),
    sqlite3.SQLITE_CANTOPEN: (
        StorageError,
        "cannot be opened: check that it and its directory may be read and written",
    ),
    sqlite3.SQLITE_IOERR: (StorageError, "failed to read or write its disk"),
}
# A page that should be there is not: the file was cut off.
_CUT_OFF: Final = frozenset({sqlite3.SQLITE_IOERR_SHORT_READ, sqlite3.SQLITE_IOERR_CORRUPTFS})


@dataclass(frozen=True, slots=True)
class File:
    """Where a storage's database is; the empty path is SQLite's memory."""

    path: str
    read_only: bool = False
    engine: str = "sqlite"
    """The scheme of the storage, for errors."""
    functions: Callable[[sqlite3.Connection], None] | None = None
    """Makes known to a new connection what SQLite calls back."""
    absolute: str = field(init=False, default="")
    """The path, whatever directory the program goes to afterwards."""

    def __post_init__(self) -> None:
        if self.path:
            object.__setattr__(self, "absolute", str(Path(self.path).absolute()))

    @property
    def in_memory(self) -> bool:
        """True if there is no file."""
        return not self.path

    def uri(self, mode: str) -> str:
        """The name by which SQLite opens it; `mode` is `ro`, `rw` or `rwc`."""
        return f"{Path(self.absolute).as_uri()}?mode={mode}"

    @property
    def exists(self) -> bool:
        """True if there is something at the path already.

        Asked of the file system: to open and close the file here would drop the locks that SQLite
        holds on it for this process.
        """
        return _size(self.absolute) > 0

    def register(self, connection: sqlite3.Connection) -> None:
        """Give a new connection the functions that the file's statements use."""
        if self.functions is not None:
            self.functions(connection)

    def error(self, error: sqlite3.Error) -> StorageError:
        """Docmap's error for one of SQLite's."""
        code = getattr(error, "sqlite_errorcode", 0)
        name = self.path or "the database in memory"
        kind, text = _ERRORS.get(
            code & 0xFF, (StorageError, f"failed: {type(error).__name__}: {error}")
        )
        if code in _CUT_OFF or "malformed" in str(error):
            kind, text = _ERRORS[sqlite3.SQLITE_CORRUPT]
        elif code & 0xFF == sqlite3.SQLITE_READONLY and self.read_only:
            text = "was opened with read_only=true: open it without to write"
        elif code & 0xFF in {sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_IOERR} and self.path:
            text = self._why_not_opened() or text
        return kind(f"{name} {text}", engine=self.engine, path=self.path or None)

    def damaged(self) -> CorruptStore:
        """The error for bytes that are not what docmap wrote."""
        name, (_, text) = self.path or "the database in memory", _ERRORS[sqlite3.SQLITE_CORRUPT]
        return CorruptStore(f"{name} {text}", engine=self.engine, path=self.path or None)

    def _why_not_opened(self) -> str | None:
        place = Path(self.absolute)
        if not place.parent.is_dir():
            return f"cannot be opened: the directory {Path(self.path).parent} does not exist"
        if place.is_dir():
            return "is a directory: name a file"
        if self.read_only and not place.exists():
            return "does not exist: to make it, open it without read_only"
        return None

    def check_owner(self, connection: sqlite3.Connection) -> bool:
        """True if the file is docmap's, False if it is empty. Raises ForeignStore for others."""
        owner = connection.execute("PRAGMA application_id").fetchone()[0]
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        if owner == APPLICATION_ID:
            if version > FORMAT:
                raise self.foreign(
                    f"has the format {version} of a newer docmap, and this one reads up to "
                    f"{FORMAT}: upgrade docmap"
                )
            return bool(version)
        tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        encoding = connection.execute("PRAGMA encoding").fetchone()[0]
        if owner or version or tables or encoding not in {"UTF-8", b"UTF-8"}:
            raise self.foreign(
                "is an SQLite file of another program, and docmap does not write into it: name a "
                "file of its own"
            )
        return False

    def check_remains(self) -> None:
        """Refuse what SQLite would take for an empty file, and throw away, though it is not."""
        size, log = _size(self.absolute), _size(f"{self.absolute}-wal")
        if size in range(1, _HEADER):
            raise self.foreign(_ERRORS[sqlite3.SQLITE_NOTADB][1])
        if not size and log:
            raise CorruptStore(
                f"{self.path} is empty, and {self.path}-wal beside it is not: restore a backup, or "
                "delete both to start again",
                engine=self.engine,
                path=self.path,
            )

    def foreign(self, text: str) -> ForeignStore:
        """The error for a file that docmap does not take for its own."""
        return ForeignStore(f"{self.path} {text}", engine=self.engine, path=self.path)


def _size(path: str) -> int:
    """The size of a file in bytes; 0 if there is none, or something else in its place."""
    try:
        found = os.stat(path)  # noqa: PTH116 - of any path, as SQLite takes it
    except OSError:
        return 0
    return found.st_size if stat.S_ISREG(found.st_mode) else 0
