"""Writing documents into an ordered byte store, each with its index entries in one batch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from docmap.errors import DocmapError, InvalidValue, StorageError
from docmap.plan.engine import Record
from docmap.schema.schema import Schema
from docmap.storage.writes import ANY, Write, keep_unknown, not_unique, stale
from docmap.values import INT_MAX, RANK_NUMBER
from docmap_backends._keyvalue_catalogue import HeldIndex, Table
from docmap_backends._keyvalue_records import COUNTER, key_form, packed, records_of, unpacked
from docmap_backends._keyvalue_store import Batch, ReadableStore
from docmap_backends._keyvalue_tables import KeyValueTables, json_of
from docmap_backends._ordered import above, plain, rank_byte


class KeyValueWriting(KeyValueTables):
    """The hooks that write documents."""

    # -- records

    def _stored(self, view: ReadableStore, schema: Schema, form: bytes) -> Record | None:
        """What is stored under the form of a key."""
        place = records_of(schema.collection) + form
        value = view.get(place)
        return None if value is None else unpacked(place, value, self._place)

    def _store_record(  # noqa: PLR0913, PLR0917 - what was there, what is to be, and where
        self,
        batch: Batch,
        schema: Schema,
        table: Table,
        stored_key: Any,
        form: bytes,
        old: Record | None,
        new: Record,
        names: frozenset[str] | None = None,
    ) -> None:
        """Put a record and its entries. Raises DuplicateKey, nothing changed.

        If `names` are given, it differs from the old one below these alone.
        """
        data = new[0] if isinstance(new[0], bytes) else new[0].encode()
        moved: Iterable[HeldIndex] = table.indexes.values()
        if names is not None and old is not None:
            moved = [index for index in moved if not names.isdisjoint(index.roots)]
        entries: dict[bytes, bytes] = {}
        if moved:
            wire = json_of(schema, table, data)
            for index in moved:
                if index.declared.unique:
                    self._check_owner(batch, schema, index, wire, form)
            before = None if old is None else json_of(schema, table, old[0])
            for index in moved:
                head, places = index.prefix, index.places(wire)
                held: Sequence[bytes] = () if old is None else index.places(before)
                if held != places:
                    for place in held:
                        if place not in places:
                            batch.delete(head + place + form)
                    for place in places:
                        if place not in held:
                            entries[head + place + form] = form
        place = records_of(schema.collection) + form
        entries[place] = packed(place, data, new[1])
        batch.put_all(entries)
        if type(stored_key) is int and old is None:
            self._count_up(batch, schema, stored_key)

    def _check_owner(
        self, batch: Batch, schema: Schema, index: HeldIndex, wire: Any, form: bytes
    ) -> None:
        for place in index.owned(wire):
            low = index.prefix + place
            for _, owner in batch.items(low, above(low)):
                if owner != form:
                    raise not_unique(schema, index.declared)

    def _take_out(self, batch: Batch, schema: Schema, table: Table, form: bytes, data: Any) -> None:
        """Remove a record and its entries."""
        if table.indexes:
            wire = json_of(schema, table, data)
            for index in table.indexes.values():
                for place in index.places(wire):
                    batch.delete(index.prefix + place + form)
        batch.delete(records_of(schema.collection) + form)

    def _put(self, schema: Schema, key: Any, record: Record) -> None:
        self._write_records(schema, [(key, record)])

    def _write_records(self, schema: Schema, records: Sequence[tuple[Any, Record]]) -> None:
        with self._writing() as batch, batch.savepoint():
            table = self._writable(batch, schema)
            for key, record in records:
                stored_key = schema.stored_key(key)
                form = key_form(stored_key)
                old = self._stored(batch, schema, form)
                self._store_record(batch, schema, table, stored_key, form, old, record)

    def _remove(self, schema: Schema, key: Any) -> bool:
        return self._delete(schema, key)

    def _save(self, schema: Schema, write: Write) -> int:
        with self._writing() as batch:
            return self._saved(batch, schema, self._writable(batch, schema), write)

    def _saved(self, batch: Batch, schema: Schema, table: Table, write: Write) -> int:
        stored_key = schema.stored_key(write.key)
        form = key_form(stored_key)
        stored = self._stored(batch, schema, form)
        if stored is None and write.expected < 0:
            revision, data = self._revisions.getrandbits(48), write.data
        else:
            revision = self.checked_revision(schema, write, stored)
            data = write.data if stored is None else keep_unknown(schema, stored[0], write.data)
        self._store_record(batch, schema, table, stored_key, form, stored, (data, revision))
        return revision

    def _save_many(self, schema: Schema, writes: Sequence[Write]) -> list[int]:
        revisions: list[int] = []
        failure: DocmapError | None = None
        with self._writing() as batch:
            table = self._writable(batch, schema)
            for write in writes:
                try:
                    revisions.append(self._saved(batch, schema, table, write))
                except StorageError:
                    raise
                except DocmapError as error:  # what comes before it is to be stored
                    error.done, failure = len(revisions), error
                    break
        if failure is not None:
            raise failure
        return revisions

    def _save_each(self, schema: Schema, writes: Sequence[Write]) -> Iterator[int | DocmapError]:
        found: list[int | DocmapError] = []
        with self._writing() as batch:
            table = self._writable(batch, schema)
            for write in writes:
                try:
                    found.append(self._saved(batch, schema, table, write))
                except StorageError:
                    raise
                except DocmapError as error:
                    found.append(error)
        yield from found

    def _rewrite(
        self, schema: Schema, writes: Sequence[Write], names: frozenset[str] | None
    ) -> list[Write]:
        changed: list[Write] = []
        failure: DocmapError | None = None
        with self._writing() as batch:
            table = self._writable(batch, schema)
            for position, write in enumerate(writes):
                stored_key = schema.stored_key(write.key)
                form = key_form(stored_key)
                stored = self._stored(batch, schema, form)
                if stored is None or stored[1] != write.expected:
                    changed.append(write)
                    continue
                record = (write.data, write.expected + 1)
                try:
                    self._store_record(
                        batch, schema, table, stored_key, form, stored, record, names
                    )
                except StorageError:
                    raise
                except DocmapError as error:
                    error.key, error.done = write.key, position - len(changed)
                    failure = error
                    break
        if failure is not None:
            raise failure
        return changed

    def _delete(self, schema: Schema, key: Any, expected: int = ANY) -> bool:
        with self._writing() as batch:
            form = key_form(schema.stored_key(key))
            stored = self._stored(batch, schema, form)
            if expected != ANY and (stored is None or stored[1] != expected):
                raise stale(schema, deleted=stored is None)
            if stored is None:
                return False
            table = self._table(batch, schema.collection) or Table()
            self._take_out(batch, schema, table, form, stored[0])
            return True

    def _delete_keys(self, schema: Schema, records: Iterable[tuple[Any, int]]) -> int:
        deleted = 0
        with self._writing() as batch:
            table = self._table(batch, schema.collection) or Table()
            for key, revision in records:
                form = key_form(schema.stored_key(key))
                stored = self._stored(batch, schema, form)
                if stored is not None and stored[1] == revision:
                    self._take_out(batch, schema, table, form, stored[0])
                    deleted += 1
        return deleted

    # -- counted keys, copies

    def _next_key(self, schema: Schema) -> int:
        with self._writing() as batch:
            key = self._highest(batch, schema) + 1
            if key > INT_MAX:
                raise InvalidValue(
                    f"{schema.collection} has used the last int key: give {schema.key} yourself",
                    collection=schema.collection,
                    field=schema.key,
                )
            batch.put(COUNTER + schema.collection.encode(), key.to_bytes(8, "big"))
            return key

    def _highest(self, view: ReadableStore, schema: Schema) -> int:
        """The highest int key that was counted or used: other programs do not count."""
        counted = view.get(COUNTER + schema.collection.encode())
        low = records_of(schema.collection) + rank_byte(RANK_NUMBER)
        last = next(iter(view.keys(low, above(low), reverse=True)), None)
        used = 0 if last is None else plain(last[len(low) - 1 :])
        assert isinstance(used, int)  # noqa: S101 - of numbers only ints are keys
        return max(used, int.from_bytes(counted or b"", "big"))

    def _count_up(self, batch: Batch, schema: Schema, key: int) -> None:
        """Keep the counter beyond a key that was given by hand."""
        place = COUNTER + schema.collection.encode()
        if key > int.from_bytes(batch.get(place) or b"", "big"):
            batch.put(place, key.to_bytes(8, "big"))

    def _key_name(self, collection: str) -> str:
        table = self._table(self._here(), collection)
        names = [] if table is None else table.key_names
        return names[0] if len(names) == 1 else ""

    def _counted_key(self, schema: Schema) -> int:
        return self._highest(self._here(), schema)

    def _count_to(self, schema: Schema, key: int) -> None:
        with self._writing() as batch:
            self._writable(batch, schema)
            self._count_up(batch, schema, key)
