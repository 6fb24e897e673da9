"""A collection's schema from what a storage knows of it: its key, its types, its indexes.

A storage that is copied may not know the classes of its collections. It knows the definitions of
their indexes, and an index is named by its definition: one that is rebuilt under its own name is
the index that its class declares, and the class finds it there.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import islice, product
from typing import Final

from docmap.query.paths import Path, Segment
from docmap.schema.codec import Codec
from docmap.schema.described import Shape, described, place_of, scalar_type
from docmap.schema.indexes import BoundIndex, IndexDefinition, IndexTerm, bound
from docmap.schema.schema import Schema
from docmap.schema.types import ANY, Field

_MOST: Final = 10_000
_AS_JSON_HAS_IT: Final = frozenset({"any", "str", "int", "bool", "float"})


def rebuilt(
    collection: str, key: str, shape: Shape, definitions: Iterable[IndexDefinition]
) -> tuple[Schema, tuple[IndexDefinition, ...]]:
    """The schema with the indexes that can be rebuilt, and the definitions of those that cannot.

    `key` is the storage name of the key field. What an index holds of a union only its class
    knows, and of some an engine knows the name alone.
    """
    indexes: list[BoundIndex] = []
    left: list[IndexDefinition] = []
    for definition in definitions:
        index = rebuilt_index(collection, definition)
        if index is None:
            left.append(definition)
        else:
            indexes.append(index)
    types = dict(shape)
    for index in indexes:
        for term in index.terms:
            places = tuple(map(str, term.path.segments))
            types[places] = f"each {term.type.kind}" if term.elements else term.type.kind
    # Keys are compared as they are stored: a UUID as its text, where its class stored it so.
    root = place_of({path: kind for path, kind in types.items() if path != (key,)})
    schema = replace(
        described(collection, {}),
        key_field=Field("id", key, ANY),
        root=root,
        codec=Codec(collection, root, recheck=False),
        indexes=tuple(indexes),
    )
    return schema, tuple(left)


def rebuilt_index(collection: str, definition: IndexDefinition) -> BoundIndex | None:
    """The index that has this definition and its name; None if the definition does not tell."""
    if not definition.fields:
        return None
    terms = [
        list(_terms(field, kind))
        for field, kind in zip(definition.fields, definition.kinds, strict=True)
    ]
    for chosen in islice(product(*terms), _MOST):
        index = bound(collection, definition.unique, chosen)
        if index.name == definition.name:
            return index
    return None


def _terms(field: str, kind: str) -> Iterator[IndexTerm]:
    """What a field of a definition may be: names in it may hold dots, digits may be an index."""
    elements = kind.startswith("each ")
    of = kind.removeprefix("each ")
    if of == "union":
        return
    name = field.removeprefix("-")
    for segments in _segments(name.split(".")):
        inside_a_list = any(type(segment) is int for segment in segments)
        if inside_a_list and of not in _AS_JSON_HAS_IT:
            continue  # a schema of names cannot say what is at a place of a list
        yield IndexTerm(Path(segments), name != field, scalar_type(of), elements)


def _segments(parts: list[str]) -> Iterator[tuple[Segment, ...]]:
    for end in range(1, len(parts) + 1):
        head = ".".join(parts[:end])
        found: list[Segment] = [head]
        if head.isascii() and head.isdigit():
            found.append(int(head))
        rests = [()] if end == len(parts) else list(_segments(parts[end:]))
        for segment in found:
            for rest in rests:
                yield (segment, *rest)
