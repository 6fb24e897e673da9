"""What users of few rights may do, and what they are told of the rest."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from docmap import Document, InvalidConfig, StorageError, Unavailable
from docmap.storage.url import URL
from docmap_backends.postgresql import PostgreSQLStorage
from tests.postgresql.conftest import role

pytestmark = pytest.mark.engine("postgresql")


class Order(Document, collection="orders", indexes=["status"]):
    status: str = "new"


class Counted(Document, collection="counted"):
    id: int | None = None


class New(Document, collection="new"):
    status: str = ""


@pytest.fixture
def user(db: PostgreSQLStorage, server_url: str) -> Iterator[tuple[str, PostgreSQLStorage]]:
    """A user without rights, and a storage that it has opened."""
    Order(id="a").save(db)
    Counted().save(db)
    with role(db, server_url) as (name, url), PostgreSQLStorage(url) as storage:
        yield name, storage


def test_who_may_read_alone_reads(
    db: PostgreSQLStorage, user: tuple[str, PostgreSQLStorage]
) -> None:
    name, other = user
    with pytest.raises(StorageError, match="grant it the right that the cause names"):
        other.get(Order, "a")
    db._connections.written(f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {name}")
    assert other.get(Order, "a").status == "new"
    assert other.find(Order, status="new").count() == 1
    assert [one.id for one in other.find(Order)] == ["a"]
    assert other.find(New).count() == 0
    other.ensure_indexes(Order)  # there is nothing to make
    with other.transaction():
        assert other.find(Order).exists()
    writes: list[Callable[[], Any]] = [
        lambda: Order(id="b").save(other),
        lambda: other.find(Order).update(status="x"),
        lambda: other.delete(Order, "a"),
        lambda: New(id="a").save(other),
    ]
    for write in writes:
        with pytest.raises(StorageError, match="grant it the right that the cause names") as caught:
            write()
        assert "permission denied" in str(caught.value.__cause__)


def test_who_may_make_no_tables_writes_to_those_that_are_there(
    db: PostgreSQLStorage, user: tuple[str, PostgreSQLStorage]
) -> None:
    name, other = user
    rights = "SELECT, INSERT, UPDATE, DELETE"
    db._connections.written(f"GRANT {rights} ON ALL TABLES IN SCHEMA public TO {name}")
    Order(id="b").save(other)
    other.insert_many([Order(id="c"), Order(id="d")])
    assert Counted().save(other) == 2
    assert other.find(Order).update(status="x").modified == 4
    assert other.get_or_create(Order, status="y")[1]
    assert other.find(Order).delete() == 5
    with pytest.raises(StorageError, match="may not do that"):
        New(id="a").save(other)


def test_a_schema_of_ones_own_is_enough(db: PostgreSQLStorage, server_url: str) -> None:
    with role(db, server_url) as (name, url):
        db._connections.written(f"CREATE SCHEMA {name} AUTHORIZATION {name}")
        with PostgreSQLStorage(url, schema=name) as other:
            Order(id="a").save(other)
            assert other.find(Order).count() == 1
        with PostgreSQLStorage(url, schema="not_there") as other:
            assert other.find(Order).count() == 0
            with pytest.raises(StorageError, match="may not do that"):
                Order(id="a").save(other)


@pytest.mark.parametrize(
    ("options", "change", "told"),
    [
        ("NOLOGIN", "SELECT 1", "may not log in"),
        ("LOGIN", "REVOKE CONNECT ON DATABASE {database} FROM PUBLIC", "GRANT CONNECT"),
        ("LOGIN CONNECTION LIMIT 0", "SELECT 1", "lower pool_size"),
    ],
)
def test_who_is_not_let_in_is_told_what_to_do(
    db: PostgreSQLStorage, server_url: str, options: str, change: str, told: str
) -> None:
    database = URL.parse(server_url).path
    with role(db, server_url, options) as (_, url):
        db._connections.written(change.format(database=database))
        try:
            with pytest.raises(StorageError, match=told) as caught:
                PostgreSQLStorage(url).connect()
        finally:
            db._connections.written(f"GRANT CONNECT ON DATABASE {database} TO PUBLIC")
    assert isinstance(caught.value, Unavailable) == ("LIMIT" in options)


@pytest.mark.parametrize("name", ["sslmode", "target_session_attrs", "channel_binding"])
def test_a_value_that_libpq_does_not_know_is_named(server_url: str, name: str) -> None:
    with pytest.raises(InvalidConfig, match=name) as caught:
        PostgreSQLStorage(server_url, **{name: "hunter2"}).connect()
    assert caught.value.field == name
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("name", ["", "x" * 64])
def test_a_schema_has_a_name(server_url: str, name: str) -> None:
    with pytest.raises(InvalidConfig, match="schema"):
        PostgreSQLStorage(server_url, schema=name)
