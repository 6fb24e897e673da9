"""The change feed of PostgreSQL: in the order of commits, whoever writes, woken by the server."""

from __future__ import annotations

import threading
from contextlib import suppress

import pytest

from docmap import Document, NotConnected, StorageError
from docmap_backends.postgresql import PostgreSQLStorage
from tests.postgresql.conftest import Opened, role, until

pytestmark = pytest.mark.engine("postgresql")


class Order(Document, collection="orders"):
    status: str = "new"


class Note(Document, collection="notes"):
    id: int
    text: str = ""


def test_changes_come_in_the_order_of_commits(db: PostgreSQLStorage, opened: Opened) -> None:
    other = opened()
    with db.watch(Order, wait=20) as changes:
        begun, go_on = threading.Event(), threading.Event()

        def slow() -> None:
            with other.transaction():
                Order(id="slow").save(other)
                begun.set()
                go_on.wait(20)

        def quick() -> None:
            Order(id="quick").save(db)  # waits for its turn

        threads = [threading.Thread(target=slow)]
        threads[0].start()
        assert begun.wait(20)
        threads.append(threading.Thread(target=quick))
        threads[1].start()
        go_on.set()
        assert [next(changes).key for _ in range(2)] == ["slow", "quick"]
        for thread in threads:
            thread.join()


def test_what_is_not_committed_is_not_told(db: PostgreSQLStorage) -> None:
    changes = db.watch(Order, wait=0)
    with db.transaction():
        Order(id="a").save(db)
        assert list(changes) == []
    with suppress(ZeroDivisionError), db.transaction():
        Order(id="b").save(db)
        raise ZeroDivisionError
    assert [change.key for change in changes] == ["a"]


def test_other_programs_are_told_of_too(db: PostgreSQLStorage) -> None:
    db.insert_many([Order(id=str(n)) for n in range(3)])
    with db.watch(Order, wait=0) as changes:
        db._connections.written(
            """UPDATE orders SET doc = doc || '{"status": "paid"}' WHERE key = '1'"""
        )
        db._connections.written("DELETE FROM orders WHERE key = '2'")
        told = [(change.kind, change.key) for change in changes]
    assert told == [("update", "1"), ("delete", "2")]


def test_a_batch_is_told_document_by_document(db: PostgreSQLStorage) -> None:
    with db.watch(Order, wait=0) as changes:
        db.insert_many([Order(id=f"{n:04}") for n in range(1200)])
        assert [change.key for change in changes] == [f"{n:04}" for n in range(1200)]


def test_a_watch_that_waits_is_woken_and_ended(db: PostgreSQLStorage, opened: Opened) -> None:
    other = opened()
    seen: list[str] = []
    watch = db.watch(Order)

    def follow() -> None:
        seen.extend(change.key for change in watch)

    thread = threading.Thread(target=follow)
    thread.start()
    for number in range(3):
        Order(id=str(number)).save(other)
    for _ in range(2000):
        if len(seen) == 3:
            break
        thread.join(0.01)
    watch.close()
    thread.join(20)
    assert not thread.is_alive()
    assert seen == ["0", "1", "2"]


def test_other_programs_go_on_writing_a_table_of_theirs_that_is_watched(
    db: PostgreSQLStorage, opened: Opened
) -> None:
    run = db._connections.script
    run(["CREATE TABLE theirs(num int PRIMARY KEY, data jsonb, seen bool)"])
    other = opened(tables="notes=theirs(num,data)")
    with other.watch(Note, wait=0) as changes:
        run(["""INSERT INTO theirs VALUES (1, '{"id": 1}'), (2, NULL)"""])
        Note(id=3).save(other)
        run(["""UPDATE theirs SET data = '{"id": 2}' WHERE num = 2"""])
        run(["UPDATE theirs SET seen = true"])
        run(["UPDATE theirs SET data = NULL WHERE num = 1"])
        run(["DELETE FROM theirs WHERE num < 3"])
        told = [(change.kind, change.key) for change in changes]
    assert told == [
        *(("insert", 1), ("insert", 3), ("insert", 2)),
        *(("delete", 1), ("delete", 2)),
    ]
    other.unwatch(Note)
    other.clear()
    assert db._connections.rows("SELECT count(*) FROM theirs") == [(b"0",)]
    run(["DROP TABLE theirs"])


def test_who_writes_needs_no_rights_on_the_log(
    db: PostgreSQLStorage, server_url: str, opened: Opened
) -> None:
    Order(id="a").save(db)
    with role(db, server_url) as (name, url):
        db._connections.written(f"GRANT INSERT, UPDATE, DELETE, SELECT ON orders TO {name}")
        db._connections.written(f"GRANT SELECT ON docmap_collections, docmap_indexes TO {name}")
        with db.watch(Order, wait=0) as changes, PostgreSQLStorage(url) as other:
            Order(id="b").save(other)
            other.delete(Order, "a")
            told = [(change.kind, change.key) for change in changes]
            with pytest.raises(StorageError):
                other._connections.rows("SELECT * FROM docmap_changes")
            other._connections.script(
                ["CREATE TEMP TABLE docmap_changes(collection text, kind text, rev int, doc jsonb)"]
            )
            Order(id="c").save(other)
            assert [change.key for change in changes] == ["c"]
    assert told == [("insert", "b"), ("delete", "a")]


@pytest.mark.parametrize("waiting", [False, True])
def test_no_feed_listens_once_the_storage_is_closed(
    db: PostgreSQLStorage, opened: Opened, *, waiting: bool
) -> None:
    listening = (
        "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'LISTEN%'"
    )
    other = opened()
    watch = other.watch(Order, wait=None if waiting else 0.01)
    ended = threading.Event()

    def follow() -> None:
        with suppress(NotConnected):
            list(watch)
        ended.set()

    thread = threading.Thread(target=follow)
    thread.start()
    until(lambda: db._rows(listening))
    if not waiting:
        thread.join(20)
    other.disconnect()
    assert ended.wait(20)
    until(lambda: not db._rows(listening))
    thread.join(20)


def test_an_emptied_table_is_told_of(db: PostgreSQLStorage) -> None:
    db.insert_many([Order(id=str(n)) for n in range(3)])
    with db.watch(Order, wait=0) as changes:
        db._connections.written("TRUNCATE orders")
        told = sorted((change.kind, change.key) for change in changes)
    assert told == [("delete", "0"), ("delete", "1"), ("delete", "2")]
