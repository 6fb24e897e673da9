"""Many threads on one storage: as if they had come one after another."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from docmap import (
    BaseStorageAdapter,
    DocumentNotFound,
    DuplicateKey,
    NotConnected,
    StaleDocument,
    StoreLocked,
)
from docmap.testing.collecting import requires
from docmap.testing.notes import (
    Counter,
    Note,
    Task,
    Ticket,
    become,
    check_sound,
    held,
    note,
)
from docmap.testing.profile import BackendProfile

THREADS = 8


def together(work: Callable[[int], Any], count: int = THREADS) -> list[Any]:
    """What a function gives in threads that begin at the same time, given their numbers."""
    gate = threading.Barrier(count)

    def begin(number: int) -> Any:
        gate.wait()
        return work(number)

    with ThreadPoolExecutor(count) as threads:
        return list(threads.map(begin, range(count)))


def test_threads_see_their_own_writes_and_lose_none(
    db: BaseStorageAdapter, rng: random.Random, *, long_run: bool
) -> None:
    seeds = [rng.random() for _ in range(THREADS)]

    def work(thread: int) -> dict[str, int]:
        own: dict[str, int] = {}
        chance = random.Random(seeds[thread])
        for step in range(300 if long_run else 25):
            key, number = f"{thread}-{step}", chance.randrange(10**6)
            db.insert(note(key, number))
            own[key] = number
            old = chance.choice(sorted(own))
            match chance.randrange(4):
                case 0:
                    loaded = db.get(Note, old)
                    own[old] = chance.randrange(10**6)
                    become(loaded, own[old])
                    loaded.save()
                case 1:
                    assert db.delete(Note, old)
                    del own[old]
                    with pytest.raises(DocumentNotFound):
                        db.get(Note, old)
                case 2:
                    assert old in {one.id for one in db.find(Note, number=own[old])}
                    found = {one.id: one.number for one in db.get_many(Note, sorted(own))}
                    assert found == own
                case _:
                    assert sum(1 for _ in db.find(Note)) >= len(own)
                    first = [one.number for one in db.find(Note).order_by("-number")[:5]]
                    assert first == sorted(first, reverse=True)
        return own

    owned = together(work)
    assert check_sound(db) == {key: number for own in owned for key, number in own.items()}


def test_threads_raise_one_counter(db: BaseStorageAdapter) -> None:
    Counter(id="it").save(db)

    def work(_: int) -> int:
        again = 0
        for _ in range(12):
            while True:
                counter = db.get(Counter, "it")
                counter.value += 1
                try:
                    counter.save()
                    break
                except StaleDocument:
                    again += 1
        return again

    together(work)
    assert db.get(Counter, "it").value == THREADS * 12


def test_threads_update_one_document(db: BaseStorageAdapter) -> None:
    db.insert_many([Counter(id="it"), Counter(id="other")])

    def work(_: int) -> int:
        return sum(db.find(Counter, id="it").update(value__inc=1).modified for _ in range(10))

    assert together(work) == [10] * THREADS
    assert db.get(Counter, "it").value == THREADS * 10
    assert db.get(Counter, "other").value == 0


def test_of_threads_that_insert_one_key_one_does(db: BaseStorageAdapter) -> None:
    def work(thread: int) -> list[str]:
        won = []
        for number in range(10):
            try:
                won.append(db.insert(note(f"{number}", thread)))
            except DuplicateKey:
                assert db.get(Note, f"{number}").number != thread
        return won

    won = together(work)
    assert sorted(key for own in won for key in own) == sorted(f"{n}" for n in range(10))
    assert held(db) == {key: thread for thread, own in enumerate(won) for key in own}


def test_of_threads_that_insert_one_unique_value_one_does(db: BaseStorageAdapter) -> None:
    def work(thread: int) -> list[str]:
        won = []
        for number in range(10):
            try:
                db.insert(Task(name=f"{number}", worker=f"{thread}"))
                won.append(f"{number}")
            except DuplicateKey:
                assert db.find(Task, name=f"{number}").one().worker != f"{thread}"
        return won

    won = together(work)
    assert sorted(name for own in won for name in own) == sorted(f"{n}" for n in range(10))
    assert {one.name: one.worker for one in db.find(Task)} == {
        name: f"{thread}" for thread, own in enumerate(won) for name in own
    }


def test_of_threads_that_get_or_create_one_creates(db: BaseStorageAdapter) -> None:
    def work(thread: int) -> list[tuple[str, str, bool]]:
        found = []
        for number in range(10):
            name, defaults = f"{number}", {"worker": f"{thread}"}
            task, created = db.get_or_create(Task, name=name, defaults=defaults)
            assert created == (task.worker == f"{thread}")
            found.append((name, task.worker, created))
        return found

    found = [one for own in together(work) for one in own]
    assert sorted(name for name, _, created in found if created) == sorted(
        f"{number}" for number in range(10)
    )
    assert len({(name, worker) for name, worker, _ in found}) == 10


@requires("counters")
def test_threads_are_given_different_keys(db: BaseStorageAdapter) -> None:
    def work(thread: int) -> list[int]:
        return [db.insert(Ticket(holder=f"{thread}")) for _ in range(10)]

    keys = [key for own in together(work) for key in own]
    assert len(set(keys)) == len(keys) == THREADS * 10
    assert min(keys) >= 1
    assert {one.id for one in db.find(Ticket)} == set(keys)


def test_of_threads_that_delete_a_document_one_does(db: BaseStorageAdapter) -> None:
    db.insert_many([note(f"{number}", number) for number in range(20)])

    def work(_: int) -> int:
        return sum(db.delete(Note, f"{number}") for number in range(20))

    assert sum(together(work)) == 20
    assert held(db) == {}


def test_bulk_writes_of_threads_do_not_mix(db: BaseStorageAdapter) -> None:
    def work(thread: int) -> list[str]:
        keys: list[str] = db.insert_many([note(f"{thread}-{n}", n) for n in range(25)])
        loaded = db.get_many(Note, keys)
        for one in loaded:
            become(one, one.number + 1)
        db.save_many(loaded)
        return keys

    keys = [key for own in together(work) for key in own]
    assert check_sound(db) == {key: int(key.partition("-")[2]) + 1 for key in keys}


def test_a_stream_shows_a_moment_while_others_write(db: BaseStorageAdapter) -> None:
    db.insert_many([note(f"a{number:03d}", 1) for number in range(200)])
    over = threading.Event()

    def work(thread: int) -> None:
        if thread == 0:
            for _ in range(5):
                seen = [one.id for one in db.find(Note)]
                assert len(seen) == len(set(seen))
                assert len([key for key in seen if key.startswith("a")]) == 200
            over.set()
            return
        number = 1
        while not over.is_set():
            number += 1
            db.upsert(note(f"a{number * thread % 200:03d}", number))
            db.upsert(note(f"b{thread}-{number % 50}", number))

    try:
        together(work, 4)
    finally:
        over.set()
    check_sound(db)


@requires("transactions")
def test_nobody_sees_a_transaction_before_its_end(db: BaseStorageAdapter) -> None:
    note("a", 1).save(db)
    inside, seen = threading.Event(), threading.Event()

    def read() -> tuple[dict[str, int], int]:
        inside.wait()
        return held(db), db.find(Note, number__gte=0).count()

    # An engine may let readers wait for the end, or show what was there before.
    with ThreadPoolExecutor(1) as threads:
        reading = threads.submit(read)
        with pytest.raises(ZeroDivisionError), db.transaction():  # noqa: PT012 - leaves the block
            db.upsert(note("a", 2))
            note("b", 3).save(db)
            assert held(db) == {"a": 2, "b": 3}
            inside.set()
            seen.wait(0.05)
            raise ZeroDivisionError
        assert reading.result() == ({"a": 1}, 1)
    assert held(db) == {"a": 1}


@requires("transactions")
def test_transactions_of_threads_come_one_after_another(db: BaseStorageAdapter) -> None:
    db.insert_many([Counter(id="left", value=100), Counter(id="right", value=100)])

    def move(thread: int) -> None:
        source, aim = ("left", "right") if thread % 2 else ("right", "left")
        for _ in range(5):

            def one() -> None:
                taken, given = db.get(Counter, source), db.get(Counter, aim)
                taken.value -= thread
                taken.save()
                given.value += thread
                given.save()

            db.retrying(one, attempts=1000)

    def work(thread: int) -> None:
        if thread:
            move(thread)
            return
        for _ in range(20):
            both = db.find(Counter).list()
            assert sum(one.value for one in both) == 200

    together(work)
    assert sum(one.value for one in db.find(Counter)) == 200
    expected = 100 + 5 * sum(n if n % 2 == 0 else -n for n in range(THREADS))
    assert db.get(Counter, "left").value == expected


def test_threads_make_one_collection_together(db: BaseStorageAdapter) -> None:
    keys = together(lambda thread: note(f"{thread}", thread).save(db))
    assert sorted(check_sound(db)) == sorted(keys)
    assert db.indexes(Note)["missing"] == []


def test_a_storage_is_closed_while_threads_work(
    backend: BackendProfile, db: BaseStorageAdapter, *, long_run: bool
) -> None:
    for _ in range(20 if long_run else 4):
        stored = close_under_threads(db)
        db.connect()
        found = check_sound(db)
        assert backend.kind == "memory" or set(stored) <= set(found)
        db.clear()


def close_under_threads(db: BaseStorageAdapter) -> list[str]:
    """Close a storage while threads use it: they get NotConnected; the keys acknowledged."""
    stored: list[str] = []
    db.ensure_indexes(Note)

    def work(thread: int) -> None:
        if thread == 0:
            while len(stored) < 5:
                over.wait(0.001)
            db.disconnect()
            over.set()
            return
        for count in range(100_000):
            try:
                if thread % 2:
                    stored.append(db.insert(note(f"{thread}-{count}", count)))
                else:
                    for one in db.find(Note, number__gte=0).order_by("number"):
                        assert one.text == note(one.id, one.number).text
            except (NotConnected, StoreLocked):
                return
        raise AssertionError("the storage was never closed")

    over = threading.Event()
    together(work, 5)
    return stored
