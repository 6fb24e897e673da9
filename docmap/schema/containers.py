"""Lists, tuples, sets and dicts in docmap's own pydantic-core schema."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import cached_property
from typing import Any

from pydantic_core import (
    CoreSchema,
    PydanticSerializationError,
    SchemaValidator,
    from_json,
    to_json,
)
from pydantic_core import core_schema as cs

from docmap.schema.checked import list_serializer
from docmap.schema.diagnose import reason_of
from docmap.schema.readers import Readers
from docmap.schema.types import FieldType
from docmap.schema.writers import note, write_floats, write_ints
from docmap.values import order_key

_TOGETHER: dict[str, tuple[Callable[[list[Any]], list[Any]], CoreSchema]] = {
    "int": (write_ints, cs.int_schema()),
    "float": (write_floats, cs.float_schema()),
}
_DIRECT = frozenset({str, int, bytes})


def list_schema(item: FieldType, limits: Mapping[str, Any]) -> CoreSchema:
    """A list of `item`; plain numbers are checked together, not one by one."""
    schema = cs.list_schema(item.core, **limits)
    together = _TOGETHER.get(item.kind)
    if together and is_plain(item):
        write, plain = together

        def write_list(values: Any) -> list[Any]:
            if not isinstance(values, list):
                raise TypeError("is not a list")
            return write(values) if values else values

        schema["serialization"] = _function(write_list, cs.list_schema(plain))
    return schema


def is_plain(kind: FieldType) -> bool:
    """True for a scalar exactly as declared: not nullable, an enum's, converted or limited."""
    plain = any(kind.annotation is scalar for scalar in (str, int, float, bytes))
    same = plain and kind.kind == kind.annotation.__name__ and not kind.nullable
    return same and not limited(kind.core)


def limited(core: CoreSchema) -> bool:
    """True if the schema of a scalar has limits."""
    inner = core["steps"][-1] if core["type"] == "chain" else core
    return bool(inner.keys() - {"type", "strict", "allow_inf_nan", "serialization"})


def sequence_schema(item: FieldType, limits: Mapping[str, Any]) -> CoreSchema:
    """An abstract sequence: any in memory is stored as a list, and is one from then on."""

    def write(values: Any) -> list[Any]:
        if isinstance(values, (str, bytes)) or not isinstance(values, Sequence):
            raise TypeError("is not a list")
        if type(values) is not list:
            note()
        return list(values)

    schema = cs.list_schema(item.core, **limits)
    schema["serialization"] = _function(write, cs.list_schema(item.core))
    return schema


def deque_schema(item: FieldType, limits: Mapping[str, Any]) -> CoreSchema:
    """A deque, stored as a list."""
    longest = limits.get("max_length")

    def write(values: Any) -> list[Any]:
        if not isinstance(values, deque):
            raise TypeError("is not a deque")
        return list(values)

    return cs.no_info_after_validator_function(
        lambda values: deque(values, longest),
        cs.list_schema(item.core, **limits),
        serialization=_function(write, cs.list_schema(item.core)),
    )


def set_schema(
    item: FieldType, limits: Mapping[str, Any], kind: type[set[Any] | frozenset[Any]]
) -> CoreSchema:
    """A set, stored as a list in canonical order."""
    make = cs.frozenset_schema if kind is frozenset else cs.set_schema
    direct = is_plain(item) and item.annotation in _DIRECT
    elements = _Elements(item)

    def write(value: Any) -> list[Any]:
        if not isinstance(value, (set, frozenset)):
            raise TypeError(f"is not a {kind.__name__}")
        if type(value) is not kind:
            note()
        return sorted(value) if direct else elements.in_order(value)

    returned = cs.list_schema(item.core if direct else cs.any_schema())
    return make(item.core, **limits, serialization=_function(write, returned))


class _Elements:
    """The elements of sets of one type: their JSON forms, by the order of what they stand for."""

    def __init__(self, item: FieldType) -> None:
        self._item = item

    @cached_property
    def _write(self) -> Callable[..., list[Any]]:
        # Made when it is first needed: until then a type that contains itself is not complete.
        return list_serializer(self._item).to_python

    @cached_property
    def _read(self) -> Callable[[Any], Any] | None:
        return Readers().reader(self._item)

    def in_order(self, values: Collection[Any]) -> list[Any]:
        if None in values and not self._item.nullable:
            raise TypeError("has an element that is None, and its type takes no None")
        wires = self._write(list(values), mode="json", by_alias=True, warnings="error")
        read = self._read
        keyed = {order_key(read(wire) if read else wire): wire for wire in wires}
        if len(keyed) < len(wires):
            note()
        return [keyed[key] for key in sorted(keyed)]


# The kinds whose values are text once stored, or a number, and so can be keys of an object.
_TEXT_KEYS = frozenset("str bigint decimal bytes datetime date time uuid objectid".split())
_NUMBER_KEYS = frozenset({"int", "float", "bool", "timedelta"})
KEYS = _TEXT_KEYS | _NUMBER_KEYS


def dict_schema(
    key: FieldType,
    value: FieldType,
    limits: Mapping[str, Any],
    kind: type[Any] = dict,
    build: Callable[[dict[Any, Any]], Any] = dict,
) -> CoreSchema:
    """An object; keys that are not text are written as the text of their JSON form.

    `build` makes the instance where its class `kind` is not dict itself.
    """
    if kind is dict and key.annotation is str and is_plain(key):
        return cs.dict_schema(cs.str_schema(), value.core, **limits)
    writer = list_serializer(key)
    reader = SchemaValidator(cs.list_schema(key.core), _use_prebuilt=False)
    textual = key.kind in _TEXT_KEYS

    def write(mapping: Any) -> dict[str, Any]:
        if not isinstance(mapping, Mapping):
            raise TypeError("is not a dict")
        if type(mapping) is not kind:
            note()
        if None in mapping:
            raise TypeError("has a key that is None")
        try:
            names = writer.to_python(list(mapping), mode="json", warnings="error")
        except PydanticSerializationError as error:
            reason = reason_of(error) or f"is not {key.label}"
            raise ValueError(f"has a key that {reason}") from error
        texts = names if textual else [to_json(name).decode() for name in names]
        if len(set(texts)) != len(texts):
            raise ValueError("has two keys that are the same text once stored")
        return dict(zip(texts, mapping.values(), strict=True))

    def read(mapping: dict[str, Any]) -> Any:
        names = list(mapping) if textual else [from_json(name) for name in mapping]
        keys = reader.validate_python(names)
        found = dict(zip(keys, mapping.values(), strict=True))
        return found if kind is dict else build(found)

    return cs.no_info_after_validator_function(
        read,
        cs.dict_schema(cs.str_schema(), value.core, **limits),
        serialization=_function(write, cs.dict_schema(cs.str_schema(), value.core)),
    )


def _function(write: Callable[[Any], Any], returned: CoreSchema) -> cs.SerSchema:
    return cs.plain_serializer_function_ser_schema(write, return_schema=returned)
