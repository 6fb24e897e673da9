"""Finding the field that made encoding or decoding fail, for an error that names it."""

from __future__ import annotations

import dataclasses
import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final

import typing_extensions
from pydantic import BaseModel, RootModel, ValidationError
from pydantic_core import PydanticSerializationError, SchemaSerializer

from docmap.schema.types import ANY, LISTS, FieldType, python_class
from docmap.values import MAX_DEPTH, Unportable, portable

Fault = tuple[tuple[Any, ...], str]
"""The Python names and indexes that lead to a value, and what is wrong with it."""

TOO_DEEP = (
    f"lies deeper than {MAX_DEPTH} levels, or contains itself: store the inner part as a document "
    "of its own"
)
_REASON = re.compile(r"Error calling function `[^`]*`: \w+: (.*)", re.DOTALL)
_SHOWN = 12  # segments of a path; a document that contains itself has no last one


def reason_of(error: Exception) -> str | None:
    """What a writer said when pydantic's serializer called it; None if it was none of ours."""
    found = _REASON.search(str(error))
    return found[1].strip() if found else None


def dotted(segments: Iterable[Any]) -> str:
    """A path for a message."""
    parts = [str(segment) for segment in segments]
    return ".".join(parts[:_SHOWN]) + ("…" if len(parts) > _SHOWN else "")


def find_fault(value: Any, kind: FieldType) -> Fault | None:
    """Where a document cannot be stored, and why; None if nothing is found."""
    return _fault(value, kind, (), scalars=True)


def find_subclass(value: Any, kind: FieldType) -> Fault | None:
    """Where a nested model is of a subclass of the one declared: it would come back as less."""
    return _fault(value, kind, (), scalars=False)


def find_torn_key(value: Any, kind: FieldType, data: bytes) -> Fault | None:
    """Where a dict has a key with a lone surrogate; `data` is what pydantic wrote of the value.

    It writes replacements, and says nothing: two such keys would become one.
    """
    if REPLACED not in data:
        return None
    fault = find_subclass(value, kind)
    return fault if fault is not None and fault[1] == TORN_KEY else None


def is_torn(text: str) -> bool:
    """True if a text has a lone surrogate."""
    return any("\ud800" <= char <= "\udfff" for char in text)


REPLACED: Final = "\N{REPLACEMENT CHARACTER}".encode()
TORN_KEY: Final = "has a key that holds a lone surrogate, which is not text: decode it properly"


def _fault(value: Any, kind: FieldType, path: tuple[Any, ...], *, scalars: bool) -> Fault | None:
    if len(path) > MAX_DEPTH:
        return path, TOO_DEEP
    if value is None:
        return None if kind.nullable else (path, "is None, and the field takes no None")
    is_root = isinstance(value, RootModel) and isinstance(value, python_class(kind) or ())
    below = _inside(value.root if is_root else value, kind)
    if below is None:
        return _scalar_fault(value, kind, path) if scalars else None
    if isinstance(below, str):
        return path, below
    for name, item, inner in below:
        place = path if name is None else (*path, name)  # the elements of a set have no place
        if found := _fault(item, inner, place, scalars=scalars):
            return found
    if kind.kind == "model" or not scalars:
        return None
    return _scalar_fault(value, kind, path)  # a set's or a tuple's own fault, the keys of a dict


_Inside = Iterable[tuple[Any, Any, FieldType]]


def _inside(value: Any, kind: FieldType) -> _Inside | str | None:
    """The parts of a value with their types; what is wrong with it; None if it has none."""
    if kind.kind == "model":
        return _fields(value, kind)
    if kind.kind == "union":
        for option in kind.options:
            if python_class(option) is type(value):
                return _inside(value, option)
    elif kind.kind == "set" and isinstance(value, (set, frozenset)):
        return ((None, item, kind.item or ANY) for item in value)
    elif kind.kind in LISTS and isinstance(value, (list, tuple, deque)):
        return ((i, item, kind.element(i) or ANY) for i, item in enumerate(value))
    elif kind.kind == "dict" and isinstance(value, Mapping):
        if None in value:
            return "has a key that is None"
        if any(isinstance(name, str) and is_torn(name) for name in value):
            return TORN_KEY
        return ((name, item, kind.item or ANY) for name, item in value.items())
    return None


