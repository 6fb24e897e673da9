"""How new what is read is, and from where: the read concerns and preferences that are sent."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from bson import Timestamp

from docmap import BaseStorageAdapter, Document, connect
from tests.mongodb.scripted import Command, Scripted, batch


class Box(Document, collection="boxes"):
    size: int = 0


NOW = Timestamp(1_700_000_000, 7)


def told(command: Command) -> dict[str, object]:
    return {**batch(command["find"]), "operationTime": NOW}


@pytest.fixture
def server() -> Iterator[Scripted]:
    with Scripted() as server:
        server.always("find", told)
        yield server


@pytest.fixture
def db(server: Scripted) -> Iterator[BaseStorageAdapter]:
    with connect(server.url) as db:
        db.get_many(Box, ["a"])
        server.forget()
        yield db


def concern_of(server: Scripted) -> object:
    (command,) = server.asked("find")
    return command.get("readConcern")


def test_what_is_not_asked_for_is_not_sent(server: Scripted, db: BaseStorageAdapter) -> None:
    db.get_many(Box, ["a"])
    assert concern_of(server) is None


def test_a_causal_read_is_not_older_than_what_was_heard_of(
    server: Scripted, db: BaseStorageAdapter
) -> None:
    db.options(consistency="causal").get_many(Box, ["a"])
    assert concern_of(server) == {"level": "majority", "afterClusterTime": NOW}


def test_a_strong_read_is_linearizable(server: Scripted, db: BaseStorageAdapter) -> None:
    strong = db.options(consistency="strong", read_preference="secondary")
    strong.get_many(Box, ["a"])
    assert concern_of(server) == {"level": "linearizable"}
    (command,) = server.asked("find")
    assert command.get("$readPreference", {"mode": "primary"})["mode"] == "primary"


def test_a_server_that_is_alone_needs_no_concern() -> None:
    with Scripted("alone") as server, connect(server.url) as db:
        for consistency in ("strong", "causal"):
            server.forget()
            db.options(consistency=consistency).get_many(Box, ["a"])
            assert concern_of(server) is None


def test_a_preference_is_sent_to_routers() -> None:
    with Scripted("sharded") as server, connect(server.url) as db:
        db.options(read_preference="secondary_preferred").get_many(Box, ["a"])
        (command,) = server.asked("find")
        assert command["$readPreference"]["mode"] == "secondaryPreferred"
        server.forget()
        db.find(Box).options(consistency="eventual").list()
        asked = [one for one in server.asked("find") if one["find"] == "boxes"]
        assert asked[0]["$readPreference"]["mode"] == "secondaryPreferred"
        assert asked[0]["readConcern"] == {"level": "local"}


def test_a_transaction_reads_what_it_began_with(server: Scripted, db: BaseStorageAdapter) -> None:
    strong = db.options(consistency="strong", read_preference="secondary")
    with strong.transaction():
        strong.get_many(Box, ["a"])
        strong.get_many(Box, ["b"])
    first, second = server.asked("find")
    assert first["readConcern"]["level"] == "snapshot"
    assert "readConcern" not in second


def test_concerns_are_sent_as_the_call_names_them(server: Scripted, db: BaseStorageAdapter) -> None:
    db.save(Box(id="a"))
    db.options(write_concern="majority").save(Box(id="b"))
    db.options(write_concern=2).delete(Box, "b")
    concerns = [one.get("writeConcern") for one in server.asked("insert")]
    assert concerns == [None, {"w": "majority"}]
    assert [one["writeConcern"] for one in server.asked("delete")] == [{"w": 2}]
    server.forget()
    db.options(read_concern="majority", consistency="causal").get_many(Box, ["a"])
    assert concern_of(server) == {"level": "majority"}
    server.forget()
    db.find(Box).options(read_concern="available").list()
    (command,) = [one for one in server.asked("find") if one["find"] == "boxes"]
    assert command["readConcern"] == {"level": "available"}


def test_a_transaction_is_confirmed_as_it_was_asked_for(
    server: Scripted, db: BaseStorageAdapter
) -> None:
    with db.options(write_concern=2).transaction():
        db.options(write_concern=1).delete(Box, "a")
    assert "writeConcern" not in server.asked("delete")[0]
    assert server.asked("commitTransaction")[0]["writeConcern"]["w"] == 2


def test_concerns_of_the_storage_are_the_urls(server: Scripted) -> None:
    url = f"{server.url}?w=majority&readConcernLevel=majority"
    with connect(url) as db:
        db.save(Box(id="a"))
        assert server.asked("insert")[0]["writeConcern"] == {"w": "majority"}
        server.forget()
        db.get_many(Box, ["a"])
        assert concern_of(server) == {"level": "majority"}
