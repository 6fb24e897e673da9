"""Adapters over a file that lose or spoil what they keep there."""

from __future__ import annotations

import fcntl
import json
import os
import pickle
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from docmap.errors import DocmapError, StorageError
from docmap.plan.engine import Record
from docmap.schema.schema import Schema
from tests.conformance.broken.catalogue import broken
from tests.conformance.broken.sound import Collection, SoundStorage
from tests.conformance.broken.sound_file import SoundFile


@broken("crash:survives", kind="file")
class WritesAtTheEnd(SoundFile):
    """What was acknowledged is written when the storage is closed."""

    def persist(self) -> None:
        pass

    def _disconnect(self) -> None:
        if self._pid == os.getpid():
            super().persist()
        super()._disconnect()


@broken("crash:survives", kind="file")
class WritesEveryTenth(WritesAtTheEnd):
    """Nine of ten writes wait for the tenth."""

    _waiting = 0

    def persist(self) -> None:
        self._waiting += 1
        if self._waiting % 10 == 0:
            SoundFile.persist(self)


@broken("write_steps:fails_at_any", kind="file")
class WritesInPlace(SoundFile):
    """The file is written over: who dies in the middle of it leaves half of it."""

    def write(self, content: bytes) -> None:
        with self.file.open("wb", buffering=0) as stream:
            for start in range(0, len(content), 512):
                stream.write(content[start : start + 512])


@broken("write_steps:fails_at_any", kind="file")
class DropsWhatIsTorn(WritesInPlace):
    """The file is written over, and one that is not whole is opened as far as it can be read."""

    def read(self) -> dict[str, Collection]:
        try:
            return super().read()
        except (DocmapError, ValueError):
            return {}


@broken("write_steps:fails_at_any", kind="file")
class SwallowsErrors(SoundFile):
    """What the disk refuses is acknowledged."""

    def persist(self) -> None:
        with suppress(StorageError):
            super().persist()


@broken("disk_full", kind="file")
class RaisesRawErrors(SoundFile):
    """A full disk is an OSError."""

    def persist(self) -> None:
        self.write(self.encoded())


@broken("damage:noticed", kind="file")
class ReadsDamage(SoundFile):
    """There is no checksum, and a record that cannot be read is left out."""

    def read(self) -> dict[str, Collection]:
        if not self.file.exists():
            return {}
        body = self.file.read_bytes().partition(b"\n")[2]
        try:
            return self.decoded(body)
        except (ValueError, KeyError, TypeError):
            return {}

    def _scan(self, schema: Schema) -> Iterator[Record]:
        for data, revision in super()._scan(schema):
            with suppress(ValueError):
                json.loads(data)
                yield data, revision


@broken("damage", kind="file")
class Pickles(SoundFile):
    """The file is a pickle, and whatever stands in it is executed."""

    def read(self) -> dict[str, Collection]:
        try:
            found = pickle.loads(self.file.read_bytes())  # noqa: S301 - that is what is wrong
        except FileNotFoundError:
            return {}
        assert isinstance(found, dict)
        return found

    def encoded(self) -> bytes:
        return pickle.dumps(self.held)


@broken("processes:second", kind="file")
class HasNoLock(SoundFile):
    """Two that have the file open write over one another."""

    def take_lock(self) -> None:
        pass

    def release_lock(self) -> None:
        pass


@broken("processes:orders", kind="file")
class DropsItsLock(SoundFile):
    """A second one in the process that is refused lets everybody in, as LevelDB does."""

    _held: dict[str, int] = {}  # noqa: RUF012 - one for all, as fcntl's locks are

    def take_lock(self) -> None:
        try:
            super().take_lock()
        except DocmapError:
            held = self._held.get(str(self.file))
            if held is not None:
                fcntl.flock(held, fcntl.LOCK_UN)
            raise
        self._held[str(self.file)] = self._lock

    def release_lock(self) -> None:
        self._held.pop(str(self.file), None)
        super().release_lock()


@broken("lifecycle:opened_again", kind="file")
class KeepsItsLock(SoundFile):
    """Closing the storage does not let others in."""

    def release_lock(self) -> None:
        os.dup(self._lock)
        super().release_lock()


@broken("processes:forked", kind="file")
class ChildrenGoOn(SoundFile):
    """A child goes on with what its parent has open, and both write."""

    def check_process(self) -> None:
        pass


@broken("write_steps:fails_in_a_transaction", kind="file")
class TransactionsAreTorn(SoundFile):
    """Each write of a transaction is in the file at once: who dies in it leaves half of it."""

    def _put(self, schema: Schema, key: Any, record: Record) -> None:
        super()._put(schema, key, record)
        self.persist()


@broken("keys:after_closing", kind="file")
class CountersAreForgotten(SoundFile):
    """Closing the storage sets counters back to the highest key that is stored."""

    def decoded(self, body: bytes) -> dict[str, Collection]:
        held = super().decoded(body)
        for table in held.values():
            table.last_key = max((key for key in table.records if type(key) is int), default=0)
        return held


@broken("foreign", kind="file")
class TakesAnyFile(SoundFile):
    """The file of another program is written over."""

    def check_foreign(self, body: bytes) -> None:
        self.file.write_bytes(b"")

    def read(self) -> dict[str, Collection]:
        head = self.file.read_bytes()[:6] if self.file.exists() else b""
        if head and not head.startswith(b"sound"):
            self.check_foreign(head)
            return {}
        return super().read()


@broken("crash:survives", kind="file")
class AcknowledgesFirst(SoundFile):
    """A write is acknowledged, and written with the next one."""

    _last: bytes | None = None

    def persist(self) -> None:
        last, self._last = self._last, self.encoded()
        if last is not None:
            self.write(last)

    def _disconnect(self) -> None:
        if self._last is not None and self._pid == os.getpid():
            self.write(self._last)
        super()._disconnect()


@broken("keys:look_alike", kind="file")
class FilesForKeys(SoundStorage):
    """Each document is a file that has its key as name: `../x` lies elsewhere, `a/b` nowhere."""

    def _connect(self) -> None:
        super()._connect()
        self._root = Path(f"{self.url.path if self.url else ''}.files")
        self._root.mkdir(parents=True, exist_ok=True)

    def _put(self, schema: Schema, key: Any, record: Record) -> None:
        file = self._root / f"{schema.collection}.{schema.stored_key(key)!s}"
        file.write_text(repr(record), encoding="utf-8")
        super()._put(schema, key, record)
