"""Faults: killed writers, locks, full disks, many threads and processes, streams, transactions."""

from __future__ import annotations

import gc
import json
import random
import resource
import sqlite3
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from decimal import Decimal
from pathlib import Path

import pytest

from docmap import (
    BaseStorageAdapter,
    Document,
    DocumentNotFound,
    DuplicateKey,
    Index,
    NotConnected,
    StaleDocument,
    StorageError,
    StorageFull,
    StoreLocked,
    connect,
)
from tests.sqlite.programs import Counter, Note, Task, note, run_all, running, start

Open = Callable[..., BaseStorageAdapter]


def held(storage: BaseStorageAdapter) -> dict[str, int]:
    """What is stored: number by key, each note whole."""
    found = {one.id: one for one in storage.find(Note)}
    assert found == {key: note(key, one.number) for key, one in found.items()}
    return {key: one.number for key, one in found.items()}


def become(one: Note, number: int) -> None:
    """Make a loaded note that of another number."""
    fresh = note(one.id, number)
    one.number, one.words, one.ratio, one.text = number, fresh.words, fresh.ratio, fresh.text


def check_sound(storage: BaseStorageAdapter) -> None:
    """SQLite finds no fault in the file, and every index holds what the documents do."""
    assert storage.native.execute("PRAGMA integrity_check").fetchall() == [(b"ok",)]
    found = held(storage)
    for word in range(7):
        expected = {key for key, number in found.items() if number % 7 == word}
        query = storage.find(Note, words__contains=f"word {word}")
        assert {one.id for one in query} == expected
        assert not found or "(words)" in query.explain().indexes
    assert [one.id for one in storage.find(Note).order_by("number")] == [
        key for key, _ in sorted(found.items(), key=lambda item: (item[1], item[0]))
    ]


# -- killed


def test_killed_writers_lose_and_tear_nothing(
    file: Path, rng: random.Random, *, long_run: bool
) -> None:
    expected: dict[str, int] = {}
    with connect(f"sqlite:///{file}") as db:
        db.ensure_indexes(Note)
    for number in range(200 if long_run else 20):
        last = kill_a_writer(file, rng.random(), rng.randrange(1, 30), expected)
        with connect(f"sqlite:///{file}") as db:
            found = held(db)
            assert found in (expected, applied(expected, last))
            expected = found
            if number % 10 == 9:
                check_sound(db)
    assert len(expected) > 20


def kill_a_writer(
    file: Path, seed: float, steps: int, expected: dict[str, int]
) -> list[tuple[str, int | None]]:
    """Kill a writer after so many steps; enters what it acknowledged, gives what it did not."""
    done = 0
    with start("write", file, seed) as process:
        assert process.stdout is not None
        for line in process.stdout:
            done += line.startswith('["done"')
            last = enter(line, expected)
            if done == steps:
                process.kill()
                break
        for line in process.stdout:  # what it had said before it died
            if line.endswith("\n"):
                last = enter(line, expected)
    return last


def enter(line: str, expected: dict[str, int]) -> list[tuple[str, int | None]]:
    word, step = json.loads(line)
    if word == "start":
        return step  # type: ignore[no-any-return]
    found = applied(expected, step)
    expected.clear()
    expected.update(found)
    return []


def applied(before: dict[str, int], step: list[tuple[str, int | None]]) -> dict[str, int]:
    after = dict(before)
    for key, number in step:
        if number is None:
            after.pop(key, None)
        else:
            after[key] = number
    return after


# -- locked


