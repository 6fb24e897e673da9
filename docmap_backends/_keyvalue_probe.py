"""Telling from the bytes of a document that it cannot match, without reading it.

What passes may match or not: it is read then. A key or a text that is written with escapes always
passes, so that it does not matter who wrote the document.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any, Final

from docmap.query.nodes import And, Compare, Node, Or

Probe = Callable[[bytes], bool]
_MOST: Final = 8
_NUMBERS: Final = frozenset({int, float, Decimal})
_JSON_NUMBERS: Final = frozenset({"int", "float"})
"""The kinds that are stored as JSON's numbers."""


def probe(node: Node | None) -> Probe | None:
    """A function that is false only for documents that do not match; None if there is none."""
    match node:
        case Compare():
            return _leaf(node)
        case And(children):
            found = [one for one in map(probe, children) if one is not None]
            return _all(found) if found else None
        case Or(children) if children and len(children) <= _MOST:
            some = [probe(child) for child in children]
            kept = [one for one in some if one is not None]
            return _any(kept) if len(kept) == len(some) else None
    return None


def _all(probes: Sequence[Probe]) -> Probe:
    if len(probes) == 1:
        return probes[0]
    return lambda data: all(one(data) for one in probes)


def _any(probes: Sequence[Probe]) -> Probe:
    return lambda data: any(one(data) for one in probes)


def _leaf(node: Compare) -> Probe | None:
    kind = getattr(node.type, "kind", None)
    value = node.value
    if kind == "str":
        if node.lookup == "equals" and type(value) is str:
            return _text(b'"%b"' % _bytes(value))
        if node.lookup == "startswith" and type(value) is str and value:
            return _text(b'"' + _bytes(value))
        if node.lookup == "in" and 0 < len(value) <= _MOST and {*map(type, value)} == {str}:
            return _any([_text(b'"%b"' % _bytes(one)) for one in value])
    if kind in _JSON_NUMBERS and node.lookup in _RANGES and node.path.segments:
        name = node.path.segments[-1]
        operands = value if node.lookup == "between" else (value,)
        if type(name) is str and name and {*map(type, operands)} <= _NUMBERS:
            return _number(name, *_RANGES[node.lookup](value))
    return None


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _text(needle: bytes) -> Probe:
    return lambda data: needle in data or b"\\" in data


_RANGES: Final[dict[str, Callable[[Any], tuple[float, float]]]] = {
    # Rounding keeps the order: what is at least the bound is at least the bound when both are
    # rounded. So the ends are always included here.
    "gt": lambda wanted: (_float(wanted), float("inf")),
    "gte": lambda wanted: (_float(wanted), float("inf")),
    "lt": lambda wanted: (float("-inf"), _float(wanted)),
    "lte": lambda wanted: (float("-inf"), _float(wanted)),
    "between": lambda wanted: (_float(wanted[0]), _float(wanted[1])),
    "equals": lambda wanted: (_float(wanted), _float(wanted)),
}


def _float(value: Any) -> float:
    try:
        return float(value)
    except OverflowError:
        return float("inf") if value > 0 else float("-inf")


def _number(name: str, low: float, high: float) -> Probe:
    """Whether a number under a name, at any depth, lies in a range."""
    needle = b'"%b"' % _bytes(name)
    length = len(needle)

    def may_match(data: bytes) -> bool:
        place = data.find(needle)
        while place >= 0:
            place += length
            if data[place : place + 1] != b":":
                return True
            try:
                if low <= float(data[place + 1 : data.find(b",", place)]) <= high:
                    return True
            except ValueError:  # not a number, or not followed by a comma
                return True
            place = data.find(needle, place)
        return b"\\" in data

    return may_match
