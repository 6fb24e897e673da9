"""Files that survive crashes: whole replacement, locks between processes, and the disk's errors."""

from __future__ import annotations

import errno
import os
import sys
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any, Final, NamedTuple

from docmap.errors import StorageError, StorageFull, StoreLocked

_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_TEXTS: Final[dict[int, str]] = {
    errno.EACCES: "may not be read or written: check its permissions and its directory's",
    errno.EPERM: "may not be read or written: check its permissions and its directory's",
    errno.EROFS: "is on a disk that cannot be written: name a file elsewhere",
    errno.EISDIR: "is a directory: name a file",
    errno.ENOTDIR: "is under something that is no directory: name another file",
    errno.ENAMETOOLONG: "has too long a name: name another file",
    errno.ENOENT: "cannot be opened: its directory does not exist",
}
_FIRST_PAUSE: Final = 0.0005  # seconds between attempts to lock, doubled up to the longest
_LONGEST_PAUSE: Final = 0.02
_MOST_AT_ONCE: Final = 1 << 20  # bytes that are gathered before they are written


class Stamp(NamedTuple):
    """What of a file changes when it is written or replaced."""

    inode: int
    size: int
    changed: int


def stamp(path: str) -> Stamp | None:
    """The stamp of a file; None if there is none."""
    try:
        found = os.stat(path)  # noqa: PTH116 - called before each read: a Path costs as much again
    except FileNotFoundError:
        return None
    return Stamp(found.st_ino, found.st_size, found.st_mtime_ns)


def file_error(error: OSError, path: str, engine: str) -> StorageError:
    """Docmap's error for the operating system's; raise it from that."""
    if error.errno in _FULL:
        return StorageFull(
            f"{path} has no space left on its disk: free some; what was saved is intact",
            engine=engine,
            path=path,
        )
    text = _TEXTS.get(error.errno or 0) or f"failed to be read or written: {error.strerror}"
    return StorageError(f"{path} {text}", engine=engine, path=path)


def flush(descriptor: int) -> None:
    """Return when what was written is on the disk itself."""
    if sys.platform == "darwin":  # there fsync leaves it in the disk's own memory
        from fcntl import F_FULLFSYNC, fcntl

        with suppress(OSError):
            fcntl(descriptor, F_FULLFSYNC)
            return
    os.fsync(descriptor)


def flush_directory(path: str) -> None:
    """Return when the names in the directory of `path` are on the disk: after a rename."""
    if os.name == "nt":
        return  # directories cannot be opened there
    descriptor = os.open(os.path.dirname(path) or ".", os.O_RDONLY)  # noqa: PTH120
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_all(descriptor: int, data: bytes) -> None:
    """Write all of `data` where the descriptor stands."""
    left = memoryview(data)
    while left:
        left = left[os.write(descriptor, left) :]


def read_all(path: str) -> bytes:
    """All bytes of a file."""
    with open(path, "rb") as file:  # noqa: PTH123 - of any path, as the operating system takes it
        return file.read()


def replace_file(
    path: str, chunks: Iterable[bytes], *, sync: bool = True, check: Callable[[], Any] | None = None
) -> None:
    """Make a file that holds these bytes, whole or not at all, in place of the one that is there.

    For one at a time: the new file is `path` with `.tmp` until it takes the other's place.

    `check` is called when all but the replacing is done, and stops it by raising. `sync=False`
    leaves it to the operating system when the bytes reach the disk. Raises OSError.
    """
    beside = f"{path}.tmp"
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_BINARY", 0)
    descriptor = os.open(beside, flags, _mode(path))
    try:
        try:
            _write_gathered(descriptor, chunks)
            if sync:
                flush(descriptor)
        finally:
            os.close(descriptor)
        if check is not None:
            check()
        os.replace(beside, path)  # noqa: PTH105
    except BaseException:
        with suppress(OSError):
            os.unlink(beside)  # noqa: PTH108
        raise
    if sync:
        flush_directory(path)


def _mode(path: str) -> int:
    """The permissions that the new file takes over from the one that it replaces."""
    try:
        return os.stat(path).st_mode & 0o777  # noqa: PTH116
    except OSError:
        return 0o666


def _write_gathered(descriptor: int, chunks: Iterable[bytes]) -> None:
    gathered: list[bytes] = []
    size = 0
    for chunk in chunks:
        gathered.append(chunk)
        size += len(chunk)
        if size >= _MOST_AT_ONCE:
            write_all(descriptor, b"".join(gathered))
            gathered, size = [], 0
    write_all(descriptor, b"".join(gathered))


class FileLock:
    """An exclusive lock that holds between processes, and between two of these in one process.

    It is gone with the process that holds it. The file stays: to delete it would let two hold it
    at once. Not to be shared between threads without a lock of their own.
    """

    def __init__(self, path: str, engine: str) -> None:
        self.path = path
        self._engine = engine
        self._descriptor: int | None = None
        self._held = False

    def acquire(self, timeout: float, wait: Callable[[float], None] = time.sleep) -> None:
        """Lock, or raise StoreLocked after `timeout` seconds; OSError if the file has a fault.

        `wait` takes the seconds to pause before the next attempt.
        """
        if self._descriptor is None:
            flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0)
            self._descriptor = os.open(self.path, flags, 0o666)
        pause, end = _FIRST_PAUSE, time.monotonic() + timeout
        while not try_lock(self._descriptor):
            left = end - time.monotonic()
            if left <= 0:
                raise StoreLocked(
                    f"{self.path} is held by somebody who writes: try again, or raise the option "
                    "timeout",
                    engine=self._engine,
                    path=self.path,
                )
            wait(min(pause, left))
            pause = min(pause * 2, _LONGEST_PAUSE)
        self._held = True

    def release(self) -> None:
        """Let others lock it."""
        if self._held and self._descriptor is not None:
            self._held = False
            unlock(self._descriptor)

    @property
    def held(self) -> bool:
        """True if this one holds it."""
        return self._held

    @property
    def noted(self) -> int:
        """The number that was noted in the file last; 0 if none ever was."""
        found = stamp(self.path)
        return found.size if found is not None else 0

    def note(self, number: int, *, sync: bool) -> None:
        """Note a small number in the file while it is held: by its size, which does not tear."""
        if self._descriptor is not None and self.noted != number:
            os.ftruncate(self._descriptor, number)
            if sync:
                flush(self._descriptor)

    def close(self, *, inherited: bool = False) -> None:
        """Release it and close its file; `inherited` in a child process, which holds nothing."""
        if not inherited:
            self.release()
        if self._descriptor is not None:
            descriptor, self._descriptor, self._held = self._descriptor, None, False
            os.close(descriptor)


if os.name == "nt":
    import msvcrt

    def try_lock(descriptor: int) -> bool:
        """Lock an open file for its process, or say at once that somebody has it."""
        os.lseek(descriptor, 0, os.SEEK_SET)
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined,unused-ignore]
        except OSError:
            return False
        return True

    def unlock(descriptor: int) -> None:
        """Let others lock it."""
        os.lseek(descriptor, 0, os.SEEK_SET)
        msvcrt.locking(descriptor, msvcrt.LK_UNLCK, 1)  # type: ignore[attr-defined,unused-ignore]

else:
    import fcntl

    def try_lock(descriptor: int) -> bool:
        """Lock an open file, or say at once that somebody has it."""
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):
            return False
        return True

    def unlock(descriptor: int) -> None:
        """Let others lock it, though a child process may have it open yet."""
        fcntl.flock(descriptor, fcntl.LOCK_UN)
