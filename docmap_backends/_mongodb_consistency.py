"""How new what is read must be, from which member, and who confirms a write, in MongoDB's words."""

from __future__ import annotations

import threading
from typing import Any, Final

from pymongo import WriteConcern
from pymongo import read_preferences as preferences
from pymongo.read_concern import ReadConcern

from docmap.storage.call_options import CallOptions, Consistency, ReadPreference

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


def call_options(call: CallOptions, clock: Clock) -> dict[str, Any]:
    """The concerns and the preference that a call asks for, as the driver's keywords."""
    asked = (call.consistency, call.read_preference, call.read_concern, call.write_concern)
    if asked == _NOTHING:
        return {}
    found = _reading(call.consistency, call.read_preference, clock)
    if call.read_concern is not None:
        found["read_concern"] = ReadConcern(call.read_concern)
    if call.write_concern is not None:
        found["write_concern"] = WriteConcern(call.write_concern)
    return {name: value for name, value in found.items() if value is not None}


_NOTHING: Final = (None, None, None, None)


def _reading(
    consistency: Consistency | None, preference: ReadPreference | None, clock: Clock
) -> dict[str, Any]:
    chosen = None if preference is None else _PREFERENCES[preference]()
    concern: ReadConcern | None = None
    replicated = clock.now is not None
    if consistency == "eventual":
        concern, chosen = ReadConcern("local"), chosen or preferences.SecondaryPreferred()
    elif consistency == "strong":
        # Only the primary can say that nothing newer was acknowledged.
        concern = ReadConcern("linearizable") if replicated else None
        chosen = preferences.Primary()
    elif consistency == "causal" and replicated:
        concern = _After(clock.now)
    return {"read_concern": concern, "read_preference": chosen}
