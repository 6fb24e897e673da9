"""A Document and a Query with the types of the real ones, for the cases beside this file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar

from pydantic import BaseModel

from docmap.model.fields import Condition, as_node, field
from docmap.model.metaclass import DocumentMeta
from docmap.query.nodes import Node


class Document(BaseModel, metaclass=DocumentMeta):
    """Checkers see a key of any type, which a subclass may declare anew, and `id=` when building.

    The two declarations are apart: a checker would ask a subclass that overrides a field which
    has a default to have one as well.
    """

    if TYPE_CHECKING:
        id: Any = field(init=False)
        _docmap_id: Any = field(default=None, alias="id")
    else:
        id: str = "new"

    def __init_subclass__(
        cls,
        *,
        collection: str | None = None,
        indexes: Sequence[object] = (),
        abstract: bool = False,
        **config: Any,
    ) -> None:
        super().__init_subclass__(**config)


D = TypeVar("D", bound=Document)


class Query(Generic[D]):
    """The conditions given, as nodes."""

    def __init__(self, model: type[D]) -> None:
        self.model = model
        self.nodes: list[Node] = []

    def where(self, *conditions: Condition | bool, **lookups: Any) -> Self:
        self.nodes += [as_node(condition) for condition in conditions]
        return self

    def order_by(self, *terms: Any) -> Self:
        return self

    def first(self) -> D | None:
        return None


class Storage:
    """Makes queries."""

    def find(self, model: type[D], *conditions: Condition | bool, **lookups: Any) -> Query[D]:
        return Query(model).where(*conditions, **lookups)


def connect(url: str) -> Storage:
    """A storage, wherever the URL leads."""
    return Storage()
