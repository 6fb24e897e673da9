"""The program that reads all of a store which may be damaged, in every way there is."""

from __future__ import annotations

import signal
from collections.abc import Callable
from typing import Final

from docmap import BaseStorageAdapter, DocmapError
from docmap.testing.notes import WORDS, Note, held
from docmap.testing.processes import Target, tell

SECONDS: Final = 120


def inspect(target: Target) -> None:
    """Tell what each way to read gives: `held` with the notes found, or the error.

    The process dies if that takes minutes: damage must not hang anybody.
    """
    signal.alarm(SECONDS)
    try:
        with target.open() as db:
            for way in WAYS:
                tell("held", way(db))
    except DocmapError as error:
        tell("raised", type(error).__name__, error.path, str(error))


def _by_key(db: BaseStorageAdapter) -> dict[str, int]:
    keys = [one["id"] for one in db.find("notes").raw()]
    return {one.id: one.number for one in db.get_many(Note, keys)}


def _by_range(db: BaseStorageAdapter) -> dict[str, int]:
    return {one.id: one.number for one in db.find(Note, number__gte=0)}


def _by_order(db: BaseStorageAdapter) -> dict[str, int]:
    return {one.id: one.number for one in db.find(Note).order_by("-number")}


def _by_word(db: BaseStorageAdapter) -> dict[str, int]:
    return {
        one.id: one.number
        for word in range(WORDS)
        for one in db.find(Note, words__contains=f"word {word}")
    }


WAYS: Final[tuple[Callable[[BaseStorageAdapter], dict[str, int]], ...]] = (
    held,
    _by_key,
    _by_range,
    _by_order,
    _by_word,
)
PROGRAMS: Final[dict[str, Callable[..., None]]] = {"inspect": inspect}
