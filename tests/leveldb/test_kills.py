"""Killed writers: what was acknowledged is there, whole, and so are the indexes."""

from __future__ import annotations

import json
import random
from pathlib import Path

from docmap import BaseStorageAdapter, connect
from tests.leveldb.programs import start
from tests.sqlite.programs import Note, note

Step = list[tuple[str, int | None]]


def held(storage: BaseStorageAdapter) -> dict[str, int]:
    """What is stored: number by key, each note whole."""
    found = {one.id: one for one in storage.find(Note)}
    assert found == {key: note(key, one.number) for key, one in found.items()}
    return {key: one.number for key, one in found.items()}


def check_indexes(storage: BaseStorageAdapter) -> None:
    """Every index holds what the documents do."""
    found = held(storage)
    for word in range(7):
        query = storage.find(Note, words__contains=f"word {word}")
        assert query.explain().indexes
        assert {one.id for one in query} == {k for k, n in found.items() if n % 7 == word}
    ordered = storage.find(Note).order_by("number")
    assert [one.id for one in ordered] == [
        key for key, _ in sorted(found.items(), key=lambda item: (item[1], item[0]))
    ]
    assert storage.find(Note).count() == len(found)


def test_killed_writers_lose_and_tear_nothing(
    directory: Path, rng: random.Random, *, long_run: bool
) -> None:
    expected: dict[str, int] = {}
    with connect(f"leveldb:///{directory}") as db:
        db.ensure_indexes(Note)
    for number in range(200 if long_run else 20):
        last = kill_a_writer(directory, rng.random(), rng.randrange(1, 30), expected)
        with connect(f"leveldb:///{directory}") as db:
            found = held(db)
            assert found in (expected, applied(expected, last))
            expected = found
            if number % 5 == 4:
                check_indexes(db)
    assert len(expected) > 20


def kill_a_writer(directory: Path, seed: float, steps: int, expected: dict[str, int]) -> Step:
    """Kill a writer after so many steps; enters what it acknowledged, gives what it did not."""
    done, last = 0, Step()
    with start("write", directory, seed) as process:
        assert process.stdout is not None
        for line in process.stdout:
            done += line.startswith('["done"')
            last = enter(line, expected)
            if done == steps:
                process.kill()
                break
        for line in process.stdout:  # what it had said before it died
            if line.endswith("\n"):
                last = enter(line, expected)
    return last


def enter(line: str, expected: dict[str, int]) -> Step:
    word, step = json.loads(line)
    if word == "start":
        return [(key, number) for key, number in step]
    found = applied(expected, step)
    expected.clear()
    expected.update(found)
    return []


def applied(before: dict[str, int], step: Step) -> dict[str, int]:
    after = dict(before)
    for key, number in step:
        if number is None:
            after.pop(key, None)
        else:
            after[key] = number
    return after
