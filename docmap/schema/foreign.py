"""Types that pydantic knows and docmap does not: stored as pydantic's JSON form of them.

A type may print itself as something that does not come back (a masked secret, a pattern without
its flags), so a value is stored only if reading gives an equal one.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import PydanticUserError, TypeAdapter, ValidationError
from pydantic_core import CoreSchema, PydanticSerializationError, to_json
from pydantic_core import core_schema as cs

from docmap.errors import InvalidModel
from docmap.schema.leaves import limit_broken
from docmap.schema.types import Kind
from docmap.schema.wire import tagged, untagged
from docmap.values import portable

_KINDS: dict[str, Kind] = {
    "string": "str",
    "integer": "int",
    "number": "float",
    "boolean": "bool",
}
_IN_JSON: dict[str, type] = {"str": str, "int": int, "float": float, "bool": bool}


def foreign_schema(
    annotation: Any, metadata: tuple[Any, ...], where: str
) -> tuple[Kind, CoreSchema]:
    """The kind of the JSON form of a type that pydantic can store, and the schema of it.

    Raises InvalidModel naming `where` if pydantic cannot either.
    """
    adapter = _adapter(annotation, metadata, where)
    foreign = _Foreign(adapter, getattr(annotation, "__name__", None) or str(annotation))
    kind = foreign.kind
    schema = cs.no_info_plain_validator_function(
        foreign.read if kind != "any" else lambda wire: foreign.read(untagged(wire)),
        serialization=cs.plain_serializer_function_ser_schema(
            foreign.write if kind != "any" else lambda value: tagged(foreign.write(value)),
            return_schema=cs.any_schema(),
        ),
    )
    return kind, schema


def _adapter(annotation: Any, metadata: tuple[Any, ...], where: str) -> TypeAdapter[Any]:
    # What tells pydantic how to handle a type it does not know stands beside it in Annotated.
    # Validators and serializers stand there too: they are tried last, being the program's rules.
    helpers = tuple(one for one in metadata if hasattr(one, "__get_pydantic_core_schema__"))
    attempts = [annotation, *([Annotated[(annotation, *helpers)]] if helpers else [])]
    failure: Exception | None = None
    for attempt in attempts:
        try:
            return TypeAdapter(attempt)
        except PydanticUserError as error:
            failure = error
    raise InvalidModel(
        f"{where} has the type {getattr(annotation, '__name__', None) or annotation}, which docmap "
        "cannot store: register a converter for it with docmap.converters.register before the "
        "class is defined, or declare another type",
        field=where,
    ) from failure


def _kind(adapter: TypeAdapter[Any]) -> Kind:
    """The kind of the JSON form, as far as pydantic says."""
    try:
        form = adapter.json_schema(mode="serialization").get("type")
    except PydanticUserError:
        return "any"
    return _KINDS.get(str(form), "any")


class _Foreign:
    def __init__(self, adapter: TypeAdapter[Any], name: str) -> None:
        self._adapter = adapter
        self._name = name
        self.kind = _kind(adapter)

    def write(self, value: Any) -> Any:
        """The JSON form. Raises ValueError for a value that would not come back equal."""
        try:
            wire = portable(self._adapter.dump_python(value, mode="json", warnings="error"))
        except (PydanticSerializationError, RecursionError) as error:
            raise TypeError(f"is not {self._name}, or cannot be stored as one") from error
        if self.kind == "float" and type(wire) is int:
            wire = float(wire)
        expected = _IN_JSON.get(self.kind)
        if expected is not None and wire is not None and type(wire) is not expected:
            raise ValueError(f"is stored as {type(wire).__name__}, which its type does not say")
        try:
            back = self.read(wire)
        except ValueError:
            back = ...
        if type(back) is not type(value) or not self._same(value, back, wire):
            raise ValueError(
                f"would not come back from its JSON form: register a converter for {self._name}"
            )
        return wire

    def _same(self, value: Any, back: Any, wire: Any) -> bool:
        if "__eq__" not in {name for base in type(value).__mro__[:-1] for name in vars(base)}:
            return bool(self._adapter.dump_python(back, mode="json") == wire)
        return bool(back == value)

    def read(self, wire: Any) -> Any:
        """The value. Raises ValueError if the JSON form is not one of this type."""
        try:
            return self._adapter.validator.validate_json(to_json(wire))
        except ValidationError as error:
            raise ValueError(limit_broken(error)) from error