def test_a_held_file_is_locked_to_writers_only(file: Path, opened: Open) -> None:
    storage = opened(timeout=0.1)
    storage.insert_many([note("a", 1), note("b", 2)])
    with running("hold", file, "BEGIN EXCLUSIVE"):
        for write in (
            lambda: note("c", 3).save(storage),
            lambda: storage.delete(Note, "a"),
            lambda: storage.find(Note, number=1).delete(),
            lambda: storage.insert_many([note("c", 3)]),
            lambda: storage.insert_many("others", [{"a": 1}]),
            storage.clear,
        ):
            start_time = time.monotonic()
            with pytest.raises(StoreLocked, match="timeout") as caught:
                write()
            assert time.monotonic() - start_time < 5
            assert caught.value.path == str(file)
            assert isinstance(caught.value.__cause__, sqlite3.OperationalError)
        assert held(storage) == {"a": 1, "b": 2}
        second = opened(timeout=0.1)
        assert second.find(Note, number=2).count() == 1
        assert second.get(Note, "a").number == 1
    note("c", 3).save(storage)
    assert held(second) == {"a": 1, "b": 2, "c": 3}


def test_a_new_file_that_another_program_holds(file: Path) -> None:
    with running("hold", file, "BEGIN EXCLUSIVE"):
        with pytest.raises(StoreLocked):
            connect(f"sqlite:///{file}?timeout=0.1")
        with pytest.raises(StoreLocked):
            connect(f"sqlite:///{file}?timeout=0.1&read_only=true").find(Note).count()
    with connect(f"sqlite:///{file}") as db:
        note("a", 1).save(db)


def test_a_thread_in_a_transaction_locks_others_out(db: BaseStorageAdapter, opened: Open) -> None:
    storage = opened(timeout=0.1)
    note("a", 1).save(storage)

    def write() -> str:
        assert storage.get(Note, "a").number == 1
        try:
            note("b", 2).save(storage)
        except StoreLocked as error:
            return str(error)
        return ""

    with ThreadPoolExecutor(1) as threads:
        with storage.transaction():
            storage.upsert(note("a", 5))
            assert "another thread" in threads.submit(write).result()
        assert storage.get(Note, "a").number == 5
        storage.upsert(note("a", 1))
        assert threads.submit(write).result() == ""
    assert held(db) == {"a": 1, "b": 2}


# -- full


def fill(storage: BaseStorageAdapter) -> dict[str, int]:
    """Write until nothing more fits; what was acknowledged."""
    acknowledged: dict[str, int] = {}
    for number in range(100_000):
        try:
            acknowledged[note(f"{number:06d}", number).save(storage)] = number
        except StorageFull:
            return acknowledged
    raise AssertionError("it never was full")


@contextmanager
def room(storage: BaseStorageAdapter, pages: int) -> Iterator[None]:
    """Room for so many more pages of the database."""
    native = storage.native
    used = native.execute("PRAGMA page_count").fetchone()[0]
    before = native.execute("PRAGMA max_page_count").fetchone()[0]
    native.execute(f"PRAGMA max_page_count={used + pages}")
    try:
        yield
    finally:
        native.execute(f"PRAGMA max_page_count={before}")


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///{}"])
def test_a_full_disk_harms_nothing(file: Path, url: str) -> None:
    with connect(url.format(file)) as storage:
        storage.ensure_indexes(Note)
        with room(storage, 50):
            acknowledged = fill(storage)
            assert len(acknowledged) > 20
            assert held(storage) == acknowledged
            with pytest.raises(StorageFull) as caught:
                storage.insert_many([note(f"more {n}", n * 1000 + 999) for n in range(200)])
            assert (caught.value.done or 0) < 200
            with pytest.raises(StorageFull):
                storage.insert_many("others", [{"text": "x" * 500_000}])
            assert storage.delete(Note, "000001")
            del acknowledged["000001"]
            left = {k: n for k, n in held(storage).items() if not k.startswith("more")}
            assert left == acknowledged
        note("late", 5).save(storage)
        check_sound(storage)


