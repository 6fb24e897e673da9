"""Change streams behind `watch`: what is asked of the server, and what its events become."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from bson import Int64

import docmap.aio
from docmap import (
    BaseStorageAdapter,
    ChangesLost,
    Document,
    InvalidQuery,
    StorageError,
    Unavailable,
    Unsupported,
    connect,
)
from tests.mongodb.scripted import Scripted, failure
from tests.servers.forgotten import bears_forgotten_sockets


class Box(Document, collection="boxes"):
    size: int = 0


Event = dict[str, Any]


def event(number: int, what: str, key: str, **more: Any) -> Event:
    place = {"_id": {"_data": f"{number:04d}"}, "operationType": what, "documentKey": {"_id": key}}
    return {**place, **more}


def stored(key: str, size: int) -> Event:
    return {"_id": key, "size": Int64(size), "_rev": Int64(size)}


def stream(*events: Event, first: bool = False, at: str = "0000") -> Mapping[str, Any]:
    """A reply with some events of a stream that goes on."""
    token = {"_data": events[-1]["_id"]["_data"] if events else at}
    kind = "firstBatch" if first else "nextBatch"
    cursor = {"id": Int64(5), "ns": "shop.boxes", kind: list(events)}
    return {"cursor": {**cursor, "postBatchResumeToken": token}, "ok": 1.0}


@pytest.fixture
def server() -> Iterator[Scripted]:
    with Scripted() as server:
        server.always("aggregate", stream(first=True))
        server.always("getMore", stream(at="0009"))
        yield server


@pytest.fixture
def db(server: Scripted) -> Iterator[BaseStorageAdapter]:
    with connect(server.url) as db:
        yield db


def told(changes: Any) -> list[tuple[str, str, int | None]]:
    return [(one.kind, one.key, one.document and one.document.size) for one in changes]


def test_changes_come_in_their_order(server: Scripted, db: BaseStorageAdapter) -> None:
    server.answer(
        "getMore",
        stream(
            event(1, "insert", "a", fullDocument=stored("a", 1)),
            event(2, "update", "a", fullDocument=stored("a", 2)),
        ),
        stream(event(3, "replace", "a", fullDocument=stored("a", 3))),
        stream(event(4, "delete", "a", fullDocumentBeforeChange=stored("a", 3))),
    )
    with db.watch(Box, wait=0) as changes:
        assert told(changes) == [
            ("insert", "a", 1),
            ("update", "a", 2),
            ("update", "a", 3),
            ("delete", "a", None),
        ]
    (asked,) = server.asked("aggregate")
    (stage,) = asked["pipeline"]
    assert stage["$changeStream"]["fullDocument"] == "whenAvailable"
    assert stage["$changeStream"]["fullDocumentBeforeChange"] == "whenAvailable"
    (changed,) = server.asked("collMod")
    assert changed["changeStreamPreAndPostImages"] == {"enabled": True}
    assert server.names[-1] == "killCursors"


def test_a_condition_is_asked_of_what_was_deleted(server: Scripted, db: BaseStorageAdapter) -> None:
    server.answer(
        "getMore",
        stream(
            event(1, "delete", "a", fullDocumentBeforeChange=stored("a", 7)),
            event(2, "delete", "b", fullDocumentBeforeChange=stored("b", 1)),
        ),
    )
    with db.watch(Box, size__gt=5, wait=0) as changes:
        assert told(changes) == [("delete", "a", None)]


def test_an_older_server_looks_documents_up(server: Scripted, db: BaseStorageAdapter) -> None:
    server.answer("collMod", failure(72, "InvalidOptions"))
    server.answer(
        "getMore",
        stream(
            event(1, "update", "a", fullDocument=stored("a", 1)),
            event(2, "update", "gone", fullDocument=None),
            event(3, "delete", "gone"),
        ),
    )
    with db.watch(Box, wait=0) as changes:
        assert told(changes) == [("update", "a", 1), ("delete", "gone", None)]
    (asked,) = server.asked("aggregate")
    assert asked["pipeline"][0]["$changeStream"] == {"fullDocument": "updateLookup"}


def test_a_token_is_taken_up_again(server: Scripted, db: BaseStorageAdapter) -> None:
    first = event(1, "insert", "a", fullDocument=stored("a", 1))
    server.answer("getMore", stream(first, event(2, "insert", "b", fullDocument=stored("b", 2))))
    with db.watch(Box, wait=0) as changes:
        token = next(changes).token
    server.forget()
    server.answer("aggregate", stream(first=True, at="0001"))
    with db.watch(Box, after=token, wait=0) as changes:
        assert changes.token == token
    (asked,) = server.asked("aggregate")
    assert asked["pipeline"][0]["$changeStream"]["resumeAfter"] == {"_data": "0001"}


def test_a_feed_begins_where_the_server_says(server: Scripted, db: BaseStorageAdapter) -> None:
    with db.watch(Box, wait=0) as changes:
        token = changes.token
    server.forget()
    with db.watch(Box, after=token, wait=0):
        pass
    (asked,) = server.asked("aggregate")
    assert asked["pipeline"][0]["$changeStream"]["resumeAfter"] == {"_data": "0000"}


def test_a_lost_connection_is_resumed(server: Scripted, db: BaseStorageAdapter) -> None:
    first = event(1, "insert", "a", fullDocument=stored("a", 1))
    second = event(2, "insert", "b", fullDocument=stored("b", 2))
    server.answer("getMore", stream(first), lambda _: None, stream(second))
    with db.watch(Box, wait=1) as changes:
        assert told([next(changes), next(changes)]) == [("insert", "a", 1), ("insert", "b", 2)]
    assert server.asked("aggregate")[1]["pipeline"][0]["$changeStream"]["resumeAfter"] == {
        "_data": "0001"
    }


@pytest.mark.parametrize("code", [260, 286])
def test_what_is_not_kept_any_more_is_lost(
    code: int, server: Scripted, db: BaseStorageAdapter
) -> None:
    with db.watch(Box, wait=0) as changes:
        token = changes.token
    server.answer("aggregate", failure(code, "Lost"))
    with pytest.raises(ChangesLost, match="read the collection anew"):
        db.watch(Box, after=token)


def test_a_collection_that_is_dropped_ends_it(server: Scripted, db: BaseStorageAdapter) -> None:
    server.answer("getMore", stream(event(1, "drop", "a")))
    with pytest.raises(ChangesLost, match="removed"), db.watch(Box, wait=0) as changes:
        list(changes)


def test_tokens_of_others_are_refused(db: BaseStorageAdapter) -> None:
    with db.watch("crates", wait=0) as changes:
        token = changes.token
    for bad, why in [(token, "crates"), ("nonsense", "token"), ("", "token"), ("é", "token")]:
        with pytest.raises(InvalidQuery, match=why):
            db.watch(Box, after=bad)


def test_it_does_not_begin_inside_a_transaction(db: BaseStorageAdapter) -> None:
    with db.transaction(), pytest.raises(InvalidQuery):
        db.watch(Box)


def test_unwatch_lets_the_server_keep_less(server: Scripted, db: BaseStorageAdapter) -> None:
    db.unwatch(Box)
    (changed,) = server.asked("collMod")
    assert changed["changeStreamPreAndPostImages"] == {"enabled": False}


def test_a_server_without_streams_says_so() -> None:
    with Scripted("alone") as server, connect(server.url) as db:
        server.always("aggregate", failure(40573, "Location40573"))
        assert "watch" not in db.abilities
        with pytest.raises(Unsupported, match="replica set"):
            db.watch(Box)


def test_changes_that_were_fetched_outlive_a_failure_behind_them(
    server: Scripted, db: BaseStorageAdapter
) -> None:
    first, second = (
        event(number, "insert", key, fullDocument=stored(key, number))
        for number, key in ((1, "a"), (2, "b"))
    )
    server.answer("getMore", stream(first), failure(13, "Unauthorized"), stream(second))
    with db.watch(Box, wait=0) as changes:
        assert told([next(changes)]) == [("insert", "a", 1)]
        token = changes.token
        with pytest.raises(StorageError, match="refuses"):
            next(changes)
        assert changes.token == token
        assert told(changes) == [("insert", "b", 2)]
    assert server.asked("aggregate")[1]["pipeline"][0]["$changeStream"]["resumeAfter"] == {
        "_data": "0001"
    }


def test_what_came_before_the_end_of_a_collection_is_told(
    server: Scripted, db: BaseStorageAdapter
) -> None:
    last = event(1, "insert", "a", fullDocument=stored("a", 1))
    server.answer("getMore", stream(last, event(2, "drop", "a")))
    with db.watch(Box, wait=0) as changes:
        assert told([next(changes)]) == [("insert", "a", 1)]
        with pytest.raises(ChangesLost, match="removed"):
            next(changes)


def test_a_stream_that_the_server_ends_is_opened_again(
    server: Scripted, db: BaseStorageAdapter
) -> None:
    ended = {"id": Int64(0), "ns": "shop.boxes", "nextBatch": []}
    token = {"postBatchResumeToken": {"_data": "0007"}}
    server.answer(
        "getMore",
        {"cursor": {**ended, **token}, "ok": 1.0},
        stream(event(8, "insert", "a", fullDocument=stored("a", 1))),
    )
    with db.watch(Box, wait=0) as changes:
        assert told(changes) == []
        assert told(changes) == [("insert", "a", 1)]
    assert server.asked("aggregate")[1]["pipeline"][0]["$changeStream"]["resumeAfter"] == {
        "_data": "0007"
    }


def test_many_events_without_a_document_are_passed_over(
    server: Scripted, db: BaseStorageAdapter
) -> None:
    gone = [event(number, "update", "gone", fullDocument=None) for number in range(3000)]
    last = event(3001, "insert", "a", fullDocument=stored("a", 1))
    server.answer("getMore", stream(*gone, last))
    with db.watch(Box, wait=0) as changes:
        assert told(changes) == [("insert", "a", 1)]


def test_unwatch_says_when_there_was_no_answer(server: Scripted, db: BaseStorageAdapter) -> None:
    server.always("collMod", lambda _: None)
    with pytest.raises(Unavailable):
        db.options(timeout=0.5).unwatch(Box)


@bears_forgotten_sockets
def test_a_task_that_is_cancelled_while_it_waits_loses_nothing(server: Scripted) -> None:
    asked, gone = threading.Event(), threading.Event()

    def too_late(_: Mapping[str, Any]) -> None:
        """Take the request, and lose what was found: the task has gone by then."""
        asked.set()
        gone.wait(30)

    first = event(1, "insert", "a", fullDocument=stored("a", 1))
    second = event(2, "insert", "b", fullDocument=stored("b", 2))
    server.answer("getMore", stream(first), stream(at="0001"), too_late, stream(second))

    async def follow() -> list[Any]:
        async with docmap.aio.connect(server.url) as db:
            changes = await db.watch(Box)
            found = [await anext(changes)]
            waiting = asyncio.ensure_future(anext(changes))
            await asyncio.to_thread(asked.wait, 30)
            await asyncio.sleep(0.05)  # Python 3.11 swallows it in the moment of sending
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
            gone.set()
            async with asyncio.timeout(30):
                found.append(await anext(changes))
            await changes.close()
            return found

    assert told(asyncio.run(follow())) == [("insert", "a", 1), ("insert", "b", 2)]
    assert server.asked("aggregate")[1]["pipeline"][0]["$changeStream"]["resumeAfter"] == {
        "_data": "0001"
    }
