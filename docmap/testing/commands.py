"""Counting what a part of a program asks of its storages."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import Protocol

from docmap import BaseStorageAdapter, Command, on_command


@dataclass(slots=True)
class Seen:
    """The commands that ended in a block of `counting`, in their order."""

    commands: list[Command] = field(default_factory=list)

    @property
    def count(self) -> int:
        """How many there were."""
        return len(self.commands)

    @property
    def names(self) -> list[str]:
        """What each was: `get`, `save`, `find`, `count` and so on."""
        return [command.name for command in self.commands]

    def __len__(self) -> int:
        return len(self.commands)

    def __str__(self) -> str:
        lines = (f"{c.name} {c.collection} on {c.engine}: {c.plan}" for c in self.commands)
        return "\n".join(lines) or "nothing was asked"


class QueryCounter(Protocol):
    """What the fixture `query_counter` is: `with query_counter() as seen: ...`."""

    def __call__(self, storage: BaseStorageAdapter | None = None) -> AbstractContextManager[Seen]:
        """Count the commands of a block: of one storage, or of all."""
        ...


@contextmanager
def counting(storage: BaseStorageAdapter | None = None) -> Iterator[Seen]:
    """Count the commands in the block, of one storage or of all; in every thread.

    A query counts when it ends: one whose stream is left open after the block is not counted.

    >>> import docmap
    >>> with docmap.connect("memory://") as db, counting() as seen:
    ...     key = db.insert_many("notes", [{"text": "a"}])[0]
    ...     note = db.get("notes", key)
    >>> seen.count, seen.names
    (2, ['insert_many', 'get'])
    """
    seen = Seen()
    listen = on_command if storage is None else storage.on_command
    stop = listen(seen.commands.append)
    try:
        yield seen
    finally:
        stop()
