"""The type of a reference: what it stores is the key of the document that it refers to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic_core import core_schema as cs

from docmap.errors import InvalidModel
from docmap.schema.annotations import OnDelete, Precision, find_markers
from docmap.schema.references import Ref, key_field, key_of
from docmap.schema.types import FieldType, inner_types
from docmap.schema.writers import note

if TYPE_CHECKING:
    from docmap.schema.compile import Compiler


def reference_type(compiler: Compiler, ref: type[Ref[Any]], where: str) -> FieldType:
    """The type of `Ref[Customer]`: that of Customer's key, and the class that it refers to.

    Raises InvalidModel if the class is not defined yet.
    """
    info = key_field(ref._class())
    precision = tuple(find_markers(tuple(info.metadata), Precision))
    with compiler.within(config={}, loose=False, tagging=False, on_delete=""):
        inner = compiler.compile(info.annotation, precision, where)

    def write(value: Any) -> Any:
        if type(value) is not ref:
            note()  # in a nested model it may be a document or a key: it is made a reference
        return key_of(ref, value)

    core = cs.no_info_after_validator_function(
        ref._of(),
        inner.core,
        serialization=cs.plain_serializer_function_ser_schema(write, return_schema=inner.core),
    )
    return FieldType(
        inner.kind,
        annotation=ref,
        core=core,
        microseconds=inner.microseconds,
        target=ref._class,
        on_delete=compiler.scope.on_delete,
    )


def rule_of(metadata: tuple[Any, ...], where: str) -> str:
    """The delete rule among the metadata of an annotation; empty if there is none."""
    found = find_markers(metadata, OnDelete)
    if len({marker.rule for marker in found}) > 1:
        raise InvalidModel(f"{where} has two delete rules: keep one OnDelete", field=where)
    return found[0].rule if found else ""


def check_holds_reference(kind: FieldType, where: str) -> None:
    """Raise InvalidModel for a delete rule on a place without a reference."""
    if not _holds_reference(kind):
        raise InvalidModel(
            f"{where} has a delete rule and is no reference: OnDelete stands beside Ref[...]",
            field=where,
        )


def _holds_reference(kind: FieldType, around: tuple[int, ...] = ()) -> bool:
    if kind.target is not None or kind.kind == "model" or id(kind) in around:
        return kind.target is not None
    return any(_holds_reference(inner, (*around, id(kind))) for inner in inner_types(kind))


def check_rules(root: FieldType, where: str) -> None:
    """Raise InvalidModel for a reference that is to be nullified and takes no None."""
    seen: set[int] = set()

    def check(kind: FieldType, place: str) -> None:
        if id(kind) in seen:
            return
        seen.add(id(kind))
        fixed = [(f"{place}.{name}", entry.type) for name, entry in kind.fields.items()]
        fixed += [(f"{place}[{i}]", item) for i, item in enumerate(kind.items)]
        for name, inner in fixed:
            if inner.target is not None and inner.on_delete == "nullify" and not inner.nullable:
                raise InvalidModel(
                    f"{name} is never None, and so cannot be nullified: declare Ref[...] | None, "
                    'or the rule "deny" or "cascade"',
                    field=name,
                )
            check(inner, name)
        for part in (kind.item, *kind.options):
            if part is not None:
                check(part, place)

    check(root, where)
