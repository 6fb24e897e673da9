"""Types that pydantic knows and docmap does not: their own schema is kept whole."""

from __future__ import annotations

from typing import Any

from pydantic import PydanticSchemaGenerationError, PydanticUserError, TypeAdapter
from pydantic_core import CoreSchema

from docmap.errors import InvalidModel
from docmap.schema.types import Kind

_KINDS: dict[str, Kind] = {
    "string": "str",
    "integer": "int",
    "number": "float",
    "boolean": "bool",
    "array": "list",
    "object": "any",
}


def foreign_schema(annotation: Any, metadata: tuple[Any, ...], where: str) -> tuple[Kind, CoreSchema]:
    """The kind of the JSON form of a type that pydantic can store, and pydantic's schema of it.

    Raises InvalidModel naming `where` if pydantic cannot either.
    """
    del metadata  # validators and serializers of the field are rules of the program
    try:
        adapter: TypeAdapter[Any] = TypeAdapter(annotation)
    except (PydanticSchemaGenerationError, PydanticUserError) as error:
        raise InvalidModel(
            f"{where} has the type {_name(annotation)}, which docmap cannot store: register a "
            "converter for it with docmap.converters.register, or declare another type",
            field=where,
        ) from error
    try:
        kind = _KINDS.get(str(adapter.json_schema(mode="serialization").get("type")), "any")
    except (PydanticUserError, PydanticSchemaGenerationError):
        kind = "any"
    return ("any" if kind == "list" else kind), adapter.core_schema


def _name(annotation: Any) -> str:
    return getattr(annotation, "__name__", None) or str(annotation)
