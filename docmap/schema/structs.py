"""msgspec Structs as views: their type, and msgspec's own decoder where it reads the same.

msgspec is asked only about classes of the user's that are Structs: it is never imported here.
"""

from __future__ import annotations

import sys
import typing
from collections.abc import Callable, Mapping
from datetime import date, datetime, time
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

from pydantic import Field as Limits
from pydantic_core import core_schema as cs

from docmap.schema.annotations import Stored, find_markers
from docmap.schema.declared import UNIONS, arguments, stored_name, substituted
from docmap.schema.records import hints_of
from docmap.schema.types import Field, FieldType

Compile = Callable[[Any, tuple[Any, ...], str], FieldType]
_LIMITS = ("gt", "ge", "lt", "le", "multiple_of", "pattern", "min_length", "max_length")
_ALIKE = frozenset({bool, int, float, str, Decimal, datetime, date, time, UUID})
_CONTAINERS = frozenset({list, set, frozenset})


def is_struct(datatype: Any) -> bool:
    """True for a class that derives from msgspec's Struct."""
    msgspec = sys.modules.get("msgspec")
    return (
        msgspec is not None and isinstance(datatype, type) and issubclass(datatype, msgspec.Struct)
    )


def without_unset(annotation: Any) -> Any:
    """A union without msgspec's UnsetType: what is not stored takes the default."""
    msgspec = sys.modules.get("msgspec")
    if msgspec is None or typing.get_origin(annotation) not in UNIONS:
        return annotation
    args = typing.get_args(annotation)
    kept = tuple(arg for arg in args if arg is not msgspec.UnsetType)
    return annotation if len(kept) == len(args) else typing.Union[kept]  # noqa: UP007 - from data


def constraints_of_meta(metadata: tuple[Any, ...]) -> tuple[Any, ...]:
    """The metadata of an annotation with the limits of msgspec's Meta as pydantic's."""
    msgspec = sys.modules.get("msgspec")
    if msgspec is None or not find_markers(metadata, msgspec.Meta):
        return metadata
    return tuple(_limits(item) if isinstance(item, msgspec.Meta) else item for item in metadata)


def _limits(meta: Any) -> Any:
    found = {name: getattr(meta, name) for name in _LIMITS if getattr(meta, name) is not None}
    return Limits(**found)


def struct_type(
    datatype: Any, annotation: Any, fields: dict[str, Field], compile_type: Compile, where: str
) -> FieldType:
    """The type of a Struct; `fields` is filled. A name that it encodes a field by counts."""
    variables = arguments(annotation)
    hints = {name: substituted(hint, variables) for name, hint in hints_of(datatype, where).items()}
    names = datatype.__struct_fields__
    for name, encoded in zip(names, datatype.__struct_encode_fields__, strict=True):
        if encoded != name:
            hints[name] = typing.Annotated[hints[name], Stored(encoded)]
    defaults = len(names) - len(datatype.__struct_defaults__)
    nothing = sys.modules["msgspec"].NODEFAULT
    required = {
        name
        for position, name in enumerate(names)
        if position < defaults or datatype.__struct_defaults__[position - defaults] is nothing
    }
    hints = {name: hints[name] for name in names}
    return called_type(datatype, annotation, hints, required, fields, compile_type, where)


def called_type(  # noqa: PLR0913, PLR0917 - all that makes a class
    datatype: Any,
    annotation: Any,
    hints: Mapping[str, Any],
    required: set[str],
    fields: dict[str, Field],
    compile_type: Compile,
    where: str,
) -> FieldType:
    """The type of a class that is called with its fields by name; `fields` is filled."""
    cores: dict[str, cs.TypedDictField] = {}
    for name, hint in hints.items():
        kind = compile_type(hint, (), f"{where}.{name}")
        stored = stored_name(name, hint, (), f"{where}.{name}")
        fields[name] = Field(name, stored, kind, required=name in required)
        cores[name] = cs.typed_dict_field(
            kind.core, required=name in required, validation_alias=stored
        )
    core = cs.no_info_after_validator_function(
        lambda values: datatype(**values),
        cs.typed_dict_schema(
            cores,
            extra_behavior="ignore",
            config=cs.CoreConfig(hide_input_in_errors=True),
        ),
    )
    return FieldType("model", fields=fields, annotation=annotation, core=core)


def reads_alike(kind: FieldType) -> bool:
    """True if msgspec reads the stored form of a Struct as docmap does.

    Not so for bytes (msgspec has base64), durations, values of any type, other classes, and where
    the Struct's own names or form are not those that are stored.
    """
    return _alike(kind, set())


def _alike(kind: FieldType, seen: set[int]) -> bool:
    plain = typing.get_origin(kind.annotation) or kind.annotation
    if is_struct(plain):
        return id(kind.fields) in seen or _struct_alike(kind, plain, seen | {id(kind.fields)})
    if plain is typing.Literal:
        return all(type(value) in {str, int} for value in typing.get_args(kind.annotation))
    if isinstance(plain, type) and issubclass(plain, Enum):
        return len({type(member.value) for member in plain} - {str}) == 0
    if plain in _CONTAINERS:
        return kind.item is not None and _alike(kind.item, seen)
    if plain is tuple:
        items = kind.items or ((kind.item,) if kind.item else ())
        return bool(items) and all(_alike(item, seen) for item in items)
    if plain is dict:
        keys = kind.key_type
        return bool(keys and keys.annotation is str and kind.item and _alike(kind.item, seen))
    if kind.kind == "union":
        return kind.tagged and len(kind.options) == 1 and _alike(kind.options[0], seen)
    return plain in _ALIKE and kind.kind != "bigint"


def _struct_alike(kind: FieldType, struct: Any, seen: set[int]) -> bool:
    config = struct.__struct_config__
    if config.array_like or config.tag is not None or config.forbid_unknown_fields:
        return False
    names = dict(zip(struct.__struct_fields__, struct.__struct_encode_fields__, strict=True))
    return all(
        names[name] == entry.stored and _alike(entry.type, seen)
        for name, entry in kind.fields.items()
    )


def struct_decoder(annotation: Any) -> Callable[[bytes | str], Any] | None:
    """Msgspec's own decoder of a Struct; None where it does not support what docmap does."""
    try:
        decoder = sys.modules["msgspec"].json.Decoder(annotation)
    except TypeError:
        return None
    return typing.cast("Callable[[bytes | str], Any]", decoder.decode)


def struct_errors() -> tuple[type[Exception], ...]:
    """What msgspec's decoder raises for what it cannot read."""
    return (sys.modules["msgspec"].MsgspecError, ValueError, TypeError)
