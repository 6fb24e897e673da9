"""A storage that is awaited with the face of one that is not, so that one suite tests both.

`faced` gives it to the tests: each public call is made with docmap.aio in an event loop of another
thread, while the test waits for it. What belongs to a thread of the test belongs to a task there.
"""

from __future__ import annotations

import asyncio
import atexit
import os
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from functools import cache, partial, wraps
from typing import Any, Self, TypeVar, cast
from weakref import finalize

from docmap.aio.grouping import AsyncCollection, AsyncGroupedQuery
from docmap.aio.query import AsyncQuery
from docmap.aio.runners import runner_of
from docmap.aio.storage import AsyncStorage
from docmap.aio.watching import AsyncWatch
from docmap.storage.base import BaseStorageAdapter
from docmap.storage.callers import is_served
from docmap.storage.grouping import GroupedQuery

R = TypeVar("R")
_Call = tuple[Callable[[], Awaitable[Any]], "Future[Any]"]

STORAGE = (
    *("connect", "disconnect", "reconnect", "clear", "sync", "ping", "info", "get", "get_many"),
    *("get_or_create", "fetch", "save", "insert", "upsert", "insert_many", "save_many", "delete"),
    *("delete_many", "reload", "remove_expired", "upgrade", "unwatch", "collections"),
    *("ensure_indexes", "indexes"),
)
QUERY = (
    *("list", "first", "one", "count", "exists", "values", "aggregate", "page", "explain"),
    *("update", "find_one_and_update", "explain_update", "delete"),
)
GROUPS = ("list", "first", "count", "explain")


def faced(storage: BaseStorageAdapter) -> BaseStorageAdapter:
    """A storage that is not connected yet, awaited from now on, which tests call as any other."""
    storage.make_async()
    storage.__dict__["docmap_runner"] = runner_of(storage)
    kind: Any = type(storage)
    storage.__class__ = _face_of(kind)
    return storage


def awaited_face(storage: Any) -> AsyncStorage:
    """The storage of docmap.aio behind a face."""
    return AsyncStorage(storage, storage.__dict__["docmap_runner"])


# -- the event loop, and a task for each thread of a test


