"""Fields that subclasses declare anew: an update through the base must fit those as well."""

from __future__ import annotations

from collections.abc import Collection
from inspect import get_annotations
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from docmap.errors import InvalidValue
from docmap.schema.diagnose import WHOLE, first_error
from docmap.schema.types import Field

if TYPE_CHECKING:
    from docmap.schema.schema import Schema


class Overrides:
    """The fields of some storage names that subclasses of a class declare anew."""

    def __init__(self, schema: Schema, names: Collection[str]) -> None:
        self._family_field = "" if schema.family is None else schema.family.field
        self._by_name: dict[str, tuple[Schema, list[Field]]] = {}
        for other in schema.relatives:
            if schema.model in other.model.__mro__:
                fields = [f for f in _own(other, schema) if f.stored in names]
                if fields:
                    self._by_name[other.family_name] = (other, fields)

    def __bool__(self) -> bool:
        return bool(self._by_name)

    def check(self, document: Any, check_value: Any) -> None:
        """Raise InvalidValue for a document that does not fit its own class any more."""
        schema, fields = self._by_name.get(document.get(self._family_field), (None, ()))
        for field in fields:
            try:
                check_value(field.type, document.get(field.stored))
            except ValidationError as error:
                inner, reason = first_error(error, field.type)
                name = f"{field.name}.{inner}" if inner != WHOLE else field.name
                raise InvalidValue(
                    f"{schema.name}.{name} {reason} after the update; the document was not "  # type: ignore[union-attr]
                    f"changed: {schema.name} declares the field anew, update its documents "  # type: ignore[union-attr]
                    "by themselves",
                    field=name,
                ) from error


def _own(other: Schema, base: Schema) -> list[Field]:
    """The fields that a subclass, or a class between it and the base, declares."""
    mro = other.model.__mro__
    between = mro[: mro.index(base.model)]
    anew = {name for cls in between for name in get_annotations(cls)}
    return [field for name, field in other.root.fields.items() if name in anew]
