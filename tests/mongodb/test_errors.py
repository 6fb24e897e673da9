"""What the driver's errors become, and that no message of theirs holds what was stored."""

from __future__ import annotations

import pickle
import traceback
from collections.abc import Iterator
from typing import Annotated, Any

import pytest
from bson import Int64
from pymongo import errors as driver

from docmap import (
    BaseStorageAdapter,
    Document,
    DuplicateKey,
    Indexed,
    InvalidConfig,
    OutcomeUnknown,
    StorageError,
    StorageFull,
    TransactionConflict,
    Unavailable,
    Unsupported,
    connect,
)
from docmap.storage.loading import schema_of
from docmap_backends._mongodb_errors import scrubbed, translated
from docmap_backends.mongodb import MongoDBStorage
from tests.mongodb.scripted import Scripted, batch, failure, refused


class Box(Document, collection="boxes"):
    size: int = 0


class Named(Document, collection="named"):
    name: Annotated[str, Indexed(unique=True)]


@pytest.fixture
def server() -> Iterator[Scripted]:
    with Scripted() as server:
        yield server


@pytest.fixture
def db(server: Scripted) -> Iterator[BaseStorageAdapter]:
    with connect(server.url) as db:
        db.ensure_indexes(Box)
        server.forget()
        yield db


KEY = "secret"
WRITE_CODES: list[tuple[int, type[StorageError]]] = [
    (13, StorageError),
    (112, TransactionConflict),
    (121, StorageError),
    (14031, StorageFull),
    (16500, Unavailable),
    (50, Unavailable),
    (8000, StorageError),
    (99999, StorageError),
]


@pytest.mark.parametrize(("code", "kind"), WRITE_CODES)
def test_a_write_that_is_refused(
    code: int, kind: type[StorageError], server: Scripted, db: BaseStorageAdapter
) -> None:
    server.answer("insert", refused(code, "Refused { note: 'secret' }"))
    with pytest.raises(StorageError) as caught:
        db.insert(Box(id="a"))
    assert type(caught.value) is kind
    assert caught.value.engine == "mongodb"
    assert caught.value.__cause__ is not None
    assert "secret" not in "".join(traceback.format_exception(caught.value))
    db.insert(Box(id="a"))


@pytest.mark.parametrize("code", [11600, 11602, 91, 189])
def test_a_write_that_was_interrupted_may_have_happened(
    code: int, server: Scripted, db: BaseStorageAdapter
) -> None:
    server.always("insert", failure(code, "Interrupted"))
    with pytest.raises(OutcomeUnknown, match="get the documents"):
        db.options(timeout=5).insert(Box(id="a"))


def test_a_read_that_was_interrupted_is_unavailable(
    server: Scripted, db: BaseStorageAdapter
) -> None:
    server.always("find", failure(11600, "InterruptedAtShutdown"))
    with pytest.raises(Unavailable):
        db.options(timeout=0.3).get_many(Box, ["a"])


def test_a_server_that_is_no_primary_did_nothing(server: Scripted, db: BaseStorageAdapter) -> None:
    server.always("insert", failure(10107, "NotWritablePrimary"))
    with pytest.raises(Unavailable, match="not the primary"):
        db.options(timeout=5).insert(Box(id="a"))


def test_a_write_that_is_sent_again_is_sent_once_as_to_the_server(
    server: Scripted, db: BaseStorageAdapter
) -> None:
    """The driver repeats it under the same number, by which the server knows it again."""
    server.answer("insert", lambda _: None)
    db.insert(Box(id="a"))
    first, second = server.asked("insert")
    assert first["txnNumber"] == second["txnNumber"]
    assert first["lsid"] == second["lsid"]


def test_a_reply_that_never_comes_is_unknown() -> None:
    hello = {"logicalSessionTimeoutMinutes": None}
    with Scripted("alone", hello=hello) as server, connect(server.url) as db:
        db.ensure_indexes(Box)
        server.answer("insert", lambda _: None)
        with pytest.raises(OutcomeUnknown):
            db.insert(Box(id="a"))
        server.answer("delete", lambda _: None)
        with pytest.raises(OutcomeUnknown):
            db.delete(Box, "a")
        assert len(server.asked("insert")) == len(server.asked("delete")) == 1
        db.insert(Box(id="a"))


