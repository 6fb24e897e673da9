"""Unions: which member writes a value, and which one reads it back.

The JSON form decides where it can. Where members have forms alike, the scalars that JSON lacks are
stored with their type (see `docmap.schema.wire`); for the rest a value is stored only if it comes
back equal.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from enum import Enum
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, Union, get_args, get_origin

from pydantic import ValidationError
from pydantic_core import CoreSchema, PydanticSerializationError, SchemaValidator
from pydantic_core import core_schema as cs

from docmap.errors import InvalidModel
from docmap.schema.checked import Finder, none_finder, serializer
from docmap.schema.diagnose import dotted, find_fault
from docmap.schema.types import FieldType, python_class
from docmap.schema.wire import ESCAPE, KIND_TAGS, TAGS, escaped, unescaped
from docmap.schema.writers import note

if TYPE_CHECKING:
    from docmap.schema.compile import Compiler

_SCALAR_FORMS = dict.fromkeys(
    "bigint decimal str bytes datetime date time uuid objectid".split(), "text"
) | {"bool": "bool", "int": "int", "float": "float", "timedelta": "int"}
_CONTAINER_FORMS = {
    "list": "list",
    "set": "list",
    "tuple": "list",
    "dict": "object",
    "model": "object",
}
_ANYTHING = ("text", "bool", "int", "float", "list", "object", *sorted(TAGS))


def forms(kind: FieldType) -> Iterator[str]:
    """The JSON forms that values of a type can have; a tag is a form of its own."""
    if kind.kind == "union":
        for option in kind.options:
            if kind.tagged and option.kind in KIND_TAGS:
                yield KIND_TAGS[option.kind]
            else:
                yield from forms(option)
    elif kind.kind in _SCALAR_FORMS:
        yield _SCALAR_FORMS[kind.kind]
    elif kind.kind in _CONTAINER_FORMS:
        yield _CONTAINER_FORMS[kind.kind]
    else:
        yield from _ANYTHING


def alike(options: Sequence[FieldType]) -> bool:
    """True if two of the members can have the same JSON form."""
    found = [form for option in options for form in dict.fromkeys(forms(option))]
    return len(set(found)) < len(found)


def union_type(
    compiler: Compiler,
    args: Sequence[Any],
    metadata: tuple[Any, ...],
    where: str,
    discriminator: Any,
) -> FieldType:
    """The type of a union; None among its members makes it nullable."""
    members = [arg for arg in args if arg is not type(None) and arg is not None]
    if len(members) == 1:
        kind = compiler.compile(members[0], metadata, where, discriminator=discriminator)
    else:
        kind = _several(compiler, members, metadata, where, discriminator)
    return compiler.optional(kind) if len(members) < len(args) else kind


def _several(
    compiler: Compiler,
    members: Sequence[Any],
    metadata: tuple[Any, ...],
    where: str,
    discriminator: Any,
) -> FieldType:
    options = _options(compiler, members, metadata, where)
    if any(option.target is not None for option in options):
        raise InvalidModel(
            f"{where} is a reference or something else, and the key that is stored does not say "
            "which: declare a field for each, Ref[...] | None",
            field=where,
        )
    if any(option.kind == "any" and option.annotation is Any for option in options):
        return compiler.untyped()
    annotation: Any = Union[tuple(members)]  # noqa: UP007 - built from data
    nullable = any(option.nullable for option in options)
    core = _discriminated(options, discriminator)
    tagged = core is None and (compiler.scope.tagging or alike(options))
    if tagged:
        with compiler.within(tagging=True):
            options = _options(compiler, members, metadata, where)
    if core is None:
        union = _Union(options, tagged=tagged)
        core = cs.no_info_plain_validator_function(
            union.read,
            serialization=cs.plain_serializer_function_ser_schema(
                union.write, return_schema=cs.any_schema()
            ),
        )
    kind = FieldType(
        "union", options=tuple(options), annotation=annotation, core=core, tagged=tagged
    )
    return compiler.optional(kind) if nullable else kind


def _options(
    compiler: Compiler, members: Sequence[Any], metadata: tuple[Any, ...], where: str
) -> list[FieldType]:
    """The types of the members, those of unions among them in their place."""
    found: list[FieldType] = []
    for member in members:
        kind = compiler.compile(member, metadata, where)
        core = kind.core["schema"] if kind.core["type"] == "nullable" else kind.core
        if kind.kind == "union" and len(kind.options) > 1 and core["type"] != "tagged-union":
            found.extend(kind.options)
            if kind.nullable:
                found[-1] = compiler.optional(found[-1])
        else:
            found.append(kind)
    return found


def _discriminated(options: Sequence[FieldType], discriminator: Any) -> CoreSchema | None:
    """The union that pydantic makes by the value of one field; None where it would not do."""
    choices: dict[Any, CoreSchema] = {}
    for option in options:
        entry = option.fields.get(discriminator) if isinstance(discriminator, str) else None
        if entry is None or entry.stored != discriminator or option.kind != "model":
            return None
        values = get_args(entry.type.annotation)
        if get_origin(entry.type.annotation) is not Literal:
            return None
        for value in values:
            choices[value.value if isinstance(value, Enum) else value] = option.core
    return cs.tagged_union_schema(choices, discriminator)


class _Member:
    """One member of a union, with what writes and reads it alone."""

    def __init__(self, kind: FieldType, position: int) -> None:
        self.kind = kind
        self.position = position
        self.forms = frozenset(forms(kind))
        self.python = python_class(kind)
        self.known = frozenset(entry.stored for entry in kind.fields.values())

    @property
    def precedence(self) -> int:
        """Before which others this member reads a JSON form that all of them can read."""
        finite = get_origin(self.kind.annotation) is Literal
        if finite or (self.python is not None and issubclass(self.python, Enum)):
            return 0
        return 1 if self.python in {str, int, float, bool} else 2

    # Made when first needed: until then a type that contains itself is not complete.
    @cached_property
    def _to_python(self) -> Callable[..., Any]:
        return serializer(self.kind).to_python

    @cached_property
    def _holds_none(self) -> Finder:
        return none_finder(self.kind)

    @cached_property
    def read(self) -> Callable[[Any], Any]:
        return SchemaValidator(self.kind.schema, _use_prebuilt=False).validate_python

    def write(self, value: Any) -> Any:
        """The JSON form of a value. Raises ValueError if it is none of this member."""
        try:
            wire = self._to_python(value, mode="json", by_alias=True, warnings="error")
        except (PydanticSerializationError, RecursionError) as error:
            raise ValueError(self._reason(value)) from error
        if self._holds_none(value):
            raise ValueError(self._reason(value))
        return wire

    def _reason(self, value: Any) -> str:
        path, reason = find_fault(value, self.kind) or ((), "cannot be stored")
        return f"has a part {dotted(path)} that {reason}" if path else reason

    def takes(self, kind: type) -> bool:
        """False for what pydantic would write as one of its base classes, losing the rest."""
        return self.kind.kind != "model" or self.python in {None, kind}

    def strangeness(self, wire: Any) -> tuple[int, int, int]:
        """How far an object is from this member's fields; the less the better."""
        if not self.known or type(wire) is not dict:
            return (0, 0, self.position)
        return (len(wire.keys() - self.known), len(self.known - wire.keys()), self.position)


