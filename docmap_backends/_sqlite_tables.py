"""The tables of an SQLite file: one a collection, with what docmap knows of what is in it.

A collection's table has the key, the revision, the document as JSON text, and a column for the
sortable key of each float, Decimal and BigInt that classes declare: SQLite reads floats from text
inexactly, and knows no decimals. `docmap_collections` keeps, for each path, the type that all
stored values have; only there can conditions be exact without asking for the JSON type.

Other programs may write the tables. Triggers note the rows they touch in `docmap_dirty`, and docmap
reads those rows again before it relies on anything.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from pydantic_core import SchemaValidator, core_schema, from_json, to_json

from docmap.query.paths import Path, getter
from docmap.schema.indexes import BoundIndex, IndexTerm
from docmap.schema.schema import Schema
from docmap.schema.types import FieldType, walk
from docmap.schema.wire import TEXT_READERS
from docmap.values import decimal_key
from docmap_backends._sql import column_name, quoted, table_name, text_literal
from docmap_backends._sql_places import Source, expressions

KEYED = frozenset({"float", "decimal", "bigint"})
MIXED = "mixed"
_TYPED = KEYED | frozenset("bool int str bytes datetime date time timedelta uuid objectid".split())

META = """
CREATE TABLE IF NOT EXISTS docmap_collections(
  name TEXT PRIMARY KEY, shape TEXT NOT NULL, last_key INTEGER NOT NULL DEFAULT 0);
CREATE TABLE IF NOT EXISTS docmap_dirty(
  collection TEXT NOT NULL, key NOT NULL, PRIMARY KEY(collection, key));
"""


@dataclass
class Table:
    """What is known of one collection's table. What follows from it is worked out once."""

    collection: str
    shape: dict[str, str] = field(default_factory=dict)
    """The path of each declared scalar, as JSON, to its type, or to `mixed`."""
    dirty: bool = False
    indexes: frozenset[str] = frozenset()
    lists: frozenset[str] = frozenset()
    """Those of the indexes that are tables of the elements of a list."""

    @cached_property
    def name(self) -> str:
        """The table's name, quoted."""
        return quoted(table_name(self.collection))

    @cached_property
    def columns(self) -> dict[str, tuple[Path, str]]:
        """The key columns: name to path and type."""
        found = {}
        for path, kind in self.shape.items():
            base = kind.removeprefix(MIXED + " ")
            if base in KEYED:
                segments = tuple(json.loads(path))
                found[column_name(segments)] = (Path(segments), base)
        return found

    @cached_property
    def getters(self) -> tuple[tuple[Callable[[Any], Any], str], ...]:
        """What gives the values of the key columns, and their types."""
        return tuple((getter(path), kind) for path, kind in self.columns.values())

    @cached_property
    def select(self) -> str:
        """The statement that reads the record of a key."""
        return f"SELECT doc, ifnull(rev,0) FROM {self.name} WHERE key=?"

    @cached_property
    def insert(self) -> str:
        """The statement that adds a key, a revision, a document and its key columns."""
        columns = "".join(f", {quoted(column)}" for column in self.columns)
        marks = ",?" * len(self.columns)
        return f"INSERT INTO {self.name}(key, rev, doc{columns}) VALUES(?,?,?{marks})"

    @cached_property
    def keyed(self) -> Callable[[bytes], Any]:
        """Reads of a document's JSON only what the key columns need."""
        names = {str(path.segments[0]) for path, _ in self.columns.values()}
        wanted = core_schema.typed_dict_field(core_schema.any_schema(), required=False)
        fields = core_schema.typed_dict_schema(dict.fromkeys(names, wanted))
        return SchemaValidator(fields).validate_json

    @cached_property
    def places(self) -> dict[Schema, dict[Any, Any]]:
        """For each class what lookups found out about its paths, for as long as this holds."""
        return {}

    @cached_property
    def covers(self) -> dict[Schema, bool]:
        """Whether a class declares every path of the shape."""
        return {}

    @cached_property
    def fills(self) -> dict[Schema, list[str] | None]:
        """For each class the statements that `fill_lists` runs."""
        return {}

    @property
    def types(self) -> dict[tuple[str, ...], str]:
        """The paths at which all values have one type, with that type."""
        return {
            tuple(json.loads(path)): kind
            for path, kind in self.shape.items()
            if not kind.startswith(MIXED)
        }

    def trusts(self, path: Path, kind: FieldType) -> bool:
        """True if everything stored at `path` is of this type, or null."""
        return not self.dirty and self.shape.get(_path_text(path.segments)) == kind.kind


