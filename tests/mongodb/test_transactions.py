"""Transactions of a replica set, by the commands that are sent and the replies that come."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Annotated

import pytest

from docmap import (
    BaseStorageAdapter,
    Document,
    Indexed,
    OutcomeUnknown,
    StorageError,
    TransactionConflict,
    Unavailable,
    Unsupported,
    connect,
)
from tests.mongodb.scripted import Command, Scripted, batch, failure, refused


class Box(Document, collection="boxes"):
    size: int = 0


@pytest.fixture
def server() -> Iterator[Scripted]:
    """A replica set of one, in which the collection of boxes is known."""
    with Scripted() as server:
        server.always("find", known)
        yield server


def known(command: Command) -> dict[str, object]:
    found = [{"_id": "boxes", "keys": ["id"]}] if command["find"] == "_docmap_collections" else []
    return dict(batch(command["find"], *found))


@pytest.fixture
def db(server: Scripted) -> Iterator[BaseStorageAdapter]:
    with connect(server.url) as db:
        db.ensure_indexes(Box)
        server.forget()
        yield db


def test_a_transaction_is_one_of_the_server(server: Scripted, db: BaseStorageAdapter) -> None:
    with db.transaction():
        db.insert(Box(id="a"))
        db.delete(Box, "b")
    inside = [one for one in server.commands if "txnNumber" in one and "autocommit" in one]
    assert [next(iter(one)) for one in inside][-3:] == ["insert", "delete", "commitTransaction"]
    assert len({one["txnNumber"] for one in inside}) == 1
    assert {bytes(one["lsid"]["id"]) for one in inside} == {bytes(inside[0]["lsid"]["id"])}
    first, *others = inside
    assert first["startTransaction"]
    assert first["readConcern"]["level"] == "snapshot"
    assert not any("startTransaction" in one for one in others)
    assert inside[-1]["writeConcern"]["w"] == "majority"


def test_an_exception_aborts_it(server: Scripted, db: BaseStorageAdapter) -> None:
    with pytest.raises(ZeroDivisionError), db.transaction():  # noqa: PT012 - leaves the block
        db.insert(Box(id="a"))
        raise ZeroDivisionError
    assert server.names[-1] == "abortTransaction"
    assert "commitTransaction" not in server.names
    server.forget()
    db.insert(Box(id="b"))
    (insert,) = server.asked("insert")
    assert "autocommit" not in insert


def test_an_empty_one_sends_nothing(server: Scripted, db: BaseStorageAdapter) -> None:
    with db.transaction():
        pass
    assert server.commands == []


def test_a_write_conflict_is_run_again(server: Scripted, db: BaseStorageAdapter) -> None:
    server.answer("insert", failure(112, "WriteConflict", "TransientTransactionError"))
    runs = []

    def work() -> None:
        runs.append(1)
        db.insert(Box(id="a"))

    db.retrying(work)
    assert len(runs) == 2
    assert server.names[-1] == "commitTransaction"
    server.answer("insert", failure(112, "WriteConflict", "TransientTransactionError"))
    with pytest.raises(TransactionConflict) as caught, db.transaction():
        db.insert(Box(id="a"))
    assert "secret" not in f"{caught.value}{caught.value.__cause__!r}"


def test_an_error_that_is_caught_inside_does_not_make_it_commit(
    server: Scripted, db: BaseStorageAdapter
) -> None:
    server.answer("insert", lambda _: None)

    def work() -> None:
        with db.transaction():
            db.delete(Box, "z")
            with suppress(StorageError):
                db.insert(Box(id="a"))
            with suppress(StorageError):
                db.insert(Box(id="b"))

    with pytest.raises(StorageError, match="run it again"):
        work()
    assert "commitTransaction" not in server.names
    assert len(server.asked("insert")) == 1
    assert db.get_many(Box, ["a"]) == []


def test_what_fails_in_an_inner_block_undoes_the_outer_one(
    server: Scripted, db: BaseStorageAdapter
) -> None:
    def work() -> None:
        with db.transaction():
            db.insert(Box(id="a"))
            with suppress(ZeroDivisionError), db.transaction():
                raise ZeroDivisionError

    with pytest.raises(StorageError, match="run it again"):
        work()
    assert "commitTransaction" not in server.names


def test_a_commit_whose_reply_was_lost_is_asked_for_again(
    server: Scripted, db: BaseStorageAdapter
) -> None:
    server.answer("commitTransaction", lambda _: None)
    with db.transaction():
        db.insert(Box(id="a"))
    first, second = server.asked("commitTransaction")
    assert first["txnNumber"] == second["txnNumber"]


def test_a_commit_of_which_nobody_hears_is_unknown(
    server: Scripted, db: BaseStorageAdapter
) -> None:
    server.always("commitTransaction", lambda _: None)
    short = db.options(timeout=1.0)
    with pytest.raises(OutcomeUnknown, match="commit"), short.transaction():
        db.insert(Box(id="a"))


def test_a_commit_that_was_refused_is_no_mystery(server: Scripted, db: BaseStorageAdapter) -> None:
    server.answer("commitTransaction", failure(112, "WriteConflict", "TransientTransactionError"))
    with pytest.raises(TransactionConflict), db.transaction():
        db.insert(Box(id="a"))


def test_a_connection_lost_inside_leaves_nothing(server: Scripted, db: BaseStorageAdapter) -> None:
    server.answer("insert", lambda _: None)
    with pytest.raises((Unavailable, TransactionConflict)), db.transaction():
        db.insert(Box(id="a"))
    db.insert(Box(id="a"))


def test_a_server_that_is_alone_has_none() -> None:
    with Scripted("alone") as server, connect(server.url) as db:
        server.always("find", refuse_transactions)
        assert "transactions" not in db.abilities
        with pytest.raises(Unsupported, match="replica set"), db.transaction():
            pass
        assert len([one for one in server.asked("find") if "startTransaction" in one]) == 1


def refuse_transactions(command: Command) -> dict[str, object]:
    if "startTransaction" in command:
        return dict(failure(20, "IllegalOperation"))
    return dict(batch(command["find"]))


def test_a_compatible_server_that_names_no_replica_set_is_asked() -> None:
    with Scripted("alone") as server, connect(server.url) as db:
        assert "transactions" in db.abilities
        assert server.names[:2] == ["find", "commitTransaction"]


def test_a_server_that_takes_no_notice_of_transactions_has_none() -> None:
    with Scripted("alone") as server, connect(server.url) as db:
        unknown = failure(59, "CommandNotFound")
        server.always("commitTransaction", lambda _: dict(unknown))
        server.always("abortTransaction", lambda _: dict(unknown))
        assert "transactions" not in db.abilities


def test_a_server_without_sessions_is_not_even_asked() -> None:
    hello = {"logicalSessionTimeoutMinutes": None}
    with Scripted("alone", hello=hello) as server, connect(server.url) as db:
        assert "transactions" not in db.abilities
        assert server.commands == []


def test_what_is_made_or_tried_beside_it_is_not_part_of_it(server: Scripted) -> None:
    """Collections, indexes and trials: an error of theirs would end the transaction."""
    server.answer("create", failure(48, "NamespaceExists"))
    server.always("insert", lambda command: taken_twice(server, command))
    with connect(server.url) as db:
        with db.transaction():
            db.insert(Named(id="a", name="x"))
        assert server.names[-1] == "commitTransaction"
    inside = [next(iter(one)) for one in server.commands if "autocommit" in one]
    assert "create" not in inside
    assert "createIndexes" not in inside
    assert inside.count("insert") == 1


class Named(Document, collection="named"):
    name: Annotated[str, Indexed(unique=True)]


def taken_twice(server: Scripted, command: Command) -> dict[str, object]:
    """A server with partial unique indexes: of a trial the second of two alike is refused."""
    tried = [one["documents"][0].get("v") for one in server.asked("insert")]
    if command["insert"] != "named" and tried.count("a") == 2:
        return dict(refused(11000, "E11000 dup key"))
    return {"ok": 1.0, "n": len(command["documents"])}


@pytest.mark.parametrize("code", [50, 262, 64, 10107, 13435, 100])
def test_a_commit_that_may_have_happened_is_asked_for_again(
    code: int, server: Scripted, db: BaseStorageAdapter
) -> None:
    server.answer("commitTransaction", failure(code, "Late", "UnknownTransactionCommitResult"))
    with db.transaction():
        db.insert(Box(id="a"))
    assert len(server.asked("commitTransaction")) == 2


@pytest.mark.parametrize("code", [50, 262, 10107])
def test_a_commit_that_may_have_happened_is_never_said_not_to_have(
    code: int, server: Scripted, db: BaseStorageAdapter
) -> None:
    server.always("commitTransaction", failure(code, "Late", "UnknownTransactionCommitResult"))
    short = db.options(timeout=2.0)
    with pytest.raises(OutcomeUnknown, match="commit") as caught, short.transaction():
        db.insert(Box(id="a"))
    assert "secret" not in repr(caught.value.__cause__)
    assert len(server.asked("commitTransaction")) < 20  # not as fast as the server says no


def test_the_isolation_is_told_where_there_are_transactions(db: BaseStorageAdapter) -> None:
    assert db.info()["isolation"] == "snapshot"
    hello = {"logicalSessionTimeoutMinutes": None}
    with Scripted("alone", hello=hello) as server, connect(server.url) as single:
        assert "isolation" not in single.info()
