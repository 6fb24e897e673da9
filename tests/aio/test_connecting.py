"""Connecting: by URL, by alias, as a dependency of a web framework."""

from __future__ import annotations

import asyncio
import inspect
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import docmap
from docmap import InvalidConfig, InvalidValue, NotConnected, StorageError, Unsupported
from docmap.aio import AsyncStorage, connect, dependency, disconnect_all, storage
from docmap.aio.storage import awaited
from docmap.storage.bridge import wait
from tests.aio.delayed import DelayedStorage
from tests.aio.things import Thing


@pytest.fixture(autouse=True)
def settings() -> Iterator[None]:
    docmap.configure({"default": "memory://", "archive": "memory://"})
    yield
    docmap.unconfigure()


async def test_it_is_awaited_or_entered() -> None:
    db = await connect("memory://")
    assert db.is_open
    await db.disconnect()
    async with connect("memory://", slow_seconds=5.0) as other:
        assert isinstance(other, AsyncStorage)
        assert other.is_open
    assert not other.is_open


async def test_a_wrong_url_is_refused_at_once() -> None:
    with pytest.raises(InvalidConfig, match="sqlite"):
        connect("sqllite:///a.db")
    with pytest.raises(InvalidConfig, match="slow_seconds"):
        connect("memory://", slow_second=1)


async def test_what_cannot_be_opened_leaves_no_thread(tmp_path: Path) -> None:
    opening = connect(f"sqlite:///{tmp_path / 'no' / 'a.db'}")
    with pytest.raises((StorageError, InvalidConfig, InvalidValue)):
        await opening
    assert not opening._storage.is_open
    assert opening._storage._runner._pool._all == set()  # type: ignore[attr-defined]


async def test_aliases_are_opened_once_in_a_loop() -> None:
    first, second = await asyncio.gather(storage(), storage())
    assert first is second
    archive = await storage("archive")
    assert archive is not first
    await first.save(Thing(name="a"))
    assert await (await dependency("archive")()).find(Thing).count() == 0
    await first.disconnect()
    assert (await storage()).is_open
    await disconnect_all()
    assert not archive.is_open
    assert await storage() is not first
    await disconnect_all()
    await disconnect_all()


def test_each_loop_has_its_own() -> None:
    async def opened() -> AsyncStorage:
        found = await storage()
        await disconnect_all()
        return found

    assert asyncio.run(opened()) is not asyncio.run(opened())


async def test_an_unknown_alias_is_named() -> None:
    with pytest.raises(InvalidConfig, match="archive"):
        await storage("archiv")
    with docmap.connect("memory://") as sync:
        docmap.configure({"made": sync})
        with pytest.raises(InvalidConfig, match="name its URL"):
            await storage("made")


def test_a_framework_sees_no_parameters() -> None:
    for depends in (storage, dependency("archive")):
        assert not inspect.signature(depends).parameters
        assert inspect.iscoroutinefunction(depends)


async def test_greenlet_is_named_where_it_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "greenlet", None)
    with pytest.raises(InvalidConfig, match=r"docmap\[aio\]"):
        await awaited(DelayedStorage()).connect()
    assert wait(5) == 5


@pytest.mark.parametrize("kind", ["delayed", "memory"])
def test_a_storage_belongs_to_the_event_loop_that_connected_it(kind: str) -> None:
    db = awaited(DelayedStorage()) if kind == "delayed" else connect("memory://")._storage
    asyncio.run(db.connect())

    async def use() -> int:
        return await db.find(Thing).count()

    async def stream() -> list[Thing]:
        return [thing async for thing in db.find(Thing)]

    if kind == "delayed":
        for wrong in (use, stream):
            with pytest.raises(NotConnected, match="another event loop: connect one in each"):
                asyncio.run(wrong())
    else:  # threads belong to no loop
        assert asyncio.run(use()) == 0

    async def again() -> int:
        await db.reconnect()
        found = await use()
        await db.disconnect()
        return found

    assert asyncio.run(again()) == 0
    assert asyncio.run(again()) == 0


@pytest.mark.parametrize("kind", ["delayed", "memory"])
def test_an_event_loop_of_another_make_is_refused(kind: str) -> None:
    db = awaited(DelayedStorage()) if kind == "delayed" else connect("memory://")._storage
    with pytest.raises(Unsupported, match="event loop of asyncio"):
        db.connect().send(None)
