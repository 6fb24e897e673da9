"""The tables of an SQLite file: one a collection, with what docmap knows of what is in it.

A collection's table has the key, the revision, a mark that docmap alone sets (`_sqlite_foreign`),
the document as JSON text, and a column for the sortable key of each float, Decimal and BigInt that
classes declare: SQLite reads floats from text inexactly, and knows no decimals. So has each field
that no JSON path of SQLite can name.
`docmap_collections` keeps, for each path, the type that all stored values have; only there can
conditions be exact without asking for the JSON type.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from pydantic_core import from_json

from docmap.query.paths import Path, getter
from docmap.schema.schema import Schema
from docmap.schema.types import UNTYPED, FieldType
from docmap_backends._sql import column_name, quoted, table_name
from docmap_backends._sqlite_changes import go_on_logging, is_watched
from docmap_backends._sqlite_definitions import forget_definitions
from docmap_backends._sqlite_shape import (
    MIXED,
    Shape,
    declared_shape,
    fits_kind,
    in_column,
    key_value,
    path_text,
    reader_of,
)

_BATCH = 500

META = """
CREATE TABLE IF NOT EXISTS docmap_collections(
  name TEXT PRIMARY KEY, shape TEXT NOT NULL, key_name TEXT NOT NULL,
  last_key INTEGER NOT NULL DEFAULT 0)
"""


@dataclass
class Table:
    """What is known of one collection's table. What follows from it is worked out once."""

    collection: str
    shape: Mapping[str, str] = field(default_factory=dict)
    key_name: str = ""
    """The name under which every document holds its key; empty if classes differ in it."""
    indexes: frozenset[str] = frozenset()
    lists: frozenset[str] = frozenset()
    """Those of the indexes that are tables of the elements of a list."""
    foreign: bool = False
    """Other programs wrote rows that docmap has not taken over."""
    odd: bool = False
    """There are rows that SQLite's JSON functions read otherwise than docmap does."""

    @property
    def plain(self) -> bool:
        """True if SQLite's JSON functions read every document as docmap does."""
        return not self.foreign and not self.odd

    @cached_property
    def name(self) -> str:
        """The table's name, quoted."""
        return quoted(table_name(self.collection))

    @cached_property
    def _declared(self) -> tuple[tuple[str, Path, tuple[str, ...]], ...]:
        """The paths of the shape as text and as paths, with the types or `mixed` and the types."""
        return tuple(
            (text, Path(tuple(json.loads(text))), tuple(kinds.split()))
            for text, kinds in self.shape.items()
        )

    @cached_property
    def columns(self) -> dict[str, Path]:
        """The key columns and the paths that they are of."""
        return {
            column_name(map(str, path.segments)): path
            for _, path, kinds in self._declared
            if in_column(path.segments, kinds)
        }

    @cached_property
    def types(self) -> dict[tuple[str, ...], str]:
        """The paths at which all values are of one type, with that type."""
        found = {
            tuple(map(str, path.segments)): kinds[0]
            for _, path, kinds in self._declared
            if len(kinds) == 1 and kinds[0] != MIXED
        }
        return found if self.plain else {}

    def trusts(self, path: Path, kind: FieldType) -> bool:
        """True if everything stored at `path` is of this type, or null."""
        if not self.plain or path.each:
            return False
        return self.shape.get(path_text(path.segments)) == kind.kind

    # -- statements

    @cached_property
    def select(self) -> str:
        """The beginning of a statement for records; with their keys where those are needed."""
        keys = "" if self.plain else ", key, typeof(key)"
        return f"SELECT doc, CAST(ifnull(rev,0) AS INTEGER), own{keys} FROM {self.name}"

    @cached_property
    def get(self) -> str:
        """The statement that reads the record of a key."""
        return f"{self.select} WHERE key=?"

    @cached_property
    def insert(self) -> str:
        """The statement that adds key, revision, mark, document and key columns."""
        columns = "".join(f", {quoted(column)}" for column in self.columns)
        marks = ",?" * len(self.columns)
        return f"INSERT INTO {self.name}(key, rev, own, doc{columns}) VALUES(?,?,?,?{marks})"

    @cached_property
    def update(self) -> str:
        """The statement that replaces all that is stored with a key."""
        columns = "".join(f", {quoted(column)}=?" for column in self.columns)
        return f"UPDATE {self.name} SET rev=?, own=?, doc=?{columns} WHERE key=?"

    # -- documents

    @cached_property
    def keyed(self) -> Callable[[bytes], Any]:
        """Reads of a document's JSON only what the key columns need."""
        return reader_of(str(path.segments[0]) for path in self.columns.values())

    @cached_property
    def column_types(self) -> dict[str, frozenset[str]]:
        """The types of the places that the key columns are of."""
        return {
            column_name(map(str, path.segments)): frozenset(kinds)
            for _, path, kinds in self._declared
            if in_column(path.segments, kinds)
        }

    @cached_property
    def _writers(self) -> tuple[tuple[Callable[[Any], Any], frozenset[str]], ...]:
        types = self.column_types
        return tuple((getter(path), types[column]) for column, path in self.columns.items())

    def key_values(self, wire: Any) -> tuple[Any, ...]:
        """The values of the key columns for a document."""
        return tuple([key_value(kinds, get(wire)) for get, kinds in self._writers])

    @cached_property
    def _checks(self) -> tuple[tuple[str, str, Callable[[Any], Any]], ...]:
        return tuple(
            (text, kinds[0], getter(path))
            for text, path, kinds in self._declared
            if kinds[0] != MIXED
        )

    def misfits(self, wire: Any) -> Shape:
        """The paths at which a document holds another type than all others, now mixed."""
        return {
            text: f"{MIXED} {kind}"
            for text, kind, get in self._checks
            if not fits_kind(kind, get(wire))
        }

    # -- classes

    @cached_property
    def places(self) -> dict[Schema, dict[Any, Any]]:
        """For each class what lookups found out about its paths, for as long as this holds."""
        return {}

    @cached_property
    def parts(self) -> dict[frozenset[str], Any]:
        """For each set of top-level names what writes documents that changed below them."""
        return {}

    @cached_property
    def fills(self) -> dict[Schema, list[str] | None]:
        """For each class the statements that enter its inserts into the tables of elements."""
        return {}

    @cached_property
    def _judged(self) -> dict[Schema, tuple[bool, bool]]:
        return {}

    def fits(self, schema: Schema) -> bool:
        """True if nothing is left to make for the class."""
        return self._judge(schema)[0]

    def covers(self, schema: Schema) -> bool:
        """True if the class declares every path of the shape, so that its codec checked them."""
        return self._judge(schema)[1]

    def _judge(self, schema: Schema) -> tuple[bool, bool]:
        known = self._judged.get(schema)
        if known is None:
            declared = declared_shape(schema)
            shaped = all(
                kind in self.shape.get(path, "").split() for path, kind in declared.items()
            )
            made = {index.name for index in schema.indexes} <= self.indexes
            named = self.key_name in {"", schema.key_field.stored}
            covers = schema.model is not None and shaped and self.shape.keys() <= declared.keys()
            known = self._judged[schema] = (shaped and made and named, covers)
        return known


