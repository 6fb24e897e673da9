"""Names in MongoDB: docmap's own fields, and what a collection of docmap is called there."""

from __future__ import annotations

from typing import Final

ID: Final = "_id"
"""The field that holds the key of every document."""
REVISION: Final = "_rev"
"""The field that holds the revision, a number; a document of another program has none."""
OWN: Final = "_docmap_"
"""How docmap's own collections begin: no collection of docmap's may begin with an underscore."""
_SYSTEM: Final = "system."


def collection_name(collection: str) -> str:
    """The collection in which MongoDB keeps one of docmap's: `system.` is taken by the server."""
    return f"_{collection}" if collection.startswith(_SYSTEM) else collection


def logical_name(stored: str) -> str | None:
    """The collection of docmap that MongoDB keeps under a name; None if it is none."""
    if stored.startswith("_"):
        plain = stored[1:]
        return plain if plain.startswith(_SYSTEM) else None
    return None if stored.startswith(_SYSTEM) else stored
