"""LevelDB as an ordered store of bytes: batches, ranges, snapshots, closing."""

from __future__ import annotations

import gc
import random
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import plyvel
import pytest

from docmap import NotConnected, StorageError, StoreLocked
from docmap_backends._leveldb_store import LevelDBStore
from tests.leveldb.conftest import OpenStore


def test_ranges_are_those_of_a_sorted_dict(store: LevelDBStore, rng: random.Random) -> None:
    held: dict[bytes, bytes] = {}
    for _ in range(60):
        keys = [rng.randbytes(rng.randrange(1, 4)) for _ in range(8)]
        puts = {key: rng.randbytes(3) for key in keys[:5]}
        deletes = [*keys[5:], *rng.sample(sorted(held), min(3, len(held)))]
        store.write(puts, [key for key in deletes if key not in puts])
        held |= puts
        for key in deletes:
            if key not in puts:
                held.pop(key, None)
        low, high = sorted(rng.randbytes(rng.randrange(4)) for _ in range(2))
        for top in (high, None):
            expected = sorted(k for k in held if k >= low and (top is None or k < top))
            assert list(store.keys(low, top)) == expected
            assert store.count(low, top) == len(expected)
            assert list(store.items(low, top)) == [(key, held[key]) for key in expected]
            assert list(store.values(low, top)) == [held[key] for key in expected]
            assert list(store.keys(low, top, reverse=True)) == expected[::-1]
            firsts = list({key[:1]: key for key in reversed(expected)}.values())[::-1]
            assert list(store.runs(low, top, lambda key: key[:1])) == firsts
        key = rng.choice(keys)
        assert store.get(key) == held.get(key)
        assert store.get_many(keys) == [held.get(one) for one in keys]


def test_a_store_keeps_what_was_written(open_store: OpenStore) -> None:
    first = open_store()
    for number in range(500):
        first.write({b"%03d" % number: b"x" * number}, ())
    first.close()
    assert [len(value) for _, value in open_store().items(b"", None)] == list(range(500))


def test_a_stream_sees_the_store_as_it_was(store: LevelDBStore) -> None:
    store.write({b"%04d" % number: b"" for number in range(1000)}, ())
    stream = store.keys(b"", None)
    store.write({b"9999": b""}, [b"0500"])
    assert len([key for key in stream if store.get(key) is not None or key == b"0500"]) == 1000


def test_a_snapshot_does_not_change(store: LevelDBStore) -> None:
    store.write({b"a": b"1", b"b": b"1"}, ())
    with store.snapshot() as snapshot:
        store.write({b"a": b"2", b"c": b"2"}, [b"b"])
        assert snapshot.get(b"a") == b"1"
        with snapshot.snapshot() as same:
            assert list(same.items(b"", None)) == [(b"a", b"1"), (b"b", b"1")]
        with pytest.raises(StorageError):
            snapshot.write({}, ())
    assert list(store.items(b"", None)) == [(b"a", b"2"), (b"c", b"2")]


USES: list[Callable[[LevelDBStore], Any]] = [
    lambda store: store.get(b"a"),
    lambda store: store.get_many([b"a"]),
    lambda store: store.keys(b"", None),
    lambda store: store.count(b"", None),
    lambda store: store.write({b"a": b""}, ()),
    lambda store: store.snapshot().__enter__(),
    lambda store: store.sync(),
    lambda store: store.native,
]


@pytest.mark.parametrize("use", USES)
def test_what_is_closed_says_so(store: LevelDBStore, use: Callable[[LevelDBStore], Any]) -> None:
    store.close()
    with pytest.raises(NotConnected, match="connect"):
        use(store)


def test_closing_ends_streams_and_snapshots(store: LevelDBStore) -> None:
    store.write({b"%04d" % number: b"" for number in range(1000)}, ())
    stream = store.keys(b"", None)
    next(stream)
    with store.snapshot() as snapshot:
        store.close()
        with pytest.raises(NotConnected):
            snapshot.get(b"0000")
    with pytest.raises(NotConnected):
        list(stream)
    store.close()


