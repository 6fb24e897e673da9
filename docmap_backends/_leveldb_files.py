"""What LevelDB does not notice of its own files: looked at before it opens them.

LevelDB takes a log that ends early, or that has zeros in it, for one whose writer died: what was
behind is gone without a word, and so are the tables that a lost entry of its manifest named. docmap
begins each batch with its number, so a gap shows; the manifest names files, which must be there.
https://github.com/google/leveldb/blob/main/doc/log_format.md describes the blocks.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Final, NamedTuple

MARK: Final = b""
"""The key under which the number of the last batch is: the first entry of every batch."""

_BLOCK: Final = 32_768
_HEADER: Final = struct.Struct("<4xHB")  # of a piece: a checksum, its length, its kind
_FULL, _FIRST, _MIDDLE, _LAST = 1, 2, 3, 4
# A batch: its sequence (8 bytes), the number of its entries (4); then the first entry: a put (1)
# of a key without bytes (0) and a value of 8.
_BATCH: Final = struct.Struct("<12x3sQ")
BATCH_START: Final = _BATCH.size
"""How many bytes of a batch say which it is."""
_PUT_OF_MARK: Final = b"\x01\x00\x08"


class Damaged(Exception):
    """A file that is not as LevelDB wrote it."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"{path.name} is damaged")
        self.path = path


class Manifest(NamedTuple):
    """What a manifest says: the oldest log that is needed, and the sizes of the tables."""

    log: int
    tables: dict[int, int]


def sizes(directory: Path) -> dict[str, int]:
    """The sizes in bytes of the files, by name; of those that LevelDB is deleting none."""
    found: dict[str, int] = {}
    with os.scandir(directory) as entries:
        for entry in entries:
            with suppress(FileNotFoundError):
                found[entry.name] = entry.stat().st_size
    return found


def check_files(directory: Path) -> int | None:
    """The number of the last batch in the logs; None if they hold none.

    Raises Damaged for what LevelDB would take for a shorter history.
    """
    names = {path.name: path for path in directory.iterdir()}
    logs = {int(path.stem): path for path in names.values() if path.suffix == ".log"}
    tables = {int(path.stem): path for path in names.values() if path.suffix in {".ldb", ".sst"}}
    if "CURRENT" not in names:
        if logs or tables:  # LevelDB would begin anew
            raise Damaged(directory / "CURRENT")
        return None
    try:
        current = directory / names["CURRENT"].read_text("ascii").rstrip("\n")
    except UnicodeDecodeError:
        raise Damaged(names["CURRENT"]) from None
    if current.name not in names:
        raise Damaged(names["CURRENT"])
    manifest = _manifest(current)
    for number, size in manifest.tables.items():
        if number not in tables or tables[number].stat().st_size != size:
            raise Damaged(tables.get(number, directory / f"{number:06d}.ldb"))
    if manifest.log and manifest.log not in logs:
        # It is deleted only when a later entry of the manifest says so: that entry is lost.
        raise Damaged(current)
    return _last_batch([logs[number] for number in sorted(logs) if number >= manifest.log])


def _last_batch(logs: list[Path]) -> int | None:
    """The number of the last batch in the logs, oldest first; raises Damaged for a gap."""
    for log, next_log in pairwise(logs):
        # LevelDB begins another log when one is full: an earlier one has lost what it held.
        if _is_empty(log) and not _is_empty(next_log):
            raise Damaged(log)
    last: int | None = None
    for log in logs:
        for batch in _batches(log):
            # A batch whose write failed is tried again under its number.
            if last is not None and batch not in {last, last + 1}:
                raise Damaged(log)
            last = batch
    return last


def _is_empty(log: Path) -> bool:
    return next(_records(log, 1), None) is None


def _batches(path: Path) -> Iterator[int]:
    for record in _records(path, BATCH_START):
        number = batch_number(record)
        if number is not None:
            yield number


def batch_number(record: bytes) -> int | None:
    """The number that a batch begins with; None for one that was not written by docmap.

    Where damage has taken the number LevelDB notices, by the checksum of the piece.
    """
    if len(record) < BATCH_START:
        return None
    start, number = _BATCH.unpack_from(record)
    return int(number) if start == _PUT_OF_MARK else None


def _records(path: Path, size: int | None = None) -> Iterator[bytes]:
    """The records of a log, or their first bytes. What is not whole at its end is left out."""
    data = path.read_bytes()
    record = b""
    for piece in pieces(path, data):
        if piece.first:
            record = b""
        if size is None or len(record) < size:
            end = piece.end if size is None else min(piece.end, piece.start + size)
            record += data[piece.start : end]
        if piece.last:
            yield record


class Piece(NamedTuple):
    """A part of a record: where its header is, and its content."""

    header: int
    start: int
    end: int
    first: bool
    last: bool


def pieces(path: Path, data: bytes) -> Iterator[Piece]:
    """The pieces in a log's blocks, up to one that is not whole. Raises Damaged."""
    place, size = 0, len(data)
    while True:
        left = _BLOCK - place % _BLOCK
        if left < _HEADER.size:
            place += left
            continue
        start = place + _HEADER.size
        if start > size:
            return
        length, kind = _HEADER.unpack_from(data, place)
        if not kind and not length:
            if any(data[place:]):
                raise Damaged(path)
            return  # a file system that had made room, and had not written yet
        end = start + length
        if end > size:
            return
        if length + _HEADER.size > left or kind not in {_FULL, _FIRST, _MIDDLE, _LAST}:
            raise Damaged(path)
        yield Piece(place, start, end, kind in {_FULL, _FIRST}, kind in {_FULL, _LAST})
        place = end


def _manifest(path: Path) -> Manifest:
    log = 0
    tables: dict[int, int] = {}
    try:
        for record in _records(path):
            log = _edit(record, log, tables)
    except (IndexError, KeyError):
        raise Damaged(path) from None
    return Manifest(log, tables)


def _edit(record: bytes, log: int, tables: dict[int, int]) -> int:
    """Apply one entry of a manifest to the tables; the oldest log that is needed after it."""
    place = 0

    def number() -> int:
        nonlocal place
        value = shift = 0
        while True:
            byte = record[place]
            place += 1
            value |= (byte & 127) << shift
            if byte < 128:
                return value
            shift += 7

    def text() -> None:
        nonlocal place
        length = number()
        place += length

    while place < len(record):
        match number():
            case 1:  # the name of the order of keys
                text()
            case 2:
                log = number()
            case 3 | 4 | 9:  # the next file, the last sequence, a log of old versions
                number()
            case 5:  # where the next compaction of a level begins
                number()
                text()
            case 6:  # a table that is not needed any more
                number()
                tables.pop(number(), None)
            case 7:  # a new table
                number()
                name = number()
                tables[name] = number()
                text()
                text()
            case tag:
                raise KeyError(tag)
    return log
