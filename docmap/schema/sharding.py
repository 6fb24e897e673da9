"""Shard keys: the fields by which an engine of several servers spreads a collection over them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from docmap.errors import InvalidModel, InvalidQuery, InvalidValue
from docmap.query.changes import Update
from docmap.query.paths import Path, getter
from docmap.schema.indexes import BoundIndex
from docmap.schema.resolve import Root, resolve_name
from docmap.schema.types import FieldType
from docmap.values import MISSING

if TYPE_CHECKING:
    from docmap.schema.schema import Schema

_KINDS: Final = frozenset("int str uuid objectid date datetime".split())
"""What every engine spreads alike: equal values have one form, and none is a list."""
_WAYS: Final = 'shard_key="tenant", or several fields: shard_key=("tenant", "id")'


@dataclass(frozen=True, slots=True)
class ShardTerm:
    """One field of a shard key."""

    name: str
    """The field as a user writes it."""
    path: Path
    """Its storage path."""
    type: FieldType


@dataclass(frozen=True, slots=True)
class ShardKey:
    """The fields whose values say on which server a document is. A document keeps them for life."""

    terms: tuple[ShardTerm, ...]

    @property
    def paths(self) -> tuple[Path, ...]:
        """The storage paths, in their order."""
        return tuple(term.path for term in self.terms)

    @property
    def label(self) -> str:
        """The shard key for messages: `(tenant, id)`."""
        return f"({', '.join(term.name for term in self.terms)})"

    @property
    def roots(self) -> tuple[str, ...]:
        """The top-level storage names that hold its values."""
        return tuple(str(term.path.segments[0]) for term in self.terms)

    def values(self, tree: Any) -> tuple[Any, ...]:
        """Its logical values in a document, as `schema.codec.tree` gives one; null for missing."""
        found = (getter(term.path)(tree) for term in self.terms)
        return tuple(None if value is MISSING else value for value in found)


def bind_shard_key(declared: Any, names: Root, indexes: Iterable[BoundIndex]) -> ShardKey | None:
    """The shard key that a class declares. Raises InvalidModel for one that cannot work."""
    if declared is None:
        return None
    given = (declared,) if isinstance(declared, str) else declared
    if not isinstance(given, (tuple, list)) or not given:
        raise InvalidModel(f"{names.name}: shard_key takes names of fields: {_WAYS}")
    terms = tuple(_term(names, name) for name in given)
    if len({term.path for term in terms}) < len(terms):
        raise InvalidModel(f"{names.name}: shard_key names a field twice: {_WAYS}")
    key = ShardKey(terms)
    for index in indexes:
        _check_unique(names, key, index)
    return key


def _term(names: Root, name: Any) -> ShardTerm:
    if not isinstance(name, str):
        raise InvalidModel(f"{names.name}: shard_key takes names of fields: {_WAYS}")
    try:
        found = resolve_name(names, name)
    except InvalidQuery as error:
        raise InvalidModel(
            f"{names.name}: shard_key: {error}", field=name, suggestions=error.suggestions
        ) from error
    fixed = not found.path.each and all(isinstance(one, str) for one in found.path.segments)
    if found.type.kind not in _KINDS or found.type.options or not fixed:
        raise InvalidModel(
            f"{names.name}.{name} is {found.type.label} and cannot be in the shard key: name a "
            "field that holds one str, int, UUID, ObjectId, date or datetime",
            field=name,
        )
    if found.type.nullable and found.path.segments != _key_segments(names):
        raise InvalidModel(
            f"{names.name}.{name} may be None and cannot be in the shard key, by which every "
            "document has its place: declare it without None",
            field=name,
        )
    return ShardTerm(name, found.path, found.type)


def _key_segments(names: Root) -> tuple[str, ...]:
    """Where the key is stored: it is declared with None where the storage counts it."""
    return (names.type.fields[names.key].stored,) if names.key is not None else ()


def _check_unique(names: Root, key: ShardKey, index: BoundIndex) -> None:
    """Each server sees its own documents only: it can tell no value of others to be taken."""
    first = tuple(term.path for term in index.terms[: len(key.terms)])
    if index.unique and first != key.paths:
        raise InvalidModel(
            f"{names.name}: the index {index.label} cannot be unique with the shard key "
            f"{key.label}: every server would keep it for its own documents alone. Begin the "
            f"index with the fields of the shard key, in their order: Index("
            f"{', '.join(repr(term.name) for term in key.terms)}, ..., unique=True)",
            field=index.fields[0].lstrip("-"),
            index=index.name,
        )


def is_made(schema: Schema, key: Any) -> bool:
    """True if a key is one that docmap makes, which no other document has."""
    if schema.key_field.type.kind in _MADE:
        return True
    if type(key) is not str or len(key) != _TEXT_LENGTH:
        return False
    try:
        return UUID(key).version == _TIME_ORDERED
    except ValueError:
        return False


_MADE: Final = frozenset({"uuid", "objectid"})
_TEXT_LENGTH: Final = 36  # of a UUID as text
_TIME_ORDERED: Final = 7


def check_update(schema: Schema, update: Update) -> None:
    """Raise InvalidQuery for an update of what says where a document is."""
    key = schema.shard_key
    if key is None:
        return
    for step in update:
        touched = [step.path]
        if step.operator == "rename":
            touched.append(step.operand.path)
        for path in touched:
            for term in key.terms:
                if _related(path, term.path):
                    raise InvalidQuery(
                        f"{schema.name}.{term.name} is in the shard key {key.label} and does not "
                        "change: insert a copy with another value, and delete the old document",
                        collection=schema.collection,
                        field=path.dotted,
                    )


def _related(one: Path, other: Path) -> bool:
    """True if one place is the other, or lies in it."""
    return all(a == b for a, b in zip(one.segments, other.segments, strict=False))


def check_kept(schema: Schema, before: bytes | str, after: bytes | str) -> None:
    """Raise InvalidValue if a document would be written over one of another shard key."""
    key = schema.shard_key
    if key is None:
        return
    tree, roots = schema.codec.tree, key.roots
    was, now = key.values(tree(before, roots)), key.values(tree(after, roots))
    for term, old, new in zip(key.terms, was, now, strict=True):
        if old != new:
            raise InvalidValue(
                f"{schema.name}.{term.name} is in the shard key {key.label}, and differs from what "
                "is stored: it does not change. Insert a copy with a key of its own, and delete "
                "the old document; nothing was written",
                collection=schema.collection,
                field=term.path.dotted,
            )
