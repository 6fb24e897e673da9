"""Distinct values: the right ones, of the right type, in the canonical order."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

import pytest

from docmap import BaseStorageAdapter, InvalidQuery, path
from docmap.testing.answers import exact, reference
from docmap.testing.corpus import INDEXED, PLAIN, fill
from docmap.testing.pools import PLACES

_WRITERS: Final = {
    "plain": (PLAIN, True),
    "indexed": (INDEXED, True),
    "indexed, one class": (INDEXED, False),
}
_CONDITIONS: Final[tuple[dict[str, Any], ...]] = (
    {},
    {"whole__gte": 1},
    {"word__icontains": "a"},
    {"words__contains": "a"},
    {"whole__gt": 2**62},
)


@pytest.mark.parametrize("writers", _WRITERS)
def test_values_of_each_place(db: BaseStorageAdapter, writers: str) -> None:
    of, foreign = _WRITERS[writers]
    fill(db, of, foreign=foreign)
    oracle = reference(of, foreign=foreign)
    wrong = []
    for place in PLACES:
        if not place.sorts:
            continue
        for conditions in _CONDITIONS:
            for nulls in (False, True):
                wanted, given = (
                    one.find(of.model, **conditions).values(place.field, nulls=nulls)
                    for one in (oracle, db)
                )
                if exact(given) != exact(wanted):
                    wrong.append(f"{place.names} {conditions}: {given!r} instead of {wanted!r}")
    assert wrong == []


@pytest.mark.parametrize("name", ["words", "numbers", "tags"])
def test_values_of_each_element(db: BaseStorageAdapter, name: str) -> None:
    fill(db, INDEXED)
    oracle = reference(INDEXED)
    for nulls in (False, True):
        wanted, given = (
            one.find(INDEXED.model).values(path(name).each(), nulls=nulls) for one in (oracle, db)
        )
        assert exact(given) == exact(wanted)
        assert given


def test_numbers_and_bools_stay_apart(db: BaseStorageAdapter) -> None:
    """Of equal numbers the int stands for all; true is no number."""
    values = [1.0, 1, True, Decimal("1.0"), "1", 2.5, Decimal("2.50"), False, 0]
    db.insert_many("mixed", [{"id": str(n), "v": value} for n, value in enumerate(values)])
    found = db.find("mixed").values("v")
    assert exact(found) == exact([0, 1, 2.5, "1", False, True])


def test_case_and_form_stay_apart(db: BaseStorageAdapter) -> None:
    values = ["a", "A", "é", "e\u0301", "a ", "", "ß", "ss"]
    db.insert_many("texts", [{"id": str(n), "v": value} for n, value in enumerate(values)])
    assert db.find("texts").values("v") == sorted(values)


def test_values_see_the_slice(db: BaseStorageAdapter) -> None:
    db.insert_many("numbers", [{"id": f"{n:02}", "n": n // 3, "m": n % 2} for n in range(20)])
    assert db.find("numbers").order_by("-n")[:4].values("n") == [5, 6]
    assert db.find("numbers", m=1).order_by("id")[2:4].values("n") == [1, 2]
    assert db.find("numbers")[30:].values("n") == []


def test_values_of_a_list_are_refused(db: BaseStorageAdapter) -> None:
    fill(db, PLAIN)
    with pytest.raises(InvalidQuery, match="each"):
        db.find(PLAIN.model).values("words")
