"""The metaclass of Document: a finished class gives an expression for each of its fields."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Final, dataclass_transform

from pydantic import BaseModel, Field, PrivateAttr
from pydantic._internal._model_construction import ModelMetaclass

from docmap.model.fields import FieldExpression, expression, field
from docmap.query.paths import Path
from docmap.schema.compile import compile_model
from docmap.schema.resolve import Root

ROOT: Final = "__docmap_root__"
"""The class attribute that holds where the names of a document class start."""


@dataclass_transform(kw_only_default=True, field_specifiers=(field, Field, PrivateAttr))
class DocumentMeta(ModelMetaclass):
    """pydantic's metaclass, and `Order.total` is a field expression.

    pydantic takes the fields out of the class namespace, whether they have defaults or not, so a
    field asked of the class arrives at `__getattr__`. To type checkers `Order.total` is what it is
    declared as; they do not see `__getattr__`, so a misspelt field is an error.
    """

    if not TYPE_CHECKING:

        def __getattr__(cls, name: str) -> Any:  # noqa: N805 - of a metaclass
            fields = cls.__dict__.get("__pydantic_fields__", ())
            if name in fields and not _asked_by_pydantic():
                return _field_expression(cls, name)
            try:
                return super().__getattr__(name)
            except AttributeError:
                message = f"type object {cls.__name__!r} has no attribute {name!r}"
                raise AttributeError(message, name=name, obj=cls) from None

        def __dir__(cls) -> list[str]:  # noqa: N805 - of a metaclass
            return [*super().__dir__(), *cls.__dict__.get("__pydantic_fields__", ())]


def _asked_by_pydantic() -> bool:
    """True if pydantic looks for a default, or for what a subclass hides.

    It took the field out of the namespace and must find nothing there: else overriding a field
    would warn, and an expression would become a default.
    """
    asker = sys._getframe(2)
    return str(asker.f_globals.get("__name__")).startswith("pydantic.")


def _field_expression(model: type[BaseModel], name: str) -> FieldExpression:
    """The expression for a field of a class that is finished, or can be by now."""
    # A class that names others defined after it is finished with the first use, as in pydantic.
    # The names may be local ones of the user's function, four frames above pydantic's lookup.
    if not model.__dict__.get("__pydantic_complete__") and not model.model_rebuild(
        raise_errors=False, _parent_namespace_depth=4
    ):
        raise AttributeError(
            f"{model.__name__}.{name} cannot be an expression yet: an annotation of "
            f"{model.__name__} names a class that is not defined",
            name=name,
            obj=model,
        )
    root = _root(model)
    return expression(Path((name,)), root.type.fields[name].type, model, root)


def _root(model: type[BaseModel]) -> Root:
    """Where the names of a query on `model` start, made once for each class."""
    found: Root | None = model.__dict__.get(ROOT)
    if found is None:
        schema = getattr(model, "__docmap_schema__", None)
        # An abstract class has no collection, and so no schema.
        found = schema.names if schema else Root(model.__name__, "", compile_model(model).root)
        setattr(model, ROOT, found)
    return found
