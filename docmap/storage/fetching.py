"""Fetching: the documents that references refer to, read with one query per level and class."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING, Any

from pydantic import RootModel

from docmap.errors import InvalidQuery
from docmap.schema.reference_places import reference_places
from docmap.schema.references import Ref
from docmap.schema.resolve import Root, unknown
from docmap.schema.schema import Schema
from docmap.schema.types import LISTS, FieldType
from docmap.storage.loading import schema_of

if TYPE_CHECKING:
    from docmap.storage.base import BaseStorageAdapter
    from docmap.storage.query import Query

Where = Any
"""The storage of the documents that are referred to, or a mapping of classes to storages."""
BATCH = 500
"""How many documents of a stream are fetched for together."""


@dataclass(frozen=True, slots=True)
class Branch:
    """References to fetch: those at `path` in documents of a type, and what to fetch in turn."""

    root: FieldType
    path: tuple[str, ...]
    where: Where
    below: Mapping[Any, Branch]
    """By referenced class."""


def branches(schema: Schema, names: Iterable[Any], where: Where) -> tuple[Branch, ...]:
    """What to fetch for documents of a class.

    Raises InvalidQuery for a name that is no reference, with suggestions.
    """
    if where is not None and not isinstance(where, Mapping) and not hasattr(where, "get_many"):
        raise InvalidQuery(
            "fetch takes storage=, a storage or a mapping of classes to storages, not "
            f"{type(where).__name__}"
        )
    found = [_branch(schema, _segments(name), where) for name in names]
    if not found:
        raise InvalidQuery('fetch takes names of references: fetch("customer", "items.product")')
    return tuple(found)


def _segments(name: Any) -> tuple[str, ...]:
    path = getattr(name, "_path", None)
    if path is not None:
        return tuple(segment for segment in path.segments if isinstance(segment, str))
    if not isinstance(name, str) or not name:
        raise InvalidQuery(f"fetch takes names of references, not {type(name).__name__}")
    return tuple(name.split("."))


def _branch(schema: Schema, path: tuple[str, ...], where: Where) -> Branch:
    places: dict[str, list[Any]] = {}
    for place in reference_places(schema.root):
        places.setdefault(place.dotted, []).append(place.target)
    for length in range(1, len(path) + 1):
        targets = places.get(".".join(path[:length]))
        if targets is None:
            continue
        rest = path[length:]
        below = {one: _branch(schema_of(one), rest, where) for one in targets} if rest else {}
        return Branch(schema.root, path[:length], where, below)
    root = Root(schema.name, schema.collection, schema.root)
    hint = f"its references are {', '.join(sorted(places))}" if places else "it has none"
    raise unknown(root, "reference", ".".join(path), places, hint)


def fetch(
    storage: BaseStorageAdapter, groups: Iterable[tuple[tuple[Branch, ...], Sequence[Any]]]
) -> None:
    """Read what the branches name for groups of documents, and put it into their references.

    Level by level, one `get_many` for each class and storage. A document that several refer to is
    read once and is one object; what was read on an earlier level is not read again.
    """
    read: dict[tuple[int, Any], dict[Any, Any]] = {}
    level = list(groups)
    while level:
        wanted: dict[tuple[int, Any], tuple[BaseStorageAdapter, dict[Any, list[Any]]]] = {}
        deeper: list[tuple[Branch, list[Any]]] = []
        for parts, documents in level:
            for branch in parts:
                references: list[Any] = []
                for document in documents:
                    _gather(document, branch.root, branch.path, references)
                for one in references:
                    if one._key is not None:
                        target = one._class()
                        other = _storage_of(target, branch.where, storage)
                        _, keys = wanted.setdefault((id(other), target), (other, {}))
                        keys.setdefault(one._key, []).append(one)
                if branch.below:
                    deeper.append((branch, references))
        for (place, target), (other, keys) in wanted.items():
            _fill(other, target, keys, read.setdefault((place, target), {}))
        level = [group for branch, references in deeper for group in _next(branch, references)]


def _fill(
    storage: BaseStorageAdapter, target: Any, keys: Mapping[Any, list[Any]], read: dict[Any, Any]
) -> None:
    missing = [key for key in keys if key not in read]
    if missing:
        found = {document.pk: document for document in storage.get_many(target, missing)}
        read.update((key, found.get(key)) for key in missing)
    for key, references in keys.items():
        for one in references:
            one._held = read[key]


def _next(
    branch: Branch, references: Iterable[Any]
) -> Iterator[tuple[tuple[Branch, ...], Sequence[Any]]]:
    """The documents that were fetched, each once, by the class that was referred to."""
    by_class: dict[Any, dict[int, Any]] = {}
    for one in references:
        if one._held is not None:
            by_class.setdefault(one._class(), {})[id(one._held)] = one._held
    for target, documents in by_class.items():
        if target in branch.below:
            yield (branch.below[target],), list(documents.values())


def _storage_of(target: Any, where: Where, own: BaseStorageAdapter) -> BaseStorageAdapter:
    if isinstance(where, Mapping):
        found = next((where[base] for base in target.__mro__ if base in where), own)
    else:
        found = own if where is None else where
    return found


def _gather(value: Any, kind: FieldType, path: tuple[str, ...], found: list[Any]) -> None:
    """Append the references at `path` in a value of the type."""
    if isinstance(value, Ref):
        if not path:
            found.append(value)
    elif isinstance(value, RootModel):
        _gather(value.root, kind, path, found)
    elif value is not None:
        for item, inner, rest in _inside(value, kind, path):
            _gather(item, inner, rest, found)


def _inside(
    value: Any, kind: FieldType, path: tuple[str, ...]
) -> Iterator[tuple[Any, FieldType, tuple[str, ...]]]:
    """The parts of a value that `path` leads through, with their types and the rest of it."""
    if kind.kind == "model":
        entry = kind.fields.get(path[0]) if path else None
        if entry is not None:
            held = value.get(path[0]) if isinstance(value, dict) else getattr(value, path[0], None)
            yield held, entry.type, path[1:]
    elif kind.kind == "union":
        yield from ((value, option, path) for option in kind.options)
    elif isinstance(value, Mapping):
        if kind.kind == "dict" and kind.item is not None:
            yield from ((item, kind.item, path) for item in value.values())
    elif kind.kind in LISTS and isinstance(value, Iterable):
        for index, item in enumerate(value):
            if (inner := kind.element(index)) is not None:
                yield item, inner, path


def fetch_documents(
    storage: BaseStorageAdapter, documents: Iterable[Any], names: Sequence[Any], where: Where
) -> list[Any]:
    """`fetch` for documents at hand, of one class or several; the documents."""
    held = [documents] if hasattr(type(documents), "__docmap_schema__") else list(documents)
    by_class: dict[Any, list[Any]] = {}
    for document in held:
        by_class.setdefault(type(document), []).append(document)
    groups = [(branches(schema_of(cls), names, where), some) for cls, some in by_class.items()]
    fetch(storage, groups)
    return held


def fetched(
    query: Query[Any],
    parts: tuple[Branch, ...],
    found: Iterator[Any],
    size: int | None = BATCH,
) -> Iterator[Any]:
    """The documents that a query found with what is fetched for them, by batches or all at once."""
    parts = _seen(query, parts)
    try:
        while batch := list(islice(found, size)):
            fetch(query._storage, [(parts, batch)])
            yield from batch
    finally:
        close = getattr(found, "close", None)
        if close is not None:
            close()


def _seen(query: Query[Any], parts: tuple[Branch, ...]) -> tuple[Branch, ...]:
    """What to fetch for the documents that a query gives, perhaps through another class."""
    if query._view is None and not query._raw:
        return parts
    target = None if query._raw or query._view is None else query._view.target
    if target is None:
        raise InvalidQuery(
            "fetch needs documents: raw() and view(...) of a class that is no document class give "
            "none; view through a document class over the same collection"
        )
    known = {place.dotted for place in reference_places(target.root)}
    for part in parts:
        if (written := ".".join(part.path)) not in known:
            root = Root(target.name, target.collection, target.root)
            raise unknown(root, "reference", written, known, "fetch what the view has")
    return tuple(replace(part, root=target.root) for part in parts)
