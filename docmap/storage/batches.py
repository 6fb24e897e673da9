"""What waits to be written in one commit: documents, where they stood in the call, their size.

An engine may take new documents ahead, while those after them are still being prepared.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, Generic, Protocol, TypeVar

from docmap.storage.writes import Write

P = TypeVar("P")

CHUNK: Final = 1000
"""Documents that are taken at once from what gives them."""
_BYTES: Final = 16_000_000  # large documents make smaller batches


class Ahead(Protocol):
    """New documents on their way into an engine: stored when it is finished, all or none."""

    def send(self, writes: Sequence[Write], /) -> None:
        """Send some more. Raises StorageError."""

    def finish(self) -> list[int] | None:
        """Store them; their revisions. None if one of them cannot be, and nothing was stored."""

    def abort(self) -> None:
        """Store none of them. Does nothing once it is finished."""


class Batch(Generic[P]):
    """What is ready to be written, where it stood in the call, and what ended it."""

    __slots__ = ("_begin", "_weight", "ahead", "failure", "positions", "ready")

    def __init__(self, begin: Callable[[], Ahead | None] | None = None) -> None:
        self.ahead: Ahead | None = None
        """What was sent to the engine before the batch is complete."""
        self._begin = begin
        self.ready: list[P] = []
        self.positions: list[int] = []
        self.failure: Exception | None = None
        self._weight = 0

    def add(self, ready: Iterable[P], positions: Iterable[int]) -> None:
        """Let some more wait."""
        before = len(self.ready)
        self.ready.extend(ready)
        self.positions.extend(positions)
        added = self.ready[before:]
        self._weight += sum(map(_weight, added))
        if self._begin is not None and not before and len(added) == CHUNK:
            self.ahead = self._begin()  # there is probably more
        if self.ahead is not None and added:
            self.ahead.send([one[1] for one in added])  # type: ignore[index]

    def finished(self) -> list[int] | None:
        """The revisions of what was sent ahead, which is stored now; None if nothing is."""
        return None if self.ahead is None else self.ahead.finish()

    def abort(self) -> None:
        """Give up what was sent ahead, unless it is finished."""
        if self.ahead is not None:
            self.ahead.abort()

    def full(self, size: int) -> bool:
        """True if it should be written: `size` documents wait, or many bytes."""
        return len(self.ready) >= size or self._weight >= _BYTES


def _weight(ready: Any) -> int:
    """The bytes that wait to be written with a document; none where it is deleted."""
    write = ready[1]
    return len(write.data) if type(write) is Write else 0
