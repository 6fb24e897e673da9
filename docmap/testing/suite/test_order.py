"""Order is total and canonical, slices are Python's, and both agree with the reference."""

from __future__ import annotations

from typing import Any, Final

import pytest

from docmap import BaseStorageAdapter, Q
from docmap.testing.answers import reference
from docmap.testing.corpus import INDEXED, PLAIN, Writers, fill
from docmap.testing.pools import PLACES

_WRITERS: Final = {
    "plain": (PLAIN, True),
    "indexed": (INDEXED, True),
    "indexed, one class": (INDEXED, False),
}
_TWO: Final = (
    ("whole", "word"),
    ("-whole", "word"),
    ("word", "-moment"),
    ("-word", "moment"),
    ("flag", "-price", "whole"),
    ("colour", "-whole"),
    ("-colour", "-whole"),
    ("address.city", "-ratio"),
    ("day", "clock", "-id"),
    ("id",),
    ("-id",),
)
_SLICES: Final = ((None, None), (0, 5), (3, 9), (5, None), (0, 0), (40, 60), (500, None), (None, 1))


def _wrong(
    db: BaseStorageAdapter, of: Writers, terms: tuple[Any, ...], *, foreign: bool, **lookups: Any
) -> list[str]:
    """The slices of an order that differ from the reference's."""
    oracle = reference(of, foreign=foreign)
    found = []
    for start, stop in _SLICES:
        wanted, given = (
            [
                one["id"]
                for one in one_db.find(of.model, **lookups).order_by(*terms)[start:stop].raw()
            ]
            for one_db in (oracle, db)
        )
        if given != wanted:
            found.append(f"{terms} {lookups} [{start}:{stop}]: {given!r} instead of {wanted!r}")
    return found


@pytest.mark.parametrize("writers", _WRITERS)
def test_order_by_each_place(db: BaseStorageAdapter, writers: str) -> None:
    of, foreign = _WRITERS[writers]
    fill(db, of, foreign=foreign)
    wrong = []
    for place in PLACES:
        if place.sorts:
            for term in (place.field.asc(), place.field.desc()):
                wrong += _wrong(db, of, (term,), foreign=foreign)
    assert wrong == []


@pytest.mark.parametrize("writers", _WRITERS)
def test_order_by_several(db: BaseStorageAdapter, writers: str) -> None:
    of, foreign = _WRITERS[writers]
    fill(db, of, foreign=foreign)
    wrong = []
    for terms in _TWO:
        wrong += _wrong(db, of, terms, foreign=foreign)
        wrong += _wrong(db, of, terms, foreign=foreign, whole__gte=1)
        wrong += _wrong(db, of, terms, foreign=foreign, word__istartswith="a")
        wrong += _wrong(db, of, terms, foreign=foreign, words__contains="a")
    assert wrong == []


def test_descending_is_exactly_reversed(db: BaseStorageAdapter) -> None:
    fill(db, INDEXED)
    for name in ("whole", "word", "flag", "price", "colour"):
        up = [one["id"] for one in db.find(INDEXED.model).order_by(name).raw()]
        down = [one["id"] for one in db.find(INDEXED.model).order_by(f"-{name}").raw()]
        assert down == up[::-1]


def test_slices_compose(db: BaseStorageAdapter) -> None:
    db.insert_many("numbers", [{"id": f"{n:03}", "n": n % 7} for n in range(30)])
    ordered = db.find("numbers").order_by("n", "-id")
    wanted = [f"{n:03}" for n in sorted(range(30), key=lambda n: (n % 7, -n))]
    for start, stop, inner, outer in (
        (2, 20, 3, 9),
        (0, 5, 2, None),
        (5, None, 5, 50),
        (9, 3, 0, 1),
    ):
        cut = ordered[start:stop][inner:outer]
        assert [row["id"] for row in cut] == wanted[start:stop][inner:outer]
        assert cut.count() == len(wanted[start:stop][inner:outer])
        assert cut.exists() == bool(wanted[start:stop][inner:outer])
    assert ordered[4]["id"] == wanted[4]
    with pytest.raises(IndexError):
        ordered[30]
    assert ordered.offset(2).limit(3).count() == len(wanted[2:5])
    assert ordered.limit(0).list() == []


def test_first_and_one(db: BaseStorageAdapter) -> None:
    db.insert_many("numbers", [{"id": f"{n:03}", "n": n % 7} for n in range(30)])
    first = db.find("numbers").order_by("-n").first()
    assert first is not None
    assert first["id"] == "027"
    assert db.find("numbers", n=99).first() is None
    smallest = db.find("numbers").first()
    assert smallest is not None
    assert smallest["id"] == "000"


def test_a_slice_of_a_filtered_order(db: BaseStorageAdapter) -> None:
    """The slice is cut from what matches, not from what is stored."""
    db.insert_many("numbers", [{"id": f"{n:03}", "n": n, "t": "aA"[n % 2]} for n in range(40)])
    for condition in (Q(t="a"), Q(t__iexact="A") & Q(n__lt=20), ~Q(t="a"), Q(t__matches="^a$")):
        every = [row["n"] for row in db.find("numbers", condition).order_by("-n")]
        assert len(every) == 20
        found = [row["n"] for row in db.find("numbers", condition).order_by("-n")[5:11]]
        assert found == every[5:11]
