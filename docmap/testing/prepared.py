"""A store with notes in it whose files are spoilt and brought back, and the judge of the rest."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from docmap import BaseStorageAdapter
from docmap.testing.faults import sizes
from docmap.testing.notes import Note, Step, applied, held, note, outcomes
from docmap.testing.profile import BackendProfile
from docmap.testing.write_steps import LATER

BEFORE: Final[Mapping[str, int]] = {f"k{number}": number * 31 for number in range(30)}
KILLED: Final = {-signal.SIGKILL, -getattr(signal, "SIGXFSZ", signal.SIGKILL)}


class Prepared:
    """The store of a test with the notes `BEFORE`, and a copy of its directory."""

    def __init__(
        self, backend: BackendProfile, directory: Path, opened: Callable[[], BaseStorageAdapter]
    ) -> None:
        self.directory = directory
        self._backend = backend
        self.opened = opened
        self._copy = directory.with_name("copy")
        with opened() as db:
            db.ensure_indexes(Note)
            db.insert_many([note(key, number) for key, number in BEFORE.items()])
        self.keep()

    def keep(self) -> None:
        """Take the directory as it is now for what `again` brings back."""
        shutil.rmtree(self._copy, ignore_errors=True)
        shutil.copytree(self.directory, self._copy)

    def again(self) -> None:
        """Bring the directory back."""
        shutil.rmtree(self.directory)
        shutil.copytree(self._copy, self.directory)

    def files(self) -> list[Path]:
        """The files that hold the data."""
        return self._backend.store_files(self.directory)

    def sizes(self) -> dict[str, int]:
        """Their sizes, by path."""
        return sizes(self.files())

    def judge(self, status: int, kind: str, step: Step, lines: Iterable[list[Any]]) -> str:
        """How a step ended that a program of `write_steps` told of: `done`, `failed`, `killed`.

        Raises AssertionError if what it saw, or what is there now, is neither the old state nor the
        new one.
        """
        told = {line[0]: line[1:] for line in lines}
        killed = status in KILLED
        _must(killed or status == 0, f"it ended with {status} after {told}")
        everything = applied(BEFORE, step)
        begun = everything if kind in {"close", "sync"} else BEFORE
        allowed = [everything] if "done" in told else outcomes(begun, kind, step)
        if "seen" in told:
            (seen,) = told["seen"]
            _must(seen in allowed, f"after {told} it saw what nobody wrote")
            allowed = [applied(seen, [LATER] if "later" in told else [])]
        _must(killed or "later" in told or kind == "open", f"it did not go on after {told}")
        with self.opened() as db:
            found = held(db)
        _must(found in allowed, f"after {told} there is {sorted(found)}")
        return "killed" if killed else "done" if "done" in told else "failed"


def _must(condition: object, text: str) -> None:
    if not condition:
        raise AssertionError(text)
