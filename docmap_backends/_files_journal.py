"""A journal beside a file: what was written since the file was last made whole, frame by frame.

It begins with a line that names the store it belongs to and the number of the frame before its
first, and with the mark: the length up to which every frame was acknowledged. A frame is its
payload's length and checksum, its number, and the payload. The mark moves after the frame is on
the disk, so whoever reads up to it, without a lock, sees what is durable and whole. What lies
behind it was being written when its writer died: it is kept if it is whole, and cut off if not.
Damage before the mark is damage.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from contextlib import suppress
from typing import Final, NamedTuple
from zlib import crc32

from docmap.errors import CorruptStore
from docmap_backends._files import Stamp, flush, replace_file, stamp, write_all

_MAGIC: Final = b"docmap journal 1\n"
_NAMES: Final = struct.Struct("<16sQI")  # the store's id, the number before the first, checksum
_MARK: Final = struct.Struct("<QI")  # the acknowledged length, its checksum
_MARK_AT: Final = len(_MAGIC) + _NAMES.size
_START: Final = _MARK_AT + _MARK.size
_HEAD: Final = struct.Struct("<IIQ")  # of a frame: length, checksum, number
_CHECK: Final = 4  # bytes of a checksum
_FLAGS: Final = getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
_TRIES: Final = 5


class Frame(NamedTuple):
    """One acknowledged write: its number, and what was written."""

    number: int
    payload: bytes


class Journal:
    """An open journal, and how far it was read. Its methods raise OSError as files do."""

    def __init__(self, path: str, engine: str) -> None:
        self.path = path
        self._engine = engine
        try:
            self._descriptor = os.open(path, os.O_RDWR | _FLAGS)
        except PermissionError:  # who only reads needs no more
            self._descriptor = os.open(path, os.O_RDONLY | _FLAGS)
        try:
            self._read_header()
        except BaseException:
            self.close()
            raise
        self.offset = _START
        """Where the next frame that was not read begins."""
        self.last = self.base
        """The number of the last frame that was read or written."""

    @classmethod
    def create(cls, path: str, engine: str, store: bytes, base: int, *, sync: bool) -> Journal:
        """A new journal of a store, 16 bytes of name, whose file holds all up to frame `base`."""
        names = _NAMES.pack(store, base, 0)[:-_CHECK]
        header = [_MAGIC, names, crc32(names).to_bytes(_CHECK, "little"), _mark(_START)]
        replace_file(path, header, sync=sync)
        return cls(path, engine)

    def _read_header(self) -> None:
        header = self._read(0, _START)
        if len(header) < _START or not header.startswith(_MAGIC):
            raise self._damaged("its beginning")
        names = header[len(_MAGIC) : _MARK_AT]
        self.store: bytes
        """The name of the store that it belongs to."""
        self.base: int
        """The number of the frame before its first."""
        self.store, self.base, check = _NAMES.unpack(names)
        if check != crc32(names[:-_CHECK]):
            raise self._damaged("its beginning")

    @property
    def stamp(self) -> Stamp:
        """The stamp of the open file, which may have been replaced under its name."""
        found = os.fstat(self._descriptor)
        return Stamp(found.st_ino, found.st_size, found.st_mtime_ns)

    @property
    def replaced(self) -> bool:
        """True if another file, or none, has its name now."""
        there = stamp(self.path)
        return there is None or there.inode != self.stamp.inode

    @property
    def unfinished(self) -> bool:
        """True if there is something behind what was acknowledged."""
        return self._marked() < self.stamp.size

    def frames(self) -> Iterator[Frame]:
        """The acknowledged frames that were not read yet. Raises CorruptStore."""
        end = self._marked()
        if end > self.offset:
            yield from self._whole(self._read(self.offset, end - self.offset), end)

    def recover(self) -> Iterator[Frame]:
        """The frames that were not read yet, of writers that died too; for whoever holds the lock.

        What is not whole behind the mark is cut off.
        """
        yield from self.frames()
        end = self.stamp.size
        if end > self.offset:
            behind, place = self._read(self.offset, end - self.offset), 0
            while (found := self._next(behind, place)) is not None:
                place += _HEAD.size + len(found.payload)
                yield self._passed(found)
            if place < len(behind):
                os.ftruncate(self._descriptor, self.offset)
            self._mark()

    def append(self, payload: bytes, *, sync: bool) -> int:
        """Write a frame, for whoever holds the lock and has read everything; its number.

        If it raises, nothing was written, or what was is not acknowledged.
        """
        number = self.last + 1
        head = _HEAD.pack(len(payload), _check(number, payload), number)
        os.lseek(self._descriptor, self.offset, os.SEEK_SET)
        try:
            write_all(self._descriptor, head + payload)
            if sync:
                flush(self._descriptor)
        except BaseException:
            with suppress(OSError):  # what stays is behind the mark
                os.ftruncate(self._descriptor, self.offset)
            raise
        self._passed(Frame(number, payload))
        with suppress(OSError):  # it is written all the same: who writes next finds it, and marks
            self._mark()
        return number

    def close(self) -> None:
        """Close the file."""
        if self._descriptor >= 0:
            descriptor, self._descriptor = self._descriptor, -1
            os.close(descriptor)

    def _mark(self) -> None:
        """Acknowledge what was read and written."""
        os.lseek(self._descriptor, _MARK_AT, os.SEEK_SET)
        write_all(self._descriptor, _mark(self.offset))

    def _marked(self) -> int:
        for _ in range(_TRIES):  # it may be read while it is written
            data = self._read(_MARK_AT, _MARK.size)
            end = int.from_bytes(data[:8], "little")
            if data == _mark(end):
                break
        else:
            raise self._damaged("its mark")
        if end > self.stamp.size:
            raise self._damaged("its end")
        return end

    def _whole(self, data: bytes, end: int) -> Iterator[Frame]:
        place = 0
        while self.offset < end:
            found = self._next(data, place)
            if found is None:
                raise self._damaged(f"byte {self.offset:,}")
            place += _HEAD.size + len(found.payload)
            yield self._passed(found)

    def _next(self, data: bytes, place: int) -> Frame | None:
        """The frame at a place of what was read; None if it is not whole, or not the next."""
        if len(data) - place < _HEAD.size:
            return None
        length, check, number = _HEAD.unpack_from(data, place)
        payload = data[place + _HEAD.size : place + _HEAD.size + length]
        if len(payload) < length or _check(number, payload) != check or number != self.last + 1:
            return None
        return Frame(number, payload)

    def _passed(self, frame: Frame) -> Frame:
        self.offset += _HEAD.size + len(frame.payload)
        self.last = frame.number
        return frame

    def _read(self, start: int, length: int) -> bytes:
        os.lseek(self._descriptor, start, os.SEEK_SET)
        parts = []
        while length > 0 and (part := os.read(self._descriptor, length)):
            parts.append(part)
            length -= len(part)
        return b"".join(parts)

    def _damaged(self, where: str) -> CorruptStore:
        return CorruptStore(
            f"{self.path} is damaged at {where}: restore a backup of it and of the file that it "
            "belongs to; to go on with what that file holds alone, move the journal away",
            engine=self._engine,
            path=self.path,
        )


def _mark(length: int) -> bytes:
    return _MARK.pack(length, crc32(length.to_bytes(8, "little")))


def _check(number: int, payload: bytes) -> int:
    return crc32(payload, crc32(number.to_bytes(8, "little")))
