"""The constraints of an annotation, as keyword arguments of pydantic-core's schemas."""

from __future__ import annotations

import re
from collections.abc import Iterable
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

    Validators, serializers and whatever else is no limit on a stored value are left out.
    """
    found: dict[str, Any] = {}
    for item in metadata:
        if isinstance(item, FieldInfo):
            found.update(constraints_of(item.metadata))
        elif isinstance(item, GroupedMetadata):
            found.update(constraints_of(item))
            for name in _GENERAL:
                if getattr(item, name, None) is not None:
                    found[name] = getattr(item, name)
        elif isinstance(item, BaseMetadata):
            name = _NAMES.get(type(item).__name__, "")
            if name:
                found[name] = getattr(item, name)
        else:
            # pydantic's own general metadata keeps its limits in its instance dictionary.
            general = getattr(item, "__dict__", {}) if type(item).__module__.startswith("pydantic") else {}
            found.update({k: v for k, v in general.items() if k in _GENERAL and v is not None})
    pattern = found.get("pattern")
    if isinstance(pattern, re.Pattern):
        found["pattern"] = pattern.pattern
        found["regex_engine"] = "python-re"
    return found


_CONTAINER = frozenset({"min_length", "max_length"})


def for_container(constraints: dict[str, Any]) -> dict[str, Any]:
    """Those of `constraints` that limit a list, set or dict."""
    return {name: value for name, value in constraints.items() if name in _CONTAINER}
