"""And, or and not, as deep as one likes: complements, and conditions of many parts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import pytest

from docmap import BaseStorageAdapter, Condition, Q
from docmap.testing.answers import Case, differences
from docmap.testing.corpus import INDEXED, PLAIN, Writers, fill

_WRITERS: Final = {"plain": PLAIN, "indexed": INDEXED}
_PARTS: Final[tuple[Callable[[], Condition], ...]] = (
    lambda: Q(whole__gte=1),
    lambda: Q(word__startswith="a"),
    lambda: Q(word__icontains="A"),
    lambda: Q(price__lt="10"),
    lambda: Q(address__city="a"),
    lambda: Q(words__contains="a"),
    lambda: Q(flag=True),
    lambda: Q(moment__year=2024),
    lambda: Q(thing=1),
    lambda: Q(colour=None),
    lambda: Q(word__matches="^a"),
    lambda: Q(items__any=Q(sku="a", qty=1)),
)


def _pairs() -> list[Case]:
    found = []
    for number, first in enumerate(_PARTS):
        second, third = (_PARTS[(number + step) % len(_PARTS)] for step in (1, 5))
        found += _combined(f"parts {number}", first, second, third)
    return found


def _combined(
    name: str,
    a: Callable[[], Condition],
    b: Callable[[], Condition],
    c: Callable[[], Condition],
) -> list[Case]:
    return [
        Case(f"{name}: a and b", lambda: a() & b()),
        Case(f"{name}: a or b", lambda: a() | b()),
        Case(f"{name}: not a", lambda: ~a()),
        Case(f"{name}: not not a", lambda: ~~a()),
        Case(f"{name}: a and not b", lambda: a() & ~b()),
        Case(f"{name}: a or not b", lambda: a() | ~b()),
        Case(f"{name}: not (a and b)", lambda: ~(a() & b())),
        Case(f"{name}: not (a or b)", lambda: ~(a() | b())),
        Case(f"{name}: a and b and c", lambda: a() & b() & c()),
        Case(f"{name}: a or b or c", lambda: a() | b() | c()),
        Case(f"{name}: (a or b) and c", lambda: (a() | b()) & c()),
        Case(f"{name}: (a and b) or (b and c)", lambda: (a() & b()) | (b() & c())),
        Case(f"{name}: not (a and not (b or not c))", lambda: ~(a() & ~(b() | ~c()))),
        Case(f"{name}: a or a", lambda: a() | a()),
        Case(f"{name}: a and not a", lambda: a() & ~a()),
        Case(f"{name}: a or not a", lambda: a() | ~a()),
    ]


@pytest.mark.parametrize("of", _WRITERS.values(), ids=list(_WRITERS))
def test_combined_conditions(db: BaseStorageAdapter, of: Writers) -> None:
    fill(db, of)
    assert differences(db, of, _pairs()) == []


@pytest.mark.parametrize("of", _WRITERS.values(), ids=list(_WRITERS))
def test_every_part_counts(db: BaseStorageAdapter, of: Writers) -> None:
    """Of many conditions, each alone can decide."""
    fill(db, of)
    words = ["a", "b", "é", "1", "10", "%", "ss"]

    def several(chosen: list[str]) -> Condition:
        found: Condition = Q(word=chosen[0])
        for word in chosen[1:]:
            found |= Q(word=word)
        return found

    def none_of(chosen: list[str]) -> Condition:
        found: Condition = ~Q(word=chosen[0])
        for word in chosen[1:]:
            found &= ~Q(word=word)
        return found

    cases = [
        Case(f"{build.__name__} {n}", lambda build=build, n=n: build(words[:n]))  # type: ignore[misc]
        for build in (several, none_of)
        for n in range(2, len(words) + 1)
    ]
    assert differences(db, of, cases) == []


def test_two_where_are_and(db: BaseStorageAdapter) -> None:
    fill(db, PLAIN)
    twice = db.find(PLAIN.model).where(word__startswith="a").where(word__endswith="b")
    once = db.find(PLAIN.model).where(word__startswith="a", word__endswith="b")
    assert sorted(one.id for one in twice) == sorted(one.id for one in once) != []


def test_deep_conditions(db: BaseStorageAdapter) -> None:
    fill(db, INDEXED)

    def deep() -> Condition:
        found: Condition = Q(whole=1)
        for number in range(20):
            part = _PARTS[number % len(_PARTS)]()
            found = ~(found & part) if number % 3 else (found | part)
        return found

    assert differences(db, INDEXED, [Case("twenty deep", deep)]) == []