class _Loop:
    """An event loop in a thread, and a task in it for each thread that asks."""

    def __init__(self) -> None:
        self._start()

    def _start(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._mine = threading.local()

    def run(self, make: Callable[[], Awaitable[R]]) -> R:
        """What is awaited comes to, in the task of this thread."""
        hand: _Hand | None = getattr(self._mine, "hand", None)
        if hand is None:
            hand = self._mine.hand = _Hand(self._running())
        return hand.run(make)

    def _running(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                run = self._loop.run_forever
                threading.Thread(target=run, name="awaiting", daemon=True).start()
            return self._loop

    def forked(self) -> None:
        """The loop's thread did not come along: a child makes its own."""
        self._start()

    def ended(self) -> None:
        """The process ends: its last task does."""
        self._mine.__dict__.clear()


class _Hand:
    """A task that stands for a thread, and ends with it."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._calls: asyncio.Queue[_Call | None] = asyncio.Queue()
        ended = asyncio.run_coroutine_threadsafe(_serve(self._calls), loop)
        finalize(self, _end, loop, self._calls, ended)

    def run(self, make: Callable[[], Awaitable[R]]) -> R:
        future: Future[R] = Future()
        self._loop.call_soon_threadsafe(self._calls.put_nowait, (make, future))
        return future.result()


def _end(loop: asyncio.AbstractEventLoop, calls: asyncio.Queue[Any], ended: Future[None]) -> None:
    loop.call_soon_threadsafe(calls.put_nowait, None)
    if threading.current_thread() is threading.main_thread():
        ended.result(timeout=60)


async def _serve(calls: asyncio.Queue[_Call | None]) -> None:
    while (call := await calls.get()) is not None:
        make, future = call
        try:
            result = await make()
        except BaseException as error:  # noqa: BLE001 - raised in the thread
            future.set_exception(error)
        else:
            future.set_result(result)
        del call, make, future


_loop = _Loop()
atexit.register(_loop.ended)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_loop.forked)


def _each(stream: Any) -> Iterator[Any]:
    """What an async iterator gives: the first by itself, then more and more at a time."""
    size, failure = 1, None
    try:
        while failure is None:
            items, failure = _loop.run(partial(_some, stream, size))
            yield from items
            size = min(2 * size, _AT_ONCE)
        if not isinstance(failure, StopAsyncIteration):
            raise failure
    finally:
        close = getattr(stream, "aclose", None)
        if close is not None:
            _loop.run(close)


_AT_ONCE = 64


async def _some(stream: Any, size: int) -> tuple[list[Any], Exception | None]:
    """The next items, and what ended them: StopAsyncIteration, or an error."""
    items: list[Any] = []
    try:
        while len(items) < size:
            items.append(await anext(stream))
    except Exception as error:  # noqa: BLE001 - raised when its turn comes
        return items, error
    return items, None


# -- faces


def _method(name: str, base: type, other: Callable[[Any], Any]) -> Any:
    """A method that is awaited with docmap.aio, unless that calls it itself."""
    plain = getattr(base, name)

    @wraps(plain)
    def method(self: Any, /, *args: Any, **kwargs: Any) -> Any:
        if is_served():
            return plain(self, *args, **kwargs)
        return _loop.run(lambda: getattr(other(self), name)(*args, **kwargs))

    return method


@cache
def _face_of(adapter: Any) -> Any:
    """The class of an adapter's storages with a face."""
    query = _query_face(adapter.query_class)

    def __exit__(self: Any, *exception: object) -> None:  # noqa: N807
        self.disconnect()

    @contextmanager
    def transaction(self: Any) -> Iterator[Any]:
        if is_served():
            with adapter.transaction(self):
                yield self
            return
        block = awaited_face(self).transaction()
        _loop.run(block.__aenter__)
        try:
            yield self
        except BaseException as error:
            _loop.run(partial(block.__aexit__, type(error), error, error.__traceback__))
            raise
        _loop.run(lambda: block.__aexit__(None, None, None))

    def retrying(self: Any, function: Callable[[], R], /, *, attempts: int = 5) -> R:
        if is_served():
            return cast("R", adapter.retrying(self, function, attempts=attempts))
        awaited = awaited_face(self)

        async def run() -> R:
            return await awaited._run(function)

        return _loop.run(lambda: awaited.retrying(run, attempts=attempts))

    def watch(self: Any, model: Any, /, *conditions: Any, **keywords: Any) -> Any:
        if is_served():
            return adapter.watch(self, model, *conditions, **keywords)
        feed = awaited_face(self).watch(model, *conditions, **keywords)
        _loop.run(feed._begun)
        return _WatchFace(feed)

    def native(self: Any) -> Any:
        return adapter.native.fget(self) if is_served() else awaited_face(self).native

    def collection(self: Any, model: Any, /) -> Any:
        return _CollectionFace(self, adapter.collection(self, model))

    methods = {name: _method(name, adapter, awaited_face) for name in STORAGE}
    own = {
        "__exit__": __exit__,
        "transaction": transaction,
        "retrying": retrying,
        "watch": watch,
        "collection": collection,
        "native": property(native),
        "query_class": query,
        "__module__": adapter.__module__,
        "__qualname__": adapter.__qualname__,
    }
    return type(adapter.__name__, (adapter,), {**methods, **own, "__slots__": ()})


@cache
def _query_face(base: Any) -> Any:
    """The class of queries with a face."""

    def other(self: Any) -> AsyncQuery[Any]:
        plain = self._with()
        plain.__class__ = base
        return AsyncQuery(awaited_face(self._storage), plain)

    def __iter__(self: Any) -> Iterator[Any]:  # noqa: N807
        asker = sys._getframe(1)
        self._asked = (asker, asker.f_lasti)
        return documents(self)

    def documents(self: Any) -> Iterator[Any]:
        self._asked = None
        yield from _each(aiter(other(self)))

    def batches(self: Any, size: int, /) -> Iterator[Any]:
        if is_served():
            return cast("Iterator[Any]", base.batches(self, size))
        return _each(other(self).batches(size))

    def __getitem__(self: Any, index: Any) -> Any:  # noqa: N807
        if is_served() or isinstance(index, slice):
            return base.__getitem__(self, index)
        return _loop.run(lambda: other(self)[index])

    def group_by(self: Any, /, *places: Any, **named: Any) -> Any:
        groups = base.group_by(self, *places, **named)
        groups.__class__ = _GroupsFace
        return groups

    own = {
        "__iter__": __iter__,
        "__getitem__": __getitem__,
        "batches": batches,
        "group_by": group_by,
        "__slots__": (),
        "__module__": base.__module__,
        "__qualname__": base.__qualname__,
    }
    methods = {name: _method(name, base, other) for name in QUERY}
    return type(base.__name__, (base,), {**methods, **own})


class _GroupsFace(GroupedQuery):
    """Groups with a face."""

    __slots__ = ()

    def __iter__(self) -> Iterator[Any]:
        if is_served():
            return super().__iter__()
        return _each(aiter(self._other()))

    def __getitem__(self, index: Any) -> Any:
        if is_served() or isinstance(index, slice):
            return super().__getitem__(index)
        return _loop.run(lambda: self._other()[index])

    def _other(self) -> AsyncGroupedQuery:
        plain: Any = self._with()
        plain.__class__ = GroupedQuery
        return AsyncGroupedQuery(awaited_face(self._query._storage), plain)


for _name in GROUPS:
    setattr(_GroupsFace, _name, _method(_name, GroupedQuery, _GroupsFace._other))


class _CollectionFace:
    """A collection with a face."""

    def __init__(self, storage: Any, collection: Any) -> None:
        self._other = AsyncCollection(awaited_face(storage), collection)

    @property
    def name(self) -> str:
        return self._other.name

    def __len__(self) -> int:
        return _loop.run(self._other.count)

    def __bool__(self) -> bool:
        return True

    def __contains__(self, key: object) -> bool:
        return _loop.run(lambda: self._other.contains(key))

    def __iter__(self) -> Iterator[Any]:
        return _each(aiter(self._other))

    def clear(self) -> int:
        return _loop.run(self._other.clear)

    def __repr__(self) -> str:
        return repr(self._other).replace("Async", "", 1)


class _WatchFace:
    """A change feed with a face."""

    def __init__(self, feed: AsyncWatch[Any]) -> None:
        self._other = feed

    @property
    def token(self) -> str:
        return self._other.token

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        end = object()
        found = _loop.run(lambda: anext(self._other, end))
        if found is end:
            raise StopIteration
        return found

    def close(self) -> None:
        _loop.run(self._other.close)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()
