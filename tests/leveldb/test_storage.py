"""The adapter: options, what it tells, and what it refuses, through docmap's own face."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import plyvel
import pytest

from docmap import (
    BaseStorageAdapter,
    DuplicateKey,
    InvalidConfig,
    NotConnected,
    StaleDocument,
    StoreLocked,
    connect,
)
from docmap_backends.leveldb import LevelDBStorage
from tests.leveldb.test_kills import check_indexes, held
from tests.sqlite.programs import Counter, Note, Task, note

Open = Callable[..., BaseStorageAdapter]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"read_only": True}, "writes into its directory"),
        ({"cache": 0}, "MiB from 1"),
        ({"write_buffer": 0}, "MiB from 1"),
        ({"sync": "yes"}, "true or false"),
        ({"snyc": True}, "sync"),
    ],
)
def test_options_that_cannot_be(directory: Path, options: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidConfig, match=words) as caught:
        connect(f"leveldb:///{directory}", **options)
    assert caught.value.engine == "leveldb"
    assert not directory.exists()
    assert "read_only" not in LevelDBStorage.settings  # as which it would be told to exist


def test_a_url_without_a_directory() -> None:
    with pytest.raises(InvalidConfig, match="needs a directory"):
        connect("leveldb://")


def test_what_it_tells_of_itself(directory: Path) -> None:
    with connect(f"leveldb:///{directory}?sync=false&cache=1&write_buffer=1") as db:
        note("a", 1).save(db)
        db.sync()
        told = db.info()
        assert told["engine"] == "leveldb"
        assert told["isolation"] == "serializable"
        assert told["file"] == str(directory)
        assert told["size"] > 0
        assert isinstance(db.native, plyvel.DB)
        assert db.ping()
        native = db.native
    assert native.closed
    with pytest.raises(NotConnected):
        db.ping()


def test_it_opens_again(directory: Path) -> None:
    with connect(f"leveldb:///{directory}") as db:
        db.insert_many([note(f"{number}", number) for number in range(100)])
        with pytest.raises(StoreLocked):
            connect(f"leveldb:///{directory}")
        db.reconnect()
        check_indexes(db)
    with connect(f"leveldb:///{directory}") as db:
        check_indexes(db)
        assert db.collections() == ["notes"]
        assert db.indexes(Note)["missing"] == []


def test_threads_on_one_storage(directory: Path) -> None:
    with connect(f"leveldb:///{directory}?sync=false&timeout=60") as db:
        Counter(id="it").save(db)

        def work(name: int) -> list[str]:
            created = []
            for number in range(30):
                db.insert(note(f"{name}-{number}", number))
                while True:
                    counter = db.get(Counter, "it")
                    counter.value += 1
                    try:
                        counter.save()
                        break
                    except StaleDocument:
                        continue
                task = db.get_or_create(Task, name=f"{number}", defaults={"worker": f"{name}"})
                created += [task[0].name] if task[1] else []
                with pytest.raises(DuplicateKey):
                    db.insert(Task(name=f"{number}", worker=f"{name}"))
                assert db.find(Note, number=number).count() >= 1
                assert sum(1 for _ in db.find(Note)) > number
            return created

        with ThreadPoolExecutor(8) as threads:
            created = [name for own in threads.map(work, range(8)) for name in own]
        assert sorted(created) == sorted(map(str, range(30)))
        assert db.get(Counter, "it").value == 240
        assert len(held(db)) == 240
        check_indexes(db)


def test_a_transaction_of_another_thread(directory: Path) -> None:
    with connect(f"leveldb:///{directory}", timeout=0.05) as db:
        note("a", 1).save(db)

        def write() -> str:
            assert db.get(Note, "a").number == 1
            try:
                note("b", 2).save(db)
            except StoreLocked as error:
                return str(error)
            return ""

        with ThreadPoolExecutor(1) as threads:
            with db.transaction():
                db.upsert(note("a", 5))
                assert "timeout" in threads.submit(write).result()
            assert db.get(Note, "a").number == 5
        assert held(db) == {"a": 5}


def test_a_transaction_is_one_batch(directory: Path) -> None:
    with connect(f"leveldb:///{directory}") as db:
        note("a", 1).save(db)
        before = db.native.get(b"")
        with db.transaction():
            db.insert_many([note(f"{number}", number) for number in range(1000)])
            db.delete(Note, "a")
            assert db.find(Note).count() == 1000
            assert db.native.get(b"") == before
        (count,) = {int.from_bytes(db.native.get(b""), "little")}
        assert count == int.from_bytes(before, "little") + 1


def test_closing_inside_a_transaction(directory: Path) -> None:
    db = connect(f"leveldb:///{directory}")
    note("a", 1).save(db)
    with pytest.raises(NotConnected), db.transaction():  # noqa: PT012
        note("b", 2).save(db)
        db.disconnect()
    db.connect()
    assert held(db) == {"a": 1}
    note("c", 3).save(db)
    db.disconnect()


def test_what_it_tells_while_files_come_and_go(directory: Path) -> None:
    with connect(f"leveldb:///{directory}?sync=false&write_buffer=1") as db:
        with ThreadPoolExecutor(1) as threads:
            writing = threads.submit(
                lambda: [
                    db.insert_many("texts", [{"text": "x" * 50_000} for _ in range(30)])
                    for _ in range(40)
                ]
            )
            while not writing.done():
                assert db.info()["size"] > 0
            writing.result()
        assert db.find("texts").count() == 1200


def test_what_others_wrote_does_not_shut_the_store(directory: Path) -> None:
    """Through the driver's own object, or with LevelDB alone while the store is closed."""
    with connect(f"leveldb:///{directory}") as db:
        note("a", 1).save(db)
        db.native.put(b"other", b"1")
        with db.native.write_batch() as batch:
            batch.delete(b"x")
        note("b", 2).save(db)
    for key in ("c", "d"):
        others = plyvel.DB(str(directory))
        others.put(f"other {key}".encode(), bytes(100))
        others.close()
        with connect(f"leveldb:///{directory}") as db:
            note(key, 3).save(db)
    with connect(f"leveldb:///{directory}") as db:
        assert held(db) == {"a": 1, "b": 2, "c": 3, "d": 3}
        assert db.native.get(b"other") == b"1"
