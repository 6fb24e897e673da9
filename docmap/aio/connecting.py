"""Connecting awaited storages: by URL, or as the program's settings name them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Generator
from inspect import Parameter, Signature
from typing import Any
from weakref import WeakKeyDictionary

from docmap.aio.storage import AsyncStorage, awaited
from docmap.config import setting_of
from docmap.storage.load import load
from docmap.storage.settings import DEFAULT
from docmap.storage.url import URL


class Connecting:
    """What `connect` gives: `await` it, or enter it with `async with`, which disconnects."""

    def __init__(self, storage: AsyncStorage) -> None:
        self._storage = storage

    def __await__(self) -> Generator[None, None, AsyncStorage]:
        return self._connected().__await__()

    async def _connected(self) -> AsyncStorage:
        await self._storage.connect()
        return self._storage

    async def __aenter__(self) -> AsyncStorage:
        return await self._connected()

    async def __aexit__(self, *exception: object) -> None:
        await self._storage.disconnect()


def connect(url: str | URL, **options: Any) -> Connecting:
    """What `url` names as a storage to be awaited: `async with` gives it, and closes it.

    `db = await connect(url)` connects as well, and `await db.disconnect()` is then the program's.
    Options are those of `docmap.connect`. An engine with an async driver is asked through that;
    any other runs in threads. Raises what `docmap.connect` raises.
    """
    return Connecting(awaited(load(URL.parse(url), **options)))


class _Opened:
    """The named storages of one event loop."""

    def __init__(self) -> None:
        self.by_alias: dict[str, AsyncStorage] = {}
        self.lock = asyncio.Lock()


_opened: WeakKeyDictionary[asyncio.AbstractEventLoop, _Opened] = WeakKeyDictionary()


async def storage(alias: str = DEFAULT, /) -> AsyncStorage:
    """The storage configured as `alias`, opened in this event loop when it is first asked for.

    Settings are those of `docmap.storage`. It is a dependency of FastAPI as it stands,
    `Depends(docmap.aio.storage)`: the alias is no part of a request; `dependency` names another.
    Raises InvalidConfig for an unknown alias, and what `connect` raises.
    """
    here = _opened.setdefault(asyncio.get_running_loop(), _Opened())
    found = here.by_alias.get(alias)
    if found is not None and found.is_open:
        return found
    async with here.lock:
        found = here.by_alias.get(alias)
        if found is None:
            setting = setting_of(alias)
            try:
                found = await connect(setting.url, **setting.options)
            except Exception as error:
                error.add_note(f"This is the storage {alias!r} of {setting.source}.")
                raise
            here.by_alias[alias] = found
        elif not found.is_open:  # it was used in an async with block of its own
            await found.connect()
    return found


def dependency(alias: str, /) -> Callable[[], Coroutine[Any, Any, AsyncStorage]]:
    """`storage` of one alias, as a dependency of FastAPI: `Depends(dependency("archive"))`."""

    async def opened() -> AsyncStorage:
        return await storage(alias)

    return opened


async def disconnect_all() -> None:
    """Close every storage that `storage` has opened in this event loop, as a program ends.

    It opens them anew when asked again.
    """
    here = _opened.pop(asyncio.get_running_loop(), None)
    failures: list[Exception] = []
    for opened in here.by_alias.values() if here else ():
        try:
            await opened.disconnect()
        except Exception as error:  # noqa: BLE001 - the others are to be closed, too
            failures.append(error)
    if failures:
        raise failures[0]


# Frameworks look at the signature for what a request gives: nothing here.
_NOTHING: list[Parameter] = []
storage.__signature__ = Signature(_NOTHING, return_annotation=AsyncStorage)  # type: ignore[attr-defined]