class _Union:
    def __init__(self, options: Sequence[FieldType], *, tagged: bool) -> None:
        self._options = options
        self._tagged = tagged
        self._by_class: dict[type, list[_Member]] = {}

    # Made when first needed: until then a type that contains itself is not complete.
    @cached_property
    def _members(self) -> list[_Member]:
        return [_Member(option, position) for position, option in enumerate(self._options)]

    @cached_property
    def _doubtful(self) -> bool:
        return alike(self._options)

    @cached_property
    def _by_form(self) -> dict[str, list[_Member]]:
        found: dict[str, list[_Member]] = {}
        # Of two that read one text, what is among a few values comes first, then plain text:
        # pydantic makes that of a text it is given.
        for member in sorted(self._members, key=lambda member: member.precedence):
            for form in member.forms:
                found.setdefault(form, []).append(member)
        return found

    def write(self, value: Any) -> Any:
        """The JSON form of a value, by the member whose class is the nearest."""
        if value is None:
            raise TypeError("is None, and the field takes no None")
        kind = type(value)
        members = self._by_class.get(kind)
        if members is None:
            members = self._by_class[kind] = self._nearest(kind)
        reason = None
        for member in members:
            try:
                wire = member.write(value)
            except ValueError as error:
                if member.python is kind:
                    reason = reason or str(error)
                continue
            if self._tagged and member.kind.kind in {"dict", "model"}:
                wire = escaped(wire)
            other = self._mistaken(member, value, wire) if self._doubtful else None
            if other is None:
                return wire
            reason = reason or other
        raise ValueError(reason or f"must be {self._label}, not {kind.__name__}")

    def read(self, wire: Any) -> Any:
        """The value that was written as `wire`. Raises ValueError if no member reads it."""
        return self._read(wire)[1]

    def _nearest(self, kind: type) -> list[_Member]:
        def distance(member: _Member) -> int:
            if member.python is None:
                return 1
            return 0 if member.python is kind else 2

        return sorted((m for m in self._members if m.takes(kind)), key=distance)

    def _mistaken(self, member: _Member, value: Any, wire: Any) -> str | None:
        """Why the value cannot be stored: another member would read something else from it."""
        reader, back = self._read(wire)
        if reader is member:
            return None
        if back != value:
            return (
                f"is stored like {reader.kind.label} of the union, and would come back as "
                f"{type(back).__name__}: declare a discriminator, or one type"
            )
        if type(back) is not type(value):
            note()
        return None

    def _read(self, wire: Any) -> tuple[_Member, Any]:
        form = _form(wire, tagged=self._tagged)
        if form == ESCAPE:
            form, wire = "object", unescaped(wire)
        members = self._by_form.get(form, [])
        if len(members) == 1:
            return members[0], members[0].read(wire)
        found: list[tuple[_Member, Any]] = []
        # What no member of the form reads may be of a form that was stored otherwise.
        for candidates in (members, self._members):
            for member in candidates:
                try:
                    found.append((member, member.read(wire)))
                except ValidationError:
                    continue
            if found:
                return self._best(found, wire)
        raise ValueError(f"is none of {self._label}")

    def _best(self, found: list[tuple[_Member, Any]], wire: Any) -> tuple[_Member, Any]:
        if len(found) > 1:
            for member, value in found:
                if same_json(member.write(value), wire):
                    return member, value
        return min(found, key=lambda pair: pair[0].strangeness(wire))

    @property
    def _label(self) -> str:
        return " or ".join(dict.fromkeys(member.kind.label for member in self._members))


def _form(wire: Any, *, tagged: bool) -> str:
    kind = type(wire)
    if kind is dict:
        if tagged and len(wire) == 1:
            (name,) = wire
            return name if name in TAGS else "object"
        return "object"
    return _JSON_FORMS.get(kind, "null")


_JSON_FORMS = {str: "text", bool: "bool", int: "int", float: "float", list: "list"}


def same_json(left: Any, right: Any) -> bool:
    """True if two JSON values are written alike, but for the order of keys."""
    if type(left) is not type(right):
        return False
    if isinstance(left, dict):
        return left.keys() == right.keys() and all(same_json(v, right[k]) for k, v in left.items())
    if isinstance(left, list):
        return len(left) == len(right) and all(map(same_json, left, right))
    return bool(left == right)
