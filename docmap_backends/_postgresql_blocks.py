"""Rows as PostgreSQL's COPY takes them: in its text format, some at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

from docmap.schema.schema import Schema
from docmap_backends._postgresql_json import storable
from docmap_backends._postgresql_tables import Table

_BLOCK: Final = 200_000  # bytes of data that are sent at once


def copy_blocks(
    table: Table, schema: Schema, rows: Iterable[tuple[Any, bytes, int]]
) -> Iterator[bytes]:
    """Keys, documents and revisions in COPY's text format, in blocks to be sent."""
    lines: list[bytes] = []
    size = 0
    spread, shard = table.has_shard, b""
    for key, data, revision in rows:
        text = table.key_text(schema, key) or b"\\N"
        if not text.isalnum():
            text = _escaped(text)
        doc = storable(data).replace(b"\\", b"\\\\")
        if spread:
            shard = b"".join(b"\t" + _escaped(one) for one in table.shard_of(data))
        lines.append(b"%b\t%d\t%b%b\n" % (text, revision, doc, shard))
        size += len(doc)
        if size > _BLOCK:
            yield b"".join(lines)
            lines, size = [], 0
    if lines:
        yield b"".join(lines)


def _escaped(text: bytes) -> bytes:
    text = text.replace(b"\\", b"\\\\").replace(b"\t", b"\\t")
    return text.replace(b"\n", b"\\n").replace(b"\r", b"\\r")