def _path_text(segments: tuple[Any, ...]) -> str:
    return json.dumps(segments, ensure_ascii=False)


def read_table(connection: sqlite3.Connection, collection: str) -> Table | None:
    """What the file says of a collection; None if there is no such collection."""
    row = connection.execute(
        "SELECT shape, EXISTS(SELECT 1 FROM docmap_dirty WHERE collection=?1) "
        "FROM docmap_collections WHERE name=?1",
        (collection,),
    ).fetchone()
    if row is None:
        return None
    names = connection.execute(
        "SELECT name, 0 FROM sqlite_master WHERE type='index' AND tbl_name=?1 AND name LIKE 'ix!_%' "
        "ESCAPE '!' UNION ALL SELECT substr(name,1,length(name)-7), 1 FROM sqlite_master WHERE "
        "type='trigger' AND tbl_name=?1 AND name LIKE 'ix!_%!_insert' ESCAPE '!'",
        (table_name(collection),),
    ).fetchall()
    return Table(
        collection,
        json.loads(row[0]),
        bool(row[1]),
        frozenset(name.decode() for name, _ in names),
        frozenset(name.decode() for name, listed in names if listed),
    )


def declared_shape(schema: Schema) -> dict[str, str]:
    """The paths of a class's scalars that nested models lead to, with their types."""
    return {_path_text(path): kind.kind for path, kind in walk(schema.root) if kind.kind in _TYPED}


def adopt(connection: sqlite3.Connection, schema: Schema, table: Table | None) -> None:
    """Make the table, its key columns and its indexes for a class, inside a write transaction.

    What was stored before the class came is read once, to know what can be trusted.
    """
    if table is None:
        table = _create(connection, schema.collection)
    declared = declared_shape(schema)
    fresh = {
        path: kind
        for path, kind in declared.items()
        if table.shape.get(path) not in {kind, f"{MIXED} {kind}"}
    }
    if fresh:
        before, shape = set(table.columns), dict(table.shape)
        for path, kind in fresh.items():
            shape[path] = kind if path not in shape else f"{MIXED} {kind}"
        table = replace(table, shape=shape)
        for column in set(table.columns) - before:
            connection.execute(f"ALTER TABLE {table.name} ADD COLUMN {quoted(column)}")
        rekey(connection, table)
        save_shape(connection, table)
    for index in schema.indexes:
        if index.name not in table.indexes:
            _create_index(connection, table, schema, index)


def _create(connection: sqlite3.Connection, collection: str) -> Table:
    for statement in META.split(";"):
        connection.execute(statement)
    table = Table(collection)
    name, literal = table.name, text_literal(collection)
    connection.execute(
        f"CREATE TABLE {name}(key PRIMARY KEY NOT NULL, rev INTEGER, "
        "doc TEXT NOT NULL CHECK(json_valid(doc)))"
    )
    dirty = f"BEGIN INSERT OR IGNORE INTO docmap_dirty VALUES({literal},NEW.key); END"
    connection.execute(
        f"CREATE TRIGGER {_trigger(collection, 'insert')} AFTER INSERT ON {name} "
        f"WHEN NEW.rev IS NULL {dirty}"
    )
    connection.execute(
        f"CREATE TRIGGER {_trigger(collection, 'update')} AFTER UPDATE OF doc ON {name} "
        f"WHEN NEW.rev IS OLD.rev {dirty}"
    )
    connection.execute("INSERT INTO docmap_collections(name, shape) VALUES(?,'{}')", (collection,))
    return table


def _trigger(collection: str, event: str) -> str:
    return quoted(f"docmap_{table_name(collection)}_{event}")


def drop_collections(connection: sqlite3.Connection) -> None:
    """Drop the tables of all collections; what else the file holds is not docmap's."""
    names = [
        table_name(name.decode())
        for (name,) in connection.execute("SELECT name FROM docmap_collections").fetchall()
    ]
    elements = connection.execute(
        "SELECT name FROM sqlite_master WHERE type='table' AND name GLOB 'ix_[0-9a-f]*'"
    ).fetchall()
    for name in [*names, *(name.decode() for (name,) in elements)]:
        connection.execute(f"DROP TABLE IF EXISTS {quoted(name)}")
    connection.execute("DELETE FROM docmap_collections")
    connection.execute("DELETE FROM docmap_dirty")


