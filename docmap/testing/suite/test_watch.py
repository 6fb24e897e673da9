"""Change feeds, where they are claimed: each committed change once, in order, and no other."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from typing import Any

import pytest

from docmap import (
    BaseStorageAdapter,
    ChangeEvent,
    ChangesLost,
    DuplicateKey,
    InvalidQuery,
    NotConnected,
    StaleDocument,
    Watch,
)
from docmap.testing.collecting import requires
from docmap.testing.models import Account, Numbered, Order
from docmap.testing.notes import Note
from docmap.testing.processes import Forker
from docmap.testing.suite.fixtures import Opened

SOON = 0.05  # seconds after which something happens to who waits
LONG = 20.0  # seconds after which what is waited for will not come


class _Undo(Exception):
    """Leaves a transaction, so that it is undone."""


@contextmanager
def _undone(db: BaseStorageAdapter) -> Iterator[None]:
    with suppress(_Undo), db.transaction():
        yield
        raise _Undo


@contextmanager
def _soon(action: Callable[[], Any]) -> Iterator[None]:
    """Do something in another thread, a moment after the block began."""
    timer = threading.Timer(SOON, action)
    timer.start()
    try:
        yield
    finally:
        timer.join()


def _order(key: str, lines: int = 0) -> Order:
    return Order(id=key, number=key, lines=lines)


def _told(changes: Iterable[ChangeEvent[Any]]) -> list[tuple[str, Any]]:
    return [(change.kind, change.key) for change in changes]


def _next(feed: Watch[Any], count: int) -> list[tuple[str, Any]]:
    """The next changes, as many as there are to be, of a feed that waits."""
    return _told(change for _, change in zip(range(count), feed, strict=False))


@requires("watch")
def test_inserts_updates_and_deletes_are_told(db: BaseStorageAdapter) -> None:
    feed = db.watch(Order, wait=0)
    order = _order("a", 1)
    order.save(db)
    order.status = "paid"
    order.save()
    order.delete()
    paid = Order(id="a", number="a", lines=1, status="paid")
    assert [(change.kind, change.key, change.document) for change in feed] == [
        ("insert", "a", _order("a", 1)),
        ("update", "a", paid),
        ("delete", "a", None),
    ]
    assert list(feed) == []


@requires("watch")
def test_every_way_to_write_is_told(db: BaseStorageAdapter) -> None:
    feed = db.watch(Order, wait=0)
    db.insert_many([_order(key) for key in "abc"])
    db.save(Order, {"number": "x"}, primary_key="a")
    db.upsert(_order("d"))
    db.find(Order, id="b").update(lines=5)
    db.save_many(db.find(Order, id="c").list())
    db.get_or_create(Order, {"number": "e"}, id="e")
    db.delete(Order, "a")
    db.delete(Order, "not there")
    db.find(Order, id="b").delete()
    assert _told(feed) == [
        *(("insert", key) for key in "abc"),
        ("update", "a"),
        ("insert", "d"),
        ("update", "b"),
        ("update", "c"),
        ("insert", "e"),
        ("delete", "a"),
        ("delete", "b"),
    ]
    db.collection(Order).clear()
    assert sorted(_told(feed)) == [("delete", key) for key in "cde"]
    db.insert(_order("f"))
    db.clear()
    db.insert(_order("f"))
    assert _told(feed) == [("insert", "f"), ("delete", "f"), ("insert", "f")]


@requires("watch")
def test_changes_come_in_the_order_of_the_writes(db: BaseStorageAdapter) -> None:
    feed = db.watch(Order, wait=0)
    keys = [f"{number * 37 % 100:02}" for number in range(100)]
    db.insert_many([_order(key) for key in keys[:50]])
    for key in keys[50:]:
        _order(key).save(db)
    assert _told(feed) == [("insert", key) for key in keys]


@requires("watch")
def test_what_was_written_before_is_not_told(db: BaseStorageAdapter) -> None:
    _order("a").save(db)
    feed = db.watch(Order, wait=0)
    assert list(feed) == []
    _order("b").save(db)
    assert _told(feed) == [("insert", "b")]


@requires("watch")
def test_what_was_refused_is_not_told(db: BaseStorageAdapter) -> None:
    feed = db.watch(Account, wait=0)
    Account(id="a", email="x").save(db)
    with pytest.raises(DuplicateKey):
        Account(id="a").save(db)
    with pytest.raises(DuplicateKey):
        Account(id="b", email="x").save(db)
    with pytest.raises(DuplicateKey):
        db.insert_many([Account(id="c"), Account(id="d", email="x"), Account(id="e")])
    assert _told(feed) == [("insert", "a"), ("insert", "c")]


@requires("watch")
def test_each_collection_is_watched_by_itself(db: BaseStorageAdapter) -> None:
    orders, accounts = db.watch(Order, wait=0), db.watch(Account, wait=0)
    _order("a").save(db)
    Account(id="b").save(db)
    again = db.watch(Order, wait=0)
    _order("c").save(db)
    assert _told(orders) == [("insert", "a"), ("insert", "c")]
    assert _told(again) == [("insert", "c")]
    assert _told(accounts) == [("insert", "b")]


@requires("watch")
def test_conditions_see_the_state_after_a_change_and_before_a_deletion(
    db: BaseStorageAdapter,
) -> None:
    feed = db.watch(Order, lines__gte=2, wait=0)
    order = _order("a", 1)
    order.save(db)
    order.lines = 2
    order.save()
    order.lines = 1
    order.save()
    _order("b", 3).save(db)
    db.find(Order).delete()
    assert _told(feed) == [("update", "a"), ("insert", "b"), ("delete", "b")]


@requires("watch", "counters")
def test_changes_have_keys_of_their_own_type(db: BaseStorageAdapter) -> None:
    feed = db.watch(Numbered, wait=0)
    Numbered(text="a").save(db)
    db.delete(Numbered, 1)
    assert _told(feed) == [("insert", 1), ("delete", 1)]


@requires("watch")
def test_the_document_of_a_change_can_be_saved(db: BaseStorageAdapter) -> None:
    feed = db.watch(Order, wait=0)
    mine = _order("a")
    mine.save(db)
    (change,) = feed
    assert change.document is not None
    change.document.lines = 7
    change.document.save()
    assert db.get(Order, "a").lines == 7
    with pytest.raises(StaleDocument):
        mine.save()


# -- tokens


@requires("watch")
def test_a_feed_goes_on_behind_each_token(db: BaseStorageAdapter) -> None:
    feed = db.watch(Order, wait=0)
    tokens = [feed.token]
    db.insert_many([_order(key) for key in "abc"])
    db.find(Order, id="b").update(lines=1)
    db.delete(Order, "a")
    changes = list(feed)
    tokens += [change.token for change in changes]
    assert len(changes) == 5
    assert feed.token == tokens[-1]
    for number, token in enumerate(tokens):
        later = db.watch(Order, after=token, wait=0)
        assert _told(later) == _told(changes[number:])
    late = db.watch(Order, after=tokens[-1], wait=0)
    _order("z").save(db)
    assert _told(late) == [("insert", "z")]


@requires("watch")
def test_a_token_of_something_else_is_refused(db: BaseStorageAdapter) -> None:
    token = db.watch(Order).token
    with pytest.raises(InvalidQuery):
        db.watch(Account, after=token)
    with pytest.raises(InvalidQuery):
        db.watch(Order, after="no token")


@requires("watch")
def test_after_unwatch_nothing_is_taken_up_again(db: BaseStorageAdapter) -> None:
    feed, accounts = db.watch(Order, wait=0), db.watch(Account, wait=0)
    _order("a").save(db)
    token = next(feed).token
    db.unwatch(Order)
    _order("b").save(db)
    with pytest.raises(ChangesLost):
        next(feed)
    with pytest.raises(ChangesLost):
        db.watch(Order, after=token)
    Account(id="c").save(db)
    assert _told(accounts) == [("insert", "c")]


# -- transactions


@requires("watch", "transactions")
def test_a_transaction_is_told_when_it_is_committed(db: BaseStorageAdapter) -> None:
    feed = db.watch(Order, wait=0)
    with db.transaction():
        _order("a").save(db)
        assert list(feed) == []
        db.find(Order, id="a").update(lines=1)
        with db.transaction():
            _order("b").save(db)
        db.delete(Order, "a")
        assert list(feed) == []
    changes = [("insert", "a"), ("update", "a"), ("insert", "b"), ("delete", "a")]
    assert _told(feed) == changes


@requires("watch", "transactions")
def test_what_is_undone_is_never_told(db: BaseStorageAdapter) -> None:
    feed = db.watch(Order, wait=0)
    _order("a").save(db)
    with _undone(db):
        _order("b").save(db)
        db.find(Order).update(lines=9)
        db.clear()
    with db.transaction():
        _order("c").save(db)
        with _undone(db):
            _order("d").save(db)
            with db.transaction():
                db.delete(Order, "a")
        _order("e").save(db)
    assert _told(feed) == [("insert", "a"), ("insert", "c"), ("insert", "e")]


@requires("watch", "transactions")
def test_a_feed_does_not_begin_inside_a_transaction(db: BaseStorageAdapter) -> None:
    with db.transaction(), pytest.raises(InvalidQuery):
        db.watch(Order)


# -- waiting


@requires("watch")
def test_a_feed_waits_for_a_change(db: BaseStorageAdapter) -> None:
    with db.watch(Order, wait=LONG) as feed, _soon(lambda: _order("a").save(db)):
        assert _next(feed, 1) == [("insert", "a")]


@requires("watch")
def test_closing_a_feed_ends_who_waits(db: BaseStorageAdapter) -> None:
    feed, begin = db.watch(Order, wait=LONG), time.monotonic()
    with _soon(feed.close):
        assert list(feed) == []
    assert time.monotonic() - begin < LONG / 2
    _order("a").save(db)
    assert list(feed) == []


@requires("watch")
def test_closing_the_storage_ends_who_waits(db: BaseStorageAdapter) -> None:
    feed = db.watch(Order, wait=LONG)
    with _soon(db.disconnect), pytest.raises(NotConnected):
        next(feed)


# -- other openers


@requires("watch", "shares")
def test_what_another_storage_writes_is_told(db: BaseStorageAdapter, opened: Opened) -> None:
    feed, other = db.watch(Order, wait=LONG), opened()
    theirs = other.watch(Order, wait=LONG)
    other.insert_many([_order(key) for key in "abc"])
    other.find(Order, id="b").update(lines=5)
    with other.transaction() if "transactions" in other.abilities else nullcontext():
        other.delete(Order, "a")
        _order("d").save(other)
    _order("e").save(db)
    changes = [
        *(("insert", key) for key in "abc"),
        ("update", "b"),
        ("delete", "a"),
        ("insert", "d"),
        ("insert", "e"),
    ]
    assert _next(feed, len(changes)) == changes
    assert _next(theirs, len(changes)) == changes


@requires("watch", "shares", "transactions")
def test_what_another_storage_has_not_committed_is_not_told(
    db: BaseStorageAdapter, opened: Opened
) -> None:
    feed, other = db.watch(Order, wait=0), opened()
    with _undone(other):
        _order("a").save(other)
        assert list(feed) == []
    with other.transaction():
        _order("b").save(other)
        assert list(feed) == []
    assert _told(feed) == [("insert", "b")]


@requires("watch", "file", "processes")
def test_what_another_process_writes_is_told_in_order(
    db: BaseStorageAdapter, forker: Forker
) -> None:
    feed = db.watch(Note, wait=LONG)
    keys = [key for (key,) in forker.told("insert", "a", 20)]
    assert _next(feed, len(keys)) == [("insert", key) for key in keys]
    assert list(db.watch(Note, after=feed.token, wait=0)) == []
