"""Whose the tables of a PostgreSQL database are, and the errors of those that are not docmap's."""

from __future__ import annotations

from typing import Final

from docmap.errors import CorruptStore, ForeignStore
from docmap_backends._postgresql_errors import ENGINE
from docmap_backends._sql import text_literal

FORMAT: Final = 1
COMMENT: Final = f"docmap format {FORMAT}"
"""The comment of the catalogue, by which it is known."""


def is_ours(told: bytes | None, where: str) -> bool:
    """True if docmap made the catalogue. Raises ForeignStore if another program did."""
    text = (told or b"").decode()
    if text == COMMENT:
        return True
    if text.startswith("docmap format "):
        raise ForeignStore(
            f"the database of {where} is in a newer format ({text}) than this docmap knows: "
            "update docmap",
            engine=ENGINE,
        )
    raise ForeignStore(
        f"the database of {where} has a table docmap_collections of another program: name another "
        f"database, or another schema by the option schema; if it is docmap's, and was restored "
        f"without comments, say COMMENT ON TABLE docmap_collections IS '{COMMENT}'",
        engine=ENGINE,
    )


def taken_by_others(collection: str, table: str, where: str) -> ForeignStore:
    """The error of a table that is there already, and not docmap's."""
    return ForeignStore(
        f"the database of {where} has a table {table} of another program: name another "
        "collection, or another schema by the option schema; if its rows are documents, say by "
        f"the option tables which columns hold them: {collection}={table}(key,document)",
        engine=ENGINE,
        collection=collection,
    )


def removed_by_hand(collection: str, table: str, where: str) -> CorruptStore:
    """The error of a table that the catalogue names, and the database has not."""
    return CorruptStore(
        f"{where}: the table {table} is not there, or not in the search_path, though "
        "docmap_collections has it: restore it, or give it up by "
        f"DELETE FROM docmap_collections WHERE name = {text_literal(collection)}",
        engine=ENGINE,
        collection=collection,
    )
