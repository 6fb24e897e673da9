"""Finding the field that made encoding or decoding fail, for an error that names it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import PydanticSerializationError, SchemaSerializer

from docmap.schema.types import FieldType
from docmap.values import MAX_DEPTH

_REASON = re.compile(r"Error calling function `[^`]*`: \w+: (.*)", re.DOTALL)


def find_fault(value: Any, kind: FieldType, path: str = "", depth: int = 1) -> tuple[str, str] | None:
    """The dotted path of what cannot be stored, and the reason; None if nothing is found."""
    if depth > MAX_DEPTH:
        return path[:80] + "…", f"lies deeper than {MAX_DEPTH} levels, or contains itself"
    if value is None and kind.nullable:
        return None
    if kind.kind == "model":
        return _model_fault(value, kind, path, depth)
    if kind.kind in {"list", "tuple"} and isinstance(value, (list, tuple)) and (kind.item or kind.items):
        for index, item in enumerate(value):
            element = kind.element(index)
            if element and (found := find_fault(item, element, _below(path, index), depth + 1)):
                return found
    if kind.kind == "dict" and isinstance(value, Mapping) and kind.item:
        for name, item in value.items():
            if found := find_fault(item, kind.item, _below(path, name), depth + 1):
                return found
    return _leaf_fault(value, kind, path)


def _model_fault(value: Any, kind: FieldType, path: str, depth: int) -> tuple[str, str] | None:
    if isinstance(kind.annotation, type) and issubclass(kind.annotation, BaseModel):
        if not isinstance(value, kind.annotation):
            return path, _wrong(value, kind)
        get = value.__dict__.get
    elif isinstance(value, Mapping):
        get = value.get
    else:
        get = getattr(value, "__dict__", {}).get
    for name, entry in kind.fields.items():
        item = get(name, ...)
        below = _below(path, name)
        if item is ...:
            if entry.required:
                return below, "is missing"
        elif found := find_fault(item, entry.type, below, depth + 1):
            return found
    return None


def _leaf_fault(value: Any, kind: FieldType, path: str) -> tuple[str, str] | None:
    if value is None:
        return path, "is None, and the field takes no None"
    try:
        SchemaSerializer(kind.core, _use_prebuilt=False).to_json(value, warnings="error")
    except PydanticSerializationError as error:
        found = _REASON.search(str(error))
        if found:
            return path, found[1].strip()
        if "surrogates" in str(error):
            return path, "holds a lone surrogate, which is not text: decode it, or store bytes"
        return path, _wrong(value, kind)
    return None


def _wrong(value: Any, kind: FieldType) -> str:
    return f"must be {kind.label}, not {type(value).__name__}"


def _below(path: str, name: object) -> str:
    return f"{path}.{name}" if path else str(name)


def first_error(error: ValidationError) -> tuple[str, str]:
    """The place of the first of pydantic's errors and its reason, without the value."""
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    field = ".".join(map(str, first["loc"])) or "the record"
    reason = first["msg"]
    return field, "is missing" if first["type"] == "missing" else f"is not valid ({reason})"
