"""What LevelDB's errors mean: it tells most of them apart by their text alone."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Final

import plyvel

from docmap.errors import CorruptStore, StorageError, StorageFull, StoreLocked

_FULL: Final = tuple(
    os.strerror(code)
    for code in (errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC))
)
_CORRUPT: Final = (
    "Corruption",
    "missing files",
    "checksum mismatch",
    "not an sstable",
    "truncated",
)
_LOCKED: Final = ("/LOCK: Resource temporarily unavailable", "already held by process")


def translated(error: Exception, directory: Path) -> StorageError:
    """The error for one of LevelDB's or the operating system's."""
    kind, text = _meaning(error)
    return kind(f"{directory} {text}", engine="leveldb", path=str(directory))


def _meaning(error: Exception) -> tuple[type[StorageError], str]:
    text = str(error)
    if any(words in text for words in _FULL):
        return StorageFull, "has no space left on its disk: free some; what was saved is intact"
    if isinstance(error, plyvel.CorruptionError) or any(words in text for words in _CORRUPT):
        return CorruptStore, "is damaged: restore a backup"
    if any(words in text for words in _LOCKED):
        return StoreLocked, "is open in a program that uses LevelDB directly: close it there"
    if isinstance(error, PermissionError) or os.strerror(errno.EACCES) in text:
        return StorageError, "may not be read or written: check its permissions"
    if isinstance(error, NotADirectoryError | FileExistsError):
        return StorageError, "is not a directory: name one"
    if isinstance(error, FileNotFoundError):
        return StorageError, "cannot be made: the directory above it does not exist"
    if isinstance(error, plyvel.IOError | OSError):
        return StorageError, "failed to read or write its disk"
    return StorageError, f"failed: {type(error).__name__}"
