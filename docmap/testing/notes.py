"""The documents of the fault tests: all of a note follows from its key and its number.

So a note that was torn, or mixed of two, is seen without knowing what was written last.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Final

from docmap import BaseStorageAdapter, Document, Index, Indexed

WORDS: Final = 7
Step = Sequence[tuple[str, int | None]]
"""What is written together: keys with their new number, None for what is deleted."""


class Note(Document, collection="notes", indexes=[Index("number"), Index("words")]):
    """A note of up to three kilobytes."""

    number: int
    words: list[str]
    ratio: float
    text: str = ""


class Counter(Document, collection="counters"):
    """A number that many raise."""

    value: int = 0


class Task(Document, collection="tasks"):
    """A name that one worker takes."""

    name: Annotated[str, Indexed(unique=True)]
    worker: str


class Ticket(Document, collection="tickets"):
    """Its key is counted by the storage."""

    id: int | None = None
    holder: str


def note(key: str, number: int) -> Note:
    """The note of a key and a number."""
    words, text = [f"word {number % WORDS}", "word"], "é" * (number * 37 % 3000)
    return Note(id=key, number=number, words=words, ratio=number / 3, text=text)


def become(one: Note, number: int) -> None:
    """Make a loaded note that of another number."""
    fresh = note(one.id, number)
    one.number, one.words, one.ratio, one.text = number, fresh.words, fresh.ratio, fresh.text


def held(storage: BaseStorageAdapter) -> dict[str, int]:
    """What is stored: number by key. Raises AssertionError for a note that is not whole."""
    found = {one.id: one for one in storage.find(Note)}
    torn = [key for key, one in found.items() if one != note(key, one.number)]
    if torn:
        raise AssertionError(f"{len(torn)} of {len(found)} notes are not as anybody wrote them")
    return {key: one.number for key, one in found.items()}


def check_sound(storage: BaseStorageAdapter) -> dict[str, int]:
    """What is stored, after every way to it was tried: scan, key, index, order, count, values.

    Raises AssertionError where two of them differ.
    """
    found = held(storage)
    for word in range(WORDS):
        expected = {key for key, number in found.items() if number % WORDS == word}
        query = storage.find(Note, words__contains=f"word {word}")
        _same({one.id for one in query}, expected, "words__contains")
        _same(query.count(), len(expected), "count of words__contains")
    ordered = [key for key, _ in sorted(found.items(), key=lambda item: (item[1], item[0]))]
    _same([one.id for one in storage.find(Note).order_by("number")], ordered, "order_by")
    _same(
        [one.id for one in storage.find(Note, number__gte=0).order_by("-number")],
        ordered[::-1],
        "the range in descending order",
    )
    _same(storage.find(Note).values("number"), sorted(set(found.values())), "values")
    _same(storage.find(Note).count(), len(found), "count")
    _same({one.id: one.number for one in storage.get_many(Note, ordered)}, found, "get_many")
    for key, number in list(found.items())[:20]:
        _same(storage.get(Note, key).number, number, "get")
        _same(storage.find(Note, number=number, id=key).count(), 1, "the index on number")
    return found


def change(db: BaseStorageAdapter, kind: str, step: Step) -> None:
    """One step of a writer: `bulk`, `several` (in a transaction), `again` (reopened) or others."""
    match kind:
        case "bulk":
            db.insert_many([note(key, number) for key, number in step if number is not None])
        case "several":
            with db.transaction():
                for key, number in step:
                    put(db, key, number)
        case "again":
            db.reconnect()
        case _:
            for key, number in step:
                put(db, key, number)


def put(db: BaseStorageAdapter, key: str, number: int | None) -> None:
    """Write the note of a key and number over what is there, or delete it."""
    if number is None:
        db.delete(Note, key)
    else:
        db.upsert(note(key, number))


def applied(before: Mapping[str, int], step: Step) -> dict[str, int]:
    """What is there when a step was done."""
    after = dict(before)
    for key, number in step:
        if number is None:
            after.pop(key, None)
        else:
            after[key] = number
    return after


def outcomes(before: Mapping[str, int], kind: str, step: Step) -> list[dict[str, int]]:
    """What may be there after a step that was not acknowledged: nothing of it, or all.

    Of a bulk call the first documents, too, since it stores them in turn.
    """
    ends = range(len(step) + 1) if kind == "bulk" else (0, len(step))
    return [applied(before, step[:end]) for end in ends]


def _same(found: object, expected: object, what: str) -> None:
    if found != expected:
        raise AssertionError(
            f"{what} differs from what a scan finds: {found!r} is not {expected!r}"
        )