# -- in the file


def read_table(connection: sqlite3.Connection, collection: str) -> Table | None:
    """What the file says of a collection; None if there is no such collection."""
    try:
        return _read(connection, collection)
    except ValueError as error:  # neither JSON nor text
        raise sqlite3.DatabaseError("malformed row of docmap_collections") from error


def _read(connection: sqlite3.Connection, collection: str) -> Table | None:
    try:
        row = connection.execute(
            "SELECT shape, key_name FROM docmap_collections WHERE name=?", (collection,)
        ).fetchone()
    except sqlite3.OperationalError as error:
        if _is_missing(error):
            return None
        raise
    if row is None:
        return None
    name = table_name(collection)
    # An index on the elements of a list is a table, kept by triggers on this one.
    names = connection.execute(
        "SELECT DISTINCT substr(name,1,19), type='trigger' FROM sqlite_master WHERE tbl_name=? "
        "AND type IN ('index','trigger') AND name LIKE 'ix!_%' ESCAPE '!'",
        (name,),
    ).fetchall()
    rows = f"SELECT 1 FROM {quoted(name)} WHERE ifnull(own,-1)<0"
    foreign, odd = connection.execute(
        f"SELECT EXISTS({rows} AND own IS NOT {ODD}), EXISTS({rows} AND own={ODD})"
    ).fetchone()
    return Table(
        collection,
        json.loads(row[0]),
        row[1].decode(),
        frozenset(name.decode() for name, _ in names),
        frozenset(name.decode() for name, listed in names if listed),
        bool(foreign),
        bool(odd),
    )


def collection_names(connection: sqlite3.Connection) -> list[str]:
    """The names of all collections."""
    try:
        names = connection.execute("SELECT name FROM docmap_collections").fetchall()
    except sqlite3.OperationalError as error:
        if _is_missing(error):
            return []
        raise
    return [name.decode(errors="replace") for (name,) in names]


def _is_missing(error: sqlite3.OperationalError) -> bool:
    """True of an empty file that was opened to be read only."""
    return "no such table: docmap_collections" in str(error)


ODD = -2
"""The mark of a row that docmap cannot bring into its form; -1 and null are other programs'."""


