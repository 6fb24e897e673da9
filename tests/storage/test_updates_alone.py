"""Updates of an engine that makes them atomic by itself: no transaction is opened around them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Any, ClassVar

import pytest

from docmap import Document, InvalidValue
from docmap.plan.engine import NativeQuery, Record
from docmap.schema.rewrite import Rewriter
from docmap.schema.schema import Schema
from docmap_backends.memory import MemoryStorage


class Job(Document, collection="alone_jobs", indexes=["state"]):
    id: int | None = None
    state: str = "waiting"
    tries: int = 0


class Atomic(MemoryStorage):
    """Memory, as if it were a server: it notes what it is asked."""

    atomic_updates: ClassVar[bool] = True
    able = True

    def __init__(self) -> None:
        super().__init__("memory://")
        self.asked: list[str] = []

    def _transaction(self) -> AbstractContextManager[None]:  # type: ignore[override]
        self.asked.append("transaction")
        return super()._transaction()

    def _update_matching(self, schema: Schema, condition: Any, rewriter: Rewriter) -> int | None:
        self.asked.append("update")
        if not self.able:
            return None
        return len(self._rewritten(schema, NativeQuery(condition), rewriter))

    def _update_first(
        self, schema: Schema, query: NativeQuery, rewriter: Rewriter, *, new: bool
    ) -> list[Record] | None:
        self.asked.append("first")
        if not self.able:
            return None
        assert query.limit == 1
        return [
            after if new else before for before, after in self._rewritten(schema, query, rewriter)
        ]

    def _rewritten(
        self, schema: Schema, query: NativeQuery, rewriter: Rewriter
    ) -> list[tuple[Record, Record]]:
        pairs: list[tuple[Record, Record]] = []
        for data, revision in list(self._find(schema, query)):
            wire = rewriter.read(data)
            changed = (rewriter.change(wire), revision + 1)
            self._put(schema, rewriter.key(wire), changed)
            pairs.append(((data, revision), changed))
        return pairs


@pytest.fixture
def atomic() -> Iterator[Atomic]:
    with Atomic() as storage:
        storage.insert_many([Job() for _ in range(3)])
        storage.asked.clear()
        yield storage


def test_an_update(atomic: Atomic) -> None:
    assert atomic.find(Job, id__lt=3).update(tries__inc=1).matched == 2
    assert atomic.asked == ["update"]
    assert [job.tries for job in atomic.find(Job).order_by("id")] == [1, 1, 0]


def test_the_first(atomic: Atomic) -> None:
    query = atomic.find(Job, state="waiting").order_by("-id")
    done, before = query.find_one_and_update(state="done"), query.first()
    assert done is not None
    assert (done.id, done.state, done.is_new) == (3, "done", False)
    assert query.find_one_and_update(state="done", return_new=False) == before
    assert query.raw().find_one_and_update(state="done") == {"id": 1, "state": "done", "tries": 0}
    assert query.find_one_and_update(state="done") is None
    assert atomic.asked == ["first"] * 4
    done.tries = 5
    done.save()  # its revision is the one stored


def test_what_the_engine_cannot_do_is_done_in_a_transaction(atomic: Atomic) -> None:
    atomic.able = False
    assert atomic.find(Job).update(tries__inc=1).matched == 3
    assert atomic.asked == ["update", "transaction", "update"]
    atomic.asked.clear()
    found = atomic.find(Job).order_by("id").find_one_and_update(tries__inc=1)
    assert found is not None
    assert (found.id, found.tries) == (1, 2)
    assert atomic.asked == ["first", "transaction"]


def test_nothing_is_asked_where_nothing_can_match(atomic: Atomic) -> None:
    assert atomic.find(Job, id__in=[]).update(tries=1).matched == 0
    assert atomic.find(Job, id__in=[]).find_one_and_update(tries=1) is None
    assert atomic.asked == []


def test_hooks_want_a_transaction(atomic: Atomic) -> None:
    seen = []

    @atomic.before("update", Job)
    def look(job: Job) -> None:
        seen.append(job.id)

    assert atomic.find(Job).update(tries=1).matched == 3
    assert atomic.find(Job).find_one_and_update(tries=2) is not None
    assert atomic.asked == ["transaction", "transaction"]
    assert sorted(filter(None, seen)) == [1, 1, 2, 3]


def test_a_failure_changes_nothing(atomic: Atomic) -> None:
    with pytest.raises(InvalidValue):
        atomic.find(Job).update(tries=2**63)
    assert atomic.asked == []
