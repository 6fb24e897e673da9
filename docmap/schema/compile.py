"""From annotations to field types and docmap's own pydantic-core schema, in one pass.

What is stored follows the declared types, their constraints and docmap's converters. The model's
own validators, serializers, aliases and `exclude` play no part: they are rules of the program, not
of the stored record.
"""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from enum import Enum
from typing import Any, NamedTuple

import typing_extensions
from pydantic import BaseModel, Discriminator, JsonValue, RootModel
from pydantic.fields import FieldInfo
from pydantic_core import core_schema as cs

from docmap.errors import InvalidModel
from docmap.schema.annotations import Precision, find_markers
from docmap.schema.constraints import for_container
from docmap.schema.converters import custom
from docmap.schema.declared import (
    CHANGED,
    UNIONS,
    alias_value,
    arguments,
    is_alias,
    meaning,
    stored_constraints,
    stored_name,
    substituted,
    transforms,
    validated_fields,
    with_default,
)
from docmap.schema.foreign import foreign_schema
from docmap.schema.generic import container_type
from docmap.schema.leaves import ANY_SCHEMA
from docmap.schema.records import dataclass_type, named_tuple_type, typed_dict_type
from docmap.schema.reference_types import (
    check_holds_reference,
    check_rules,
    reference_type,
    rule_of,
)
from docmap.schema.references import Ref
from docmap.schema.scalars import (
    converted_type,
    enum_type,
    literal_type,
    scalar_type,
    secret_type,
)
from docmap.schema.types import Field, FieldType, holds_datetime
from docmap.schema.unions import union_type


class Compiled(NamedTuple):
    """A model's type, with what its codec needs to know."""

    root: FieldType
    recheck: bool
    """A stored document may break a limit, or come back unequal, unless it is read back."""


def compile_model(
    model: type[BaseModel], *, forbid_extra: bool = False, key: str | None = None
) -> Compiled:
    """The type of a model and, in `root.schema`, the schema that encodes and decodes it.

    Raises InvalidModel naming the field that cannot be stored.
    """
    compiler = Compiler(forbid_extra=forbid_extra)
    root = compiler.model(model, model.__name__, key=key)
    if compiler.rules:
        check_rules(root, model.__name__)
    return Compiled(root, compiler.recheck)


@dataclasses.dataclass(frozen=True, slots=True)
class Scope:
    """What holds for the annotations that are being compiled."""

    config: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    """pydantic's configuration of the model."""
    aliases: frozenset[Any] = frozenset()
    """The type aliases around: one that contains itself is untyped there."""
    loose: bool = False
    """A validator further out may change the value beyond its own limits."""
    tagging: bool = False
    """No single type is declared: what JSON lacks is stored with its type."""
    on_delete: str = ""
    """The delete rule of the references inside; nested models have their own."""


