"""Writing to PostgreSQL: documents with their revisions, each in one statement where it can be."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from typing import Any, Final, TypeVar

import psycopg

from docmap.errors import DocmapError, DuplicateKey, StorageError
from docmap.plan.engine import Record
from docmap.schema.schema import Schema
from docmap.schema.sharding import is_made
from docmap.storage.batches import Ahead
from docmap.storage.writes import ANY, NEW, Write, keep_unknown, not_unique, stale, taken
from docmap_backends._postgresql_ahead import CopiedAhead, copy_statement
from docmap_backends._postgresql_blocks import copy_blocks
from docmap_backends._postgresql_counting import PostgreSQLCounting, counted
from docmap_backends._postgresql_json import storable
from docmap_backends._postgresql_spreading import SHARD
from docmap_backends._postgresql_tables import Table
from docmap_backends._postgresql_unknown import only_known
from docmap_backends._sql_causes import first_cause, taken_index

T = TypeVar("T")

_ROWS: Final = 100  # in one statement
_TRIES: Final = 5
_APART: Final = 2  # connections, of which one is busy while documents are sent ahead


class PostgreSQLWriting(PostgreSQLCounting):
    """The writing half of `postgresql.PostgreSQLStorage`."""

    _revisions: random.Random

    # -- one document

    def _put(self, schema: Schema, key: Any, record: Record) -> None:
        data = record[0] if isinstance(record[0], bytes) else record[0].encode()
        self._storing(
            schema,
            lambda table: self._connections.changed(
                f"INSERT INTO {table.name}({table.columns}) VALUES({table.marks}) "
                f"ON CONFLICT ({table.unique}) DO UPDATE SET {replacing(table)}",
                (table.key_text(schema, key), record[1], storable(data), *table.shard_of(data)),
            ),
        )

    def _remove(self, schema: Schema, key: Any) -> bool:
        def remove(table: Table) -> int:
            return self._connections.changed(
                f"DELETE FROM {table.name} WHERE {table.key} = %s", (table.key_text(schema, key),)
            )

        return self._reading(schema, remove, 0) > 0

    def _save(self, schema: Schema, write: Write) -> int:
        return self._storing(schema, lambda table: self._stored(table, schema, write))

    def _stored(self, table: Table, schema: Schema, write: Write) -> int:
        """Store one document; its new revision."""
        try:
            # Unless a list is in it, a unique index refuses an insert without an error.
            quiet = write.expected == NEW and not any(one.elements for one in schema.indexes)
            guard = quiet and table.indexes <= {index.name for index in schema.indexes}
            with nullcontext() if guard else self._guarded(table, schema):
                return self._store(table, schema, write)
        except psycopg.IntegrityError as error:
            raise self._refused(schema, write, error) from error

    def _store(self, table: Table, schema: Schema, write: Write) -> int:
        key, data = table.key_text(schema, write.key), storable(write.data)
        for _ in range(_TRIES):
            revision = self._at_once(table, schema, write, key, data)
            if revision is not None:
                return revision
            revision = self._after_reading(table, schema, write, key)
            if revision is not None:
                return revision
        raise stale(schema, deleted=False)  # others change it faster than it can be read

    def _at_once(
        self, table: Table, schema: Schema, write: Write, key: bytes | None, data: bytes
    ) -> int | None:
        """Store a document in one statement; None if that found something else than it expects."""
        if write.expected == NEW:
            return self._insert(table, schema, write, (key, data), " ON CONFLICT DO NOTHING")
        known = only_known(schema, table.doc_of(f"{table.name}."))
        if known is None:
            return None
        guard = f" AND {known}" if known else ""
        if write.expected != ANY:
            done = self._connections.changed(
                f"UPDATE {table.name} SET {table.column} = {table.mark}, "
                f"{table.rev} = {table.rev} + 1 WHERE {table.row} AND {table.rev} = %s{guard}",
                (data, key, *table.shard_of(data), write.expected),
            )
            return write.expected + 1 if done else None
        text, more = self._counted(table, schema, write.key)
        rows = self._connections.written(
            f"{text}INSERT INTO {table.name}({table.columns}) VALUES({table.marks}) "
            f"ON CONFLICT ({table.unique}) DO UPDATE SET {table.column} = excluded.{table.column}, "
            f"{table.rev} = {table.name}.{table.rev} + 1"
            f"{' WHERE ' + known if known else ''} RETURNING {table.rev}",
            (*more, key, self._revisions.getrandbits(48), data, *table.shard_of(data)),
        )
        return int(rows[0][0] or 0) if rows else None

    def _insert(
        self, table: Table, schema: Schema, write: Write, row: tuple[bytes | None, bytes], end: str
    ) -> int | None:
        key, data = row
        revision = self._revisions.getrandbits(48)
        if table.has_shard and self._are_taken(table, schema, (write.key,)):
            return None
        text, more = self._counted(table, schema, write.key)
        done = self._connections.changed(
            f"{text}INSERT INTO {table.name}({table.columns}) VALUES({table.marks}){end}",
            (*more, key, revision, data, *table.shard_of(data)),
        )
        return revision if done else None

    def _are_taken(self, table: Table, schema: Schema, keys: Iterable[Any]) -> bool:
        """True if a key is that of a document in another shard, which no index notices."""
        texts = [table.key_text(schema, key) for key in keys if not is_made(schema, key)]
        return bool(texts) and bool(
            self._connections.rows(
                f"SELECT 1 FROM {table.name} WHERE {table.key} = ANY(%s::text[]) LIMIT 1", (texts,)
            )
        )

    def _counted(self, table: Table, schema: Schema, key: Any) -> tuple[str, tuple[Any, ...]]:
        """What stands before the statement that stores an int key. See `counted`."""
        text, more = counted(schema, (key,), self._given)
        if text and table.spread is not None:
            # One statement does not write a table that is spread and one that is not.
            self._connections.changed(f"{text}SELECT", more)
            return "", ()
        return text, more

    def _after_reading(
        self, table: Table, schema: Schema, write: Write, key: bytes | None
    ) -> int | None:
        """Store a document over what is there, or say why not; None if it has changed meanwhile."""
        stored = self._get(schema, write.key)
        if stored is None and write.expected in {NEW, ANY}:
            broken = taken_index(self, schema, write.key, write.data)
            if broken is not None:
                raise broken
            # Not one of the class's own: the server says which.
            with self._guarded(table, schema):
                return self._insert(table, schema, write, (key, storable(write.data)), "")
        revision = self.checked_revision(schema, write, stored)
        data = write.data if stored is None else keep_unknown(schema, stored[0], write.data)
        done = self._connections.changed(
            f"UPDATE {table.name} SET {table.column} = {table.mark}, {table.rev} = %s "
            f"WHERE {table.row} AND {table.rev} = %s",
            (storable(data), revision, key, *table.shard_of(data), revision - 1),
        )
        return revision if done else None

    def _guarded(self, table: Table, schema: Schema) -> AbstractContextManager[None]:
        """A savepoint, where an index may refuse a write and so undo the caller's transaction."""
        declared = {index.name for index in schema.indexes}
        may_refuse = not table.indexes <= declared or any(index.unique for index in schema.indexes)
        if may_refuse and self._connections.in_transaction:
            return self._connections.transaction()
        return nullcontext()

    def _refused(self, schema: Schema, write: Write, error: psycopg.IntegrityError) -> DocmapError:
        """The error of a write that a constraint refused."""
        if self._connections.is_undone:
            return StorageError(
                "a constraint refused a write, and the server undid the transaction",
                engine=self.scheme,
                collection=schema.collection,
            )
        found = self._broken(schema, error)
        if found is None:
            if write.expected == NEW and self._get(schema, write.key) is not None:
                return taken(schema)
            return self._connections.told(error)
        return first_cause(self, schema, write.key, write.data, found)

    def _broken(self, schema: Schema, error: psycopg.IntegrityError) -> DuplicateKey | None:
        """The error of the unique index that a constraint's name says; None if it is no such."""
        name = (error.diag.constraint_name or "")[:_NAME]
        for one in (schema, *schema.relatives):
            for index in one.indexes:
                if index.name == name:
                    return not_unique(one, index)
        known = self._catalogue.definitions(schema).get(name)
        if known is None:
            return None
        return DuplicateKey(
            f"{schema.collection} has another document with the same value of the {known.label} "
            "index",
            collection=schema.collection,
            index=known.name,
            fields=known.places,
        )

    # -- many documents

    def _save_many(self, schema: Schema, writes: Sequence[Write]) -> list[int]:
        if len(writes) > 1 and all(write.expected == NEW for write in writes):
            with suppress(DuplicateKey):  # one by one keeps those before it, and names it
                return self._insert_batch(schema, writes)
        results = self._each(schema, writes, ordered=True)
        if results and isinstance(results[-1], DocmapError):
            failure = results[-1]
            failure.done = len(results) - 1
            raise failure
        return [one for one in results if isinstance(one, int)]

    def _save_each(self, schema: Schema, writes: Sequence[Write]) -> Iterator[int | DocmapError]:
        if len(writes) > 1 and all(write.expected == NEW for write in writes):
            with suppress(DuplicateKey):
                return iter(self._insert_batch(schema, writes))
        return iter(self._each(schema, writes, ordered=False))

    def _each(
        self, schema: Schema, writes: Sequence[Write], *, ordered: bool
    ) -> list[int | DocmapError]:
        """Store documents in turn, in one transaction; in order up to the first error."""

        def store(table: Table) -> list[int | DocmapError]:
            results: list[int | DocmapError] = []
            with self._together():
                for write in writes:
                    try:
                        results.append(self._stored(table, schema, write))
                    except StorageError:
                        raise
                    except DocmapError as error:
                        results.append(error)
                        if ordered:
                            break
            return results

        return self._storing(schema, store)

    def _together(self) -> AbstractContextManager[None]:
        """All or nothing for some statements."""
        if self._connections.in_transaction:
            return nullcontext()
        return self._connections.transaction("read committed")

    def _insert_ahead(self, schema: Schema) -> Ahead | None:
        connections = self._connections
        if connections.in_transaction or connections.size < _APART:
            return None
        if schema.key_field.type.kind == "int" or schema.shard_key is not None:
            return None  # more is done in the same transaction
        table = self._table(schema)
        if table is not None and (table.has_shard or table.place is not None):
            return None

        def begin(table: Table) -> CopiedAhead:
            return CopiedAhead(self, schema, table, self._revisions)

        return self._storing(schema, begin)

    def _insert_batch(self, schema: Schema, writes: Sequence[Write]) -> list[int]:
        """Insert documents as one. Raises DuplicateKey, and nothing is stored then."""
        random_bits = self._revisions.getrandbits
        revisions = [random_bits(48) for _ in writes]
        rows = [(write.key, write.data, rev) for write, rev in zip(writes, revisions, strict=True)]
        count, more = counted(schema, [write.key for write in writes], None)

        def store(table: Table) -> None:
            alone = table.has_shard and self._are_taken(table, schema, [key for key, _, _ in rows])
            if alone or table.lacks_keys:  # COPY takes no expression: one by one
                raise taken(schema)
            copy = copy_statement(table)
            blocks = copy_blocks(table, schema, rows)
            if not count and not self._connections.in_transaction:
                self._connections.copy_in(copy, blocks)
                return
            with self._connections.transaction("read committed"):
                self._connections.copy_in(copy, blocks)
                if count:
                    self._connections.changed(f"{count}SELECT", more)

        try:
            self._storing(schema, store)
        except psycopg.IntegrityError as error:
            raise taken(schema) from error
        return revisions

    def _rewrite(
        self, schema: Schema, writes: Sequence[Write], names: frozenset[str] | None
    ) -> list[Write]:
        """As the hook says; `names` do not matter where a document is one value."""

        def store(table: Table) -> list[Write]:
            changed: list[Write] = []
            done = 0
            for start in range(0, len(writes), _ROWS):
                part = writes[start : start + _ROWS]
                try:
                    with self._guarded(table, schema):
                        found = self._replaced(table, schema, part)
                except psycopg.IntegrityError:
                    found = self._replaced_each(table, schema, part, done)
                changed += [one for one in part if table.key_text(schema, one.key) not in found]
                done += len(found)
            return changed

        return self._storing(schema, store)

    def _replaced(
        self, table: Table, schema: Schema, writes: Sequence[Write], known: str = ""
    ) -> set[bytes]:
        """Replace documents that have the revision expected; the keys of those.

        `known` is one more condition for what is stored, in the columns of `t`.
        """
        values: list[Any] = []
        for write in writes:
            values += (table.key_text(schema, write.key), write.expected, storable(write.data))
            values += table.shard_of(write.data)
        more, same = (",%s::text", f" AND t.{SHARD} = n.{SHARD}") if table.has_shard else ("", "")
        rows = ",".join([f"(%s::{table.kind},%s::bigint,%s::jsonb{more})"] * len(writes))
        found = self._connections.written(
            f"UPDATE {table.name} t SET {table.column} = {table.kept('n.doc')}, "
            f"{table.rev} = t.{table.rev} + 1 "
            f"FROM (VALUES {rows}) n(key, rev, doc{f', {SHARD}' if more else ''}) "
            f"WHERE t.{table.key} = n.key{same} AND t.{table.rev} = n.rev"
            f"{' AND ' + known if known else ''} RETURNING t.{table.key}",
            values,
        )
        return {key for (key,) in found if key is not None}

    def _replaced_each(
        self, table: Table, schema: Schema, writes: Sequence[Write], before: int
    ) -> set[bytes]:
        """The same one by one, up to the first that an index refuses."""
        found: set[bytes] = set()
        for write in writes:
            try:
                with self._guarded(table, schema):
                    found |= self._replaced(table, schema, (write,))
            except psycopg.IntegrityError as error:
                refused = self._refused(schema, write, error)
                refused.key, refused.done = write.key, before + len(found)
                raise refused from error
        return found

    # -- deleting

    def _delete(self, schema: Schema, key: Any, expected: int = ANY) -> bool:
        if expected == ANY:
            return self._remove(schema, key)

        def remove(table: Table) -> int:
            return self._connections.changed(
                f"DELETE FROM {table.name} WHERE {table.key} = %s AND {table.rev} = %s",
                (table.key_text(schema, key), expected),
            )

        if not self._reading(schema, remove, 0):
            raise stale(schema, deleted=self._get(schema, key) is None)
        return True

    def _delete_keys(self, schema: Schema, records: Iterable[tuple[Any, int]]) -> int:
        wanted = list(records)
        revisions = [revision for _, revision in wanted]

        def remove(table: Table) -> int:
            return self._connections.changed(
                f"DELETE FROM {table.name} t "
                f"USING unnest(%s::{table.kind}[], %s::bigint[]) n(key, rev) "
                f"WHERE t.{table.key} = n.key AND t.{table.rev} = n.rev",
                ([table.key_text(schema, key) for key, _ in wanted], revisions),
            )

        return self._reading(schema, remove, 0) if wanted else 0


_NAME: Final = 19  # characters of an index's name: what an engine puts behind it is its own


def replacing(table: Table) -> str:
    """What an insert sets where the key is there already."""
    return ", ".join(f"{one} = excluded.{one}" for one in (table.rev, table.column))
