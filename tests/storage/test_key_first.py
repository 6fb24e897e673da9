"""A write whose key and unique value are both taken is refused for its key, on every engine."""

from __future__ import annotations

from typing import Annotated

import pytest

from docmap import BaseStorageAdapter, BulkError, Document, DuplicateKey, Indexed


class Part(Document, collection="key_first", key="sku"):
    sku: str
    code: Annotated[str, Indexed(unique=True)]
    spare: Annotated[list[str], Indexed(unique=True)]


def part(sku: str, code: str = "a", spare: str = "a") -> Part:
    return Part(sku=sku, code=code, spare=[spare])


def test_one_document(db: BaseStorageAdapter) -> None:
    db.insert(part("x"))
    with pytest.raises(DuplicateKey) as caught:
        db.insert(part("x"))
    assert (caught.value.index, caught.value.fields) == (None, ("sku",))
    with pytest.raises(DuplicateKey) as caught:
        db.insert(part("y", spare="b"))
    assert caught.value.fields == ("code",)
    with pytest.raises(DuplicateKey) as caught:
        db.insert(part("y", code="b"))
    assert caught.value.fields == ("spare",)
    assert db.find(Part).count() == 1


def test_many_documents(db: BaseStorageAdapter) -> None:
    db.insert(part("x"))
    with pytest.raises(DuplicateKey) as single:
        db.insert_many([part("w", "w", "w"), part("x")])
    assert (single.value.done, single.value.fields) == (1, ("sku",))
    with pytest.raises(BulkError) as caught:
        db.insert_many([part("x"), part("y", spare="b"), part("z", "z", "z")], ordered=False)
    reasons = [failure.error for failure in caught.value.failed]
    assert [error.fields for error in reasons if isinstance(error, DuplicateKey)] == [
        ("sku",),
        ("code",),
    ]
    assert db.find(Part).order_by("sku").values("sku") == ["w", "x", "z"]
