"""The end of a log that a failure of the machine left behind: batches that nobody acknowledged.

A file system may have made room for the last batch and lost its bytes. LevelDB, told to be strict,
then refuses the whole store; what is behind the last acknowledged batch can go.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from docmap_backends._leveldb_files import BATCH_START, Damaged, Piece, batch_number, pieces

_POLYNOMIAL: Final = 0x82F63B78  # CRC-32C, its bits reversed
_MASK: Final = 0xA282EAD8  # LevelDB's: a checksum of checksums would be weak


def cut_torn_tail(directory: Path, acknowledged: int) -> bool:
    """Cut the newest log before its first damaged batch, if none of those was acknowledged.

    True if something was cut off. Numbers of batches begin at 1.
    """
    logs = sorted(directory.glob("*.log"), key=lambda path: int(path.stem))
    if not logs:
        return False
    place = _torn_at(logs[-1], acknowledged)
    if place is None:
        return False
    with logs[-1].open("r+b") as file:
        file.truncate(place)
        os.fsync(file.fileno())
    return True


def _torn_at(path: Path, acknowledged: int) -> int | None:
    """Where the first damaged batch begins; None if there is none, or it was acknowledged."""
    data = path.read_bytes()
    last, whole = -1, 0  # the last sound batch, and where it ends
    record: list[Piece] = []
    try:
        for piece in pieces(path, data):
            record = [piece] if piece.first else [*record, piece]
            if not piece.last:
                continue
            number = last + 1 if last >= acknowledged else _number(data, record)
            if number is None:  # another program's, or what its damage has left
                if not all(_sound(data, one) for one in record):
                    return None
                whole, record = piece.end, []
                continue
            if number > acknowledged and not all(_sound(data, one) for one in record):
                return whole
            last, whole, record = number, piece.end, []
        # LevelDB looks at the pieces of a record that has no end, too.
        if record and (last >= acknowledged or (_number(data, record) or 0) > acknowledged):
            return whole
    except Damaged:
        return whole if last >= acknowledged else None
    return None


def _number(data: bytes, record: list[Piece]) -> int | None:
    return batch_number(b"".join(data[one.start : one.end] for one in record[:BATCH_START]))


def _sound(data: bytes, piece: Piece) -> bool:
    """True if a piece has the checksum that is before it."""
    masked = int.from_bytes(data[piece.header : piece.header + 4], "little")
    value = (masked - _MASK) & 0xFFFFFFFF
    table = _table()
    checksum = 0xFFFFFFFF
    for byte in data[piece.start - 1 : piece.end]:  # with the kind of the piece
        checksum = table[(checksum ^ byte) & 255] ^ (checksum >> 8)
    return checksum ^ 0xFFFFFFFF == (value >> 17 | value << 15) & 0xFFFFFFFF


def _table() -> list[int]:
    table = []
    for number in range(256):
        value = number
        for _ in range(8):
            value = value >> 1 ^ (_POLYNOMIAL if value & 1 else 0)
        table.append(value)
    return table
