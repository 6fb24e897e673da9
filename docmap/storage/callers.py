"""Callers of storages: whose code runs, and what belongs to it."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Self
from weakref import WeakKeyDictionary, ref

if TYPE_CHECKING:
    from docmap.storage.greenlets import Bridge


class Here(threading.local):
    """What runs in a thread."""

    bridge: Bridge | None = None
    """The greenlet that runs, of code that is bridged."""
    serves: bool = False


here = Here()


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


def enter(whose: Any) -> _State:
    """Put a caller's state in the place of this thread's, which is returned for `leave`."""
    others = _take()
    if _states:
        _give(_states.pop(whose, ()))
    return others


def leave(whose: Any, others: _State) -> None:
    """Keep the caller's state for when it goes on, and give the thread back its own."""
    mine = _take()
    if mine:
        _states[whose] = mine
    _give(others)


def _take() -> _State:
    """What this thread has in its Locals, which are empty afterwards."""
    taken = []
    for one in tuple(_locals):
        local = one()
        if local is not None and (values := local.__dict__):
            taken.append((local, values.copy()))
            values.clear()
    return taken


def _give(state: Iterable[tuple[threading.local, dict[str, Any]]]) -> None:
    for local, values in state:
        local.__dict__.update(values)
