"""Input models: what a client may send for a document, as a pydantic model of its own."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from inspect import getattr_static
from typing import Any, Final

from pydantic import (
    BaseModel,
    ConfigDict,
    create_model,
    field_serializer,
    field_validator,
    model_validator,
)
from pydantic.fields import FieldInfo

from docmap.schema.schema import Schema

_INPUT: Final = "__docmap_input__"


def input_model(cls: Any) -> type[BaseModel]:
    """The model of request bodies for a document class, made once.

    Without the key, unless only the user can give it, and without fields whose marker says that
    they are set by docmap (its attribute `server_set` is true).
    """
    made: type[BaseModel] | None = cls.__dict__.get(_INPUT)
    if made is None:
        made = _make(cls)
        setattr(cls, _INPUT, made)
    return made


def _make(cls: Any) -> type[BaseModel]:
    schema: Schema = cls.__docmap_schema__
    fields = {
        name: info
        for name, info in cls.model_fields.items()
        if not _server_set(info)
        and not _class_name(schema, name, info)
        and (name != schema.key or info.is_required())
    }
    definitions: dict[str, Any] = {
        name: (info.annotation, copy.copy(info)) for name, info in fields.items()
    }
    config = {name: value for name, value in cls.model_config.items() if name != "title"}
    return create_model(
        f"{cls.__name__}Input",
        __config__=ConfigDict(**config),  # type: ignore[typeddict-item]
        __doc__=cls.__doc__,
        __module__=cls.__module__,
        __validators__=_decorated(cls, fields),
        **definitions,
    )


def _server_set(info: FieldInfo) -> bool:
    return any(getattr(marker, "server_set", False) is True for marker in info.metadata)


def _class_name(schema: Schema, name: str, info: FieldInfo) -> bool:
    """True of the field that holds the name of the class; a Literal is of use to clients, too."""
    return info.annotation is str and schema.names.type.fields[name].stored in schema.class_field


def _decorated(cls: Any, fields: Mapping[str, FieldInfo]) -> dict[str, Any]:
    """The validators and serializers of a class for those of its fields that are left."""
    decorators = cls.__pydantic_decorators__
    found: dict[str, Any] = {}

    def keep(name: str, decorator: Any, decorate: Any) -> None:
        found[name] = decorate(getattr_static(cls, decorator.cls_var_name))

    def left(names: Iterable[str]) -> list[str]:
        return [name for name in names if name == "*" or name in fields]

    for name, one in decorators.field_validators.items():
        info = one.info
        taken = {"json_schema_input_type": info.json_schema_input_type}
        if names := left(info.fields):
            more = taken if info.mode != "after" else {}
            keep(name, one, field_validator(*names, mode=info.mode, **more))
    for name, one in decorators.field_serializers.items():
        info = one.info
        options = {"return_type": info.return_type, "when_used": info.when_used}
        if names := left(info.fields):
            keep(name, one, field_serializer(*names, mode=info.mode, **options))
    for name, one in decorators.model_validators.items():
        keep(name, one, model_validator(mode=one.info.mode))
    return found
