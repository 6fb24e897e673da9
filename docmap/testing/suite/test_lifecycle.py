"""The life of a storage: opened, closed, interrupted; what it says of itself holds no secrets."""

from __future__ import annotations

import copy
import json
import pickle
import random
import traceback
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from docmap import (
    AlreadyConnected,
    BaseStorageAdapter,
    DocmapError,
    DuplicateKey,
    InvalidConfig,
    InvalidRecord,
    NotConnected,
    StaleDocument,
)
from docmap.testing.collecting import requires
from docmap.testing.models import Account, Order
from docmap.testing.notes import Note, become, check_sound, held, note
from docmap.testing.processes import Forker, Target
from docmap.testing.profile import BackendProfile
from docmap.testing.suite.fixtures import Opened

SECRET = "hunter2-correct-horse"  # noqa: S105 - what must not be shown
STREAMED, STREAM_KIB = 100_000, 64 * 1024


def test_a_storage_that_is_open_is_not_opened_again(db: BaseStorageAdapter) -> None:
    assert db.is_open
    with pytest.raises(AlreadyConnected, match="reconnect"):
        db.connect()
    note("a", 1).save(db)
    assert held(db) == {"a": 1}


def test_a_closed_storage_refuses_every_use(db: BaseStorageAdapter) -> None:
    loaded = note("a", 1)
    loaded.save(db)
    db.disconnect()
    db.disconnect()
    assert not db.is_open
    uses: list[Callable[[], Any]] = [
        lambda: db.get(Note, "a"),
        lambda: db.get_many(Note, ["a"]),
        lambda: db.find(Note).list(),
        lambda: db.find(Note).count(),
        lambda: db.find(Note, number=1).first(),
        lambda: db.find(Note).values("number"),
        lambda: db.find(Note).update(number=1),
        lambda: db.find(Note).delete(),
        lambda: db.get_or_create(Note, number=1),
        lambda: note("b", 2).save(db),
        lambda: loaded.save(db),
        lambda: db.insert_many([note("b", 2)]),
        lambda: db.delete(Note, "a"),
        db.collections,
        lambda: db.ensure_indexes(Note),
        lambda: db.native,
        db.clear,
        db.sync,
        db.ping,
        db.info,
    ]
    for number, use in enumerate(uses):
        with pytest.raises(NotConnected):
            pytest.fail(f"use {number} gave {use()!r}")


def test_closing_in_a_with_block_is_certain(backend: BackendProfile, opened: Opened) -> None:
    with pytest.raises(ZeroDivisionError), opened() as db:  # noqa: PT012 - leaves the block
        note("a", 1).save(db)
        raise ZeroDivisionError
    assert not db.is_open
    with db:
        assert db.is_open
        assert held(db) == ({"a": 1} if "durable" in backend.features else {})


@requires("durable")
def test_what_was_stored_is_there_when_it_is_opened_again(
    db: BaseStorageAdapter, rng: random.Random
) -> None:
    expected: dict[str, int] = {}
    db.ensure_indexes(Note)
    for _ in range(8):
        for _ in range(rng.randrange(1, 12)):
            key, number = f"{rng.randrange(20)}", rng.randrange(10**6)
            if key in expected and rng.random() < 0.3:
                db.delete(Note, key)
                del expected[key]
            else:
                db.upsert(note(key, number))
                expected[key] = number
        db.reconnect()
        assert check_sound(db) == expected
        assert db.indexes(Note)["missing"] == []
    assert db.collections() == ["notes"]


@requires("durable")
def test_revisions_outlive_the_storage(db: BaseStorageAdapter) -> None:
    note("a", 1).save(db)
    early = db.get(Note, "a")
    db.reconnect()
    late = db.get(Note, "a")
    become(late, 2)
    late.save(db)
    become(early, 3)
    with pytest.raises(StaleDocument):
        early.save(db)
    assert held(db) == {"a": 2}


