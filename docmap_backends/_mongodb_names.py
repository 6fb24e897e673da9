"""Names in MongoDB: docmap's own fields, and what a collection of docmap is called there."""

from __future__ import annotations

from typing import Final

ID: Final = "_id"
"""The field that holds the key of every document."""
REVISION: Final = "_rev"
"""The field that holds the revision, a number; a document of another program has none."""
MARKS: Final = "_docmap"
"""The field with what a document has in unique indexes, where the server has no partial ones."""
EXPIRY: Final = "docmap_expiry"
"""The TTL index of a collection."""
OWN: Final = "_docmap_"
"""How docmap's own collections begin: no collection of docmap's may begin with an underscore."""
_SYSTEM: Final = "system."


def collection_name(collection: str) -> str:
    """The collection in which MongoDB keeps one of docmap's.

    `system.` is taken by the server, and a name has no empty part between its dots.

    >>> [collection_name(name) for name in ("orders", "system.x", "a..b", "a.")]
    ['orders', '_system%2Ex', '_a%2E%2Eb', '_a%2E']
    """
    if collection.startswith(_SYSTEM) or ".." in collection or collection.endswith("."):
        return "_" + collection.replace(".", "%2E")
    return collection


def logical_name(stored: str) -> str | None:
    """The collection of docmap that MongoDB keeps under a name; None if it is none."""
    name = stored[1:].replace("%2E", ".") if stored.startswith("_") else stored
    return name if collection_name(name) == stored else None
