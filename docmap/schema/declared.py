"""What a field declares, as far as storage cares: its storage name, default and validators."""

from __future__ import annotations

import sys
import types
import typing
from collections.abc import Callable, Iterable, Mapping
from copy import deepcopy
from functools import partial
from typing import Any, ForwardRef, cast

import typing_extensions
from annotated_types import GroupedMetadata
from pydantic import (
    AfterValidator,
    BeforeValidator,
    PlainSerializer,
    PlainValidator,
    WrapSerializer,
    WrapValidator,
)
from pydantic.fields import FieldInfo
from pydantic_core import CoreSchema, PydanticUndefined
from pydantic_core import core_schema as cs

from docmap.errors import InvalidModel
from docmap.schema.annotations import Stored, find_markers
from docmap.schema.constraints import constraints_of

_VARIABLES = (typing.TypeVar, typing_extensions.TypeVar)
# From Python 3.12 on there are two, which are not the same class everywhere.
_ALIASES = (
    typing_extensions.TypeAliasType,
    getattr(typing, "TypeAliasType", typing_extensions.TypeAliasType),
)
UNIONS = frozenset({typing.Union, types.UnionType})


def is_alias(annotation: Any) -> bool:
    """True for a `type` statement's name and TypeAliasType, with arguments or without."""
    return isinstance(typing.get_origin(annotation) or annotation, _ALIASES)


def alias_value(alias: Any) -> Any:
    """What a type alias stands for, its arguments put in, names in quotes resolved."""
    origin = typing.get_origin(alias) or alias
    value = origin.__value__
    names = vars(sys.modules.get(origin.__module__, typing))
    holder = types.SimpleNamespace(__annotations__={"value": value})
    try:
        value = typing_extensions.get_type_hints(holder, names, include_extras=True)["value"]
    except NameError:
        value = Any if isinstance(value, str) else value  # such names are untyped places
    return substituted(value, arguments(alias))


def meaning(annotation: Any) -> Any:
    """What a NewType or a type variable stands for; anything else as it is."""
    if isinstance(annotation, _VARIABLES):
        return _free(annotation)
    if hasattr(annotation, "__supertype__"):
        return annotation.__supertype__
    if typing.get_origin(annotation) in {typing.Final, typing.ClassVar}:
        return typing.get_args(annotation)[0]
    return Any if isinstance(annotation, ForwardRef) else annotation


def _free(variable: Any) -> Any:
    """What a type variable without an argument takes."""
    default = getattr(variable, "__default__", None)
    if default not in {None, typing_extensions.NoDefault}:
        return default
    if variable.__constraints__:
        return typing.Union[variable.__constraints__]  # noqa: UP007 - built from data
    return variable.__bound__ or Any


def arguments(annotation: Any) -> dict[Any, Any]:
    """The type variables of a generic class or alias with their arguments in `annotation`."""
    origin = typing.get_origin(annotation)
    names: Any = getattr(origin, "__type_params__", ()) or getattr(origin, "__parameters__", ())
    return dict(zip(names, typing.get_args(annotation), strict=False))


def substituted(annotation: Any, variables: Mapping[Any, Any]) -> Any:
    """`annotation` with type variables replaced by their arguments."""
    if isinstance(annotation, _VARIABLES):
        return variables.get(annotation, annotation)
    wanted = getattr(annotation, "__parameters__", ())
    if not variables or not wanted or typing.get_origin(annotation) is None:
        return annotation
    return annotation[tuple(variables.get(name, name) for name in wanted)]


def transforms(metadata: Iterable[Any]) -> bool:
    """True if something in the metadata may turn a value into another one."""
    return any(map(_transforms, metadata))


def _transforms(item: Any) -> bool:
    if isinstance(item, (AfterValidator, WrapValidator, PlainValidator)):
        return True
    if isinstance(item, (BeforeValidator, PlainSerializer, WrapSerializer, GroupedMetadata)):
        return False
    return hasattr(item, "__get_pydantic_core_schema__")


def stored_constraints(metadata: tuple[Any, ...]) -> dict[str, Any]:
    """The limits that the stored value keeps: those after the last transforming validator."""
    start = 0
    for position, item in enumerate(metadata):
        if _transforms(item):
            start = position + 1
    return constraints_of(metadata[start:])


CHANGED: Any = AfterValidator(lambda value: value)
"""Stands in the metadata of a field whose value a validator of its class may change."""


def validated_fields(datatype: Any, names: Iterable[str]) -> set[str]:
    """Those of `names` that a validator of the class may change after their own limits."""
    found: set[str] = set()
    decorators = datatype.__pydantic_decorators__
    for kind in (decorators.field_validators, decorators.validators):
        for decorator in kind.values():
            if decorator.info.mode != "before":
                found.update(decorator.info.fields)
    return set(names) if "*" in found else found


def stored_name(name: str, annotation: Any, metadata: tuple[Any, ...], where: str) -> str:
    """A field's name in storage. Raises InvalidModel for a `Stored` where it cannot work."""
    found = [*find_markers(metadata, Stored), *_markers(annotation, where)]
    if len({marker.name for marker in found}) > 1:
        raise InvalidModel(f"{where} has two names in storage: keep one Stored", field=where)
    return found[0].name if found else name


def _markers(annotation: Any, where: str, *, inside: bool = False) -> list[Stored]:
    origin = typing.get_origin(annotation)
    args = typing.get_args(annotation)
    if origin is typing.Annotated:
        found = find_markers(args[1:], Stored)
        if found and inside:
            raise InvalidModel(
                f"{where}: Stored names a field, and cannot work inside a list, dict or tuple",
                field=where,
            )
        return [*found, *_markers(args[0], where, inside=inside)]
    below = inside or origin not in UNIONS
    return [marker for arg in args for marker in _markers(arg, where, inside=below)]


def with_default(core: CoreSchema, info: FieldInfo) -> CoreSchema:
    """The schema with the field's default for records that lack the field."""
    factory = cast("Callable[..., Any] | None", info.default_factory)
    if factory is not None:
        return cs.with_default_schema(
            core,
            default_factory=factory,
            default_factory_takes_data=bool(info.default_factory_takes_validated_data),
        )
    return plain_default(core, info.default)


def plain_default(core: CoreSchema, default: Any) -> CoreSchema:
    """The schema with a default value, a copy of it for each document where it can change."""
    if default is PydanticUndefined:
        return core
    try:
        hash(default)
    except TypeError:
        return cs.with_default_schema(core, default_factory=partial(deepcopy, default))
    return cs.with_default_schema(core, default=default)
