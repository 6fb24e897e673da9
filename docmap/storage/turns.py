"""Locks and events for threads and tasks alike, held and waited for across a `wait` too."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Self

from docmap.storage.callers import caller, here

if TYPE_CHECKING:
    from asyncio import Future  # which nothing loads before something is awaited


class _Waiter:
    """A caller that waits, and how it is woken: a task by its loop, a thread by a lock."""

    __slots__ = ("_bridge", "_future", "_lock", "_loop", "caller", "granted")

    def __init__(self) -> None:
        self.caller = caller()
        self.granted = False
        self._future: Future[None] | None = None
        self._bridge = here.bridge
        if self._bridge is not None:
            import asyncio

            self._loop = asyncio.get_running_loop()
            self._future = self._loop.create_future()
        else:
            self._lock = threading.Lock()
            self._lock.acquire()

    def wait(self, timeout: float | None) -> None:
        """Return when woken, or after so many seconds."""
        if self._bridge is not None and self._future is not None:
            import asyncio

            self._bridge.wait(asyncio.wait((self._future,), timeout=timeout))
        else:
            seconds = -1 if timeout is None else max(0.0, min(timeout, threading.TIMEOUT_MAX))
            self._lock.acquire(timeout=seconds)

    def wake(self) -> bool:
        """Wake it, from any thread; False if its loop is closed."""
        if self._future is None:
            self._lock.release()
            return True
        try:
            self._loop.call_soon_threadsafe(self._finish)
        except RuntimeError:
            return False
        return True

    def _finish(self) -> None:
        if self._future is not None and not self._future.done():
            self._future.set_result(None)


class Lock:
    """A lock that its holder may take again, held by a thread or by a task, across a `wait` too.

    Who waits for it as a task lets other tasks run. It goes to those who wait in turn.
    """

    def __init__(self) -> None:
        self._guard = threading.Lock()  # held for moments, and never around a wait
        self._holder: Any = None
        self._depth = 0
        self._waiting: list[_Waiter] = []

    def acquire(self, timeout: float | None = None) -> bool:
        """Take the lock; False if others held it for so many seconds."""
        me = caller()
        with self._guard:
            if self._depth == 0 or self._holder == me:
                self._holder = me
                self._depth += 1
                return True
            waiter = _Waiter()
            self._waiting.append(waiter)
        try:
            waiter.wait(timeout)
        except BaseException:
            if not self._withdrawn(waiter):
                self.release()
            raise
        return not self._withdrawn(waiter)

    def _withdrawn(self, waiter: _Waiter) -> bool:
        """True if it had not been given the lock; it does not wait for it any more."""
        with self._guard:
            if not waiter.granted:
                self._waiting.remove(waiter)
            return not waiter.granted

    def release(self) -> None:
        """Give the lock back, to the first who waits. Raises RuntimeError if another holds it."""
        with self._guard:
            if self._depth == 0 or self._holder != caller():
                raise RuntimeError("this lock is not held by who releases it")
            self._depth -= 1
            while self._depth == 0:
                self._holder = None
                if not self._waiting:
                    break
                waiter = self._waiting.pop(0)
                waiter.granted = waiter.wake()
                if waiter.granted:
                    self._holder, self._depth = waiter.caller, 1

    def __enter__(self) -> Self:
        self.acquire()
        return self

    def __exit__(self, *exception: object) -> None:
        self.release()


class Event:
    """A flag that threads and tasks can wait for; it may be set from any thread."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._set = False
        self._waiting: list[_Waiter] = []

    def is_set(self) -> bool:
        """True once it was set."""
        return self._set

    def set(self) -> None:
        """Set it, and wake all who wait."""
        with self._guard:
            self._set = True
            waiting, self._waiting = self._waiting, []
        for waiter in waiting:
            waiter.wake()

    def clear(self) -> None:
        """Set it back."""
        self._set = False

    def wait(self, timeout: float | None = None) -> bool:
        """Return when it is set, or after so many seconds; whether it is set."""
        with self._guard:
            if self._set:
                return True
            waiter = _Waiter()
            self._waiting.append(waiter)
        try:
            waiter.wait(timeout)
        finally:
            with self._guard:
                self._waiting = [one for one in self._waiting if one is not waiter]
        return self._set
