"""The log of changes of tables in memory, and places in it that wait for the next ones."""

from __future__ import annotations

import secrets
import threading
from collections import deque
from typing import NamedTuple

from docmap.errors import NotConnected
from docmap.plan.engine import Record
from docmap.storage.watching import NO_MORE, Kind, Logged, lost, position_of, token_of


class _Entry(NamedTuple):
    number: int
    collection: str
    kind: Kind
    record: Record


class ChangeLog:
    """The last `kept` changes of the collections that somebody has watched.

    Writers add under the lock of their storage, and publish what they added when it is committed.
    """

    def __init__(self, kept: int) -> None:
        self.kept = kept
        self.watched: set[str] = set()
        self.news = threading.Condition()
        self._added: list[tuple[str, Kind, Record]] = []
        self._start()

    def _start(self) -> None:
        self.name = secrets.token_hex(8)
        self.last = 0
        self.entries: deque[_Entry] = deque()
        self.dropped: dict[str, int] = {}
        """For each collection the number of its last change that is not kept any more."""

    def add(self, collection: str, kind: Kind, record: Record) -> None:
        """Note a change that is not committed yet."""
        self._added.append((collection, kind, record))

    def take_back(self) -> None:
        """Forget the change that was noted last."""
        self._added.pop()

    def publish(self) -> None:
        """What was noted is committed."""
        if not self._added:
            return
        with self.news:
            for collection, kind, record in self._added:
                self.last += 1
                self.entries.append(_Entry(self.last, collection, kind, record))
                if len(self.entries) > self.kept:
                    old = self.entries.popleft()
                    self.dropped[old.collection] = old.number
            self._added.clear()
            self.news.notify_all()

    def unwatch(self, collection: str) -> None:
        """Log no more of a collection; who stands in its log has lost what would follow."""
        with self.news:
            if collection in self.watched:
                self.watched.discard(collection)
                self.last += 1
                self.dropped[collection] = self.last
                self.news.notify_all()

    def forget(self) -> None:
        """Begin anew, as the storage does when it is closed."""
        with self.news:
            self.watched.clear()
            self._added.clear()
            self._start()
            self.news.notify_all()


class TableFeed:
    """A place in the log of one collection."""

    def __init__(
        self, log: ChangeLog, collection: str, after: str | None, engine: str = "memory"
    ) -> None:
        self._log = log
        self._engine = engine
        self._collection = collection
        self._closed = False
        with log.news:
            self._name = log.name
            self._position = log.last
            if after is not None:
                known = log.name if collection in log.watched else None
                self._position = position_of(after, known, collection, log.last)
                self._check_kept()
            log.watched.add(collection)

    @property
    def token(self) -> str:
        """The place behind everything that was fetched."""
        return self._token(self._position)

    def _token(self, position: int) -> str:
        return token_of(self._name, self._collection, position)

    def _check_kept(self) -> None:
        if self._log.dropped.get(self._collection, 0) > self._position:
            if self._collection not in self._log.watched:
                raise lost(self._collection, NO_MORE)
            raise lost(self._collection, f"as only the last {self._log.kept:,} are")

    def fetch(self) -> list[Logged]:
        """The changes that follow."""
        with self._log.news:
            if self._log.name != self._name:
                raise NotConnected(
                    f"the storage was closed since this watch of {self._collection} began, and "
                    "what memory held is gone: watch it again",
                    engine=self._engine,
                    collection=self._collection,
                )
            self._check_kept()
            found = []
            for entry in reversed(self._log.entries):
                if entry.number <= self._position:
                    break
                if entry.collection == self._collection:
                    token = self._token(entry.number)
                    found.append(Logged(entry.kind, entry.record, token))
            self._position = self._log.last
        found.reverse()
        return found

    def wait(self, seconds: float | None) -> None:
        """Return when something was published, after `seconds`, or when it is closed."""
        with self._log.news:
            self._log.news.wait_for(self._woken, seconds)

    def _woken(self) -> bool:
        return self._closed or self._log.name != self._name or self._log.last > self._position

    def close(self) -> None:
        """End what waits."""
        self._closed = True
        with self._log.news:
            self._log.news.notify_all()
