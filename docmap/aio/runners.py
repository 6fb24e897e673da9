"""How the sync core runs for those who await it: bridged to an async driver, or in threads."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from docmap.aio.workers import Pool, Worker, ended
from docmap.errors import NotConnected, Unsupported
from docmap.storage.bridge import bridged, bridged_for
from docmap.storage.transactions import in_transaction, of_another_task

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from docmap.storage.base import BaseStorageAdapter

R = TypeVar("R")


class Session(Protocol):
    """Where calls belong together, as those of a stream do: one caller, or one thread."""

    async def run(self, function: Callable[..., R], /, *args: Any, **kwargs: Any) -> R:
        """What the function returns."""

    async def leave(self, function: Callable[[], R], /) -> R:
        """What the last of the calls returns, which may be made while others of the task run."""

    def close(self) -> None:
        """Give back what is held, once nothing runs any more."""


class Runner(Protocol):
    """How calls of one storage run."""

    async def run(self, function: Callable[..., R], /, *args: Any, **kwargs: Any) -> R:
        """What the function returns, in the transaction that this task has open if there is one."""

    def session(self) -> Session:
        """Calls that belong together, in the transaction that this task has open."""

    def apart(self) -> Session:
        """Calls that may wait for long, of whichever task makes them."""

    def transaction(self) -> Session:
        """Calls of a transaction, of which this task's others are part until it is closed."""

    async def open(self) -> None:
        """Called before the storage is connected or disconnected."""

    async def close(self) -> None:
        """Called when the storage was disconnected."""


def runner_of(core: BaseStorageAdapter) -> Runner:
    """The runner of a storage: the bridge if it has an async driver, else threads."""
    return Bridge(core) if core.has_async else Threads(core)


async def finished(coroutine: Coroutine[Any, Any, R]) -> R:
    """What a coroutine comes to, even if this task is cancelled meanwhile: that waits for it."""
    task = asyncio.ensure_future(coroutine)
    await ended(task)
    return task.result()


# -- an async driver


class Bridge:
    """Calls in greenlets: what belongs to the caller is the task's."""

    def __init__(self, core: BaseStorageAdapter) -> None:
        self._core = core
        self._loop: asyncio.AbstractEventLoop | None = None

    async def run(self, function: Callable[..., R], /, *args: Any, **kwargs: Any) -> R:
        """What the function returns. Raises NotConnected in another event loop."""
        if self._loop is not None and self._loop is not asyncio.get_running_loop():
            raise _elsewhere(self._core)
        return await bridged(function, *args, **kwargs)

    def session(self) -> Session:
        """Calls in the name of this task if it has a transaction, else of whichever makes them."""
        if self._loop is not None and self._loop is not asyncio.get_running_loop():
            raise _elsewhere(self._core)
        return _Stream(self._core)

    def apart(self) -> Session:
        """Calls in the name of the task that makes each of them."""
        return _Any()

    def transaction(self) -> Session:
        """As `session`: the core knows of the task's transactions."""
        return _Caller()

    async def open(self) -> None:
        """From now on it belongs to this event loop."""
        self._loop = _loop()

    async def close(self) -> None:
        """It may be opened in any event loop."""
        self._loop = None


