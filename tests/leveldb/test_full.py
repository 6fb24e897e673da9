"""A disk that is full or fails: what was acknowledged stays, and reads go on; later writes, too."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import plyvel
import pytest

from docmap import StorageError, StorageFull
from docmap_backends._leveldb_store import LevelDBStore
from tests.leveldb.conftest import OpenStore


@contextmanager
def room(size: int) -> Iterator[None]:
    """No file of this process may grow over so many bytes."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def contents(store: LevelDBStore) -> dict[bytes, bytes]:
    return dict(store.items(b"", None))


@pytest.mark.parametrize("size", [40_000, 65_536, 100_001])
@pytest.mark.parametrize("buffer", [1 << 16, 1 << 24])
def test_a_full_disk_harms_nothing(open_store: OpenStore, size: int, buffer: int) -> None:
    store = open_store(write_buffer_size=buffer)
    held: dict[bytes, bytes] = {}

    def fill(name: str) -> None:
        for number in range(10_000):
            put = {f"{name} {number:04d}".encode(): bytes([number % 250]) * 997}
            store.write(put, ())
            held.update(put)

    with room(size):
        with pytest.raises(StorageFull, match="free some") as caught:
            fill("a")
        assert caught.value.path == str(store.directory)
        assert contents(store) == held
        for _ in range(3):
            with suppress(StorageFull):
                fill("b")
            assert contents(store) == held
    store.write({b"late": b"1"}, ())
    assert contents(store) == {**held, b"late": b"1"}
    store.close()
    assert contents(open_store()) == {**held, b"late": b"1"}


def test_closing_while_the_disk_is_full(open_store: OpenStore) -> None:
    store = open_store()
    store.write({b"a": b"1"}, ())
    with room(20_000):
        with pytest.raises(StorageFull):
            store.write({b"b": bytes(100_000)}, ())
        with pytest.raises(StorageFull):
            store.sync()
        store.close()
        assert contents(open_store()) == {b"a": b"1"}


def test_each_place_where_a_write_can_end(
    directory: Path, open_store: OpenStore, *, long_run: bool
) -> None:
    # A batch of 300 bytes over the end of a block: all of it is there, or nothing.
    store = open_store()
    store.write({b"a": bytes(32_500)}, ())
    (log,) = directory.glob("*.log")
    start = log.stat().st_size
    for offset in range(0, 330, 3 if long_run else 37):
        with room(start + offset), suppress(StorageFull):
            store.write({b"b": b"x" * 300}, ())
        store.close()
        store = open_store()
        found = contents(store)
        assert found.keys() in ({b"a"}, {b"a", b"b"})
        assert found.get(b"b") in {None, b"x" * 300}
        store.write({b"a": bytes(32_500)}, [b"b"])
        (log,) = directory.glob("*.log")


def test_streams_that_a_recovery_ends_say_so(store: LevelDBStore) -> None:
    store.write({b"%04d" % number: bytes(10) for number in range(1000)}, ())
    stream = store.keys(b"", None)
    next(stream)
    with room(40_000), pytest.raises(StorageFull):
        store.write({b"b": bytes(100_000)}, ())
    store.write({b"b": b""}, ())
    with pytest.raises(StorageError, match="begin it again"):
        list(stream)
    assert len(contents(store)) == 1001


def test_a_store_that_does_not_open_again(
    store: LevelDBStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.write({b"a": b"1"}, ())
    with room(20_000), pytest.raises(StorageFull):
        store.write({b"b": bytes(100_000)}, ())

    def fail(*_: object, **__: object) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(plyvel, "DB", fail)
    with pytest.raises(StorageError, match="disk"):
        store.write({b"c": b""}, ())
    with pytest.raises(StorageError, match="reconnect"):
        store.get(b"a")
    monkeypatch.undo()
    store.write({b"c": b"1"}, ())
    assert contents(store) == {b"a": b"1", b"c": b"1"}