@requires("durable")
def test_unique_values_are_still_taken_when_it_is_opened_again(db: BaseStorageAdapter) -> None:
    db.insert(Account(id="1", email="ann@example.org"))
    db.reconnect()
    with pytest.raises(DuplicateKey):
        db.insert(Account(id="2", email="ann@example.org"))
    with pytest.raises(DuplicateKey):
        db.insert(Account(id="1", email="bob@example.org"))
    assert db.find(Account).count() == 1


def test_a_stream_whose_storage_is_closed_ends_with_an_error(db: BaseStorageAdapter) -> None:
    db.insert_many([note(f"{number:04d}", number) for number in range(1500)])
    stream = iter(db.find(Note))
    seen = {next(stream).id}
    db.disconnect()
    # What was read already may still come.
    try:
        seen |= {one.id for one in stream}
    except NotConnected:
        assert len(seen) < 1500
    else:
        assert len(seen) == 1500


def test_streams_that_are_left_hold_nothing_up(db: BaseStorageAdapter) -> None:
    db.insert_many([note(f"{number:04d}", number) for number in range(1200)])
    left: list[Iterator[Note]] = []
    for number in range(30):
        stream = iter(db.find(Note, number__gte=0).order_by("-number"))
        next(stream)
        left += [stream] if number % 2 else []
        db.upsert(note(f"{number:04d}", number + 5000))
    assert db.find(Note).count() == 1200
    db.delete(Note, "0001")
    db.reconnect()
    assert db.find(Note).count() == (1199 if held(db) else 0)


def test_writes_in_the_loop_are_not_seen(db: BaseStorageAdapter) -> None:
    db.insert_many([note(f"{number:04d}", number) for number in range(200)])
    for lookups in ({}, {"number__gte": 0}):
        seen = []
        for one in db.find(Note, **lookups):
            seen.append(one.id)
            if one.number < 20_000:
                db.upsert(note(one.id, one.number + 10_000))
            db.upsert(note(f"new {len(seen)}", 30_000))
            assert len(seen) < 5000
        assert len(seen) == len(set(seen))
        assert len([key for key in seen if not key.startswith("new")]) == 200
        db.find(Note, number=30_000).delete()


@pytest.mark.parametrize("raised", [ZeroDivisionError, KeyboardInterrupt, SystemExit])
@requires("transactions")
def test_a_block_that_is_left_by_an_error_writes_nothing(
    raised: type[BaseException], db: BaseStorageAdapter
) -> None:
    note("a", 1).save(db)
    with pytest.raises(raised), db.transaction():  # noqa: PT012 - leaves the block
        db.upsert(note("a", 2))
        db.insert_many([note(f"b{number}", number) for number in range(30)])
        with db.transaction():
            db.delete(Note, "a")
        assert "a" not in held(db)
        raise raised
    assert check_sound(db) == {"a": 1}
    with db.transaction():
        note("c", 3).save(db)
    assert check_sound(db) == {"a": 1, "c": 3}


@requires("transactions")
def test_closing_in_a_transaction_writes_nothing(
    backend: BackendProfile, db: BaseStorageAdapter
) -> None:
    note("a", 1).save(db)
    with pytest.raises(NotConnected), db.transaction():  # noqa: PT012 - leaves the block
        note("b", 2).save(db)
        db.disconnect()
        note("c", 3).save(db)
    db.connect()
    assert check_sound(db) == ({} if backend.kind == "memory" else {"a": 1})


@requires("file", "posix")
def test_an_interrupt_at_any_moment_leaves_the_storage_usable(
    db: BaseStorageAdapter, forker: Forker, opened: Opened, rng: random.Random, *, long_run: bool
) -> None:
    db.ensure_indexes(Note)
    db.disconnect()
    times = 1000 if long_run else 15
    ((written, unsure, found, last),) = forker.told("interrupt", times, rng.random())
    assert written <= found <= written + unsure
    assert last == times - 1
    with opened() as again:
        assert len(check_sound(again)) == found


