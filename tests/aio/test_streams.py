"""Streams that are awaited: bounded, closed when they are left, right when something fails."""

from __future__ import annotations

import asyncio
import gc
from typing import Any

import pytest

from docmap import Document, InvalidRecord
from docmap.aio import AsyncStorage
from docmap.aio.storage import awaited
from docmap.aio.streams import BATCH, FIRST
from tests.aio.delayed import DelayedStorage
from tests.aio.things import Thing


class Strict(Document, collection="loose"):
    id: int
    number: int


async def fill(db: AsyncStorage, count: int) -> None:
    await db.insert_many(Thing, [{"id": n + 1, "name": f"n{n}"} for n in range(count)])


@pytest.mark.parametrize("size", [0, 1, FIRST - 1, FIRST, FIRST + 1, FIRST + BATCH, 1500])
async def test_all_documents_come_once(db: AsyncStorage, size: int) -> None:
    async with db:
        await fill(db, size)
        assert [thing.id async for thing in db.find(Thing)] == list(range(1, size + 1))


async def test_nothing_is_read_ahead_of_need() -> None:
    slow = DelayedStorage()
    async with awaited(slow) as db:
        await fill(db, 3000)
        seen = 0
        async for _ in db.find(Thing):
            seen += 1
            assert slow.read <= max(FIRST, seen + BATCH)
            if seen == 700:
                break
        await asyncio.sleep(0)
        read = slow.read
        await asyncio.sleep(0.01)
        assert slow.read == read


async def test_a_loop_that_is_left_gives_back_what_it_held(db: AsyncStorage) -> None:
    async with db:
        await fill(db, 100)
        for _ in range(5):
            async for _ in db.find(Thing):
                break
        await asyncio.sleep(0.01)
        async with db.transaction():
            await db.find(Thing).delete()
        assert await db.find(Thing).count() == 0


async def test_a_stream_does_not_see_what_is_written_in_its_loop(db: AsyncStorage) -> None:
    async with db:
        await fill(db, 100)
        seen = 0
        async for thing in db.find(Thing):
            seen += 1
            thing.name = "changed"
            await db.save(thing)
            await db.insert(Thing(id=1000 + seen, name="new"))
        assert seen == 100
        assert await db.find(Thing, name="changed").count() == 100


async def test_a_stream_in_a_transaction_sees_its_writes(db: AsyncStorage) -> None:
    async with db:
        with pytest.raises(ZeroDivisionError):  # noqa: PT012
            async with db.transaction():
                await fill(db, 50)
                assert len([thing async for thing in db.find(Thing)]) == 50
                async for thing in db.find(Thing):
                    await db.delete(thing)
                    break
                assert await db.find(Thing).count() == 49
                raise ZeroDivisionError
        assert [thing async for thing in db.find(Thing)] == []


async def test_a_record_that_does_not_fit_is_raised_at_its_turn(db: AsyncStorage) -> None:
    async with db:
        rows: list[dict[str, Any]] = [{"id": n, "number": n} for n in range(1, 40)]
        rows[35]["number"] = "x"
        await db.insert_many("loose", rows)
        seen = []
        with pytest.raises(InvalidRecord):  # noqa: PT012
            async for one in db.find(Strict).order_by("id"):
                seen.append(one.id)  # noqa: PERF401 - what came before the error
        assert seen == list(range(1, 36))
        skipped = db.find(Strict).on_invalid("skip")
        assert len([one async for one in skipped]) == 38


async def test_what_is_never_asked_for_is_not_announced(db: AsyncStorage) -> None:
    async with db:
        await fill(db, 20)
        loaded: list[int] = []
        db.after("load", lambda thing: loaded.append(thing.id), Thing)
        async for thing in db.find(Thing).order_by("id"):
            if thing.id == 3:
                break
        assert loaded == [1, 2, 3]


async def test_a_cancelled_stream_is_closed(db: AsyncStorage) -> None:
    async with db:
        await fill(db, 1000)

        async def read() -> None:
            async for thing in db.find(Thing):
                if thing.id == 40:
                    await asyncio.sleep(60)

        task = asyncio.create_task(read())
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        async with db.transaction():
            await db.find(Thing).delete()
        assert await db.find(Thing).count() == 0


async def test_a_stream_that_is_forgotten_is_closed_too(db: AsyncStorage) -> None:
    async with db:
        await fill(db, 100)
        stream = aiter(db.find(Thing))
        await anext(stream)
        del stream
        gc.collect()
        await asyncio.sleep(0.01)
        async with db.transaction():
            assert await db.find(Thing).delete() == 100


async def test_streams_run_side_by_side(db: AsyncStorage) -> None:
    async with db:
        await fill(db, 200)

        async def read() -> int:
            return len([thing async for thing in db.find(Thing)])

        assert await asyncio.gather(*(read() for _ in range(20))) == [200] * 20
