"""Servers that are silent or slow: every call ends within its deadline, and says what it knows."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import suppress

import pytest

from docmap import BaseStorageAdapter, StorageError, Unavailable
from docmap.testing.collecting import requires
from docmap.testing.disturbed import (
    BEFORE,
    READS,
    SOON,
    WRITES,
    Disturbed,
    allowed,
    state,
    tried,
)
from docmap.testing.notes import Counter, Note, note


@requires("server")
@pytest.mark.parametrize("name", READS)
@pytest.mark.parametrize("how", ["freeze", "swallow"])
def test_a_read_of_a_silent_server_ends_in_time(name: str, how: str, disturbed: Disturbed) -> None:
    read, expected = READS[name]
    db = disturbed.open()
    assert read(db) == expected
    getattr(disturbed.proxy, how)()
    with disturbed.in_time(), pytest.raises(Unavailable) as caught:
        read(db.options(timeout=SOON))
    assert caught.value.engine == db.scheme
    disturbed.melt()
    assert read(db) == expected


@requires("server")
@pytest.mark.parametrize("name", WRITES)
@pytest.mark.parametrize("how", ["freeze", "swallow"])
def test_a_write_to_a_silent_server_ends_in_time(name: str, how: str, disturbed: Disturbed) -> None:
    db, write = disturbed.open(), WRITES[name]
    use = write.make(db.options(timeout=SOON))
    getattr(disturbed.proxy, how)()
    with disturbed.in_time():
        error = tried(use)
    assert error is not None
    disturbed.melt()
    assert state(disturbed.direct) in allowed(error, write.after)
    assert state(db) == state(disturbed.direct)
    db.upsert(Counter(id="z", value=9))
    assert disturbed.direct.get(Counter, "z").value == 9


@requires("server")
def test_a_deadline_is_for_all_that_an_operation_takes(disturbed: Disturbed) -> None:
    """Each answer comes in time; connecting again and reading takes several."""
    db = disturbed.open()
    assert state(db) == BEFORE
    disturbed.proxy.cut()
    disturbed.proxy.delay(SOON / 3)
    with disturbed.in_time(), pytest.raises(Unavailable):
        state(db.options(timeout=SOON))
    with disturbed.in_time(), pytest.raises(Unavailable):
        disturbed.open(timeout=SOON)
    disturbed.melt()
    assert state(db) == BEFORE


@requires("server")
def test_a_stream_that_freezes_ends_in_time(disturbed: Disturbed) -> None:
    count = 3000
    disturbed.direct.insert_many([note(f"{number}", number) for number in range(count)])
    db = disturbed.open()
    stream, first = streaming(db)
    seen = [first]
    disturbed.proxy.freeze()
    begun = time.monotonic()
    try:
        seen.extend(one.id for one in stream)
    except Unavailable:  # what was read ahead may still come
        assert len(seen) <= count
    else:
        assert len(seen) == count  # an engine may read all of so few ahead
    assert time.monotonic() - begun < 60
    disturbed.melt()
    assert len({one.id for one in db.find(Note)}) == count


def streaming(db: BaseStorageAdapter) -> tuple[Iterator[Note], str]:
    """A stream with a deadline, and its first key; a busy machine may need more time for that."""
    for seconds in (SOON, 4 * SOON, 16 * SOON):
        stream = iter(db.options(timeout=seconds).find(Note))
        with suppress(Unavailable):
            return stream, next(stream).id
    raise AssertionError("no stream began")


@requires("server")
def test_a_storage_of_a_silent_server_closes_in_time(disturbed: Disturbed) -> None:
    db = disturbed.open(timeout=4 * SOON)
    stream = iter(db.find(Counter))
    next(stream)
    disturbed.proxy.freeze()
    with disturbed.in_time(8 * SOON), suppress(StorageError):
        db.disconnect()
    assert not db.is_open
    disturbed.melt()
    db.connect()
    assert state(db) == BEFORE


@requires("server", "transactions")
def test_a_pool_without_a_connection_left_is_unavailable_in_time(disturbed: Disturbed) -> None:
    db = disturbed.open(pool_size=1)
    held, leave = threading.Event(), threading.Event()

    def hold() -> None:
        with db.transaction():
            db.upsert(Counter(id="a", value=5))
            held.set()
            leave.wait(60)

    holder = threading.Thread(target=hold)
    holder.start()
    try:
        assert held.wait(60)
        with disturbed.in_time(), pytest.raises(Unavailable, match="pool_size"):
            state(db.options(timeout=SOON))
        with disturbed.in_time(), pytest.raises(Unavailable, match="pool_size"):
            db.options(timeout=SOON).upsert(Counter(id="b", value=7))
    finally:
        leave.set()
        holder.join()
    assert state(db) == {"a": 5, "b": 2}


@requires("server")
def test_more_threads_than_connections_wait_for_one_another(disturbed: Disturbed) -> None:
    db = disturbed.open(pool_size=2)
    failed: list[BaseException] = []

    def work(name: int) -> None:
        try:
            for number in range(10):
                db.insert(Counter(id=f"{name}-{number}", value=name))
                assert db.get(Counter, f"{name}-{number}").value == name
        except BaseException as error:  # noqa: BLE001 - told by the test
            failed.append(error)

    threads = [threading.Thread(target=work, args=(name,)) for name in range(8)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert failed == []
    assert disturbed.proxy.connections <= 2 + 2  # PyMongo's watch of the server has its own
    assert disturbed.direct.find(Counter).count() == 82