def _loop() -> asyncio.AbstractEventLoop:
    """The event loop that runs. Raises Unsupported in what is awaited otherwise."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        raise Unsupported(
            "docmap.aio needs an event loop of asyncio (or uvloop), and none runs here: trio is "
            "not supported; run it by asyncio.run(...)"
        ) from None


def _elsewhere(core: BaseStorageAdapter) -> NotConnected:
    return NotConnected(
        f"{core.scheme}: this storage was connected in another event loop: connect one in each, as "
        "docmap.aio.storage() does, or call reconnect() here",
        engine=core.scheme,
    )


class _Any:
    async def run(self, function: Callable[..., R], /, *args: Any, **kwargs: Any) -> R:
        return await bridged(function, *args, **kwargs)

    async def leave(self, function: Callable[[], R], /) -> R:
        return await bridged(function)

    def close(self) -> None:
        pass


class _Caller(_Any):
    def __init__(self) -> None:
        self._caller = asyncio.current_task()

    async def run(self, function: Callable[..., R], /, *args: Any, **kwargs: Any) -> R:
        return await bridged_for(self._caller, function, *args, **kwargs)


class _Stream(_Caller):
    """Two tasks must not be one caller at once, as that is one connection to a server.

    A stream that is dropped is left by a task of the event loop's while its own goes on, and one
    that is handed on is read there.
    """

    def __init__(self, core: BaseStorageAdapter) -> None:
        super().__init__()
        self._core = core
        self._inside: bool | None = None

    async def run(self, function: Callable[..., R], /, *args: Any, **kwargs: Any) -> R:
        if self._inside is None:
            return await bridged(self._begin, function, *args, **kwargs)
        if self._inside:
            return await super().run(function, *args, **kwargs)
        return await bridged(function, *args, **kwargs)

    def _begin(self, function: Callable[..., R], /, *args: Any, **kwargs: Any) -> R:
        self._inside = in_transaction(self._core)
        return function(*args, **kwargs)


# -- an embedded engine

_AT_ONCE = 8  # calls in threads of their own; streams and transactions come on top


class _Held:
    """A transaction that a task has open, and its thread."""

    def __init__(self, threads: Threads, worker: Worker) -> None:
        self.threads = threads
        self.worker = worker
        self.task = asyncio.current_task()
        self.open = True

    async def run(self, function: Callable[..., R], /, *args: Any, **kwargs: Any) -> R:
        return await self.worker.run(function, *args, **kwargs)

    async def leave(self, function: Callable[[], R], /) -> R:
        return await self.run(function)

    def close(self) -> None:
        self.open = False
        _around.set(tuple(one for one in _around.get() if one.open))
        self.threads.give(self.worker)


# The transactions around this code: a task that is started inside one inherits it.
_around: ContextVar[tuple[_Held, ...]] = ContextVar("docmap_aio_transactions", default=())


class Threads:
    """Calls in worker threads; a stream keeps its thread, and so does a transaction."""

    def __init__(self, core: BaseStorageAdapter) -> None:
        self._core = core
        self._pool = Pool()
        self._free = asyncio.Semaphore(_AT_ONCE)

    async def run(self, function: Callable[..., R], /, *args: Any, **kwargs: Any) -> R:
        """What the function returns, in a thread that is free."""
        held = self._held()
        if held is not None:
            return await held.run(function, *args, **kwargs)
        async with self._free:
            worker = self._pool.take()
            try:
                return await worker.run(function, *args, **kwargs)
            finally:
                self._pool.give(worker)

    def session(self) -> Session:
        """Calls in a thread of their own, or in that of the transaction."""
        held = self._held()
        return _Own(self, self._pool.take()) if held is None else _Shared(held.worker)

    def apart(self) -> Session:
        """Calls in a thread of their own."""
        return _Own(self, self._pool.take())

    def transaction(self) -> Session:
        """Calls in a thread of their own, which all others of this task use as well."""
        held = self._held()
        if held is not None:  # one inside another
            return _Shared(held.worker)
        made = _Held(self, self._pool.take())
        _around.set((*_around.get(), made))
        return made

    def give(self, worker: Worker) -> None:
        """Take a worker back."""
        self._pool.give(worker)

    async def open(self) -> None:
        """Who waits for a thread waits in this event loop."""
        _loop()
        self._free = asyncio.Semaphore(_AT_ONCE)

    async def close(self) -> None:
        """End the threads."""
        await self._pool.close()

    def _held(self) -> _Held | None:
        """This task's transaction. Raises Unsupported in a task that was started inside one."""
        for held in reversed(_around.get()):
            if held.open and held.threads is self:
                if held.task is not asyncio.current_task():
                    raise of_another_task(self._core)
                return held
        return None


class _Shared:
    """Calls in the thread of a transaction."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker

    async def run(self, function: Callable[..., R], /, *args: Any, **kwargs: Any) -> R:
        return await self._worker.run(function, *args, **kwargs)

    async def leave(self, function: Callable[[], R], /) -> R:
        return await self.run(function)

    def close(self) -> None:
        pass


class _Own(_Shared):
    """Calls in a thread that nobody else has meanwhile."""

    def __init__(self, threads: Threads, worker: Worker) -> None:
        super().__init__(worker)
        self._threads = threads

    def close(self) -> None:
        self._threads.give(self._worker)
