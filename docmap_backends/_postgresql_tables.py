"""The tables of a PostgreSQL database: one a collection, and the catalogue of what there is.

`docmap_collections` has a row for each collection, with the name of the field that holds the key
and the highest int key that was counted; `docmap_indexes` says what each index is over. Several
processes may begin together: who makes a table does it alone, under an advisory lock.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Final

from psycopg import errors as pg

from docmap.errors import StorageError, TransactionConflict
from docmap.schema.indexes import IndexDefinition
from docmap.schema.schema import Schema
from docmap_backends._postgresql_connections import Connections
from docmap_backends._postgresql_errors import ENGINE
from docmap_backends._postgresql_foreign import Place, found_place, with_revisions
from docmap_backends._postgresql_keys import key_text, plain_key
from docmap_backends._postgresql_ours import COMMENT, is_ours, removed_by_hand, taken_by_others
from docmap_backends._postgresql_spreading import (
    CAN_SPREAD,
    SHARD,
    Spread,
    check_indexes,
    spreading,
)
from docmap_backends._postgresql_sql import literal
from docmap_backends._sql import quoted

_LOCK: Final = 0x646D6170  # "dmap": who makes or removes tables holds it
_CATALOGUE: Final = (
    """CREATE TABLE IF NOT EXISTS docmap_collections(
    name text COLLATE "C" PRIMARY KEY, key_name text NOT NULL,
    last_key bigint NOT NULL DEFAULT 0, place text)""",
    """CREATE TABLE IF NOT EXISTS docmap_indexes(
    name text COLLATE "C" PRIMARY KEY, collection text COLLATE "C" NOT NULL,
    definition text NOT NULL)""",
    f"COMMENT ON TABLE docmap_collections IS '{COMMENT}'",
)
_PRESENT: Final = (
    "SELECT c IS NOT NULL, obj_description(c, 'pg_class') "
    "FROM (SELECT to_regclass('docmap_collections')::oid AS c) found"
)
_RESERVED: Final = re.compile(r"docmap_|pg_|ix_")


def table_name(collection: str) -> str:
    """The table of a collection. PostgreSQL keeps case where names are quoted.

    >>> table_name("Orders"), table_name("pg_x")
    ('Orders', '~pg_x')
    """
    return "~" + collection if _RESERVED.match(collection) else collection


@dataclass(frozen=True)
class Table:
    """What is known of one collection's table."""

    collection: str
    key_name: str
    """The name under which every document holds its key; empty if classes differ in it."""
    indexes: frozenset[str] = frozenset()
    """The names of docmap's indexes on it."""
    place: Place | None = None
    """Where it is, if another program made it."""
    adopted: bool = True
    """It is in the catalogue."""
    spread: Spread | None = None
    """How a distributed server spreads it."""
    gone: bool = False
    """It is in the catalogue alone: somebody has removed it by hand."""

    @cached_property
    def key(self) -> str:
        """The column of the keys, quoted."""
        return "key" if self.place is None else quoted(self.place.key)

    @cached_property
    def rev(self) -> str:
        """The column of the revisions, quoted; a number where there is none yet."""
        if self.place is None:
            return "rev"
        return quoted(self.place.rev) if self.place.rev else "0"

    @cached_property
    def doc(self) -> str:
        """The documents, with their keys, as they are read."""
        return self.doc_of("")

    def doc_of(self, row: str) -> str:
        """The same of a row, whose name stands before its columns."""
        return f"{row}doc" if self.place is None else self.place.document(row)

    @cached_property
    def column(self) -> str:
        """The column of the documents, quoted, as statements name it that write."""
        return "doc" if self.place is None else quoted(self.place.doc)

    def kept(self, document: str) -> str:
        """What is stored of a document, as an expression."""
        return document if self.place is None else self.place.kept(document)

    @property
    def lacks_keys(self) -> bool:
        """The documents lack their keys, which stand in the column alone."""
        return self.place is not None and bool(self.place.field)

    @cached_property
    def columns(self) -> str:
        """Key, revision and document, as a statement names them that writes, and the shard."""
        return f"{self.key}, {self.rev}, {self.column}{self._and_shard}"

    @cached_property
    def marks(self) -> str:
        """The place of a value for each of the columns."""
        return f"%s, %s, {self.mark}{', %s' if self.has_shard else ''}"

    @cached_property
    def mark(self) -> str:
        """The place of a document."""
        return self.kept("%s::jsonb") if self.lacks_keys else "%s"

    @cached_property
    def unique(self) -> str:
        """The columns that no two rows have alike."""
        return f"{self.key}{self._and_shard}"

    @cached_property
    def row(self) -> str:
        """The condition for the row of a key, and of the shard of a document."""
        return f"{self.key} = %s AND {SHARD} = %s" if self.has_shard else f"{self.key} = %s"

    @cached_property
    def has_shard(self) -> bool:
        """It has a column by which it is spread."""
        return self.spread is not None and bool(self.spread.path)

    @property
    def _and_shard(self) -> str:
        return f", {SHARD}" if self.has_shard else ""

    def shard_of(self, data: bytes | str) -> tuple[bytes, ...]:
        """The value of the column by which it is spread, if it has one, for a document."""
        return () if self.spread is None else self.spread.values(data)

    @property
    def kind(self) -> str:
        """The type of the keys: `text`, `uuid` or `bigint`."""
        return "text" if self.place is None else self.place.kind

    @cached_property
    def name(self) -> str:
        """The table's name, quoted."""
        return quoted(table_name(self.collection)) if self.place is None else self.place.name

    def key_text(self, schema: Schema, key: Any) -> bytes | None:
        """What the table has for a logical key; None if it cannot have it."""
        if self.place is None:
            return key_text(schema, key)
        return plain_key(schema.stored_key(key), self.place.kind)

    def fits(self, schema: Schema) -> bool:
        """True if nothing is left to make for the class."""
        named = self.key_name in {"", schema.key_field.stored}
        return (
            self.adopted and named and all(index.name in self.indexes for index in schema.indexes)
        )


