"""Views: a decoder of stored documents for another class, compiled once for each pair."""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, Final

import typing_extensions
from pydantic import BaseModel, RootModel, ValidationError
from pydantic_core import SchemaValidator

from docmap.errors import InvalidModel, InvalidQuery, InvalidRecord
from docmap.schema.diagnose import first_error
from docmap.schema.records import hints_of
from docmap.schema.schema import Schema
from docmap.schema.structs import (
    called_type,
    is_struct,
    reads_alike,
    struct_decoder,
    struct_errors,
)
from docmap.schema.tagless import without_tags
from docmap.schema.types import FieldType
from docmap.schema.view_types import ViewCompiler

_KEPT: Final = 512


class View:
    """Another class over the documents of a schema: `decode` makes its instances of records."""

    __slots__ = (
        "_collection",
        "_kind",
        "_validate",
        "decode",
        "failures",
        "label",
        "other",
        "quick",
        "renamed",
    )

    def __init__(
        self, schema: Schema, kind: FieldType, renamed: Sequence[tuple[str, str, str]] = ()
    ) -> None:
        self._collection = schema.collection
        self._kind = kind
        self.other = kind.annotation
        self.label = kind.label
        self.renamed = tuple(renamed)
        validator = SchemaValidator(kind.schema, _use_prebuilt=False)
        self._validate: Callable[[bytes | str], Any] = validator.validate_json
        self.quick: Callable[[bytes | str], Any] = self._validate
        """What decodes most records by itself; it raises one of `failures` for others."""
        self.failures: tuple[type[Exception], ...] = (ValidationError,)
        self.decode = self._fastest()

    def _decode(self, data: bytes | str) -> Any:
        """The instance for a record. Raises InvalidRecord naming the field that does not fit."""
        try:
            return self._validate(data)
        except ValidationError as error:
            bare = without_tags(data, self._kind)
            if bare is None:
                raise self._unfit(error) from error
        try:
            return self._validate(bare)
        except ValidationError as error:
            raise self._unfit(error) from error

    def _fastest(self) -> Callable[[bytes | str], Any]:
        """What decodes: msgspec itself where it reads a Struct as docmap does."""
        kind, otherwise = self._kind, self._decode
        decode = struct_decoder(kind.annotation) if reads_alike_struct(kind) else None
        if decode is None:
            return otherwise
        errors = struct_errors()
        self.quick, self.failures = decode, errors

        def decode_struct(data: bytes | str) -> Any:
            try:
                return decode(data)
            except errors:
                return otherwise(data)  # reads what docmap alone does, or says what is wrong

        return decode_struct

    def _unfit(self, error: ValidationError) -> InvalidRecord:
        field, reason = first_error(error, self._kind)
        return InvalidRecord(
            f"a record of {self._collection} does not fit {self.label}: {field} {reason}; change "
            "the class, or mend the record with the help of raw()",
            collection=self._collection,
            field=field,
        )


def reads_alike_struct(kind: FieldType) -> bool:
    """True for a Struct that msgspec itself reads as docmap does."""
    return is_struct(typing.get_origin(kind.annotation) or kind.annotation) and reads_alike(kind)


def view_of(schema: Schema, other: Any, *, strict: bool = True) -> View:
    """The view of another class: a pydantic model, dataclass, TypedDict, named tuple or Struct.

    Raises InvalidQuery for a class that is none, for a field that the documents do not have unless
    it has a default, and for one whose type can never be read from what is stored. Without
    `strict` such fields are left to the records.
    """
    if not _has_fields(typing.get_origin(other) or other):
        name = getattr(other, "__name__", None) or f"an instance of {type(other).__name__}"
        raise InvalidQuery(
            f"a view takes a pydantic model, a dataclass, a TypedDict, a named tuple or a msgspec "
            f"Struct, and {name} is none of them: for plain dicts use raw()",
            collection=schema.collection,
        )
    return _made(schema, other, strict)


@lru_cache(maxsize=_KEPT)
def _made(schema: Schema, other: Any, strict: bool) -> View:
    name = getattr(other, "__name__", None) or str(other)
    compiler = ViewCompiler(schema.root, schema.name, name, strict=strict)
    try:
        if _is_named_tuple(other):
            kind = compiler.called(
                other, lambda fields: _named_tuple(compiler, other, fields, name)
            )
        else:
            kind = compiler.compile(other, (), name)
        # What was handed out before all of it was known has its definitions now.
        kind = dataclasses.replace(kind, definitions=compiler.definitions)
        return View(schema, kind, compiler.renamed)
    except InvalidModel as error:
        raise InvalidQuery(
            f"{name} cannot be a view: {error.message}",
            collection=schema.collection,
            field=error.field,
        ) from error
    except InvalidQuery as error:
        error.collection = schema.collection
        raise


def _has_fields(other: Any) -> bool:
    if not isinstance(other, type):
        return False
    if issubclass(other, BaseModel):
        return not issubclass(other, RootModel)
    return (
        dataclasses.is_dataclass(other)
        or typing_extensions.is_typeddict(other)
        or _is_named_tuple(other)
        or is_struct(other)
    )


def _is_named_tuple(other: Any) -> bool:
    return isinstance(other, type) and issubclass(other, tuple) and hasattr(other, "_fields")


def _named_tuple(
    compiler: ViewCompiler, other: Any, fields: dict[str, Any], where: str
) -> FieldType:
    hints = hints_of(other, where)
    wanted = {name: hints.get(name, Any) for name in other._fields}
    required = wanted.keys() - other._field_defaults.keys()
    return called_type(other, other, wanted, set(required), fields, compiler.compile, where)
