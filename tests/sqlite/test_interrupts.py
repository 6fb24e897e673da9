"""Interrupts at every line of a write, and closing a storage under threads that work."""

from __future__ import annotations

import contextlib
import gc
import linecache
import sqlite3
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from docmap import BaseStorageAdapter, Document, Index, NotConnected, connect

_PLACES = ("docmap_backends", "docmap/storage", "contextlib")


class Row(Document, collection="rows", indexes=[Index("tags"), Index("number", unique=True)]):
    number: int
    tags: list[str] = []  # noqa: RUF012 - pydantic copies it


class Interrupter:
    """Raises KeyboardInterrupt at the line that is executed `at` lines after the start."""

    def __init__(self, at: int) -> None:
        self.left = at

    def __call__(self, frame: FrameType, event: str, _: Any) -> Any:
        if not any(place in frame.f_code.co_filename for place in _PLACES):
            return None
        if event == "call" and (frame.f_code.co_name == "__del__" or self.deleting(frame)):
            return None  # Python itself swallows what is raised there
        # Of a `with` statement the exit is a line event of its own, where no interrupt can come.
        text = linecache.getline(frame.f_code.co_filename, frame.f_lineno).lstrip()
        if event == "line" and not text.startswith("with "):
            self.left -= 1
            if self.left == 0:
                raise KeyboardInterrupt
        return self

    @staticmethod
    def deleting(frame: FrameType) -> bool:
        """True in what `__del__` calls."""
        return frame.f_back is not None and frame.f_back.f_code.co_name == "__del__"


def interrupted(action: Callable[[], object], at: int) -> bool:
    """Run something with an interrupt after so many lines; True if it came to that."""
    interrupter, before = Interrupter(at), sys.gettrace()
    sys.settrace(interrupter)
    try:
        action()
    except KeyboardInterrupt:
        return True
    finally:
        sys.settrace(before)
    return interrupter.left <= 0


def insert(db: BaseStorageAdapter, number: int) -> None:
    db.insert(Row(id=f"{number}-a", number=number, tags=["x", "y"]))


def insert_several(db: BaseStorageAdapter, number: int) -> None:
    rows = [Row(id=f"{number}-{end}", number=number * 3 + end, tags=["x"]) for end in range(3)]
    db.insert_many(rows)


def in_a_transaction(db: BaseStorageAdapter, number: int) -> None:
    with db.transaction():
        for end in range(3):
            with db.transaction():
                db.insert(Row(id=f"{number}-{end}", number=number * 3 + end))


def delete_several(db: BaseStorageAdapter, _: int) -> None:
    db.find(Row, tags__contains="x").delete()


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///{}?synchronous=NORMAL"])
@pytest.mark.parametrize("write", [insert, insert_several, in_a_transaction, delete_several])
def test_an_interrupt_anywhere_leaves_the_storage_usable(
    url: str, write: Callable[[BaseStorageAdapter, int], None], tmp_path: Path, *, long_run: bool
) -> None:
    """Nothing is half written, no lock is held, and the next write goes on."""
    with ThreadPoolExecutor(1) as other, connect(url.format(tmp_path / "a.db"), timeout=1) as db:
        write(db, 0)  # makes the table, the indexes, what is known of them
        at, number = 0, 0
        while True:
            at, number = at + (1 if long_run else 11), number + 1
            if write is delete_several and not db.find(Row).exists():
                insert_several(db, number)
            before = db.find(Row).count()
            hit = interrupted(lambda: write(db, number), at)  # noqa: B023 - it runs at once
            after = db.find(Row).count()
            changed = 1 if write is insert else -before if write is delete_several else 3
            assert after - before in {0, changed}, at
            if not hit:
                break
            other.submit(db.insert, Row(number=-number)).result(30)  # no lock is left held
            assert other.submit(db.find(Row, number=-number).delete).result(30) == 1
        assert at > 50
        assert db.native.execute("PRAGMA integrity_check").fetchall() == [(b"ok",)]
        assert db.find(Row, tags__contains="x").count() == sum("x" in r.tags for r in db.find(Row))


def test_an_interrupt_anywhere_while_loading_leaves_garbage_collected(*, long_run: bool) -> None:
    with connect("sqlite://") as db:
        insert_several(db, 1)
        query, at = db.find(Row, tags__contains="x"), 0
        assert query.count() == 3
        assert gc.isenabled()
        while interrupted(query.list, at := at + (1 if long_run else 3)):
            assert gc.isenabled(), at
        assert at > 50


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///{}?synchronous=NORMAL"])
def test_closing_while_threads_work(url: str, tmp_path: Path, *, long_run: bool) -> None:
    """They get NotConnected, and the process goes on; what they had stored is stored."""
    for turn in range(40 if long_run else 8):
        close_under_threads(url.format(tmp_path / "a.db"), turn)


def close_under_threads(url: str, turn: int) -> None:
    db = connect(url)
    db.ensure_indexes(Row)
    begun = threading.Barrier(7)
    stored: list[str] = []

    def work(kind: int) -> None:
        begun.wait()
        with contextlib.suppress(NotConnected):
            for count in range(100_000):
                name = f"{turn}-{kind}-{count}"
                if kind % 3 == 0:
                    db.insert(Row(id=name, number=hash(name)))
                    stored.append(name)
                elif kind % 3 == 1:
                    for row in db.find(Row).order_by("number"):
                        assert row.number
                else:
                    with db.transaction():
                        assert db.find(Row, number__gt=0).count() >= 0
            raise AssertionError("the storage was never closed")

    with ThreadPoolExecutor(6) as pool:
        working = [pool.submit(work, kind) for kind in range(6)]
        begun.wait()
        while len(stored) < 5 and not any(one.done() for one in working):
            wait(working, 0.01)
        db.disconnect()
        for one in working:
            one.result()
    assert len(stored) >= 5
    if url != "sqlite://":
        with connect(url) as again:
            assert len(again.get_many(Row, stored)) == len(stored)


class InterruptedConnection:
    """A connection whose next statement is interrupted when SQLite has run it."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._left = 1

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    def execute(self, *arguments: Any) -> sqlite3.Cursor:
        found = self._connection.execute(*arguments)
        self._left -= 1
        if self._left == 0:
            raise KeyboardInterrupt
        return found


def test_an_interrupt_when_a_transaction_has_just_begun_ends_it(tmp_path: Path) -> None:
    with connect(f"sqlite:///{tmp_path / 'a.db'}", timeout=1) as db:
        db.insert(Row(id="a", number=1))
        link = db._connections._own().link  # type: ignore[attr-defined]
        link.connection = InterruptedConnection(link.connection)
        with pytest.raises(KeyboardInterrupt), db.transaction():
            pytest.fail("it was not interrupted")
        db.insert(Row(id="b", number=2))
        assert db.find(Row).count() == 2
