"""Pages in the order of ints of any size, and cursors that claim such ints elsewhere."""

from __future__ import annotations

import pytest
from pydantic_core import from_json, to_json

from docmap import BaseStorageAdapter, BigInt, Document, Index, InvalidQuery
from docmap.schema import cursors


class Star(Document, collection="paged_stars", indexes=[Index("-distance")]):
    id: int
    distance: BigInt | None = None
    visits: int = 0


VALUES = [10**30, -(10**40), None, 5, 2**63, 10**30, -(2**63) - 1, 10**3999, 0]


@pytest.mark.parametrize("order", ["distance", "-distance"])
def test_pages_in_the_order_of_large_ints(db: BaseStorageAdapter, order: str) -> None:
    db.insert_many([Star(id=n, distance=value) for n, value in enumerate(VALUES)])
    query = db.find(Star).order_by(order)
    found, cursor = [], None
    while True:
        page = query.page(2, after=cursor)
        found += [star.pk for star in page]
        cursor = page.next
        if cursor is None:
            break
    assert found == [star.pk for star in query]
    assert len(found) == len(VALUES)
    assert [star.pk for batch in query.batches(4) for star in batch] == found


def test_a_cursor_with_an_int_that_no_document_has_is_refused(
    db: BaseStorageAdapter, monkeypatch: pytest.MonkeyPatch
) -> None:
    db.insert_many([Star(id=n, visits=n) for n in range(3)])
    query = db.find(Star).order_by("visits")

    def forged(data: object) -> bytes:
        return to_json([2**64, *from_json(to_json(data))[1:]])

    monkeypatch.setattr(cursors, "to_json", forged)
    cursor = query.cursor(query[0])
    with pytest.raises(InvalidQuery, match="a cursor that docmap made"):
        query.after(cursor)
