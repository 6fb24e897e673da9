"""What waits to be written in one commit: documents, where they stood in the call, their size."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, Generic, TypeVar

from docmap.storage.writes import Write

P = TypeVar("P")

CHUNK: Final = 1000
"""Documents that are taken at once from what gives them."""
_BYTES: Final = 16_000_000  # large documents make smaller batches


class Batch(Generic[P]):
    """What is ready to be written, where it stood in the call, and what ended it."""

    __slots__ = ("_weight", "failure", "positions", "ready")

    def __init__(self) -> None:
        self.ready: list[P] = []
        self.positions: list[int] = []
        self.failure: Exception | None = None
        self._weight = 0

    def add(self, ready: Iterable[P], positions: Iterable[int]) -> None:
        """Let some more wait."""
        before = len(self.ready)
        self.ready.extend(ready)
        self.positions.extend(positions)
        self._weight += sum(map(_weight, self.ready[before:]))

    def full(self, size: int) -> bool:
        """True if it should be written: `size` documents wait, or many bytes."""
        return len(self.ready) >= size or self._weight >= _BYTES


def _weight(ready: Any) -> int:
    """The bytes that wait to be written with a document; none where it is deleted."""
    write = ready[1]
    return len(write.data) if type(write) is Write else 0
