"""Bringing a document in line with what was stored of it, nested models in place."""

from __future__ import annotations

import dataclasses
from typing import Any

from pydantic import BaseModel, RootModel

from docmap.schema.types import ANY, FieldType, python_class


def write_back(held: BaseModel, stored: BaseModel, kind: FieldType) -> None:
    """Make `held` equal to `stored`, a document of the same class read from its bytes.

    Nested models, lists and dicts stay the objects that they are: others may hold them too.
    """
    _merge_attributes(held.__dict__, stored.__dict__, kind)
    if held.__pydantic_extra__ and stored.__pydantic_extra__:
        _merge_dict(held.__pydantic_extra__, stored.__pydantic_extra__, kind.item or ANY)


def _merge_attributes(ours: dict[str, Any], theirs: dict[str, Any], kind: FieldType) -> None:
    for name, entry in kind.fields.items():
        if name in theirs:
            ours[name] = _merged(ours.get(name), theirs[name], entry.type)


def _merged(ours: Any, theirs: Any, kind: FieldType) -> Any:
    if type(ours) is not type(theirs):
        return theirs
    if kind.target is not None and ours == theirs:
        return ours  # it may have been fetched
    if isinstance(ours, RootModel):
        ours.__dict__["root"] = _merged(ours.root, theirs.root, kind)
        return ours
    if kind.kind == "union":
        kind = next((o for o in kind.options if python_class(o) is type(ours)), kind)
    if kind.kind == "model":
        return _merged_model(ours, theirs, kind)
    if kind.kind == "list" and isinstance(ours, list):
        if len(ours) == len(theirs):
            theirs = [_merged(*pair, kind.item or ANY) for pair in zip(ours, theirs, strict=True)]
        ours[:] = theirs
        return ours
    if kind.kind == "dict" and isinstance(ours, dict):
        _merge_dict(ours, theirs, kind.item or ANY)
        return ours
    if kind.kind == "tuple" and type(ours) is tuple and len(ours) == len(theirs):
        return tuple(
            _merged(a, b, kind.element(i) or ANY)
            for i, (a, b) in enumerate(zip(ours, theirs, strict=True))
        )
    return theirs


def _merged_model(ours: Any, theirs: Any, kind: FieldType) -> Any:
    if isinstance(ours, BaseModel):
        write_back(ours, theirs, kind)
    elif isinstance(ours, dict):
        for name in ours.keys() - theirs.keys():
            del ours[name]
        _merge_attributes(ours, theirs, kind)
    elif dataclasses.is_dataclass(ours):
        for name, entry in kind.fields.items():
            merged = _merged(getattr(ours, name, None), getattr(theirs, name), entry.type)
            object.__setattr__(ours, name, merged)
    else:
        return theirs
    return ours


def _merge_dict(ours: dict[Any, Any], theirs: dict[Any, Any], kind: FieldType) -> None:
    merged = {
        name: _merged(ours[name], item, kind) if name in ours else item
        for name, item in theirs.items()
    }
    if list(ours) != list(merged):
        ours.clear()
    ours.update(merged)