class Catalogue:
    """The tables as they were last read, by collection; shared by the threads of a storage."""

    def __init__(
        self, connections: Connections, schema: str = "", places: Mapping[str, Place] | None = None
    ) -> None:
        self._connections = connections
        self._places = places or {}
        self._schema = schema
        self._tables: dict[str, Table] = {}
        self._made = False
        self.inexact: set[str] = set()
        """Statements that were found not to be exact, or not worth it, for what is stored."""

    def forget(self) -> None:
        """Read everything again: it was changed, or a change was taken back."""
        self._tables = {}
        self._made = False
        self.inexact = set()

    def known(self, collection: str) -> Table | None:
        """The table of a collection as it was last read; None if it was not, or is not there."""
        return self._tables.get(collection)

    def current(self, collection: str) -> Table | None:
        """The same as the database has it now. Raises CorruptStore if it was removed by hand."""
        found = self.noted(collection)
        if found is not None and found.gone:
            raise removed_by_hand(collection, found.name, self._connections.where)
        if found is not None:
            self._tables[collection] = found
        return found

    def noted(self, collection: str) -> Table | None:
        """The same, though the table may be gone."""
        rows = []
        if self.exists():
            rows = self._connections.rows(
                "SELECT c.key_name, c.place, (SELECT string_agg(i.name, ' ') FROM docmap_indexes i "
                "WHERE i.collection = c.name) FROM docmap_collections c WHERE c.name = %s",
                (collection,),
            )
        if rows:
            key_name, place, indexes = ((one or b"").decode() for one in rows[0])
            names = frozenset(indexes.split())
            spread = Spread.of(place)
            foreign = Place.of(place) if place and spread is None else None
            found = Table(collection, key_name, names, foreign, spread=spread)
            ((there,),) = self._connections.rows("SELECT to_regclass(%s) IS NULL", (found.name,))
            return replace(found, gone=there == b"t")
        if collection in self._places:
            theirs = found_place(self._connections, collection, self._places[collection])
            return Table(collection, "", place=theirs, adopted=False)
        return None

    def exists(self) -> bool:
        """True if the database has docmap's tables. Raises ForeignStore if they are not ours."""
        if not self._made:
            ((present, told),) = self._connections.rows(_PRESENT)
            if present == b"t" and told is None and self._connections.in_transaction:
                ((present, told),) = self._connections.rows(_PRESENT, apart=True)
                if present == b"t" and is_ours(told, self._connections.where):
                    raise self._made_since("docmap_collections")
            there = present == b"t" and is_ours(told, self._connections.where)
            # What this transaction may have made the others do not see yet.
            self._made = there and not self._connections.in_transaction
            return there
        return self._made

    def names(self) -> list[str]:
        """The names of all collections."""
        if not self.exists():
            return list(self._places)
        rows = self._connections.rows("SELECT name FROM docmap_collections")
        return list({*self._places, *(name.decode() for (name,) in rows if name is not None)})

    def definitions(self, schema: Schema) -> dict[str, IndexDefinition]:
        """The indexes of a collection that exist or are declared, by name."""
        found = {index.name: index.definition for index in schema.indexes}
        if self.exists():
            rows = self._connections.rows(
                "SELECT name, definition FROM docmap_indexes WHERE collection = %s",
                (schema.collection,),
            )
            for name, text in rows:
                fields, kinds, unique = json.loads(text or b"[[], [], false]")
                known = IndexDefinition(
                    (name or b"").decode(), tuple(fields), tuple(kinds), bool(unique)
                )
                found.setdefault(known.name, known)
        return found

    # -- changing it, inside a transaction

    def lock(self) -> None:
        """Keep others from making or removing tables until the transaction ends."""
        self._connections.hold(_LOCK)

    def make(self, schema: Schema) -> Table:
        """The table of a class, made if it is not there; its key's name is noted."""
        if not self.exists():
            self._make_schema()
            self._connections.script(_CATALOGUE)
        table = self.current(schema.collection)
        if table is None:
            return self._create(schema)
        if table.place is not None and not table.adopted:
            return self._take_over(table, table.place)
        if table.key_name not in {"", schema.key_field.stored}:
            self._connections.written(
                "UPDATE docmap_collections SET key_name = '' WHERE name = %s", (schema.collection,)
            )
            self._tables.pop(schema.collection, None)
            table = replace(table, key_name="")
        return table

    def _make_schema(self) -> None:
        """Make the schema of the option. Even IF NOT EXISTS would need a right on the database."""
        name = quoted(self._schema)
        if self._schema:
            ((missing,),) = self._connections.rows("SELECT to_regnamespace(%s) IS NULL", (name,))
            if missing == b"t":
                self._connections.script([f"CREATE SCHEMA IF NOT EXISTS {name}"])

    def _create(self, schema: Schema) -> Table:
        spread = self.spread_by(schema)
        table = Table(schema.collection, schema.key_field.stored, spread=spread)
        shard = f', {SHARD} text COLLATE "C" NOT NULL' if table.has_shard else ""
        # By itself the index of the key would have a name that another collection may have.
        index = quoted(f"docmap_key_{table_name(schema.collection)}")
        try:
            self._connections.written(
                f'CREATE TABLE {table.name}(key text COLLATE "C" NOT NULL, '
                f"rev bigint NOT NULL DEFAULT 0, doc jsonb NOT NULL{shard}, "
                f"CONSTRAINT {index} PRIMARY KEY ({table.unique}))"
            )
        except pg.DuplicateTable as error:
            raise self._there_already(schema.collection) from error
        if spread is not None:
            # Before there are indexes, which the server then makes on all of its parts.
            self._connections.script([spreading(table.name, spread)])
        self._connections.written(
            "INSERT INTO docmap_collections(name, key_name, place) VALUES(%s, %s, %s)",
            (schema.collection, table.key_name, None if spread is None else spread.text),
        )
        return table

    def spread_by(self, schema: Schema) -> Spread | None:
        """How the server is to spread the table of a class. Raises StorageError if it cannot be."""
        spread = Spread.by(schema)
        if spread is None or self._connections.rows(CAN_SPREAD)[0][0] != b"t":
            return None
        for one in (schema, *schema.relatives):
            check_indexes(one, one.indexes, spread)
        return spread

    def _there_already(self, collection: str) -> StorageError:
        """The error of a table that was not to be seen: another program's, or made just now."""
        rows = []
        with suppress(pg.UndefinedTable):  # the catalogue too is made in this transaction
            rows = self._connections.rows(
                "SELECT 1 FROM docmap_collections WHERE name = %s", (collection,), apart=True
            )
        if not rows:
            return taken_by_others(collection, table_name(collection), self._connections.where)
        return self._made_since(table_name(collection))

    def _made_since(self, table: str) -> TransactionConflict:
        return TransactionConflict(
            f"the table {table} was made by others since this transaction began: run it again",
            engine=ENGINE,
        )

    def _take_over(self, table: Table, place: Place) -> Table:
        """Note a table of another program, which has revisions from now on."""
        place = with_revisions(self._connections, place)
        self._connections.written(
            "INSERT INTO docmap_collections(name, key_name, place) VALUES(%s, '', %s)",
            (table.collection, place.text),
        )
        self._tables.pop(table.collection, None)
        return Table(table.collection, "", place=place)

    def remember(self, collection: str, definition: IndexDefinition) -> None:
        """Write down what an index is over, once it is made."""
        text = json.dumps([definition.fields, definition.kinds, definition.unique])
        self._connections.written(
            "INSERT INTO docmap_indexes(name, collection, definition) VALUES(%s, %s, %s) "
            "ON CONFLICT (name) DO UPDATE SET definition = excluded.definition",
            (definition.name, collection, text),
        )
        self._tables.pop(collection, None)

    def drop(self, collections: Iterable[str], others: Callable[[str], list[str]]) -> None:
        """Remove collections with their indexes; `others` are the statements about an index."""
        for collection in collections:
            table = self.noted(collection)
            if table is None:
                continue
            named = literal(collection)
            self._connections.script(
                [
                    *([] if table.gone else [_emptied(table)]),
                    *(one for name in sorted(table.indexes) for one in others(name)),
                    f"DELETE FROM docmap_indexes WHERE collection = {named}",
                    f"DELETE FROM docmap_collections WHERE name = {named}",
                ]
            )
            self._tables.pop(collection, None)


def _emptied(table: Table) -> str:
    """What another program made is emptied; it is not ours to remove."""
    if table.place is None:
        return f"DROP TABLE IF EXISTS {table.name} CASCADE"
    return f"DELETE FROM {table.name}"
