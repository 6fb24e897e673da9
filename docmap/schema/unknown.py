"""Stored fields that a class does not know: found, and carried over into what is written anew.

At every level of models: a write sets the declared paths. A nested model takes over what stood at
its path, a value of a dict what stood under its key. An element of a list takes over what belonged
to the element that it is: one with the same known fields, wherever that stood; where as many
elements are written as were stored, one that was changed is the one at its index.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from docmap.schema.marks import marks_of
from docmap.schema.types import LISTS, FieldType
from docmap.schema.wire import TAGS

_SCALAR = FieldType("str")
_HOLDING = LISTS | {"dict", "model", "union"}


def has_unknown(wire: Any, kind: FieldType) -> bool:
    """True if the JSON form of a place of this type holds fields that its models do not know."""
    if kind.kind not in _HOLDING or not wire:
        return False
    if type(wire) is list:
        return any(has_unknown(item, inner) for item, inner in _elements(wire, kind))
    if type(wire) is not dict:
        return False
    if kind.kind == "union":
        member = _member(kind, wire)
        return member is not None and has_unknown(wire, member)
    if kind.kind == "dict":
        inner = kind.item
        return inner is not None and any(has_unknown(item, inner) for item in wire.values())
    known = _names(kind)
    return any(
        has_unknown(value, known[name]) if name in known else not kind.extra
        for name, value in wire.items()
    )


def carry(old: Any, new: Any, kind: FieldType) -> None:
    """Put what the models of a type do not know of `old` into `new`, which was written by them."""
    if kind.kind not in _HOLDING:
        return
    if type(old) is list and type(new) is list:
        _carry_elements(old, new, kind)
    elif type(old) is dict and type(new) is dict:
        _carry_fields(old, new, kind)


def _carry_fields(old: dict[str, Any], new: dict[str, Any], kind: FieldType) -> None:
    if kind.kind == "union":
        member = _member(kind, new)
        if member is not None and member is _member(kind, old):
            carry(old, new, member)
        return
    if kind.kind == "dict":
        for name in old.keys() & new.keys():
            carry(old[name], new[name], kind.item or _SCALAR)
        return
    known = _names(kind)
    for name, value in old.items():
        if name not in known:
            if not kind.extra:
                new[name] = value
        elif name in new:
            carry(value, new[name], known[name])


def _carry_elements(old: list[Any], new: list[Any], kind: FieldType) -> None:
    if kind.kind == "union":
        lists = [option for option in kind.options if option.kind in LISTS]
        if len(lists) == 1:
            _carry_elements(old, new, lists[0])
        return
    if kind.items:
        for (before, inner), after in zip(_elements(old, kind), new, strict=False):
            carry(before, after, inner)
    elif kind.item is not None and kind.item.kind in _HOLDING:
        same_length = len(old) == len(new) and kind.kind != "set"
        for before, after in _pairs(old, new, kind.item, by_index=same_length):
            carry(old[before], new[after], kind.item)


def _pairs(
    old: list[Any], new: list[Any], item: FieldType, *, by_index: bool
) -> Iterator[tuple[int, int]]:
    """Which element of the old list each of the new one is, if any."""
    before = [_canonical(one, item) for one in old]
    after = [_canonical(one, item) for one in new]
    same = {i for i, (one, other) in enumerate(zip(before, after, strict=False)) if one == other}
    yield from ((i, i) for i in same)
    moved: defaultdict[str, list[int]] = defaultdict(list)
    for i, one in enumerate(before):
        if i not in same:
            moved[one].append(i)
    taken = set(same)
    changed = []
    for i, one in enumerate(after):
        if i in same:
            continue
        if moved[one]:
            origin = moved[one].pop(0)
            taken.add(origin)
            yield origin, i
        else:
            changed.append(i)
    if by_index:
        yield from ((i, i) for i in changed if i not in taken)


def _canonical(wire: Any, kind: FieldType) -> str:
    return json.dumps(_known(wire, kind), sort_keys=True)


def _known(wire: Any, kind: FieldType) -> Any:
    """The JSON form without what the models of the type do not know."""
    if type(wire) is list:
        return [_known(item, inner) for item, inner in _elements(wire, kind)]
    if type(wire) is not dict or kind.kind not in _HOLDING:
        return wire
    if kind.kind == "union":
        member = _member(kind, wire)
        return wire if member is None else _known(wire, member)
    if kind.kind == "dict":
        inner = kind.item
        return wire if inner is None else {n: _known(item, inner) for n, item in wire.items()}
    known = _names(kind)
    return {
        name: _known(item, known[name]) if name in known else item
        for name, item in wire.items()
        if name in known or kind.extra
    }


def _elements(wire: list[Any], kind: FieldType) -> Iterator[tuple[Any, FieldType]]:
    if kind.kind == "union":
        kind = next((option for option in kind.options if option.kind in LISTS), _SCALAR)
    if kind.items:
        yield from zip(wire, kind.items, strict=False)
    elif kind.item is not None and kind.item.kind in _HOLDING:
        yield from ((item, kind.item) for item in wire)
    else:
        yield from ((item, _SCALAR) for item in wire)


@lru_cache(maxsize=1024)
def _names(kind: FieldType) -> dict[str, FieldType]:
    return {entry.stored: entry.type for entry in kind.fields.values()}


def _member(kind: FieldType, wire: dict[str, Any]) -> FieldType | None:
    """The member of a union that an object is of; None where more than one could be it."""
    if len(wire) == 1 and wire.keys() <= TAGS:
        return None
    objects = (option for option in kind.options if option.kind in {"dict", "model"})
    found = [option for option in objects if marks_of(option).fit(wire)]
    return found[0] if len(found) == 1 else None
