"""The indexes of a collection's table: on what the JSON holds, on key columns, on list elements.

Other programs may write the table, so nothing here needs a function of docmap's: an index on the
elements of a list is a table of its own, kept by triggers.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from docmap.errors import DuplicateKey
from docmap.schema.indexes import BoundIndex, IndexDefinition, IndexTerm
from docmap.schema.schema import Schema
from docmap.storage.writes import cannot_be_unique, not_unique, taken
from docmap_backends._sql import column_name, quoted
from docmap_backends._sql_places import Source, expressions, reachable
from docmap_backends._sqlite_definitions import remember
from docmap_backends._sqlite_shape import KEYED
from docmap_backends._sqlite_tables import Table


def create_index(
    connection: sqlite3.Connection, table: Table, schema: Schema, index: BoundIndex
) -> None:
    """Make an index over what is stored. Raises DuplicateKey if a unique one cannot be."""
    try:
        _create(connection, table, schema, index)
    except (sqlite3.IntegrityError, DuplicateKey) as error:
        stored = (doc for (doc,) in connection.execute(f"SELECT doc FROM {table.name}"))
        raise cannot_be_unique(schema, index, stored) from error
    remember(connection, schema.collection, index.definition)


def _create(
    connection: sqlite3.Connection, table: Table, schema: Schema, index: BoundIndex
) -> None:
    if index.elements:
        _create_elements(connection, table, schema, index)
        return
    terms = [
        _expression(term, "doc", "") + (" DESC" if term.descending else "") for term in index.terms
    ]
    if not index.unique:
        # The key is always the last criterion of an order, in the direction of the one before it.
        terms.append("key DESC" if index.terms[-1].descending else "key")
    unique = "UNIQUE " if index.unique else ""
    connection.execute(
        f"CREATE {unique}INDEX {quoted(index.name)} ON {table.name}({', '.join(terms)})"
    )


def _expression(term: IndexTerm, doc: str, row: str) -> str:
    """The indexed value of a row: the JSON's own, or the key column."""
    if _in_column(term):
        return row + quoted(column_name(map(str, term.path.segments)))
    return expressions(term.path, Source(json=doc))[0]


def _in_column(term: IndexTerm) -> bool:
    """True if the values of the field are in a column of their own."""
    return not term.elements and (term.type.kind in KEYED or not reachable(term.path.segments))


def _create_elements(
    connection: sqlite3.Connection, table: Table, schema: Schema, index: BoundIndex
) -> None:
    """A table of the elements of a list, kept by triggers.

    docmap's own inserts are left to `enter`: for many rows one statement costs a fifth of a
    trigger. Of its updates the triggers see those that change what is indexed.
    """
    side, name = quoted(index.name), table.name
    columns = [f"c{number}" for number in range(len(index.terms))]
    entry = f"{', '.join(columns)}, key"
    connection.execute(f"CREATE TABLE {side}({entry} NOT NULL, PRIMARY KEY({entry})) WITHOUT ROWID")
    new, old, stored = (_rows(index, row, name) for row in ("NEW.", "OLD.", "t."))
    remove = f"DELETE FROM {side} WHERE ({entry}) IN ({old});"
    add = f"INSERT OR IGNORE INTO {side} {new};"
    if index.unique:
        add = _conflict(index, new, stored) + add
    watched, moved = _watched(index)
    foreign = "ifnull(NEW.own,-1)<0"
    for event, of, when, body in (
        ("insert", "", "" if index.unique else f" WHEN {foreign}", add),
        ("delete", "", "", remove),
        (
            "update",
            f" OF {watched}",
            f" WHEN {foreign} OR ifnull(OLD.own,-1)<0 OR NEW.own IS OLD.own OR {moved}",
            remove + add,
        ),
    ):
        trigger = quoted(f"{index.name}_{event}")
        connection.execute(
            f"CREATE TRIGGER {trigger} AFTER {event.upper()}{of} ON {name}{when} BEGIN {body} END"
        )
    connection.execute(f"INSERT OR IGNORE INTO {side} {stored}")
    if index.unique:
        twice = f"SELECT 1 FROM {side} GROUP BY {', '.join(columns)} HAVING count(*)>1 LIMIT 1"
        if connection.execute(twice).fetchone():
            raise not_unique(schema, index)


def _conflict(index: BoundIndex, new: str, stored: str) -> str:
    """Refuses an element that another document has.

    No constraint of the table does it: OR REPLACE in another program's statement would reach it,
    and take away the entries of other documents. What such a statement left is no conflict.
    """
    columns = [f"c{number}" for number in range(len(index.terms))]
    same = " AND ".join(
        f"{value} IS s.{column}"
        for column, value in zip(columns, _values(index, "t."), strict=True)
    )
    return (
        f"SELECT RAISE(ABORT, '{_FAILED}{index.name}') WHERE EXISTS(SELECT 1 FROM ({new}) n "
        f"JOIN {quoted(index.name)} s USING({', '.join(columns)}) WHERE s.key IS NOT NEW.key "
        f"AND EXISTS({stored} AND t.key=s.key AND {same}));"
    )


