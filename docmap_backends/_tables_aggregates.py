"""Aggregates in memory: the reference accumulators over columns, or over the trees of matches."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from docmap.query.aggregates import Grouping, Reading, part_of
from docmap.query.groups import Columns, Groups
from docmap.schema.schema import Schema
from docmap_backends._tables_index import Entry
from docmap_backends._tables_table import Rows


def of_rows(rows: Rows, schema: Schema, grouping: Grouping) -> Groups:
    """The groups of all entries, from columns where no list is gone through."""
    found = Groups(grouping)
    if any(reading.path.each for reading in grouping.readings):
        return _added(found, rows.entries, schema)

    def column(reading: Reading | None) -> Sequence[Any]:
        if reading is None:
            return rows.entries
        values, part = rows.column(schema, reading.path), reading.part
        return values if part is None else [part_of(part, value) for value in values]

    keys = [column(key.reading) for key in grouping.keys]
    found.add(Columns(len(rows.entries), keys, [column(t.reading) for t in grouping.terms]))
    return found


def of_entries(entries: Iterable[Entry], schema: Schema, grouping: Grouping) -> Groups:
    """The groups of these entries, which come in the wanted order."""
    return _added(Groups(grouping), entries, schema)


def _added(found: Groups, entries: Iterable[Entry], schema: Schema) -> Groups:
    found.add_trees([entry.tree(schema) for entry in entries])
    return found