class Compiler:
    """Compiles the annotations of one model and of all that it leads to."""

    def __init__(self, *, forbid_extra: bool = False) -> None:
        self.recheck = False
        self.rules = False  # a delete rule was met
        self.scope = Scope()
        self._forbid_extra = forbid_extra
        self._definitions: dict[str, cs.CoreSchema] = {}
        self._made: dict[Any, FieldType] = {}
        self._open: set[Any] = set()
        self._recursive: set[Any] = set()
        self._copies: dict[int, list[FieldType]] = {}

    @contextmanager
    def within(self, **changes: Any) -> Iterator[None]:
        """Another scope for what is compiled inside the block."""
        outer, self.scope = self.scope, dataclasses.replace(self.scope, **changes)
        try:
            yield
        finally:
            self.scope = outer

    def variant(self, kind: FieldType, **changes: Any) -> FieldType:
        """A type that differs in some attributes."""
        copy = dataclasses.replace(kind, **changes)
        if id(kind) in self._copies:
            self._copies[id(kind)].append(copy)
            self._copies[id(copy)] = self._copies[id(kind)]
        return copy

    def optional(self, kind: FieldType) -> FieldType:
        """The type that takes None too."""
        if kind.nullable:
            return kind
        return self.variant(kind, nullable=True, core=cs.nullable_schema(kind.core))

    def compile(
        self,
        annotation: Any,
        metadata: tuple[Any, ...],
        where: str,
        *,
        discriminator: Any = None,
    ) -> FieldType:
        """The type of an annotation; `where` names the place for errors."""
        if typing.get_origin(annotation) is typing.Annotated:
            inner, *more = typing.get_args(annotation)
            return self.compile(inner, (*more, *metadata), where, discriminator=discriminator)
        if annotation is JsonValue:
            return self.untyped()
        if is_alias(annotation):
            return self._alias(annotation, metadata, where, discriminator)
        found = meaning(annotation)
        if found is not annotation:
            return self.compile(found, metadata, where, discriminator=discriminator)
        if typing.get_origin(annotation) in UNIONS:
            for item in metadata:
                if isinstance(item, (FieldInfo, Discriminator)):
                    discriminator = item.discriminator or discriminator
            return union_type(self, typing.get_args(annotation), metadata, where, discriminator)
        limits = {} if self.scope.loose else stored_constraints(metadata)
        rule = rule_of(metadata, where)
        with self.within(
            loose=self.scope.loose or transforms(metadata),
            on_delete=rule or self.scope.on_delete,
        ):
            kind = self._typed(annotation, limits, metadata, where)
        if rule:
            self.rules = True
            check_holds_reference(kind, where)
        # Types are made in many places; what they may refer to is known here.
        object.__setattr__(kind, "definitions", self._definitions)
        return kind

    def untyped(self) -> FieldType:
        """The type of a place that takes anything."""
        return FieldType("any", nullable=True, core=ANY_SCHEMA)

    def _alias(
        self, alias: Any, metadata: tuple[Any, ...], where: str, discriminator: Any
    ) -> FieldType:
        key = key_of(alias)
        if key in self.scope.aliases:
            return self.untyped()
        with self.within(aliases=self.scope.aliases | {key}):
            return self.compile(alias_value(alias), metadata, where, discriminator=discriminator)

    def _typed(
        self, annotation: Any, limits: dict[str, Any], metadata: tuple[Any, ...], where: str
    ) -> FieldType:
        origin = typing.get_origin(annotation)
        if origin is typing.Literal:
            return literal_type(self, annotation, where)
        plain = origin or annotation
        if isinstance(plain, type):
            if issubclass(plain, Ref):
                return reference_type(self, plain, where)
            converter = custom(plain)
            if converter is not None:
                return converted_type(self, plain, converter, where)
            found = scalar_type(self, plain, limits, metadata, where) or self._record(
                plain, annotation, where
            )
            if found is not None:
                return found
            if issubclass(plain, Enum):
                return enum_type(self, plain, where)
            secret = secret_type(self, plain, annotation, where)
            if secret is not None:
                return secret
        container = container_type(self, annotation, plain, for_container(limits), where)
        if container is not None:
            return container
        kind, core = foreign_schema(annotation, metadata, where)
        return FieldType(kind, annotation=annotation, core=core)

    def _record(self, plain: type, annotation: Any, where: str) -> FieldType | None:
        if issubclass(plain, BaseModel):
            return self.model(plain, where)
        variables = arguments(annotation)

        def inner(hint: Any, place: str) -> FieldType:
            return self.compile(substituted(hint, variables), (), place)

        if dataclasses.is_dataclass(plain):
            config = getattr(plain, "__pydantic_config__", {})
            return self._named(
                annotation, config, lambda f: dataclass_type(plain, annotation, f, inner, where)
            )
        if typing_extensions.is_typeddict(plain):
            self.recheck = True  # in memory it is a dict, which may hold more than it declares
            return self._named(
                annotation, {}, lambda f: typed_dict_type(plain, annotation, f, inner, where)
            )
        if issubclass(plain, tuple) and hasattr(plain, "_fields"):
            return self._named(
                annotation, {}, lambda _: named_tuple_type(plain, annotation, inner, where)
            )
        return None

    @property
    def definitions(self) -> Mapping[str, cs.CoreSchema]:
        """The schemas of the types that contain themselves, by the names they are referred to."""
        return self._definitions

    def _key(self, annotation: Any) -> Any:
        """What tells the types with a name apart, of which each is made once."""
        return key_of(annotation)

    def _named(
        self,
        annotation: Any,
        config: Mapping[str, Any],
        make: Callable[[dict[str, Field]], FieldType],
    ) -> FieldType:
        """A type with a name: made once, and it may contain itself."""
        key = self._key(annotation)
        made = self._made.get(key)
        if made is not None:
            if key in self._open:
                self._recursive.add(key)
            return made
        ref = f"{getattr(annotation, '__name__', 'type')}:{len(self._made)}"
        fields: dict[str, Field] = {}
        place = FieldType(
            "model",
            fields=fields,
            annotation=annotation,
            core=cs.definition_reference_schema(ref),
            definitions=self._definitions,
        )
        self._made[key] = place
        self._open.add(key)
        self._copies[id(place)] = [place]
        with self.within(
            config=config, aliases=frozenset(), loose=False, tagging=False, on_delete=""
        ):
            kind = make(fields)
        self._open.discard(key)
        copies = self._copies.pop(id(place))
        if key not in self._recursive:
            self._made[key] = kind
            return kind
        kind.core["ref"] = ref
        self._definitions[ref] = kind.core
        # What was handed out before the type was known becomes that type.
        for copy in copies:
            for name in ("kind", "item", "items", "options", "extra", "key_type", "tagged"):
                object.__setattr__(copy, name, getattr(kind, name))
        return place

    def model(self, model: type[BaseModel], where: str, *, key: str | None = None) -> FieldType:
        """The type of a model; `key` names the field that every record has."""
        if not model.__pydantic_complete__:
            model.model_rebuild(raise_errors=True)
        return self._named(
            model, model.model_config, lambda fields: self._model(model, fields, where, key)
        )

    def _model(
        self, model: type[BaseModel], fields: dict[str, Field], where: str, key: str | None
    ) -> FieldType:
        extra = self._extra_type(model, where)
        changed = validated_fields(model, model.model_fields)
        cores: dict[str, cs.ModelField] = {}
        for name, info in model.model_fields.items():
            entry, core = self._field(
                name, info, f"{where}.{name}", changed=name in changed, is_key=name == key
            )
            _check_unique(entry, fields, where)
            fields[name] = entry
            cores[name] = cs.model_field(
                core, validation_alias=entry.stored, serialization_alias=entry.stored
            )
        post_init = "model_post_init" if model.__pydantic_post_init__ else None
        config = cs.CoreConfig(title=model.__name__, hide_input_in_errors=True)
        if issubclass(model, RootModel):
            inner = fields.pop("root").type
            core = cs.model_schema(
                model, inner.core, root_model=True, post_init=post_init, config=config
            )
            return self.variant(inner, annotation=model, core=core)
        behaviour: cs.ExtraBehavior = "forbid" if self._forbid_extra else "ignore"
        if extra is not None:
            behaviour = "allow"
        core = cs.model_schema(
            model,
            cs.model_fields_schema(
                cores,
                model_name=model.__name__,
                extra_behavior=behaviour,
                extras_schema=extra.core if extra else None,
            ),
            config={**config, "extra_fields_behavior": behaviour},
            post_init=post_init,
        )
        return FieldType(
            "model",
            fields=fields,
            annotation=model,
            core=core,
            item=extra,
            extra=extra is not None,
            definitions=self._definitions,
        )

    def _extra_type(self, model: type[BaseModel], where: str) -> FieldType | None:
        """The type of the fields that a model takes undeclared; None if it takes none."""
        if model.model_config.get("extra") != "allow":
            return None
        try:
            hint = typing_extensions.get_type_hints(model).get("__pydantic_extra__")
        except NameError:
            hint = None  # a name that only pydantic could resolve
        args = typing.get_args(hint)
        return self.compile(args[1], (), f"{where}.*") if len(args) == 2 else self.untyped()

    def _field(
        self, name: str, info: FieldInfo, where: str, *, changed: bool, is_key: bool
    ) -> tuple[Field, cs.CoreSchema]:
        metadata = (*info.metadata, *([CHANGED] if changed else ()))
        # The key is made by docmap: limits for the texts of a user do not hold for it.
        with self.within(config={} if is_key else self.scope.config):
            kind = self.compile(info.annotation, metadata, where, discriminator=info.discriminator)
        if find_markers(metadata, Precision) and not holds_datetime(kind):
            raise InvalidModel(
                f"{where} is {kind.label}: Precision is for datetimes; inside a list or dict write "
                'it on the element, list[Annotated[datetime, Precision("us")]]',
                field=where,
            )
        stored = stored_name(name, info.annotation, metadata, where)
        required = info.is_required()
        if required or is_key:  # a record without its key is damaged
            return Field(name, stored, kind, required=required), kind.core
        if info.default is None and info.default_factory is None:
            kind = self.optional(kind)  # pydantic takes the default unchecked, and so None
        return Field(name, stored, kind, required=False), with_default(kind.core, info)


def key_of(annotation: Any) -> Any:
    """What tells types with a name apart; their arguments may have metadata without a hash."""
    try:
        hash(annotation)
    except TypeError:
        return repr(annotation)
    return annotation


def _check_unique(entry: Field, fields: Mapping[str, Field], where: str) -> None:
    for other in fields.values():
        if other.stored == entry.stored:
            raise InvalidModel(
                f"{where} stores two fields as {entry.stored!r}: {other.name} and {entry.name}; "
                "give one another name with Stored",
                field=entry.name,
            )
