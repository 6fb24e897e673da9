"""docmap.aio as a contestant: docmap's own lines, awaited, beside those of awaited libraries."""

# ruff: noqa: D102 - contestant.py says what the methods do

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, ClassVar

from benchmarks.contestant import Orders
from benchmarks.others_servers import Awaiting
from benchmarks.servers import server_url
from benchmarks.workload import AMOUNT, COUNTRY, NAME, PAGE, STATUS, TAG, Order, Row
from docmap import aio, col


class AwaitedOnPostgreSQL(Awaiting):
    """docmap.aio on PostgreSQL."""

    name: ClassVar[str] = "docmap.aio"
    engine: ClassVar[str] = "postgresql"

    async def prepare(self) -> None:
        self.db = await aio.connect(server_url(self.engine))
        await self.db.ensure_indexes(Order)

    async def finish(self) -> None:
        await self.db.disconnect()

    def insert_all(self, rows: Sequence[Row]) -> None:
        self.run(self.db.insert_many(Order, rows))

    def insert(self, row: Row) -> None:
        self.run(self.db.insert(Order.model_validate(row)))

    def delete(self, keys: Sequence[str]) -> None:
        self.run(self.db.find(Order, id__in=list(keys)).delete())

    def get(self, key: str) -> Any:
        return self.run(self.db.get(Order, key))

    def of_status_and_country(self) -> Orders:
        return self._found(self._both())

    def page(self, since: datetime, until: datetime) -> Orders:
        found = self.db.find(Order, created_at__gte=since, created_at__lt=until)
        return self._found(found.order_by("-created_at")[:PAGE])

    def of_amount(self) -> Orders:
        return self._found(self.db.find(Order, Order.amount >= AMOUNT))

    def of_name(self) -> Orders:
        return self._found(self.db.find(Order, customer__name=NAME))

    def tagged(self) -> Orders:
        return self._found(self.db.find(Order, col(Order.tags).contains(TAG)))

    def count(self) -> int:
        counted: int = self.run(self._both().count())
        return counted

    def size(self) -> int:
        return self.run(self.db.find(Order).count())

    def countries(self) -> list[str]:
        return self.run(self.db.find(Order).values("customer.country"))

    def all(self) -> Orders:
        return self._found(self.db.find(Order))

    def _both(self) -> Any:
        return self.db.find(Order, status=STATUS, customer__country=COUNTRY)

    def _found(self, query: Any) -> Orders:
        return self.run(query.list())


class AwaitedOnMongoDB(AwaitedOnPostgreSQL):
    """docmap.aio on MongoDB, or what stands in for it."""

    engine: ClassVar[str] = "mongodb"