def save_shape(connection: sqlite3.Connection, table: Table) -> None:
    """Write down what is stored where."""
    connection.execute(
        "UPDATE docmap_collections SET shape=? WHERE name=?",
        (json.dumps(table.shape, ensure_ascii=False), table.collection),
    )


def rekey(connection: sqlite3.Connection, table: Table) -> None:
    """Read every document: fill the key columns, and mark paths that hold other types."""
    columns = list(table.columns)
    update = f"UPDATE {table.name} SET {', '.join(f'{quoted(c)}=?' for c in columns)} WHERE rowid=?"
    for row, doc in connection.execute(f"SELECT rowid, doc FROM {table.name}").fetchall():
        wire = from_json(doc)
        mark_misfits(table, wire)
        if columns:
            connection.execute(update, (*key_values(table, wire), row))


def repair(connection: sqlite3.Connection, table: Table) -> None:
    """Take over the rows that other programs wrote: their JSON in docmap's form, keys, types."""
    rows = connection.execute(
        f"SELECT t.rowid, t.doc FROM docmap_dirty d JOIN {table.name} t ON t.key=d.key "
        "WHERE d.collection=?",
        (table.collection,),
    ).fetchall()
    columns = "".join(f", {quoted(column)}=?" for column in table.columns)
    for row, doc in rows:
        # Escaped names and repeated keys would mislead SQLite's JSON functions.
        wire = from_json(doc)
        mark_misfits(table, wire)
        connection.execute(
            f"UPDATE {table.name} SET doc=?, rev=ifnull(rev,0)+1{columns} WHERE rowid=?",
            (to_json(wire).decode(), *key_values(table, wire), row),
        )
    connection.execute("DELETE FROM docmap_dirty WHERE collection=?", (table.collection,))
    save_shape(connection, table)
    table.dirty = False


def mark_misfits(table: Table, wire: Any) -> bool:
    """Mark the paths at which a document holds another type than all others; True if any."""
    marked = False
    for path, kind in table.shape.items():
        if not kind.startswith(MIXED) and not _fits(
            kind, getter(Path(tuple(json.loads(path))))(wire)
        ):
            table.shape[path] = f"{MIXED} {kind}"
            marked = True
    return marked


def _fits(kind: str, wire: Any) -> bool:
    if not wire and wire is not False and wire not in (0, "", [], {}):  # null and missing
        return True
    if kind in TEXT_READERS:
        return TEXT_READERS[kind](wire) is not wire
    return type(wire) in _NATIVE_TYPES[kind]


_NATIVE_TYPES: Mapping[str, tuple[type, ...]] = {
    "bool": (bool,),
    "int": (int,),
    "float": (float,),
    "str": (str,),
}


def key_values(table: Table, wire: Any) -> tuple[Any, ...]:
    """The values of the key columns for a document."""
    return tuple(_key_value(kind, get(wire)) for get, kind in table.getters)


def _key_value(kind: str, wire: Any) -> Any:
    if kind == "float":
        return wire if type(wire) is float else None
    value = TEXT_READERS[kind](wire)
    return None if value is wire else decimal_key(value)


# -- indexes


def _create_index(
    connection: sqlite3.Connection, table: Table, schema: Schema, index: BoundIndex
) -> None:
    if index.elements:
        return _create_elements(connection, table, index)
    terms = [
        f"{_expression(table, term)}{' DESC' if term.descending else ''}" for term in index.terms
    ]
    if not index.unique:
        terms.append("key DESC" if index.terms[-1].descending else "key")
    connection.execute(
        f"CREATE {'UNIQUE ' if index.unique else ''}INDEX {index.name} ON {table.name}"
        f"({', '.join(terms)})"
    )
    return None


def _expression(table: Table, term: IndexTerm, row: str = "") -> str:
    """The indexed value: the JSON's own, or the key column; `row` is `NEW.` or `OLD.` in triggers."""
    if term.type.kind in KEYED:
        return row + quoted(column_name(str(s) for s in term.path.segments))
    return expressions(term.path, Source(json=f"{row}doc"))[0]


