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

import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, ParamSpec, TypeVar, overload

from docmap.errors import UseAsyncStorage
from docmap.storage.callers import Local, caller, follow, here, is_bridged, is_served
from docmap.storage.greenlets import Bridge, drop
from docmap.storage.turns import Event, Lock

__all__ = [
    "Event",
    "Local",
    "Lock",
    "bridged",
    "bridged_for",
    "caller",
    "follow",
    "is_bridged",
    "is_served",
    "outside",
    "sleep",
    "wait",
]
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
    bridge = here.bridge
    if bridge is None:
        drop(value)
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
    whose: Any, function: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs
) -> R:
    """`bridged` in the name of another caller, whose Locals hold: to end what that one began.

    `whose` is what `caller()` was there.
    """
    result: R = await Bridge(whose, partial(function, *args, **kwargs)).run()
    return result


def sleep(seconds: float) -> None:
    """Wait for some seconds; other tasks go on."""
    if here.bridge is None:
        time.sleep(seconds)
    else:
        import asyncio

        wait(asyncio.sleep(seconds))
