"""The programs of the fault tests: writers, holders of stores, children.

`python -m docmap.testing.programs '[TARGET, NAME, ARGUMENT...]'`, see `processes`; each tells what
it did, one line of JSON at a time.
"""

from __future__ import annotations

import gc
import json
import os
import random
import signal
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any, Final

from docmap import BaseStorageAdapter, DocmapError, DuplicateKey, StaleDocument
from docmap.testing.notes import Counter, Note, Step, Task, Ticket, change, held, note
from docmap.testing.processes import Target, tell

MANY: Final = 5000
"""Steps after which a program ends that nobody has ended before."""


def wait_for_line() -> None:
    """Go on when the test says so."""
    sys.stdin.readline()


# -- the programs


def write(target: Target, seed: float) -> None:
    """Write until it is killed, or long after it should have been; each step is told twice."""
    rng = random.Random(seed)
    with target.open() as db:
        kinds = ["one", "one", "one", "one", "bulk", "again"]
        kinds += ["several"] if "transactions" in db.abilities else []
        stored = held(db)
        for _ in range(MANY):
            kind = rng.choice(kinds)
            step = _step(kind, stored, rng)
            tell("start", kind, step)
            change(db, kind, step)
            tell("done", kind, step)
            for key, number in step:
                if number is None:
                    del stored[key]
                else:
                    stored[key] = number


def _step(kind: str, stored: dict[str, int], rng: random.Random) -> Step:
    if kind == "again":
        return []
    if kind == "bulk":
        return [(f"{rng.random()}", rng.randrange(10**6)) for _ in range(8)]
    keys = [*rng.sample(sorted(stored), min(len(stored), 2)), f"{rng.random()}"]
    chosen = rng.sample(keys, 1) if kind == "one" else keys
    return [
        (key, None if key in stored and rng.random() < 0.2 else rng.randrange(10**6))
        for key in chosen
    ]


def read(target: Target) -> None:
    """Tell what is stored."""
    with target.open() as db:
        tell(held(db))


def insert(target: Target, name: str, count: int) -> None:
    """Open the store, new or not, and insert notes one by one; tell their keys."""
    with target.open() as db:
        for number in range(count):
            tell(note(f"{name}-{number}", number).save(db))


def raise_counter(target: Target, times: int, meeting: str, programs: int) -> None:
    """Load, modify, save, again if somebody else was faster; tell how often that was.

    All programs load before the first of them saves, so that one is faster than the others.
    """
    again, together = 0, Path(meeting)
    with target.open() as db:
        for time_ in range(times):
            while True:
                counter = db.get(Counter, "it")
                if not time_ and not again:
                    _meet(together, programs)
                counter.value += 1
                try:
                    counter.save()
                    break
                except StaleDocument:
                    again += 1
    tell(again)


def _meet(together: Path, programs: int) -> None:
    """Wait until so many processes are here."""
    (together / f"{os.getpid()}").touch()
    while len([*together.iterdir()]) < programs:
        time.sleep(0.002)


def create(target: Target, worker: str, count: int, meeting: str, programs: int) -> None:
    """Get or create tasks that others want too; tell those that were created."""
    with target.open() as db:
        _meet(Path(meeting), programs)
        for number in range(count):
            defaults = {"worker": worker}
            task, created = db.get_or_create(Task, name=f"task {number}", defaults=defaults)
            if created:
                tell(task.name)


def take(target: Target, worker: str, count: int, meeting: str, programs: int) -> None:
    """Insert what is unique and what others insert too; tell what was taken."""
    with target.open() as db:
        _meet(Path(meeting), programs)
        for number in range(count):
            try:
                db.insert(Task(name=f"task {number}", worker=worker))
            except DuplicateKey:
                continue
            tell(f"task {number}")


def number_tickets(target: Target, worker: str, count: int, meeting: str, programs: int) -> None:
    """Insert documents whose keys the storage counts; tell the keys."""
    with target.open() as db:
        _meet(Path(meeting), programs)
        for _ in range(count):
            tell(db.insert(Ticket(holder=worker)))


def follow(target: Target, keys: int) -> None:
    """Read what others write meanwhile until so many notes are there; tell how many reads."""
    reads, last = 0, 0
    with target.open() as db:
        while last < keys and reads < MANY:
            found = held(db)
            if len(found) < last:
                raise AssertionError(f"{last} notes were there, and now {len(found)} are")
            counted = db.find(Note, number__gte=0).count()
            if counted < len(found):
                raise AssertionError(f"{len(found)} notes are there, and the index has {counted}")
            reads, last = reads + 1, len(found)
    tell(reads)


def hold(target: Target) -> None:
    """Hold the store open until a line comes in, then write once more and tell what is there."""
    with target.open() as db:
        db.upsert(note("held", 1))
        tell("ready")
        wait_for_line()
        db.upsert(note("held", 2))
        tell(held(db))


def attempt(target: Target) -> None:
    """Open the store and write one note; tell `done`, or the name of the error and its text."""
    try:
        with target.open() as db:
            db.upsert(note("attempt", 3))
    except DocmapError as error:
        tell(type(error).__name__, str(error))
    else:
        tell("done", "")


def fork(target: Target) -> None:
    """Fork with an open storage; tell what the child could do with it, and the parent after."""
    with target.open() as db:
        db.insert_many([note(f"{number}", number) for number in range(300)])
        stream = iter(db.find(Note))
        next(stream)
        child = os.fork()
        if child == 0:
            tell("child", _tried(db, lambda: list(stream)))
            os._exit(0)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        db.upsert(note("parent", 3))
        tell("parent", status, len(held(db)), db.get(Note, "parent").number, len(list(stream)))


