"""How new what is read must be, and from which member: what MongoDB calls it."""

from __future__ import annotations

import threading
from typing import Any, Final

from pymongo import read_preferences as preferences
from pymongo.read_concern import ReadConcern

from docmap.storage.call_options import Consistency, ReadPreference

_PREFERENCES: Final[dict[ReadPreference, type]] = {
    "primary": preferences.Primary,
    "primary_preferred": preferences.PrimaryPreferred,
    "secondary": preferences.Secondary,
    "secondary_preferred": preferences.SecondaryPreferred,
    "nearest": preferences.Nearest,
}


class Clock:
    """The time of the newest operation that the servers told of; alone they tell none."""

    def __init__(self) -> None:
        self.now: Any = None
        self._lock = threading.Lock()

    def told(self, reply: Any) -> None:
        """Take over the time in a reply."""
        time = reply.get("operationTime")
        if time is not None and (self.now is None or time > self.now):
            with self._lock:
                if self.now is None or time > self.now:
                    self.now = time


class _After(ReadConcern):
    """What is committed on most members, and not older than a time."""

    def __init__(self, time: Any) -> None:
        super().__init__("majority")
        self._time = time

    @property
    def document(self) -> dict[str, Any]:
        return {"level": self.level, "afterClusterTime": self._time}


def read_options(
    consistency: Consistency | None, preference: ReadPreference | None, clock: Clock
) -> tuple[ReadConcern | None, Any]:
    """The driver's read concern and read preference; None is what the client was opened with."""
    chosen = None if preference is None else _PREFERENCES[preference]()
    replicated = clock.now is not None
    if consistency == "eventual":
        return ReadConcern("local"), chosen or preferences.SecondaryPreferred()
    if consistency == "strong":
        # Only the primary can say that nothing newer was acknowledged.
        return (ReadConcern("linearizable") if replicated else None), preferences.Primary()
    if consistency == "causal" and replicated:
        return _After(clock.now), chosen
    return None, chosen
