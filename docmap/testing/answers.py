"""Queries as data: asked of a backend and of the oracle, and compared with their types."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from docmap import BaseStorageAdapter, Condition, DocmapError
from docmap.testing.corpus import Writers, fill
from docmap.testing.reference import ReferenceStorage
from docmap.values import order_key


@dataclass(frozen=True, slots=True)
class Case:
    """One condition and what it is called in a message."""

    name: str
    condition: Callable[[], Condition]


@lru_cache(maxsize=4)
def reference(of: Writers, *, foreign: bool = True) -> ReferenceStorage:
    """The oracle, filled with the documents of a collection; nobody writes to it."""
    storage = ReferenceStorage()
    storage.connect()
    fill(storage, of, foreign=foreign)
    return storage


def keys(found: Iterable[dict[str, Any]]) -> list[Any]:
    """The keys of raw documents, sorted: no order is promised."""
    return sorted((one["id"] for one in found), key=order_key)


@lru_cache(maxsize=16)
def _everything(of: Writers, *, foreign: bool) -> frozenset[Any]:
    return frozenset(keys(reference(of, foreign=foreign).find(of.model).raw()))


def differences(
    storage: BaseStorageAdapter, of: Writers, cases: Sequence[Case], *, foreign: bool = True
) -> list[str]:
    """The cases in which a filled storage answers otherwise than the oracle, in words."""
    return [
        f"{of.model.__name__}, {case.name}: {wrong}"
        for case in cases
        if (wrong := _difference(storage, of, case, foreign=foreign))
    ]


def _difference(storage: BaseStorageAdapter, of: Writers, case: Case, *, foreign: bool) -> str:
    condition = case.condition()
    wanted = keys(reference(of, foreign=foreign).find(of.model, condition).raw())
    query = storage.find(of.model, condition)
    given = keys(query.raw())
    if given != wanted:
        return f"keys {given!r} instead of {wanted!r}"
    count, exists = query.count(), query.exists()
    if (count, exists) != (len(wanted), bool(wanted)):
        return f"count {count} and exists {exists} instead of {len(wanted)}"
    # What a condition leaves out, its contrary finds, and nothing else.
    contrary = keys(storage.find(of.model).where_not(condition).raw())
    left = sorted(_everything(of, foreign=foreign) - set(wanted), key=order_key)
    return "" if contrary == left else f"the contrary gives {contrary!r} instead of {left!r}"


def exact(value: Any) -> Any:
    """`value` with its types, so that 1, 1.0, True and Decimal("1.0") differ."""
    if isinstance(value, dict):
        return ("dict", tuple((name, exact(value[name])) for name in sorted(value)))
    if isinstance(value, (list, tuple)):
        return ("list", tuple(map(exact, value)))
    return (type(value).__name__, str(value))


def outcome(action: Callable[[], Any]) -> Any:
    """What an action returns, or the name of docmap's error that it raises."""
    try:
        return action()
    except DocmapError as error:
        return type(error).__name__
