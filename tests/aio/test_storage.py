"""The words of a storage, awaited: each does what its sync twin does."""

from __future__ import annotations

import asyncio
import operator
import threading
from typing import Any

import pytest

from docmap import (
    AlreadyConnected,
    Count,
    DocumentNotFound,
    DuplicateKey,
    InvalidQuery,
    MultipleFound,
    NotConnected,
    Ref,
    StaleDocument,
    UseAsyncStorage,
)
from docmap.aio import AsyncStorage
from docmap.storage.base import BaseStorageAdapter
from tests.aio.things import Maker, Thing


async def fill(db: AsyncStorage, count: int) -> None:
    await db.insert_many(Thing, [{"name": f"n{n}", "group": n % 3} for n in range(count)])


async def test_a_document_is_saved_read_changed_and_deleted(db: AsyncStorage) -> None:
    async with db:
        thing = Thing(name="a")
        assert await db.save(thing) == 1
        assert await db.get(Thing, 1) == thing
        thing.name = "b"
        await db.save(thing)
        again = await db.get(Thing, 1)
        again.name = "c"
        await db.save(again)
        with pytest.raises(StaleDocument):
            await db.save(thing)
        await db.reload(thing)
        assert thing.name == "c"
        assert await db.delete(thing)
        with pytest.raises(DocumentNotFound):
            await db.get(Thing, 1)
        assert not await db.delete(Thing, 1)


async def test_the_other_ways_to_write(db: AsyncStorage) -> None:
    async with db:
        assert await db.insert(Thing(id=5)) == 5
        with pytest.raises(DuplicateKey):
            await db.insert(Thing(id=5))
        assert await db.upsert(Thing(id=5, name="new")) == 5
        assert await db.save(Thing, {"name": "dict"}, primary_key=7) == 7
        assert await db.insert_many([Thing(id=8), Thing(id=9)]) == [8, 9]
        things = await db.get_many(Thing, [9, 1, 8])
        assert [thing.id for thing in things] == [9, 8]
        assert await db.save_many(things) == [9, 8]
        assert await db.delete_many(things) == 2
        assert (await db.get_or_create(Thing, name="dict"))[1] is False
        made, created = await db.get_or_create(Thing, {"group": 2}, name="made")
        assert (made.group, created) == (2, True)
        assert await db.insert_many("plain", [{"id": "x", "a": 1}]) == ["x"]
        assert (await db.get("plain", "x"))["a"] == 1


async def test_a_query_is_chained_and_awaited(db: AsyncStorage) -> None:
    async with db:
        await fill(db, 9)
        query = db.find(Thing).where(group=1).order_by("-id")
        assert [thing.id for thing in await query.list()] == [8, 5, 2]
        assert [thing.id async for thing in query[1:]] == [5, 2]
        first = await query.first()
        assert first is not None
        assert (first.id, (await query[1]).id) == (8, 5)
        assert await query.count() == 3
        assert await query.exists()
        assert await db.find(Thing).values("group") == [0, 1, 2]
        assert (await query.get(name="n4")).id == 5
        with pytest.raises(MultipleFound):
            await query.one()
        with pytest.raises(IndexError):
            await query[3]
        page = await query.page(2)
        rest = await query.page(2, after=page.next)
        assert [thing.id for thing in (*page, *rest)] == [8, 5, 2]
        assert [thing.id async for thing in query.after(query.cursor(first))] == [5, 2]
        assert [len(batch) async for batch in db.find(Thing).batches(4)] == [4, 4, 1]
        assert (await query.raw().list())[0]["name"] == "n7"
        assert (await query.aggregate(n=Count())).n == 3
        assert "Thing" in repr(query)
        assert not (await query.explain()).data.get("empty")


async def test_groups_are_awaited(db: AsyncStorage) -> None:
    async with db:
        await fill(db, 8)
        groups = db.find(Thing).group_by("group").aggregate(n=Count()).order_by("-n", "group")
        assert [tuple(row) async for row in groups] == [(0, 3), (1, 3), (2, 2)]
        assert len(await groups.having(n=3).list()) == 2
        assert (await groups[2]).n == 2
        assert await groups[1:].count() == 2
        assert await groups.limit(0).first() is None


async def test_a_query_writes(db: AsyncStorage) -> None:
    async with db:
        await fill(db, 6)
        assert (await db.find(Thing, group=0).update(tags__push="x")).matched == 2
        changed = await db.find(Thing, group=1).find_one_and_update(name="first")
        assert changed is not None
        assert changed.name == "first"
        assert await db.find(Thing, Thing.group == 2).delete() == 2
        assert await db.find(Thing, tags__contains="x").count() == 2


async def test_a_collection_is_awaited(db: AsyncStorage) -> None:
    async with db:
        await fill(db, 3)
        things = db.collection(Thing)
        assert (things.name, await things.count()) == ("things", 3)
        assert await things.contains(1)
        assert not await things.contains(99)
        assert [thing.id async for thing in things] == [1, 2, 3]
        assert await things.clear() == 3
        assert await db.collections() == ["things"]
        await db.ensure_indexes(Maker)
        assert (await db.indexes(Maker))["missing"] == []


