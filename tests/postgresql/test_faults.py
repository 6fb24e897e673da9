"""What PostgreSQL refuses, and servers that are not as they should be: a named error for each."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from psycopg import sql

from docmap import (
    BaseStorageAdapter,
    CorruptStore,
    DocmapError,
    OutcomeUnknown,
    StorageError,
    StorageFull,
    TransactionConflict,
    Unavailable,
)
from docmap.testing.notes import Counter
from docmap.testing.proxy import Proxy
from docmap_backends.postgresql import PostgreSQLStorage
from tests.postgresql.conftest import until
from tests.servers import postgresql, running

pytestmark = pytest.mark.engine("postgresql")


def state(db: BaseStorageAdapter) -> dict[str, int]:
    return {one.id: one.value for one in db.find(Counter)}


def run(url: str, statement: str, *names: str) -> Any:
    """Run a statement past docmap, with names put in as identifiers; its first row."""
    with psycopg.connect(url, autocommit=True) as connection:
        made = sql.SQL(statement).format(*map(sql.Identifier, names))
        cursor = connection.execute(made)
        return cursor.fetchone() if cursor.description else None


def parts(url: str) -> tuple[str, str, int, str]:
    """User and password, host, port and database of a URL of the tests' server."""
    found = re.fullmatch(r"postgresql://(.*)@([^:/]*):(\d+)/(\w+)", url)
    assert found
    return found[1], found[2], int(found[3]), found[4]


# -- who may connect


@pytest.mark.parametrize(
    ("user", "suffix", "told"),
    [
        ("docmap:wrong", "", "password"),
        ("docmap", "", "password"),
        ("nobody-there:x", "", "user"),
        ("", "_gone", "database"),
    ],
)
def test_who_may_not_connect_is_told_why(
    server_url: str, user: str, suffix: str, told: str
) -> None:
    right, host, port, name = parts(server_url)
    with pytest.raises(StorageError, match=rf"{host}:{port}.*{told}") as caught:
        PostgreSQLStorage(f"postgresql://{user or right}@{host}:{port}/{name}{suffix}").connect()
    assert not isinstance(caught.value, Unavailable)  # waiting mends nothing
    assert right.split(":")[1] not in str(caught.value)


def test_a_password_that_was_changed_is_told_by_the_next_connection(server_url: str) -> None:
    _, host, port, name = parts(server_url)
    run(server_url, "CREATE ROLE {} LOGIN SUPERUSER PASSWORD 'one'", f"role_{name}")
    try:
        with PostgreSQLStorage(f"postgresql://role_{name}:one@{host}:{port}/{name}") as db:
            db.upsert(Counter(id="a", value=1))
            run(server_url, "ALTER ROLE {} PASSWORD 'two'", f"role_{name}")
            run(server_url, f"SELECT pg_terminate_backend(pid, 5000) {OF_ROLE}'role_{name}'")
            with pytest.raises(StorageError, match="password"):
                state(db)
            run(server_url, "ALTER ROLE {} PASSWORD 'one'", f"role_{name}")
            assert state(db) == {"a": 1}
            db.clear()
    finally:
        run(server_url, "DROP OWNED BY {}", f"role_{name}")
        run(server_url, "DROP ROLE {}", f"role_{name}")


OF_ROLE = "FROM pg_stat_activity WHERE usename = "


def test_a_server_without_a_connection_left_is_unavailable(server_url: str) -> None:
    _, host, port, name = parts(server_url)
    role = f"few_{name}"
    run(server_url, "CREATE ROLE {} LOGIN PASSWORD 'one' CONNECTION LIMIT 1", role)
    url = f"postgresql://{role}:one@{host}:{port}/{name}"
    try:
        with psycopg.connect(url), pytest.raises(Unavailable, match=f"{host}:{port}"):
            PostgreSQLStorage(url, timeout=1).connect()
        # The server is slower to end a connection than its client.
        until(lambda: not run(server_url, f"SELECT 1 {OF_ROLE}'{role}'"))
        with PostgreSQLStorage(url) as db:
            assert db.ping()
    finally:
        run(server_url, "DROP ROLE {}", role)


@pytest.mark.parametrize("mode", ["require", "verify-full"])
def test_a_server_without_tls_is_not_spoken_to_openly(server_url: str, mode: str) -> None:
    with pytest.raises(StorageError, match="TLS|sslmode"):
        PostgreSQLStorage(server_url, sslmode=mode).connect()


def test_a_certificate_is_checked_where_it_is_asked_for() -> None:
    url, signed = postgresql.url("tls", "tls"), postgresql.certificate("tls")
    _, host, port, _ = parts(url)
    with PostgreSQLStorage(url, sslmode="require") as db:
        assert run_inside(db, "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()") == ["t"]
    with pytest.raises(StorageError, match="certificate|TLS") as caught:
        PostgreSQLStorage(url, sslmode="verify-full").connect()
    assert not isinstance(caught.value, Unavailable)
    with PostgreSQLStorage(url, sslmode="verify-ca", sslrootcert=signed) as db:
        assert db.ping()
    with pytest.raises(StorageError, match="certificate|TLS"):  # it is for localhost
        PostgreSQLStorage(url, sslmode="verify-full", sslrootcert=signed).connect()
    by_name = url.replace(f"{host}:{port}", f"localhost:{port}")
    with PostgreSQLStorage(by_name, sslmode="verify-full", sslrootcert=signed) as db:
        assert db.ping()


def run_inside(db: PostgreSQLStorage, statement: str) -> list[str]:
    """The values of a row, read on a connection of the storage."""
    (row,) = db._connections.rows(statement)
    return [(value or b"").decode() for value in row]


