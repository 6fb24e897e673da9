"""What an ordered byte store is, and a batch of changes over one that reads its own writes."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from itertools import chain
from typing import Final, Protocol

from docmap_backends._ordered import above

_FEW: Final = 32  # keys up to which putting in each beats sorting all


class ReadableStore(Protocol):
    """Bytes under bytes, in the order of their bytes.

    A store may have more methods, which are used where they are there: `get_many(keys)`,
    `values(low, high)`, `count(low, high)` and `runs(low, high, head)`, which do what `fetched`,
    `valued`, `counted` and `runs` of this module do.
    """

    def get(self, key: bytes) -> bytes | None:
        """The value of a key; None if there is none. Raises CorruptStore."""

    def items(
        self, low: bytes, high: bytes | None, *, reverse: bool = False
    ) -> Iterator[tuple[bytes, bytes]]:
        """Keys and values with `low <= key < high` as they are now, whatever is written since.

        `high` None is open. Raises CorruptStore.
        """

    def keys(self, low: bytes, high: bytes | None, *, reverse: bool = False) -> Iterator[bytes]:
        """The keys alone, as `items`."""


class OrderedStore(ReadableStore, Protocol):
    """A store that many threads may use. All of it raises docmap's errors, not the driver's."""

    def write(self, puts: Mapping[bytes, bytes], deletes: Collection[bytes]) -> None:
        """Make all of the changes or none, as durable as the store's options say.

        No key is in both. Called inside `writing` by its thread.
        """

    def writing(self) -> AbstractContextManager[None]:
        """Nobody else writes meanwhile, in this process or another. Not entered twice by a thread.

        Raises StoreLocked where another process does not end.
        """

    def snapshot(self) -> AbstractContextManager[ReadableStore]:
        """What is stored now, for as long as the block lasts.

        Inside `writing` it is what `get` and `items` read.
        """

    def close(self) -> None:
        """Close it, in whatever state it is. What still streams ends with an error."""


class Batch:
    """Changes that are not written yet, over what is stored: reading sees both."""

    def __init__(self, base: ReadableStore) -> None:
        self._base = base
        self.changes: dict[bytes, bytes | None] = {}
        """What each key is to have; None deletes."""
        self._order: list[bytes] = []
        self._fresh: list[bytes] = []
        self._undo: list[tuple[bytes, bytes | None, bool]] | None = None

    def get(self, key: bytes) -> bytes | None:
        """The value of a key, as it will be."""
        return self.changes[key] if key in self.changes else self._base.get(key)

    def get_many(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """The values of keys, as they will be."""
        changes = self.changes
        stored = [key for key in keys if key not in changes] if changes else keys
        if not stored:
            return [changes[key] for key in keys]
        values = dict(zip(stored, fetched(self._base, stored), strict=True))
        return [changes[key] if key in changes else values[key] for key in keys]

    def put(self, key: bytes, value: bytes) -> None:
        """Store a value under a key."""
        self._set(key, value)

    def put_all(self, entries: Mapping[bytes, bytes]) -> None:
        """Store values under keys."""
        if self._undo is not None:
            for key, value in entries.items():
                self._set(key, value)
            return
        changes = self.changes
        self._fresh += [key for key in entries if key not in changes]
        changes.update(entries)

    def delete(self, key: bytes) -> None:
        """Remove a key, whether it is there or not."""
        self._set(key, None)

    def _set(self, key: bytes, value: bytes | None) -> None:
        if self._undo is not None:
            self._undo.append((key, self.changes.get(key), key in self.changes))
        if key not in self.changes:
            self._fresh.append(key)
        self.changes[key] = value

    def items(
        self, low: bytes, high: bytes | None, *, reverse: bool = False
    ) -> Iterator[tuple[bytes, bytes]]:
        """Keys and values of a range, as they will be."""
        changed = self._changed(low, high)
        if not changed:
            return self._base.items(low, high, reverse=reverse)
        return _merged(self._base.items(low, high, reverse=reverse), changed, reverse=reverse)

    def keys(self, low: bytes, high: bytes | None, *, reverse: bool = False) -> Iterator[bytes]:
        """The keys of a range, as they will be."""
        if not self._changed(low, high):
            return self._base.keys(low, high, reverse=reverse)
        return (key for key, _ in self.items(low, high, reverse=reverse))

    def _changed(self, low: bytes, high: bytes | None) -> list[tuple[bytes, bytes | None]]:
        """The changes within a range, as they are now, in order."""
        if not self.changes:
            return []
        if len(self._fresh) > _FEW:
            self._order += self._fresh
            self._order.sort()
        else:
            for key in self._fresh:
                insort(self._order, key)
        self._fresh = []
        start = bisect_left(self._order, low)
        end = len(self._order) if high is None else bisect_left(self._order, high)
        return [(key, self.changes[key]) for key in self._order[start:end]]

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """Take back what the block changed if an exception leaves it."""
        outer, self._undo = self._undo, []
        try:
            yield
        except BaseException:
            for key, value, had in reversed(self._undo):
                if had:
                    self.changes[key] = value
                else:
                    del self.changes[key]
            self._order, self._fresh = [], list(self.changes)
            self._undo = outer
            raise
        if outer is not None:
            outer.extend(self._undo)
        self._undo = outer

    def write_to(self, store: OrderedStore) -> None:
        """Make the changes; nothing happens if there are none."""
        if self.changes:
            deletes = [key for key, value in self.changes.items() if value is None]
            for key in deletes:
                del self.changes[key]
            store.write(self.changes, deletes)  # type: ignore[arg-type]  # without None


def _merged(
    stored: Iterator[tuple[bytes, bytes]],
    changed: list[tuple[bytes, bytes | None]],
    *,
    reverse: bool,
) -> Iterator[tuple[bytes, bytes]]:
    """What is stored, with the changes in their places."""
    place = iter(reversed(changed) if reverse else changed)
    key, value = next(place)
    for held, data in stored:
        while held > key if not reverse else held < key:
            if value is not None:
                yield key, value
            following = next(place, None)
            if following is None:
                yield from chain([(held, data)], stored)
                return
            key, value = following
        if held != key:
            yield held, data
    while True:
        if value is not None:
            yield key, value
        following = next(place, None)
        if following is None:
            return
        key, value = following


def fetched(view: ReadableStore, keys: Sequence[bytes]) -> Sequence[bytes | None]:
    """The values of keys; at once where the store has a way to."""
    many: Callable[[Sequence[bytes]], Sequence[bytes | None]] | None
    many = getattr(view, "get_many", None)
    return many(keys) if many is not None else [view.get(key) for key in keys]


def valued(view: ReadableStore, low: bytes, high: bytes | None) -> Iterator[bytes]:
    """The values of a range, in the order of their keys."""
    values: Callable[[bytes, bytes | None], Iterator[bytes]] | None
    values = getattr(view, "values", None)
    return values(low, high) if values is not None else (v for _, v in view.items(low, high))


def counted(view: ReadableStore, low: bytes, high: bytes) -> int:
    """How many keys lie in a range."""
    count: Callable[[bytes, bytes], int] | None = getattr(view, "count", None)
    return count(low, high) if count is not None else sum(1 for _ in view.keys(low, high))


def runs(
    view: ReadableStore, low: bytes, high: bytes, head: Callable[[bytes], bytes]
) -> Iterator[bytes]:
    """The first key of each run of keys with the same head, which is how they begin."""
    skipping: Callable[..., Iterator[bytes]] | None = getattr(view, "runs", None)
    if skipping is not None:
        yield from skipping(low, high, head)
        return
    first = next(iter(view.keys(low, high)), None)
    while first is not None:
        yield first
        behind = above(head(first))
        first = None if behind is None else next(iter(view.keys(behind, high)), None)
