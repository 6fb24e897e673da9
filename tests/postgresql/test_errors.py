"""PostgreSQL's errors as docmap's: the whole table, and those that a server really gives."""

from __future__ import annotations

import threading
import traceback
from collections.abc import Callable
from typing import Annotated

import psycopg
import pytest
from psycopg import errors as pg
from pydantic import Field

from docmap import (
    DocmapError,
    Document,
    ForeignStore,
    Index,
    Indexed,
    InvalidConfig,
    OutcomeUnknown,
    StorageError,
    StorageFull,
    TransactionConflict,
    Unavailable,
)
from docmap.storage.url import URL
from docmap_backends._postgresql_errors import translated
from docmap_backends.postgresql import PostgreSQLStorage
from tests.postgresql.conftest import Opened
from tests.postgresql.lacking import Lacking

pytestmark = pytest.mark.engine("postgresql")
KINDS = [one for one in vars(pg).values() if isinstance(one, type) and issubclass(one, pg.Error)]
STATES = sorted({one.sqlstate for one in KINDS if isinstance(one.sqlstate, str)})


class Order(Document, collection="orders"):
    status: str = "new"


@pytest.mark.parametrize("write", [False, True])
def test_every_error_of_the_driver_is_one_of_docmaps(*, write: bool) -> None:
    assert len(STATES) > 200
    for state in STATES:
        found = translated(pg.lookup(state)("x"), "a server", sent_write=write)
        assert isinstance(found, StorageError)
        assert found.engine == "postgresql"


@pytest.mark.parametrize(
    ("state", "kind"),
    [
        ("40001", TransactionConflict),
        ("40P01", TransactionConflict),
        ("53100", StorageFull),
        ("53300", Unavailable),
        ("57014", Unavailable),
        ("57P03", Unavailable),
        ("25006", StorageError),
        ("28P01", StorageError),
        ("42501", StorageError),
    ],
)
def test_what_a_program_would_do_about_it(state: str, kind: type[StorageError]) -> None:
    assert type(translated(pg.lookup(state)("x"), "a server")) is kind


def test_an_answer_that_never_came_is_known_for_reads_alone() -> None:
    for error in (psycopg.OperationalError("gone"), pg.AdminShutdown("gone"), pg._WaitTimeout("")):
        assert type(translated(error, "a server")) is Unavailable
        assert type(translated(error, "a server", sent_write=True)) is OutcomeUnknown


@pytest.mark.parametrize("host", ["127.0.0.1:1", "nowhere.invalid", "127.0.0.1:1,127.0.0.1:2"])
def test_a_server_that_is_not_there_is_named(host: str) -> None:
    with pytest.raises(Unavailable, match=host.partition(":")[0].replace(".", r"\.")):
        PostgreSQLStorage(f"postgresql://ann:secret@{host}/shop").connect()


@pytest.mark.parametrize(
    "options", [{"pool_size": 0}, {"isolation": "total"}, {"connect_timeout": 0.0}, {"host": "x"}]
)
def test_options_that_cannot_be(options: dict[str, object]) -> None:
    with pytest.raises(InvalidConfig):
        PostgreSQLStorage("postgresql://127.0.0.1/shop", **options)


