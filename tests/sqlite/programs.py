"""Programs that the tests start as processes of their own: writers, holders of locks, children.

`python -m tests.sqlite.programs NAME FILE ARGUMENT...`; each says what it did on its output.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Annotated, Any, Final

from docmap import (
    BaseStorageAdapter,
    Document,
    Index,
    Indexed,
    NotConnected,
    StaleDocument,
    connect,
)

ROOT: Final = Path(__file__).parents[2]


class Note(Document, collection="notes", indexes=[Index("number"), Index("words")]):
    number: int
    words: list[str]
    ratio: float
    text: str = ""


def note(key: str, number: int) -> Note:
    """The note of a key and a number: all of it follows from these."""
    words, text = [f"word {number % 7}", "word"], "é" * (number * 37 % 3000)
    return Note(id=key, number=number, words=words, ratio=number / 3, text=text)


class Counter(Document, collection="counters"):
    value: int = 0


class Task(Document, collection="tasks"):
    name: Annotated[str, Indexed(unique=True)]
    worker: str


def start(name: str, file: Path, *arguments: Any) -> subprocess.Popen[str]:
    """Start a program; what it prints can be read line by line."""
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-m", "tests.sqlite.programs", name, str(file)]
        + [str(argument) for argument in arguments],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


@contextmanager
def running(name: str, file: Path, *arguments: Any) -> Iterator[subprocess.Popen[str]]:
    """A program that has printed its first line, ended when the block is left."""
    with start(name, file, *arguments) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        try:
            yield process
        finally:
            process.communicate("\n")
            assert process.returncode == 0


def run_all(processes: list[subprocess.Popen[str]]) -> list[list[Any]]:
    """What programs that run at the same time print, each line read as JSON."""
    outputs = [process.communicate()[0] for process in processes]
    assert [process.returncode for process in processes] == [0] * len(processes)
    return [[json.loads(line) for line in output.splitlines()] for output in outputs]


def tell(what: Any) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


# -- the programs


def change(db: BaseStorageAdapter, step: list[tuple[str, int | None]], kind: str) -> None:
    """One step of a writer: what is written together, None for what is deleted."""
    if kind == "bulk":
        db.insert_many([note(key, number) for key, number in step if number is not None])
        return
    with db.transaction():
        for key, number in step:
            if number is None:
                db.delete(Note, key)
            else:
                db.upsert(note(key, number))


def write(file: str, seed: str) -> None:
    """Write for ever; each step is told before and after."""
    rng = random.Random(seed)
    with connect(f"sqlite:///{file}") as db:
        held = {one["id"]: one["number"] for one in db.find("notes").raw()}
        while True:
            kind = rng.choice(["one", "one", "one", "bulk", "several"])
            if kind == "bulk":
                step: list[tuple[str, int | None]] = [
                    (f"{rng.random()}", rng.randrange(10**6)) for _ in range(8)
                ]
            else:
                keys = [*rng.sample(sorted(held), min(len(held), 2)), f"{rng.random()}"]
                step = [
                    (key, None if key in held and rng.random() < 0.2 else rng.randrange(10**6))
                    for key in (rng.sample(keys, 1) if kind == "one" else keys)
                ]
            tell(["start", step])
            change(db, step, kind)
            tell(["done", step])
            held |= {key: number for key, number in step if number is not None}
            for key, number in step:
                if number is None:
                    del held[key]


def insert(file: str, name: str, count: str) -> None:
    """Open the file, new or not, and insert notes one by one; tell their keys."""
    with connect(f"sqlite:///{file}?timeout=30") as db:
        for number in range(int(count)):
            tell(note(f"{name}-{number}", number).save(db))


def raise_counter(file: str, times: str, programs: str) -> None:
    """Load, modify, save, again if somebody else was faster; tell how often that was.

    All programs load before the first of them saves, so that one is faster than the others.
    """
    again, loaded = 0, Path(f"{file}.{os.getpid()}.loaded")
    with connect(f"sqlite:///{file}?timeout=30") as db:
        for _ in range(int(times)):
            while True:
                counter = db.get(Counter, "it")
                if not loaded.exists():
                    loaded.touch()
                    while len([*loaded.parent.glob("*.loaded")]) < int(programs):
                        time.sleep(0.005)
                counter.value += 1
                try:
                    counter.save()
                    break
                except StaleDocument:
                    again += 1
    tell(again)


def create(file: str, worker: str, count: str) -> None:
    """Get or create tasks that others want too; tell those that were created."""
    with connect(f"sqlite:///{file}?timeout=30") as db:
        for number in range(int(count)):
            task, created = db.get_or_create(
                Task, name=f"task {number}", defaults={"worker": worker}
            )
            if created:
                tell(task.name)


def hold(file: str, statement: str) -> None:
    """Hold a lock until a line comes in."""
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        connection.execute(statement)
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        sys.stdin.readline()
        connection.execute("COMMIT")


def fork(file: str) -> None:
    """Fork with an open storage; tell what the child could do with it, and the parent after."""
    with connect(f"sqlite:///{file}") as db:
        note("parent", 1).save(db)
        db.insert_many([note(f"{number}", number) for number in range(1500)])
        stream = iter(db.find(Note))
        next(stream)
        child = os.fork()
        if child == 0:
            told: list[Any] = []
            for attempt in (
                lambda: db.get(Note, "parent"),
                lambda: db.find(Note).list(),
                lambda: note("child", 2).save(db),
                lambda: list(stream),
                db.ping,
            ):
                try:
                    told.append(repr(attempt()))
                except NotConnected as error:
                    told.append("reconnect" if "reconnect" in str(error) else str(error))
            db.reconnect()
            note("child", 2).save(db)
            told.append(db.find(Note).count())
            tell(told)
            os._exit(0)
        os.waitpid(child, 0)
        db.upsert(note("parent", 3))
        tell([db.find(Note).count(), db.get(Note, "parent").number, len(list(stream))])


def interrupt(file: str, times: str, seed: str) -> None:
    """Be interrupted at random moments; tell what was written and what is there in the end."""
    rng, written, unsure = random.Random(seed), 0, 0

    def raise_interrupt(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGALRM, raise_interrupt)
    with connect(f"sqlite:///{file}?timeout=1&synchronous=normal") as db:
        for number in range(int(times)):
            try:
                signal.setitimer(signal.ITIMER_REAL, rng.uniform(1e-5, 3e-3))
                for step in range(1000):
                    with db.transaction():
                        note(f"{number}-{step}-a", number).save(db)
                        with db.transaction():
                            note(f"{number}-{step}-b", number).save(db)
                    written += 2
                    db.find(Note, number=number).order_by("id")[:5].list()
                    next(iter(db.find(Note)))
            except KeyboardInterrupt:
                unsure += 2  # the last step was written or not
            finally:
                signal.setitimer(signal.ITIMER_REAL, 0)
            db.upsert(Counter(id="it", value=number))
        found = db.find(Note).count()
        tell([written, unsure, found, db.get(Counter, "it").value])


PROGRAMS: Final[dict[str, Callable[..., None]]] = {
    program.__name__: program
    for program in (write, insert, raise_counter, create, hold, fork, interrupt)
}

if __name__ == "__main__":
    PROGRAMS[sys.argv[1]](*sys.argv[2:])