# -- what the server says to a statement


@contextmanager
def refusing(url: str, code: str) -> Iterator[None]:
    """Let the server refuse each write of a Counter with an SQLSTATE."""
    body = f"BEGIN RAISE EXCEPTION 'hunter2 refused' USING ERRCODE = '{code}'; END"
    run(url, f"CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $${body}$$")
    when = "BEFORE INSERT OR UPDATE OR DELETE ON counters"
    run(url, f"CREATE TRIGGER refuse {when} FOR EACH ROW EXECUTE FUNCTION refuse()")
    try:
        yield
    finally:
        run(url, "DROP FUNCTION refuse CASCADE")


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("53100", StorageFull),
        ("40001", TransactionConflict),
        ("40P01", TransactionConflict),
        ("55P03", TransactionConflict),
        ("25006", StorageError),
        ("42501", StorageError),
        ("53200", StorageError),
        ("53300", Unavailable),
        ("XX001", CorruptStore),
        ("58030", StorageError),
        ("22000", StorageError),
        ("P0001", StorageError),
        ("ZZ999", StorageError),
    ],
)
def test_what_the_server_says_is_told_by_its_class(
    code: str, error: type[DocmapError], db: PostgreSQLStorage, server_url: str
) -> None:
    db.insert(Counter(id="a", value=1))
    uses: list[Callable[[], Any]] = [
        lambda: db.insert(Counter(id="b", value=2)),
        lambda: db.insert_many([Counter(id="b", value=2)]),
        lambda: db.upsert(Counter(id="a", value=2)),
        lambda: db.delete(Counter, "a"),
        lambda: db.find(Counter).update(value__inc=1),
        lambda: db.find(Counter).delete(),
    ]
    with refusing(server_url, code):
        for use in uses:
            with pytest.raises(error) as caught:
                use()
            assert not isinstance(caught.value, OutcomeUnknown)
            assert caught.value.engine == "postgresql"
            assert "hunter2" not in str(caught.value)
            assert caught.value.__cause__ is not None
            assert state(db) == {"a": 1}
    db.upsert(Counter(id="a", value=5))
    assert state(db) == {"a": 5}


def test_a_server_that_takes_no_writes_is_read(db: PostgreSQLStorage, server_url: str) -> None:
    db.insert(Counter(id="a", value=1))
    _, _, _, name = parts(server_url)
    run(server_url, "ALTER DATABASE {} SET default_transaction_read_only = on", name)
    try:
        db.reconnect()
        assert state(db) == {"a": 1}
        for _ in range(2):
            with pytest.raises(StorageError, match="no writes.*primary"):
                db.upsert(Counter(id="a", value=2))
            with pytest.raises(StorageError, match="no writes"), db.transaction():
                db.upsert(Counter(id="a", value=2))
        assert state(db) == {"a": 1}
    finally:
        run(
            server_url.replace(f"/{name}", "/postgres"),
            "ALTER DATABASE {} RESET default_transaction_read_only",
            name,
        )
    db.reconnect()
    db.upsert(Counter(id="a", value=2))
    assert state(db) == {"a": 2}


def test_a_connection_that_the_server_ended_is_replaced(
    db: PostgreSQLStorage, server_url: str
) -> None:
    end = (
        "SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity WHERE datname = "
        "current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
    )
    db.insert(Counter(id="a", value=1))
    assert run(server_url, end)[0] >= 1
    assert state(db) == {"a": 1}

    def work() -> None:
        with db.transaction():
            db.upsert(Counter(id="a", value=2))
            assert run(server_url, end)[0] >= 1
            db.upsert(Counter(id="b", value=2))

    with pytest.raises(Unavailable):
        work()
    assert state(db) == {"a": 1}
    run(server_url, end)
    db.upsert(Counter(id="c", value=3))
    assert state(db) == {"a": 1, "c": 3}


# -- several hosts


def test_the_next_host_is_tried_where_the_first_is_away(server_url: str) -> None:
    user, host, port, name = parts(server_url)
    with PostgreSQLStorage(
        f"postgresql://{user}@{host}:{running.free_port()},{host}:{port}/{name}"
    ) as db:
        assert db.ping()
    both = f"{host}:{running.free_port()},{host}:{running.free_port()}"
    with pytest.raises(Unavailable, match=re.escape(both.partition(",")[0])):
        PostgreSQLStorage(f"postgresql://{user}@{both}/{name}").connect()


def test_another_host_takes_over(server_url: str) -> None:
    user, host, _, name = parts(server_url)
    with Proxy(server_url) as first, Proxy(server_url) as second:
        url = f"postgresql://{user}@{host}:{first.port},{host}:{second.port}/{name}"
        with PostgreSQLStorage(url) as db:
            db.clear()
            db.insert(Counter(id="a", value=1))
            assert second.connections == 0
            first.refuse()
            assert state(db) == {"a": 1}
            db.upsert(Counter(id="a", value=2))
            first.heal()
            second.refuse()
            assert state(db) == {"a": 2}
            second.heal()
            db.clear()


def test_the_host_that_takes_writes_is_chosen(server_url: str) -> None:
    user, host, port, name = parts(server_url)
    url = f"postgresql://{user}@{host}:{port}/{name}"
    with PostgreSQLStorage(url, target_session_attrs="read-write") as db:
        assert db.ping()
    with pytest.raises(Unavailable, match="target_session_attrs"):
        PostgreSQLStorage(url, target_session_attrs="read-only").connect()