def test_a_deadlock_is_a_conflict(db: PostgreSQLStorage, opened: Opened) -> None:
    db.insert_many([Order(id="a"), Order(id="b")])
    other = opened(isolation="read committed")
    storage = opened(isolation="read committed")
    gate = threading.Barrier(2)
    ended: list[str] = []

    def work(mine: PostgreSQLStorage, first: str, second: str) -> None:
        try:
            with mine.transaction():
                mine.find(Order, id=first).update(status=first)
                gate.wait(20)
                mine.find(Order, id=second).update(status=first)
        except TransactionConflict:
            ended.append("conflict")
        else:
            ended.append("done")

    threads = [
        threading.Thread(target=work, args=(storage, "a", "b")),
        threading.Thread(target=work, args=(other, "b", "a")),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(ended) == ["conflict", "done"]


SECRET = "hunter2"  # noqa: S105 - what may not be shown


def test_no_object_shows_a_secret_of_the_options() -> None:
    where = "postgresql://ann:hunter2@127.0.0.1/shop"
    for db in (
        PostgreSQLStorage(f"{where}?sslpassword=hunter2"),
        PostgreSQLStorage(where, sslpassword=SECRET),
    ):
        assert SECRET not in repr(vars(db))
        assert SECRET not in repr(db._server)
        assert SECRET in db._server.conninfo()


LEAKS: dict[str, Callable[[PostgreSQLStorage], object]] = {
    "a key": lambda db: db.insert_many([Secret(id="b", code="x"), Secret(id=SECRET)]),
    "a unique value": lambda db: Secret(id="b", code=SECRET).save(db),
    "many unique values": lambda db: db.insert_many([Secret(code="a"), Secret(code=SECRET)]),
    "a replaced unique value": lambda db: db.upsert(Secret(id="c", code=SECRET)),
    "an element": lambda db: Secret(id="b", tags=[SECRET]).save(db),
    "a new index": lambda db: db.ensure_indexes(Unique),
    "data that are none": lambda db: db._connections.copy_in(
        "COPY secrets(key, rev, doc) FROM STDIN", [f"b\t{SECRET}\t{{}}\n".encode()]
    ),
    "a number that is none": lambda db: db._rows("SELECT %s::text::int", (SECRET,)),
}


class Secret(Document, collection="secrets", indexes=[Index("code", unique=True), "name"]):
    code: str | None = None
    name: str = ""
    tags: Annotated[list[str], Indexed(unique=True)] = Field(default_factory=list)


class Unique(Document, collection="secrets", indexes=[Index("name", unique=True)]):
    name: str = ""


@pytest.mark.parametrize("what", LEAKS)
def test_no_traceback_holds_a_value(db: PostgreSQLStorage, what: str) -> None:
    db.insert_many([Secret(id=SECRET, code=SECRET, name=SECRET, tags=[SECRET])])
    Secret(id="twin", name=SECRET).save(db)
    with pytest.raises(DocmapError) as caught:
        LEAKS[what](db)
    assert SECRET not in "".join(traceback.format_exception(caught.value))
    assert db.find(Secret).count() == 2 + (what in {"a key", "many unique values"})


def test_a_server_without_such_transactions_names_the_option(server_url: str) -> None:
    relay = Lacking(server_url, {"BEGIN ISOLATION LEVEL SERIALIZABLE": "0A000"})
    try:
        with PostgreSQLStorage(relay.url) as db:
            with pytest.raises(StorageError, match="isolation=repeatable read"), db.transaction():
                pass
            assert db.find(Order).count() == 0
        with PostgreSQLStorage(relay.url, isolation="repeatable read") as db, db.transaction():
            assert db.find(Order).count() == 0
    finally:
        relay.close()


def test_a_catalogue_of_another_program_is_refused(db: PostgreSQLStorage, server_url: str) -> None:
    run = db._connections.script
    run(["CREATE SCHEMA odd", "CREATE TABLE odd.docmap_collections(x int)"])
    try:
        with pytest.raises(ForeignStore, match="another program"):
            PostgreSQLStorage(server_url, schema="odd").connect()
        run(["COMMENT ON TABLE odd.docmap_collections IS 'docmap format 99'"])
        with pytest.raises(ForeignStore, match="newer format"):
            PostgreSQLStorage(server_url, schema="odd").connect()
    finally:
        run(["DROP SCHEMA odd CASCADE"])


def test_a_database_that_does_not_keep_every_text_is_refused(
    db: PostgreSQLStorage, server_url: str
) -> None:
    name = f"{URL.parse(server_url).path}_latin"
    db._connections.written(
        f"CREATE DATABASE {name} ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0"
    )
    try:
        with pytest.raises(StorageError, match="UTF8"):
            PostgreSQLStorage(server_url.replace(URL.parse(server_url).path, name)).connect()
    finally:
        db._connections.written(f"DROP DATABASE {name} WITH (FORCE)")
