"""A job queue: workers take jobs from one collection, none is done twice, and old ones expire.

Run it anywhere: `python examples/jobs.py`. It leaves the file jobs.db in the working directory.
"""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

from pydantic import Field

from docmap import (
    BaseStorageAdapter,
    Count,
    CreatedAt,
    Document,
    Index,
    Max,
    Push,
    Q,
    col,
    connect,
    field,
    use_clock,
)

LEASE = timedelta(minutes=1)


class Job(
    Document,
    collection="jobs",
    indexes=[Index("state", "-priority", "created_at")],
    expires_after=("finished_at", timedelta(days=1)),
):
    """One piece of work; it is there for a day after it was done."""

    task: str
    state: Literal["waiting", "running", "done"] = "waiting"
    priority: int = 0
    attempts: int = 0
    worker: str | None = None
    leased_until: datetime | None = None
    finished_at: datetime | None = None
    log: list[str] = Field(default_factory=list)
    created_at: CreatedAt = field(init=False)


def take(db: BaseStorageAdapter, worker: str, now: datetime) -> Job | None:
    """The most urgent job that waits, or whose worker has not come back; nobody else gets it."""
    ready = Q(state="waiting") | Q(state="running", leased_until__lt=now)
    jobs = db.find(Job, ready, attempts__lt=3).order_by("-priority", "created_at")
    return jobs.find_one_and_update(
        col(Job.attempts).inc(1),
        state="running",
        worker=worker,
        leased_until=now + LEASE,
        log__push=Push([f"taken by {worker}"], keep=-10),
    )


def finish(db: BaseStorageAdapter, job: Job, now: datetime) -> bool:
    """Note that a job is done; False if somebody else has it by now."""
    own = db.find(Job, pk=job.pk, state="running", worker=job.worker, attempts=job.attempts)
    return own.update(state="done", finished_at=now, leased_until__unset=True).matched == 1


def work(db: BaseStorageAdapter, worker: str, now: datetime, done: list[str]) -> None:
    """Take jobs until there are none."""
    while (job := take(db, worker, now)) is not None:
        if finish(db, job, now):
            done.append(job.task)


def run(db: BaseStorageAdapter) -> None:
    """A day of the queue."""
    db.collection(Job).clear()
    morning = datetime(2024, 5, 17, 8, tzinfo=UTC)
    with use_clock(morning):
        db.insert_many(Job, [{"task": f"mail {n}", "priority": n % 3} for n in range(20)])
        lost = take(db, "a worker that crashes", morning)
        print("The most urgent:", lost and lost.task)

    later = morning + 2 * LEASE
    with use_clock(later):
        done: list[str] = []
        workers = [
            threading.Thread(target=work, args=(db, f"worker {n}", later, done)) for n in range(4)
        ]
        for thread in workers:
            thread.start()
        for thread in workers:
            thread.join()
        print("Done by four workers:", len(done), "each once:", len(done) == len(set(done)))
        print("Too late:", lost and not finish(db, lost, later))
        for row in db.find(Job).group_by("state").aggregate(n=Count(), attempts=Max("attempts")):
            print(f"{row.n} jobs are {row.state}, after at most {row.attempts} attempts")

    with use_clock(later + timedelta(days=1)):
        print("Seen a day later:", db.find(Job).count(), "removed:", db.remove_expired(Job))


def main() -> None:
    """Run it on both engines."""
    Path("jobs.db").unlink(missing_ok=True)
    for url in ("sqlite:///jobs.db", "memory://"):
        print(f"== {url}")
        with connect(url) as db:
            run(db)


if __name__ == "__main__":
    main()
