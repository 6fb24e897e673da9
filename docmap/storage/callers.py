"""Callers of storages: whose code runs, what belongs to it, and the greenlet that it runs in."""

from __future__ import annotations

import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any, Self
from weakref import WeakKeyDictionary, ref


def caller() -> Any:
    """Whose code this is: the asyncio task inside `bridged`, else the number of the thread."""
    bridge = here.bridge
    return threading.get_ident() if bridge is None else bridge.caller


def is_bridged() -> bool:
    """True in code that `bridged` runs."""
    return here.bridge is not None


def is_served() -> bool:
    """True in code that runs for an awaited call: inside `bridged`, or in a thread for it."""
    return here.bridge is not None or here.serves


def serve() -> None:
    """Say that this thread runs what an event loop awaits elsewhere."""
    here.serves = True


@contextmanager
def served() -> Iterator[None]:
    """The block is done for an awaited call: it neither reads nor writes."""
    outer, here.serves = here.serves, True
    try:
        yield
    finally:
        here.serves = outer


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


class Here(threading.local):
    """What runs in a thread."""

    bridge: Bridge | None = None
    serves: bool = False


here = Here()


class Bridge:
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
        outer = here.bridge
        others = _take()
        _give(_states.pop(self.caller, []))
        here.bridge = self
        try:
            return step(*args)
        finally:
            here.bridge = outer
            if mine := _take():
                _states[self.caller] = mine
            _give(others)

    def wait(self, value: Awaitable[Any]) -> Any:
        """Called in the greenlet: give the awaitable to the coroutine, and come back."""
        if self._closing:
            drop(value)
            raise GeneratorExit
        return self._made.parent.switch(value)


def drop(value: Any) -> None:
    """Close a coroutine that nobody will await, so that Python does not warn of it."""
    close = getattr(value, "close", None)
    if close is not None:
        close()
