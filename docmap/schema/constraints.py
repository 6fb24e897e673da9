"""The constraints of an annotation, as keyword arguments of pydantic-core's schemas."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from annotated_types import BaseMetadata, GroupedMetadata
from pydantic.fields import FieldInfo

_NAMES = {
    "Gt": "gt",
    "Ge": "ge",
    "Lt": "lt",
    "Le": "le",
    "MultipleOf": "multiple_of",
    "MinLen": "min_length",
    "MaxLen": "max_length",
}
_GENERAL = ("pattern", "max_digits", "decimal_places", "min_length", "max_length")


def constraints_of(metadata: Iterable[Any]) -> dict[str, Any]:
    """The limits among `metadata`; the last of a name wins, as in pydantic.

    Validators, serializers and whatever else is no limit on a stored value are left out, and so
    are those on a text's length and form if its case is changed after they were checked.
    """
    found: dict[str, Any] = {}
    for item in metadata:
        if isinstance(item, FieldInfo):
            found.update(constraints_of(item.metadata))
        elif isinstance(item, GroupedMetadata):
            found.update(constraints_of(item))
            found.update(_general({name: getattr(item, name, None) for name in _GENERAL}))
        elif isinstance(item, BaseMetadata) and type(item).__name__ in _NAMES:
            name = _NAMES[type(item).__name__]
            found[name] = getattr(item, name)
        elif type(item).__module__.startswith("pydantic"):
            # pydantic's own general metadata keeps its limits in its instance dictionary.
            found.update(_general(getattr(item, "__dict__", {})))
        if getattr(item, "to_lower", None) or getattr(item, "to_upper", None):
            for name in ("pattern", "min_length", "max_length"):
                found.pop(name, None)
    return found


def _general(limits: Mapping[str, Any]) -> dict[str, Any]:
    found = {name: limits[name] for name in _GENERAL if limits.get(name) is not None}
    pattern = found.get("pattern")
    if isinstance(pattern, re.Pattern):
        found["pattern"] = pattern.pattern
        found["regex_engine"] = "python-re"
    return found


def text_limits(config: Mapping[str, Any]) -> dict[str, Any]:
    """The limits that a model's configuration sets for all of its text."""
    if config.get("str_to_lower") or config.get("str_to_upper"):
        return {}
    names = {"min_length": "str_min_length", "max_length": "str_max_length"}
    return {limit: config[name] for limit, name in names.items() if config.get(name)}


_CONTAINER = frozenset({"min_length", "max_length"})


def for_container(constraints: dict[str, Any]) -> dict[str, Any]:
    """Those of `constraints` that limit a list, set or dict."""
    return {name: value for name, value in constraints.items() if name in _CONTAINER}