async def test_references_are_fetched(db: AsyncStorage) -> None:
    async with db:
        ann = Maker(name="Ann")
        await db.save(ann)
        await db.save(Thing(maker=Ref(ann)))
        (thing,) = await db.find(Thing).fetch("maker").list()
        assert thing.maker is not None
        assert thing.maker.value.name == "Ann"
        (thing,) = await db.fetch(await db.find(Thing).list(), "maker", storage=db)
        assert thing.maker is not None
        assert thing.maker.value.name == "Ann"
        assert (await thing.maker.get(db)).name == "Ann"
        with pytest.raises(InvalidQuery, match=r"docmap\.aio"):
            db.find(Thing).fetch("maker", storage=5)  # type: ignore[arg-type]


async def test_what_is_not_awaited_is_refused(db: AsyncStorage) -> None:
    async with db:
        query = db.find(Thing)
        wrong: Any
        for wrong in (query, query.group_by("group"), db.collection(Thing)):
            with pytest.raises(TypeError):
                list(wrong)
            with pytest.raises(TypeError):
                operator.contains(wrong, 5)
        with pytest.raises(TypeError, match="await query.exists"):
            bool(query)
        with pytest.raises(TypeError, match="await groups.count"):
            bool(query.group_by("group"))


async def test_documents_methods_name_the_way(db: AsyncStorage) -> None:
    async with db:
        thing = Thing()
        await db.save(thing)
        (loaded,) = await db.find(Thing).list()
        for one in (thing, loaded):
            for call in (one.save, one.delete, one.reload, one.insert):
                with pytest.raises(UseAsyncStorage, match="await db.save"):
                    call()
        given: Any = db
        with pytest.raises(UseAsyncStorage):
            Thing().save(given)
        with pytest.raises(UseAsyncStorage):
            Thing.from_storage(given, 1)
        with pytest.raises(UseAsyncStorage):
            thing.save_as(storage=given)


async def test_hooks_work_in_sync_words_inside(db: AsyncStorage) -> None:
    async with db:
        seen: list[str] = []

        @db.before("insert", Thing)
        def make(thing: Thing, storage: BaseStorageAdapter) -> None:
            maker = Maker(name="by hook")
            maker.save(storage)
            thing.maker = Ref(maker)

        end = db.after("load", lambda thing: seen.append(type(thing).__name__), Maker)
        await db.save(Thing())
        (thing,) = await db.find(Thing).fetch("maker").list()
        assert thing.maker is not None
        assert thing.maker.value.name == "by hook"
        assert seen == ["Maker"]
        end()
        assert db.remove_hook(make)


async def test_options_are_those_of_a_view(db: AsyncStorage) -> None:
    async with db:
        strict = db.options(allow_scan=False)
        assert strict.same(db)
        await strict.save(Thing(name="a"))
        with pytest.raises(InvalidQuery):
            await strict.find(Thing, name__contains="a").list()
        assert await strict.find(Thing).options(allow_scan=True).where(name="a").count() == 1


async def test_opening_and_closing(db: AsyncStorage) -> None:
    with pytest.raises(NotConnected):
        await db.find(Thing).count()
    async with db:
        assert db.is_open
        with pytest.raises(AlreadyConnected):
            await db.connect()
        assert await db.ping()
        assert (await db.info())["engine"] == db.scheme
        assert "transactions" in db.abilities
        assert db.native is not None
        await db.save(Thing())
        await db.sync()
        await db.clear()
        assert await db.find(Thing).count() == 0
        await db.reconnect()
        await db.save(Thing())
    assert not db.is_open
    assert db.scheme in repr(db)
    with pytest.raises(NotConnected):
        await db.save(Thing())
    await db.disconnect()


async def test_threads_end_with_the_storage(db: AsyncStorage) -> None:
    before = set(threading.enumerate())
    async with db:
        await asyncio.gather(*(db.save(Thing()) for _ in range(20)))
        stream = aiter(db.find(Thing))
        await anext(stream)
        await stream.aclose()  # type: ignore[attr-defined]
    left = set(threading.enumerate()) - before
    assert not [thread for thread in left if thread.name == "docmap"]
    assert len(left) <= 1  # asyncio's own, which joined them


async def test_listeners_hear_of_operations(db: AsyncStorage) -> None:
    heard: list[str] = []
    async with db:
        db.on_command(lambda command: heard.append(command.name))
        await asyncio.gather(db.save(Thing()), db.find(Thing).count())
    assert sorted(heard) == ["count", "save"]


async def test_many_tasks_share_a_storage(db: AsyncStorage) -> None:
    async with db:
        await db.save(Thing(id=1, group=0))

        async def add() -> None:
            for _ in range(5):
                await db.find(Thing, pk=1).update(group__inc=1)

        await asyncio.gather(*(add() for _ in range(5)))
        assert (await db.get(Thing, 1)).group == 25
