"""Change feeds that miss changes, tell too many, or tell them otherwise than they were made."""

from __future__ import annotations

from docmap import ChangesLost
from docmap.schema.schema import Schema
from docmap.storage.watching import Kind, Logged
from docmap_backends._tables_changes import TableFeed
from docmap_backends._tables_index import Entry
from docmap_backends.memory import MemoryStorage
from tests.conformance.broken.catalogue import broken


@broken("watch:undone")
class TellsWhatIsUndone(MemoryStorage):
    """What a transaction takes back stays in the log, and is told with the next commit."""

    def _changed(self, collection: str, kind: Kind, entry: Entry) -> None:
        if collection in self._changes.watched:
            self._changes.add(collection, kind, (entry.data, entry.revision))
            if self._undo is None:
                self._changes.publish()


@broken("watch:committed")
class TellsAtOnce(MemoryStorage):
    """Changes are told as they are written, not when their transaction is committed."""

    def _changed(self, collection: str, kind: Kind, entry: Entry) -> None:
        if collection in self._changes.watched:
            self._changes.add(collection, kind, (entry.data, entry.revision))
            self._changes.publish()


@broken("watch:inserts_updates")
class TellsNoUpdates(MemoryStorage):
    """An update is told as an insert."""

    def _changed(self, collection: str, kind: Kind, entry: Entry) -> None:
        super()._changed(collection, "insert" if kind == "update" else kind, entry)


class _TellsOtherwise(MemoryStorage):
    feed: type[TableFeed]

    def _watch(self, schema: Schema, after: str | None) -> TableFeed:
        super()._watch(schema, after)  # what it refuses
        return self.feed(self._changes, schema.collection, after)


class _Newest(TableFeed):
    def fetch(self) -> list[Logged]:
        return super().fetch()[::-1]


@broken("watch:order_of_the_writes")
class TellsTheNewestFirst(_TellsOtherwise):
    """What was not fetched yet comes in the order from the newest change to the oldest."""

    feed = _Newest


class _Once(TableFeed):
    def fetch(self) -> list[Logged]:
        found = super().fetch()
        return [one._replace(token=found[-1].token) for one in found]


@broken("watch:behind_each_token")
class TokensOfBatches(_TellsOtherwise):
    """The token of a change stands behind all that was fetched with it: going on misses some."""

    feed = _Once


class _Forgiving(TableFeed):
    def _check_kept(self) -> None:
        try:
            super()._check_kept()
        except ChangesLost:
            self._position = self._log.last


@broken("watch:unwatch")
class LosesSilently(_TellsOtherwise):
    """A place in the log whose next changes are gone goes on behind them without a word."""

    feed = _Forgiving
