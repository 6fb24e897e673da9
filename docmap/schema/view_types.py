"""The type of another class over stored documents: its fields by name, read as they are stored.

A field is found by its Python name, else by the storage name that it is given with `Stored`; its
own name in storage is then that of the document's field. What cannot come from there is refused.
"""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from enum import Enum
from typing import Any

from pydantic import BaseModel, RootModel, Secret
from pydantic_core import SchemaValidator, to_json
from pydantic_core import core_schema as cs

from docmap.errors import InvalidQuery
from docmap.schema.compile import Compiler, key_of
from docmap.schema.converters import custom
from docmap.schema.declared import UNIONS, stored_name
from docmap.schema.resolve import Root, unknown
from docmap.schema.structs import constraints_of_meta, is_struct, struct_type, without_unset
from docmap.schema.types import ANY, LISTS, UNTYPED, Field, FieldType

_TEXT = FieldType("str")
_WRAPPING = (Enum, Secret)
_WIDER = frozenset({("float", "int"), ("decimal", "int"), ("decimal", "float")})


class ViewCompiler(Compiler):
    """Compiles the annotations of another class, each beside the type that is stored there."""

    def __init__(self, source: FieldType, name: str, where: str, *, strict: bool) -> None:
        super().__init__()
        self._name = name
        self._strict = strict
        self.renamed: list[tuple[str, str, str]] = []
        """The fields that have another name in storage than their own: place, own, stored."""
        self._places: list[tuple[str, FieldType]] = [(where, source)]

    @property
    def source(self) -> FieldType:
        """The stored type at the place that is being compiled."""
        return self._places[-1][1]

    @contextmanager
    def at(self, where: str, source: FieldType) -> Iterator[None]:
        """Compile what is inside the block against the stored type of a place."""
        self._places.append((where, source))
        try:
            yield
        finally:
            self._places.pop()

    def compile(
        self,
        annotation: Any,
        metadata: tuple[Any, ...],
        where: str,
        *,
        discriminator: Any = None,
    ) -> FieldType:
        """The type of an annotation, beside the type that is stored at the place."""
        outer, above = self._places[-1]
        source = _below(above, where.removeprefix(outer), annotation, metadata)
        with self.at(where, source):
            annotation = self._narrowed(without_unset(annotation), metadata, where)
            metadata = constraints_of_meta(metadata)
            tagging = self.scope.tagging or source.kind == "any" or source.tagged
            with self.within(tagging=tagging):
                return super().compile(annotation, metadata, where, discriminator=discriminator)

    def untyped(self) -> FieldType:
        """A place that takes anything is read as what the document has there."""
        source = self.source
        if source.core is None:
            return super().untyped()
        core = source.core
        if source.definitions:
            # Their names are those of another compilation.
            read = SchemaValidator(source.schema, _use_prebuilt=False).validate_json
            core = cs.no_info_plain_validator_function(lambda wire: read(to_json(wire)))
        return dataclasses.replace(source, core=core, definitions={})

    def _narrowed(self, annotation: Any, metadata: tuple[Any, ...], where: str) -> Any:
        """A union without the members that cannot come from a single stored type."""
        source = self.source
        if typing.get_origin(annotation) not in UNIONS or source.kind in {*UNTYPED, "model"}:
            return annotation
        args = typing.get_args(annotation)
        members = [arg for arg in args if arg is not type(None)]
        if len(members) < 2:
            return annotation
        fitting = [
            member
            for member in members
            if misfit(super(ViewCompiler, self).compile(member, metadata, where), source) is None
        ]
        if not fitting or len(fitting) == len(members):
            return annotation
        nothing = [type(None)] if len(members) < len(args) else []
        return typing.Union[(*fitting, *nothing)]

    def _typed(
        self, annotation: Any, limits: dict[str, Any], metadata: tuple[Any, ...], where: str
    ) -> FieldType:
        plain = typing.get_origin(annotation) or annotation
        wraps = isinstance(plain, type) and (issubclass(plain, _WRAPPING) or custom(plain))
        if plain is not typing.Literal and not wraps:
            return super()._typed(annotation, limits, metadata, where)
        # What such a type asks for inside is its own affair: Any there is not the document's type.
        with self.at(where, dataclasses.replace(self.source, core=None)):
            return super()._typed(annotation, limits, metadata, where)

    def _extra_type(self, model: type[BaseModel], where: str) -> FieldType | None:
        places = (self.source, *self.source.options)
        source = next((place for place in places if place.annotation is model), None)
        if source is None:
            return None  # a view takes only the fields that it names
        with self.at(f"{where}.*", source.item or ANY):
            return super()._extra_type(model, where)

    def _key(self, annotation: Any) -> Any:
        source = self.source
        return key_of(annotation), id(source.fields or source)

    def _model(
        self, model: type[BaseModel], fields: dict[str, Field], where: str, key: str | None
    ) -> FieldType:
        if not issubclass(model, RootModel):
            return super()._model(model, fields, where, key)
        with self.at(f"{where}.root", self.source):
            return super()._model(model, fields, where, key)

    def _record(self, plain: type, annotation: Any, where: str) -> FieldType | None:
        if is_struct(plain):
            return self.called(
                annotation,
                lambda fields: struct_type(plain, annotation, fields, self.compile, where),
            )
        return super()._record(plain, annotation, where)

    def called(self, annotation: Any, make: Callable[[dict[str, Field]], FieldType]) -> FieldType:
        """A type whose instances are made by calling it with its fields."""
        return self._named(annotation, {}, make)

    def _named(
        self,
        annotation: Any,
        config: Mapping[str, Any],
        make: Callable[[dict[str, Field]], FieldType],
    ) -> FieldType:
        where, source = self._places[-1]
        return super()._named(
            annotation, config, lambda fields: self._mapped(make(fields), source, where)
        )

    def _mapped(self, kind: FieldType, source: FieldType, where: str) -> FieldType:
        """The type with its fields under the storage names that the document has for them."""
        fields: Any = kind.fields
        _make_by_init(kind, source)
        for name, entry in list(fields.items()):
            found = _field_of(source, entry.name, entry.stored)
            if found is None:
                if self._strict and entry.required and _closed(source):
                    raise self._unknown(source, where, name)
                continue
            reason = misfit(entry.type, found.type) if self._strict else None
            if reason is not None:
                raise InvalidQuery(
                    f"{where}.{name} is {entry.type.label}, and {self._place(where)}.{found.name} "
                    f"{reason}: declare it as the document does, or as Any",
                    field=name,
                )
            if found.stored != entry.stored:
                _parts(kind.core)[name]["validation_alias"] = found.stored
                fields[name] = dataclasses.replace(entry, stored=found.stored)
                self.renamed.append((f"{where}.{name}", entry.stored, found.stored))
        return kind

    def _place(self, where: str) -> str:
        """A place of the view as a place of the document."""
        return self._name + where.removeprefix(self._places[0][0])

    def _unknown(self, source: FieldType, where: str, name: str) -> InvalidQuery:
        hint = f"its fields are {', '.join(sorted(source.fields))}"
        found = unknown(Root(self._place(where), "", source), "field", name, source.fields, hint)
        return InvalidQuery(
            f"{where}.{name} cannot be read: {found.message}",
            field=name,
            suggestions=found.suggestions,
        )


