"""What is awaited is typed as its sync twin."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import assert_type

from pydantic import BaseModel

from docmap import AggregateRow, ChangeEvent, Count, Document, Page, Ref
from docmap.aio import (
    AsyncGroupedQuery,
    AsyncQuery,
    AsyncStorage,
    AsyncWatch,
    connect,
)


class Buyer(Document, collection="buyers"):
    name: str


class Sale(Document, collection="sales"):
    number: str
    total: Decimal = Decimal(0)
    buyer: Ref[Buyer] | None = None


class Short(BaseModel):
    number: str


async def main() -> None:
    async with connect("memory://") as db:
        assert_type(db, AsyncStorage)
        sale = Sale(number="A", buyer=Ref(Buyer(name="Ann")))
        await db.save(sale)
        assert_type(await db.get(Sale, sale.id), Sale)
        query = db.find(Sale).where(Sale.total >= 0, number="A").order_by("-total")[:5]
        assert_type(query, AsyncQuery[Sale])
        assert_type(await query.first(), Sale | None)
        assert_type(await query.list(), list[Sale])
        assert_type(await query[0], Sale)
        assert_type(await db.find(Sale).page(3), Page[Sale])
        async for one in query:
            assert_type(one, Sale)
        assert_type(query.view(Short), AsyncQuery[Short])
        assert_type([one async for one in query.view(Short)], list[Short])
        groups = query.limit(3).group_by("number").aggregate(n=Count())
        assert_type(groups, AsyncGroupedQuery)
        assert_type(await groups.list(), list[AggregateRow])
        async with db.transaction() as same:
            assert_type(same, AsyncStorage)
        changes = db.watch(Sale, wait=0.0)
        assert_type(changes, AsyncWatch[Sale])
        async for change in changes:
            assert_type(change, ChangeEvent[Sale])
        await changes.close()


if __name__ == "__main__":
    asyncio.run(main())
