"""Back references: the documents that refer to a document, as a query."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar, overload

from docmap.errors import InvalidModel
from docmap.model.document import Document
from docmap.schema.bind import bind
from docmap.schema.reference_places import Place, reference_places
from docmap.schema.registry import belongs, is_document_class, known
from docmap.storage.base import BaseStorageAdapter
from docmap.storage.loading import schema_of
from docmap.storage.query import Query

D = TypeVar("D")

if TYPE_CHECKING:

    class _Attribute:
        """What pydantic takes for no field."""

else:
    _Attribute = property


class BackReference(_Attribute, Generic[D]):
    """What `back_reference` gives: of a document, a function from a storage to a query."""

    def __init__(self, model: Any, field: str, module: str) -> None:
        super().__init__()
        self._model = model
        self._field = field
        self._module = module

    @overload
    def __get__(self, instance: None, owner: Any = None, /) -> Self: ...
    @overload
    def __get__(self, instance: object, owner: Any = None, /) -> Referring[D]: ...
    def __get__(self, instance: Any, owner: Any = None, /) -> Any:
        return self if instance is None else Referring(self, instance)

    def _referring(self) -> Any:
        """The class that refers, by now. Raises InvalidModel if it is not defined."""
        if isinstance(self._model, str):
            return known.find(self._model, self._module)
        return self._model

    def _place(self, model: Any, target: type) -> Place:
        name = f"{model.__name__}.{self._field}"
        for place in reference_places(schema_of(model).root):
            if place.dotted != self._field or not belongs(target, place.target):
                continue
            if not place.askable:
                raise InvalidModel(
                    f"{name} lies in a dict, a union or a model inside itself, where no query can "
                    f"look for references to a {target.__name__}",
                    field=self._field,
                )
            return place
        raise InvalidModel(f"{name} is no reference to {target.__name__}", field=self._field)

    def __repr__(self) -> str:
        name = self._model if isinstance(self._model, str) else self._model.__name__
        return f"back_reference({name!r}, {self._field!r})"


class Referring(Generic[D]):
    """`ann.orders`: call it with a storage for the query of what refers to the document."""

    __slots__ = ("_document", "_reference")

    def __init__(self, reference: BackReference[D], document: Document) -> None:
        self._reference = reference
        self._document = document

    def __call__(self, storage: BaseStorageAdapter | None = None, /) -> Query[D]:
        """The query for the documents that refer to this one; narrow it as any other.

        Without `storage` it is that of the document, as for `save`. Raises InvalidQuery for a
        document without key, InvalidModel if what is named is no reference to its class.
        """
        document = self._document
        model = self._reference._referring()
        place = self._reference._place(model, type(document))
        condition = place.condition([document])
        assert condition is not None  # noqa: S101 - for type checkers
        query = document._storage(storage).find(model)
        return query._narrowed("where", bind(condition, schema_of(model).names))

    def __repr__(self) -> str:
        return f"<{self._reference!r} of a {type(self._document).__name__}>"


@overload
def back_reference(model: type[D], field: str, /) -> BackReference[D]: ...
@overload
def back_reference(model: str, field: str, /) -> BackReference[Any]: ...
def back_reference(model: Any, field: str, /) -> BackReference[Any]:
    """The documents of another class that refer to those of the class it is written in.

    With `orders = back_reference("Order", "customer")` in Customer, `ann.orders(db)` is the query
    for the orders whose `customer` is ann. It is no field, and nothing of it is stored. `model` is
    a class or, in quotes, the name of one that is defined later; `field` is the reference,
    `items.product` for one in a list of models.

    Raises InvalidModel for what is neither a class of documents nor a name.
    """
    if not (isinstance(model, str) or is_document_class(model)) or not isinstance(field, str):
        raise InvalidModel(
            "back_reference takes the class that refers, or its name, and the name of its field: "
            'back_reference("Order", "customer")'
        )
    module = str(sys._getframe(1).f_globals.get("__name__"))
    return BackReference(model, field, module)