_FAILED = "UNIQUE constraint failed: index "


def _watched(index: BoundIndex) -> tuple[str, str]:
    """The columns that hold what is indexed, and a condition that it changed in an update."""
    own = [_expression(term, "doc", "") for term in index.terms if _in_column(term)]
    columns = ["key", "doc", *own]
    changed = ["NEW.key IS NOT OLD.key"]
    changed += [
        f"{_expression(t, 'NEW.doc', 'NEW.')} IS NOT {_expression(t, 'OLD.doc', 'OLD.')}"
        for t in index.terms
    ]
    return ", ".join(columns), " OR ".join(changed)


def _values(index: BoundIndex, row: str) -> list[str]:
    """What an entry holds; nothing in JSON is the empty blob, which stands for null."""
    return [
        "e.value" if term.elements else f"ifnull({_expression(term, f'{row}doc', row)},x'')"
        for term in index.terms
    ]


def _rows(index: BoundIndex, row: str, table: str) -> str:
    """The entries of a row of the collection's table, each once; of all its rows for `t.`."""
    listed = next(term for term in index.terms if term.elements)
    _, kind, each = expressions(listed.path, Source(json=f"{row}doc"))
    values = _values(index, row)
    named = ", ".join(f"{value} AS c{number}" for number, value in enumerate(values))
    given = "".join(
        f" AND {value}<>x''"
        for term, value in zip(index.terms, values, strict=True)
        if index.unique and not term.elements
    )
    origin = f"{table} t, " if row == "t." else ""
    return (
        f"SELECT DISTINCT {named}, {row}key FROM {origin}{each} e "
        f"WHERE {kind}='array' AND e.type IN ('text','integer','real'){given}"
    )


_LAST_ROW = 2**62  # beyond it another program chose row numbers, and SQLite may have no next one


def insert(
    connection: sqlite3.Connection, table: Table, schema: Schema, rows: Sequence[tuple[Any, ...]]
) -> None:
    """Add rows that must be new, and enter them into the tables of elements."""
    statements = _fills(table, schema)
    if statements == []:
        connection.executemany(table.insert, rows)
        return
    if statements is not None and len(rows) == 1:
        (row,) = rows
        before = (connection.execute(table.insert, row).lastrowid or 0) - 1
        for statement in statements:
            connection.execute(statement, (before,))
        return
    before = connection.execute(f"SELECT max(rowid) FROM {table.name}").fetchone()[0] or 0
    if statements is None or before >= _LAST_ROW:
        # As another program's rows, which the triggers enter one by one.
        connection.executemany(table.insert, ((row[0], row[1], -1, *row[3:]) for row in rows))
        marks = ((row[2], row[0]) for row in rows)
        connection.executemany(f"UPDATE {table.name} SET own=? WHERE key=?", marks)
        return
    connection.executemany(table.insert, rows)
    for statement in statements:
        connection.execute(statement, (before,))


def _fills(table: Table, schema: Schema) -> list[str] | None:
    """The statements that enter rows after a row number; None if the class cannot know them."""
    if schema not in table.fills:
        declared = {index.name: index for index in schema.indexes if index.elements}
        table.fills[schema] = (
            [_fill(table, declared[n]) for n in sorted(table.lists) if not declared[n].unique]
            if table.lists <= declared.keys()
            else None
        )
    return table.fills[schema]


def _fill(table: Table, index: BoundIndex) -> str:
    # A repeat inside one list is an entry, not a conflict.
    entries = _rows(index, "t.", table.name).replace(" DISTINCT", "", 1)
    return f"INSERT OR IGNORE INTO {quoted(index.name)} {entries} AND t.rowid>?"


def broken_index(
    schema: Schema,
    table: str,
    error: sqlite3.IntegrityError,
    definitions: Callable[[], Mapping[str, IndexDefinition]],
) -> DuplicateKey | None:
    """The DuplicateKey that a broken constraint means; None if it is none of docmap's own.

    `definitions` is asked only for an index that the class does not declare.
    """
    code, text = error.sqlite_errorcode, str(error)
    if code == sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY:
        return taken(schema)
    _, _, listed = text.partition("failed: ")
    for index in schema.indexes:
        columns = [f"{table}.{column_name(map(str, term.path.segments))}" for term in index.terms]
        if index.name in text or (index.unique and listed == ", ".join(columns)):
            return not_unique(schema, index)
    if code not in {sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_CONSTRAINT_TRIGGER}:
        return None
    found = re.search(r"ix_[0-9a-f]{16}", text)
    known = definitions().get(found[0]) if found else None
    label = f"the {known.label} index" if known else "a unique index"
    return DuplicateKey(
        f"{schema.collection} has another document with the same value of {label}, which another "
        f"class declares or once declared, and {schema.name} does not: `docmap indexes plan` shows "
        "what is there, and apply --drop removes what no class declares",
        collection=schema.collection,
        index=found[0] if found else None,
        fields=known.fields if known else (),
    )
