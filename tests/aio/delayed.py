"""An engine in memory whose driver is awaited: each of its calls lets other tasks run."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from docmap.plan.engine import NativeQuery, Record
from docmap.schema.schema import Schema
from docmap.storage.bridge import sleep, wait
from docmap.storage.watching import Feed, Logged
from docmap.storage.writes import Write
from docmap_backends.memory import MemoryStorage


class DelayedStorage(MemoryStorage):
    """Documents in memory, behind a pretended network."""

    scheme = "delayed"
    has_async = True

    calls = 0
    gate: asyncio.Event | None = None
    """What each call waits for, if it is to wait longer than for its turn."""
    read = 0
    """How many records a search has read."""

    def _call(self) -> Any:
        self.calls += 1
        if not self.is_async:
            return None
        return asyncio.sleep(0) if self.gate is None else self.gate.wait()

    def _connect(self) -> None:
        wait(self._call())
        super()._connect()

    def _disconnect(self) -> None:
        wait(self._call())
        super()._disconnect()

    def _ping(self) -> None:
        wait(self._call())

    def _get(self, schema: Schema, key: Any) -> Record | None:
        wait(self._call())
        return super()._get(schema, key)

    def _save(self, schema: Schema, write: Write) -> int:
        with self._mutex:
            wait(self._call())
            return super()._save(schema, write)

    def _save_many(self, schema: Schema, writes: Sequence[Write]) -> list[int]:
        with self._mutex:
            wait(self._call())
            return super()._save_many(schema, writes)

    def _find(self, schema: Schema, query: NativeQuery) -> Iterator[Record]:
        for position, record in enumerate(super()._find(schema, query)):
            if position % 10 == 0:
                wait(self._call())
            self.read += 1
            yield record

    def _count(self, schema: Schema, condition: Any) -> int:
        wait(self._call())
        return super()._count(schema, condition)

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with super()._transaction():
            wait(self._call())
            try:
                yield
            finally:
                wait(self._call())

    def _watch(self, schema: Schema, after: str | None) -> Any:
        wait(self._call())
        return _Feed(super()._watch(schema, after))


class _Feed:
    """A feed that looks again and again, and never holds up the event loop."""

    def __init__(self, feed: Feed) -> None:
        self._feed = feed
        self._closed = False

    @property
    def token(self) -> str:
        return self._feed.token

    def fetch(self) -> list[Logged]:
        return self._feed.fetch()

    def wait(self, seconds: float | None) -> None:
        sleep(0.001 if seconds is None else min(seconds, 0.001))

    def close(self) -> None:
        self._feed.close()
