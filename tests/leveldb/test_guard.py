"""Second openers, in process and out, in all orders; forks; directories of others."""

from __future__ import annotations

import os
import struct
import zlib
from contextlib import closing, suppress
from pathlib import Path

import plyvel
import pytest

from docmap import CorruptStore, ForeignStore, StorageError, StoreLocked
from docmap_backends._leveldb_store import LevelDBStore
from tests.leveldb.conftest import OpenStore
from tests.leveldb.programs import run, running


def test_leveldb_alone_drops_its_lock(directory: Path) -> None:
    # What the guard is for: when this fails, LevelDB has learned it.
    with closing(plyvel.DB(str(directory), create_if_missing=True)) as plain:
        plain.put(b"a", b"1")
        assert run("plain", directory) == ["IOError"]
        with suppress(plyvel.IOError):
            plyvel.DB(str(directory))
        assert run("plain", directory) == ["opened"]


def inside(directory: Path) -> None:
    with pytest.raises(StoreLocked, match="this process") as caught:
        LevelDBStore(directory)
    assert caught.value.path == str(directory)


def outside(directory: Path) -> None:
    ((outcome, seconds),) = run("attempt", directory)
    assert outcome == "StoreLocked"
    assert seconds < 5


def by_plyvel(directory: Path) -> None:
    with pytest.raises(plyvel.IOError):
        plyvel.DB(str(directory))


@pytest.mark.parametrize("order", ["i", "o", "p", "io", "oi", "po", "op", "iopoip"])
def test_a_second_opener_is_refused_and_harms_nothing(directory: Path, order: str) -> None:
    openers = {"i": inside, "o": outside, "p": by_plyvel}
    with closing(LevelDBStore(directory)) as store:
        for number, letter in enumerate(order):
            store.write({b"%d" % number: b"x" * 1000}, ())
            openers[letter](directory)
            assert len([*store.keys(b"", None)]) == number + 1
    with closing(LevelDBStore(directory)) as store:
        assert len([*store.keys(b"", None)]) == len(order)


def test_other_names_of_the_directory_are_the_same_store(
    directory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "link").symlink_to(directory, target_is_directory=True)
    with closing(LevelDBStore(directory)):
        for name in ("store", "./store", "store/../store", "link", f"{directory}/"):
            with pytest.raises(StoreLocked):
                LevelDBStore(Path(name))


def test_the_store_of_another_process(directory: Path, open_store: OpenStore) -> None:
    with running("hold", directory):
        for _ in range(3):
            with pytest.raises(StoreLocked, match="another process"):
                LevelDBStore(directory)
        outside(directory)
    store = open_store()
    assert list(store.keys(b"", None)) == [b"held", b"still held"]


def test_a_killed_holder_holds_nothing(directory: Path, open_store: OpenStore) -> None:
    with running("hold", directory) as process:
        process.kill()
        process.wait()
        assert list(open_store().keys(b"", None)) == [b"held"]


def test_a_child_does_not_use_what_its_parent_opened(directory: Path) -> None:
    child, parent, later, last = run("fork", directory)
    assert child == [*["NotConnected"] * 4, "StoreLocked"]
    assert parent == [1501, 1499]
    assert later == last == 1502


# -- directories of others


def test_directories_of_others_are_left_alone(directory: Path) -> None:
    with closing(plyvel.DB(str(directory), create_if_missing=True)) as plain:
        plain.put(b"a", b"1")
    before = {one.name: one.read_bytes() for one in directory.iterdir()}
    with pytest.raises(ForeignStore, match="directory of its own"):
        LevelDBStore(directory)
    assert {one.name: one.read_bytes() for one in directory.iterdir()} == before


def test_a_directory_with_anything_in_it_is_not_taken(directory: Path) -> None:
    directory.mkdir()
    (directory / "notes.txt").write_text("mine")
    with pytest.raises(ForeignStore):
        LevelDBStore(directory)
    assert [one.name for one in directory.iterdir()] == ["notes.txt"]


def test_a_newer_format_is_refused(directory: Path) -> None:
    LevelDBStore(directory).close()
    file = directory / "DOCMAP"
    start = b"docmap leveldb \x02"
    with file.open("r+b") as header:
        header.write(start + struct.pack("<I", zlib.crc32(start)))
    with pytest.raises(ForeignStore, match="upgrade docmap"):
        LevelDBStore(directory)


def test_what_is_no_place_for_a_store(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(StorageError, match="is not a directory"):
        LevelDBStore(tmp_path / "file")
    with pytest.raises(StorageError, match="directory above it does not exist"):
        LevelDBStore(tmp_path / "none" / "store")
    with pytest.raises(StorageError, match="create"):
        LevelDBStore(tmp_path / "none", create=False)
    assert not (tmp_path / "none").exists()


def test_the_maker_of_a_store_was_killed(directory: Path) -> None:
    directory.mkdir()
    for left in (b"", b"docmap l"):
        (directory / "DOCMAP").write_bytes(left)
        LevelDBStore(directory).close()
        for file in directory.iterdir():
            file.unlink()
    LevelDBStore(directory).close()
    (directory / "DOCMAP").write_bytes(b"")
    with pytest.raises(CorruptStore, match="DOCMAP"):
        LevelDBStore(directory)


def test_one_slot_is_whole_while_the_other_is_written(directory: Path) -> None:
    with closing(LevelDBStore(directory)) as store:
        for number in range(9):
            store.write({b"%d" % number: b""}, ())
    data = bytearray((directory / "DOCMAP").read_bytes())
    numbers = [int.from_bytes(data[start : start + 8], "little") for start in (64, 128)]
    assert sorted(numbers) == [8, 9]
    start = (64, 128)[numbers.index(9)]
    data[start : start + 4] = os.urandom(4)
    (directory / "DOCMAP").write_bytes(data)
    with closing(LevelDBStore(directory)) as store:
        assert store._guard.acknowledged == 8
        store.write({b"more": b""}, ())
        assert store._guard.acknowledged == 10