def create_table(connection: sqlite3.Connection, schema: Schema) -> Table:
    """Make the table of a collection."""
    connection.execute(META)
    table = Table(schema.collection, key_name=schema.key_field.stored)
    name, own = table.name, f"docmap_{table_name(schema.collection)}"
    connection.execute(
        f"CREATE TABLE {name}(key PRIMARY KEY NOT NULL, rev INTEGER, own INTEGER DEFAULT -1, "
        "doc TEXT NOT NULL "
        "CHECK(ifnull(own,-1)>=0 OR (typeof(doc)='text' AND json_valid(doc))))"
    )
    connection.execute(
        f"CREATE INDEX {quoted(f'{own}_foreign')} ON {name}(own) WHERE ifnull(own,-1)<0"
    )
    # Other programs know nothing of the mark, and leave it alone.
    connection.execute(
        f"CREATE TRIGGER {quoted(f'{own}_update')} AFTER UPDATE OF key, doc ON {name} "
        f"WHEN NEW.own IS OLD.own BEGIN UPDATE {name} SET own=-1, "
        "rev=CASE WHEN NEW.rev IS OLD.rev THEN ifnull(NEW.rev,0)+1 ELSE NEW.rev END "
        "WHERE key=NEW.key; END"
    )
    connection.execute(
        "INSERT INTO docmap_collections(name, shape, key_name) VALUES(?,'{}',?)",
        (schema.collection, table.key_name),
    )
    go_on_logging(connection, schema.collection)
    return table


def save_shape(connection: sqlite3.Connection, table: Table, shape: Mapping[str, str]) -> None:
    """Write down what is stored where."""
    connection.execute(
        "UPDATE docmap_collections SET shape=? WHERE name=?",
        (json.dumps(shape, ensure_ascii=False), table.collection),
    )


def widen(connection: sqlite3.Connection, table: Table, schema: Schema) -> None:
    """Make room for what the class declares: its paths, their key columns, its key's name.

    What was stored before the class came is read once, to know what can be trusted.
    """
    if table.key_name not in {"", schema.key_field.stored}:
        connection.execute(
            "UPDATE docmap_collections SET key_name='' WHERE name=?", (table.collection,)
        )
    shape = dict(table.shape)
    for path, kind in declared_shape(schema).items():
        held = shape.get(path, "").split()
        if not held:
            shape[path] = f"{MIXED} {kind}" if kind in UNTYPED else kind
        elif kind not in held:
            shape[path] = " ".join([MIXED, *held, kind]).replace(f"{MIXED} {MIXED}", MIXED)
    if shape == table.shape:
        return
    wider = Table(table.collection, shape)
    for column in wider.columns.keys() - table.columns.keys():
        connection.execute(f"ALTER TABLE {table.name} ADD COLUMN {quoted(column)}")
    save_shape(connection, table, shape | _rekey(connection, wider))


def _rekey(connection: sqlite3.Connection, table: Table) -> Shape:
    """Read every document: fill the key columns; the paths that hold other types."""
    marked: Shape = {}
    columns = ", ".join(f"{quoted(column)}=?" for column in table.columns)
    last = -1
    while rows := connection.execute(
        f"SELECT rowid, doc FROM {table.name} WHERE rowid>? AND ifnull(own,-1)>=0 "
        f"ORDER BY rowid LIMIT {_BATCH}",
        (last,),
    ).fetchall():
        for row, doc in rows:
            wire = from_json(doc)
            marked |= table.misfits(wire)
            if columns:
                connection.execute(
                    f"UPDATE {table.name} SET {columns} WHERE rowid=?",
                    (*table.key_values(wire), row),
                )
        last = rows[-1][0]
    return marked


def drop_all(connection: sqlite3.Connection) -> None:
    """Remove every collection with its indexes; tables of other programs stay."""
    for collection in collection_names(connection):
        _drop(connection, collection)
    connection.execute("DELETE FROM docmap_collections")
    forget_definitions(connection)


def drop_table(connection: sqlite3.Connection, collection: str) -> None:
    """Remove one collection with its indexes, if there is such a one."""
    if collection in collection_names(connection):
        _drop(connection, collection)
        connection.execute("DELETE FROM docmap_collections WHERE name=?", (collection,))
        forget_definitions(connection, collection)


def _drop(connection: sqlite3.Connection, collection: str) -> None:
    table = read_table(connection, collection)
    if table is not None and is_watched(connection, collection):
        connection.execute(f"DELETE FROM {table.name}")  # so that the log has each document
    for name in (table_name(collection), *(table.lists if table else ())):
        connection.execute(f"DROP TABLE IF EXISTS {quoted(name)}")
