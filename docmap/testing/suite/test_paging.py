"""Pages by cursor: every document once and in order, whatever is equal, null or written between."""

from __future__ import annotations

import pytest

from docmap import BaseStorageAdapter, InvalidQuery
from docmap.testing.answers import reference
from docmap.testing.corpus import INDEXED, PLAIN, Writers, fill

_ORDERS = (("whole",), ("-whole",), ("word", "-moment"), ("flag",), ("-colour", "whole"), ("-id",))


@pytest.mark.parametrize("of", [PLAIN, INDEXED], ids=["plain", "indexed"])
def test_pages_hold_every_document_once(db: BaseStorageAdapter, of: Writers) -> None:
    fill(db, of)
    for order in _ORDERS:
        for conditions in ({}, {"word__icontains": "a"}):
            query = db.find(of.model, **conditions).order_by(*order).raw()
            found, cursor = [], None
            for _ in range(40):
                page = query.page(4, after=cursor)
                found += [one["id"] for one in page]
                cursor = page.next
                if cursor is None:
                    break
            wanted = reference(of).find(of.model, **conditions).order_by(*order).raw()
            assert found == [one["id"] for one in wanted]


def test_pages_go_on_where_they_were(db: BaseStorageAdapter) -> None:
    db.insert_many("rows", [{"id": f"{n:02}", "n": n // 4} for n in range(20)])
    page = db.find("rows").order_by("n").page(6)
    assert [row["id"] for row in page] == [f"{n:02}" for n in range(6)]
    db.insert_many("rows", [{"id": "00a", "n": 0}, {"id": "05a", "n": 1}, {"id": "99", "n": 1}])
    db.delete("rows", "05")
    rest = db.find("rows").order_by("n").page(6, after=page.next)
    assert [row["id"] for row in rest] == ["05a", "06", "07", "99", "08", "09"]


def test_batches_hold_every_document_once(db: BaseStorageAdapter) -> None:
    db.insert_many("rows", [{"id": f"{n:02}", "n": n % 3} for n in range(25)])
    batches = list(db.find("rows").order_by("-n").batches(10))
    assert [len(batch) for batch in batches] == [10, 10, 5]
    wanted = sorted(((n % 3, n) for n in range(25)), reverse=True)
    assert [row["id"] for batch in batches for row in batch] == [f"{n:02}" for _, n in wanted]


def test_a_cursor_of_another_order_is_refused(db: BaseStorageAdapter) -> None:
    db.insert_many("rows", [{"id": f"{n:02}", "n": n} for n in range(9)])
    cursor = db.find("rows").order_by("n").page(3).next
    assert cursor
    for query, token in (
        (db.find("rows").order_by("-n"), cursor),
        (db.find("others").order_by("n"), cursor),
        (db.find("rows").order_by("n"), cursor[:-3] + "xyz"),
    ):
        with pytest.raises(InvalidQuery):
            query.after(token).list()