def _fields(value: Any, kind: FieldType) -> _Inside | str | None:
    declared = python_class(kind)
    if declared is None:
        return None
    if issubclass(declared, BaseModel) and not issubclass(declared, RootModel):
        extra = getattr(value, "__pydantic_extra__", None) or {}
    elif dataclasses.is_dataclass(declared) or typing_extensions.is_typeddict(kind.annotation):
        extra = {}
    else:
        return None
    if type(value) is not declared:
        if isinstance(value, declared):
            return (
                f"must be {kind.label} itself: as one, the {type(value).__name__} given would lose "
                "what it adds; declare a union of both"
            )
        return _wrong(value, kind)
    for name, entry in kind.fields.items():
        if entry.stored in extra:
            return f"has an extra field {entry.stored}, which is what its field {name} is stored as"
    get = value.get if isinstance(value, dict) else _attribute(value)
    missing = next((n for n, f in kind.fields.items() if f.required and get(n, ...) is ...), None)
    if missing is not None:
        return f"lacks its field {missing}"
    return _parts(get, extra, kind)


def _parts(get: Callable[..., Any], extra: Mapping[str, Any], kind: FieldType) -> Iterator[Any]:
    for name, entry in kind.fields.items():
        item = get(name, ...)
        if item is not ...:
            yield name, item, entry.type
    for name, item in extra.items():
        yield name, item, kind.item or ANY


def _attribute(value: Any) -> Callable[[str, Any], Any]:
    held = getattr(value, "__dict__", None)
    return held.get if held is not None else lambda name, other: getattr(value, name, other)


def _scalar_fault(value: Any, kind: FieldType, path: tuple[Any, ...]) -> Fault | None:
    if kind.kind == "any" and kind.annotation is Any:
        try:
            portable(value)
        except Unportable as fault:
            return (*path, *reversed(fault.segments)), fault.reason
    try:
        SchemaSerializer(kind.schema, _use_prebuilt=False).to_json(
            value, by_alias=True, warnings="error"
        )
    except (PydanticSerializationError, RecursionError) as error:
        if "surrogates" in str(error):
            return path, "holds a lone surrogate, which is not text: decode it, or store bytes"
        return path, reason_of(error) or _wrong(value, kind)
    return None


def find_flaw(tree: Any, path: tuple[Any, ...] = ()) -> Fault | None:
    """Where a document's logical values hold what only shows in the whole: NUL, or too deep."""
    if isinstance(tree, str):
        return (path, _NUL) if "\0" in tree else None
    if not isinstance(tree, (dict, list)):
        return None
    if len(path) >= MAX_DEPTH:
        return path, TOO_DEEP
    parts = tree.items() if isinstance(tree, dict) else enumerate(tree)
    for name, item in parts:
        if isinstance(name, str) and "\0" in name:
            return path, f"has a key that {_NUL}"
        if found := find_flaw(item, (*path, name)):
            return found
    return None


_NUL = "holds a NUL character, which no engine keeps: remove it, or store bytes"


def _wrong(value: Any, kind: FieldType) -> str:
    return f"must be {kind.label}, not {type(value).__name__}"


WHOLE: Final = "the record"
"""In the place of a field: what is wrong is the whole."""


def first_error(error: ValidationError, kind: FieldType = ANY) -> tuple[str, str]:
    """The place of the first of pydantic's errors and its reason, without the value."""
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    field = dotted(python_path(kind, first["loc"])) or WHOLE
    reason = first["msg"]
    return field, "is missing" if first["type"] == "missing" else f"is not valid ({reason})"


def python_path(kind: FieldType, segments: Iterable[Any]) -> Iterator[Any]:
    """The Python names for a path of names in storage."""
    here: FieldType | None = kind
    for segment in segments:
        if here is None or here.kind in {"any", "union"}:
            here = None
        elif here.kind == "model":
            found = next((f for f in here.fields.values() if f.stored == segment), None)
            segment = found.name if found else segment  # noqa: PLW2901 - the name in Python
            here = found.type if found else here.item
        elif here.kind in LISTS and isinstance(segment, int):
            here = here.element(segment)
        else:
            here = here.item
        yield segment
