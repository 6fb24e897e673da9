"""From annotations to field types and docmap's own pydantic-core schema, in one pass.

What is stored follows the declared types, their constraints and docmap's converters. The model's
own validators, serializers, aliases and `exclude` play no part: they are rules of the program, not
of the stored record.
"""

from __future__ import annotations

import collections
import dataclasses
import types
import typing
from collections import abc
from collections.abc import Mapping
from datetime import date, datetime
from enum import Enum, Flag
from typing import Any, NamedTuple, cast

import typing_extensions
from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    FutureDate,
    FutureDatetime,
    NaiveDatetime,
    PastDate,
    PastDatetime,
    RootModel,
)
from pydantic.fields import FieldInfo
from pydantic_core import CoreSchema
from pydantic_core import core_schema as cs

from docmap.errors import InvalidModel
from docmap.schema.annotations import BigIntMarker, Precision, Stored, find_markers
from docmap.schema.constraints import for_container
from docmap.schema.declared import (
    nested_stored,
    stored_constraints,
    unwrap,
    validated_fields,
    with_default,
)
from docmap.schema.containers import dict_schema, list_schema, rebuilt, set_schema, union_schema
from docmap.schema.converters import Converter, custom
from docmap.schema.foreign import foreign_schema
from docmap.schema.leaves import ANY_SCHEMA, BIGINT, LEAVES, leaf_schema
from docmap.schema.types import Field, FieldType, Kind
from docmap.schema.wire import untagged

_ALIASES: Mapping[Any, type] = {
    AwareDatetime: datetime,
    PastDatetime: datetime,
    FutureDatetime: datetime,
    PastDate: date,
    FutureDate: date,
}
_LISTS = {list, abc.Sequence, abc.MutableSequence, abc.Iterable, abc.Collection}
_DICTS = {dict, abc.Mapping, abc.MutableMapping}
_ANYTHING = {Any, object, None, dict, list, tuple, set, frozenset}


class Compiled(NamedTuple):
    """A model's type, with what its codec needs to know."""

    root: FieldType
    recheck: bool
    """A stored document may break a constraint, or come back unequal, unless it is read back."""


def compile_model(
    model: type[BaseModel], *, forbid_extra: bool = False, key: str | None = None
) -> Compiled:
    """The type of a model and, in `root.core`, the schema that encodes and decodes it.

    Raises InvalidModel naming the field that cannot be stored.
    """
    compiler = _Compiler()
    root = compiler.model(model, model.__name__, forbid_extra=forbid_extra, key=key)
    core = root.core
    if compiler.definitions:
        core = cs.definitions_schema(core, list(compiler.definitions.values()))
    return Compiled(dataclasses.replace(root, core=core), compiler.recheck)