def test_what_is_not_confirmed_as_asked_is_unknown(
    server: Scripted, db: BaseStorageAdapter
) -> None:
    unconfirmed = {
        "code": 64,
        "codeName": "WriteConcernTimeout",
        "errmsg": "waiting",
        "errInfo": {},
    }
    server.answer("insert", {"ok": 1.0, "n": 1, "writeConcernError": unconfirmed})
    with pytest.raises(OutcomeUnknown, match="write concern"):
        db.insert(Box(id="a"))


@pytest.mark.parametrize("details", [{"keyPattern": {"_id": 1}}, {}])
def test_a_taken_key_is_told_without_the_details_of_mongodb(
    details: dict[str, Any], server: Scripted, db: BaseStorageAdapter
) -> None:
    server.answer("insert", refused(11000, "E11000 dup key: { _id: 'secret' }", **details))
    server.answer("find", batch("boxes", {"_id": KEY, "size": 1, "_rev": 1}))
    with pytest.raises(DuplicateKey, match="key already") as caught:
        db.insert(Box(id=KEY))
    assert caught.value.fields == ("id",)
    assert KEY not in "".join(traceback.format_exception(caught.value))


def test_the_name_of_a_broken_index_is_found_without_details(server: Scripted) -> None:
    with connect(server.url) as db:
        server.answer("insert", refused(11000, "E11000 dup key"))
        db.ensure_indexes(Named)
        server.always("find", lambda command: batch(command["find"], *_taken(command)))
        server.answer("insert", *[refused(11000, "E11000 dup key")] * 5)
        with pytest.raises(DuplicateKey) as caught:
            db.insert(Named(id="b", name="secret"))
        assert caught.value.fields == ("name",)


def _taken(command: dict[str, Any]) -> list[dict[str, Any]]:
    """Another document with the name, and none with the key."""
    return [] if set(command["filter"]) == {"_id"} else [{"_id": "a", "name": "secret"}]


def test_a_batch_tells_how_far_it_came(server: Scripted, db: BaseStorageAdapter) -> None:
    told = {"index": 2, "code": 11000, "errmsg": "dup key: secret", "keyPattern": {"_id": 1}}
    server.answer("insert", {"ok": 1.0, "n": 2, "writeErrors": [told]})
    server.answer("find", *[batch("boxes", {"_id": "c", "size": 1, "_rev": 1})] * 2)
    with pytest.raises(DuplicateKey) as caught:
        db.insert_many([Box(id=key) for key in "abcd"])
    assert (caught.value.done, caught.value.position, caught.value.key) == (2, 2, "c")


@pytest.mark.parametrize("options", [{"w": "-1"}, {"readPreference": "furthest"}])
def test_options_that_the_driver_refuses(options: dict[str, Any]) -> None:
    try:
        with connect("mongodb://127.0.0.1:1/shop", connect_timeout=0.1, **options):
            pytest.fail("it connected")
    except (InvalidConfig, Unavailable) as error:
        assert error.engine == "mongodb"


def test_every_error_of_the_driver_has_one_of_docmap() -> None:
    """A tripwire: a new class of errors in a new driver is one of those that are known."""
    known = [one for one in vars(driver).values() if isinstance(one, type)]
    found = [one for one in known if issubclass(one, driver.PyMongoError)]
    assert len(found) > 20
    for kind in found:
        made = _made(kind)
        for writes in ("", "one", "many"):
            error = translated(made, "here:27017", writes=writes)
            assert isinstance(error, (StorageError, InvalidConfig, Unsupported))
            assert "secret" not in str(error)
        clean = scrubbed(made)
        assert isinstance(clean, driver.PyMongoError)
        pickle.loads(pickle.dumps(error))  # noqa: S301 - our own


def _made(kind: type[driver.PyMongoError]) -> driver.PyMongoError:
    ways: list[tuple[Any, ...]] = [
        ("secret",),
        ({"writeErrors": [{"index": 0, "code": 1, "errmsg": "secret"}]},),
        ({"writeErrors": []}, True),
        (ValueError("secret"),),
        (ValueError("secret"), {}),
    ]
    for arguments in ways:
        try:
            return kind(*arguments)
        except (TypeError, AttributeError, KeyError):
            continue
    raise AssertionError(f"{kind.__name__} cannot be made")


