"""Updates under races: nothing is lost, nothing is given twice, what changed meanwhile is seen."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from docmap import BaseStorageAdapter, Document, InvalidValue, Updated, connect
from docmap.schema.schema import Schema
from docmap.storage.writes import Write
from tests.storage.bare import Bare

THREADS = 8


class Job(Document, collection="jobs"):
    id: int
    state: str = "waiting"
    count: int = 0
    tags: list[str] = []  # noqa: RUF012 - pydantic copies it


def _together(work: Callable[[int], object]) -> None:
    """Run the work in threads that start at once; an exception of one is raised here."""
    start, failures = threading.Barrier(THREADS), list[BaseException]()

    def run(number: int) -> None:
        start.wait(timeout=30)
        try:
            work(number)
        except BaseException as error:  # noqa: BLE001 - raised below
            failures.append(error)

    threads = [threading.Thread(target=run, args=(n,)) for n in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    if failures:
        raise failures[0]


@pytest.fixture(params=["memory", "file"])
def shared(request: pytest.FixtureRequest, tmp_path: Path) -> BaseStorageAdapter:
    """A storage that all threads use."""
    url = "memory://" if request.param == "memory" else f"sqlite:///{tmp_path / 'jobs.db'}"
    return connect(url, **({} if request.param == "memory" else {"timeout": 30.0}))


def test_each_job_is_taken_once(shared: BaseStorageAdapter) -> None:
    with shared:
        shared.insert_many([Job(id=n) for n in range(40)])
        taken: list[int] = []

        def work(number: int) -> None:
            queue = shared.find(Job, state="waiting").order_by("-id")
            while (job := queue.find_one_and_update(state=f"taken by {number}")) is not None:
                assert job.state == f"taken by {number}"
                taken.append(job.id)

        _together(work)
        assert sorted(taken) == list(range(40))


def test_no_increment_is_lost(shared: BaseStorageAdapter) -> None:
    with shared:
        shared.insert(Job(id=1))

        def work(number: int) -> None:
            for turn in range(5):
                shared.find(Job).update(count__inc=1, tags__push=f"{number}.{turn}")

        _together(work)
        job = shared.get(Job, 1)
        assert job.count == THREADS * 5
        assert sorted(job.tags) == sorted(f"{n}.{t}" for n in range(THREADS) for t in range(5))


class Overtaken(Bare):
    """An engine in which another process writes between the reading and the writing, once."""

    meanwhile: Callable[[], object] | None = None

    def _rewrite(
        self, schema: Schema, writes: Sequence[Write], names: frozenset[str] | None
    ) -> list[Write]:
        if self.meanwhile is not None:
            work, self.meanwhile = self.meanwhile, None
            work()
        return super()._rewrite(schema, writes, names)


@pytest.fixture
def overtaken() -> Overtaken:
    storage = Overtaken()
    storage.connect()
    storage.insert_many([Job(id=n) for n in range(4)])
    return storage


def test_what_another_process_changed_is_tried_again(overtaken: Overtaken) -> None:
    def work() -> None:
        overtaken.upsert(Job(id=1, count=50))
        overtaken.upsert(Job(id=2, state="gone"))
        overtaken.delete(Job, 3)

    overtaken.meanwhile = work
    assert overtaken.find(Job, state="waiting").update(count__inc=1) == Updated(2, 2)
    found = [(job.id, job.state, job.count) for job in overtaken.find(Job).order_by("id")]
    assert found == [(0, "waiting", 1), (1, "waiting", 51), (2, "gone", 0)]


def test_the_first_is_looked_for_again(overtaken: Overtaken) -> None:
    overtaken.meanwhile = lambda: overtaken.upsert(Job(id=0, state="gone"))
    job = overtaken.find(Job, state="waiting").find_one_and_update(state="taken")
    assert job is not None
    assert job.id == 1
    assert overtaken.get(Job, 0).state == "gone"


def test_a_failure_says_what_was_written_in_all(overtaken: Overtaken) -> None:
    overtaken.meanwhile = lambda: overtaken.upsert(Job(id=1, count=2**63 - 1))
    with pytest.raises(InvalidValue) as caught:
        overtaken.find(Job).update(count__inc=1)
    assert (caught.value.key, caught.value.done) == (1, 3)