def test_a_transaction_on_a_full_disk_is_undone_whole(db: BaseStorageAdapter) -> None:
    note("a", 1).save(db)
    with room(db, 30):
        with pytest.raises(StorageFull), db.transaction():
            fill_up(db)
        assert held(db) == {"a": 1}
        # Who goes on after the error of one call keeps what the others wrote.
        with db.transaction():
            note("b", 2).save(db)
            with pytest.raises(StorageFull):
                fill_up(db)
            with pytest.raises(StorageFull), db.transaction():
                fill_up(db)
            db.upsert(note("c", 3))
        assert held(db) == {"a": 1, "b": 2, "c": 3}
    note("d", 4).save(db)
    assert len(held(db)) == 4


def test_nothing_is_written_outside_of_a_transaction_that_was_undone(
    db: BaseStorageAdapter,
) -> None:
    # As SQLite does by itself after some errors.
    with pytest.raises(StorageError, match="undone"), db.transaction():  # noqa: PT012
        note("a", 1).save(db)
        db.native.execute("ROLLBACK")
        with pytest.raises(StorageError, match="undone"):
            note("b", 2).save(db)
        with pytest.raises(StorageError, match="undone"), db.transaction():
            note("c", 3).save(db)
    assert held(db) == {}
    note("d", 4).save(db)
    assert held(db) == {"d": 4}


def fill_up(storage: BaseStorageAdapter) -> None:
    storage.insert_many([note(f"fill {n}", n * 1000 + 999) for n in range(300)])


def test_a_disk_that_fails_harms_nothing(db: BaseStorageAdapter, file: Path) -> None:
    note("a", 1).save(db)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    acknowledged = {"a": 1}
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, limits[1]))
    try:
        with pytest.raises(StorageError, match=r"store\.db"):  # noqa: PT012
            for number in range(1000):
                acknowledged[note(f"{number}", number * 37).save(db)] = number * 37
        assert held(db) == acknowledged
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    note("late", 5).save(db)
    assert held(db) == {**acknowledged, "late": 5}
    check_sound(db)


# -- many processes


def test_processes_make_one_new_file_together(file: Path, *, long_run: bool) -> None:
    for attempt in range(20 if long_run else 2):
        new = file.with_name(f"{attempt}.db")
        told = run_all([start("insert", new, name, 5) for name in "abcd"])
        with connect(f"sqlite:///{new}") as db:
            assert sorted(held(db)) == sorted(key for keys in told for key in keys)
            assert len(held(db)) == 20


def test_two_writers_lose_nothing(file: Path, *, long_run: bool) -> None:
    count = 2000 if long_run else 150
    told = run_all([start("insert", file, name, count) for name in "ab"])
    with connect(f"sqlite:///{file}") as db:
        assert sorted(held(db)) == sorted(key for keys in told for key in keys)
        check_sound(db)


def test_a_newer_revision_refuses_the_save(file: Path, opened: Open, *, long_run: bool) -> None:
    times = 200 if long_run else 40
    db = opened()
    Counter(id="it").save(db)
    refused = run_all([start("raise_counter", file, times, 4) for _ in range(4)])
    assert db.get(Counter, "it").value == 4 * times
    assert sum(again for (again,) in refused) >= 3


def test_get_or_create_creates_once(file: Path, opened: Open) -> None:
    db = opened()
    db.ensure_indexes(Task)
    created = run_all([start("create", file, worker, 40) for worker in "abcd"])
    names = [name for own in created for name in own]
    assert sorted(names) == sorted(f"task {number}" for number in range(40))
    assert db.find(Task).count() == 40


def test_a_child_does_not_use_what_its_parent_opened(file: Path) -> None:
    (told,) = run_all([start("fork", file)])
    child, parent = told
    assert child == ["reconnect"] * 5 + [1502]
    assert parent == [1502, 3, 1500]


# -- many threads