def test_a_batch_that_is_refused_in_the_middle_tells_how_far_it_came(
    server: Scripted, db: BaseStorageAdapter
) -> None:
    told = {"index": 2, "code": 16500, "errmsg": "Request rate is large: secret"}
    server.answer("insert", {"ok": 1.0, "n": 2, "writeErrors": [told]})
    with pytest.raises(Unavailable) as caught:
        db.insert_many([Box(id=key) for key in "abcd"])
    assert (caught.value.done, caught.value.written) == (2, ("a", "b"))


def test_a_batch_tells_how_far_it_came_though_the_server_has_gone(
    server: Scripted, db: BaseStorageAdapter
) -> None:
    told = {"index": 1, "code": 11000, "errmsg": "dup key: secret"}
    server.answer("insert", {"ok": 1.0, "n": 1, "writeErrors": [told]})
    server.always("find", lambda _: None)
    with pytest.raises(DuplicateKey) as caught:
        db.options(timeout=2.0).insert_many([Box(id=key) for key in "abc"])
    assert (caught.value.done, caught.value.position, caught.value.key) == (1, 1, "b")


def test_a_bulk_of_several_commands_is_unknown_once_one_was_done() -> None:
    with (
        Scripted(hello={"maxWriteBatchSize": 2, "logicalSessionTimeoutMinutes": None}) as server,
        connect(server.url) as db,
    ):
        db.ensure_indexes(Box)
        server.answer("insert", {"n": 2, "ok": 1.0}, failure(10107, "NotWritablePrimary"))
        with pytest.raises(OutcomeUnknown):
            db.insert_many([Box(id=key) for key in "abcd"])


class Counted(Document, collection="counted"):
    id: int | None = None


def test_a_key_that_was_counted_for_nothing_is_no_unknown_write(server: Scripted) -> None:
    with connect(server.url) as db:
        db.ensure_indexes(Counted)
        server.always("update", lambda _: None)
        with pytest.raises(Unavailable):
            db.options(timeout=1.0).insert(Counted())
        assert server.asked("insert") == []


def test_a_member_that_recovers_did_nothing(server: Scripted, db: BaseStorageAdapter) -> None:
    server.always("insert", failure(13436, "NotPrimaryOrSecondary"))
    with pytest.raises(Unavailable):
        db.options(timeout=0.5).insert(Box(id="a"))


def test_a_document_that_was_written_is_never_said_not_to_be(server: Scripted) -> None:
    """Between the document and the counter of its key the server steps down."""
    with connect(server.url) as db:
        db.ensure_indexes(Counted)
        server.always("update", failure(10107, "NotWritablePrimary"))
        with pytest.raises(OutcomeUnknown, match="was written"):
            db.options(timeout=4.0).insert(Counted(id=7))


@pytest.mark.parametrize("found", [[], [{"_id": 7.5}], [{"_id": Int64(2**63 - 1)}]])
def test_keys_are_counted_beyond_those_of_others(found: list[Any], server: Scripted) -> None:
    with connect(server.url) as db:
        db.ensure_indexes(Counted)
        server.answer("find", batch("counted", *found))
        server.always("find", batch("_docmap_collections"))
        server.forget()
        assert isinstance(db, MongoDBStorage)
        assert db._highest_key(schema_of(Counted)) == (int(found[0]["_id"]) if found else 0)
        (asked,) = server.asked("find")
        assert asked["filter"]["_id"]["$lte"] == 2**63 - 1


class Noted(Document, collection="noted"):
    note: str


def test_a_document_too_large_for_the_server_is_refused() -> None:
    with Scripted(hello={"maxBsonObjectSize": 1000}) as server, connect(server.url) as db:
        db.ensure_indexes(Noted)
        with pytest.raises(StorageError, match="too large") as caught:
            db.insert(Noted(id="a", note=KEY * 5000))
        assert type(caught.value) is StorageError
        assert "secret" not in "".join(traceback.format_exception(caught.value))
