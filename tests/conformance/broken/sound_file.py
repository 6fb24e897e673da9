"""A sound adapter over one file, in small steps: what is broken on purpose overrides one of them.

The file is written anew for each write: a checksum, then all records as JSON. It belongs to the
storage that has it open.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from docmap.errors import (
    CorruptStore,
    DocmapError,
    ForeignStore,
    NotConnected,
    StorageError,
    StorageFull,
    StoreLocked,
)
from docmap.plan.engine import Record
from docmap.schema.schema import Schema
from docmap.storage.writes import Write
from tests.conformance.broken.sound import Collection, SoundStorage

R = TypeVar("R")
MARK = b"sound 1 "


class SoundFile(SoundStorage):
    """`sound:///file`: everything in one file, in memory while it is open."""

    def __init__(self, url: Any = None, **options: Any) -> None:
        super().__init__(url, **options)
        self.file = Path((self.url.path if self.url else "") or "")
        self._depth = 0
        self._opened = False

    # -- the file

    def _connect(self) -> None:
        self._pid = os.getpid()
        self._depth = 0
        self.take_lock()
        try:
            self.held = self.read()
        except BaseException:
            self.release_lock()
            raise
        self._opened = True

    def _disconnect(self) -> None:
        with self._mutex:  # whoever writes just now comes to its end
            self.held, self._opened = {}, False
            if self._pid == os.getpid():  # a child must leave its parent's lock alone
                self.release_lock()

    def take_lock(self) -> None:
        """Keep others out for as long as the storage is open."""
        with self.failures():
            self._lock = os.open(self.file.with_suffix(".lock"), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._lock)
            raise StoreLocked(
                f"sound: {self.file} is open elsewhere: close it there", path=str(self.file)
            ) from error

    def release_lock(self) -> None:
        """Let others in."""
        os.close(self._lock)

    def read(self) -> dict[str, Collection]:
        """What the file holds. Raises CorruptStore where it is not what was written."""
        if not self.file.exists():
            return {}
        with self.failures():
            head, _, body = self.file.read_bytes().partition(b"\n")
        if not head.startswith(MARK):
            self.check_foreign(body)
        if head != MARK + hashlib.sha256(body).hexdigest().encode():
            raise CorruptStore(f"{self.file} is damaged", path=str(self.file))
        return self.decoded(body)

    def check_foreign(self, body: bytes) -> None:
        """Raise ForeignStore for a file of another program, CorruptStore for a damaged one."""
        if b'{"collections":' in body:
            raise CorruptStore(f"{self.file} is damaged", path=str(self.file))
        raise ForeignStore(f"{self.file} belongs to another program", path=str(self.file))

    def decoded(self, body: bytes) -> dict[str, Collection]:
        """The collections in the text of a file."""
        held = {}
        for name, (last_key, records) in json.loads(body)["collections"].items():
            table = held[name] = Collection()
            table.last_key = last_key
            for key, data, revision in records:
                stored = bytes.fromhex(key[0]) if isinstance(key, list) else key
                table.records[stored] = (data.encode(), revision)
        return held

    def encoded(self) -> bytes:
        """The collections as the text of a file."""
        found = {
            name: (table.last_key, [_row(*one) for one in table.records.items()])
            for name, table in self.held.items()
        }
        body = json.dumps({"collections": found}).encode()
        return MARK + hashlib.sha256(body).hexdigest().encode() + b"\n" + body

    def write(self, content: bytes) -> None:
        """Make this the file: all of it, or nothing."""
        part = self.file.with_suffix(".part")
        with part.open("wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        part.replace(self.file)
        folder = os.open(self.file.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def persist(self) -> None:
        """Write what is in memory. Raises StorageFull or StorageError."""
        with self.failures():
            self.write(self.encoded())

    @contextmanager
    def failures(self) -> Iterator[None]:
        """What the operating system refuses as docmap's errors."""
        try:
            yield
        except OSError as error:
            kind = StorageFull if error.errno in {errno.ENOSPC, errno.EFBIG} else StorageError
            raise kind(f"{self.file}: {error.strerror}", path=str(self.file)) from error

    def check_process(self) -> None:
        """Raise NotConnected in a child of the process that opened the file."""
        if self._pid != os.getpid():
            raise NotConnected("opened before the process forked: call reconnect()")

    def check_opened(self) -> None:
        """Raise NotConnected once the file was closed, which may be while somebody waits for it."""
        if not self._opened:
            raise NotConnected("the file was closed: call connect()")

    # -- writes: in memory, then to the file, then acknowledged

    @contextmanager
    def committing(self) -> Iterator[None]:
        """Write the file after the outermost block; take back what it did if that fails."""
        self.check_process()
        with self._mutex:
            self.check_opened()
            before = {name: table.copy() for name, table in self.held.items()}
            self._depth += 1
            try:
                yield
                if self._depth == 1:
                    self.persist()
            except BaseException:
                self.held.clear()
                self.held.update(before)
                raise
            finally:
                self._depth -= 1

    def at_once(self, function: Callable[[], R]) -> R:
        """Run what writes often and write the file once; what came before a failure stays."""
        failure: DocmapError | None = None
        with self.committing():
            try:
                return function()
            except StorageError:
                raise
            except DocmapError as error:
                failure = error
        raise failure

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self.committing():
            yield

    def _clear(self) -> None:
        with self.committing():
            super()._clear()

    def _put(self, schema: Schema, key: Any, record: Record) -> None:
        with self.committing():
            super()._put(schema, key, record)

    def _remove(self, schema: Schema, key: Any) -> bool:
        with self.committing():
            return super()._remove(schema, key)

    def _next_key(self, schema: Schema) -> int:
        with self.committing():
            return super()._next_key(schema)

    def _count_to(self, schema: Schema, key: int) -> None:
        with self.committing():
            super()._count_to(schema, key)

    def _save_many(self, schema: Schema, writes: Sequence[Write]) -> list[int]:
        return self.at_once(lambda: super(SoundFile, self)._save_many(schema, writes))

    def _save_each(self, schema: Schema, writes: Sequence[Write]) -> Iterator[int | DocmapError]:
        return iter(self.at_once(lambda: list(super(SoundFile, self)._save_each(schema, writes))))

    def _rewrite(
        self, schema: Schema, writes: Sequence[Write], names: frozenset[str] | None
    ) -> list[Write]:
        return self.at_once(lambda: super(SoundFile, self)._rewrite(schema, writes, names))

    def _delete_keys(self, schema: Schema, records: Iterable[tuple[Any, int]]) -> int:
        return self.at_once(lambda: super(SoundFile, self)._delete_keys(schema, records))

    def _scan(self, schema: Schema) -> Iterator[Record]:
        self.check_process()
        with self._mutex:
            self.check_opened()
            return super()._scan(schema)

    def _get(self, schema: Schema, key: Any) -> Record | None:
        self.check_process()
        with self._mutex:
            self.check_opened()
            return super()._get(schema, key)


def _row(key: Any, record: Record) -> tuple[Any, str, int]:
    data, revision = record
    text = data.decode() if isinstance(data, bytes) else data
    return [key.hex()] if isinstance(key, bytes) else key, text, revision
