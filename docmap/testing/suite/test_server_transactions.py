"""Transactions whose server goes: wholly there or wholly absent, and nobody is told otherwise."""

from __future__ import annotations

from contextlib import suppress

import pytest

from docmap import BaseStorageAdapter, OutcomeUnknown, StorageError, Unavailable
from docmap.testing.collecting import requires
from docmap.testing.disturbed import (
    BEFORE,
    SOON,
    Disturbed,
    allowed,
    state,
    tried,
)
from docmap.testing.notes import Counter

AFTER = {"a": 5, "b": 2, "c": 3}


def change(db: BaseStorageAdapter) -> None:
    """What makes AFTER of BEFORE."""
    db.upsert(Counter(id="a", value=5))
    db.insert(Counter(id="c", value=3))


def check_works(disturbed: Disturbed, db: BaseStorageAdapter) -> None:
    """The storage sees what is there, and its next transaction is whole."""
    before = state(disturbed.direct)
    assert state(db) == before
    with db.transaction():
        db.upsert(Counter(id="z", value=9))
        db.upsert(Counter(id="y", value=8))
    assert state(disturbed.direct) == {**before, "z": 9, "y": 8}


@requires("server", "transactions")
def test_a_transaction_whose_connection_was_cut_is_absent(disturbed: Disturbed) -> None:
    db = disturbed.open()

    def work() -> None:
        with db.transaction():
            change(db)
            disturbed.proxy.cut()
            db.upsert(Counter(id="b", value=7))

    with pytest.raises(StorageError):
        work()
    assert state(disturbed.direct) == BEFORE
    check_works(disturbed, db)


@requires("server", "transactions")
def test_a_transaction_goes_on_for_nobody_who_caught_the_error(disturbed: Disturbed) -> None:
    """Its first writes are gone with the connection: the rest may not be committed alone."""
    db = disturbed.open()

    def work() -> None:
        with db.transaction():
            change(db)
            disturbed.proxy.cut()
            with suppress(StorageError):
                state(db)
            with suppress(StorageError):
                db.upsert(Counter(id="b", value=7))

    with pytest.raises(StorageError):
        work()
    assert state(disturbed.direct) == BEFORE
    check_works(disturbed, db)


@requires("server", "transactions")
def test_the_programs_own_exception_is_not_lost_with_the_connection(disturbed: Disturbed) -> None:
    db = disturbed.open()

    def work() -> None:
        with db.transaction():
            change(db)
            disturbed.proxy.cut()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        work()
    assert state(disturbed.direct) == BEFORE
    check_works(disturbed, db)


@requires("server", "transactions")
def test_a_lost_savepoint_takes_its_transaction_along(disturbed: Disturbed) -> None:
    db = disturbed.open()

    def work() -> None:
        with db.transaction():
            db.upsert(Counter(id="a", value=5))
            with suppress(StorageError), db.transaction():
                disturbed.proxy.cut()
                db.insert(Counter(id="c", value=3))
            with suppress(StorageError):
                db.insert(Counter(id="d", value=4))

    with pytest.raises(StorageError):
        work()
    assert state(disturbed.direct) == BEFORE
    check_works(disturbed, db)


@requires("server", "transactions")
@pytest.mark.parametrize("what", ["request", "reply"])
def test_a_commit_whose_connection_was_cut_is_told_truly(what: str, disturbed: Disturbed) -> None:
    db = disturbed.open()
    lose = disturbed.proxy.lose_reply if what == "reply" else disturbed.proxy.lose_request

    def work() -> None:
        with db.transaction():
            change(db)
            lose(b"commit")

    error = tried(work)
    assert disturbed.proxy.lost.is_set()
    assert state(disturbed.direct) == (AFTER if what == "reply" else BEFORE)
    assert state(disturbed.direct) in allowed(error, AFTER)
    if isinstance(error, OutcomeUnknown):
        assert "commit" in str(error).lower()
    check_works(disturbed, db)


@requires("server", "transactions")
@pytest.mark.parametrize("how", ["freeze", "swallow"])
def test_a_commit_to_a_silent_server_ends_in_time(how: str, disturbed: Disturbed) -> None:
    db = disturbed.open(timeout=4 * SOON)

    def work() -> None:
        with db.transaction():
            change(db)
            getattr(disturbed.proxy, how)()

    with disturbed.in_time(4 * SOON):
        error = tried(work)
    assert isinstance(error, OutcomeUnknown)
    disturbed.melt()
    assert state(disturbed.direct) == (AFTER if how == "swallow" else BEFORE)
    check_works(disturbed, db)


@requires("server", "transactions")
def test_a_frost_in_a_transaction_ends_in_time_and_leaves_nothing(disturbed: Disturbed) -> None:
    db = disturbed.open()

    def work() -> None:
        with db.transaction():
            change(db)
            disturbed.proxy.freeze()
            db.options(timeout=SOON).upsert(Counter(id="b", value=7))

    with disturbed.in_time(3 * SOON), pytest.raises((Unavailable, OutcomeUnknown)):
        work()
    disturbed.melt()
    assert state(disturbed.direct) == BEFORE
    check_works(disturbed, db)


@requires("server", "transactions", "restart")
def test_a_transaction_over_a_restart_is_absent(disturbed: Disturbed) -> None:
    db = disturbed.open()

    def work() -> None:
        with db.transaction():
            change(db)
            disturbed.restart()
            db.upsert(Counter(id="b", value=7))

    with pytest.raises(StorageError):
        work()
    disturbed.direct.reconnect()
    assert state(disturbed.direct) == BEFORE
    check_works(disturbed, db)
