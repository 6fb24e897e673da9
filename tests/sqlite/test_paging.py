"""Pages on SQLite: each is read from its place in an index on, and streams hold no results."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import pytest

from docmap import BaseStorageAdapter, Document, Index, connect

START: Final = datetime(2026, 1, 1, tzinfo=UTC)


class Event(
    Document,
    collection="events",
    indexes=[
        Index("at"),
        Index("kind", "-at"),
        Index("-kind", "size"),
        Index("price"),
        Index("size", "-price"),
    ],
):
    id: int
    kind: str = "a"
    at: datetime | None = None
    size: int = 0
    price: float | None = None
    text: str = ""


@pytest.fixture(scope="module")
def db(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BaseStorageAdapter]:
    with connect(f"sqlite:///{tmp_path_factory.mktemp('pages') / 'events.db'}") as storage:
        storage.insert_many(
            [
                Event(
                    id=n,
                    kind="abc"[n % 3],
                    at=START + timedelta(minutes=n // 4) if n % 5 else None,
                    size=n % 7,
                    price=n % 11 / 4 if n % 2 else None,
                )
                for n in range(600)
            ]
        )
        yield storage


ORDERS: Final = {
    "the key": ({}, ("id",)),
    "the key backwards": ({}, ("-id",)),
    "one field": ({}, ("at",)),
    "one field backwards": ({}, ("-at",)),
    "a key column": ({}, ("-price",)),
    "behind an equality": ({"kind": "b"}, ("-at",)),
    "behind an equality, with a range": ({"kind": "b", "at__lt": START + timedelta(90)}, ("-at",)),
    "mixed directions": ({}, ("-kind", "size")),
    "mixed directions, the other way": ({}, ("size", "-price")),
}


@pytest.mark.parametrize(("conditions", "names"), ORDERS.values(), ids=ORDERS)
def test_a_page_is_read_from_its_place_in_the_index(
    db: BaseStorageAdapter, conditions: dict[str, object], names: tuple[str, ...]
) -> None:
    query = db.find(Event, **conditions).order_by(*names)
    for place in (0, 60, 119):
        found = query.after(query.cursor(query[place])).limit(20).explain()
        assert found.data["native"]
        assert found.data["order_native"]
        assert found.data["slice_native"]
        assert not found.scan
        lines = [line for line in found.data["detail"] if "subquery" not in line.lower()]
        reads = [line for line in lines if "events" in line]
        assert reads
        assert all(line.startswith("SEARCH events USING INDEX") for line in reads), lines
        assert not [line for line in lines if "B-TREE" in line], lines


def test_of_two_ranges_on_one_side_the_nearer_is_taken(db: BaseStorageAdapter) -> None:
    """SQLite would take the first, and read all that was on the pages before."""
    lately = db.find(Event, kind="b", at__between=(START, START + timedelta(days=90)))
    query = lately.order_by("-at")
    found = query.after(query.cursor(query[60])).limit(20).explain()
    assert found.data["statement"].count("UNION ALL") == 1  # no part for null, which never matches
    assert "BETWEEN" not in found.data["statement"].partition("UNION ALL")[2]


def test_a_residual_condition_is_filtered_behind_the_place(db: BaseStorageAdapter) -> None:
    query = db.find(Event, text__matches="^$").order_by("-at")
    data = query.after(query.cursor(query[30])).limit(20).explain().data
    assert "SEARCH events USING INDEX" in " ".join(data["detail"])
    assert not data["scan"]


def test_a_page_sends_one_statement(db: BaseStorageAdapter) -> None:
    query = db.find(Event).order_by("-at")
    cursor = query.page(20).next
    sent: list[str] = []
    db.native.set_trace_callback(sent.append)
    try:
        query.page(20, after=cursor)
        pages = list(query.batches(200))
    finally:
        db.native.set_trace_callback(None)
    selects = [one for one in sent if " ORDER BY " in one]
    assert len(pages) == 3
    assert len(selects) == 1 + len(pages) + 1  # only an empty one says that a full one was the last


def _peak(documents: Iterator[object]) -> int:
    """The most bytes that reading the documents one after the other held at a time."""
    gc.collect()
    tracemalloc.start()
    try:
        for _ in documents:
            tracemalloc.get_traced_memory()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_reading_many_documents_holds_few(tmp_path: Path) -> None:
    """Ten times the documents take no more memory, in any way that they can be streamed."""
    with connect(f"sqlite:///{tmp_path / 'many.db'}?synchronous=normal") as storage:
        storage.insert_many([Event(id=n, text="x" * 500) for n in range(1_200)])
        few = [_peak(ask(storage)) for ask in STREAMS]
        storage.insert_many([Event(id=n, text="x" * 500) for n in range(1_200, 12_000)])
        many = [_peak(ask(storage)) for ask in STREAMS]
    whole = 12_000 * 500
    for small, large in zip(few, many, strict=True):
        assert large < small * 1.5 + 100_000
        assert large < whole / 2


STREAMS: Final[tuple[Callable[[BaseStorageAdapter], Iterator[object]], ...]] = (
    lambda db: iter(db.find(Event)),
    lambda db: iter(db.find(Event).order_by("-at")),
    lambda db: iter(db.find(Event, text__matches="x").order_by("id")),
    lambda db: iter(db.find(Event).raw()),
    lambda db: db.find(Event).order_by("-at").batches(500),
)
