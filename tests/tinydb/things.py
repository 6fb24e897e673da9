"""What the tests store, and how a storage is left as a killed program leaves it."""

from __future__ import annotations

import shutil
from decimal import Decimal
from pathlib import Path

from docmap import BaseStorageAdapter, Document, Index


class Order(Document, collection="orders", indexes=[Index("status"), Index("number", unique=True)]):
    number: int
    status: str = "new"
    total: Decimal = Decimal("1.50")


class Seat(Document, collection="seats"):
    id: int
    holder: str = ""


def order(number: int, status: str = "new") -> Order:
    """The order of a number, which says its key."""
    return Order(id=f"k{number}", number=number, status=status)


def numbers(storage: BaseStorageAdapter) -> list[int]:
    """The numbers of all orders, each found by its index too."""
    found = sorted(one.number for one in storage.find(Order))
    assert found == [one.number for one in storage.find(Order).order_by("number")]
    for number in found:
        assert storage.find(Order, number=number).one().id == f"k{number}"
    return found


def as_if_killed(file: Path, target: Path) -> Path:
    """A copy of an open store's files: what is on the disk if the program dies now."""
    target.mkdir()
    for one in file.parent.glob(f"{file.name}*"):
        shutil.copy(one, target)
    return target / file.name
