"""Transactions, where they are claimed: all or nothing, seeing oneself, unseen by others."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest

from docmap import BaseStorageAdapter, Count, DuplicateKey, Sum, Unsupported
from docmap.testing.collecting import requires
from docmap.testing.models import Account, Numbered, Order
from docmap.testing.profile import BackendProfile


class _Undo(Exception):
    """Leaves a transaction, so that it is undone."""


@contextmanager
def _undone(db: BaseStorageAdapter) -> Iterator[None]:
    with suppress(_Undo), db.transaction():
        yield
        raise _Undo


def _order(key: str, lines: int = 0) -> Order:
    return Order(id=key, number=key, lines=lines)


def _keys(db: BaseStorageAdapter) -> list[str]:
    return sorted(one.id for one in db.find(Order))


@requires("transactions")
def test_a_transaction_is_kept(db: BaseStorageAdapter) -> None:
    with db.transaction():
        db.insert_many([_order("a"), _order("b")])
        db.find(Order, id="a").update(status="paid")
        db.delete(Order, "b")
    assert _keys(db) == ["a"]
    assert db.get(Order, "a").status == "paid"


@requires("transactions")
def test_an_error_undoes_all(db: BaseStorageAdapter) -> None:
    db.insert_many([_order(f"{n}", n) for n in range(5)])
    with _undone(db):
        _order("new").save(db)
        db.find(Order, lines__lt=3).update(lines__inc=100)
        db.delete(Order, "4")
        db.find(Order, lines=3).delete()
        order = db.get(Order, "0")
        order.status = "changed"
        order.save()
        Account(id="x", email="x").save(db)
    assert [one.lines for one in db.find(Order).order_by("id")] == list(range(5))
    assert db.find(Order, lines__gte=100).count() == 0
    assert db.find(Order, status="changed").count() == 0
    assert db.find(Account).count() == 0
    Account(id="y", email="x").save(db)
    assert db.find(Account, email="x").one().id == "y"


@requires("transactions")
@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_what_is_no_exception_undoes_too(
    db: BaseStorageAdapter, error: type[BaseException]
) -> None:
    with pytest.raises(error):
        _save_and_raise(db, error)
    assert _keys(db) == []
    _order("b").save(db)
    assert _keys(db) == ["b"]


def _save_and_raise(db: BaseStorageAdapter, error: type[BaseException]) -> None:
    with db.transaction():
        _order("a").save(db)
        raise error


@requires("transactions")
def test_its_own_writes_are_seen(db: BaseStorageAdapter) -> None:
    db.insert_many([_order(f"{n}", n) for n in range(5)])
    with _undone(db):
        _order("new", 50).save(db)
        db.delete(Order, "0")
        db.find(Order, id="1").update(lines=60)
        assert db.get(Order, "new").lines == 50
        assert db.get_many(Order, ["0", "1"])[0].lines == 60
        assert db.find(Order).count() == 5
        assert db.find(Order, lines__gte=50).count() == 2
        assert not db.find(Order, lines=0).exists()
        assert [one.id for one in db.find(Order).order_by("-lines")[:3]] == ["1", "new", "4"]
        assert db.find(Order).order_by("lines").values("lines") == [2, 3, 4, 50, 60]
        assert db.find(Order).aggregate(n=Count(), s=Sum("lines")) == (5, 119)
        assert len(db.find(Order).where_not(lines__lt=50).list()) == 2
    assert db.find(Order).aggregate(n=Count(), s=Sum("lines")) == (5, 10)


@requires("transactions")
def test_its_own_unique_values_are_taken(db: BaseStorageAdapter) -> None:
    Account(id="a", email="a").save(db)
    with db.transaction():
        Account(id="b", email="b").save(db)
        with pytest.raises(DuplicateKey):
            Account(id="c", email="b").save(db)
        with pytest.raises(DuplicateKey):
            Account(id="c", email="a").save(db)
        db.delete(Account, "a")
        Account(id="d", email="a").save(db)
    assert {one.id: one.email for one in db.find(Account)} == {"b": "b", "d": "a"}


@requires("transactions")
def test_one_inside_another_is_undone_alone(db: BaseStorageAdapter) -> None:
    with db.transaction():
        _order("outer").save(db)
        with _undone(db):
            _order("inner").save(db)
            db.delete(Order, "outer")
            with db.transaction():
                _order("innermost").save(db)
        assert _keys(db) == ["outer"]
        with db.transaction():
            _order("kept").save(db)
    assert _keys(db) == ["kept", "outer"]


@requires("transactions")
def test_an_outer_one_undoes_the_inner(db: BaseStorageAdapter) -> None:
    with _undone(db):
        with db.transaction():
            _order("inner").save(db)
        assert _keys(db) == ["inner"]
    assert _keys(db) == []


@requires("transactions")
def test_clear_is_undone(db: BaseStorageAdapter) -> None:
    db.insert_many([Account(id="a", email="a"), Account(id="b", email="b")])
    with _undone(db):
        db.clear()
        assert db.find(Account).count() == 0
        Account(id="c", email="a").save(db)
    assert {one.id for one in db.find(Account, email__in=["a", "b"])} == {"a", "b"}
    with pytest.raises(DuplicateKey):
        Account(id="c", email="a").save(db)


@requires("transactions")
def test_the_state_of_documents_goes_back(db: BaseStorageAdapter) -> None:
    order = _order("a")
    order.save(db)
    new = _order("b")
    with _undone(db):
        order.status = "paid"
        order.save()
        new.save(db)
    order.save()
    new.save(db)
    assert _keys(db) == ["a", "b"]
    assert db.get(Order, "a").status == "paid"


@requires("transactions")
def test_others_see_nothing_before_the_end(db: BaseStorageAdapter) -> None:
    """Another thread sees what was there before, or waits; never half of it."""
    db.insert_many([_order("a", 1), _order("b", 1)])
    seen: list[int] = []
    written, stop = threading.Event(), threading.Event()

    def look() -> None:
        written.wait(30)
        while not stop.is_set():
            seen.append(sum(one.lines or 0 for one in db.find(Order)))
            if len(seen) > 200:
                break

    thread = threading.Thread(target=look)
    thread.start()
    try:
        with db.transaction():
            db.find(Order, id="a").update(lines=10)
            written.set()
            for _ in range(20):
                db.find(Order).count()
            db.find(Order, id="b").update(lines=10)
    finally:
        written.set()
        stop.set()
        thread.join(60)
    assert not thread.is_alive()
    assert set(seen) <= {2, 20}
    assert db.find(Order).aggregate(s=Sum("lines")).s == 20


@requires("transactions", "counters")
def test_counted_keys_after_an_undone_transaction(db: BaseStorageAdapter) -> None:
    Numbered(text="a").save(db)
    with _undone(db):
        Numbered(text="b").save(db)
    Numbered(text="c").save(db)
    Numbered(text="d").save(db)
    keys = [one.id for one in db.find(Numbered).order_by("id")]
    assert len(set(keys)) == 3


def test_abilities_are_as_claimed(db: BaseStorageAdapter, backend: BackendProfile) -> None:
    _order("a").save(db)
    assert db.abilities == backend.abilities


def test_what_is_not_claimed_is_refused_by_name(
    db: BaseStorageAdapter, backend: BackendProfile
) -> None:
    asked: dict[str, Callable[[], Any]] = {
        "transactions": lambda: db.transaction().__enter__(),
        "counters": lambda: Numbered(text="a").save(db),
        "watch": lambda: db.watch(Order),
    }
    _order("a").save(db)
    for ability, ask in asked.items():
        if ability not in backend.abilities:
            with pytest.raises(Unsupported):
                ask()
    assert _keys(db) == ["a"]
