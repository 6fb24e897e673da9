"""Watching a TinyDB storage: its own changes as they are acknowledged, and those of others.

The log is in memory: tokens hold as long as the storage is open. What other processes write is
found where their frames are read, or by comparing what was held with a file that they wrote anew.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, Final

from docmap.storage.watching import Logged
from docmap_backends._tables_changes import ChangeLog, TableFeed
from docmap_backends._tinydb_table import Change, Tables

_PAUSE: Final = 0.05  # seconds between looks at what other processes wrote


class FileFeed(TableFeed):
    """A place in the log of one collection, which looks at the files too."""

    def __init__(
        self,
        log: ChangeLog,
        collection: str,
        after: str | None,
        look: Callable[[], AbstractContextManager[Any]],
    ) -> None:
        super().__init__(log, collection, after, "tinydb")
        self._look = look

    def fetch(self) -> list[Logged]:
        """The changes that follow."""
        if self._log.name == self._name:
            with self._look():
                pass
        return super().fetch()

    def wait(self, seconds: float | None) -> None:
        """Return when something was published, after `seconds`, or when it is closed."""
        end = None if seconds is None else time.monotonic() + seconds
        while not self._woken():
            left = _PAUSE if end is None else min(_PAUSE, end - time.monotonic())
            if left <= 0:
                return
            super().wait(left)
            if self._woken():
                return
            with self._look():
                pass


def log_all(log: ChangeLog, changes: list[Change]) -> None:
    """Log what others wrote of the collections that are watched."""
    for collection, kind, entry in changes:
        if collection in log.watched:
            log.add(collection, kind, (entry.data, entry.revision))
    log.publish()


def differences(before: Tables, after: Tables, watched: set[str]) -> list[Change]:
    """What was done to the watched collections between two states of all tables."""
    found: list[Change] = []
    for name in watched:
        old = before[name].entries if name in before else {}
        new = after[name].entries if name in after else {}
        found.extend((name, "delete", entry) for key, entry in old.items() if key not in new)
        for key, entry in new.items():
            held = old.get(key)
            if held is None:
                found.append((name, "insert", entry))
            elif (held.revision, held.data) != (entry.revision, entry.data):
                found.append((name, "update", entry))
    return found