def test_threads_on_one_storage(opened: Open, rng: random.Random) -> None:
    db = opened(synchronous="normal", timeout=30)
    seeds = [rng.random() for _ in range(8)]

    def work(seed: float) -> dict[str, int]:
        own, chance = {}, random.Random(seed)
        for step in range(60):
            key, number = f"{seed}-{step}", chance.randrange(10**6)
            db.insert(note(key, number))
            own[key] = number
            old = chance.choice(sorted(own))
            if chance.random() < 0.4:
                loaded = db.get(Note, old)
                own[old] = chance.randrange(10**6)
                become(loaded, own[old])
                loaded.save()
            elif chance.random() < 0.4:
                assert db.delete(Note, old)
                del own[old]
            else:
                found = db.find(Note, number=own[old]).list()
                assert old in {one.id for one in found}
                assert sum(1 for _ in db.find(Note)) >= len(own)
                assert db.find(Note, words__contains="word 3").order_by("-number")[:5].list() or 1
        return own

    with ThreadPoolExecutor(8) as threads:
        owned = list(threads.map(work, seeds))
    assert held(db) == {key: number for own in owned for key, number in own.items()}
    check_sound(db)


def test_threads_raise_one_counter(opened: Open) -> None:
    db = opened(synchronous="normal", timeout=30)
    Counter(id="it").save(db)

    def work(_: int) -> None:
        for _ in range(30):
            while True:
                counter = db.get(Counter, "it")
                counter.value += 1
                try:
                    counter.save()
                    break
                except StaleDocument:
                    continue

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(work, range(8)))
    assert db.get(Counter, "it").value == 240


def test_threads_make_a_collection_together(file: Path, opened: Open) -> None:
    db = opened()
    barrier = threading.Barrier(8)

    def work(number: int) -> str:
        barrier.wait()
        key: str = note(f"{number}", number).save(db)
        return key

    with ThreadPoolExecutor(8) as threads:
        keys = list(threads.map(work, range(8)))
    assert sorted(held(db)) == keys
    assert db.indexes(Note)["missing"] == []


def connections(storage: BaseStorageAdapter) -> int:
    """How many connections a storage has open."""
    return len(storage._connections._all)  # type: ignore[attr-defined]


def test_threads_that_end_close_their_connections(db: BaseStorageAdapter) -> None:
    note("a", 1).save(db)
    for _ in range(30):
        thread = threading.Thread(target=lambda: db.get(Note, "a"))
        thread.start()
        thread.join()
    gc.collect()
    assert connections(db) <= 2


# -- streams


def test_writes_in_the_loop_are_not_seen(opened: Open) -> None:
    db = opened(synchronous="normal")
    db.insert_many([note(f"{n:04d}", n) for n in range(1500)])
    seen = 0
    for one in db.find(Note, number__gte=0):
        seen += 1
        db.upsert(note(one.id, one.number + 10_000))
        note(f"new {seen}", 20_000).save(db)
    assert seen == 1500
    assert db.find(Note).count() == 3000


def test_a_stream_that_is_left_gives_its_connection_back(db: BaseStorageAdapter) -> None:
    db.insert_many([note(f"{n:04d}", n) for n in range(1500)])
    for _ in range(50):
        stream = iter(db.find(Note))
        next(stream)
        stream.close()  # type: ignore[attr-defined]
    assert connections(db) == 2
    for _ in db.find(Note):
        break
    gc.collect()
    note("late", 1).save(db)
    # Nothing holds an old snapshot any more, so the whole log can go into the file.
    assert db.native.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0] == 0


def test_a_statement_that_fails_does_not_harm_the_next_stream(db: BaseStorageAdapter) -> None:
    db.insert_many([note(f"{n:04d}", n) for n in range(1500)])
    schema = Note.__docmap_schema__
    table = db._table(schema)  # type: ignore[attr-defined]
    from docmap_backends._sql import SQL

    for _ in range(3):
        with pytest.raises(StorageError):
            list(db._stream(schema, table, SQL("SELECT nothing"), whole=False))  # type: ignore[attr-defined]
        assert sum(1 for _ in db.find(Note)) == 1500


