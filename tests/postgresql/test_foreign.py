"""Tables of JSONB that other programs made, used as collections."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID

import pytest

from docmap import Document, ForeignStore, InvalidConfig, StaleDocument
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


@pytest.mark.parametrize(
    ("tables", "told"),
    [
        ("orders=nothing(id,data)", "is not there"),
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