def misfit(kind: FieldType, source: FieldType) -> str | None:
    """Why values of a stored type can never be read as another type; None if they may."""
    return None if _fits(kind, source, set()) else f"is stored as {source.label}"


def _fits(kind: FieldType, source: FieldType, seen: set[tuple[int, int]]) -> bool:
    pair = (id(kind), id(source))
    if kind.kind == "any" or source.kind == "any" or pair in seen:
        return True
    seen.add(pair)
    if source.kind == "union":
        return any(_fits(kind, option, seen) for option in source.options)
    if kind.kind == "union":
        return any(_fits(option, source, seen) for option in kind.options)
    if kind.kind in LISTS and source.kind in LISTS:
        return _fits(kind.item or ANY, source.item or ANY, seen)
    if kind.kind == "dict" and source.kind == "dict":
        return _fits(kind.item or ANY, source.item or ANY, seen)
    if kind.kind == "model" and source.kind in {"model", "dict"}:
        return True  # their fields were compared, each with its own
    return kind.kind == source.kind or (kind.kind, source.kind) in _WIDER


def _below(source: FieldType, step: str, annotation: Any, metadata: tuple[Any, ...]) -> FieldType:
    """The stored type one step further: a field, an element, a value or the keys of a dict."""
    if not step:
        return source
    if step == " (key)":
        return source.key_type or _TEXT
    if step.startswith("["):
        return _element(source, step[1:-1])
    name = step[1:]
    if source.kind == "dict":
        return source.item or ANY
    found = _field_of(source, name, stored_name(name, annotation, metadata, name))
    return ANY if found is None else found.type


def _element(source: FieldType, index: str) -> FieldType:
    lists = [option for option in (source, *source.options) if option.kind in LISTS]
    if len(lists) != 1:
        return ANY
    return (lists[0].element(int(index)) if index else lists[0].item) or ANY


def _field_of(source: FieldType, name: str, stored: str) -> Field | None:
    """The document's field of a Python name, else of a name in storage."""
    if source.kind == "dict":
        return Field(name, stored, source.item or ANY)
    found = source.child(name)
    if found is None and stored != name:
        found = next((entry for entry in source.fields.values() if entry.stored == stored), None)
    return found


def _closed(source: FieldType) -> bool:
    """True if a stored object can have no fields but the declared ones."""
    options = source.options if source.kind == "union" else (source,)
    return all(option.kind == "model" and not option.extra for option in options)


def _parts(core: Any) -> dict[str, Any]:
    """The fields in the schema of a type, by Python name; each has a `validation_alias`."""
    held = core.get("schema", core)
    fields = held["fields"]
    return fields if isinstance(fields, dict) else {entry["name"]: entry for entry in fields}


def _make_by_init(kind: FieldType, source: FieldType) -> None:
    """A dataclass of a view is a new one: its `__post_init__` runs, and gives what only it can."""
    if kind.core["type"] != "dataclass":
        return
    datatype = kind.core["cls"]
    if hasattr(datatype, "__post_init__") and source.annotation is not kind.annotation:
        kind.core["post_init"] = True
    made = {entry.name for entry in dataclasses.fields(datatype) if not entry.init}
    fields: Any = kind.fields
    for name in made & fields.keys():
        if source.child(name) is None:
            del fields[name]
            arguments = kind.core["schema"]
            arguments["fields"] = [one for one in arguments["fields"] if one["name"] != name]
            kind.core["fields"].remove(name)
