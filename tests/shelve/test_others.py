"""Other programs write into docmap's shelf: noticed, adopted, indexed; what is none is left."""

from __future__ import annotations

import logging
import os
import pickle
import random
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import pytest
from pydantic import Field
from pydantic_core import from_json

from docmap import (
    BaseStorageAdapter,
    CorruptStore,
    Document,
    DocumentNotFound,
    ForeignStore,
    Indexed,
    InvalidConfig,
    InvalidValue,
    StaleDocument,
    StorageError,
    Unsupported,
    connect,
)
from docmap_backends._shelve_file import APPLICATION_ID
from tests.shelve.foreign import held, plain_sqlite, remove, store


class Person(Document, collection="people", indexes=["age", "tags"]):
    email: Annotated[str, Indexed(unique=True)]
    age: int
    tags: list[str] = Field(default_factory=list)


class City(Document, collection="cities", key="code"):
    code: int
    name: str


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A shelf's file."""
    return tmp_path / "shelf"


@pytest.fixture
def db(path: Path) -> Iterator[BaseStorageAdapter]:
    """A shelf with a few people."""
    with connect(f"shelve:///{path}") as storage:
        storage.insert_many(
            [Person(id=name, email=f"{name}@x", age=n) for n, name in enumerate("abcd")]
        )
        yield storage


@pytest.fixture
def plain(path: Path, db: BaseStorageAdapter) -> Iterator[sqlite3.Connection]:
    """Another program's connection to the same file."""
    with plain_sqlite(path) as connection:
        yield connection


def test_what_dbm_writes_is_found_by_every_read(
    db: BaseStorageAdapter, plain: sqlite3.Connection
) -> None:
    store(plain, "people:e", '{ "email": "e@x", "age": 40, "tags": ["new", "new"] }')
    assert db.get(Person, "e").age == 40
    store(plain, "people:a", '{"id":"a","email":"a@x","age":41}')
    assert db.find(Person, age=41).one().id == "a"
    assert "(age)" in db.find(Person, age=41).explain().indexes
    assert db.find(Person, age=0).count() == 0
    remove(plain, "people:b")
    assert db.find(Person).count() == 4
    store(plain, "people:f", '{"email":"f@x","age":50,"tags":["new"]}')
    assert [one.id for one in db.find(Person, tags__contains="new").order_by("id")] == ["e", "f"]
    store(plain, "people:g", '{"email":"g@x","age":60}')
    assert db.find(Person).values("age") == [2, 3, 40, 41, 50, 60]
    remove(plain, "people:g")
    with pytest.raises(DocumentNotFound):
        db.get(Person, "g")
    assert from_json(held(plain)[b"people:e"])["id"] == "e"
    assert db.native["people:f"] == {"email": "f@x", "age": 50, "tags": ["new"], "id": "f"}


def test_a_save_over_it_is_stale(db: BaseStorageAdapter, plain: sqlite3.Connection) -> None:
    one, two = db.get(Person, "a"), db.get(Person, "b")
    store(plain, "people:a", '{"email":"a@x","age":41}')
    remove(plain, "people:b")
    one.age = two.age = 5
    with pytest.raises(StaleDocument):
        one.save()
    with pytest.raises(StaleDocument):
        two.save()
    assert db.get(Person, "a").age == 41


def test_keys_and_collections_of_its_own(db: BaseStorageAdapter, plain: sqlite3.Connection) -> None:
    City(code=5, name="Rome").save(db)
    store(plain, "cities:#6", '{"name":"Oslo"}')
    store(plain, "ships:Ada", '{"tons":5}')
    store(plain, "ships:Bob", pickle.dumps({"tons": 6}))
    assert db.get(City, 6).name == "Oslo"
    assert held(plain)[b"cities:#6"] == b'{"name":"Oslo","code":6}'
    assert db.find("ships", tons=6).one() == {"id": "Bob", "tons": 6}
    assert sorted(db.collections()) == ["cities", "people", "ships"]
    assert held(plain)[b"ships:Bob"] == b'{"tons":6,"id":"Bob"}'


class Planted:
    def __reduce__(self) -> Any:
        return (os.mkdir, ("planted",))


