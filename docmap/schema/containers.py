"""Lists, tuples, sets and dicts in docmap's own pydantic-core schema."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any

from pydantic_core import CoreSchema, SchemaSerializer, SchemaValidator
from pydantic_core import core_schema as cs

from docmap.schema.leaves import write_floats, write_ints
from docmap.schema.types import FieldType
from docmap.values import normal, order_key

_TOGETHER: dict[str, tuple[Callable[[list[Any]], list[Any]], CoreSchema]] = {
    "int": (write_ints, cs.int_schema()),
    "float": (write_floats, cs.float_schema()),
}
_DIRECT = frozenset({"str", "int", "bytes", "date"})


def list_schema(item: FieldType, limits: Mapping[str, Any]) -> CoreSchema:
    """A list of `item`; plain numbers are checked together, not one by one."""
    schema = cs.list_schema(item.core, **limits)
    together = _TOGETHER.get(item.kind)
    if together and item.annotation in {int, float} and not item.nullable:
        write, plain = together

        def write_list(values: Any) -> list[Any]:
            if not isinstance(values, list):
                raise TypeError("is not a list")
            return write(values) if values else values

        schema["serialization"] = cs.plain_serializer_function_ser_schema(
            write_list, return_schema=cs.list_schema(plain)
        )
    return schema


def rebuilt(schema: CoreSchema, build: Callable[[Any], Any], item: CoreSchema) -> CoreSchema:
    """A list on the way in and out, `build` of it in memory (a deque, a named tuple)."""
    return cs.no_info_after_validator_function(
        build,
        schema,
        serialization=cs.plain_serializer_function_ser_schema(
            list, return_schema=cs.list_schema(item)
        ),
    )


def set_schema(item: FieldType, limits: Mapping[str, Any], *, frozen: bool) -> CoreSchema:
    """A set, stored as a list in canonical order."""
    kind: type = frozenset if frozen else set
    make = cs.frozenset_schema if frozen else cs.set_schema
    direct = item.kind in _DIRECT and item.annotation in {str, int, bytes} and not item.nullable

    def write(value: Any) -> list[Any]:
        if not isinstance(value, (set, frozenset)):
            raise TypeError(f"is not a {kind.__name__}")
        return sorted(value) if direct else sorted(value, key=_element_key)

    return make(
        item.core,
        **limits,
        serialization=cs.plain_serializer_function_ser_schema(
            write, return_schema=cs.list_schema(item.core)
        ),
    )


def _element_key(element: Any) -> tuple[Any, ...]:
    """The canonical order of an element, by its portable value where it has one."""
    if isinstance(element, Enum):
        element = element.value
    secret = getattr(element, "get_secret_value", None)
    try:
        return (0, order_key(normal(secret() if secret else element)))
    except ValueError:
        return (1, str(element))


def dict_schema(key: FieldType, value: FieldType, limits: Mapping[str, Any]) -> CoreSchema:
    """An object; keys that are not text are written as the text of their JSON form."""
    if key.kind == "str" and key.annotation is str:
        return cs.dict_schema(cs.str_schema(), value.core, **limits)
    writer = SchemaSerializer(cs.list_schema(key.core))
    reader = SchemaValidator(cs.list_schema(key.core))
    textual = key.kind not in {"int", "float", "bool", "timedelta"}

    def write(mapping: Any) -> dict[str, Any]:
        if not isinstance(mapping, Mapping):
            raise TypeError("is not a dict")
        names = json.loads(writer.to_json(list(mapping), warnings="error"))
        texts = [name if isinstance(name, str) else json.dumps(name) for name in names]
        if len(set(texts)) != len(texts):
            raise ValueError("has two keys that are the same text once stored")
        return dict(zip(texts, mapping.values(), strict=True))

    def read(mapping: dict[str, Any]) -> dict[Any, Any]:
        inner = ",".join(json.dumps(name) if textual else name for name in mapping)
        return dict(zip(reader.validate_json(f"[{inner}]"), mapping.values(), strict=True))

    return cs.no_info_after_validator_function(
        read,
        cs.dict_schema(cs.str_schema(), value.core, **limits),
        serialization=cs.plain_serializer_function_ser_schema(
            write, return_schema=cs.dict_schema(cs.str_schema(), value.core)
        ),
    )


def union_schema(options: list[FieldType], discriminator: Any) -> tuple[CoreSchema, bool]:
    """The members of a union, and whether they encode alike.

    Where two members have the same JSON form, a value that JSON lacks is stored with its tag, and
    read back in Python's own types.
    """
    if isinstance(discriminator, str) and all(o.kind == "model" for o in options):
        choices = _choices(options, discriminator)
        if choices is not None:
            stored, members = choices
            return cs.tagged_union_schema(members, stored), False
    forms = [_FORMS.get(option.kind, "any") for option in options]
    texts = [o for o, form in zip(options, forms, strict=True) if form == "text"]
    numbers = [o.kind for o in options if o.kind in {"timedelta"}]
    alike = len(texts) > 1 or bool(numbers) or "any" in forms
    return cs.union_schema([option.core for option in options]), alike


def _choices(
    options: list[FieldType], discriminator: str
) -> tuple[str, dict[Any, CoreSchema]] | None:
    choices: dict[Any, CoreSchema] = {}
    stored: set[str] = set()
    for option in options:
        entry = option.fields.get(discriminator)
        values = getattr(entry.type.annotation, "__args__", ()) if entry else ()
        if entry is None or not values:
            return None
        stored.add(entry.stored)
        for value in values:
            choices[value.value if isinstance(value, Enum) else value] = option.core
    return (stored.pop(), choices) if len(stored) == 1 else None


_FORMS = dict.fromkeys(
    "bigint decimal str bytes datetime date time uuid objectid".split(), "text"
) | {
    "bool": "bool",
    "int": "number",
    "float": "number",
    "timedelta": "number",
    "list": "list",
    "set": "list",
    "tuple": "list",
    "dict": "object",
    "model": "object",
}
