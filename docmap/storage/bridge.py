"""One adapter for both worlds: how sync code waits for an async driver.

Adapters are written once, as sync code. Where a driver does I/O they say `wait(call)`. In the sync
world the driver has returned the value, and `wait` gives it back. In the async world it has
returned a coroutine: `bridged` runs the adapter in a greenlet, `wait` switches from there to the
event loop with the coroutine, and comes back with its result. No line of an adapter knows which.

What must hold in such code: no thread's lock is held around a `wait` (`Lock` is for that), and what
belongs to the caller, as the transaction it is in, stands in a `Local`. Cancelling a task raises
CancelledError out of `wait`; `finally` blocks may wait again, and what is not known to be in order
after a BaseException, as a connection in the middle of a statement, is closed.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ParamSpec, Self, TypeVar, cast, overload
from weakref import WeakKeyDictionary, ref

from docmap.errors import InvalidConfig, UseAsyncStorage

if TYPE_CHECKING:
    from asyncio import Future  # which nothing loads before something is awaited

P = ParamSpec("P")
R = TypeVar("R")


@overload
def wait(value: Awaitable[R]) -> R: ...
@overload
def wait(value: R) -> R: ...
def wait(value: Any) -> Any:
    """The result of a driver's call: the value itself, or what the coroutine comes to.

    Raises UseAsyncStorage for a coroutine outside of `bridged`.
    """
    if not hasattr(type(value), "__await__"):
        return value
    bridge = _here.bridge
    if bridge is None:
        _drop(value)
        raise outside()
    return bridge.wait(value)


def outside() -> UseAsyncStorage:
    """The error of a sync call to a storage that is awaited."""
    return UseAsyncStorage(
        "this storage is awaited (docmap.aio), so nothing can be asked of it in sync code: use "
        "its own methods, as in await db.save(order), await db.delete(order) and "
        "await db.find(Order).first()"
    )


async def bridged(function: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
    """What a sync function returns, each `wait` in it awaited by this task."""
    import asyncio

    return await bridged_for(asyncio.current_task(), function, *args, **kwargs)


async def bridged_for(
    caller: Any, function: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs
) -> R:
    """`bridged` in the name of another caller, whose Locals hold: to end what that one began.

    `caller` is what `caller()` was there.
    """
    bridge = _Bridge(caller, _greenlet())
    return cast("R", await bridge.run(lambda: function(*args, **kwargs)))


def caller() -> Any:
    """Whose code this is: the asyncio task inside `bridged`, else the number of the thread."""
    bridge = _here.bridge
    return threading.get_ident() if bridge is None else bridge.caller


def is_bridged() -> bool:
    """True in code that `bridged` runs."""
    return _here.bridge is not None


def is_served() -> bool:
    """True in code that runs for an awaited call: inside `bridged`, or in a thread for it."""
    return _here.bridge is not None or _here.serves


def serve() -> None:
    """Say that this thread runs what an event loop awaits elsewhere."""
    _here.serves = True


@contextmanager
def served() -> Iterator[None]:
    """The block is done for an awaited call: it neither reads nor writes."""
    outer, _here.serves = _here.serves, True
    try:
        yield
    finally:
        _here.serves = outer


def sleep(seconds: float) -> None:
    """Wait for some seconds; other tasks go on."""
    if _here.bridge is None:
        time.sleep(seconds)
    else:
        import asyncio

        wait(asyncio.sleep(seconds))


# -- what belongs to the caller


class Local(threading.local):
    """Attributes that each caller has of its own: each thread, and inside `bridged` each task.

    What a caller has set nothing else sees, nor the tasks and threads that it starts. Defaults are
    attributes of the class, and immutable: it has no `__init__`.

    >>> class Open(Local):
    ...     connection: object = None
    >>> here = Open()
    >>> here.connection = 5
    """

    def __init_subclass__(cls) -> None:
        if "__init__" in cls.__dict__:
            raise TypeError(f"{cls.__name__} is a Local: give defaults as attributes of the class")

    def __new__(cls) -> Self:  # noqa: D102 - a call of the class
        made = super().__new__(cls)
        follow(made)
        return made


def follow(local: threading.local) -> None:
    """Make a thread's state a caller's, as a Local is: of a module that may not import this one."""
    with _locals_lock:
        _locals[:] = [one for one in _locals if one() is not None]
        _locals.append(ref(local))


_locals: list[ref[threading.local]] = []
_locals_lock = threading.Lock()
_State = list[tuple[threading.local, dict[str, Any]]]
# Of the tasks that are somewhere between two steps of bridged code, and have set something.
_states: WeakKeyDictionary[Any, _State] = WeakKeyDictionary()


def _take() -> _State:
    """What this thread has in its Locals, which are empty afterwards."""
    taken = []
    for one in tuple(_locals):
        local = one()
        if local is not None and (values := local.__dict__):
            taken.append((local, values.copy()))
            values.clear()
    return taken


def _give(state: _State) -> None:
    for local, values in state:
        local.__dict__.update(values)


# -- greenlets


class _Here(threading.local):
    """What runs in a thread."""

    bridge: _Bridge | None = None
    serves: bool = False


_here = _Here()


class _Bridge:
    """A greenlet that runs sync code, and the coroutine that awaits for it."""

    __slots__ = ("_closing", "_made", "_make", "caller")

    def __init__(self, caller: Any, make: Any) -> None:
        self.caller = caller if caller is not None else self
        self._make = make
        self._made: Any = None
        self._closing = False

    async def run(self, function: Callable[[], Any]) -> Any:
        """Run the function to its end."""
        made = self._made = self._make(function)
        made.gr_context = made.parent.gr_context  # one of the task: what is set in there stays
        result = self._resume(made.switch)
        while not made.dead:
            failure: BaseException | None = None
            try:
                result = await result
            except GeneratorExit as error:  # nobody awaits this any more: unwind, and wait no more
                self._closing = True
                self._resume(made.throw, type(error), error, error.__traceback__)
                raise
            except BaseException as error:  # noqa: BLE001 - CancelledError is for the code inside
                failure = error
            if failure is None:
                result = self._resume(made.switch, result)
            else:
                kind, trace = type(failure), failure.__traceback__
                result = self._resume(made.throw, kind, failure, trace)
                del failure, trace  # which hold one another
        return result

    def _resume(self, step: Callable[..., Any], *args: Any) -> Any:
        """Go on in the greenlet, in the caller's Locals, until it waits or ends."""
        outer = _here.bridge
        others = _take()
        _give(_states.pop(self.caller, []))
        _here.bridge = self
        try:
            return step(*args)
        finally:
            _here.bridge = outer
            if mine := _take():
                _states[self.caller] = mine
            _give(others)

    def wait(self, value: Awaitable[Any]) -> Any:
        """Called in the greenlet: give the awaitable to the coroutine, and come back."""
        if self._closing:
            _drop(value)
            raise GeneratorExit
        return self._made.parent.switch(value)


def _drop(value: Any) -> None:
    """Close a coroutine that nobody will await, so that Python does not warn of it."""
    close = getattr(value, "close", None)
    if close is not None:
        close()


def _greenlet() -> Any:
    """The type of greenlets. Raises InvalidConfig if the package is not installed."""
    try:
        import greenlet
    except ModuleNotFoundError as error:
        raise InvalidConfig(
            "an async driver needs the module greenlet, which is not installed: "
            "pip install 'docmap[aio]'"
        ) from error
    return greenlet.greenlet


# -- locks


class _Waiter:
    """A caller that waits, and how it is woken: a task by its loop, a thread by a lock."""

    __slots__ = ("_future", "_lock", "_loop", "caller", "granted")

    def __init__(self) -> None:
        self.caller = caller()
        self.granted = False
        self._future: Future[None] | None = None
        if is_bridged():
            import asyncio

            self._loop = asyncio.get_running_loop()
            self._future = self._loop.create_future()
        else:
            self._lock = threading.Lock()
            self._lock.acquire()

    def wait(self, timeout: float | None) -> None:
        """Return when woken, or after so many seconds."""
        if self._future is not None:
            import asyncio

            wait(asyncio.wait((self._future,), timeout=timeout))
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