def test_many_streams_at_once(db: BaseStorageAdapter) -> None:
    db.insert_many([note(f"{n:04d}", n) for n in range(1100)])
    streams = [iter(db.find(Note)) for _ in range(12)]
    counts = [0] * len(streams)
    for _ in range(1100):
        for number, stream in enumerate(streams):
            next(stream)
            counts[number] += 1
    assert counts == [1100] * 12
    del streams, stream
    gc.collect()
    assert connections(db) <= 1 + 8


def test_memory_of_a_streamed_scan_stays_flat(db: BaseStorageAdapter) -> None:
    peaks = []
    for count in (6_000, 24_000):
        db.insert_many([note(f"{count} {n}", n * 3000) for n in range(count)])
        gc.collect()
        tracemalloc.start()
        try:
            assert sum(1 for _ in db.find(Note, ratio__gte=0)) >= count
            peaks.append(tracemalloc.get_traced_memory()[1])
        finally:
            tracemalloc.stop()
    assert peaks[1] < peaks[0] + 1_000_000
    assert peaks[1] < 8_000_000


def test_taking_a_class_in_reads_in_batches(db: BaseStorageAdapter) -> None:
    db.insert_many("notes", [{"id": f"{n}", "number": n, "text": "x" * 2000} for n in range(8000)])
    gc.collect()
    tracemalloc.start()
    try:
        db.ensure_indexes(Note)
        assert tracemalloc.get_traced_memory()[1] < 8_000_000
    finally:
        tracemalloc.stop()
    assert db.find(Note, number=77).explain().indexes == ("(number)",)


# -- transactions


def test_nested_transactions(db: BaseStorageAdapter) -> None:
    with db.transaction():
        note("a", 1).save(db)
        for attempt in range(5):
            with pytest.raises(ZeroDivisionError), db.transaction():  # noqa: PT012
                note(f"b{attempt}", 2).save(db)
                with db.transaction():
                    note("c", 3).save(db)
                assert len(held(db)) == 3
                raise ZeroDivisionError
        with db.transaction():
            note("d", 4).save(db)
        assert held(db) == {"a": 1, "d": 4}
    assert held(db) == {"a": 1, "d": 4}
    with pytest.raises(KeyboardInterrupt), db.transaction():  # noqa: PT012
        note("e", 5).save(db)
        with db.transaction():
            note("f", 6).save(db)
        raise KeyboardInterrupt
    assert held(db) == {"a": 1, "d": 4}
    assert not db.native.in_transaction


class Later(Document, collection="notes", indexes=[Index("-price"), Index("number", unique=True)]):
    number: int
    price: Decimal | None = None


def test_what_a_transaction_made_of_a_collection_is_undone_with_it(
    db: BaseStorageAdapter, opened: Open
) -> None:
    with pytest.raises(ZeroDivisionError), db.transaction():  # noqa: PT012
        Later(id="a", number=1, price=Decimal("1.5")).save(db)
        assert db.find(Later, price__gt=1).count() == 1
        assert db.find(Later, price__gt=1).explain().indexes == ("(-price)",)
        raise ZeroDivisionError
    assert db.collections() == []
    assert db.find(Later, price__gt=1).count() == 0
    Note(id="n", number=1, words=[], ratio=1.0).save(db)
    with pytest.raises(ZeroDivisionError), db.transaction():  # noqa: PT012
        db.ensure_indexes(Later)
        db.insert_many("notes", [{"id": "x", "number": "text"}])
        assert not db.find(Note, number=1).explain().data["native"]
        raise ZeroDivisionError
    assert db.find(Note, number=1).explain().indexes == ("(number)",)
    assert db.indexes(Later)["present"] != db.indexes(Later)["declared"]
    Later(id="b", number=2, price=Decimal("2.5")).save(db)
    for storage in (db, opened()):
        assert storage.find(Later, price__gt=1).one().id == "b"
        with pytest.raises(DuplicateKey):
            storage.insert(Later(number=1))


