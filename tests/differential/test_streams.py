"""Streams show the collection as it was when they began; many threads share one storage."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from random import Random
from typing import Final

import pytest

from docmap import BaseStorageAdapter, Document, DuplicateKey, Index, Query, StaleDocument

MANY: Final = 1500  # more than any engine or loader reads at a time
THREADS: Final = 8


class Item(Document, collection="items", indexes=[Index("rank"), Index("name", unique=True)]):
    id: int
    rank: int = 0
    name: str | None = None
    text: str = "x"


QUERIES: Final[dict[str, Callable[[BaseStorageAdapter], Query[Item]]]] = {
    "all": lambda db: db.find(Item),
    "by an index": lambda db: db.find(Item, rank__gte=0),
    "ordered by an index": lambda db: db.find(Item).order_by("rank"),
    "backwards": lambda db: db.find(Item).order_by("-rank"),
    "ordered by what has no index": lambda db: db.find(Item).order_by("text"),
    "residual": lambda db: db.find(Item, text__matches="[xy]").order_by("rank"),
    "a slice": lambda db: db.find(Item).order_by("rank")[:MANY],
}
EVERY_QUERY: Final = pytest.mark.parametrize("ask", QUERIES.values(), ids=QUERIES)


@pytest.fixture
def storage(transactional: BaseStorageAdapter) -> BaseStorageAdapter:
    """A storage on every engine that is made for more than tests."""
    return transactional


@pytest.fixture
def filled(storage: BaseStorageAdapter) -> BaseStorageAdapter:
    """A storage with many items."""
    storage.insert_many([Item(id=number, rank=number) for number in range(MANY)])
    return storage


@EVERY_QUERY
def test_an_update_of_the_order_does_not_feed_the_stream(
    filled: BaseStorageAdapter, ask: Callable[[BaseStorageAdapter], Query[Item]]
) -> None:
    seen = []
    for item in ask(filled):
        seen.append(item.id)
        assert item.rank < MANY
        if item.id % 50 == 0:
            item.rank += MANY if item.id % 100 else -MANY
            filled.save(item)
    assert sorted(seen) == list(range(MANY))
    assert filled.find(Item, rank__gte=MANY).count() == MANY // 100


@EVERY_QUERY
def test_inserts_and_deletions_in_the_loop_are_not_seen(
    filled: BaseStorageAdapter, ask: Callable[[BaseStorageAdapter], Query[Item]]
) -> None:
    seen = []
    for number, item in enumerate(ask(filled)):
        seen.append(item.id)
        if number == 3:
            filled.insert_many([Item(id=MANY + extra, rank=extra) for extra in range(50)])
            for gone in range(0, MANY, 100):
                filled.delete(Item, gone)
    assert sorted(seen) == list(range(MANY))
    assert filled.find(Item).count() == MANY + 50 - MANY // 100


def test_deleting_everything_in_the_loop(filled: BaseStorageAdapter) -> None:
    seen = 0
    for item in filled.find(Item):
        seen += 1
        if item.id == 5:
            filled.find(Item).delete()
    assert seen == MANY
    assert filled.find(Item).count() == 0


def test_clearing_in_the_loop(filled: BaseStorageAdapter) -> None:
    seen = 0
    for _ in filled.find(Item).order_by("rank"):
        seen += 1
        if seen == 5:
            filled.clear()
    assert seen == MANY
    assert filled.find(Item).count() == 0


def test_streams_side_by_side(filled: BaseStorageAdapter) -> None:
    first, second = iter(filled.find(Item).order_by("rank")), iter(filled.find(Item, rank__lt=700))
    together = [(one.id, two.rank) for one, two in zip(first, second, strict=False)]
    assert len(together) == 700
    filled.insert(Item(id=MANY + 1))  # with one stream left open
    assert filled.find(Item).count() == MANY + 1


def test_a_stream_that_is_left_does_not_hold_the_storage(filled: BaseStorageAdapter) -> None:
    stream = iter(filled.find(Item))
    assert next(stream).text == "x"
    filled.insert(Item(id=MANY))
    filled.disconnect()
    with pytest.raises(Exception, match="not connected"):
        filled.find(Item).count()


def test_a_query_is_asked_anew_each_time(storage: BaseStorageAdapter) -> None:
    query = storage.find(Item)
    assert list(query) == []
    storage.insert(Item(id=1))
    assert [item.id for item in query] == [1]


# -- threads


def _together(act: Callable[[int], object]) -> None:
    """Run `act(number)` in every thread at the same time; raise what one of them raised."""
    barrier = threading.Barrier(THREADS)

    def start(number: int) -> None:
        barrier.wait(timeout=30)
        act(number)

    with ThreadPoolExecutor(THREADS) as pool:
        for done in [pool.submit(start, number) for number in range(THREADS)]:
            done.result(timeout=120)


def test_threads_insert_and_read(storage: BaseStorageAdapter) -> None:
    def act(number: int) -> None:
        for step in range(40):
            key = number * 1000 + step
            storage.insert(Item(id=key, rank=step, name=f"{number} {step}"))
            assert storage.get(Item, key).rank == step
            found = [item.id for item in storage.find(Item, rank=step)]
            assert key in found
            assert len(found) == len(set(found)) <= THREADS

    _together(act)
    assert storage.find(Item).count() == THREADS * 40
    assert len(storage.find(Item).values("name")) == THREADS * 40


def test_threads_that_update_one_document_lose_nothing(storage: BaseStorageAdapter) -> None:
    storage.insert(Item(id=1))

    def act(_: int) -> None:
        for _ in range(25):
            while True:
                item = storage.get(Item, 1)
                item.rank += 1
                try:
                    storage.save(item)
                    break
                except StaleDocument:
                    continue

    _together(act)
    assert storage.get(Item, 1).rank == THREADS * 25


def test_one_thread_gets_a_unique_value(storage: BaseStorageAdapter) -> None:
    won: list[int] = []

    def act(number: int) -> None:
        for step in range(20):
            try:
                storage.insert(Item(id=number * 1000 + step, name=f"{step}"))
                won.append(step)
            except DuplicateKey:
                pass

    _together(act)
    assert sorted(won) == list(range(20))
    assert storage.find(Item).count() == 20


def test_streams_see_transactions_whole(storage: BaseStorageAdapter, seed: int) -> None:
    """Half of the threads move ranks between items, the others add all ranks up."""
    db = storage
    db.insert_many([Item(id=number, rank=100) for number in range(20)])

    def move(rng: Random) -> None:
        one, other = rng.sample(range(20), 2)

        def moved() -> None:
            source, target = db.get(Item, one), db.get(Item, other)
            source.rank -= 1
            target.rank += 1
            db.save(source)
            db.save(target)

        db.retrying(moved, attempts=100)  # of those that run side by side one may have to give way

    def act(number: int) -> None:
        rng = Random(seed + number)
        for _ in range(25):
            if number % 2:
                move(rng)
            else:
                query = db.find(Item).order_by("rank") if rng.random() < 0.5 else db.find(Item)
                assert sum(item.rank for item in query) == 2000

    _together(act)
    assert sum(item.rank for item in db.find(Item)) == 2000


def test_counted_keys_are_given_once(storage: BaseStorageAdapter) -> None:
    class Counted(Document, collection="counted"):
        id: int
        by: int

    keys: list[int] = []

    def act(number: int) -> None:
        keys.extend(storage.insert(Counted.model_validate({"by": number})) for _ in range(25))

    _together(act)
    assert sorted(keys) == list(range(1, THREADS * 25 + 1))
