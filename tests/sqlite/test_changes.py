"""The change feed of a file: every process and program is seen, killed ones too."""

from __future__ import annotations

import json
import random
import sqlite3
from collections.abc import Callable, Iterable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from docmap import (
    BaseStorageAdapter,
    ChangeEvent,
    ChangesLost,
    Document,
    InvalidRecord,
    Unsupported,
    connect,
)
from tests.sqlite.programs import Note, note, start
from tests.sqlite.test_safety import held, kill_a_writer

Open = Callable[..., BaseStorageAdapter]


class Item(Document, collection="Items"):
    name: str = ""
    size: float = 0.0


def plainly(file: Path, *statements: str, **values: Any) -> None:
    """Run statements as a program that knows nothing of docmap, in one transaction."""
    with closing(sqlite3.connect(file, timeout=5)) as connection, connection:
        for statement in statements:
            connection.execute(statement, values)


def told(changes: Iterable[ChangeEvent[Any]]) -> list[tuple[str, Any, Any]]:
    return [(change.kind, change.key, getattr(change.document, "name", None)) for change in changes]


def played(changes: Iterable[ChangeEvent[Note]], stored: dict[str, int]) -> None:
    """Apply changes; each has to follow from what was before it."""
    for change in changes:
        assert (change.kind == "insert") == (change.key not in stored)
        if change.document is None:
            del stored[change.key]
        else:
            assert change.document == note(change.key, change.document.number)
            stored[change.key] = change.document.number


# -- processes


def test_killed_writers_leave_nothing_out(
    file: Path, rng: random.Random, *, long_run: bool
) -> None:
    """Each time the feed is taken up by its token, in a storage that knows nothing of before."""
    expected: dict[str, int] = {}
    followed: dict[str, int] = {}
    with connect(f"sqlite:///{file}") as db:
        db.ensure_indexes(Note)
        token = db.watch(Note).token
    for _ in range(50 if long_run else 8):
        kill_a_writer(file, rng.random(), rng.randrange(1, 30), expected)
        with connect(f"sqlite:///{file}") as db:
            feed = db.watch(Note, after=token, wait=0)
            played(feed, followed)
            token = feed.token
            expected = held(db)
            assert followed == expected
    assert len(followed) > 10


def test_a_feed_follows_several_processes(file: Path, opened: Open) -> None:
    """What each process wrote comes in its order, and all of it."""
    db = opened()
    db.ensure_indexes(Note)
    with db.watch(Note) as feed:
        writers = [start("insert", file, name, 30) for name in "abc"]
        seen = [next(feed).key for _ in range(90)]
        for writer in writers:
            writer.communicate()
            assert writer.returncode == 0
    for name in "abc":
        assert [key for key in seen if key[0] == name] == [f"{name}-{n}" for n in range(30)]


def test_a_storage_that_was_open_before(opened: Open) -> None:
    early, late = opened(), opened()
    early.insert(Item(id="a"))
    feed = late.watch(Item, wait=0)
    early.insert(Item(id="b"))
    early.find(Item).delete()
    assert sorted(told(feed)) == [("delete", "a", None), ("delete", "b", None), ("insert", "b", "")]


def test_nothing_is_logged_before_anybody_watches(file: Path, opened: Open) -> None:
    db = opened()
    db.insert(Item(id="a"))
    tables = {name for (name,) in _rows(file, "SELECT name FROM sqlite_master")}
    assert not {name for name in tables if "change" in name or "log" in name or "watch" in name}
    db.watch(Item)
    db.insert(note("a", 1))
    db.insert(Item(id="b"))
    assert _rows(file, "SELECT collection, kind, key FROM docmap_changes") == [
        ("Items", "insert", "b")
    ]


def test_a_collection_that_comes_later(opened: Open) -> None:
    """Also where one storage watches, another clears, and a third makes the collection anew."""
    first, second, third = opened(), opened(), opened()
    feed = first.watch(Item, wait=0)
    second.insert(Item(id="a"))
    second.clear()
    third.insert(Item(id="b"))
    assert told(feed) == [("insert", "a", ""), ("delete", "a", None), ("insert", "b", "")]


def test_a_read_only_storage(file: Path, opened: Open) -> None:
    writer = opened()
    writer.insert(Item(id="a"))
    reader = opened(read_only=True)
    with pytest.raises(Unsupported, match="read_only"):
        reader.watch(Item)
    writer.watch(Item)
    feed = reader.watch(Item, wait=0)
    writer.insert(Item(id="b"))
    assert told(feed) == [("insert", "b", "")]


def test_unwatch_leaves_nothing_behind(file: Path, opened: Open) -> None:
    db, other = opened(), opened()
    db.insert(Item(id="a"))
    db.watch(Item)
    other.unwatch(Item)
    db.insert(Item(id="b"))
    assert _rows(file, "SELECT * FROM docmap_watched") == []
    assert _rows(file, "SELECT * FROM docmap_changes") == []
    triggers = "SELECT name FROM sqlite_master WHERE type='trigger' AND name LIKE '%log%'"
    assert _rows(file, triggers) == []


# -- what is kept


def test_the_log_does_not_grow_without_end(file: Path, opened: Open) -> None:
    db = opened(kept_changes=100)
    first = db.watch(Item).token
    for _ in range(5):
        db.insert_many(Item, [{} for _ in range(100)])
    ((count,),) = _rows(file, "SELECT count(*) FROM docmap_changes")
    assert 100 <= count <= 110
    with pytest.raises(ChangesLost):
        opened().watch(Item, after=first)


