"""docmap as a contestant: the same lines for every engine."""

# ruff: noqa: D102 - contestant.py says what the methods do

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, ClassVar

from benchmarks.contestant import OURS, Contestant, Orders
from benchmarks.servers import server_url
from benchmarks.views import Brief, OrderStruct
from benchmarks.workload import AMOUNT, COUNTRY, NAME, PAGE, STATUS, TAG, Order, Row
from docmap import Avg, Count, Sum, col, connect


class Docmap(Contestant):
    """docmap, as its manual says to use it."""

    name: ClassVar[str] = OURS
    url: ClassVar[str]

    def open(self, name: str) -> None:
        self.db = connect(self.place(name))
        self.db.ensure_indexes(Order)

    def place(self, name: str) -> str:
        """The URL of an empty store."""
        return self.url.format(self.directory / name)

    def close(self) -> None:
        self.db.disconnect()

    def insert_all(self, rows: Sequence[Row]) -> None:
        self.db.insert_many(Order, rows)

    def insert(self, row: Row) -> None:
        self.db.insert(Order.model_validate(row))

    def delete(self, keys: Sequence[str]) -> None:
        for key in keys:
            self.db.delete(Order, key)

    def get(self, key: str) -> Any:
        return self.db.get(Order, key)

    def of_status_and_country(self) -> Orders:
        return list(self.db.find(Order, status=STATUS, customer__country=COUNTRY))

    def page(self, since: datetime, until: datetime) -> Orders:
        found = self.db.find(Order, created_at__gte=since, created_at__lt=until)
        return list(found.order_by("-created_at")[:PAGE])

    def of_amount(self) -> Orders:
        return list(self.db.find(Order, Order.amount >= AMOUNT))

    def of_name(self) -> Orders:
        return list(self.db.find(Order, customer__name=NAME))

    def tagged(self) -> Orders:
        return list(self.db.find(Order, col(Order.tags).contains(TAG)))

    def count(self) -> int:
        return self.db.find(Order, status=STATUS, customer__country=COUNTRY).count()

    def size(self) -> int:
        return self.db.find(Order).count()

    def countries(self) -> list[str]:
        return self.db.find(Order).values("customer.country")

    def all(self) -> Orders:
        return list(self.db.find(Order))

    def summary(self) -> tuple[int, float, float]:
        row = self.db.find(Order).aggregate(n=Count(), sum=Sum("amount"), avg=Avg("amount"))
        return row.n, row.sum, row.avg

    def revenues(self) -> list[tuple[str, Decimal]]:
        groups = self.db.find(Order).group_by("status").aggregate(sum=Sum("total"))
        return [(row.status, row.sum) for row in groups]

    def briefs(self) -> list[Brief]:
        return list(self.db.find(Order).view(Brief))

    def structs(self) -> list[OrderStruct]:
        return list(self.db.find(Order).view(OrderStruct))

    def note(self, text: str) -> int:
        found = self.db.find(Order, status=STATUS, customer__country=COUNTRY)
        return found.update(note=text).modified

    def raise_amounts(self, by: float) -> int:
        found = self.db.find(Order, status=STATUS, customer__country=COUNTRY)
        return found.update(amount__inc=by).modified


class DocmapOnSQLite(Docmap):
    """docmap on an SQLite file."""

    url: ClassVar[str] = "sqlite:///{}.db"


class DocmapInMemory(Docmap):
    """docmap in memory."""

    url: ClassVar[str] = "memory://"


class DocmapOnLevelDB(Docmap):
    """docmap on LevelDB, every write synced."""

    url: ClassVar[str] = "leveldb:///{}"


class DocmapOnLevelDBUnsynced(Docmap):
    """docmap on LevelDB, which writes to the disk when it likes."""

    url: ClassVar[str] = "leveldb:///{}?sync=false"


class DocmapOnTinyDB(Docmap):
    """docmap on a file of TinyDB."""

    url: ClassVar[str] = "tinydb:///{}.docmap.json"


class DocmapOnShelve(Docmap):
    """docmap on a shelf."""

    url: ClassVar[str] = "shelve:///{}.docmap"


class DocmapOnPostgreSQL(Docmap):
    """docmap on PostgreSQL."""

    url: ClassVar[str] = "postgresql"

    def place(self, name: str) -> str:
        return server_url(self.url)


class DocmapOnMongoDB(DocmapOnPostgreSQL):
    """docmap on MongoDB, or what stands in for it."""

    url: ClassVar[str] = "mongodb"
