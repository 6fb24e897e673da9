"""Greenlets: sync code that stops in the middle, and goes on with what was awaited meanwhile."""

from __future__ import annotations

import threading
from collections.abc import Awaitable, Callable
from typing import Any

from docmap.errors import InvalidConfig
from docmap.storage.callers import enter, here, leave

_KEPT = 32  # greenlets that rest in a thread: a new one costs as much as twenty switches


class Bridge:
    """Sync code that runs in a greenlet, and the coroutine that awaits for it."""

    __slots__ = ("__weakref__", "_closing", "_ended", "_failure", "_made", "caller", "function")

    def __init__(self, caller: Any, function: Callable[[], Any]) -> None:
        self.caller = self if caller is None else caller
        self.function = function
        self._made: Any = None
        self._closing = False
        self._ended = False
        self._failure: BaseException | None = None

    async def run(self) -> Any:
        """What the function returns."""
        import asyncio

        greenlet = _module()
        made = self._made = _resting.greenlets.pop() if _resting.greenlets else _new()
        made.parent = greenlet.getcurrent()
        made.gr_context = made.parent.gr_context  # one of the task: what is set in there stays
        result = self._resume(made.switch, self)
        task = asyncio.current_task()
        while not self._ended:
            failure: BaseException | None = None
            cancels = 0 if task is None else task.cancelling()
            try:
                result = await result
            except GeneratorExit as error:  # nobody awaits this any more: unwind, and wait no more
                self._closing = True
                self._resume(made.throw, type(error), error, error.__traceback__)
                self._rest()
                raise
            except BaseException as error:  # noqa: BLE001 - CancelledError is for the code inside
                failure = error
            if task is not None and task.cancelling() > cancels and _is_usual(failure):
                # A driver swallowed it, as asyncio.wait_for of Python 3.11 does at some moments.
                failure = asyncio.CancelledError()
            if failure is None:
                result = self._resume(made.switch, result)
            else:
                kind, trace = type(failure), failure.__traceback__
                result = self._resume(made.throw, kind, failure, trace)
                del failure, trace  # which hold one another
        self._rest()
        if self._failure is not None:
            failure, self._failure = self._failure, None
            try:
                raise failure
            finally:
                del failure
        return result

    def _resume(self, step: Callable[..., Any], *args: Any) -> Any:
        """Go on in the greenlet, in the caller's Locals, until it waits or ends."""
        outer, others = here.bridge, enter(self.caller)
        here.bridge = self
        try:
            return step(*args)
        finally:
            here.bridge = outer
            leave(self.caller, others)

    def _rest(self) -> None:
        """Keep the greenlet for another bridge."""
        made, self._made = self._made, None
        made.gr_context = None
        if self._ended and len(_resting.greenlets) < _KEPT:
            _resting.greenlets.append(made)

    def wait(self, value: Awaitable[Any]) -> Any:
        """Called in the greenlet: give the awaitable to the coroutine, and come back."""
        if self._closing:
            drop(value)
            raise GeneratorExit
        return self._made.parent.switch(value)

    def call(self) -> Any:
        """Called in the greenlet: run the function."""
        try:
            return self.function()
        except BaseException as error:  # noqa: BLE001 - raised by the coroutine
            self._failure = error
        finally:
            self._ended = True


def _is_usual(failure: BaseException | None) -> bool:
    """False of CancelledError and what else is to go on as it is."""
    return failure is None or isinstance(failure, Exception)


class _Resting(threading.local):
    def __init__(self) -> None:
        self.greenlets: list[Any] = []


_resting = _Resting()


def _new() -> Any:
    return _module().greenlet(_serve)


def _serve(bridge: Bridge) -> None:
    """What a greenlet does: the function of one bridge after the other."""
    getcurrent = _module().getcurrent
    me = getcurrent()
    while True:
        result = bridge.call()
        del bridge  # it is not to be held while there is nothing to do
        bridge = me.parent.switch(result)
        del result


def drop(value: Any) -> None:
    """Close a coroutine that nobody will await, so that Python does not warn of it."""
    close = getattr(value, "close", None)
    if close is not None:
        close()


def _module() -> Any:
    """The package of greenlets. Raises InvalidConfig if it is not installed."""
    try:
        import greenlet
    except ModuleNotFoundError as error:
        raise InvalidConfig(
            "an async driver needs the module greenlet, which is not installed: "
            "pip install 'docmap[aio]'"
        ) from error
    return greenlet
