"""Tables of JSONB that other programs made, used as collections."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Annotated
from uuid import UUID

import pytest
from pydantic import Field

from docmap import (
    Document,
    DuplicateKey,
    ForeignStore,
    Index,
    InvalidConfig,
    Max,
    StaleDocument,
    StorageError,
    Stored,
    Sum,
)
from docmap_backends.postgresql import PostgreSQLStorage
from tests.postgresql.conftest import Opened

pytestmark = pytest.mark.engine("postgresql")


class Order(Document, collection="orders", indexes=["status"]):
    id: int
    status: str = "new"


class Note(Document, collection="notes"):
    id: UUID
    text: str


@pytest.fixture
def legacy(db: PostgreSQLStorage, opened: Opened) -> Iterator[PostgreSQLStorage]:
    """A database with two tables of another program, and a storage that is told of them."""
    run = db._connections.script
    run(
        [
            "CREATE SCHEMA shop",
            'CREATE TABLE shop."Orders"(num int PRIMARY KEY, data jsonb NOT NULL, seen bool)',
            """INSERT INTO shop."Orders" SELECT n, jsonb_build_object('id', n, 'status',
            CASE WHEN n %% 2 = 0 THEN 'paid' ELSE 'new' END, 'more', n) FROM
            generate_series(1, 20) n""",
            "CREATE TABLE texts(key uuid PRIMARY KEY, body jsonb, version bigint DEFAULT 7)",
        ]
    )
    yield opened(tables="orders=shop.Orders(num,data); notes=texts(key,body,version)")
    db.clear()
    run(["DROP SCHEMA shop CASCADE", "DROP TABLE texts"])


def test_it_is_read_before_anything_is_changed(legacy: PostgreSQLStorage) -> None:
    assert legacy.find(Order, status="paid").count() == 10
    assert [one.id for one in legacy.find(Order, id__gt=17).order_by("-id")] == [20, 19, 18]
    assert legacy.get(Order, 3).status == "new"
    assert [one.id for one in legacy.get_many(Order, [5, 99, 2])] == [5, 2]
    assert sorted(legacy.collections()) == ["notes", "orders"]
    ((count,),) = legacy._connections.rows(
        "SELECT count(*) FROM pg_attribute WHERE attname = 'docmap_rev'"
    )
    assert count == b"0"


def test_it_is_written(legacy: PostgreSQLStorage, opened: Opened) -> None:
    order = legacy.get(Order, 3)
    again = legacy.get(Order, 3)
    order.status = "sent"
    order.save(legacy)
    with pytest.raises(StaleDocument):
        again.save(legacy)
    Order(id=21).save(legacy)
    assert legacy.find(Order, status="new").update(status="done").modified == 10
    assert legacy.delete(Order, 20)
    legacy.insert_many([Order(id=n) for n in range(30, 60)])
    rows = legacy._connections.rows("""SELECT data->>'more', seen FROM shop."Orders" WHERE num=3""")
    assert rows == [(b"3", None)]
    # Another storage need not be told: it is written down.
    assert opened().find(Order).count() == 50


def test_an_index_is_made_on_it(legacy: PostgreSQLStorage) -> None:
    legacy.ensure_indexes(Order)
    assert legacy.indexes(Order)["missing"] == []
    legacy.insert_many([Order(id=n) for n in range(100, 3000)])
    legacy._connections.script(['ANALYZE shop."Orders"'])
    assert legacy.find(Order, status="paid").explain().indexes == ("(status)",)


def test_keys_that_are_uuids_and_a_revision_of_its_own(legacy: PostgreSQLStorage) -> None:
    note = Note(id=UUID(int=5), text="x")
    note.save(legacy)
    note.text = "y"
    note.save(legacy)
    assert legacy.get(Note, UUID(int=5)).text == "y"
    assert legacy.find(Note, id=UUID(int=5)).one().text == "y"
    assert legacy.delete(note)


def test_clear_empties_it_and_leaves_it(legacy: PostgreSQLStorage) -> None:
    legacy.ensure_indexes(Order)
    legacy.clear()
    assert legacy._connections.rows('SELECT count(*) FROM shop."Orders"') == [(b"0",)]


class Line(Document, collection="lines", indexes=["status", Index("tags", unique=True), "-id"]):
    id: int | None = None
    status: str = "new"
    price: Decimal = Decimal(0)
    tags: list[str] = Field(default=[])


class Coded(Document, collection="coded", key="code"):
    code: str
    text: str = ""


class Marked(Document, collection="marked"):
    id: UUID
    text: str = ""


class TestKeysBesideTheDocuments:
    @pytest.fixture
    def keyless(self, db: PostgreSQLStorage, opened: Opened) -> Iterator[PostgreSQLStorage]:
        """Tables whose documents lack their keys, of each type that keys may have."""
        run = db._connections.script
        run(
            [
                "CREATE TABLE invoice_lines(num int PRIMARY KEY, data jsonb NOT NULL)",
                """INSERT INTO invoice_lines SELECT n, jsonb_build_object('status',
                CASE WHEN n %% 2 = 0 THEN 'paid' ELSE 'new' END, 'more', n)
                FROM generate_series(1, 20) n""",
                "CREATE TABLE codes(code text PRIMARY KEY, body jsonb, version bigint DEFAULT 7)",
                """INSERT INTO codes VALUES ('a"\\''%%', '{"text": "odd"}'), ('b', '{}')""",
                "CREATE TABLE marks(mark uuid PRIMARY KEY, body jsonb)",
            ]
        )
        yield opened(
            tables="lines=invoice_lines(num:id,data); coded=codes(code:code,body,version); "
            "marked=marks(mark:id,body)"
        )
        db.clear()
        run(["DROP TABLE invoice_lines, codes, marks"])

    def test_they_are_read(self, keyless: PostgreSQLStorage) -> None:
        assert keyless.get(Line, 3).id == 3
        assert [one.id for one in keyless.get_many(Line, [5, 99, 2])] == [5, 2]
        assert [one.id for one in keyless.find(Line, id__gt=17).order_by("-id")] == [20, 19, 18]
        assert [one.id for one in keyless.find(Line, id__in=[3, 4], status="new")] == [3]
        assert keyless.find(Line).order_by("status", "-id")[1].id == 17
        assert keyless.find(Line).aggregate(most=Max("id"), sum=Sum("id")) == (20, 210)
        assert keyless.find(Line, id__lte=3).values("id") == [1, 2, 3]
        assert keyless.get(Coded, "a\"\\'%").text == "odd"
        assert keyless.find(Coded, code__startswith='a"').count() == 1
        assert keyless.find(Coded).where_not(code="b").one().code == "a\"\\'%"

    def test_they_are_written_beside_the_document(self, keyless: PostgreSQLStorage) -> None:
        line = keyless.get(Line, 3)
        again = keyless.get(Line, 3)
        line.status = "sent"
        line.save(keyless)
        with pytest.raises(StaleDocument):
            again.save(keyless)
        assert Line(id=30, tags=["a"]).save(keyless) == 30
        assert Line().save(keyless) == 31
        keyless.insert_many([Line(id=n, price=Decimal("1.50")) for n in range(40, 60)])
        keyless.upsert(Line(id=41, status="over"))
        keyless.save(Line, {"status": "new"}, primary_key=61)
        assert keyless.find(Line, status="over").update(status="done", tags__push="x").modified == 1
        assert keyless.find(Line, id=40).update(price__inc=Decimal(1)).modified == 1
        lines = keyless.find(Line, status="paid").list()
        for one in lines:
            one.price = Decimal(5)
        keyless.save_many(lines)
        assert keyless.delete(Line, 20)
        assert keyless.find(Line, id__between=(50, 53)).delete() == 4
        rows = keyless._connections.rows("SELECT data FROM invoice_lines WHERE data ? 'id'")
        assert rows == []
        rows = keyless._connections.rows("SELECT data->>'more' FROM invoice_lines WHERE num = 3")
        assert rows == [(b"3",)]
        assert keyless.get(Line, 40).price == Decimal("2.50")
        assert keyless.find(Line, price=5).count() == 9
        mark = Marked(id=UUID(int=5), text="x")
        mark.save(keyless)
        assert keyless.find(Marked, id=UUID(int=5)).one() == mark
        Coded(code='\x01"é', text="y").save(keyless)
        assert keyless.find(Coded, text="y").one().code == '\x01"é'

    def test_indexes_serve_them(self, keyless: PostgreSQLStorage) -> None:
        keyless.ensure_indexes(Line)
        keyless.insert_many([Line(id=n, tags=[str(n)]) for n in range(100, 3000)])
        keyless._connections.script(["ANALYZE invoice_lines"])
        assert keyless.find(Line, status="paid").explain().indexes == ("(status)",)
        assert keyless.find(Line, tags__contains="500").explain().indexes == ("unique (tags)",)
        assert keyless.find(Line, tags__contains="500").one().id == 500
        assert keyless.find(Line).order_by("-id")[:3].explain().indexes == ("(-id)",)
        with pytest.raises(DuplicateKey):
            Line(id=5000, tags=["500"]).save(keyless)

    def test_a_class_of_another_key_is_refused(self, keyless: PostgreSQLStorage) -> None:
        class Renamed(Document, collection="lines"):
            id: Annotated[int, Stored("_id")]

        for ask in (lambda: keyless.find(Renamed).count(), lambda: Renamed(id=1).save(keyless)):
            with pytest.raises(ForeignStore, match="in the column num as id, .* stored as _id"):
                ask()

    def test_its_changes_are_not_told(self, keyless: PostgreSQLStorage) -> None:
        with pytest.raises(StorageError, match="lack their keys"):
            keyless.watch(Line)
        Line(id=100).save(keyless)


@pytest.mark.parametrize(
    ("tables", "told"),
    [
        ("orders=nothing(id,data)", "is not there"),
        ("orders=nothing(id:id,data)", "is not there"),
        ("orders=texts(id,body)", "has no column id"),
        ("orders=texts(body,key)", "not JSONB"),
        ("orders=texts(body,body)", "not text, uuid or whole numbers"),
        ("orders=texts(key,body,key)", "of type bigint"),
    ],
)
def test_a_table_that_does_not_fit_is_refused(
    legacy: PostgreSQLStorage, opened: Opened, tables: str, told: str
) -> None:
    assert legacy.is_open
    with pytest.raises(ForeignStore, match=told):
        opened(tables=tables).find(Order).count()


@pytest.mark.parametrize("tables", ["orders", "orders=x", "orders=x(a)", "orders=x(a,b,c,d)"])
def test_an_option_that_is_not_understood_is_refused(tables: str) -> None:
    with pytest.raises(InvalidConfig, match="collection=table"):
        PostgreSQLStorage("postgresql://127.0.0.1", tables=tables)