def test_what_is_no_document_is_left_alone(
    db: BaseStorageAdapter,
    plain: sqlite3.Connection,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.chdir(tmp_path)
    odd = {
        b"people:a": b"[1]",
        b"people:x": pickle.dumps(Planted()),
        b"people:y": b'{"email": "b@x", "age": 1}',  # whose email another one has
        b"people:z": b'{"email": NaN}',
        b"people:#x": b"{}",
        b"settings": b"anything",
        b"\xff": b"\xff",
    }
    for key, value in odd.items():
        store(plain, key, value)
    with caplog.at_level(logging.WARNING, logger="docmap"):
        assert [one.id for one in db.find(Person).order_by("id")] == ["b", "c", "d"]
    assert "left out" in caplog.text
    assert not Path("planted").exists()
    assert {key: value for key, value in held(plain).items() if key in odd} == odd
    assert db.find(Person).count() == 3
    with pytest.raises(DocumentNotFound):
        db.get(Person, "a")
    Person(id="a", email="a@x", age=1).save(db)  # the place is free
    Person(id="x", email="x@x", age=1).save(db)
    assert db.find(Person).count() == 5
    store(plain, "people:z", '{"email":"z@x","age":9}')
    remove(plain, "people:y")
    assert db.find(Person).count() == 6
    assert db.find(Person, age=9).one().id == "z"


def test_exchanged_unique_values(db: BaseStorageAdapter, plain: sqlite3.Connection) -> None:
    plain.execute("BEGIN")
    store(plain, "people:a", '{"email":"b@x","age":1}')
    store(plain, "people:b", '{"email":"a@x","age":1}')
    plain.execute("COMMIT")
    assert db.find(Person, email="a@x").one().id == "b"
    assert db.find(Person, email="b@x").one().id == "a"


def test_a_stream_sees_what_was_there(db: BaseStorageAdapter, plain: sqlite3.Connection) -> None:
    db.insert_many([Person(email=f"{n}", age=n) for n in range(1_000)])
    stream = iter(db.find(Person))
    first = next(stream)
    for key in held(plain):
        if key != f"people:{first.id}".encode():
            remove(plain, key.decode())
    assert db.find(Person).count() == 1
    assert len(list(stream)) == 1_003


def test_transactions_keep_others_out(db: BaseStorageAdapter, path: Path) -> None:
    with plain_sqlite(path) as other:
        other.execute("PRAGMA busy_timeout=0")
        with db.transaction():
            db.delete(Person, "a")
            with pytest.raises(sqlite3.OperationalError):
                store(other, "people:a", "{}")
            with pytest.raises(Unsupported):
                db.native["people:a"] = {}
        assert db.find(Person).count() == 3


def test_random_writes_of_both(
    db: BaseStorageAdapter, plain: sqlite3.Connection, rng: random.Random, *, long_run: bool
) -> None:
    model = {one.id: one.age for one in db.find(Person)}
    for _ in range(2_000 if long_run else 200):
        key = rng.choice("abcdefghij")
        age = rng.randrange(20)
        kind = rng.randrange(6)
        if kind == 0:
            remove(plain, f"people:{key}")
            model.pop(key, None)
        elif kind < 3:
            store(plain, f"people:{key}", f'{{"email":"{key}@x","age":{age}}}')
            model[key] = age
        elif kind == 3:
            assert db.delete(Person, key) == (key in model)
            model.pop(key, None)
        else:
            db.upsert(Person(id=key, email=f"{key}@x", age=age))
            model[key] = age
        if rng.random() < 0.5:
            found = {one.id: one.age for one in db.find(Person)}
            assert found == model
            for value in range(0, 20, 7):
                expected = sorted(key for key, age in model.items() if age == value)
                assert [one.id for one in db.find(Person, age=value).order_by("id")] == expected


def test_many_threads_read_while_another_program_writes(db: BaseStorageAdapter, path: Path) -> None:
    faults: list[BaseException] = []
    done = threading.Event()

    def read() -> None:
        try:
            while not done.is_set():
                found = {one.id: one.age for one in db.find(Person)}
                assert len(found) == 4
                for key in found:
                    assert db.get(Person, key).id == key
                db.upsert(Person(id="d", email="d@x", age=found["d"]))
        except BaseException as error:  # told in the test's own thread
            faults.append(error)
            raise

    threads = [threading.Thread(target=read) for _ in range(3)]
    for thread in threads:
        thread.start()
    with plain_sqlite(path) as other:
        other.execute("PRAGMA busy_timeout=60000")
        for number in range(100):
            key = "abc"[number % 3]
            store(other, f"people:{key}", f'{{"email":"{key}@x","age":{number}}}')
    done.set()
    for thread in threads:
        thread.join()
    assert not faults
    assert sorted(one.age for one in db.find(Person)) == [3, 97, 98, 99]


# -- the face of a shelf


def test_the_native_object_is_a_shelf_of_json(db: BaseStorageAdapter) -> None:
    shelf = db.native
    assert shelf["people:a"] == {"id": "a", "email": "a@x", "age": 0, "tags": []}
    shelf["people:a"] |= {"x": 1}
    shelf["people:a"] = {"email": "a@x", "age": 77}
    shelf["notes"] = ["anything", 1]
    assert db.get(Person, "a").age == 77
    assert set(shelf) == {"people:a", "people:b", "people:c", "people:d", "notes"}
    assert len(shelf) == 5
    assert "notes" in shelf
    assert shelf.get("none") is None
    del shelf["notes"]
    del shelf["people:b"]
    assert db.find(Person).count() == 3
    with pytest.raises(KeyError):
        shelf["notes"]
    with pytest.raises(KeyError):
        del shelf["notes"]
    with pytest.raises(InvalidValue):
        shelf["x"] = object()
    shelf.dict[b"x"] = b"\x80"
    with pytest.raises(CorruptStore):
        shelf["x"]
    shelf.sync()
    shelf.close()
    assert db.find(Person).count() == 3


def test_read_only(db: BaseStorageAdapter, path: Path) -> None:
    with connect(f"shelve:///{path}?read_only=true") as reader:
        assert reader.find(Person, age=2).one().id == "c"
        for write in (
            lambda: Person(email="x", age=1).save(reader),
            lambda: reader.delete(Person, "a"),
            lambda: reader.native.__setitem__("x", 1),
        ):
            with pytest.raises(StorageError, match=r"read_only|for reading"):
                write()
        with plain_sqlite(path) as other:
            store(other, "people:a", '{"email":"a@x","age":40}')
        with pytest.raises(StorageError, match="another program"):
            reader.find(Person).count()
        assert db.get(Person, "a").age == 40
        assert reader.get(Person, "a").age == 40


@pytest.mark.parametrize(
    ("url", "error"),
    [
        ("shelve://", InvalidConfig),
        ("shelve:///x?synchronous=OFF", InvalidConfig),
        ("shelve:///no/such/directory/x", StorageError),
        ("shelve:///{}?read_only=true", StorageError),
    ],
)
def test_what_cannot_be_opened(url: str, error: type[Exception], tmp_path: Path) -> None:
    with pytest.raises(error):
        connect(url.format(tmp_path / "none"))
    assert list(tmp_path.iterdir()) == []


def test_newer_formats_are_refused(db: BaseStorageAdapter, path: Path) -> None:
    db.disconnect()
    with plain_sqlite(path) as plain:
        assert plain.execute("PRAGMA application_id").fetchone() == (APPLICATION_ID,)
        plain.execute("PRAGMA user_version=2")
    with pytest.raises(ForeignStore, match="newer docmap"):
        connect(f"shelve:///{path}")


def test_dbm_opens_the_file(db: BaseStorageAdapter, path: Path) -> None:
    """With the module itself where this Python has it."""
    with suppress(ImportError):
        with import_module("dbm.sqlite3").open(path, "c") as shelf:
            assert len(shelf) == 4
            assert from_json(shelf["people:a"])["email"] == "a@x"
            shelf["people:e"] = '{"email":"e@x","age":5}'
            del shelf["people:a"]
        assert sorted(one.id for one in db.find(Person)) == ["b", "c", "d", "e"]
    with plain_sqlite(path) as plain:
        assert len(held(plain)) == 4
