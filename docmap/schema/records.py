"""Dataclasses, typed dicts and named tuples in docmap's own pydantic-core schema."""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Callable, Iterator
from typing import Any

import typing_extensions
from pydantic import Discriminator
from pydantic.fields import FieldInfo
from pydantic_core import CoreSchema, PydanticUndefined
from pydantic_core import core_schema as cs

from docmap.errors import InvalidModel
from docmap.schema.declared import (
    CHANGED,
    plain_default,
    stored_name,
    validated_fields,
    with_default,
)
from docmap.schema.leaves import ANY_SCHEMA
from docmap.schema.types import Field, FieldType

Compile = Callable[[Any, str], FieldType]
"""Gives the type of an annotation; the text says where it stands."""


def hints_of(datatype: Any, where: str) -> dict[str, Any]:
    """The annotations of a class, resolved. Raises InvalidModel naming `where` if one cannot be."""
    try:
        return typing_extensions.get_type_hints(datatype, include_extras=True)
    except NameError as error:
        raise InvalidModel(
            f"{where}: an annotation of {datatype.__name__} names {error.name!r}, which is not "
            "defined where the class is: define it at the top of a module",
            field=where,
        ) from error


def dataclass_type(
    datatype: Any, annotation: Any, fields: dict[str, Field], compile_type: Compile, where: str
) -> FieldType:
    """The type of a dataclass; `fields` is filled."""
    if getattr(datatype, "__pydantic_config__", {}).get("extra") == "allow":
        raise InvalidModel(
            f'{where}: the dataclass {datatype.__name__} has extra="allow", and docmap could not '
            "tell its extra values from others: declare a model",
            field=where,
        )
    parameters: list[cs.DataclassField] = []
    for name, hint, default in _dataclass_fields(datatype, where):
        kind = compile_type(hint, f"{where}.{name}")
        core = kind.core
        if isinstance(default, FieldInfo):
            core = core if default.is_required() else with_default(core, default)
        elif default is not dataclasses.MISSING:
            core = default(core)
        stored = stored_name(name, hint, (), f"{where}.{name}")
        fields[name] = Field(name, stored, kind, required=core is kind.core)
        parameters.append(
            cs.dataclass_field(
                name, core, kw_only=True, validation_alias=stored, serialization_alias=stored
            )
        )
    core = cs.dataclass_schema(
        datatype,
        cs.dataclass_args_schema(datatype.__name__, parameters),
        list(fields),
        config=cs.CoreConfig(extra_fields_behavior="ignore", hide_input_in_errors=True),
        post_init=False,  # a rule of the program, and it would run a second time
        slots=hasattr(datatype, "__slots__"),
    )
    return FieldType("model", fields=fields, annotation=annotation, core=core)


def _dataclass_fields(datatype: Any, where: str) -> Iterator[tuple[str, Any, Any]]:
    """Name, annotation and default of each field; pydantic's own account where there is one."""
    known = getattr(datatype, "__pydantic_fields__", {})
    hints = {} if known else hints_of(datatype, where)
    changed = validated_fields(datatype, known) if known else set()
    for entry in dataclasses.fields(datatype):
        info = known.get(entry.name)
        if info is not None:
            yield entry.name, _as_declared(info, changed=entry.name in changed), info
            continue
        default: Any = dataclasses.MISSING
        factory, value = entry.default_factory, entry.default
        if factory is not dataclasses.MISSING:
            default = _by_factory(factory)
        elif value is not dataclasses.MISSING:
            default = _by_value(value)
        yield entry.name, hints[entry.name], default


def _as_declared(info: FieldInfo, *, changed: bool) -> Any:
    metadata = list(info.metadata)
    if isinstance(info.discriminator, str):
        metadata.append(Discriminator(info.discriminator))
    if changed:
        metadata.append(CHANGED)
    return typing.Annotated[(info.annotation, *metadata)] if metadata else info.annotation


def _by_factory(factory: Callable[[], Any]) -> Callable[[CoreSchema], CoreSchema]:
    return lambda core: cs.with_default_schema(core, default_factory=factory)


def _by_value(value: Any) -> Callable[[CoreSchema], CoreSchema]:
    return lambda core: plain_default(core, value)


def typed_dict_type(
    datatype: Any, annotation: Any, fields: dict[str, Field], compile_type: Compile, where: str
) -> FieldType:
    """The type of a TypedDict; `fields` is filled."""
    cores: dict[str, cs.TypedDictField] = {}
    for name, hint in hints_of(datatype, where).items():
        required = name in datatype.__required_keys__
        while (qualifier := typing.get_origin(hint)) in _QUALIFIERS:
            # Of annotations that are text, only this says what the class could not see.
            said = _QUALIFIERS[qualifier]
            required = required if said is None else said
            hint = typing.get_args(hint)[0]  # noqa: PLW2901 - unwrapping
        kind = compile_type(hint, f"{where}.{name}")
        stored = stored_name(name, hint, (), f"{where}.{name}")
        fields[name] = Field(name, stored, kind, required=required)
        cores[name] = cs.typed_dict_field(
            kind.core,
            required=required,
            validation_alias=stored,
            serialization_alias=stored,
        )
    extra = getattr(datatype, "__pydantic_config__", {}).get("extra") == "allow"
    core = cs.typed_dict_schema(
        cores,
        extra_behavior="allow" if extra else "ignore",
        extras_schema=ANY_SCHEMA if extra else None,
        config=cs.CoreConfig(hide_input_in_errors=True),
    )
    return FieldType("model", fields=fields, annotation=annotation, core=core, extra=extra)


_QUALIFIERS: dict[Any, bool | None] = {
    typing.Required: True,
    typing_extensions.Required: True,
    typing.NotRequired: False,
    typing_extensions.NotRequired: False,
    typing_extensions.ReadOnly: None,
}


def named_tuple_type(
    datatype: Any, annotation: Any, compile_type: Compile, where: str
) -> FieldType:
    """The type of a named tuple, stored as a list."""
    hints = hints_of(datatype, where)
    items, cores = [], []
    for name in datatype._fields:
        kind = compile_type(hints.get(name, Any), f"{where}.{name}")
        items.append(kind)
        # A list that was stored before the class had its last fields takes their defaults.
        cores.append(
            plain_default(kind.core, datatype._field_defaults.get(name, PydanticUndefined))
        )
    inner = cs.tuple_schema(cores)

    def write(value: Any) -> tuple[Any, ...]:
        if type(value) is not datatype:
            raise TypeError(f"is not a {datatype.__name__}")
        return tuple(value)

    core = cs.no_info_after_validator_function(
        datatype._make,
        inner,
        serialization=cs.plain_serializer_function_ser_schema(write, return_schema=inner),
    )
    return FieldType("tuple", items=tuple(items), annotation=annotation, core=core)
