"""`on_command`: what is told of each operation, to whom, and what a listener cannot break."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import docmap
from docmap import (
    BaseStorageAdapter,
    Command,
    Document,
    DocumentNotFound,
    InvalidQuery,
    connect,
)
from tests.storage.bare import Bare

SECRET = "hunter2"  # noqa: S105 - what must not be told


class Fact(Document, collection="facts"):
    kind: str = ""
    number: int = 0


@pytest.fixture
def told(db: BaseStorageAdapter) -> Iterator[list[Command]]:
    found: list[Command] = []
    stop = db.on_command(found.append)
    yield found
    stop()


OPERATIONS: list[tuple[Callable[[BaseStorageAdapter], Any], tuple[str, str, int]]] = [
    (lambda db: db.save(Fact(id="new")), ("save", "by key", 1)),
    (lambda db: db.upsert(Fact(id="a")), ("upsert", "by key", 1)),
    (lambda db: db.get(Fact, "a"), ("get", "by key", 1)),
    (lambda db: db.get_many(Fact, "abz"), ("get_many", "by key", 2)),
    (lambda db: db.insert_many([Fact(), Fact()]), ("insert_many", "by key", 2)),
    (lambda db: db.delete(Fact, "z"), ("delete", "by key", 0)),
    (lambda db: db.find(Fact).list(), ("find", "everything", 2)),
    (lambda db: db.find(Fact, kind="x").list(), ("find", "kind == ?", 1)),
    (lambda db: db.find(Fact, kind="x").count(), ("count", "kind == ?", 1)),
    (lambda db: db.find(Fact, kind="q").exists(), ("exists", "kind == ?", 0)),
    (lambda db: db.find(Fact).values("kind"), ("values", "everything", 2)),
    (lambda db: db.find(Fact, kind="y").delete(), ("delete", "kind == ?", 1)),
]


@pytest.mark.parametrize(("operation", "expected"), OPERATIONS)
def test_each_operation_is_told_once(
    db: BaseStorageAdapter,
    told: list[Command],
    operation: Callable[[BaseStorageAdapter], Any],
    expected: tuple[str, str, int],
) -> None:
    db.insert_many([Fact(id="a", kind="x"), Fact(id="b", kind="y")])
    told.clear()
    operation(db)
    (command,) = told
    assert (command.name, command.plan, command.count) == expected
    assert (command.engine, command.collection, command.failure) == (db.scheme, "facts", "")
    assert command.storage is db
    assert command.native == (db.scheme != "bare" or "==" not in command.plan)


def test_the_times_are_parts_of_the_whole(db: BaseStorageAdapter, told: list[Command]) -> None:
    db.insert_many([Fact(number=number) for number in range(2000)])
    for fact in db.find(Fact):
        assert fact.number >= 0
    db.get_many(Fact, [fact.id for fact in db.find(Fact)[:100]])
    for command in told:
        parts = (command.queue, command.decode, command.engine_seconds)
        assert min(parts) >= 0
        assert sum(parts) <= command.seconds * 1.001


def test_a_failure_is_told_with_its_class(db: BaseStorageAdapter, told: list[Command]) -> None:
    with pytest.raises(DocumentNotFound):
        db.get(Fact, "none")
    db.save(Fact())

    def refuse(_: Any) -> None:
        raise LookupError

    for document in db.find(Fact).on_invalid(refuse):
        assert document.kind == ""
    failed = told[0]
    assert (failed.name, failed.failure, failed.count) == ("get", "DocumentNotFound", 0)
    with pytest.raises(InvalidQuery):
        db.find(Fact, number="x")
    assert len(told) == 3  # a query that cannot be built was never run


def test_an_engine_s_failure_in_a_query_is_told() -> None:
    class Broken(Bare):
        def _scan(self, schema: Any) -> Any:
            raise OSError

    with Broken() as db:
        told: list[Command] = []
        db.on_command(told.append)
        for ask in (db.find(Fact).count, db.find(Fact).list):
            with pytest.raises(OSError):  # noqa: PT011 - the one above
                ask()
        assert [(one.name, one.failure) for one in told] == [
            ("count", "OSError"),
            ("find", "OSError"),
        ]


def test_nothing_secret_is_told(db: BaseStorageAdapter, told: list[Command]) -> None:
    db.save(Fact(id=SECRET, kind=SECRET))
    db.find(Fact, kind=SECRET).list()
    db.find(Fact, kind__startswith=SECRET).delete()
    assert len(told) == 3
    assert SECRET not in repr(told)


def test_everywhere_and_only_as_long_as_wanted(
    db: BaseStorageAdapter, second: BaseStorageAdapter
) -> None:
    told: list[Command] = []
    stop = docmap.on_command(told.append)
    try:
        db.save(Fact())
        second.save(Fact())
        assert [one.storage for one in told] == [db, second]
    finally:
        stop()
    stop()  # ended already
    db.save(Fact())
    assert len(told) == 2


def test_a_storage_tells_of_itself_and_of_its_views(
    db: BaseStorageAdapter, second: BaseStorageAdapter, told: list[Command]
) -> None:
    second.save(Fact())
    assert told == []
    db.options(allow_scan=True).save(Fact())
    assert len(told) == 1


def test_a_listener_breaks_nothing(
    db: BaseStorageAdapter, caplog: pytest.LogCaptureFixture
) -> None:
    told: list[Command] = []

    def broken(command: Command) -> None:
        raise ValueError("of the listener")

    db.on_command(broken)
    db.on_command(told.append)
    with caplog.at_level(logging.ERROR, logger="docmap"):
        key = db.save(Fact())
    assert db.get(Fact, key).id == key
    assert len(told) == 2
    assert "a listener of on_command failed with ValueError" in caplog.text


def test_a_listener_may_store_what_it_hears(db: BaseStorageAdapter) -> None:
    """Its own operations are not told, else it would hear itself without end."""
    db.on_command(lambda command: db.insert_many("heard", [{"name": command.name}]))
    db.save(Fact())
    db.find(Fact).list()
    assert sorted(row["name"] for row in db.find("heard")) == ["find", "save"]


def test_what_is_no_function_is_refused(db: BaseStorageAdapter) -> None:
    with pytest.raises(TypeError, match="takes a function, not str"):
        db.on_command("print")  # type: ignore[arg-type]


def test_decoding_and_encoding_are_timed_apart(db: BaseStorageAdapter, told: list[Command]) -> None:
    db.insert_many([Fact(number=number) for number in range(200)])
    key = next(iter(db.find(Fact))).id
    db.get(Fact, key)
    db.find(Fact).list()
    db.find(Fact).count()
    assert [(one.name, one.decode > 0) for one in told] == [
        ("insert_many", True),
        ("find", True),
        ("get", True),
        ("find", True),
        ("count", False),
    ]


def test_waiting_for_another_writer_is_queueing(tmp_path: Path) -> None:
    told: list[Command] = []
    with connect(f"sqlite:///{tmp_path / 'a.db'}") as db:
        db.ensure_indexes(Fact)
        db.on_command(told.append)
        inside, leave = threading.Event(), threading.Event()

        def hold() -> None:
            with db.transaction():
                inside.set()
                leave.wait()

        def write() -> None:
            db.save(Fact())

        threads = [threading.Thread(target=hold), threading.Thread(target=write)]
        threads[0].start()
        inside.wait()
        threads[1].start()
        time.sleep(0.5)  # most of it is left for waiting, however late the thread begins
        leave.set()
        for thread in threads:
            thread.join()
    (command,) = told
    assert command.queue > 0.02
    assert command.engine_seconds < command.seconds - command.queue + 1e-6


def test_the_program_s_hooks_are_in_no_part(db: BaseStorageAdapter, told: list[Command]) -> None:
    @db.before("save")
    def slow(_: Any) -> None:
        time.sleep(0.05)

    @db.after("save")
    def another(_: Any, storage: BaseStorageAdapter) -> None:
        storage.get(Fact, "a")  # an operation of its own, told before the one it is part of

    db.insert(Fact(id="a"))
    inner, outer = told
    assert (inner.name, outer.name) == ("get", "insert")
    assert outer.seconds > 0.05
    assert outer.engine_seconds + outer.queue + outer.decode < outer.seconds - 0.04