def test_closing_under_the_hands_of_threads(open_store: OpenStore) -> None:
    for _ in range(10):
        store = open_store()
        store.write({b"%04d" % number: b"" for number in range(2000)}, ())
        working = threading.Barrier(5)

        def work(store: LevelDBStore = store, working: threading.Barrier = working) -> None:
            working.wait()
            with suppress(NotConnected):
                while True:
                    assert sum(1 for _ in store.items(b"", None)) == 2000
                    assert store.get(b"0007") == b""
                    with store.snapshot() as snapshot:
                        assert snapshot.get(b"0009") == b""
                    store.write({b"0007": b""}, ())

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        working.wait()
        store.close()
        for thread in threads:
            thread.join()


def test_threads_write_in_turn(open_store: OpenStore) -> None:
    store = open_store(timeout=0.05)
    refused: list[StorageError] = []

    def write() -> None:
        try:
            with store.writing():
                store.write({b"a": b""}, ())
        except StoreLocked as error:
            refused.append(error)

    with store.writing():
        store.write({b"b": b""}, ())
        thread = threading.Thread(target=write)
        thread.start()
        thread.join()
    assert "timeout" in str(refused[0])
    assert list(store.keys(b"", None)) == [b"b"]


def test_a_store_that_nobody_closed_can_be_opened_again(directory: Path) -> None:
    store = LevelDBStore(directory)
    store.write({b"a": b"1"}, ())
    with pytest.raises(StoreLocked):
        LevelDBStore(directory)
    del store
    gc.collect()
    again = LevelDBStore(directory)
    assert again.get(b"a") == b"1"
    again.close()


def test_sync_makes_durable_what_writing_did_not(open_store: OpenStore) -> None:
    store = open_store(sync=False, write_buffer_size=1 << 16)
    for number in range(400):
        store.write({b"%04d" % number: b"x" * 500}, ())
    assert store._guard.acknowledged == 0
    store.sync()
    assert store._guard.acknowledged == 401
    store.write({b"last": b""}, ())
    store.close()
    assert open_store()._guard.acknowledged == 403


def test_a_mark_stands_at_the_head_of_each_batch(store: LevelDBStore) -> None:
    store.write({b"a": b"1"}, ())
    assert isinstance(store.native, plyvel.DB)
    assert dict(store.native) == {b"": (1).to_bytes(8, "little"), b"a": b"1"}


@pytest.mark.parametrize("sync", [True, False])
def test_closing_does_not_wait_for_a_transaction_of_another_thread(
    open_store: OpenStore, *, sync: bool
) -> None:
    store = open_store(sync=sync)
    closed = threading.Event()

    def close() -> None:
        store.close()
        closed.set()

    with store.writing():
        store.write({b"a": b""}, ())
        thread = threading.Thread(target=close, daemon=True)
        thread.start()
        assert closed.wait(60)
        with pytest.raises(NotConnected):
            store.write({b"b": b""}, ())
    assert list(open_store().keys(b"", None)) == [b"a"]


def test_batches_over_the_ends_of_blocks(open_store: OpenStore) -> None:
    # LevelDB cuts a batch where a block of 32,768 bytes ends, wherever in it that is.
    for room in range(45):
        store = open_store(sync=False)  # its log is new
        head = 7 + 12 + 11 + 1 + 1 + 1 + 3  # what LevelDB adds to the value of a long batch
        store.write({b"a": bytes(32_768 - head - room)}, ())
        (log,) = store.directory.glob("*.log")
        assert log.stat().st_size == 32_768 - room
        store.write({b"b": b"%d" % room}, ())
        store.write({b"c": b"%d" % room}, ())
        store.close()
        store = open_store(sync=False)
        assert store.get_many([b"b", b"c"]) == [b"%d" % room] * 2
        store.close()
