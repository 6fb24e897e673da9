"""An ordered byte store in memory, and a storage over it that needs no driver."""

from __future__ import annotations

import threading
from bisect import bisect_left, insort
from collections.abc import Collection, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from docmap_backends._keyvalue import KeyValueStorage


class MemoryView:
    """A sorted list of keys, and their values, as they were at one moment."""

    def __init__(self, order: list[bytes], values: dict[bytes, bytes]) -> None:
        self._order = order
        self._values = values

    def get(self, key: bytes) -> bytes | None:
        return self._values.get(key)

    def items(
        self, low: bytes, high: bytes | None, *, reverse: bool = False
    ) -> Iterator[tuple[bytes, bytes]]:
        values = self._values
        return iter([(key, values[key]) for key in self._within(low, high, reverse=reverse)])

    def keys(self, low: bytes, high: bytes | None, *, reverse: bool = False) -> Iterator[bytes]:
        return iter(self._within(low, high, reverse=reverse))

    def _within(self, low: bytes, high: bytes | None, *, reverse: bool) -> list[bytes]:
        start = bisect_left(self._order, low)
        end = len(self._order) if high is None else bisect_left(self._order, high)
        found = self._order[start:end]
        return found[::-1] if reverse else found


class MemoryOrderedStore(MemoryView):
    """The smallest ordered byte store there can be. `held` counts the views that are open."""

    def __init__(self) -> None:
        super().__init__([], {})
        self._lock = threading.RLock()
        self.held = 0

    def write(self, puts: Mapping[bytes, bytes], deletes: Collection[bytes]) -> None:
        with self._lock:
            order, values = self._order, dict(self._values)
            if len(puts) + len(deletes) > 50:
                values.update(puts)
                for key in deletes:
                    values.pop(key, None)
                order = sorted(values)
            else:
                order = list(order)
                for key, value in puts.items():
                    if key not in values:
                        insort(order, key)
                    values[key] = value
                for key in deletes:
                    if values.pop(key, None) is not None:
                        del order[bisect_left(order, key)]
            self._order, self._values = order, values

    def writing(self) -> AbstractContextManager[Any]:
        return self._lock

    @contextmanager
    def snapshot(self) -> Iterator[MemoryView]:
        self.held += 1
        try:
            yield MemoryView(self._order, self._values)
        finally:
            self.held -= 1

    def close(self) -> None:
        self._order, self._values = [], {}


class KeyValueMemory(KeyValueStorage):
    """What engines over an ordered byte store share, over one in memory."""

    scheme = "keyvalue"

    def _open_store(self) -> MemoryOrderedStore:
        return MemoryOrderedStore()
