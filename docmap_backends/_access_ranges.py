"""Which ranges of an index the comparisons of a query leave."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from docmap.query.nodes import Compare
from docmap.query.paths import Segment
from docmap.schema.indexes import IndexTerm
from docmap.schema.types import LISTS, FieldType
from docmap.values import RANK_DURATION, RANK_NUMBER, RANK_TEXT, order_key
from docmap_backends._spans import LAST

_MOST_SPANS: Final = 64
Asked = dict[tuple[Segment, ...], list[tuple[int, Compare]]]
"""The comparisons that must all hold, with their position, by the segments of their path."""


def equal_keys(term: IndexTerm, asked: Asked, used: set[int]) -> Sequence[Any] | None:
    """The sort keys of which the term's field must have one, by the first comparison that tells."""
    lookups = _ELEMENT_KEYS if term.elements else _KEYS
    for position, node in asked.get(term.path.segments, ()):
        if node.lookup in lookups and reads_alike(node.type, term):
            values = lookups[node.lookup](node.value)
            if values is not None and len(values) <= _MOST_SPANS:
                used.add(position)
                return list(dict.fromkeys(map(order_key, values)))
    return None


_KEYS: Final[Mapping[str, Callable[[Any], Sequence[Any] | None]]] = {
    "equals": lambda wanted: (wanted,),
    "in": lambda wanted: wanted,
    "is_null": lambda wanted: (None,) if wanted else None,
}
_ELEMENT_KEYS: Final[Mapping[str, Callable[[Any], Sequence[Any] | None]]] = {
    "contains": lambda wanted: (wanted,),
    "contains_any": lambda wanted: wanted,
    "contains_all": lambda wanted: wanted[:1] or None,
}


def reads_alike(kind: FieldType | None, term: IndexTerm) -> bool:
    """True if the query reads the field as the index does: classes may declare it differently."""
    if kind is not None and term.elements:
        kind = kind.item if kind.kind in LISTS else None
    if kind is None:
        return False
    return kind is term.type or (kind.kind == term.type.kind and kind.kind in ONE_READING)


ONE_READING: Final = frozenset(
    "bool int bigint float decimal str bytes datetime date time timedelta uuid objectid any".split()
)


@dataclass(slots=True)
class Bound:
    """One end of a range; `()` is open."""

    key: tuple[Any, ...] = ()
    included: bool = True

    def raise_to(self, key: Any, *, included: bool) -> None:
        if not self.key or key > self.key[0] or (key == self.key[0] and not included):
            self.key, self.included = (key,), included

    def lower_to(self, key: Any, *, included: bool) -> None:
        if not self.key or key < self.key[0] or (key == self.key[0] and not included):
            self.key, self.included = (key,), included


def range_of(term: IndexTerm, asked: Asked, used: set[int]) -> tuple[Bound, Bound]:
    """The narrowest range that all comparisons on the term's field leave."""
    low, high = Bound(), Bound()
    for position, node in asked.get(term.path.segments, ()):
        if node.lookup in _ENDS and reads_alike(node.type, term):
            bottom, top = _ENDS[node.lookup](node.value)
            # Values of other types stand before and after: the range ends with the operand's type.
            low.raise_to(bottom or (top[0],), included=node.lookup not in {"gt", "_after"})
            high.lower_to(
                top or (bottom[0], LAST),
                included=node.lookup not in {"lt", "startswith", "_before"},
            )
            used.add(position)
    return low, high


def _prefix(text: str) -> tuple[Any, Any]:
    """The first text that begins with `text`, and the first after those that do."""
    head = text.rstrip(chr(0x10FFFF))
    after = head[:-1] + chr(ord(head[-1]) + 1) if head else LAST
    return (RANK_TEXT, text), (RANK_TEXT, after)


LAST_OF_ALL: Final = (RANK_DURATION + 1,)
_ENDS: Final[Mapping[str, Callable[[Any], tuple[Any, Any]]]] = {
    "gt": lambda wanted: (order_key(wanted), ()),
    "gte": lambda wanted: (order_key(wanted), ()),
    "lt": lambda wanted: ((), order_key(wanted)),
    "lte": lambda wanted: ((), order_key(wanted)),
    "between": lambda wanted: (order_key(wanted[0]), order_key(wanted[1])),
    "startswith": _prefix,
    # A page goes on through values of other types, and never to null.
    "_after": lambda wanted: (order_key(wanted), LAST_OF_ALL),
    "_before": lambda wanted: ((RANK_NUMBER,), order_key(wanted)),
}
