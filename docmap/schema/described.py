"""The schema of a collection that only its storage describes: plain dicts with known types.

A storage that records which types its classes declared can be asked without the classes, as the
command line does, and still compares `total` as a number though it is stored as text.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from docmap.schema.annotations import BigInt
from docmap.schema.codec import Codec
from docmap.schema.leaves import BIGINT, LEAVES, leaf_schema
from docmap.schema.schema import Schema, check_collection
from docmap.schema.types import ANY, Field, FieldType

Shape = Mapping[tuple[str, ...], str]
"""Storage paths to the kinds of field types."""


def described(collection: str, shape: Shape) -> Schema:
    """A schema whose documents are dicts, with the types of `shape` and any others beside."""
    check_collection(collection)
    root = place_of(shape)
    codec = Codec(collection, root, recheck=False)
    key = root.fields.get("id") or Field("id", "id", ANY)
    return Schema(collection, collection, None, "id", key, root, codec)


def place_of(shape: Shape) -> FieldType:
    """An object that has the fields of `shape`, and takes all others.

    A list of one type is `each` and the kind of its elements: `each uuid`.
    """
    return _place({path: kind for path, kind in shape.items() if path})


def _place(shape: Shape) -> FieldType:
    fields: dict[str, Field] = {}
    for name in dict.fromkeys(path[0] for path in shape):
        inner = {path[1:]: kind for path, kind in shape.items() if path[0] == name and path[1:]}
        kind = _place(inner) if inner else _typed(shape[(name,)])
        fields[name] = Field(name, name, kind, required=False)
    return FieldType("model", nullable=True, fields=fields, annotation=None, extra=True)


_DATATYPES: Mapping[str, Any] = {
    **{leaf.kind: datatype for datatype, leaf in reversed(LEAVES.items())},
    "bigint": BigInt,
}


def _typed(kind: str) -> FieldType:
    if kind.startswith("each "):
        return FieldType("list", nullable=True, item=scalar_type(kind.removeprefix("each ")))
    return scalar_type(kind)


def scalar_type(kind: str) -> FieldType:
    """The type of a kind of scalars; ANY for every other kind."""
    datatype = _DATATYPES.get(kind)
    if datatype is None:
        return ANY
    leaf = BIGINT if kind == "bigint" else LEAVES[datatype]
    core = leaf_schema(leaf, {}, microseconds=True)
    return FieldType(leaf.kind, nullable=True, annotation=datatype, core=core, microseconds=True)
