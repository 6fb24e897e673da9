"""Tables and indexes of PostgreSQL as they are needed, and the counter of keys that are ints."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, TypeVar

from psycopg import errors as pg

from docmap.errors import InvalidValue, TransactionConflict
from docmap.schema.schema import Schema
from docmap.storage.deadlines import in_time
from docmap.values import INT_MAX
from docmap_backends._postgresql_changes import create_triggers, is_watched
from docmap_backends._postgresql_indexes import PostgreSQLIndexing, drop_statements
from docmap_backends._postgresql_tables import Table

T = TypeVar("T")

_TRIES: Final = 5

# An int in the column of keys, which has its sign turned over, in hexadecimal.
_HIGHEST: Final = (
    "(SELECT ('x' || substr(max(key), 2))::bit(64)::bigint # (-9223372036854775808)::bigint "
    "FROM {table} WHERE key < E'\\x02')"
)


def _highest(table: Table) -> str:
    """The highest int among the keys, as an expression."""
    if table.kind == "bigint":
        return f"(SELECT max({table.key}) FROM {table.name})"
    return _HIGHEST.format(table=table.name) if table.place is None else "0"


class PostgreSQLCounting(PostgreSQLIndexing):
    """What makes tables, and counts."""

    _given: dict[str, int]
    """The last key of each collection that was counted for this storage."""

    def _ensure(self, schema: Schema) -> None:
        table = self._table(schema)
        if table is None or not table.fits(schema):
            with in_time(self):
                self._adopt(schema)

    def _adopt(self, schema: Schema) -> Table:
        """Make the table and its indexes for a class, and for those that share its collection.

        Others may make them at the same time where no lock keeps them out: they are there then.
        """
        for _ in range(_TRIES):
            try:
                return self._adopted(schema)
            except (pg.UniqueViolation, TransactionConflict):
                if self._connections.in_transaction:
                    raise
                self._catalogue.forget()
        return self._adopted(schema)

    def _adopted(self, schema: Schema) -> Table:
        with self._connections.transaction("read committed"):
            self._connections.changed_tables()
            self._catalogue.lock()
            known = self._catalogue.current(schema.collection)
            table = self._catalogue.make(schema)
            if known is None:
                self._sweep(schema)
            if known is None and is_watched(self._connections, schema.collection):
                create_triggers(self._connections, table)
            for one in (schema, *schema.relatives):
                for index in one.indexes:
                    if index.name not in table.indexes:
                        self._create_index(table, one, index)
            self._catalogue.forget()
            return self._catalogue.current(schema.collection) or table

    def _sweep(self, schema: Schema) -> None:
        """Remove what is left of the indexes of a table that somebody removed by hand."""
        rows = self._connections.rows(
            "SELECT name FROM docmap_indexes WHERE collection = %s", (schema.collection,)
        )
        for (name,) in rows:
            self._connections.script(drop_statements((name or b"").decode()))
        if rows:
            self._connections.written(
                "DELETE FROM docmap_indexes WHERE collection = %s", (schema.collection,)
            )
            self._catalogue.forget()

    def _storing(self, schema: Schema, store: Callable[[Table], T]) -> T:
        """What `store` gives of the collection's table, which is made if it is not there."""
        with in_time(self):
            table = self._table(schema)
            if table is None or not table.adopted:
                table = self._adopt(schema)
            try:
                return self._settled(store, table)
            except pg.UndefinedTable as error:
                table = self._after_removal(schema, error) or self._adopt(schema)
            return self._settled(store, table)

    # -- counting

    def _next_key(self, schema: Schema) -> int:
        return self._next_keys(schema, 1)[0]

    def _next_keys(self, schema: Schema, count: int) -> Sequence[int]:
        def add(table: Table) -> int | None:
            highest = f"greatest(last_key, {_highest(table)})"
            rows = self._connections.written(
                f"UPDATE docmap_collections SET last_key = {highest} + %s "
                f"WHERE name = %s AND {highest} <= {INT_MAX} - %s::bigint RETURNING last_key",
                (count, schema.collection, count),
            )
            return int(rows[0][0] or 0) if rows else None

        last = self._storing(schema, add)
        if last is None:
            raise InvalidValue(
                f"{schema.collection} has used the last int key: give {schema.key} yourself",
                collection=schema.collection,
                field=schema.key,
            )
        self._given[schema.collection] = last
        return range(last - count + 1, last + 1)

    def _counted_key(self, schema: Schema) -> int:
        def read(table: Table) -> int:
            highest = _highest(table)
            rows = self._connections.rows(
                f"SELECT greatest(last_key, {highest}) FROM docmap_collections WHERE name = %s",
                (schema.collection,),
            )
            return int(rows[0][0] or 0) if rows else 0

        return self._reading(schema, read, 0)

    def _count_to(self, schema: Schema, key: int) -> None:
        self._storing(
            schema,
            lambda _: self._connections.changed(
                "UPDATE docmap_collections SET last_key = greatest(last_key, %s) WHERE name = %s",
                (key, schema.collection),
            ),
        )


def counted(
    schema: Schema, keys: Iterable[Any], given: dict[str, int] | None
) -> tuple[str, tuple[Any, ...]]:
    """What stands before a statement that stores int keys, so that none of them is given again.

    Empty where keys are not counted, or where the one key was given by the counter.
    """
    if schema.key_field.type.kind != "int":
        return "", ()
    highest = max(keys)
    if highest <= 0 or (given is not None and given.get(schema.collection) == highest):
        return "", ()
    text = (
        "WITH counted AS (UPDATE docmap_collections SET last_key = %s WHERE name = %s "
        "AND last_key < %s) "
    )
    return text, (highest, schema.collection, highest)
