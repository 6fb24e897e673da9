"""Counted keys of a batch: asked for at once, none twice, in the order of the documents."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest

from docmap import BaseStorageAdapter, BulkError, Document
from docmap.schema.schema import Schema
from docmap_backends.memory import MemoryStorage


class Ticket(Document, collection="counted_tickets"):
    id: int | None = None
    text: str = ""


class Other(Document, collection="counted_others"):
    id: int | None = None


class Counting(MemoryStorage):
    """Memory that notes how many keys it is asked for."""

    def __init__(self) -> None:
        super().__init__("memory://")
        self.asked: list[int] = []

    def _next_keys(self, schema: Schema, count: int) -> Sequence[int]:
        self.asked.append(count)
        return super()._next_keys(schema, count)


@pytest.fixture
def counting() -> Iterator[Counting]:
    with Counting() as storage:
        yield storage


def test_a_batch_asks_once(counting: Counting) -> None:
    tickets = [Ticket(text=str(n)) for n in range(25)]
    assert counting.insert_many(tickets, batch_size=10) == list(range(1, 26))
    assert counting.asked == [10, 10, 5]
    assert counting.insert_many(Ticket, ({"text": str(n)} for n in range(3))) == [26, 27, 28]
    assert counting.find(Ticket).count() == 28


def test_only_for_those_without_a_key(counting: Counting) -> None:
    tickets = [Ticket(), Ticket(id=100), Ticket(), Ticket(id=5)]
    counting.save_many(tickets)
    assert [ticket.id for ticket in tickets] == [1, 100, 2, 5]
    assert counting.asked == [2]
    counting.asked.clear()
    counting.save_many([Ticket(id=200)])
    assert counting.asked == []


def test_a_hook_may_insert_beside(counting: Counting) -> None:
    @counting.before("insert", Ticket)
    def also(ticket: Ticket) -> None:
        counting.insert(Other())

    tickets = [Ticket() for _ in range(3)]
    counting.insert_many(tickets)
    assert [ticket.id for ticket in tickets] == [1, 2, 3]
    assert sorted(other.id or 0 for other in counting.find(Other)) == [1, 2, 3]


def test_a_failure_wastes_no_key_that_was_given(counting: Counting) -> None:
    tickets = [Ticket(), Ticket(id=1), Ticket()]
    with pytest.raises(BulkError):
        counting.insert_many(tickets, ordered=False)
    keys = sorted(ticket.id or 0 for ticket in counting.find(Ticket))
    assert len(keys) == 2


def test_every_engine_counts_so(full: BaseStorageAdapter) -> None:
    first = full.insert_many([Ticket() for _ in range(7)], batch_size=3)
    full.delete(Ticket, first[-1])
    assert full.insert_many([Ticket(), Ticket()]) == [8, 9]
