"""The indexes of a collection's table, as statements: B-trees, GIN for lists, who breaks which.

A B-tree holds the expression that queries write (`Place.sortable`), nulls first where it ascends:
read backwards it serves the contrary order. Beside it stands an index of those values that are not
of the declared type, which is empty unless other programs or classes wrote some. That no element of
a list is in two documents is kept by a table of elements and a trigger.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import psycopg

from docmap.errors import StorageError
from docmap.query.paths import Path
from docmap.schema.indexes import BoundIndex, IndexDefinition, IndexTerm
from docmap.schema.schema import Schema
from docmap.storage.deadlines import in_time
from docmap.storage.writes import cannot_be_unique
from docmap_backends._postgresql_building import INVALID, build, can_build
from docmap_backends._postgresql_places import (
    SORTABLE,
    Source,
    cast_of,
    element_source,
    expressions,
    list_elements,
    misfit,
    sortable,
)
from docmap_backends._postgresql_spreading import check_indexes
from docmap_backends._postgresql_tables import Table
from docmap_backends._postgresql_updates import PostgreSQLUpdating
from docmap_backends._sql import quoted


class PostgreSQLIndexing(PostgreSQLUpdating):
    """The part of `postgresql.PostgreSQLStorage` that makes indexes and tells of them."""

    def _create_index(self, table: Table, schema: Schema, index: BoundIndex) -> None:
        """Make one index, inside a transaction. Raises DuplicateKey if a unique one cannot be."""
        if table.spread is not None:
            check_indexes(schema, (index,), table.spread)
        try:
            with self._connections.transaction():
                for (part,) in self._connections.rows(INVALID, (table.name, index.name)):
                    unfinished = quoted((part or b"").decode())
                    self._connections.written(f"DROP INDEX IF EXISTS {unfinished}")
                for statement in index_statements(table, index):
                    self._connections.written(statement)
        except psycopg.IntegrityError as error:
            if error.diag.schema_name == "pg_catalog":
                raise  # others make it at the same time
            stored = (data for data, _ in self._scan(schema))
            raise cannot_be_unique(schema, index, stored) from error
        self._catalogue.remember(schema.collection, index.definition)

    def _build_index(self, schema: Schema, index: BoundIndex, done: Callable[[int], None]) -> None:
        table = self._table(schema)
        beside = table is not None and table.adopted and not self._connections.in_transaction
        if table is None or not beside or not self._built_beside(table, schema, index):
            self._ensure(replace(schema, indexes=(index,)))
        table = self._table(schema)
        if table is not None:
            # Of an expression the server knows nothing until it has looked.
            self._connections.written(f"ANALYZE {table.name}")
        done(self._count(schema, None))

    def _built_beside(self, table: Table, schema: Schema, index: BoundIndex) -> bool:
        """Make an index while others write; False where that cannot be."""
        if table.spread is not None or (index.unique and index.elements):
            return False  # a table of elements and its trigger have to be made at one moment

        def is_there() -> bool:
            now = self._catalogue.current(schema.collection)
            return now is None or index.name in now.indexes

        with in_time(self):
            statements = index_statements(table, index)
            try:
                build(self._connections, table.name, index.name, statements, is_there)
            except psycopg.IntegrityError as error:
                stored = (data for data, _ in self._scan(schema))
                raise cannot_be_unique(schema, index, stored) from error
            except StorageError as error:
                if can_build(error):
                    raise
                return False
            with self._connections.transaction("read committed"):
                self._catalogue.lock()
                self._catalogue.remember(schema.collection, index.definition)
            self._catalogue.forget()
        return True

    def _present_indexes(self, schema: Schema) -> dict[str, IndexDefinition]:
        table = self._catalogue.current(schema.collection)
        if table is None:
            return {}
        known = self._catalogue.definitions(schema)
        return {name: known.get(name, IndexDefinition(name)) for name in sorted(table.indexes)}

    def _drop_index(self, schema: Schema, name: str) -> None:
        with self._connections.transaction():
            self._catalogue.lock()
            for statement in drop_statements(name):
                self._connections.written(statement)
            self._connections.written("DELETE FROM docmap_indexes WHERE name = %s", (name,))
        self._catalogue.forget()
        self._ensured.clear()


def index_statements(table: Table, index: BoundIndex) -> list[str]:
    """The statements that make an index over what is stored."""
    if index.elements:
        return list(_of_elements(table, index))
    return list(_of_scalars(table, index.terms, index.name, unique=index.unique))


def drop_statements(name: str) -> list[str]:
    """The statements that remove an index, of whatever kind it is."""
    return [
        *(f"DROP INDEX IF EXISTS {name}{suffix}" for suffix in ("", "_odd", "_rest", "_rest_odd")),
        f"DROP FUNCTION IF EXISTS {name}_keep() CASCADE",
        f"DROP TABLE IF EXISTS {name}_side",
    ]


def _of_scalars(
    table: Table, terms: tuple[IndexTerm, ...], name: str, *, unique: bool = False
) -> Iterator[str]:
    columns = [
        f"({_entry(table, term)}){' DESC NULLS LAST' if term.descending else ' NULLS FIRST'}"
        for term in terms
    ]
    if not unique:
        # The key is always the last criterion of an order, in the direction of the one before it.
        columns.append(table.key + (" DESC" if terms[-1].descending else ""))
    elif table.spread is not None:
        columns.append(table.spread.column)
    kind = "UNIQUE INDEX" if unique else "INDEX"
    yield f"CREATE {kind} IF NOT EXISTS {name} ON {table.name}({', '.join(columns)})"
    odd = [
        misfit(term.type.kind, *expressions(term.path, Source(table.doc)))
        for term in terms
        if term.type.kind in SORTABLE
    ]
    if odd:
        yield (
            f"CREATE INDEX IF NOT EXISTS {name}_odd ON {table.name}({table.key}) "
            f"WHERE {' OR '.join(odd)}"
        )


def _entry(table: Table, term: IndexTerm, row: str = "") -> str:
    """The indexed value of a row."""
    return sortable(term.type.kind, *expressions(term.path, Source(table.doc_of(row))))


# -- lists


def _of_elements(table: Table, index: BoundIndex) -> Iterator[str]:
    listed = next(term for term in index.terms if term.elements)
    json = expressions(listed.path, Source(table.doc))[0]
    yield (
        f"CREATE INDEX IF NOT EXISTS {index.name} ON {table.name} "
        f"USING gin(({json}) jsonb_path_ops)"
    )
    others = tuple(term for term in index.terms if not term.elements)
    if others:
        yield from _of_scalars(table, others, f"{index.name}_rest")
    if index.unique:
        yield from _unique_elements(table, index)


def _unique_elements(table: Table, index: BoundIndex) -> Iterator[str]:
    """A table of the elements, each in one document, and the trigger that keeps it."""
    side = f"{index.name}_side"
    columns = [f"c{number}" for number in range(len(index.terms))]
    typed = [
        f"{column} {cast_of(term.type.kind)}{_collation(term)} NOT NULL"
        for column, term in zip(columns, index.terms, strict=True)
    ]
    yield (
        f"CREATE TABLE IF NOT EXISTS {side}({', '.join(typed)}, "
        f'key text COLLATE "C" NOT NULL, PRIMARY KEY({", ".join(columns)}))'
    )
    yield f"CREATE INDEX IF NOT EXISTS {side}_key ON {side}(key)"
    key = table.key if table.kind == "text" else f"{table.key}::text"
    body = (
        f"BEGIN IF TG_OP = 'TRUNCATE' THEN DELETE FROM {side}; RETURN NULL; END IF; "
        f"IF TG_OP <> 'INSERT' THEN DELETE FROM {side} WHERE key = OLD.{key}; END IF; "
        f"IF TG_OP <> 'DELETE' THEN INSERT INTO {side} {_elements(table, index, 'NEW.', '')}; "
        "END IF; RETURN NULL; END"
    )
    yield (
        f"CREATE OR REPLACE FUNCTION {index.name}_keep() RETURNS trigger LANGUAGE plpgsql "
        f"SET search_path FROM CURRENT AS {_as_text(body)}"
    )
    yield f"DROP TRIGGER IF EXISTS {index.name}_keep ON {table.name}"
    yield (
        f"CREATE TRIGGER {index.name}_keep AFTER INSERT OR DELETE OR UPDATE "
        f"OF {table.key}, {table.column} ON {table.name} "
        f"FOR EACH ROW EXECUTE FUNCTION {index.name}_keep()"
    )
    yield f"DROP TRIGGER IF EXISTS {index.name}_keep_none ON {table.name}"
    yield (
        f"CREATE TRIGGER {index.name}_keep_none AFTER TRUNCATE ON {table.name} "
        f"FOR EACH STATEMENT EXECUTE FUNCTION {index.name}_keep()"
    )
    yield f"INSERT INTO {side} {_elements(table, index, 't.', f'{table.name} t, ')}"


def _as_text(body: str) -> str:
    """The text of a function; whoever runs it may have other settings than who made it."""
    tag = "$docmap$"
    while tag in body:  # the name of a field holds it
        tag = f"$docmap{len(tag)}$"
    return tag + body + tag  # its percent signs are doubled already


def _collation(term: IndexTerm) -> str:
    return ' COLLATE "C"' if cast_of(term.type.kind) == "text" else ""


def _elements(table: Table, index: BoundIndex, row: str, origin: str) -> str:
    """The entries of a row, each once; of all rows where `origin` names the table."""
    values = []
    each = ""
    for term in index.terms:
        if term.elements:
            each = list_elements(expressions(term.path, Source(table.doc_of(row)))[0])
            kind = term.type.kind
            values.append(sortable(kind, *expressions(Path(), element_source(1))))
        else:
            values.append(_entry(table, term, row))
    named = ", ".join(f"{value} AS c{number}" for number, value in enumerate(values))
    given = " AND ".join(f"c{number} IS NOT NULL" for number in range(len(values)))
    return (
        f"SELECT * FROM (SELECT DISTINCT {named}, {row}{table.key} AS key "
        f"FROM {origin}{each} e1(value)) n WHERE {given}"
    )
