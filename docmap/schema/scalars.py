"""The types of single values: scalars, enums, literals, secrets, types with a converter."""

from __future__ import annotations

import typing
from collections.abc import Callable
from datetime import date, datetime
from enum import Enum
from typing import TYPE_CHECKING, Any

from pydantic import (
    AwareDatetime,
    FutureDate,
    FutureDatetime,
    NaiveDatetime,
    PastDate,
    PastDatetime,
    Secret,
)
from pydantic.networks import EmailStr
from pydantic_core import core_schema as cs

from docmap.errors import InvalidModel
from docmap.schema.annotations import BigIntMarker, Precision, find_markers
from docmap.schema.constraints import text_limits
from docmap.schema.converters import Converter
from docmap.schema.leaves import BIGINT, LEAVES, Leaf, leaf_schema
from docmap.schema.members import enum_schema, literal_schema
from docmap.schema.types import FieldType
from docmap.schema.wire import KIND_TAGS

if TYPE_CHECKING:
    from docmap.schema.compile import Compiler

_SAME: dict[Any, type] = {
    AwareDatetime: datetime,
    PastDatetime: datetime,
    FutureDatetime: datetime,
    PastDate: date,
    FutureDate: date,
    EmailStr: str,
}


def scalar_type(
    compiler: Compiler,
    annotation: Any,
    limits: dict[str, Any],
    metadata: tuple[Any, ...],
    where: str,
) -> FieldType | None:
    """The type of a portable scalar; None if it is none."""
    annotation = _SAME.get(annotation, annotation)
    if annotation is NaiveDatetime:
        raise InvalidModel(
            f"{where} is a NaiveDatetime, which means another moment on every machine: declare "
            "datetime or AwareDatetime",
            field=where,
        )
    leaf = LEAVES.get(annotation)
    if leaf is None:
        return None
    if annotation is int and find_markers(metadata, BigIntMarker):
        leaf = BIGINT
    if annotation is str and not compiler.scope.loose:
        limits = {**text_limits(compiler.scope.config), **limits}
    engine = compiler.scope.config.get("regex_engine")
    if engine and "pattern" in limits:
        limits = {"regex_engine": engine, **limits}
    units = find_markers(metadata, Precision)
    fine = leaf.kind == "datetime" and bool(units) and units[-1].unit == "us"
    return _leaf_type(compiler, leaf, annotation, limits, where, microseconds=fine)


def _leaf_type(  # noqa: PLR0913 - all that makes a scalar
    compiler: Compiler,
    leaf: Leaf,
    annotation: Any,
    limits: dict[str, Any],
    where: str,
    *,
    microseconds: bool,
) -> FieldType:
    tagging = compiler.scope.tagging
    core = leaf_schema(leaf, limits, microseconds=microseconds, tag=tagging)
    kind = FieldType(leaf.kind, annotation=annotation, core=core, microseconds=microseconds)
    if not tagging:
        return kind
    if leaf is BIGINT:
        raise InvalidModel(
            f"{where}: a BigInt is stored as text, which cannot be told from the other types of "
            "the union: declare BigInt alone, or int",
            field=where,
        )
    if leaf.kind not in KIND_TAGS:
        return kind
    return FieldType("union", options=(kind,), annotation=annotation, core=core, tagged=True)


def enum_type(compiler: Compiler, enum: type[Enum], where: str) -> FieldType:
    """The type of an enum: that of its values."""
    kinds = {_portable_base(member.value) for member in enum}
    if not kinds:
        raise InvalidModel(f"{where}: the enum {enum.__name__} has no members", field=where)
    inner = compiler.compile(kinds.pop() if len(kinds) == 1 else Any, (), where)
    core = enum_schema(enum, inner, where, values_in_memory=_uses_values(compiler))
    return compiler.variant(inner, annotation=enum, core=core)


def literal_type(compiler: Compiler, annotation: Any, where: str) -> FieldType:
    """The type of a literal: that of its values."""
    values = typing.get_args(annotation)
    plain = [value.value if isinstance(value, Enum) else value for value in values]
    kinds = {_portable_base(value) for value in plain if value is not None}
    inner = compiler.compile(kinds.pop() if len(kinds) == 1 else Any, (), where)
    core = literal_schema(plain if _uses_values(compiler) else values, values, inner, where)
    nullable = None in plain
    return compiler.variant(inner, annotation=annotation, core=core, nullable=nullable)


def _uses_values(compiler: Compiler) -> bool:
    return bool(compiler.scope.config.get("use_enum_values"))


def _portable_base(value: Any) -> type:
    return next((base for base in type(value).__mro__ if base in LEAVES), type(value))


def secret_type(compiler: Compiler, plain: type, annotation: Any, where: str) -> FieldType | None:
    """The type of pydantic's `Secret[T]`, stored as the secret itself; None if it is none."""
    if not issubclass(plain, Secret):
        return None
    args = typing.get_args(annotation) or _base_arguments(plain)
    inner = compiler.compile(args[0] if args else Any, (), where)

    def write(value: Any) -> Any:
        if not isinstance(value, plain):
            raise TypeError("is not a secret")
        return value.get_secret_value()

    core = cs.no_info_after_validator_function(
        plain,
        inner.core,
        serialization=cs.plain_serializer_function_ser_schema(write, return_schema=inner.core),
    )
    return compiler.variant(inner, annotation=annotation, core=core)


def _base_arguments(plain: type) -> tuple[Any, ...]:
    for base in getattr(plain, "__orig_bases__", ()):
        if args := typing.get_args(base):
            return args
    return ()


def converted_type(
    compiler: Compiler, datatype: type, converter: Converter, where: str
) -> FieldType:
    """The type of a class with a converter: that of what `to_db` is annotated to return."""
    stored = _returned(converter, datatype, where)
    if stored is datatype:
        leaf = LEAVES.get(datatype)
        if leaf is None:
            raise InvalidModel(
                f"{where}: the converter of {datatype.__name__} returns what it was given: "
                "annotate to_db with the portable type that it returns",
                field=where,
            )
        inner = _leaf_type(compiler, leaf, datatype, {}, where, microseconds=False)
    else:
        inner = compiler.compile(stored, (), where)

    def write(value: Any) -> Any:
        if not isinstance(value, datatype):
            raise TypeError(f"is not a {datatype.__name__}")
        return converter.to_db(value)

    core = cs.no_info_after_validator_function(
        _reading(converter.from_db, datatype),
        inner.core,
        serialization=cs.plain_serializer_function_ser_schema(write, return_schema=inner.core),
    )
    return compiler.variant(inner, annotation=datatype, core=core)


def _returned(converter: Converter, datatype: type, where: str) -> Any:
    try:
        hints = typing.get_type_hints(converter.to_db, include_extras=True)
    except NameError as error:
        raise InvalidModel(
            f"{where}: to_db of the converter of {datatype.__name__} is annotated with "
            f"{error.name!r}, which is not defined where the converter is",
            field=where,
        ) from error
    return hints.get("return", Any)


def _reading(from_db: Callable[[Any], Any], datatype: type) -> Callable[[Any], Any]:
    def read(value: Any) -> Any:
        try:
            return from_db(value)
        except (ArithmeticError, AttributeError, LookupError, TypeError) as error:
            raise ValueError(
                f"cannot be read by the converter of {datatype.__name__} ({type(error).__name__})"
            ) from error

    return read
