"""Field expressions: `Order.total`, `Order.customer.country`, `path("a.b")`, to build queries with.

A finished Document class gives one for each of its fields (`docmap.model.metaclass`). The names
that users write around them are here too: `Q`, `Condition`, `col`, `Mapped`, `field`.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from docmap.errors import InvalidQuery, shown
from docmap.model.changes import ListChanges, NumberChanges
from docmap.model.expressions import Mapped, col, field
from docmap.model.lookups import DateLookups, ListLookups, TextLookups
from docmap.model.operators import Ordering
from docmap.query.conditions import Condition, Q, as_condition, as_node
from docmap.query.paths import EACH, Path, Segment
from docmap.schema.resolve import Root, beyond, resolve_path, unknown
from docmap.schema.types import ANY, LISTS, FieldType

__all__ = [
    "Condition",
    "FieldExpression",
    "Mapped",
    "Q",
    "as_condition",
    "as_node",
    "as_path",
    "col",
    "expression",
    "field",
    "owners",
    "path",
]


class FieldExpression(
    Ordering[Any], ListLookups[Any], TextLookups, DateLookups, ListChanges[Any], NumberChanges
):
    """A field, or a place below one: compare it, ask its lookups, go deeper into it.

    `Order.customer.country` and `Order.customer["country"]` are a nested field, `Order.items[0]`
    an element, `Order.box["size"]` a key. What can never be there raises InvalidQuery. A nested
    field that is called like a lookup comes first, as it does for type checkers.
    """

    __slots__ = ("_root",)

    def __init__(
        self,
        path: Path,
        kind: FieldType = ANY,
        owner: type | None = None,
        root: Root | None = None,
        /,
    ) -> None:
        super().__init__(path, kind, owner)
        self._root = root

    def __getitem__(self, key: int | str, /) -> FieldExpression:
        return self._below(key)

    def each(self) -> FieldExpression:
        """Every element of the list, for `values`, `group_by` and indexes."""
        return self._below(EACH)

    def __and__(self, other: Condition | bool, /) -> Condition:
        return self._as_condition() & other

    def __rand__(self, other: Condition | bool, /) -> Condition:
        return other & self._as_condition()

    def __or__(self, other: Condition | bool, /) -> Condition:
        return self._as_condition() | other

    def __ror__(self, other: Condition | bool, /) -> Condition:
        return other | self._as_condition()

    def __invert__(self) -> Condition:
        return ~self._as_condition()

    if not TYPE_CHECKING:
        # Hidden: to a type checker a misspelt name must be an error.

        def __getattr__(self, name: str) -> FieldExpression:
            if name.startswith("_"):
                raise AttributeError(name)
            kind = self._kind
            if (nested := kind.child(name)) is not None:
                return expression(self._path.child(name), nested.type, self._owner, self._root)
            if kind.kind == "any" and self._root is not None:
                return self._below(name)
            raise _no_attribute(self, kind, name)

    def __repr__(self) -> str:
        first, *more = self._path.segments
        start = f"path({first!r})" if self._owner is None else f"{self._owner.__name__}.{first}"
        return start + "".join(map(_shown_segment, more))

    def _below(self, key: object) -> FieldExpression:
        place = self._path.child(_segment(key))
        if self._root is None:
            return FieldExpression(place)
        kind = resolve_path(self._root, place.segments).type
        return expression(place, kind, self._owner, self._root)


class _FieldsFirst(FieldExpression):
    """A nested model with a field that is called like a lookup."""

    __slots__ = ()

    if not TYPE_CHECKING:

        def __getattribute__(self, name: str) -> Any:
            if name in LOOKUPS and self._kind.child(name) is not None:
                return self._below(name)
            return super().__getattribute__(name)


LOOKUPS: Final = frozenset(name for name in dir(FieldExpression) if not name.startswith("_"))
"""The methods of an expression."""


def expression(
    place: Path, kind: FieldType, owner: type | None, root: Root | None
) -> FieldExpression:
    """The expression for `place`, which is of the type `kind`, in documents of the class `owner`.

    `root` is where the names of the class start.
    """
    if not LOOKUPS.isdisjoint(_field_names(kind)):
        return _FieldsFirst(place, kind, owner, root)
    return FieldExpression(place, kind, owner, root)


def path(first: str | int, /, *more: str | int) -> FieldExpression:
    """A place by its segments, for names that are no Python names: `path("a.b", "c")`.

    A segment may hold dots; an int is an index into a list.

    >>> path("address line 2").contains("Rear")
    Condition(address line 2 contains ?)

    Raises InvalidQuery for a segment that is neither text nor an index.
    """
    return FieldExpression(Path(tuple(_segment(segment) for segment in (first, *more))))


def as_path(value: object) -> Path:
    """The unbound path of a field expression. Raises InvalidQuery for everything else."""
    if isinstance(value, FieldExpression):
        return value._path
    raise InvalidQuery(
        "a field is named by text, by path(...), or by a field of a Document class such as "
        f"Order.total, not by {shown(value)}"
    )


def owners(value: Condition | FieldExpression) -> frozenset[type]:
    """The Document classes whose fields a condition or an expression names."""
    if isinstance(value, Condition):
        return value.owners
    owner = value._owner
    return frozenset() if owner is None else frozenset({owner})


def _segment(key: object) -> Segment:
    """What users write between brackets as a segment; keys of dicts become text."""
    if isinstance(key, Enum):
        key = key.value
    if isinstance(key, UUID):
        key = str(key)
    if key is EACH or isinstance(key, str) or (type(key) is int and key >= 0):
        return key
    raise InvalidQuery(
        f"{shown(key)} is no place in a document: an element of a list is named by its index "
        "from 0, a field or a key of a dict by text"
    )


def _shown_segment(segment: Segment) -> str:
    if segment is EACH:
        return ".each()"
    if isinstance(segment, str) and segment.isidentifier() and segment not in LOOKUPS:
        return f".{segment}"
    return f"[{segment!r}]"


def _no_attribute(of: FieldExpression, kind: FieldType, name: str) -> InvalidQuery:
    """The error for an attribute that is neither a nested field nor a lookup."""
    if kind.kind in LISTS and kind.item is not None and kind.item.child(name) is not None:
        return InvalidQuery(
            f"{of!r} is a list, and docmap does not walk into lists silently: write {of!r}[0]."
            f"{name} for one element, or {of!r}.any({name}=...)",
            field=name,
        )
    if of._owner is not None:
        names = [str(segment) for segment in of._path.segments]
        if two := beyond(kind, of._owner.__name__, names, name):
            return InvalidQuery(f"{of!r} {two}", field=name)
    hint = f"the key of a dict is {of!r}[{name!r}]" if kind.kind == "dict" else ""
    known = LOOKUPS | _field_names(kind)
    return unknown(Root(repr(of), "", kind), "field or lookup", name, known, hint)


def _field_names(kind: FieldType) -> set[str]:
    """The names of the fields of a model, or of all models of a union."""
    return {*kind.fields, *(name for option in kind.options for name in option.fields)}
