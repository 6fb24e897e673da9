"""Worker threads: where an embedded engine runs for those who await it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextvars import copy_context
from queue import SimpleQueue
from typing import Any, TypeVar
from weakref import finalize

from docmap.storage.callers import serve

R = TypeVar("R")
_Call = Callable[[], None]


class Worker:
    """A thread that does what it is given, one call after the other."""

    def __init__(self) -> None:
        self._calls: SimpleQueue[_Call | None] = SimpleQueue()
        self._thread = threading.Thread(
            target=_work, args=(self._calls,), name="docmap", daemon=True
        )
        self._thread.start()

    async def run(self, function: Callable[..., R], *args: Any, **kwargs: Any) -> R:
        """What the function returns, called in the thread, in a copy of the caller's context.

        A task that is cancelled meanwhile ends when the call does: a thread cannot be stopped, and
        what it does must not reach into what the task does next.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[R] = loop.create_future()
        context = copy_context()

        def call() -> None:
            try:
                result = context.run(function, *args, **kwargs)
            except BaseException as error:  # noqa: BLE001 - it belongs to who awaits it
                _tell(loop, future.set_exception, error)
            else:
                _tell(loop, future.set_result, result)

        self._calls.put(call)
        await ended(future)
        return future.result()

    def stop(self) -> None:
        """End the thread once it has done what it was given."""
        self._calls.put(None)

    def join(self) -> None:
        """Return when the thread has ended."""
        self._thread.join()


def _work(calls: SimpleQueue[_Call | None]) -> None:
    serve()
    while True:
        call = calls.get()
        if call is None:
            return
        call()
        del call  # and what it holds, before the next is waited for


def _tell(loop: asyncio.AbstractEventLoop, settle: Callable[[Any], None], what: Any) -> None:
    if isinstance(what, StopIteration):  # a future does not take it
        what = RuntimeError("a function that was awaited raised StopIteration")
    try:
        loop.call_soon_threadsafe(settle, what)
    except RuntimeError:  # the loop is closed: nobody waits any more
        return


async def ended(future: asyncio.Future[Any]) -> None:
    """Return when it is done, and not before; then raise what cancelled the task meanwhile."""
    cancelled: asyncio.CancelledError | None = None
    while not future.done():
        try:
            await asyncio.wait((future,))
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        if not future.cancelled():
            future.exception()  # it is known: nobody need be told that it was never looked at
        raise cancelled


class Pool:
    """Workers that are taken and given back; those that rest are used again."""

    def __init__(self) -> None:
        self._resting: list[Worker] = []
        self._all: set[Worker] = set()
        finalize(self, _stop, self._all)

    def take(self) -> Worker:
        """A worker for the caller alone."""
        if self._resting:
            return self._resting.pop()
        made = Worker()
        self._all.add(made)
        return made

    def give(self, worker: Worker) -> None:
        """Give a worker back."""
        if worker in self._all:
            self._resting.append(worker)
        else:
            worker.stop()

    async def close(self) -> None:
        """End the workers that rest; those that are taken end when they are given back."""
        resting = tuple(self._resting)
        self._all.clear()
        self._resting.clear()
        _stop(resting)
        if resting:
            await asyncio.get_running_loop().run_in_executor(None, _join, resting)


def _join(workers: tuple[Worker, ...]) -> None:
    for worker in workers:
        worker.join()


def _stop(workers: set[Worker] | tuple[Worker, ...]) -> None:
    for worker in tuple(workers):
        worker.stop()
