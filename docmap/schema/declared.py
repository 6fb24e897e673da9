"""What a field declares, as far as storage cares: type, limits, storage name, default."""

from __future__ import annotations

import typing
from collections.abc import Callable
from copy import deepcopy
from functools import partial
from typing import Any, ForwardRef, cast

import typing_extensions
from pydantic import AfterValidator, BaseModel, WrapValidator
from pydantic.fields import FieldInfo
from pydantic_core import CoreSchema
from pydantic_core import core_schema as cs

from docmap.schema.annotations import Stored, find_markers
from docmap.schema.constraints import constraints_of

_PARAMETRIC = (typing.TypeVar, typing_extensions.TypeVar)


def unwrap(annotation: Any, metadata: tuple[Any, ...]) -> tuple[Any, tuple[Any, ...]]:
    """The annotation without Annotated, aliases, NewType and type variables."""
    while True:
        origin = typing.get_origin(annotation)
        if origin is typing.Annotated:
            inner, *more = typing.get_args(annotation)
            annotation, metadata = inner, (*more, *metadata)
        elif isinstance(annotation, typing_extensions.TypeAliasType) or hasattr(
            annotation, "__value__"
        ):
            annotation = annotation.__value__
        elif hasattr(annotation, "__supertype__"):
            annotation = annotation.__supertype__
        elif isinstance(annotation, _PARAMETRIC):
            annotation = annotation.__bound__ or Any
        elif origin in {typing.Final, typing.ClassVar}:
            annotation = typing.get_args(annotation)[0]
        elif isinstance(annotation, ForwardRef):
            return Any, metadata
        else:
            return annotation, metadata


def stored_constraints(metadata: tuple[Any, ...]) -> dict[str, Any]:
    """The limits that the stored value keeps: those before a transforming validator need not hold."""
    start = 0
    for position, item in enumerate(metadata):
        if isinstance(item, (AfterValidator, WrapValidator)):
            start = position + 1
    return constraints_of(metadata[start:])


def validated_fields(model: type[BaseModel]) -> set[str]:
    """The fields whose value a validator of the model may change after their own limits."""
    found: set[str] = set()
    for decorator in model.__pydantic_decorators__.field_validators.values():
        if decorator.info.mode in {"after", "wrap", "plain"}:
            names = decorator.info.fields
            found.update(model.model_fields if "*" in names else names)
    return found


def nested_stored(annotation: Any) -> list[Stored]:
    if typing.get_origin(annotation) is typing.Annotated:
        return find_markers(typing.get_args(annotation)[1:], Stored)
    return []


def with_default(core: CoreSchema, info: FieldInfo) -> CoreSchema:
    factory = cast("Callable[..., Any] | None", info.default_factory)
    if factory is not None:
        return cs.with_default_schema(
            core,
            default_factory=factory,
            default_factory_takes_data=bool(info.default_factory_takes_validated_data),
        )
    try:
        hash(info.default)
    except TypeError:
        return cs.with_default_schema(core, default_factory=partial(deepcopy, info.default))
    return cs.with_default_schema(core, default=info.default)