def test_another_bound_is_taken_over_if_it_is_given(file: Path, opened: Open) -> None:
    opened().watch(Item)
    db = opened(kept_changes=20)
    db.watch(Item)
    opened().watch(Item)  # says nothing of a bound
    db.insert_many(Item, [{} for _ in range(200)])
    ((count,),) = _rows(file, "SELECT count(*) FROM docmap_changes")
    assert 20 <= count <= 22


def test_a_file_put_back_to_an_earlier_state(opened: Open, tmp_path: Path) -> None:
    db = opened()
    feed = db.watch(Item, wait=0)
    db.insert(Item(id="a"))
    copy = tmp_path / "copy.db"
    db.native.execute(f"VACUUM INTO '{copy}'")
    db.insert(Item(id="b"))
    assert len(list(feed)) == 2
    with connect(f"sqlite:///{copy}") as old, pytest.raises(ChangesLost):
        old.watch(Item, after=feed.token)


# -- other programs


ADD = 'INSERT INTO "^items"(key, doc) VALUES(:key, :doc)'


def doc(**fields: Any) -> str:
    return json.dumps(fields)


class TestOtherPrograms:
    @pytest.fixture
    def db(self, opened: Open) -> BaseStorageAdapter:
        db = opened()
        db.insert_many(Item, [{"id": "a", "name": "1"}, {"id": "b", "name": "1"}])
        return db

    def test_insert_update_delete(self, db: BaseStorageAdapter, file: Path) -> None:
        feed = db.watch(Item, wait=0)
        plainly(file, ADD, key="x", doc=doc(name="2"))
        plainly(file, "UPDATE \"^items\" SET doc=json_set(doc, '$.name', '3') WHERE key='a'")
        plainly(file, "DELETE FROM \"^items\" WHERE key='b'")
        assert told(feed) == [("insert", "x", "2"), ("update", "a", "3"), ("delete", "b", None)]
        assert db.find(Item).count() == 2  # which brings their rows into docmap's form
        assert list(feed) == []

    def test_a_row_that_was_taken_over_and_changed(
        self, db: BaseStorageAdapter, file: Path
    ) -> None:
        feed = db.watch(Item, wait=0)
        plainly(file, ADD, key="x", doc=doc(name="2"))
        item = db.get(Item, "x")
        item.name = "3"
        item.save()
        plainly(file, "UPDATE \"^items\" SET doc=json_set(doc, '$.name', '4')")
        db.find(Item).delete()
        found = told(feed)
        assert found[:2] == [("insert", "x", "2"), ("update", "x", "3")]
        assert sorted(found[2:5]) == [("update", key, "4") for key in "abx"]
        assert sorted(found[5:]) == [("delete", key, None) for key in "abx"]

    def test_upserts_and_replacements(self, db: BaseStorageAdapter, file: Path) -> None:
        feed = db.watch(Item, wait=0)
        replace = ADD.replace("INSERT", "INSERT OR REPLACE")
        ignore = ADD.replace("INSERT", "INSERT OR IGNORE")
        plainly(
            file, f"{ADD} ON CONFLICT DO UPDATE SET doc=excluded.doc", key="a", doc=doc(name="2")
        )
        plainly(file, replace, key="a", doc=doc(name="3"))
        plainly(file, replace, key="x", doc=doc(name="4"))
        plainly(file, ignore, key="a", doc=doc(name="5"))
        plainly(file, replace, key="a", doc=doc(name="6"))
        plainly(file, ignore, key="y", doc=doc(name="7"))
        plainly(file, ignore, "DELETE FROM \"^items\" WHERE key='y'", key="y", doc="{}")
        plainly(file, ADD, key="y", doc=doc(name="8"))
        assert told(feed) == [
            ("update", "a", "2"),
            ("update", "a", "3"),
            ("insert", "x", "4"),
            ("update", "a", "6"),
            ("insert", "y", "7"),
            ("delete", "y", None),
            ("insert", "y", "8"),
        ]
        assert told(db.watch(Item, after=feed.token, wait=0)) == []

    def test_another_key(self, db: BaseStorageAdapter, file: Path) -> None:
        feed = db.watch(Item, wait=0)
        plainly(file, "UPDATE \"^items\" SET key='z' WHERE key='a'")
        assert told(feed) == [("delete", "a", None), ("insert", "z", "1")]

    def test_what_is_no_change(self, db: BaseStorageAdapter, file: Path) -> None:
        feed = db.watch(Item, wait=0)
        plainly(file, 'UPDATE "^items" SET rev=5, own=own')
        with pytest.raises(sqlite3.IntegrityError):
            plainly(file, ADD, key="a", doc="{}")
        with closing(sqlite3.connect(file)) as connection:
            connection.execute(ADD, {"key": "y", "doc": "{}"})
            connection.rollback()
        assert list(feed) == []

    def test_its_document_can_be_saved(self, db: BaseStorageAdapter, file: Path) -> None:
        feed = db.watch(Item, wait=0)
        plainly(file, "UPDATE \"^items\" SET doc=json_set(doc, '$.name', '3') WHERE key='a'")
        (change,) = feed
        assert change.document is not None
        change.document.name = "4"
        change.document.save()
        assert db.get(Item, "a").name == "4"

    def test_what_does_not_fit(self, db: BaseStorageAdapter, file: Path) -> None:
        feed = db.watch(Item, wait=0)
        plainly(file, ADD, key="x", doc='{"name": 1e999}')
        plainly(file, ADD, key="y", doc="[1]")
        plainly(file, ADD, key="z", doc=doc(name="2"))
        for _ in "xy":
            with pytest.raises(InvalidRecord):
                next(feed)
        assert told(feed) == [("insert", "z", "2")]


def _rows(file: Path, statement: str) -> list[Any]:
    with closing(sqlite3.connect(file)) as connection:
        return connection.execute(statement).fetchall()