class _Compiler:
    def __init__(self) -> None:
        self.definitions: dict[str, CoreSchema] = {}
        self.recheck = False
        self._open: dict[type, FieldType] = {}
        self._referenced: set[type] = set()

    def model(
        self,
        model: type[BaseModel],
        where: str,
        *,
        forbid_extra: bool = False,
        key: str | None = None,
    ) -> FieldType:
        if model in self._open:
            self._referenced.add(model)
            return self._open[model]
        if not model.__pydantic_complete__:
            model.model_rebuild(raise_errors=True)
        ref = f"{model.__module__}.{model.__qualname__}:{id(model)}"
        fields: dict[str, Field] = {}
        extra = model.model_config.get("extra") == "allow"
        kind = FieldType(
            "model", fields=fields, annotation=model, extra=extra,
            core=cs.definition_reference_schema(ref),
        )
        self._open[model] = kind
        validated = validated_fields(model)
        cores: dict[str, cs.ModelField] = {}
        for name, info in model.model_fields.items():
            entry, core = self.field(
                name, info, f"{where}.{name}", validated=name in validated, given=name == key
            )
            self._unique(entry, fields, where)
            fields[name] = entry
            cores[name] = core
        del self._open[model]
        if issubclass(model, RootModel):
            return self._root_model(model, fields["root"].type)
        behaviour: cs.ExtraBehavior = "allow" if extra else "forbid" if forbid_extra else "ignore"
        core = cs.model_schema(
            model,
            cs.model_fields_schema(
                cores,
                model_name=model.__name__,
                extra_behavior=behaviour,
                extras_schema=ANY_SCHEMA if extra else None,
            ),
            config=cs.CoreConfig(
                title=model.__name__, extra_fields_behavior=behaviour, hide_input_in_errors=True
            ),
            post_init="model_post_init" if model.__pydantic_post_init__ else None,
            ref=ref,
        )
        if model in self._referenced:
            self.definitions[ref] = core
            return kind
        core.pop("ref")
        return dataclasses.replace(kind, core=core)

    def _root_model(self, model: type[BaseModel], inner: FieldType) -> FieldType:
        core = cs.model_schema(
            model, inner.core, root_model=True, config=cs.CoreConfig(title=model.__name__)
        )
        return dataclasses.replace(inner, core=core, annotation=model)

    def _unique(self, entry: Field, fields: Mapping[str, Field], where: str) -> None:
        for other in fields.values():
            if other.stored == entry.stored:
                raise InvalidModel(
                    f"{where} stores two fields as {entry.stored!r}: {other.name} and "
                    f"{entry.name}; give one another name with Stored",
                    field=entry.name,
                )

    def field(
        self,
        name: str,
        info: FieldInfo,
        where: str,
        *,
        validated: bool = False,
        given: bool = False,
    ) -> tuple[Field, cs.ModelField]:
        metadata = tuple(info.metadata)
        if validated:
            # The field's validator may have turned the value into one beyond its own limits.
            metadata = (*metadata, AfterValidator(lambda value: value))
        kind = self.compile(info.annotation, metadata, where, discriminator=info.discriminator)
        names = [*find_markers(metadata, Stored), *nested_stored(info.annotation)]
        stored = names[0].name if names else name
        core = kind.core
        if not info.is_required() and not given:  # a record without its key is damaged
            core = with_default(core, info)
        entry = Field(name, stored, kind, required=info.is_required())
        return entry, cs.model_field(core, validation_alias=stored, serialization_alias=stored)

    def compile(
        self, annotation: Any, metadata: tuple[Any, ...], where: str, *, discriminator: Any = None
    ) -> FieldType:
        annotation, metadata = unwrap(annotation, metadata)
        for item in metadata:
            if isinstance(item, FieldInfo) and item.discriminator is not None:
                discriminator = item.discriminator
        origin = typing.get_origin(annotation)
        if origin in {typing.Union, types.UnionType}:
            return self._union(typing.get_args(annotation), metadata, where, discriminator)
        if origin in {typing.Literal, typing_extensions.Literal}:
            return self._literal(annotation)
        constraints = stored_constraints(metadata)
        self.recheck = self.recheck or bool(constraints)
        if origin is not None or annotation in _ANYTHING or not isinstance(annotation, type):
            return self._generic(annotation, origin, constraints, metadata, where)
        return self._plain(annotation, constraints, metadata, where)

    def _plain(
        self, annotation: type, constraints: dict[str, Any], metadata: tuple[Any, ...], where: str
    ) -> FieldType:
        converter = custom(annotation)
        if converter is not None:
            return self._custom(annotation, converter, where)
        if annotation is NaiveDatetime:
            raise InvalidModel(
                f"{where} is a NaiveDatetime, which means another moment on every machine: "
                "declare datetime or AwareDatetime",
                field=where,
            )
        leaf = LEAVES.get(annotation)
        if annotation is int and find_markers(metadata, BigIntMarker):
            leaf = BIGINT
        if leaf is not None:
            units = find_markers(metadata, Precision)
            fine = bool(units) and units[-1].unit == "us"
            core = leaf_schema(leaf, constraints, microseconds=fine)
            return FieldType(leaf.kind, annotation=annotation, core=core, microseconds=fine)
        if issubclass(annotation, Enum):
            return self._enum(annotation, where)
        if issubclass(annotation, BaseModel):
            return self.model(annotation, where)
        if dataclasses.is_dataclass(annotation):
            return self._dataclass(annotation, where)
        if typing_extensions.is_typeddict(annotation):
            return self._typed_dict(annotation, where)
        if issubclass(annotation, tuple) and hasattr(annotation, "_fields"):
            return self._named_tuple(annotation, where)
        return self._foreign(annotation, metadata, where)

    def _generic(
        self, annotation: Any, origin: Any, constraints: dict[str, Any],
        metadata: tuple[Any, ...], where: str,
    ) -> FieldType:
        limits = for_container(constraints)
        args = typing.get_args(annotation)
        bare = origin or annotation
        if bare in {Any, object, None}:
            return FieldType("any", nullable=True, annotation=Any, core=ANY_SCHEMA)
        if bare in _LISTS or bare is collections.deque:
            item = self.compile(args[0] if args else Any, (), f"{where}[]")
            core = list_schema(item, limits)
            if bare is collections.deque:
                core = rebuilt(core, collections.deque, item.core)
            elif bare is not list:
                self.recheck = True
            return FieldType("list", item=item, annotation=annotation, core=core)
        if bare in {set, frozenset, abc.Set, abc.MutableSet}:
            item = self.compile(args[0] if args else Any, (), f"{where}[]")
            core = set_schema(item, limits, frozen=bare is frozenset)
            return FieldType("set", item=item, annotation=annotation, core=core)
        if bare is tuple:
            return self._tuple(annotation, args, limits, where)
        if bare in _DICTS or bare in {collections.defaultdict, collections.OrderedDict}:
            key = self.compile(args[0] if args else str, (), f"{where} (key)")
            value = self.compile(args[1] if args else Any, (), f"{where}.*")
            core = dict_schema(key, value, limits)
            self.recheck = self.recheck or bare is not dict
            return FieldType("dict", item=value, annotation=annotation, core=core, key_type=key)
        if isinstance(origin, type) and (
            dataclasses.is_dataclass(origin) or typing_extensions.is_typeddict(origin)
        ):
            return self._foreign(annotation, metadata, where)
        return self._foreign(annotation, metadata, where)

    def _tuple(
        self, annotation: Any, args: tuple[Any, ...], limits: dict[str, Any], where: str
    ) -> FieldType:
        if not args or args[-1] is Ellipsis:
            item = self.compile(args[0] if args else Any, (), f"{where}[]")
            core = cs.tuple_schema([item.core], variadic_item_index=0, **limits)
            return FieldType("tuple", item=item, annotation=annotation, core=core)
        items = tuple(self.compile(arg, (), f"{where}[{i}]") for i, arg in enumerate(args))
        core = cs.tuple_schema([item.core for item in items])
        return FieldType("tuple", items=items, annotation=annotation, core=core)

    def _union(
        self, args: tuple[Any, ...], metadata: tuple[Any, ...], where: str, discriminator: Any
    ) -> FieldType:
        members = [arg for arg in args if arg is not type(None) and arg is not None]
        nullable = len(members) < len(args)
        if len(members) == 1:
            kind = self.compile(members[0], metadata, where, discriminator=discriminator)
        else:
            options = [self.compile(member, metadata, where) for member in members]
            core, alike = union_schema(options, discriminator)
            if alike:
                annotation = typing.Union[tuple(members)]  # noqa: UP007 - built from data
                core = self._tagged_union(annotation, where)
            kind = FieldType(
                "union", options=tuple(options), annotation=typing.Union[tuple(members)], core=core  # noqa: UP007
            )
            nullable = nullable or any(option.nullable for option in options)
        if not nullable or kind.nullable:
            return kind
        return dataclasses.replace(kind, nullable=True, core=cs.nullable_schema(kind.core))

    def _tagged_union(self, annotation: Any, where: str) -> CoreSchema:
        """Read in Python's own types, so that a UUID stays one beside a text."""
        _, plain = foreign_schema(annotation, (), where)
        return cs.chain_schema(
            [cs.no_info_plain_validator_function(untagged), plain],
            serialization=ANY_SCHEMA["serialization"],  # type: ignore[typeddict-item]
        )

    def _literal(self, annotation: Any) -> FieldType:
        values = typing.get_args(annotation)
        plain = [v.value if isinstance(v, Enum) else v for v in values]
        kinds = {type(v) for v in plain if v is not None}
        kind: Kind = LEAVES[kinds.pop()].kind if len(kinds) == 1 else "any"
        core: CoreSchema = cs.literal_schema(list(values))
        if any(isinstance(v, Enum) for v in values):
            members = dict(zip(plain, values, strict=True))
            core = cs.no_info_after_validator_function(
                members.__getitem__,
                cs.literal_schema(plain),
                serialization=cs.plain_serializer_function_ser_schema(
                    lambda v: v.value if isinstance(v, Enum) else v
                ),
            )
        return FieldType(kind, nullable=None in plain, annotation=annotation, core=core)

    def _enum(self, enum: type[Enum], where: str) -> FieldType:
        values = [member.value for member in enum]
        kinds = {type(value) for value in values}
        inner = self.compile(kinds.pop() if len(kinds) == 1 else Any, (), where)

        def write(value: Any) -> Any:
            if not isinstance(value, enum):
                raise TypeError(f"is not a {enum.__name__}")
            return value.value

        if inner.kind in {"str", "int"} and not issubclass(enum, Flag):
            core: CoreSchema = cs.enum_schema(
                enum, list(enum), sub_type=cast(Any, inner.kind),
                missing=enum._missing_ if enum._missing_.__func__ is not Enum._missing_.__func__ else None,  # type: ignore[attr-defined]
            )
        else:
            core = cs.no_info_after_validator_function(enum, inner.core)
        core["serialization"] = cs.plain_serializer_function_ser_schema(  # type: ignore[index]
            write, return_schema=inner.core
        )
        return dataclasses.replace(inner, annotation=enum, core=core)

    def _custom(self, datatype: type, converter: Converter, where: str) -> FieldType:
        stored = typing.get_type_hints(converter.to_db).get("return", Any)
        inner = self.compile(stored, (), where)

        def write(value: Any) -> Any:
            if not isinstance(value, datatype):
                raise TypeError(f"is not a {datatype.__name__}")
            return converter.to_db(value)

        core = cs.no_info_after_validator_function(
            converter.from_db,
            inner.core,
            serialization=cs.plain_serializer_function_ser_schema(write, return_schema=inner.core),
        )
        return dataclasses.replace(inner, annotation=datatype, core=core)

    def _dataclass(self, datatype: type, where: str) -> FieldType:
        hints = typing.get_type_hints(datatype, include_extras=True)
        fields: dict[str, Field] = {}
        parameters: list[cs.DataclassField] = []
        for entry in dataclasses.fields(datatype):
            kind = self.compile(hints[entry.name], (), f"{where}.{entry.name}")
            fields[entry.name] = Field(entry.name, entry.name, kind)
            parameters.append(
                cs.dataclass_field(entry.name, kind.core, kw_only=True, init=True)
            )
        core = cs.dataclass_schema(
            datatype,
            cs.dataclass_args_schema(datatype.__name__, parameters),
            list(fields),
            config=cs.CoreConfig(extra_fields_behavior="ignore"),
            post_init=False,
            slots=hasattr(datatype, "__slots__"),
        )
        return FieldType("model", fields=fields, annotation=datatype, core=core)

    def _typed_dict(self, datatype: Any, where: str) -> FieldType:
        hints = typing_extensions.get_type_hints(datatype, include_extras=True)
        fields: dict[str, Field] = {}
        cores: dict[str, cs.TypedDictField] = {}
        for name, hint in hints.items():
            while typing.get_origin(hint) in _QUALIFIERS:
                hint = typing.get_args(hint)[0]  # noqa: PLW2901 - unwrapping
            kind = self.compile(hint, (), f"{where}.{name}")
            required = name in datatype.__required_keys__
            fields[name] = Field(name, name, kind, required=required)
            cores[name] = cs.typed_dict_field(kind.core, required=required)
        return FieldType(
            "model", fields=fields, annotation=datatype, core=cs.typed_dict_schema(cores)
        )

    def _named_tuple(self, datatype: Any, where: str) -> FieldType:
        hints = typing.get_type_hints(datatype, include_extras=True)
        items = tuple(self.compile(hints.get(n, Any), (), f"{where}.{n}") for n in datatype._fields)
        inner = cs.tuple_schema([item.core for item in items])
        core = cs.no_info_after_validator_function(lambda values: datatype(*values), inner)
        core["serialization"] = cs.plain_serializer_function_ser_schema(tuple, return_schema=inner)
        return FieldType("tuple", items=items, annotation=datatype, core=core)

    def _foreign(self, annotation: Any, metadata: tuple[Any, ...], where: str) -> FieldType:
        annotation = _ALIASES.get(annotation, annotation)
        if annotation in LEAVES:
            return self._plain(annotation, stored_constraints(metadata), metadata, where)
        kind, core = foreign_schema(annotation, metadata, where)
        return FieldType(kind, annotation=annotation, core=core)


_QUALIFIERS = {
    typing.Required,
    typing.NotRequired,
    typing_extensions.Required,
    typing_extensions.NotRequired,
    typing_extensions.ReadOnly,
}
