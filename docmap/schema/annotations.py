"""What a user writes into annotations: `Indexed`, `Stored`, `OnDelete` and so on, and `Index`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from docmap.errors import InvalidModel


@dataclass(frozen=True, slots=True)
class Stored:
    """`Annotated[str, Stored("db_name")]`: the name in storage; queries use the Python name.

    Raises InvalidModel if the name is empty or holds a NUL character.
    """

    name: str

    def __post_init__(self) -> None:
        if not _is_text(self.name) or not self.name or "\0" in self.name:
            raise InvalidModel('Stored("name") takes the field\'s name in storage, as text')


@dataclass(frozen=True, slots=True)
class Indexed:
    """`Annotated[str, Indexed(unique=True)]`: an index on this field, on its elements if a list."""

    unique: bool = False
    descending: bool = False


@dataclass(frozen=True, slots=True)
class Precision:
    """`Annotated[datetime, Precision("us")]` keeps microseconds; `"ms"` is the default."""

    unit: Literal["ms", "us"]

    def __post_init__(self) -> None:
        if self.unit not in {"ms", "us"}:
            raise InvalidModel('Precision takes "ms" or "us"')


@dataclass(frozen=True, slots=True)
class OnDelete:
    """`Annotated[Ref[Customer], OnDelete("cascade")]`: what deleting the customer does here.

    "deny" refuses it while a document refers to it, "cascade" deletes those documents too,
    "nullify" sets the reference to None, or takes it out of its list, set or dict; "ignore", the
    default, leaves a reference to nothing.
    """

    rule: Literal["deny", "cascade", "nullify", "ignore"]

    def __post_init__(self) -> None:
        if self.rule not in {"deny", "cascade", "nullify", "ignore"}:
            raise InvalidModel('OnDelete takes "deny", "cascade", "nullify" or "ignore"')


@dataclass(frozen=True, slots=True)
class BigIntMarker:
    """Marks an int that may go beyond 64 bits."""


BigInt = Annotated[int, BigIntMarker()]
"""An int of any size, stored as text with a sortable key."""


@dataclass(frozen=True, slots=True, init=False)
class Index:
    """An index over one or more fields: `Index("status", "-created_at", unique=False)`.

    A name with `-` in front descends. Nested fields are written `customer.country`; on a list the
    index holds its elements. Every index ends with the key, which docmap adds.
    """

    terms: tuple[str, ...]
    unique: bool

    def __init__(self, *terms: str, unique: bool = False) -> None:
        if not terms or not all(_is_text(t) and t.strip("-") for t in terms):
            raise InvalidModel('Index takes field names: Index("status", "-created_at")')
        object.__setattr__(self, "terms", terms)
        object.__setattr__(self, "unique", unique)


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def find_markers(metadata: tuple[Any, ...], kind: type) -> list[Any]:
    """The markers of one kind among the metadata of an annotation."""
    return [item for item in metadata if isinstance(item, kind)]
