"""Firing events: the hooks of a document's class, then those that were given to its storage."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from docmap.errors import InvalidModel
from docmap.plan.engine import Record
from docmap.schema.events import (
    NO_EVENTS,
    Events,
    Hook,
    When,
    check_events,
    hook_of,
    running,
)
from docmap.schema.schema import Schema
from docmap.storage.bridge import follow
from docmap.storage.journal import aside
from docmap.storage.writes import ANY, Write

if TYPE_CHECKING:
    from docmap.storage.base import BaseStorageAdapter

follow(running)  # a hook may wait, and then hooks of other tasks run


class _Given(NamedTuple):
    """A function that a storage calls for events of documents of some classes, or of all."""

    when: When
    names: tuple[str, ...]
    hook: Hook
    classes: tuple[type, ...]
    function: Any


class StorageHooks:
    """The hooks that were given to a storage, in the order in which they were."""

    __slots__ = ("_all", "_by_schema", "_lock", "names")

    def __init__(self) -> None:
        self.names: frozenset[str] = frozenset()
        """The events that some hook is for."""
        self._all: tuple[_Given, ...] = ()
        self._by_schema: dict[Schema, Events] = {}
        self._lock = threading.Lock()

    def given(self, when: When, arguments: tuple[Any, ...]) -> Any:
        """What `before` and `after` of a storage do: add a hook, or make the decorator of one."""
        names = [one for one in arguments if isinstance(one, str)]
        classes = tuple(one for one in arguments if isinstance(one, type))
        functions = [one for one in arguments if not isinstance(one, (str, type))]
        events = check_events(when, names, f"{when} of a storage")
        if len(functions) > 1:
            raise InvalidModel(f"{when} of a storage takes one function, not {len(functions)}")
        if functions:
            return self._add(when, events, classes, functions[0])

        def decorate(function: Any) -> Any:
            self._add(when, events, classes, function)
            return function

        return decorate

    def _add(
        self, when: When, names: tuple[str, ...], classes: tuple[type, ...], function: Any
    ) -> Callable[[], None]:
        name = getattr(function, "__qualname__", type(function).__name__)
        given = _Given(when, names, hook_of(function, name), classes, function)
        self._change(lambda all_: (*all_, given))
        return partial(self._change, lambda all_: tuple(one for one in all_ if one is not given))

    def remove(self, function: Any) -> bool:
        """End every hook that is this function; True if there was one."""
        before = self._all
        self._change(lambda all_: tuple(one for one in all_ if one.function != function))
        return self._all != before

    def _change(self, change: Callable[[tuple[_Given, ...]], tuple[_Given, ...]]) -> None:
        with self._lock:
            self._all = change(self._all)
            self._by_schema = {}
            self.names = frozenset(name for one in self._all for name in one.names)

    def of(self, schema: Schema) -> Events:
        """Those hooks that are for the documents of a class."""
        known = self._by_schema
        found = known.get(schema)
        if found is None:
            found = known[schema] = self._made(schema)
        return found

    def _made(self, schema: Schema) -> Events:
        found: dict[tuple[When, str], tuple[Hook, ...]] = {}
        for one in self._all:
            model = schema.model
            if one.classes and (model is None or not issubclass(model, one.classes)):
                continue
            for name in dict.fromkeys(one.names):
                found[one.when, name] = (*found.get((one.when, name), ()), one.hook)
        return Events(found) if found else NO_EVENTS


def hooked(storage: BaseStorageAdapter, schema: Schema, *names: str, family: bool = False) -> bool:
    """True if the class or the storage has a hook, before or after, for one of the events.

    With `family` those of the other classes count that documents of the collection may be of.
    """
    if schema.events.has(*names) or (
        not storage.hooks.names.isdisjoint(names) and storage.hooks.of(schema).has(*names)
    ):
        return True
    return family and any(hooked(storage, other, *names) for other in schema.relatives)


def fire(storage: BaseStorageAdapter, schema: Schema, when: When, name: str, document: Any) -> None:
    """Call the hooks of the document's own class for an event, then those of the storage.

    What a hook raises passes as it is, and the rest are not called.
    """
    if schema.model is not None and type(document) is not schema.model:
        schema = type(document).__docmap_schema__
    with aside():
        schema.events.fire(when, name, document, storage)
        if name in storage.hooks.names:
            storage.hooks.of(schema).fire(when, name, document, storage)


def before_write(storage: BaseStorageAdapter, schema: Schema, document: Any, expected: int) -> str:
    """Fire what comes before a document is stored; whether it is an `insert` or an `update`.

    Empty if nobody asked.
    """
    if not hooked(storage, schema, "save", "insert", "update"):
        return ""
    fire(storage, schema, "before", "save", document)
    replaces = expected >= 0 or (expected == ANY and _is_stored(storage, schema, document))
    event = "update" if replaces else "insert"
    fire(storage, schema, "before", event, document)
    return event


def _is_stored(storage: BaseStorageAdapter, schema: Schema, document: Any) -> bool:
    """True if there is a record under the document's key: only then an upsert is an update."""
    return living(storage, schema, held(schema, document).get(schema.key)) is not None


def living(storage: BaseStorageAdapter, schema: Schema, key: Any) -> Record | None:
    """The record of a key that is not checked yet, unless it has expired."""
    record = None if key is None else storage._get(schema, schema.key_value(key))
    return None if record is None or schema.has_expired(record[0]) else record


def held(schema: Schema, document: Any) -> dict[str, Any]:
    """The values of a document by Python name; a dict of an untyped collection is that itself."""
    return document if schema.model is None else document.__dict__  # type: ignore[no-any-return]


def after_write(storage: BaseStorageAdapter, schema: Schema, document: Any, event: str) -> None:
    """Fire what comes after a document was stored, if `before_write` said that somebody asked."""
    if event:
        fire(storage, schema, "after", event, document)
        fire(storage, schema, "after", "save", document)


def after_writes(
    storage: BaseStorageAdapter, schema: Schema, done: Iterable[tuple[Any, Write]]
) -> None:
    """`after_write` for the documents of a batch, all of which were stored."""
    for document, write in done:
        if not write.event:
            break  # nobody asked, then of none
        after_write(storage, schema, document, write.event)


def settled(
    storage: BaseStorageAdapter, schema: Schema, expected: int
) -> AbstractContextManager[None]:
    """What a write needs around it so that an upsert still is what was found out before."""
    looks = schema.where is not None or schema.expiry is not None or schema.moments.created
    if expected == ANY and (looks or hooked(storage, schema, "insert", "update")):
        return storage.all_or_nothing()
    return nullcontext()