def test_errors_hold_no_values_and_no_keys(db: BaseStorageAdapter) -> None:
    db.insert(Account(id=SECRET, email=f"{SECRET}@example.org"))
    stale = db.get(Account, SECRET)
    fresh = db.get(Account, SECRET)
    fresh.name = SECRET
    fresh.save(db)
    stale.name = f"{SECRET} 2"
    db.insert_many("orders", [{"id": "odd", "number": {SECRET: 1}, "status": SECRET}])
    uses: list[Callable[[], Any]] = [
        lambda: db.insert(Account(id=SECRET)),
        lambda: db.insert(Account(id="2", email=f"{SECRET}@example.org")),
        lambda: db.insert_many([Account(id="3", email=f"{SECRET}@example.org")]),
        lambda: stale.save(db),
        stale.delete,
        lambda: db.get(Account, f"{SECRET}-3"),
        lambda: db.get(Order, "odd"),
        lambda: db.find(Account, name=f"{SECRET} 5").one(),
        lambda: db.find(Account).update(visits=f"{SECRET}"),
        lambda: db.find("accounts", id=SECRET).update(name__inc=1),
    ]
    for number, use in enumerate(uses):
        with pytest.raises(DocmapError) as caught:
            pytest.fail(f"use {number} gave {use()!r}")
        error = caught.value
        assert SECRET not in f"{error} {error!r} {error.message}", number
        if not isinstance(error, InvalidRecord):  # its cause is pydantic's, which shows the input
            assert SECRET not in str(traceback.format_exception(error)), number


def test_a_password_is_shown_nowhere(backend: BackendProfile, opened: Opened) -> None:
    """Where the engine takes none, the error that says so does not repeat it."""
    with opened() as usable:
        note("a", 1).save(usable)
    try:
        storage = opened(password=SECRET)
    except (InvalidConfig, TypeError) as error:
        assert SECRET not in f"{error} {error!r} {traceback.format_exception(error)}"
        return
    surfaces = [repr(storage), str(storage), str(storage.url), repr(storage.url)]
    surfaces += [str(vars(storage)), json.dumps(storage.info(), default=str)]
    assert [one for one in surfaces if SECRET in one] == []


@requires("file")
def test_a_password_in_the_url_is_shown_nowhere(target: Target) -> None:
    url = f"{target.url}{'&' if '?' in target.url else '?'}password={SECRET}"
    try:
        storage = replace(target, url=url).open()
    except (InvalidConfig, TypeError) as error:
        assert SECRET not in f"{error} {error!r} {traceback.format_exception(error)}"
        return
    with storage:
        surfaces = [repr(storage), str(storage), str(storage.url), repr(storage.url)]
        surfaces += [str(vars(storage)), json.dumps(storage.info(), default=str)]
    assert [one for one in surfaces if SECRET in one] == []


def test_a_storage_tells_what_it_is(backend: BackendProfile, db: BaseStorageAdapter) -> None:
    note("a", 1).save(db)
    found = db.info()
    assert found["engine"] == db.scheme
    assert json.loads(json.dumps(found))["engine"] == db.scheme
    assert db.scheme in repr(db) or type(db).__name__ in repr(db)
    assert db.ping() is True
    assert backend.abilities == db.abilities


def test_documents_that_were_pickled_bring_no_storage(db: BaseStorageAdapter) -> None:
    note("a", 1).save(db)
    loaded = db.get(Note, "a")
    made: Note = pickle.loads(pickle.dumps(loaded))  # noqa: S301 - our own
    copied = copy.deepcopy(loaded)
    assert made == copied == loaded
    become(made, 2)
    db.save(made)
    with pytest.raises(StaleDocument):  # the revision came along
        db.save(copied)


@requires("outside", "long")
def test_memory_stays_flat_over_a_long_stream(forker: Forker) -> None:
    ((count, grown),) = forker.told("stream", STREAMED)
    assert count == STREAMED
    assert grown <= STREAM_KIB