def test_another_thread_does_not_rely_on_what_a_transaction_undid(db: BaseStorageAdapter) -> None:
    with ThreadPoolExecutor(1) as threads:
        with pytest.raises(ZeroDivisionError), db.transaction():  # noqa: PT012
            db.ensure_indexes(Later)
            # It starts while the class is made, and writes when that is undone.
            waiting = threads.submit(lambda: db.insert(Later(id="a", number=1)))
            time.sleep(0.1)
            raise ZeroDivisionError
        assert waiting.result() == "a"
    with pytest.raises(DuplicateKey):
        db.insert(Later(id="b", number=1))
    assert db.indexes(Later)["missing"] == []


def test_a_failed_write_does_not_leave_what_it_learned(db: BaseStorageAdapter) -> None:
    Later(id="a", number=1).save(db)
    assert db.find(Later, number__gt=0).explain().data["native"]
    with pytest.raises(DuplicateKey):
        db.insert_many("notes", [{"id": "b", "number": "text"}, {"id": "b"}])
    with pytest.raises(DuplicateKey):
        db.insert_many("notes", iter([{"id": "a", "number": "text"}]))
    assert db.find(Later, number__gt=0).explain().data["native"]
    db.insert_many("notes", [{"id": "c", "number": "text"}])
    assert not db.find(Later, number__gt=0).explain().data["native"]
    assert db.find(Later, number__gt=0).count() == 1


def test_bulk_writes_stop_in_order(db: BaseStorageAdapter) -> None:
    notes = [note(f"{n}", n) for n in range(5)]
    db.insert_many(notes)
    db.upsert(note("3", 33))
    for number, one in enumerate(notes):
        become(one, number + 7)
    with pytest.raises(StaleDocument) as caught:
        db.save_many(notes)
    assert caught.value.done == 3
    assert caught.value.key == "3"
    assert [db.get(Note, f"{n}").number for n in range(5)] == [7, 8, 9, 33, 4]


def test_closing_inside_a_transaction(file: Path) -> None:
    storage = connect(f"sqlite:///{file}")
    note("a", 1).save(storage)
    with pytest.raises(NotConnected), storage.transaction():  # noqa: PT012
        note("b", 2).save(storage)
        storage.disconnect()
    storage.connect()
    assert held(storage) == {"a": 1}
    note("c", 3).save(storage)
    storage.disconnect()


def test_a_storage_is_cleared_under_another(db: BaseStorageAdapter, opened: Open) -> None:
    other = opened()
    note("a", 1).save(db)
    assert other.get(Note, "a").number == 1
    loaded = other.get(Note, "a")
    db.clear()
    with pytest.raises(DocumentNotFound):
        other.get(Note, "a")
    assert other.get_many(Note, ["a"]) == []
    assert not other.delete(Note, "a")
    assert other.find(Note).list() == []
    with pytest.raises(StaleDocument):
        loaded.save()
    with pytest.raises(StaleDocument):
        loaded.delete()
    note("a", 2).save(other)
    assert db.get(Note, "a").number == 2
    check_sound(db)


def test_a_file_that_is_deleted_does_not_come_back_empty(
    db: BaseStorageAdapter, file: Path
) -> None:
    note("a", 1).save(db)
    file.unlink()
    with ThreadPoolExecutor(1) as threads, pytest.raises(StorageError, match=r"store\.db"):
        threads.submit(lambda: db.find(Note).count()).result()
    assert not file.exists()


def test_what_was_acknowledged_can_be_made_durable(file: Path) -> None:
    with connect(f"sqlite:///{file}?synchronous=normal&timeout=0.1") as db:
        note("a", 1).save(db)
        db.sync()
        with closing(sqlite3.connect(f"file:{file}?immutable=1", uri=True)) as plain:
            assert plain.execute("SELECT count(*) FROM notes").fetchone() == (1,)
        with db.transaction():
            db.sync()
        stream = iter(db.find(Note))
        next(stream)
        note("b", 2).save(db)
        with running("hold", file, "BEGIN IMMEDIATE"), pytest.raises(StoreLocked):
            db.sync()