def fork_on_a_server(target: Target) -> None:
    """Fork while a stream is read and a transaction is open; tell what both processes find.

    The child may use connections of its own. It leaves the transaction's block by an exception,
    as a program does that ends.
    """
    with target.open() as db:
        db.insert_many([note(f"{number}", number) for number in range(3000)])
        stream = iter(db.find(Note))
        next(stream)
        _fork_inside(db, lambda: list(stream))
        tell("stream", len(list(stream)))
        uses = (lambda: db.get(Note, "parent").number, lambda: db.upsert(Counter(id="after")))
        tell("parent", _worked(*uses))


def _fork_inside(db: BaseStorageAdapter, read_on: Callable[[], Any]) -> None:
    inside = db.transaction() if "transactions" in db.abilities else nullcontext()
    child = -1
    try:
        with inside:
            db.upsert(note("parent", 3))
            child = os.fork()
            if child == 0:
                uses = (lambda: db.get(Note, "1"), lambda: db.upsert(Counter(id="child")))
                tell("child", _worked(*uses), _worked(read_on))
                raise SystemExit
            tell("status", os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
            db.upsert(Counter(id="inside"))
    finally:
        if child == 0:
            gc.collect()  # what is collected in the child is none of the parent's either
            os._exit(0)


def _tried(db: BaseStorageAdapter, *more: Callable[[], Any]) -> list[str]:
    """The names of the errors of each use of a storage; what worked is `worked`."""
    uses: tuple[Callable[[], Any], ...] = (
        lambda: db.get(Note, "1"),
        lambda: held(db),
        lambda: db.find(Note, number=1).count(),
        lambda: db.upsert(note("child", 2)),
        lambda: db.insert_many([note("children", 2)]),
        lambda: db.delete(Note, "2"),
        db.clear,
        *more,
    )
    return _worked(*uses)


def _worked(*uses: Callable[[], Any]) -> list[str]:
    """The names of the errors of each use; what worked is `worked`."""
    told = []
    for use in uses:
        try:
            use()
            told.append("worked")
        except DocmapError as error:
            told.append(type(error).__name__)
    return told


def interrupt(target: Target, times: int, seed: float) -> None:
    """Be interrupted at random moments; tell what was written and what is there in the end."""
    written, unsure = 0, 0
    rng = random.Random(seed)

    def raise_interrupt(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGALRM, raise_interrupt)
    with target.open() as db:
        for number in range(times):
            key = ""
            try:
                signal.setitimer(signal.ITIMER_REAL, rng.uniform(1e-5, 5e-3))
                for step in range(1000):
                    key = f"{number}-{step}"
                    db.insert(note(key, number))
                    written += 1
                    db.find(Note, number=number).order_by("id")[:5].list()
                    next(iter(db.find(Note)))
            except KeyboardInterrupt:
                unsure += 1  # the last step was written or not
            finally:
                signal.setitimer(signal.ITIMER_REAL, 0)
            db.upsert(Counter(id="it", value=number))
        tell(written, unsure, len(held(db)), db.get(Counter, "it").value)


def stream(target: Target, count: int) -> None:
    """Read so many notes one by one; tell how many, and by how many KiB the process has grown."""
    import resource

    with target.open() as db:
        for start in range(0, count, 1000):
            db.insert_many([note(f"{n:09d}", n * 3000) for n in range(start, start + 1000)])
    with target.open() as db:
        sum(1 for _ in db.find(Note)[:1000])
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        seen = sum(1 for _ in db.find(Note, number__gte=0))
        seen += sum(1 for _ in db.find(Note))
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    tell(seen // 2, grown // (1024 if sys.platform == "darwin" else 1))


def leave(target: Target) -> None:
    """Write until a signal comes that ends the program in good order; tell each key."""

    def stop(number: int, frame: object) -> None:
        raise SystemExit(0)

    signal.signal(signal.SIGTERM, stop)
    with target.open() as db:
        for number in range(MANY):
            db.insert(note(f"{number}", number))
            tell(f"{number}")


def serve(target: Target) -> None:
    """Run the programs that come in line by line, each in a child; tell how each ended."""
    target.load()
    for line in sys.stdin:
        name, *arguments = json.loads(line)
        if not hasattr(os, "fork"):
            tell("begun", os.getpid())
            run(target, name, arguments)
            tell("ended", 0)
            continue
        child = os.fork()
        if child == 0:
            run_child(target, name, arguments)
        tell("ended", os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))


def run_child(target: Target, name: str, arguments: Sequence[Any]) -> None:
    """Run a program in a child, and end with it: nothing of the parent's is closed."""
    code = 1
    try:
        tell("begun", os.getpid())
        run(target, name, arguments)
        code = 0
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else 1
    finally:
        if code:
            sys.excepthook(*sys.exc_info())
        os._exit(code)


def run(target: Target, name: str, arguments: Sequence[Any]) -> None:
    """Run a program by its name, of this module or of those beside it."""
    from docmap.testing import filling, inspecting, write_steps

    beside = write_steps.PROGRAMS | filling.PROGRAMS | inspecting.PROGRAMS
    (PROGRAMS | beside)[name](target, *arguments)


PROGRAMS: Final[dict[str, Callable[..., None]]] = {
    program.__name__: program
    for program in (
        write,
        read,
        insert,
        raise_counter,
        create,
        take,
        number_tickets,
        follow,
        hold,
        attempt,
        fork,
        fork_on_a_server,
        interrupt,
        stream,
        leave,
        serve,
    )
}


def main() -> None:
    """Run the program of the command line."""
    given, name, *arguments = json.loads(sys.argv[1])
    run(Target(**given), name, arguments)


if __name__ == "__main__":
    main()
