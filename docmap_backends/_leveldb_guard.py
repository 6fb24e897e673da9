"""Whose a directory is, who has it open, and how much was acknowledged: the file DOCMAP in it.

LevelDB's own lock is dropped when the process that holds it tries to open the directory a second
time; two processes then write into one store and destroy it. So nobody comes as far as LevelDB
without holding the lock on DOCMAP, and no directory is touched that does not have one.
"""

from __future__ import annotations

import os
import struct
import threading
import zlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final
from weakref import WeakSet

from docmap.errors import CorruptStore, ForeignStore, StorageError, StoreLocked
from docmap_backends._files import flush, flush_directory, try_lock, unlock

NAME: Final = "DOCMAP"
FORMAT: Final = 1

_MAGIC: Final = b"docmap leveldb "
_HEADER: Final = struct.Struct("<15sBI")  # the magic, the format, a checksum of both
_SLOT: Final = struct.Struct("<QI")  # how many batches, a checksum
_SLOTS: Final = (64, 128)  # where the slots begin; one is whole while the other is written
_SIZE: Final = 256  # bytes of the file

_held: set[tuple[int, int]] = set()
_guards: WeakSet[Guard] = WeakSet()
_mutex = threading.RLock()  # a collected guard is released wherever its thread is


class Guard:
    """The lock on a directory and the number of its acknowledged batches, until `release()`.

    `forked` is called in a child process that inherited the guard, which then guards nothing.
    """

    forks = 0
    """How often this process and its ancestors forked while a store was open."""

    def __init__(self, directory: Path, *, create: bool, forked: Callable[[], None]) -> None:
        """Take the lock, and make the directory if it is not there.

        Raises StoreLocked at once if somebody has it, ForeignStore if the directory is not
        docmap's, CorruptStore if its DOCMAP is damaged.
        """
        self._file = -1
        self.directory = directory
        self.path = directory / NAME
        self.acknowledged: int | None = None
        """How many batches the store must have at least; None while it was never open."""
        self._forked = forked
        self._turn = 0
        self._id = (0, 0)
        self._check_owner(create=create)
        self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o666)
        try:
            self._lock()
            self._read()
        except BaseException:
            self.release()
            raise
        _watch_forks()
        _guards.add(self)

    def _check_owner(self, *, create: bool) -> None:
        """Make the directory if it is not there; raise if it is not docmap's, and not empty."""
        try:
            entries = {entry.name for entry in os.scandir(self.directory)}
        except FileNotFoundError:
            if not create:
                raise StorageError(
                    f"{self.directory} does not exist: to make it, open it without create=false",
                    engine="leveldb",
                    path=str(self.directory),
                ) from None
            self.directory.mkdir(exist_ok=True)
            return
        if entries and NAME not in entries:
            raise ForeignStore(
                f"{self.directory} is not empty and was not made by docmap, which does not write "
                f"into it (it has no file {NAME}): name a directory of its own",
                engine="leveldb",
                path=str(self.directory),
            )

    def _lock(self) -> None:
        status = os.fstat(self._file)
        identity = (status.st_dev, status.st_ino)
        with _mutex:
            if identity in _held:
                raise self._locked("this process")
            if not try_lock(self._file):
                raise self._locked("another process")
            _held.add(identity)
            self._id = identity

    def _locked(self, who: str) -> StoreLocked:
        return StoreLocked(
            f"{self.directory} is open in {who} already, and LevelDB serves one storage at a "
            "time: use that one from all threads, or close it first",
            engine="leveldb",
            path=str(self.directory),
        )

    def _read(self) -> None:
        data = os.read(self._file, _SIZE)
        if len(data) < _SIZE and not (self.directory / "CURRENT").exists():
            # It is new, or its maker was killed.
            os.lseek(self._file, 0, os.SEEK_SET)
            os.write(self._file, _header() + bytes(_SIZE - _HEADER.size))
            flush(self._file)
            flush_directory(str(self.path))
            with suppress(PermissionError):  # one may write into a directory whose parent is closed
                flush_directory(str(self.directory.absolute()))
            return
        magic, version, checksum = _HEADER.unpack(data[: _HEADER.size].ljust(_HEADER.size, b"\0"))
        if len(data) != _SIZE or checksum != zlib.crc32(data[: _HEADER.size - 4]):
            raise self.damaged(self.path)
        if magic != _MAGIC or version > FORMAT:
            raise ForeignStore(
                f"{self.directory} has the format {version} of a newer docmap, and this one reads "
                f"up to {FORMAT}: upgrade docmap",
                engine="leveldb",
                path=str(self.directory),
            )
        self._read_slots(data)

    def _read_slots(self, data: bytes) -> None:
        slots = [data[start : start + _SLOT.size] for start in _SLOTS]
        counts = [count for count in map(_count, slots) if count is not None]
        if not counts and any(map(any, slots)):
            raise self.damaged(self.path)
        if counts:
            self.acknowledged = max(counts)
            self._turn = int(_count(slots[0]) == self.acknowledged)  # the older one is next

    def damaged(self, path: Path) -> CorruptStore:
        """The error for a file of the store that is not as it was written."""
        return CorruptStore(
            f"{path} is damaged or cut off: restore a backup of {self.directory}",
            engine="leveldb",
            path=str(path),
        )

    def acknowledge(self, count: int, *, durable: bool = False) -> None:
        """Note that so many batches are on the disk: fewer, and the store was damaged."""
        start = _SLOTS[self._turn]
        self._turn = 1 - self._turn
        self.acknowledged = count
        packed = struct.pack("<Q", count)
        os.lseek(self._file, start, os.SEEK_SET)
        os.write(self._file, packed + struct.pack("<I", zlib.crc32(packed)))
        if durable:
            flush(self._file)

    def release(self) -> None:
        """Give the lock back; nothing happens if it was."""
        file, self._file = self._file, -1
        if file < 0:
            return
        with _mutex:
            _held.discard(self._id)
            if self._id != (0, 0):
                unlock(file)  # at once, though a child may have the file open yet
            os.close(file)

    def __del__(self) -> None:
        self.release()  # of a storage that nobody closed, and nobody has any more

    def leave(self) -> None:
        """In a child process: let go of the file without giving the parent's lock back."""
        file, self._file = self._file, -1
        if file >= 0:
            os.close(file)
        self._forked()


def _header() -> bytes:
    start = _HEADER.pack(_MAGIC, FORMAT, 0)[:-4]
    return start + struct.pack("<I", zlib.crc32(start))


def _count(slot: bytes) -> int | None:
    """The number in a slot; None if it was never written, or not to its end."""
    count, checksum = _SLOT.unpack(slot)
    return count if checksum == zlib.crc32(slot[:8]) else None


def _watch_forks() -> None:
    if hasattr(os, "register_at_fork") and not _watching:
        _watching.append(True)
        os.register_at_fork(
            before=_mutex.acquire, after_in_parent=_mutex.release, after_in_child=_leave_all
        )


_watching: list[bool] = []


def _leave_all() -> None:
    _mutex.release()
    guards = list(_guards)
    _guards.clear()
    _held.clear()
    Guard.forks += bool(guards)
    for guard in guards:
        guard.leave()
