"""A server behind a proxy, what is asked of it while it misbehaves, and what may be there after.

All uses are of `Counter`s: `BEFORE` is what a test begins with, and each of `WRITES` says what is
there once it was done.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, Final

from docmap import BaseStorageAdapter, OutcomeUnknown, StorageError, Unavailable
from docmap.testing.notes import Counter
from docmap.testing.profile import BackendProfile
from docmap.testing.proxy import Proxy

State = dict[str, int]
BEFORE: Final[State] = {"a": 1, "b": 2}
SOON: Final = 0.5
"""The seconds that a call is given which is not going to be answered."""
PATIENT: Final = 60.0
"""The seconds for what is going to be answered, on a machine that may be busy."""
SLACK: Final = 0.5
"""The seconds by which an error may come later than that."""
BUSY: Final = 6.0
"""The same where other tests run beside, on a machine that has little time for each."""
NAME: Final = b"counters"
"""What stands in each request about Counters."""


@dataclass(frozen=True)
class Write:
    """A write, and what is there once it was done."""

    make: Callable[[BaseStorageAdapter], Callable[[], Any]]
    """Prepares it on a storage, undisturbed; what it returns is the write itself."""
    after: State


def _saving(db: BaseStorageAdapter) -> Callable[[], Any]:
    loaded = db.options(timeout=PATIENT).get(Counter, "a")
    loaded.value = 6
    return lambda: db.save(loaded)


WRITES: Final[Mapping[str, Write]] = {
    "insert": Write(lambda db: lambda: db.insert(Counter(id="c", value=3)), {**BEFORE, "c": 3}),
    "upsert": Write(lambda db: lambda: db.upsert(Counter(id="a", value=5)), {"a": 5, "b": 2}),
    "save": Write(_saving, {"a": 6, "b": 2}),
    "delete": Write(lambda db: lambda: db.delete(Counter, "a"), {"b": 2}),
    "insert_many": Write(
        lambda db: lambda: db.insert_many([Counter(id="c", value=3)]), {**BEFORE, "c": 3}
    ),
    "get_or_create": Write(
        lambda db: lambda: db.get_or_create(Counter, id="c", defaults={"value": 4}),
        {**BEFORE, "c": 4},
    ),
    "update by query": Write(
        lambda db: lambda: db.find(Counter, id="a").update(value__inc=10), {"a": 11, "b": 2}
    ),
    "delete by query": Write(lambda db: lambda: db.find(Counter, value__gte=2).delete(), {"a": 1}),
}
READS: Final[Mapping[str, tuple[Callable[[BaseStorageAdapter], Any], Any]]] = {
    "get": (lambda db: db.get(Counter, "a").value, 1),
    "get_many": (lambda db: [one.id for one in db.get_many(Counter, ["b", "a"])], ["b", "a"]),
    "list": (lambda db: [one.id for one in db.find(Counter).order_by("id")], ["a", "b"]),
    "first": (lambda db: db.find(Counter, value=2).one().id, "b"),
    "count": (lambda db: db.find(Counter, value__gte=1).count(), 2),
    "values": (lambda db: db.find(Counter).values("value"), [1, 2]),
    "collections": (lambda db: db.collections(), ["counters"]),
}


def state(db: BaseStorageAdapter) -> State:
    """What is stored: value by key."""
    return {one.id: one.value for one in db.find(Counter)}


def tried(use: Callable[[], Any]) -> StorageError | None:
    """The error of a use that meets a fault; None if it went well.

    Only the two errors that a lost or silent server may end in are given back.
    """
    try:
        use()
    except (Unavailable, OutcomeUnknown) as error:
        return error
    return None


def allowed(error: StorageError | None, after: State, before: State = BEFORE) -> list[State]:
    """What may be there after a write that ended so."""
    if error is None:
        return [after]
    return [before] if isinstance(error, Unavailable) else [before, after]


class Disturbed:
    """A server that is reached through a proxy.

    `proxy` does the harm; `direct` is a storage past it, to see what is there. `backend` is the
    profile.
    """

    def __init__(self, backend: BackendProfile, *, busy: bool) -> None:
        self.backend = backend
        self._slack = BUSY if busy else SLACK
        self._url = backend.fault_url()
        self._stack = ExitStack()
        self.proxy = self._stack.enter_context(Proxy(self._url))
        self.direct = self._stack.enter_context(backend.open_at(self._url))
        self.direct.insert_many([Counter(id=key, value=value) for key, value in BEFORE.items()])

    @property
    def url(self) -> str:
        """The URL of the proxy."""
        return self.proxy.url

    def open(self, url: str | None = None, **options: Any) -> BaseStorageAdapter:
        """A storage through the proxy, or on another URL; closed after the test."""
        storage = self.backend.open_at(self.proxy.url if url is None else url, **options)
        self._stack.callback(storage.disconnect)
        return storage

    def restart(self) -> None:
        """Stop the server and start it again."""
        if self.backend.restart is None:
            raise AssertionError("the profile says not how to restart the server")
        self.backend.restart()

    @contextmanager
    def in_time(self, seconds: float = SOON) -> Iterator[None]:
        """Fail if the block takes longer than so many seconds and a little."""
        begun = time.monotonic()
        yield
        took = time.monotonic() - begun
        if took > seconds + self._slack:
            raise AssertionError(f"{took:.2f} s, and {seconds:g} s were allowed")

    def melt(self) -> None:
        """End a frost without letting anything of it reach the server."""
        self.proxy.cut()
        self.proxy.heal()

    def close(self) -> None:
        """Close all storages, the undisturbed one when it has cleared the store."""
        self.proxy.heal()
        self.direct.reconnect()
        self.direct.clear()
        self._stack.close()
