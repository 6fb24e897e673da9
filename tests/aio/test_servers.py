"""Tasks on real servers: many at once, and cancelled at any moment."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from docmap import TransactionConflict
from docmap import connect as connect_sync
from docmap.aio import AsyncStorage, connect
from tests.aio.things import Thing
from tests.servers import mongo, postgresql
from tests.servers.forgotten import (
    bears_forgotten_sockets,
    forgotten_sockets,  # noqa: F401 - used by pytest
)

pytestmark = bears_forgotten_sockets


@pytest.fixture(params=["postgresql", "mongodb"])
def url(request: pytest.FixtureRequest) -> Iterator[str]:
    found = (postgresql if request.param == "postgresql" else mongo).url("aio")
    yield found
    with connect_sync(found) as db:
        db.clear()


@asynccontextmanager
async def filled(url: str, **options: Any) -> AsyncIterator[AsyncStorage]:
    async with connect(url, pool_size=5, **options) as db:
        await db.insert_many([Thing(id=number) for number in range(1, 101)])
        yield db


async def cancelled(work: Callable[[], Awaitable[object]], seconds: float) -> None:
    """Cancel a task after so many seconds, if it has not ended before."""

    async def run() -> None:
        await work()

    task = asyncio.create_task(run())
    await asyncio.sleep(seconds)
    task.cancel()
    try:
        await task
    except (asyncio.CancelledError, TransactionConflict):
        return


async def test_the_driver_is_awaited_itself(url: str) -> None:
    async with filled(url) as db:
        assert db._core.has_async
        ticks = 0

        async def tick() -> None:
            nonlocal ticks
            while True:
                ticks += 1
                await asyncio.sleep(0)

        ticking = asyncio.create_task(tick())
        await db.find(Thing).count()
        ticking.cancel()
        assert ticks > 1


async def test_many_tasks_at_once_wait_for_a_connection(url: str) -> None:
    async with filled(url) as db:

        async def use(number: int) -> int:
            await db.find(Thing, pk=number).update(group__inc=1)
            return (await db.get(Thing, number)).group

        assert await asyncio.gather(*(use(number) for number in range(1, 51))) == [1] * 50
        assert len([thing async for thing in db.find(Thing, group=1)]) == 50


async def test_tasks_that_are_cancelled_spoil_no_connection(url: str, rng: random.Random) -> None:
    async with filled(url) as db:
        ways: list[Callable[[], Awaitable[object]]] = [
            lambda: db.get(Thing, 5),
            lambda: db.find(Thing, group=0).list(),
            lambda: db.find(Thing, pk=7).update(name="changed"),
            lambda: db.upsert(Thing(id=8, name="new")),
        ]
        for _ in range(60):
            work = rng.sample(ways, 2)
            await asyncio.gather(*(cancelled(one, rng.random() * 0.01) for one in work))
        async with asyncio.timeout(30):
            counts = await asyncio.gather(*(db.find(Thing).count() for _ in range(20)))
        assert counts == [100] * 20
        assert {thing.id async for thing in db.find(Thing)} == set(range(1, 101))


async def test_transactions_that_are_cancelled_are_undone_or_whole(
    url: str, rng: random.Random
) -> None:
    async with filled(url) as db:
        if "transactions" not in db.abilities:
            return

        async def swap(first: int, second: int) -> None:
            async with db.transaction():
                one, other = await db.get_many(Thing, [first, second])
                one.group, other.group = one.group - 1, other.group + 1
                await db.save(one)
                await db.save(other)

        for _ in range(40):
            first, second = rng.sample(range(1, 101), 2)
            await cancelled(lambda a=first, b=second: swap(a, b), rng.random() * 0.02)  # type: ignore[misc]
            things = await db.find(Thing).list()
            assert sum(thing.group for thing in things) == 0
        async with asyncio.timeout(30):
            await asyncio.gather(*(db.get(Thing, number) for number in range(1, 21)))


async def test_a_stream_that_is_left_does_not_meet_what_its_task_does_next(url: str) -> None:
    """Python lets the event loop close it in a task of its own, which looks at the plan."""
    async with filled(url, scan_documents=1) as db:
        await db.insert_many([Thing(id=number) for number in range(101, 2501)])
        for number in range(30):
            async for _one in db.find(Thing, group__lt=5).order_by(("name", "group")[number % 2]):
                break
            await db.get(Thing, 5)
        assert await db.find(Thing).count() == 2500


async def test_a_stream_is_handed_to_another_task(url: str) -> None:
    async with filled(url) as db:
        await db.insert_many([Thing(id=number) for number in range(101, 2501)])
        stream = aiter(db.find(Thing).order_by("id"))
        assert (await anext(stream)).id == 1

        async def rest() -> list[int]:
            return [thing.id async for thing in stream]

        reading = asyncio.create_task(rest())
        if "transactions" in db.abilities:
            async with db.transaction():
                for number in range(1, 30):
                    await db.find(Thing, pk=number).update(group__inc=1)
        else:
            await db.find(Thing, pk__lt=30).update(group__inc=1)
        assert await reading == list(range(2, 2501))


async def test_a_stream_is_left_in_a_transaction_that_goes_on(url: str) -> None:
    async with filled(url) as db:
        if "transactions" not in db.abilities:
            return
        await db.insert_many([Thing(id=number) for number in range(101, 2501)])
        async with db.transaction():
            for number in range(1, 30):
                async for thing in db.find(Thing):
                    assert thing.group == 0
                    break
                await db.find(Thing, pk=number).update(name="seen")
        assert await db.find(Thing, name="seen").count() == 29
