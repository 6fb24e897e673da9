"""Which index serves a query, judged by docmap for a server that does not explain its plans.

The rules are those that MongoDB itself goes by: an index serves conditions on its first field, and
on those behind it as far as they go on; an order that it has; and an OR of which it, or another,
serves each part. A unique index is partial, and serves conditions that ask for its type too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from docmap_backends._mongodb_names import ID

JUDGED: Final = "judged by docmap from the indexes there are: the server does not explain its plans"
KEY: Final = "_id_"
"""What MongoDB calls the index of the keys."""


class Index(NamedTuple):
    """An index that the server lists."""

    name: str
    fields: tuple[str, ...]
    types: Mapping[str, Any]
    """The types that a partial index covers, by field."""


def listed(found: Sequence[Mapping[str, Any]]) -> list[Index]:
    """The indexes of the server's own list; those over hashes, text and places are left out."""
    return [
        Index(
            str(one["name"]),
            tuple(one["key"]),
            {
                name: condition.get("$type")
                for name, condition in (one.get("partialFilterExpression") or {}).items()
            },
        )
        for one in found
        if all(way in {1, -1} for way in one["key"].values())
    ]


def judged(
    condition: Mapping[str, Any], order: Sequence[tuple[str, int]], indexes: Sequence[Index]
) -> tuple[str, ...]:
    """The names of the indexes that serve a filter or else an order; empty if none does."""
    found = _serving(condition, indexes)
    if found or not order:
        return found
    first = tuple(name for name, _ in order)
    fitting = (one.name for one in indexes if not one.types and one.fields[: len(first)] == first)
    return tuple(fitting)[:1]


def _serving(condition: Mapping[str, Any], indexes: Sequence[Index]) -> tuple[str, ...]:
    asked: dict[str, dict[str, Any]] = {}
    choices: list[Sequence[Mapping[str, Any]]] = []
    for name, wanted in _conjuncts(condition):
        if name == "$or":
            choices.append(wanted)
        elif isinstance(wanted, Mapping):
            asked.setdefault(name, {}).update(wanted)
    best = max(indexes, key=lambda one: _length(one, asked), default=None)
    if best is not None and _length(best, asked):
        return (best.name,)
    for parts in choices:
        used = [_serving(part, indexes) for part in parts]
        if all(used):
            return tuple(dict.fromkeys(name for names in used for name in names))
    return ()


def _conjuncts(condition: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, wanted in condition.items():
        if name == "$and":
            for part in wanted:
                yield from _conjuncts(part)
        else:
            yield name, wanted


def _length(index: Index, asked: Mapping[str, Mapping[str, Any]]) -> int:
    """How many of its first fields are asked for, so that the index finds them."""
    for name, kind in index.types.items():
        if asked.get(name, {}).get("$type") != kind:
            return 0
    length = 0
    for name in index.fields:
        if not _is_found(asked.get(name, {})):
            break
        length += 1
    # A key finds one document, any other index perhaps many.
    return length + 1 if length and index.fields == (ID,) else length


def _is_found(operators: Mapping[str, Any]) -> bool:
    """True if an index on the place leads to what the operators ask for."""
    inside = operators.get("$elemMatch")
    if isinstance(inside, Mapping) and _is_found(inside):
        return True
    pattern = operators.get("$regex")
    if isinstance(pattern, str) and pattern.startswith(r"\A") and pattern[2:3] not in _OPEN:
        return True
    return not _LEADING.isdisjoint(operators)


_LEADING: Final = frozenset({"$eq", "$in", "$gt", "$gte", "$lt", "$lte"})
_OPEN: Final = frozenset({"", ".", "[", "(", "\\"})
"""What a pattern does not begin with where it begins with a certain character."""