def _create_elements(connection: sqlite3.Connection, table: Table, index: BoundIndex) -> None:
    """A table of the elements of a list, kept by triggers, so that any program may write.

    docmap's own inserts come with a revision and are left to `fill_lists`: for many rows one
    statement costs a fifth of a trigger.
    """
    side, name = quoted(index.name), table.name
    columns = [f"c{number}" for number in range(len(index.terms))]
    unique = f", UNIQUE({', '.join(columns)})" if index.unique else ""
    connection.execute(
        f"CREATE TABLE {side}({', '.join(columns)}, key NOT NULL, "
        f"PRIMARY KEY({', '.join(columns)}, key){unique}) WITHOUT ROWID"
    )
    old = (
        f"DELETE FROM {side} WHERE ({', '.join(columns)}, key) IN "
        f"({_elements(table, index, 'OLD.')})"
    )
    new = f"INSERT INTO {side} {_elements(table, index, 'NEW.')}"
    watched, moved = _watched(table, index)
    for event, of, when, body in (
        ("INSERT", "", " WHEN NEW.rev IS NULL", new),
        ("DELETE", "", "", old),
        ("UPDATE", f" OF {watched}", f" WHEN NEW.rev IS OLD.rev OR {moved}", f"{old}; {new}"),
    ):
        trigger = quoted(f"{index.name}_{event.lower()}")
        connection.execute(
            f"CREATE TRIGGER {trigger} AFTER {event}{of} ON {name}{when} BEGIN {body}; END"
        )
    connection.execute(f"INSERT INTO {side} {_elements(table, index)}")


def _elements(table: Table, index: BoundIndex, row: str = "") -> str:
    """Selects the index's entries of a trigger's row, else of all rows `t` of the table."""
    listed = next(term for term in index.terms if term.elements)
    _, kind, each = expressions(listed.path, Source(json=f"{row}doc"))
    values = ", ".join(
        "e.value" if term.elements else _expression(table, term, row) for term in index.terms
    )
    rest = [_expression(table, term, row) for term in index.terms if not term.elements]
    given = "".join(f" AND {value} IS NOT NULL" for value in rest)
    key, origin = (f"{row}key", "") if row else ("t.key", f"{table.name} t, ")
    return (
        f"SELECT DISTINCT {values}, {key} FROM {origin}{each} e WHERE {kind}='array' "
        f"AND e.type IN ('text','integer','real'){given}"
    )


def _watched(table: Table, index: BoundIndex) -> tuple[str, str]:
    """The columns that hold what is indexed, and a condition that it changed in an update."""
    columns = ["key", "doc", *(_expression(table, t) for t in index.terms if t.type.kind in KEYED)]
    changed = ["NEW.key IS NOT OLD.key"]
    changed += [
        f"{_expression(table, t, 'NEW.')} IS NOT {_expression(table, t, 'OLD.')}"
        for t in index.terms
    ]
    return ", ".join(columns), " OR ".join(changed)


_LAST_ROW = 2**62  # beyond it another program chose row numbers, and SQLite may have no next one


def fill_lists(
    connection: sqlite3.Connection, table: Table, schema: Schema, before: int, keys: Sequence[Any]
) -> None:
    """Enter the rows just inserted after the row number `before` into the tables of elements."""
    if not table.lists:
        return
    if schema not in table.fills:
        declared = {index.name: index for index in schema.indexes if index.elements}
        known = table.lists <= declared.keys()
        table.fills[schema] = [_fill(table, declared[n]) for n in table.lists] if known else None
    statements = table.fills[schema]
    if statements is None or before >= _LAST_ROW:
        # Lists of another class, or no order in the row numbers: the triggers do it, row by row.
        rows = ((schema.stored_key(key),) for key in keys)
        connection.executemany(f"UPDATE {table.name} SET key=key WHERE key=?", rows)
        return
    for statement in statements:
        connection.execute(statement, (before,))


def _fill(table: Table, index: BoundIndex) -> str:
    """Enters the rows after a row number. A repeat inside one list is an entry, not a conflict."""
    entries = f"{_elements(table, index)} AND t.rowid>?"
    if index.unique:
        return f"INSERT INTO {quoted(index.name)} {entries}"
    return f"INSERT OR IGNORE INTO {quoted(index.name)} {entries.replace(' DISTINCT', '', 1)}"
