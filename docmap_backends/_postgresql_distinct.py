"""The distinct values of a place as PostgreSQL's statements; `found` is the WHERE clause.

Where an index begins with the place and has few distinct texts, they are read one after the other,
each from the place in the index behind the one before it, and no document is read.
"""

from __future__ import annotations

from typing import Final

from docmap.query.paths import EACH, Path
from docmap.schema.schema import Schema
from docmap.schema.types import UNTYPED, FieldType
from docmap_backends._postgresql_places import (
    NUMERIC,
    Source,
    any_odd,
    element_source,
    expressions,
    list_elements,
    sortable,
)
from docmap_backends._postgresql_tables import Table
from docmap_backends._sql import SQL

FEW: Final = 100
"""Texts up to which reading them one by one is worth it: these cost far less than a scan."""


def few_texts(table: Table, schema: Schema, path: Path, kind: FieldType) -> str:
    """The statement that reads up to `FEW` distinct texts from an index; empty if none begins so.

    Each row has the answer of an index to whether all are texts.
    """
    if table.place is not None or table.has_shard or not _leads(table, schema, path, kind):
        return ""
    json, text = expressions(path, Source(table.doc))
    entry, flag = sortable(kind.kind, json, text), any_odd(table.name, kind.kind, json, text)

    def next_one(condition: str) -> str:
        order = f"ORDER BY {entry} NULLS FIRST LIMIT 1"
        return f"SELECT {entry} FROM {table.name} WHERE {entry}{condition} {order}"

    return (
        f"WITH RECURSIVE found(value, place) AS ((SELECT ({next_one(' IS NOT NULL')}), 1) "
        f"UNION ALL SELECT ({next_one('>found.value')}), place+1 FROM found "
        f"WHERE value IS NOT NULL AND place<{FEW}) "
        f"SELECT value, {flag} FROM found WHERE value IS NOT NULL "
        f"UNION ALL (SELECT NULL, {flag} FROM {table.name} WHERE {entry} IS NULL LIMIT 1)"
    )


def _leads(table: Table, schema: Schema, path: Path, kind: FieldType) -> bool:
    """True if an index that there is begins with the place."""
    return any(
        index.name in table.indexes
        and not index.terms[0].elements
        and (index.terms[0].path.segments, index.terms[0].type.kind) == (path.segments, kind.kind)
        for one in (schema, *schema.relatives)
        for index in one.indexes
    )


def distinct_texts(table: Table, path: Path, kind: FieldType, found: SQL) -> SQL:
    """The distinct texts at a path, each with the answer of an index to whether all are texts."""
    json, text = expressions(path, Source(table.doc))
    flag = any_odd(table.name, kind.kind, json, text)
    return SQL(
        f'SELECT DISTINCT {text} COLLATE "C", {flag} FROM {table.name}{found.text}',
        found.parameters,
    )


def distinct_values(table: Table, path: Path, kind: FieldType, found: SQL) -> SQL:
    """The distinct JSON values at a path, as their text: numbers as they are written."""
    source = table.name
    root, segments = Source(table.doc), path.segments
    if EACH in segments:
        place = segments.index(EACH)
        listed = expressions(Path(segments[:place]), root)[0]
        source = f"{table.name} CROSS JOIN LATERAL {list_elements(listed)} e1(value)"
        value = expressions(Path(segments[place + 1 :]), element_source(1))[0]
        given = f"{value} IS NOT NULL"
        text = f"{found.text} AND {given}" if found.text else f" WHERE {given}"
        found = SQL(text, found.parameters)
    else:
        value = expressions(path, root)[0]
    if kind.kind in NUMERIC or kind.kind in UNTYPED:
        value = f'({value}::text COLLATE "C")'
    return SQL(f"SELECT DISTINCT {value} FROM {source}{found.text}", found.parameters)
