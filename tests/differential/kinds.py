"""The tests' own account of types: random values of a kind, and what is stored of them.

`logical` is written apart from docmap's codec on purpose: it is half of the oracle.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from random import Random
from typing import Any, Final
from uuid import UUID

from pydantic import BaseModel

from docmap import ObjectId
from docmap.values import order_key
from tests.differential.pools import DICT_KEYS, POOLS, near


@dataclass(frozen=True, eq=False)
class Kind:
    """The type of a place. `name` is a pool's name, or one of list, set, dict, model, any, ..."""

    name: str
    item: Kind | None = None
    fields: Mapping[str, tuple[str, Kind]] = field(default_factory=dict, repr=False)
    """Python name to storage name and kind."""
    model: type[BaseModel] | None = field(default=None, repr=False)
    options: tuple[Kind, ...] = ()
    items: tuple[Kind, ...] = ()
    nulls: bool = False
    """The elements may be null."""

    @property
    def inner(self) -> Kind:
        """The kind of the elements, or of a dict's values."""
        return self.item or ANY


ANY: Final = Kind("any")
SCALARS: Final = {name: Kind(name) for name in POOLS}
LISTS: Final = frozenset({"list", "set"})
UNTYPED: Final = frozenset({"any", "union"})
NUMBERS: Final = frozenset({"int", "bigint", "float", "decimal"})
ENUMS: Final = frozenset({"colour", "level"})
ORDERED: Final = frozenset(POOLS) - {"bool", "bytes"} | UNTYPED
_PORTABLE: Final = tuple(
    k for n, k in SCALARS.items() if n not in {"bigint", "fine", "colour", "level"}
)


def listed(item: Kind) -> Kind:
    return Kind("list", item)


def make(rng: Random, kind: Kind, depth: int = 0) -> Any:
    """A random Python value of a kind, often one at which engines differ."""
    if kind.name in POOLS:
        value = rng.choice(POOLS[kind.name])
        return near(rng, value) if rng.random() < 0.15 and type(value) in _PLAIN else value
    if kind.name == "list":
        found = [make(rng, kind.inner, depth + 1) for _ in range(rng.choice((0, 1, 1, 2, 2, 3)))]
        return [None if kind.nulls and rng.random() < 0.1 else one for one in found]
    if kind.name == "set":
        return {make(rng, kind.inner, depth + 1) for _ in range(rng.choice((0, 1, 2, 3)))}
    if kind.name == "dict":
        keys = rng.sample(DICT_KEYS, rng.choice((0, 1, 2, 3)))
        return {key: make(rng, kind.inner, depth + 1) for key in keys}
    if kind.name == "pair":
        return tuple(make(rng, item, depth + 1) for item in kind.items)
    if kind.name == "union":
        return make(rng, rng.choice(kind.options), depth)
    if kind.name == "model":
        return _instance(rng, kind, depth)
    return anything(rng, depth)


_PLAIN: Final = frozenset({int, float, Decimal, str, date, timedelta, UUID, bytes})


def _instance(rng: Random, kind: Kind, depth: int) -> Any:
    given: dict[str, Any] = {}
    for name, (_, inner) in kind.fields.items():
        chance = rng.random()
        if chance < 0.12 or (inner.name == "model" and depth > 1):
            given[name] = [] if inner.name == "list" else None
        elif chance > 0.25:
            given[name] = make(rng, inner, depth + 1)
    assert kind.model is not None
    return kind.model(**given)


def anything(rng: Random, depth: int = 0) -> Any:
    """A value for a place without a declared type."""
    chance = rng.random()
    if chance < 0.1:
        return None
    if chance < 0.7 or depth > 2:
        return make(rng, rng.choice(_PORTABLE))
    if chance < 0.85:
        return [anything(rng, depth + 1) for _ in range(rng.choice((0, 1, 2)))]
    if chance < 0.9:
        return rng.choice([{"$decimal": "1.10"}, {"$date": "x"}, {"$dict": []}, {"$oid": 1}])
    keys = rng.sample(DICT_KEYS, rng.choice((0, 1, 2)))
    return {key: anything(rng, depth + 1) for key in keys}


def logical(kind: Kind, value: Any) -> Any:
    """What is stored of a Python value: the value that conditions, order and values see."""
    if value is None:
        return None
    if isinstance(value, Enum):
        value = value.value
    if isinstance(value, datetime):
        value = value.astimezone(UTC)
        cut = 0 if kind.name == "fine" else value.microsecond % 1000
        return value - timedelta(microseconds=cut)
    if isinstance(value, BaseModel):
        return {
            stored: logical(inner, getattr(value, name))
            for name, (stored, inner) in kind.fields.items()
        }
    if isinstance(value, dict):
        return {key: logical(kind.inner, one) for key, one in value.items()}
    if kind.name == "pair":
        return [logical(one, part) for one, part in zip(kind.items, value, strict=True)]
    if isinstance(value, (list, tuple)):
        return [logical(kind.inner, one) for one in value]
    if isinstance(value, (set, frozenset)):
        return sorted((logical(kind.inner, one) for one in value), key=order_key)
    if type(value) is float:
        return value + 0.0
    if type(value) is Decimal:
        return value or abs(value)
    assert isinstance(value, (bool, int, str, bytes, date, time, timedelta, UUID, ObjectId))
    return value
