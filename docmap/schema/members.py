"""Enums and literals: a finite set of values, each stored as the value it stands for."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from enum import Enum, Flag
from typing import Any, cast

from pydantic_core import CoreSchema
from pydantic_core import core_schema as cs

from docmap.errors import InvalidModel
from docmap.schema.checked import serializer
from docmap.schema.types import FieldType
from docmap.schema.writers import note

_DIRECT = frozenset({"str", "int"})


def enum_schema(
    enum: type[Enum], inner: FieldType, where: str, *, values_in_memory: bool
) -> CoreSchema:
    """The schema of an enum whose values have the type `inner`.

    `values_in_memory` is pydantic's `use_enum_values`: instances hold the values, not the members.
    """
    members = list(enum)
    if issubclass(enum, Flag):
        return _flag_schema(enum, inner, values_in_memory=values_in_memory)
    if inner.kind in _DIRECT and not inner.nullable and not values_in_memory:
        return _direct_enum(enum, members, inner)
    held = [member.value for member in members] if values_in_memory else members
    return _Finite(held, members, inner, enum.__name__, where).schema()


def _direct_enum(enum: type[Enum], members: list[Enum], inner: FieldType) -> CoreSchema:
    own: Any = enum._missing_
    schema = cs.enum_schema(
        enum,
        members,
        sub_type=cast("Any", inner.kind),
        missing=own if own.__func__ is not _GENERAL_MISSING.__func__ else None,
    )

    def write(value: Any) -> Any:
        if not isinstance(value, enum):
            raise TypeError(f"is not a {enum.__name__}")
        return value.value

    schema["serialization"] = _function(write, inner)
    return schema


_GENERAL_MISSING: Any = Enum._missing_


def _flag_schema(enum: type[Flag], inner: FieldType, *, values_in_memory: bool) -> CoreSchema:
    def write(value: Any) -> Any:
        if isinstance(value, enum):
            if values_in_memory:
                note()
            return value.value
        if values_in_memory and isinstance(value, int):
            return value
        raise TypeError(f"is not a {enum.__name__}")

    def read(value: Any) -> Any:
        try:
            member = enum(value)
        except (ValueError, TypeError):
            raise ValueError(f"is no value of {enum.__name__}") from None
        return member.value if values_in_memory else member

    return cs.no_info_after_validator_function(
        read, inner.core, serialization=_function(write, inner)
    )


def literal_schema(
    held: Sequence[Any], declared: Sequence[Any], inner: FieldType, where: str
) -> CoreSchema:
    """The schema of a literal whose values have the type `inner`; `held` are those in memory."""
    finite = _Finite(held, declared, inner, "the values declared", where)
    if all(type(value) in {str, int, bool} for value in declared):
        schema: CoreSchema = cs.literal_schema(list(declared))
        schema["serialization"] = finite.serialization  # type: ignore[index]
        return schema
    return finite.schema()


class _Finite:
    """Values with their JSON forms, in both directions."""

    def __init__(
        self, held: Sequence[Any], declared: Sequence[Any], inner: FieldType, name: str, where: str
    ) -> None:
        self._name = name
        self._wires: dict[tuple[type, Any], Any] = {}
        self._odd: list[tuple[Any, Any]] = []
        self._held: dict[str, Any] = {}
        write = serializer(inner).to_python
        for value, member in zip(held, declared, strict=True):
            plain = member.value if isinstance(member, Enum) else member
            wire = None if plain is None else write(plain, mode="json", warnings="error")
            if self._held.setdefault(_text(wire), value) is not value:
                raise InvalidModel(f"{where}: two values of {name} are stored alike", field=where)
            self._keep(value, wire)
            if member is not value:
                self._keep(member, wire)

    def _keep(self, value: Any, wire: Any) -> None:
        try:
            self._wires[type(value), value] = wire
        except TypeError:  # a value that has no hash is looked for one by one
            self._odd.append((value, wire))

    def write(self, value: Any) -> Any:
        """The JSON form of one of the values; ValueError for any other."""
        try:
            wire = self._wires[type(value), value]
        except KeyError:
            raise ValueError(f"is none of {self._name}") from None
        except TypeError:
            wire = self._wire_of_odd(value)
        if isinstance(value, Enum) and self._held[_text(wire)] is not value:
            note()
        return wire

    def _wire_of_odd(self, value: Any) -> Any:
        for one, wire in self._odd:
            if type(one) is type(value) and one == value:
                return wire
        raise ValueError(f"is none of {self._name}")

    def read(self, wire: Any) -> Any:
        """The value that was written as `wire`. Raises ValueError if there is none."""
        try:
            return self._held[_text(wire)]
        except KeyError:
            raise ValueError(f"is none of {self._name}") from None

    @property
    def serialization(self) -> cs.SerSchema:
        """`write` for pydantic-core."""
        return cs.plain_serializer_function_ser_schema(self.write, return_schema=cs.any_schema())

    def schema(self) -> CoreSchema:
        """Both directions for pydantic-core."""
        return cs.no_info_plain_validator_function(self.read, serialization=self.serialization)


def _text(wire: Any) -> str:
    return json.dumps(wire, sort_keys=True)


def _function(write: Callable[[Any], Any], inner: FieldType) -> cs.SerSchema:
    return cs.plain_serializer_function_ser_schema(write, return_schema=inner.core)
