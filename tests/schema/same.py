"""Equality that looks at types too: what saving and loading must keep."""

from __future__ import annotations

import dataclasses
from collections import deque
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from pydantic import BaseModel


def difference(left: Any, right: Any, path: str = "it") -> str | None:
    """Where two values differ, in type or in value; None if they do not."""
    if type(left) is not type(right):
        return f"{path}: {type(left).__name__} is not {type(right).__name__}"
    if isinstance(left, BaseModel) or dataclasses.is_dataclass(left):
        return _items(_fields(left), _fields(right), path)
    if isinstance(left, Mapping):
        return _items(left, right, path)
    if isinstance(left, (list, tuple, deque)):
        return _items(dict(enumerate(left)), dict(enumerate(right)), path)
    if isinstance(left, (set, frozenset)):
        kinds = [sorted(type(item).__name__ for item in one) for one in (left, right)]
        return None if left == right and kinds[0] == kinds[1] else f"{path}: another set"
    if isinstance(left, Decimal) and left.as_tuple() != right.as_tuple():
        return f"{path}: {left!r} is written otherwise than {right!r}"
    return None if left == right else f"{path}: {left!r} is not equal to {right!r}"


def _fields(value: Any) -> dict[str, Any]:
    if isinstance(value, BaseModel):
        held = {name: value.__dict__[name] for name in type(value).model_fields}
        return {**held, **(value.__pydantic_extra__ or {})}
    return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}


def _items(left: Mapping[Any, Any], right: Mapping[Any, Any], path: str) -> str | None:
    kinds = [{(type(name).__name__, name) for name in one} for one in (left, right)]
    if kinds[0] != kinds[1]:
        return f"{path}: has {sorted(map(str, left))}, not {sorted(map(str, right))}"
    found = (difference(left[name], right[name], f"{path}.{name}") for name in left)
    return next((one for one in found if one is not None), None)
