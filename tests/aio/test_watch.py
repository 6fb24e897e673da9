"""The change feed, awaited."""

from __future__ import annotations

import asyncio

import pytest

from docmap import InvalidQuery, InvalidRecord
from docmap.aio import AsyncStorage
from tests.aio.things import Thing


async def test_changes_come_in_turn(db: AsyncStorage) -> None:
    async with db, db.watch(Thing, wait=0.0) as changes:
        await db.save(Thing(name="a"))
        await db.find(Thing).update(name="b")
        await db.delete(Thing, 1)
        seen = [(one.kind, one.key) async for one in changes]
        assert seen == [("insert", 1), ("update", 1), ("delete", 1)]
        token = changes.token
        await db.save(Thing(name="c"))
        assert [one.kind async for one in changes] == ["insert"]
        again = await db.watch(Thing, after=token, wait=0.0)
        assert [one.document.name async for one in again if one.document] == ["c"]
        await again.close()


async def test_it_waits_for_a_change(db: AsyncStorage) -> None:
    async with db, db.watch(Thing, name="wanted") as changes:
        waiting = asyncio.create_task(changes.__anext__())
        await asyncio.sleep(0.02)
        await db.save(Thing(name="other"))
        await db.save(Thing(name="wanted"))
        async with asyncio.timeout(10):
            change = await waiting
        assert change.document is not None
        assert change.document.name == "wanted"


async def test_it_ends_when_nothing_comes(db: AsyncStorage) -> None:
    async with db:
        changes = await db.watch(Thing, wait=0.15)
        assert [one async for one in changes] == []
        await db.save(Thing())
        assert len([one async for one in changes]) == 1
        await changes.close()
        assert [one async for one in changes] == []
        await changes.close()


async def test_a_task_that_is_cancelled_while_it_waits_goes_on_later(db: AsyncStorage) -> None:
    async with db, db.watch(Thing) as changes:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.02):
                await anext(changes)
        await db.save(Thing(name="later"))
        async with asyncio.timeout(10):
            assert (await anext(changes)).kind == "insert"


async def test_it_begins_when_it_is_awaited(db: AsyncStorage) -> None:
    async with db:
        changes = db.watch(Thing, wait=0.0)
        with pytest.raises(InvalidQuery, match="has not begun"):
            _ = changes.token
        await db.save(Thing())
        await changes
        await db.save(Thing())
        assert [one.key async for one in changes] == [2]
        await db.unwatch(Thing)
        await changes.close()
        unbegun = db.watch(Thing)
        await unbegun.close()
        assert [one async for one in unbegun] == []


async def test_one_that_does_not_fit_is_passed_over(db: AsyncStorage) -> None:
    async with db, db.watch(Thing, wait=0.0) as changes:
        await db.insert_many("things", [{"id": 1, "name": 5}, {"id": 2, "name": "fits"}])
        with pytest.raises(InvalidRecord):
            await anext(changes)
        assert (await anext(changes)).key == 2


async def test_a_watch_does_not_begin_in_a_transaction(db: AsyncStorage) -> None:
    async with db, db.transaction():
        with pytest.raises(InvalidQuery, match="inside a transaction"):
            await db.watch(Thing)


async def test_a_task_that_is_cancelled_as_a_change_comes_leaves_it(db: AsyncStorage) -> None:
    async with db, db.watch(Thing, wait=5.0) as changes:
        token = changes.token
        for number in range(1, 6):
            waiting = asyncio.ensure_future(anext(changes))
            await asyncio.sleep(0.01)
            waiting.cancel()
            await db.save(Thing(id=number))
            with pytest.raises(asyncio.CancelledError):
                await waiting
            assert changes.token == token  # whoever goes on from there gets it too
            change = await anext(changes)
            assert (change.kind, change.key) == ("insert", number)
            token = changes.token
            assert token == change.token
