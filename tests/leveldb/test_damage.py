"""Damaged files: flipped, zeroed and cut off bytes give CorruptStore or exact data, never less."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import Final

import pytest

from docmap import CorruptStore, ForeignStore
from docmap_backends._leveldb_files import sizes
from docmap_backends._leveldb_store import LevelDBStore

INFORMATION: Final = {"LOCK", "LOG", "LOG.old"}  # LevelDB reads none of them
Damage = Callable[[bytearray, random.Random], None]


def flip(data: bytearray, rng: random.Random) -> None:
    data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)


def zero(data: bytearray, rng: random.Random) -> None:
    start = rng.randrange(len(data))
    end = min(len(data), start + rng.choice([1, 8, 100, 4096, 40_000]))
    data[start:end] = bytes(end - start)


def zero_the_end(data: bytearray, rng: random.Random) -> None:
    start = rng.randrange(len(data))
    data[start:] = bytes(len(data) - start)


def cut(data: bytearray, rng: random.Random) -> None:
    del data[rng.randrange(len(data)) :]


def empty(data: bytearray, rng: random.Random) -> None:
    data.clear()


def contents(directory: Path) -> dict[bytes, bytes]:
    """All that a store gives, read in both directions and by key."""
    with closing(LevelDBStore(directory)) as store:
        found = dict(store.items(b"", None))
        assert dict(store.items(b"", None, reverse=True)) == found
        assert {key: store.get(key) for key in found} == found
        assert list(store.keys(b"", None)) == list(found)
    return found


def fill(directory: Path, rng: random.Random, *, close: bool) -> dict[bytes, bytes]:
    """Fill a store so that it has tables of two ages, a log, and entries in its manifest."""
    held: dict[bytes, bytes] = {}
    for step in range(3):
        store = LevelDBStore(directory, write_buffer_size=1 << 16)
        for number in range(60):
            puts = {b"%d" % rng.randrange(900): rng.randbytes(1000) for _ in range(3)}
            gone = [key for key in rng.sample(sorted(held), min(1, len(held))) if key not in puts]
            store.write(puts, gone)
            held |= puts
            for key in gone:
                del held[key]
            if step == number == 1:
                store.native.compact_range()
        if step < 2 or close:
            store.close()
    if not close:  # as a killed process leaves it
        copy_at_rest(directory, directory.with_name("copy"))
        store.close()
        shutil.rmtree(directory)
        directory.with_name("copy").rename(directory)
    return held


def copy_at_rest(directory: Path, target: Path) -> None:
    """Copy the files of an open store at a moment when LevelDB changes none in its background."""
    while True:
        before = sizes(directory)
        with suppress(shutil.Error, FileNotFoundError):
            shutil.copytree(directory, target)
            if sizes(directory) == before == sizes(target):
                return
        shutil.rmtree(target)


@pytest.mark.parametrize("close", [True, False])
@pytest.mark.parametrize("damage", [flip, zero, zero_the_end, cut, empty])
def test_damaged_bytes_are_noticed(
    directory: Path, rng: random.Random, damage: Damage, *, close: bool, long_run: bool
) -> None:
    held = fill(directory, rng, close=close)
    files = [one.name for one in sorted(directory.iterdir()) if one.name not in INFORMATION]
    assert {name.partition(".")[2] for name in files} >= {"ldb", "log"}
    assert contents(copy(directory)) == held
    noticed = 0
    for name in files:
        for _ in range(1 if damage is empty else 40 if long_run else 6):
            damaged = copy(directory)
            data = bytearray((damaged / name).read_bytes())
            if not data:
                continue
            damage(data, rng)
            (damaged / name).write_bytes(data)
            try:
                found = contents(damaged)
            except CorruptStore as error:
                assert error.engine == "leveldb"
                assert str(damaged) in str(error.path)
                noticed += 1
            else:
                assert found == held, name
    assert noticed >= len(files) / 2


@pytest.mark.parametrize("close", [True, False])
def test_a_missing_file_is_noticed(directory: Path, rng: random.Random, *, close: bool) -> None:
    held = fill(directory, rng, close=close)
    for file in sorted(directory.iterdir()):
        damaged = copy(directory)
        (damaged / file.name).unlink()
        if file.name in INFORMATION:
            assert contents(damaged) == held
        else:
            with pytest.raises(ForeignStore if file.name == "DOCMAP" else CorruptStore):
                contents(damaged)


def test_lost_batches_of_a_log_are_noticed(directory: Path) -> None:
    with closing(LevelDBStore(directory)) as store:
        for number in range(300):
            store.write({b"%03d" % number: bytes(200)}, ())
    (log,) = directory.glob("*.log")
    data = log.read_bytes()
    block = 32_768
    log.write_bytes(data[:block] + data[2 * block :])  # whole blocks, all checksums right
    with pytest.raises(CorruptStore):
        contents(directory)


def test_a_batch_that_was_not_acknowledged_may_be_torn(directory: Path) -> None:
    with closing(LevelDBStore(directory)) as store:
        store.write({b"a": b"1"}, ())
        (log,) = directory.glob("*.log")
        whole = log.stat().st_size
        acknowledged = (directory / "DOCMAP").read_bytes()
        store.write({b"b": bytes(5000)}, ())
        torn = log.read_bytes()
    for size in (whole, whole + 1, whole + 7, whole + 30, whole + 4000):
        other = copy(directory)
        (other / log.name).write_bytes(torn[:size])
        (other / "DOCMAP").write_bytes(acknowledged)
        assert contents(other) == {b"a": b"1"}
        (other / "DOCMAP").write_bytes((directory / "DOCMAP").read_bytes())
        with pytest.raises(CorruptStore):
            contents(other)


def spoil_nothing(data: bytearray) -> None:
    """As it was written."""


def lose_bytes(data: bytearray) -> None:
    data[200:] = bytes(len(data) - 200)


def lose_a_page(data: bytearray) -> None:
    data[2000:4000] = bytes(len(data[2000:4000]))


def read_garbage(data: bytearray) -> None:
    data[:] = random.Random(1).randbytes(len(data))


@pytest.mark.parametrize("spoil", [spoil_nothing, lose_bytes, lose_a_page, read_garbage])
@pytest.mark.parametrize("size", [2500, 5000, 70_000])
def test_a_batch_that_was_not_acknowledged_may_have_lost_its_bytes(
    directory: Path, size: int, spoil: Callable[[bytearray], None]
) -> None:
    with closing(LevelDBStore(directory)) as store:
        store.write({b"a": b"1" * 100}, ())
        (log,) = directory.glob("*.log")
        whole = log.stat().st_size
        acknowledged = (directory / "DOCMAP").read_bytes()
        store.write({b"b": b"2" * size}, ())
    data = bytearray(log.read_bytes())
    spoilt = data[whole:]
    spoil(spoilt)
    log.write_bytes(data[:whole] + spoilt)
    if spoil is not spoil_nothing:
        with pytest.raises(CorruptStore):
            contents(copy(directory))
    (directory / "DOCMAP").write_bytes(acknowledged)
    found = contents(directory)
    assert found.pop(b"a") == b"1" * 100
    assert found == ({b"b": b"2" * size} if spoil is spoil_nothing else {})


def test_a_torn_batch_behind_one_that_docmap_did_not_write(directory: Path) -> None:
    with closing(LevelDBStore(directory)) as store:
        store.native.put(b"other", b"1")
        store.write({b"a": b"1"}, ())
        (log,) = directory.glob("*.log")
        whole = log.stat().st_size
        acknowledged = (directory / "DOCMAP").read_bytes()
        store.write({b"b": b"2" * 5000}, ())
    log.write_bytes(log.read_bytes()[: whole + 100] + bytes(4000))
    with pytest.raises(CorruptStore):
        contents(copy(directory))
    (directory / "DOCMAP").write_bytes(acknowledged)
    assert contents(directory) == {b"a": b"1", b"other": b"1"}


def copy(directory: Path) -> Path:
    target = directory.with_name("damaged")
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(directory, target)
    return target
