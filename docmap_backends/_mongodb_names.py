"""Names in MongoDB: what a top-level field and a collection of docmap are called there.

The key's storage name and `_id` change places, so that any two fields stay two; `_rev` is the
revision, and a field of the user's that is called so gets one more underscore at its end.
"""

from __future__ import annotations

from typing import Final

from docmap.schema.schema import Schema

ID: Final = "_id"
REVISION: Final = "_rev"
OWN: Final = "_docmap_"
"""How docmap's own collections begin: no collection of docmap's may begin with an underscore."""
_SYSTEM: Final = "system."


def to_name(schema: Schema, name: str) -> str:
    """The name that a top-level storage name of docmap has in a document of MongoDB."""
    key = schema.key_field.stored
    if name == key:
        return ID
    if name == ID:
        return to_name_of_user(key)
    return to_name_of_user(name)


def from_name(schema: Schema, name: str) -> str:
    """The storage name of a top-level field that is not the revision; the inverse of `to_name`."""
    key = schema.key_field.stored
    if name == ID:
        return key
    name = from_name_of_user(name)
    return ID if name == key else name


def to_name_of_user(name: str) -> str:
    """A name that is not the key's, told apart from the revision's."""
    return f"{name}_" if name.startswith(REVISION) and name.strip("_") == "rev" else name


def from_name_of_user(name: str) -> str:
    """The inverse of `to_name_of_user`."""
    return name[:-1] if to_name_of_user(name[:-1]) == name else name


def collection_name(collection: str) -> str:
    """The collection in which MongoDB keeps one of docmap's: `system.` is taken by the server."""
    return f"_{collection}" if collection.startswith(_SYSTEM) else collection


def logical_name(stored: str) -> str | None:
    """The collection of docmap that MongoDB keeps under a name; None if it is none."""
    if stored.startswith("_"):
        plain = stored[1:]
        return plain if plain.startswith(_SYSTEM) else None
    return None if stored.startswith(_SYSTEM) else stored
