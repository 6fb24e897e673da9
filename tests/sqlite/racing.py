"""A program whose threads race for the same documents; several of it run at a time.

`python -m tests.sqlite.racing FILE WORKER THREADS ROUNDS` says on its output what it was told to
have done: every entry is an acknowledged write.
"""

from __future__ import annotations

import json
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Annotated, Any

from docmap import BaseStorageAdapter, Document, DuplicateKey, Indexed, StaleDocument, connect


class Named(Document, collection="named"):
    """Nothing keeps two of a name apart but get_or_create itself."""

    name: str
    creator: str = ""


class Ticket(Document, collection="tickets"):
    seat: Annotated[int, Indexed(unique=True)]
    holder: str


class Total(Document, collection="totals"):
    value: int = 0
    last: str = ""


def act(db: BaseStorageAdapter, who: str, rounds: int) -> dict[str, list[Any]]:
    """What one thread does; each list names what it was told to have done."""
    done: dict[str, list[Any]] = {"created": [], "seats": [], "put": []}
    for number in range(rounds):
        _, created = db.get_or_create(Named, name=f"n{number}", defaults={"creator": who})
        if created:
            done["created"].append(f"n{number}")
        try:
            db.insert(Ticket(seat=number, holder=who))
            done["seats"].append(number)
        except DuplicateKey:
            pass
        _raise_by_revision(db)
        db.retrying(lambda: _raise_in_transaction(db), attempts=1000)
        done["put"].append(db.upsert(Total(id=f"put {number}", value=number, last=who)))
        db.find(Total, id="counted").update(value__inc=1)
    return done


def _raise_by_revision(db: BaseStorageAdapter) -> None:
    while True:
        total = db.get(Total, "revised")
        total.value += 1
        try:
            total.save()
            break
        except StaleDocument:
            continue


def _raise_in_transaction(db: BaseStorageAdapter) -> None:
    total = db.get(Total, "transacted")
    total.value += 1
    total.save()


def main(file: str, worker: str, threads: str, rounds: str) -> None:
    """Run the threads on one storage, together."""
    told: dict[str, list[Any]] = {}
    lock, gate = threading.Lock(), threading.Barrier(int(threads))
    with connect(f"sqlite:///{file}?timeout=60&synchronous=normal") as db:

        def run(number: int) -> None:
            gate.wait()
            for name, entries in act(db, f"{worker}.{number}", int(rounds)).items():
                with lock:
                    told.setdefault(name, []).extend(entries)

        with ThreadPoolExecutor(int(threads)) as pool:
            for one in [pool.submit(run, number) for number in range(int(threads))]:
                one.result()
    sys.stdout.write(json.dumps(told))


if __name__ == "__main__":
    main(*sys.argv[1:])
