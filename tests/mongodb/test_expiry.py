"""The TTL index of a collection: what the server clears away when docmap has long left it out."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import pytest

from docmap import BaseStorageAdapter, CreatedAt, Document, Precision, connect, field, use_clock
from docmap_backends._mongodb_expiry import expires
from tests.mongodb.scripted import Command, Scripted, failure
from tests.servers import ferretdb

HOUR = 3_600


def session(after: Any = timedelta(minutes=30), **keywords: Any) -> Any:
    """A class of its own with each call, all over one collection."""

    class Session(Document, collection="sessions", expires_after=after, **keywords):
        user: str = ""
        created_at: CreatedAt = field(init=False)
        until: datetime | None = None
        fine: Annotated[datetime | None, Precision("us")] = None

    return Session


class Plain(Document, collection="sessions"):
    user: str = ""


def of(command: Command) -> Any:
    """When what an index is over expires, as a command says it."""
    return command["indexes"][0].get("expireAfterSeconds")


def without_expiry(command: Command) -> Any:
    return {"ok": 1.0} if of(command) is None else failure(238, "NotImplemented")


def found(storage: BaseStorageAdapter, name: str = "sessions") -> list[tuple[dict[str, int], int]]:
    """The TTL indexes of a collection."""
    assert storage.url is not None
    listed = storage.native[storage.url.path][name].list_indexes()
    return [
        (dict(one["key"]), one["expireAfterSeconds"])
        for one in listed
        if "expireAfterSeconds" in one
    ]


def test_a_class_says_what_the_server_clears_away(things: BaseStorageAdapter) -> None:
    Session = session()  # noqa: N806 - a class
    Session(user="ann").save(things)
    assert found(things) == [({"created_at": 1}, 1800 + HOUR)]
    assert things.find(Session).count() == 1
    with use_clock(datetime.now(UTC) + timedelta(minutes=31)):
        assert things.find(Session).count() == 0  # long before the server sees it
    assert things.indexes(Session)["extra"] == []


def test_another_time_takes_the_place_of_the_one_before(things: BaseStorageAdapter) -> None:
    session()().save(things)
    assert things.url is not None
    for after, seconds, name in (
        (timedelta(days=9), 9 * 86_400, "created_at"),
        ("until", 0, "until"),
    ):
        with connect(str(things.url)) as again:
            session(after)().save(again)
            assert found(again) == [({name: 1}, seconds + HOUR)]
    with connect(str(things.url)) as again:
        Plain().save(again)
        assert found(again) == []


def test_what_a_server_cannot_count_from_is_left_to_docmap(things: BaseStorageAdapter) -> None:
    assert expires(session("fine").__docmap_schema__) is None
    assert expires(session(timedelta(days=36_500)).__docmap_schema__) is None

    class Base(Document, collection="kinds"):
        until: datetime | None = None

    class Short(Base, expires_after="until"):
        """Others of the family do not expire."""

    assert expires(Short.__docmap_schema__) is None
    Short().save(things)
    assert found(things, "kinds") == []


def test_the_servers_clock_is_the_systems(things: BaseStorageAdapter) -> None:
    with use_clock(datetime(2024, 5, 17, tzinfo=UTC)):
        session()(user="old").save(things)
    assert found(things) == []


def test_nothing_of_another_programs_collection_is_removed(things: BaseStorageAdapter) -> None:
    assert things.url is not None
    things.native[things.url.path]["sessions"].insert_one({"created_at": datetime(2020, 1, 1)})  # noqa: DTZ001
    session()().save(things)
    assert found(things) == []


@pytest.mark.engine("ferretdb")
def test_a_server_without_them_keeps_what_docmap_removes() -> None:
    with connect(ferretdb.url("expiry")) as db:
        Session = session()  # noqa: N806 - a class
        Session(user="ann").save(db)
        assert found(db) == []
        with use_clock(datetime.now(UTC) + timedelta(hours=1)):
            assert db.find(Session).count() == 0
            assert db.remove_expired(Session) == 1


def test_it_is_made_once() -> None:
    with Scripted() as server, connect(server.url) as db:
        Session = session()  # noqa: N806 - a class
        db.ensure_indexes(Session)
        server.forget()
        db.save(Session())
        assert server.names == ["insert"]
    with Scripted() as server:
        server.always("createIndexes", without_expiry)
        with connect(server.url) as db:
            db.save(session()())
        (refused,) = [one for one in server.asked("createIndexes") if of(one) is not None]
        assert of(refused) == 1800 + HOUR
        assert "insert" in server.names
