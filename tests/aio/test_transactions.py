"""Transactions that are awaited: whose they are, and what a cancelled task leaves behind."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from docmap import StaleDocument, Unsupported
from docmap.aio import AsyncStorage
from docmap.aio.storage import awaited
from tests.aio.delayed import DelayedStorage
from tests.aio.things import Thing


async def count(db: AsyncStorage) -> int:
    return await db.find(Thing).count()


async def test_all_or_nothing(db: AsyncStorage) -> None:
    async with db:
        async with db.transaction() as same:
            await same.save(Thing())
            assert await count(db) == 1  # it sees its own writes
        assert await count(db) == 1
        new = Thing()
        with pytest.raises(ZeroDivisionError):  # noqa: PT012
            async with db.transaction():
                await db.save(new)
                raise ZeroDivisionError
        assert await count(db) == 1
        assert new.is_new


async def test_one_inside_another_is_undone_alone(db: AsyncStorage) -> None:
    async with db:
        async with db.transaction():
            await db.save(Thing())
            with pytest.raises(ZeroDivisionError):  # noqa: PT012
                async with db.transaction():
                    await db.save(Thing())
                    raise ZeroDivisionError
            await db.save(Thing())
        assert await count(db) == 2


async def test_other_tasks_work_beside_it(db: AsyncStorage) -> None:
    async with db:
        await db.save(Thing())
        inside, leave = asyncio.Event(), asyncio.Event()

        async def hold() -> None:
            async with db.transaction():
                await db.save(Thing())
                inside.set()
                await leave.wait()
                raise ZeroDivisionError

        holder = asyncio.create_task(hold())
        await inside.wait()
        if db.scheme == "sqlite":  # the others lock what they read
            assert await count(db) == 1
        other = asyncio.create_task(db.save(Thing(name="beside")))
        await asyncio.sleep(0.01)
        leave.set()
        with pytest.raises(ZeroDivisionError):
            await holder
        await other
        assert await count(db) == 2


async def test_a_task_started_inside_is_refused_until_the_end(db: AsyncStorage) -> None:
    async with db:
        end = asyncio.Event()

        async def later() -> int:
            await end.wait()
            return await count(db)

        async with db.transaction():
            await db.save(Thing())
            with pytest.raises(Unsupported, match="belongs to it alone"):
                await asyncio.create_task(count(db))
            async with asyncio.timeout(10):  # stays in the task
                assert await count(db) == 1
            waiting = asyncio.create_task(later())
            await asyncio.sleep(0)
        end.set()
        assert await waiting == 1


async def test_two_tasks_have_transactions_at_once(db: AsyncStorage) -> None:
    async with db:

        async def add(name: str, *, fail: bool) -> None:
            async with db.transaction():
                for _ in range(3):
                    await db.save(Thing(name=name))
                    await asyncio.sleep(0)
                if fail:
                    raise ZeroDivisionError

        found = await asyncio.gather(
            add("a", fail=False), add("b", fail=True), add("c", fail=False), return_exceptions=True
        )
        assert [type(one) for one in found] == [type(None), ZeroDivisionError, type(None)]
        assert await db.find(Thing).values("name") == ["a", "c"]


async def cancelled_at(db: AsyncStorage, work: Any, steps: int) -> bool:
    """Cancel a task after so many steps of the loop; False if it had ended before."""
    task = asyncio.create_task(work())
    for _ in range(steps):
        await asyncio.sleep(0)
    task.cancel()
    try:
        await task
    except asyncio.CancelledError:
        return True
    return False


async def test_a_task_cancelled_at_any_point_leaves_nothing_open() -> None:
    async with awaited(DelayedStorage()) as db:

        async def work() -> None:
            async with db.transaction():
                await db.save(Thing(name="half"))
                await db.save(Thing(name="half"))

        steps = 0
        while await cancelled_at(db, work, steps):
            assert await count(db) in {0, 2}, steps  # 2: it was cancelled while it committed
            await db.clear()
            async with asyncio.timeout(10), db.transaction():  # nobody holds the lock
                await db.save(Thing(name="next"))
            await db.clear()
            steps += 1
        assert steps > 5
        assert await count(db) == 2


async def test_a_task_cancelled_in_its_block_undoes_it(db: AsyncStorage) -> None:
    async with db:
        inside = asyncio.Event()

        async def work() -> None:
            async with db.transaction():
                await db.save(Thing())
                inside.set()
                await asyncio.sleep(60)

        task = asyncio.create_task(work())
        await inside.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await count(db) == 0
        async with db.transaction():
            await db.save(Thing())
        assert await count(db) == 1


async def test_a_task_cancelled_again_while_it_undoes_does_not_leave_before() -> None:
    slow = DelayedStorage()
    async with awaited(slow) as db:
        inside, gate = asyncio.Event(), asyncio.Event()

        async def work() -> None:
            async with db.transaction():
                await db.save(Thing())
                slow.gate = gate
                inside.set()
                await asyncio.sleep(60)

        task = asyncio.create_task(work())
        await inside.wait()
        for _ in range(3):
            task.cancel()
            await asyncio.sleep(0.005)
            assert not task.done()
        gate.set()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await count(db) == 0


async def test_a_timeout_around_a_transaction(db: AsyncStorage) -> None:
    async with db:
        with pytest.raises(TimeoutError):  # noqa: PT012
            async with asyncio.timeout(0.05), db.transaction():
                await db.save(Thing())
                await asyncio.sleep(60)
        assert await count(db) == 0


async def test_one_task_may_end_what_another_began(db: AsyncStorage) -> None:
    async with db:

        async def fixture() -> AsyncIterator[AsyncStorage]:
            async with db.transaction():
                await db.save(Thing())
                yield db

        made = fixture()
        await asyncio.create_task(anext(made))  # type: ignore[arg-type]
        with pytest.raises(StopAsyncIteration):
            await asyncio.create_task(anext(made))  # type: ignore[arg-type]
        assert await count(db) == 1
        async with db.transaction():
            await db.save(Thing())
        assert await count(db) == 2


async def test_it_is_run_again_after_a_conflict(db: AsyncStorage) -> None:
    async with db:
        await db.save(Thing(id=1))
        runs = 0

        async def raise_it() -> int:
            nonlocal runs
            runs += 1
            thing = await db.get(Thing, 1)
            await db.find(Thing).update(name="changed meanwhile")
            if runs < 3:
                await db.save(thing)
            return runs

        assert await db.retrying(raise_it) == 3
        assert (await db.get(Thing, 1)).name == "changed meanwhile"
        runs = -9
        with pytest.raises(StaleDocument):
            await db.retrying(raise_it, attempts=2)
        assert runs == -7


async def test_inside_a_transaction_it_runs_once(db: AsyncStorage) -> None:
    async with db:
        runs = 0

        async def fail() -> None:
            nonlocal runs
            runs += 1
            raise StaleDocument("always")

        with pytest.raises(StaleDocument):
            async with db.transaction():
                await db.retrying(fail)
        assert runs == 1


async def test_a_transaction_ends_once(db: AsyncStorage) -> None:
    async with db:
        block = db.transaction()
        async with block:
            pass
        with pytest.raises(RuntimeError, match="has ended"):
            await block.__aexit__(None, None, None)
