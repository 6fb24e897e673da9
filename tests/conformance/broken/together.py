"""Adapters that fail where several things belong together: transactions, threads, the life."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

from docmap.plan.engine import NativeQuery, Record
from docmap.schema.schema import Schema
from docmap.storage.writes import Write, keep_unknown
from tests.conformance.broken.catalogue import broken
from tests.conformance.broken.sound import Collection, SoundStorage


@broken("transactions:error")
class NothingIsUndone(SoundStorage):
    """A transaction that fails leaves what it wrote."""

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._mutex:
            yield


@broken("transactions:inside")
class SavepointsAreNot(SoundStorage):
    """A transaction inside another is not undone by itself."""

    _depth = 0

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._mutex:
            if self._depth:
                yield
                return
            self._depth = 1
            try:
                with super()._transaction():
                    yield
            finally:
                self._depth = 0


@broken("transactions:inside")
class InnerUndoesAll(SoundStorage):
    """A transaction inside another that fails undoes the outer one, too."""

    _outer: dict[str, Collection] | None = None

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._mutex:
            outermost = self._outer is None
            if self._outer is None:
                self._outer = {name: table.copy() for name, table in self.held.items()}
            try:
                yield
            except BaseException:
                self.held.clear()
                self.held.update({name: table.copy() for name, table in self._outer.items()})
                raise
            finally:
                if outermost:
                    self._outer = None


@broken("transactions:no_exception")
class OnlyErrorsUndo(SoundStorage):
    """A transaction that KeyboardInterrupt leaves is committed."""

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._mutex:
            before = {name: table.copy() for name, table in self.held.items()}
            try:
                yield
            except Exception:
                self.held.clear()
                self.held.update(before)
                raise


@broken("transactions:undo")
class ClearIsNotUndone(SoundStorage):
    """A transaction that fails does not bring back what was deleted in it."""

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._mutex:
            before = {name: table.copy() for name, table in self.held.items()}
            try:
                yield
            except BaseException:
                for name, table in before.items():
                    now = self.held.get(name, Collection()).records
                    table.records = {key: old for key, old in table.records.items() if key in now}
                self.held.clear()
                self.held.update(before)
                raise


@broken("transactions:own")
class OwnWritesAreNotSeen(SoundStorage):
    """A query inside a transaction shows what was there when it began."""

    _before: dict[str, Collection] | None = None

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._mutex, super()._transaction():
            outer = self._before
            self._before = outer or {name: table.copy() for name, table in self.held.items()}
            try:
                yield
            finally:
                self._before = outer

    def _scan(self, schema: Schema) -> Iterator[Record]:
        if self._before is None:
            return super()._scan(schema)
        held = self._before.get(schema.collection) or Collection()
        return iter(list(held.records.values()))


@broken("transactions:own")
class CountsAreOutside(OwnWritesAreNotSeen):
    """A count inside a transaction does not see what it wrote."""

    _counting = False

    def _scan(self, schema: Schema) -> Iterator[Record]:
        return super()._scan(schema) if self._counting else SoundStorage._scan(self, schema)

    def _count(self, schema: Schema, condition: Any) -> int:
        self._counting = True
        try:
            return super()._count(schema, condition)
        finally:
            self._counting = False


@broken("threads:nobody", "threads:come_one")
class OthersSeeIt(SoundStorage):
    """Other threads see what a transaction has written before it ends, and write between."""

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        before = {name: table.copy() for name, table in self.held.items()}
        try:
            yield
        except BaseException:
            self.held.clear()
            self.held.update(before)
            raise


@broken("threads:insert")
class ThreadsRace(SoundStorage):
    """Two threads that save one document at a time both succeed."""

    def _save(self, schema: Schema, write: Write) -> int:
        stored = self._get(schema, write.key)
        revision = self.checked_revision(schema, write, stored)
        data = write.data if stored is None else keep_unknown(schema, stored[0], write.data)
        self._check_unique(schema, write.key, data)
        time.sleep(0.0005)
        self._put(schema, write.key, (data, revision))
        return revision


@broken("threads:different")
class CountersRace(SoundStorage):
    """Two threads are given one key."""

    def _next_key(self, schema: Schema) -> int:
        table = self.writable(schema)
        key = table.last_key + 1
        time.sleep(0.0005)
        table.last_key = key
        return key


@broken("threads:stream", "threads:see")
class ScansBreak(SoundStorage):
    """A scan fails, or leaves documents out, while another thread writes."""

    def _scan(self, schema: Schema) -> Iterator[Record]:
        for record in self.table(schema).records.values():
            yield record
            time.sleep(0)


@broken("read:nothing")
class ErrorsAreRaw(SoundStorage):
    """What the engine raises reaches the user as it is."""

    def _find(self, schema: Schema, query: NativeQuery) -> Iterator[Record]:
        if schema.collection not in self.held:
            raise KeyError(schema.collection)
        return super()._find(schema, query)


@broken("read:nothing")
class CollectionsMustExist(SoundStorage):
    """Deleting from a collection that was never written to fails."""

    def _delete_matching(self, schema: Schema, condition: Any) -> int:
        assert self.held[schema.collection] is not None
        return super()._delete_matching(schema, condition)


@broken("lifecycle:password")
class PasswordsAreShown(SoundStorage):
    """The repr of the storage, and what it tells about itself, hold the password of its URL."""

    settings: ClassVar[dict[str, type]] = {"password": str}

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.url or ''} {self._options}>"

    def _info(self) -> dict[str, Any]:
        return {"place": repr(self)}
