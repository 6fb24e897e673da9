"""What docmap does on servers of PostgreSQL's protocol that lack what PostgreSQL has."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Annotated, Final

import pytest

from docmap import Document, Index, Indexed, StorageError
from docmap_backends.postgresql import PostgreSQLStorage
from tests.postgresql.applying import PROCESSES, applied_together
from tests.postgresql.lacking import Lacking, without_functions
from tests.servers import postgresql

LOCKS: Final = "pg_advisory_xact_lock(bigint)"
Lacks = Callable[..., tuple[Lacking, PostgreSQLStorage]]


class Order(Document, collection="orders", indexes=["status"]):
    number: Annotated[int, Indexed(unique=True)]
    status: str = "new"


class Tagged(Document, collection="tagged", indexes=[Index("tags", unique=True)]):
    tags: list[str]


@pytest.fixture
def lacks() -> Iterator[Lacks]:
    """A storage on a server that lacks statements, each with its SQLSTATE."""
    with ExitStack() as stack:

        def made(**statements: str) -> tuple[Lacking, PostgreSQLStorage]:
            relay = Lacking(
                postgresql.url("lacking"),
                {one.replace("_", " "): state for one, state in statements.items()},
            )
            stack.callback(relay.close)
            storage = stack.enter_context(PostgreSQLStorage(relay.url))
            stack.callback(_emptied, storage)
            _emptied(storage)
            return relay, storage

        yield made


def _emptied(storage: PostgreSQLStorage) -> None:
    storage.unwatch(Order)
    storage.clear()


def test_without_jit_there_is_nothing_to_switch_off(lacks: Lacks) -> None:
    relay, db = lacks(SET_jit="42704")
    Order(number=1).save(db)
    assert db.find(Order, number=1).count() == 1
    assert len(relay.refused) == 1  # it is asked for once


@pytest.mark.parametrize("state", ["0A000", "42601"])
def test_without_listen_a_feed_looks_at_the_log(lacks: Lacks, state: str) -> None:
    relay, db = lacks(LISTEN=state)
    gone = without_functions(postgresql.url("lacking"), "pg_notify(text,text)")
    with gone, db.watch(Order, wait=20) as feed, db.watch(Order, wait=1) as other:
        assert list(other) == []
        orders = [Order(number=n) for n in range(3)]
        for order in orders:
            order.save(db)
            assert next(feed).key == order.id
        assert [change.key for change in other] == [order.id for order in orders]
    assert 1 <= len(relay.refused) <= 2  # each feed asks once


def test_without_triggers_there_are_no_feeds(lacks: Lacks) -> None:
    _, db = lacks(CREATE_OR_REPLACE_FUNCTION="0A000")
    with pytest.raises(StorageError, match="lacks what the call needs"):
        db.watch(Order)
    order = Order(number=1)
    order.save(db)
    assert db.get(Order, order.id) == order


def test_without_triggers_no_element_is_unique(lacks: Lacks) -> None:
    _, db = lacks(CREATE_OR_REPLACE_FUNCTION="0A000")
    with pytest.raises(StorageError, match="lacks what the call needs"):
        Tagged(tags=["a"]).save(db)
    assert db.collections() == []
    assert db.find(Tagged).count() == 0


class TestWithoutLocks:
    @pytest.fixture
    def db(self) -> Iterator[PostgreSQLStorage]:
        url = postgresql.url("unlocked")
        with PostgreSQLStorage(url) as storage:
            storage.clear()
            with without_functions(url, LOCKS):
                storage.reconnect()  # what the server has is asked once
                yield storage
            storage.clear()

    def test_tables_are_made_and_removed(self, db: PostgreSQLStorage) -> None:
        Order(number=1).save(db)
        assert db.indexes(Order)["missing"] == []
        db.clear()
        assert db.collections() == []

    def test_programs_that_start_together_make_everything_once(
        self, db: PostgreSQLStorage, tmp_path: Path
    ) -> None:
        db._connections.script(["DROP TABLE IF EXISTS docmap_collections, docmap_indexes"])
        applied_together(postgresql.url("unlocked"), tmp_path, MODULE, "Order")
        db.reconnect()
        assert db.indexes(Order)["missing"] == []

    def test_threads_that_begin_together_make_everything_once(self, db: PostgreSQLStorage) -> None:
        for _ in range(5):
            db.clear()
            db._connections.script(["DROP TABLE IF EXISTS docmap_collections, docmap_indexes"])
            db.reconnect()
            _together(lambda n, own: Order(number=n).save(own))
            assert db.find(Order).count() == PROCESSES

    def test_a_unique_index_decides_who_creates(self, db: PostgreSQLStorage) -> None:
        db.ensure_indexes(Order)
        created: list[bool] = []
        for number in range(5):
            _together(partial(_create, created, number))
        assert (sum(created), len(created)) == (5, 5 * PROCESSES)
        assert db.find(Order).count() == 5


def _create(created: list[bool], number: int, _: int, own: PostgreSQLStorage) -> None:
    created.append(own.get_or_create(Order, number=number)[1])


def _together(work: Callable[[int, PostgreSQLStorage], object]) -> None:
    """Do something at once on storages of their own."""
    meeting, failed = threading.Barrier(PROCESSES), list[BaseException]()

    def run(number: int) -> None:
        try:
            with PostgreSQLStorage(postgresql.url("unlocked")) as own:
                meeting.wait(60)
                work(number, own)
        except BaseException as error:  # noqa: BLE001 - it is told by the thread that asked
            failed.append(error)

    threads = [threading.Thread(target=run, args=(n,)) for n in range(PROCESSES)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []


MODULE: Final = """
from typing import Annotated
from docmap import Document, Indexed

class Order(Document, collection="orders", indexes=["status"]):
    number: Annotated[int, Indexed(unique=True)]
    status: str = "new"
"""
