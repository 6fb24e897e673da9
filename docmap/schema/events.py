"""Events in the life of a document, and the hooks of a class that are called for them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from inspect import Parameter, isasyncgenfunction, iscoroutinefunction, signature
from typing import Any, Final, Literal

from docmap.errors import InvalidModel, nearest

When = Literal["before", "after"]
WRITTEN: Final = ("save", "insert", "update", "delete")
"""What happens to a document in storage; there is a before and an after of each."""
LOADED: Final = "load"
"""A document was made of a record: this has an after only."""
_DEEPEST: Final = 50  # calls of one hook inside one another; each takes about ten frames


@dataclass(frozen=True, slots=True)
class Hook:
    """A function that is called with a document, and with the storage if it takes two arguments."""

    name: str
    """For messages: `Order.number_it`."""
    call: Callable[..., object]
    takes_storage: bool = False


class Events:
    """The hooks of one class by when and name, those of its bases first."""

    __slots__ = ("_hooks", "names")

    def __init__(self, hooks: Mapping[tuple[When, str], tuple[Hook, ...]] | None = None) -> None:
        self._hooks = dict(hooks or {})
        self.names = frozenset(name for _, name in self._hooks)
        """The events that some hook is for."""

    def has(self, *names: str) -> bool:
        """True if there is a hook, before or after, for one of the events."""
        return not self.names.isdisjoint(names)

    def fire(self, when: When, name: str, document: Any, storage: Any = None) -> None:
        """Call the hooks for an event in turn; what one raises ends it and passes as it is."""
        for hook in self._hooks.get((when, name), ()):
            run(hook, when, name, document, storage)


NO_EVENTS: Final = Events()


class _Running(threading.local):
    """The hooks that a thread, or a task that awaits a storage, is in; the innermost last."""

    names: tuple[str, ...] = ()


running = _Running()


def run(hook: Hook, when: str, name: str, document: Any, storage: Any) -> None:
    """Call one hook. Raises RecursionError, naming it, where it calls itself without end."""
    names = running.names
    if names.count(hook.name) >= _DEEPEST:
        raise RecursionError(
            f"the hook {hook.name}, called {when} {name}, leads to itself without end: what it "
            "stores calls it again; let it change the document before it is saved, or stop where "
            "there is nothing left to do"
        )
    running.names = (*names, hook.name)
    try:
        if hook.takes_storage:
            hook.call(document, storage)
        else:
            hook.call(document)
    finally:
        running.names = names


def check_events(when: When, names: Iterable[Any], where: str) -> tuple[str, ...]:
    """The events that a hook is for. Raises InvalidModel for one that there is not."""
    found = tuple(names)
    known = WRITTEN if when == "before" else (*WRITTEN, LOADED)
    if not found:
        raise InvalidModel(f"{where} names no event: {when}({', '.join(map(repr, known))})")
    for name in found:
        if name in known:
            continue
        if name == LOADED:
            raise InvalidModel(
                f'{where}: there is no document before it is loaded: use after("load")',
                suggestions=('after("load")',),
            )
        near = nearest(name, known)[:1] if isinstance(name, str) else ()
        hint = f"; did you mean {near[0]!r}?" if near else f": there are {', '.join(known)}"
        raise InvalidModel(f"{where}: {name!r} is no event{hint}", suggestions=near)
    return found


def hook_of(function: Any, name: str) -> Hook:
    """The hook that a function is. Raises InvalidModel for one that cannot be called as a hook."""
    if isinstance(function, (staticmethod, classmethod)):
        raise InvalidModel(
            f"the hook {name} is a {type(function).__name__}: a hook is called with the document, "
            "so make it a plain method, def hook(self)"
        )
    if not callable(function):
        raise InvalidModel(f"the hook {name} is {type(function).__name__}, not a function")
    if iscoroutinefunction(function) or isasyncgenfunction(function):
        raise InvalidModel(
            f"the hook {name} is async and would never run: storing does not wait for it; make it "
            "a plain function, and start what is async from there"
        )
    return Hook(name, function, takes_storage=_arguments(function, name) == 2)


def _arguments(function: Callable[..., object], name: str) -> int:
    """How many arguments a hook takes: the document, or the document and the storage."""
    try:
        given = signature(function).parameters.values()
    except (TypeError, ValueError):  # of some builtins nothing is known
        return 1
    positional = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)
    needed = sum(one.kind in positional and one.default is Parameter.empty for one in given)
    takes = any(one.kind in {*positional, Parameter.VAR_POSITIONAL} for one in given)
    named = any(
        one.kind is Parameter.KEYWORD_ONLY and one.default is Parameter.empty for one in given
    )
    if needed > 2 or not takes or named:
        raise InvalidModel(
            f"the hook {name} is called with the document, and with the storage if it takes a "
            "second argument: def hook(self) or def hook(self, storage)"
        )
    return max(needed, 1)
