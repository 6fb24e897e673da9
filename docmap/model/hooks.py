"""`@before("save")` and `@after("load")`: methods of a document class that are called on events."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final, Literal, TypeVar

from docmap.errors import InvalidModel
from docmap.schema.events import NO_EVENTS, Events, Hook, When, check_events, hook_of

MARK: Final = "__docmap_hook__"
"""The attribute of a method that says when it is called: (when, name) for each event."""

Method = TypeVar("Method", bound=Callable[[Any], None] | Callable[[Any, Any], None])
Calls = tuple[tuple[When, str], ...]


def before(
    *events: Literal["save", "insert", "update", "delete"],
) -> Callable[[Method], Method]:
    """Call a method of a document class before each of the events; what it raises stops the write.

    The method takes the storage as a second argument if it has one. What it changes on the document
    is checked and stored.

    >>> from docmap import Document, connect
    >>> class Note(Document):
    ...     text: str
    ...     @before("save")
    ...     def tidy(self) -> None:
    ...         self.text = self.text.strip()
    >>> with connect("memory://") as db:
    ...     _ = db.insert_many([Note(text=" a "), Note(text="b ")])
    ...     db.find(Note).values("text")
    ['a', 'b']

    Raises InvalidModel for an unknown event, and for what cannot be called as a method.
    """
    return _marker("before", events)


def after(
    *events: Literal["save", "insert", "update", "delete", "load"],
) -> Callable[[Method], Method]:
    """Call a method of a document class after each of the events, when it is stored or loaded.

    What it raises reaches the caller; what was written stays, unless a transaction is undone.
    Raises InvalidModel as `before` does.
    """
    return _marker("after", events)


def _marker(when: When, events: tuple[Any, ...]) -> Callable[[Method], Method]:
    if len(events) == 1 and not isinstance(events[0], str) and callable(events[0]):
        raise InvalidModel(f'@{when} needs the event that it is for: @{when}("save")')
    names = check_events(when, events, f"@{when}")

    def mark(method: Method) -> Method:
        hook_of(method, getattr(method, "__qualname__", "hook"))
        marks: Calls = getattr(method, MARK, ())
        setattr(method, MARK, (*((when, name) for name in names), *marks))
        return method

    return mark


def events_of(cls: type) -> Events:
    """The hooks of a class and its bases, those of the bases first, each in its order.

    A method that overrides a hook is called in its place, for the same events unless it names some.
    Raises InvalidModel for a hook that is no plain method.
    """
    calls: dict[str, Calls] = {}
    for owner, name, held in _namespaces(cls):
        marks = getattr(_plain(held), MARK, None)
        if marks is not None:
            hook_of(held, f"{owner.__name__}.{name}")
            calls[name] = marks
    found: dict[tuple[When, str], list[Hook]] = {}
    for name, marks in calls.items():
        hook = hook_of(getattr(cls, name), f"{cls.__name__}.{name}")
        for call in dict.fromkeys(marks):
            found.setdefault(call, []).append(hook)
    return Events({call: tuple(hooks) for call, hooks in found.items()}) if found else NO_EVENTS


def _namespaces(cls: type) -> Iterator[tuple[type, str, Any]]:
    return ((base, *item) for base in reversed(cls.__mro__) for item in vars(base).items())


def _plain(held: Any) -> Any:
    return held.__func__ if isinstance(held, (staticmethod, classmethod)) else held
