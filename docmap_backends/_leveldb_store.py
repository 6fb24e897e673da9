"""LevelDB as an ordered store of bytes: batches, streams, snapshots, and its life."""

from __future__ import annotations

import ctypes
import os
import struct
import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import plyvel

from docmap.errors import CorruptStore, NotConnected, StorageError, StorageFull
from docmap_backends._files_turns import turn
from docmap_backends._leveldb_errors import translated
from docmap_backends._leveldb_files import MARK, Damaged, check_files, sizes
from docmap_backends._leveldb_guard import Guard
from docmap_backends._leveldb_reads import Reads, Snapshot
from docmap_backends._leveldb_torn import cut_torn_tail

_PROBE: Final = "DOCMAP.room"
_MARGIN: Final = 1 << 20  # bytes that must be free before a store that was full is tried again


class LevelDBStore(Reads):
    """The database of one directory: an `OrderedStore` over plyvel.

    `sync` makes each batch durable before `write` returns; `timeout` is how many seconds a thread
    waits for another's `writing()`; `options` go to plyvel.
    """

    def __init__(
        self,
        directory: Path,
        *,
        create: bool = True,
        sync: bool = True,
        timeout: float = 5.0,
        **options: Any,
    ) -> None:
        """Open it. Raises StoreLocked, ForeignStore, CorruptStore, or another StorageError."""
        self.directory = directory
        self.reading = threading.RLock()
        self._writer = threading.RLock()
        self._inside = threading.RLock()  # of one batch: nobody closes the database meanwhile
        self._sync = sync
        self._timeout = max(timeout, 0.0)
        self._options = options
        self._gone: Callable[[], StorageError] | None = None
        self._failed = False
        self._synced_log = 0
        try:
            self._guard = Guard(directory, create=create, forked=self._fork)
        except OSError as error:
            raise translated(error, directory) from error
        super().__init__(None, self)
        try:
            self._open()
        except BaseException:
            self._guard.release()
            raise

    def _open(self) -> None:
        try:
            self._open_once()
        except CorruptStore:
            expected = self._guard.acknowledged
            if expected is None or not cut_torn_tail(self.directory, expected):
                raise
            self._open_once()

    def _open_once(self) -> None:
        guard = self._guard
        try:
            in_logs = check_files(self.directory)
            # A child's LevelDB believes that it holds what its parent does: another name for it.
            name = str(self.directory) + f"{os.sep}." * guard.forks
            database = plyvel.DB(
                name, create_if_missing=True, paranoid_checks=True, **self._options
            )
        except Damaged as error:
            raise guard.damaged(error.path) from error
        except (plyvel.Error, OSError) as error:
            raise translated(error, self.directory) from error
        try:
            self._count = self._read_count(database, in_logs)
            if guard.acknowledged is None:
                guard.acknowledge(self._count, durable=True)
        except BaseException:
            database.close()
            raise
        self._source = database
        self._synced_log = self._newest_log()

    def _read_count(self, database: Any, in_logs: int | None) -> int:
        """The number of the last batch. Raises CorruptStore if acknowledged ones are missing."""
        try:
            mark = database.get(MARK, verify_checksums=True)
        except (plyvel.Error, OSError) as error:
            raise translated(error, self.directory) from error
        count: int = 0 if mark is None else struct.unpack("<Q", mark)[0]
        expected = self._guard.acknowledged
        if count < max(expected or 0, in_logs or 0) or (expected is None and count):
            raise self._guard.damaged(self.directory)
        return count

    @property
    def native(self) -> Any:
        """The driver's own object."""
        self.check_usable()
        return self._source

    # -- writing

    def writing(self) -> AbstractContextManager[None]:
        """Keep other threads from writing; processes are kept from opening the store at all."""
        return turn(self._writer, self._timeout, str(self.directory), "leveldb")

    def write(self, puts: Mapping[bytes, bytes], deletes: Collection[bytes] = ()) -> None:
        """Write one batch: all of it or nothing. Deletes come after puts."""
        with self._inside:
            if self._failed or self._gone is not None:
                self._make_writable()
            self._write(puts, deletes, sync=self._sync)

    def _write(
        self, puts: Mapping[bytes, bytes], deletes: Collection[bytes], *, sync: bool
    ) -> None:
        count = self._count + 1
        batch = self._source.write_batch(sync=sync)
        put, delete = batch.put, batch.delete
        put(MARK, struct.pack("<Q", count))
        for key, value in puts.items():
            put(key, value)
        for key in deletes:
            delete(key)
        try:
            batch.write()
        except plyvel.Error as error:
            # What LevelDB appends to the log behind a piece of a batch would never be read.
            self._failed = True
            raise translated(error, self.directory) from error
        self._count = count
        if sync:
            self._acknowledge(count)

    def _acknowledge(self, count: int) -> None:
        with suppress(OSError):  # the batch is safe; it would only not be missed if it went
            self._guard.acknowledge(count)

    def _make_writable(self) -> None:
        """Open the database again after a write that failed, once there is room.

        Until then it stays open for reads. Streams that began before end with an error.
        """
        if not self._failed or self._gone not in {None, self._interrupted}:
            self.check_usable()
            return
        self._check_room()
        with self.reading:
            self._gone = self._interrupted
            self._source.close()
            self._open()
            self._gone, self._failed = None, False

    def _check_room(self) -> None:
        """Raise StorageFull unless what is in the logs can be written once more."""
        found = sizes(self.directory)
        logs = [size for name, size in found.items() if name.endswith(".log")]
        probe = self.directory / _PROBE
        try:
            with probe.open("wb", buffering=0) as file:
                for _ in range(max(logs, default=0) // _MARGIN + 1):
                    if file.write(bytes(_MARGIN)) != _MARGIN:
                        raise StorageFull(
                            f"{self.directory} has no space left on its disk: free some; what was "
                            "saved is intact",
                            engine="leveldb",
                            path=str(self.directory),
                        )
        except OSError as error:
            raise translated(error, self.directory) from error
        finally:
            probe.unlink(missing_ok=True)

    def sync(self) -> None:
        """Make every batch durable, those that `write` did not."""
        with self._inside:
            self._make_writable()
            if self._newest_log() != self._synced_log:
                # An older log is never synchronised: its content goes into a table, which is.
                with self.reading:
                    self._source.compact_range(start=MARK, stop=MARK)
                self._synced_log = self._newest_log()
            self._write({}, (), sync=True)

    def _newest_log(self) -> int:
        return max((int(path.stem) for path in self.directory.glob("*.log")), default=0)

    # -- snapshots, closing

    @contextmanager
    def snapshot(self) -> Iterator[Snapshot]:
        """The store as it is now, for any number of reads."""
        try:
            with self.reading:
                found = self._source.snapshot()
        except (plyvel.Error, RuntimeError, AttributeError) as error:
            raise self.error(error) from error
        try:
            yield Snapshot(found, self)
        finally:
            self.end(found)

    def end(self, found: Any) -> None:
        """Close an iterator or a snapshot."""
        with self.reading:
            if self._gone == self._forked:
                _keep_for_ever(found)  # to close it would wait for threads that are not here
            else:
                found.close()

    def close(self) -> None:
        """Close it; what streams is ended with an error."""
        if self._gone == self._forked:
            return
        try:
            if not self._sync and self._gone is None and not self._failed:
                self.sync()
        finally:
            with self._inside, self.reading:
                self._gone = self._closed
                if self._source is not None:
                    self._source.close()
                self._guard.release()

    def check_usable(self) -> None:
        """Raise NotConnected after a fork, and once the store was closed."""
        if self._gone is not None:
            raise self._gone()

    def error(self, error: Exception) -> StorageError:
        """The error for one of LevelDB's."""
        if self._gone is not None:
            return self._gone()
        if isinstance(error, RuntimeError):
            return StorageError(
                f"{self.directory} was opened again after a write had failed, which ended what was "
                "being read: begin it again",
                engine="leveldb",
                path=str(self.directory),
            )
        return translated(error, self.directory)

    def _fork(self) -> None:
        """In a child: leave everything as it is, and never touch it again."""
        _keep_for_ever(self._source)
        self._source = None
        self._gone = self._forked
        self.reading = self._reading = threading.RLock()
        self._writer = threading.RLock()
        self._inside = threading.RLock()

    def _forked(self) -> NotConnected:
        return NotConnected(
            f"{self.directory} was opened before the process forked: call reconnect() in the "
            "child, once the parent has closed it",
            engine="leveldb",
            path=str(self.directory),
        )

    def _closed(self) -> NotConnected:
        return NotConnected("the LevelDB storage was closed: call connect()", engine="leveldb")

    def _interrupted(self) -> StorageError:
        return StorageError(
            f"{self.directory} could not be opened again after a write had failed: write "
            "again, or call reconnect()",
            engine="leveldb",
            path=str(self.directory),
        )


def _keep_for_ever(thing: Any) -> None:
    """Never free an object of LevelDB's: that would wait for a thread of the parent's."""
    if thing is not None:
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(thing))
