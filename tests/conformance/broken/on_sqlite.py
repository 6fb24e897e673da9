"""SQLite with one thing that a hasty adapter over SQL would do otherwise."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar

from docmap import LookupManager
from docmap.plan.engine import FieldCodec, Native, Record
from docmap.query.order import OrderTerm
from docmap.query.paths import Path
from docmap.schema.schema import Schema
from docmap.schema.types import FieldType
from docmap_backends._sql import SQL
from docmap_backends._sql_places import place_of
from docmap_backends.sqlite import SQLiteStorage
from tests.conformance.broken.catalogue import broken


@broken("lookups:[like-", kind="file")
class SQLiteLike(SQLiteStorage):
    """SQL's LIKE is said to be exact, and ignores case."""

    lookups: ClassVar[LookupManager] = LookupManager(SQLiteStorage.lookups)


@SQLiteLike.lookups.register("like")
def _like(path: Path, value: Any, codec: FieldCodec) -> Native:
    return Native(SQL(f"{place_of(path, codec).value} LIKE ? ESCAPE '\\'", (value,)))


@broken("lookups:[equals-", kind="file")
class SQLiteNulls(SQLiteStorage):
    """`equals None` is `= NULL`, which is never true."""

    lookups: ClassVar[LookupManager] = LookupManager(SQLiteStorage.lookups)


@SQLiteNulls.lookups.register("equals", default=True)
def _equals(path: Path, value: Any, codec: FieldCodec) -> Any:
    if value is None:
        return Native(SQL(f"{place_of(path, codec).value}=?", (None,)))
    return SQLiteStorage.lookups.resolve(path, "equals", value, codec)


@broken("lookups:[contains-", kind="file")
class SQLiteContains(SQLiteStorage):
    """`contains` on text is `LIKE '%x%'`, with the wildcards of the operand and without case."""

    lookups: ClassVar[LookupManager] = LookupManager(SQLiteStorage.lookups)


@SQLiteContains.lookups.register("contains")
def _contains(path: Path, value: Any, codec: FieldCodec) -> Any:
    if codec.type.kind == "str":
        return Native(SQL(f"{place_of(path, codec).value} LIKE ?", (f"%{value}%",)))
    return SQLiteStorage.lookups.resolve(path, "contains", value, codec)


@broken("lookups:[equals-", kind="file")
class SQLiteBools(SQLiteStorage):
    """Any value in JSON is compared with `=`: true is 1."""

    lookups: ClassVar[LookupManager] = LookupManager(SQLiteStorage.lookups)


@SQLiteBools.lookups.register("equals", default=True)
def _untyped_equals(path: Path, value: Any, codec: FieldCodec) -> Any:
    if codec.type.kind == "any" and isinstance(value, (bool, int)):
        return Native(SQL(f"{place_of(path, codec).value}=?", (int(value),)))
    return SQLiteStorage.lookups.resolve(path, "equals", value, codec)


@broken("lookups:[gt-", kind="file")
class SQLiteTrusts(SQLiteStorage):
    """Each place is taken to hold what is declared, whatever other programs or classes stored."""

    def trusts(self, schema: Schema, path: Path, kind: FieldType) -> bool:
        return True


@broken("order", kind="file")
class SQLiteCollates(SQLiteStorage):
    """Text is ordered without regard to case."""

    def _sorter(self, schema: Schema, table: Any, term: OrderTerm) -> str | None:
        found = super()._sorter(schema, table, term)
        return found and f"{found} COLLATE NOCASE"


@broken("transactions:error", kind="file")
class SQLiteCommitsEach(SQLiteStorage):
    """A transaction commits each write by itself."""

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        yield


@broken("damage:noticed", kind="file")
class SQLiteReadsDamage(SQLiteStorage):
    """Damaged documents are given as they are, and those that cannot be read are left out."""

    def _records(self, schema: Schema, table: Any, rows: Sequence[tuple[Any, ...]]) -> list[Record]:
        return [(row[0], row[1]) for row in rows if row[0].startswith(b"{")]


@broken("keys:counted", kind="file")
class SQLiteNoKeysGiven(SQLiteStorage):
    """The counter of keys does not see keys that were given by hand, and starts anew at 1."""

    _last = 0

    def _next_key(self, schema: Schema) -> int:
        self._last += 1
        return self._last


@broken("unique", kind="file")
class SQLiteUnique(SQLiteStorage):
    """Unique indexes are made as plain ones."""

    def _adopt(self, connection: Any, schema: Schema) -> Any:
        table = super()._adopt(connection, schema)
        names = connection.execute("SELECT name, sql FROM sqlite_schema WHERE type='index'")
        for name, statement in names.fetchall():
            if statement and b" UNIQUE " in statement:
                connection.execute(f'DROP INDEX "{name.decode()}"')
                connection.execute(statement.replace(b" UNIQUE ", b" ").decode())
        return table
