"""Identifiers that docmap makes itself: ObjectId as MongoDB has them, and version-7 UUIDs."""

from __future__ import annotations

import os
import secrets
import threading
import time as clock
from typing import Any, Self
from uuid import UUID


class ObjectId:
    """A 12-byte identifier as MongoDB makes them: 4 bytes of time, 5 of process, 3 of counter.

    `ObjectId()` is new, `ObjectId("55f14312c7447c3da7051b26")` and `ObjectId(b"...")` are given
    ones. Ordered byte by byte; `str()` is 24 hexadecimal digits in lower case.
    Source: the BSON specification, type 0x07.

    >>> str(ObjectId("55F14312C7447C3DA7051B26"))
    '55f14312c7447c3da7051b26'
    """

    __slots__ = ("binary",)
    binary: bytes

    def __init__(self, value: str | bytes | ObjectId | None = None) -> None:
        if value is None:
            binary = _object_ids.new()
        elif isinstance(value, ObjectId):
            binary = value.binary
        elif isinstance(value, bytes) and len(value) == 12:
            binary = value
        elif isinstance(value, str) and len(value) == 24:
            try:
                binary = bytes.fromhex(value)
            except ValueError:
                raise ValueError("an ObjectId is 24 hexadecimal digits") from None
            if len(binary) != 12:
                raise ValueError("an ObjectId is 24 hexadecimal digits")
        else:
            raise ValueError("an ObjectId is 12 bytes or 24 hexadecimal digits")
        object.__setattr__(self, "binary", binary)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError("an ObjectId does not change")

    def __str__(self) -> str:
        return self.binary.hex()

    def __repr__(self) -> str:
        return f"ObjectId('{self.binary.hex()}')"

    def __eq__(self, other: object) -> bool:
        return self.binary == other.binary if isinstance(other, ObjectId) else NotImplemented

    def __lt__(self, other: Any) -> bool:
        return self.binary < other.binary if isinstance(other, ObjectId) else NotImplemented

    def __le__(self, other: Any) -> bool:
        return self.binary <= other.binary if isinstance(other, ObjectId) else NotImplemented

    def __gt__(self, other: Any) -> bool:
        return self.binary > other.binary if isinstance(other, ObjectId) else NotImplemented

    def __ge__(self, other: Any) -> bool:
        return self.binary >= other.binary if isinstance(other, ObjectId) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.binary)

    def __reduce__(self) -> tuple[type[ObjectId], tuple[bytes]]:
        return (ObjectId, (self.binary,))

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: object) -> Self:
        return self

    @classmethod
    def __get_pydantic_core_schema__(cls, source: object, handler: object) -> Any:
        from pydantic_core import core_schema

        return core_schema.no_info_plain_validator_function(
            cls,
            json_schema_input_schema=core_schema.str_schema(pattern="^[0-9a-fA-F]{24}$"),
            serialization=core_schema.to_string_ser_schema(when_used="json"),
        )


class _ObjectIds:
    """Makes new ObjectIds; a forked child gets a process part of its own."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process = b""
        self._pid = -1
        self._counter = 0

    def new(self) -> bytes:
        with self._lock:
            if self._pid != os.getpid():
                self._pid = os.getpid()
                self._process = secrets.token_bytes(5)
                self._counter = secrets.randbits(24)
            self._counter = (self._counter + 1) & 0xFFFFFF
            now = int(clock.time()) & 0xFFFFFFFF
            return now.to_bytes(4, "big") + self._process + self._counter.to_bytes(3, "big")


_object_ids = _ObjectIds()


class _UUIDs:
    """Makes version-7 UUIDs that rise within a process; a forked child starts anew.

    The monotonic random method of RFC 9562, 6.2: within one millisecond the random part of the last
    one is raised by a random step.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pid = -1
        self._time = 0
        self._random = 0

    def new(self) -> UUID:
        with self._lock:
            now = clock.time_ns() // 1_000_000
            if now > self._time or self._pid != os.getpid():
                self._pid, self._time = os.getpid(), now
                self._random = secrets.randbits(_RANDOM_BITS)
            else:  # also where the clock was set back
                self._random += 1 + secrets.randbits(32)
                if self._random >> _RANDOM_BITS:
                    self._time += 1
                    self._random = secrets.randbits(_RANDOM_BITS)
            time, random = self._time, self._random
        high, low = random >> 62, random & (1 << 62) - 1
        return UUID(int=time << 80 | 0x7 << 76 | high << 64 | 0b10 << 62 | low)


_RANDOM_BITS = 74
_uuids = _UUIDs()


def uuid7() -> UUID:
    """A new version-7 UUID: 48 bits of Unix milliseconds, then 74 random bits (RFC 9562, 5.7).

    Those that one process makes sort in the order in which they were made.
    """
    return _uuids.new()


def uuid7_text() -> str:
    """`str(uuid7())`: what a document's `id` is by default."""
    return str(uuid7())
