"""The operations of which each is to be one statement, or one command, to a server."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Final

from pydantic import Field

from docmap import BaseStorageAdapter, Count, Document, Index, Indexed, Sum

Loaded = dict[int, "Sale"]
Operation = Callable[[BaseStorageAdapter, int, Loaded], Any]
TURNS: Final = 8
"""How often an operation is done before it is looked at: what is asked often is prepared."""


class Sale(Document, collection="asked_sales", indexes=[Index("status", "-total")]):
    number: Annotated[int, Indexed()]
    status: str = "new"
    total: int = 0
    note: str | None = None
    tags: Annotated[list[str], Indexed()] = Field(default=[])


def fill(storage: BaseStorageAdapter) -> Loaded:
    """Store thirty sales; those loaded, by their number."""
    storage.clear()
    storage.insert_many([Sale(id=f"{n:02}", number=n, total=n % 7) for n in range(30)])
    return dict(enumerate(storage.find(Sale).order_by("id")))


def repeated(storage: BaseStorageAdapter, operation: Operation, loaded: Loaded) -> None:
    """Do an operation as often as it takes until nothing is new about it."""
    for turn in range(TURNS):
        operation(storage, turn, loaded)


def _save(db: BaseStorageAdapter, turn: int, loaded: Loaded) -> None:
    loaded[turn].note = f"turn {turn}"
    db.save(loaded[turn])


def _many(db: BaseStorageAdapter, turn: int, loaded: Loaded) -> None:
    db.insert_many([Sale(number=1000 * turn + n) for n in range(300, 400)])


def _page(db: BaseStorageAdapter, turn: int, loaded: Loaded) -> None:
    list(db.find(Sale, status="new").order_by("-total")[turn : turn + 5])


def _sums(db: BaseStorageAdapter, turn: int, loaded: Loaded) -> None:
    db.find(Sale, total__lt=turn).aggregate(n=Count(), total=Sum("total"))


def _take(db: BaseStorageAdapter, turn: int, loaded: Loaded) -> None:
    db.find(Sale, status="new").order_by("-total").find_one_and_update(status="taken")


OPERATIONS: Final[dict[str, Operation]] = {
    "get": lambda db, turn, _: db.get(Sale, f"{turn:02}"),
    "get many": lambda db, turn, _: db.get_many(Sale, ["01", f"{turn:02}", "none"]),
    "insert": lambda db, turn, _: db.insert(Sale(number=100 + turn)),
    "save what was loaded": _save,
    "upsert": lambda db, turn, _: db.upsert(Sale(id=f"up{turn % 2}", number=200 + turn % 2)),
    "delete what was loaded": lambda db, turn, loaded: db.delete(loaded[turn]),
    "delete by key": lambda db, turn, _: db.delete(Sale, f"{turn:02}"),
    "insert many": _many,
    "find": lambda db, turn, _: db.find(Sale, status="new", total__gt=turn % 5).list(),
    "page": _page,
    "first": lambda db, _, __: db.find(Sale, status="new").order_by("-total").first(),
    "one": lambda db, turn, _: db.find(Sale, number=turn).one(),
    "by tag": lambda db, turn, _: db.find(Sale, tags__contains=f"tag {turn}").list(),
    "count": lambda db, turn, _: db.find(Sale, status="new", total__lt=turn).count(),
    "exists": lambda db, turn, _: db.find(Sale, status="old", total__lt=turn).exists(),
    "values": lambda db, turn, _: db.find(Sale, total__lt=turn).values("status"),
    "aggregate": _sums,
    "groups": lambda db, _, __: list(db.find(Sale).group_by("status").aggregate(n=Count())),
    "update": lambda db, turn, _: db.find(Sale, status="new", total=turn % 7).update(note="x"),
    "update by adding": lambda db, _, __: db.find(Sale, status="new").update(total__inc=1),
    "find one and update": _take,
    "delete matching": lambda db, turn, _: db.find(Sale, number=turn).delete(),
}
