"""Hand-written code, the limit: the driver and pydantic, with nothing between them."""

# ruff: noqa: D102, S608 - contestant.py says what the methods do; no text here is a user's

from __future__ import annotations

import math
import sqlite3
from bisect import bisect_left, insort
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, ClassVar

from msgspec.json import Decoder

from benchmarks.contestant import BY_HAND, Contestant, Orders
from benchmarks.views import Brief, OrderStruct
from benchmarks.workload import AMOUNT, COUNTRY, NAME, PAGE, STATUS, TAG, PlainOrder, Row

_STATUS = "json_extract(doc,'$.status')"
_COUNTRY = "json_extract(doc,'$.customer.country')"
_CREATED_AT = "json_extract(doc,'$.created_at')"


class SQLiteByHand(Contestant):
    """sqlite3: JSON text, indexes on expressions, a table of its own for the tags."""

    name: ClassVar[str] = BY_HAND

    def open(self, name: str) -> None:
        self.db = sqlite3.connect(self.directory / f"{name}.db", isolation_level=None)
        self.db.execute("PRAGMA journal_mode=WAL")
        self.db.execute("PRAGMA synchronous=FULL")
        self.db.execute("CREATE TABLE orders(id TEXT PRIMARY KEY, doc TEXT NOT NULL)")
        self.db.execute(f"CREATE INDEX by_status ON orders({_STATUS},{_COUNTRY})")
        self.db.execute(f"CREATE INDEX by_time ON orders({_CREATED_AT})")
        self.db.execute("CREATE TABLE tags(tag TEXT, id TEXT, PRIMARY KEY(tag, id)) WITHOUT ROWID")

    def close(self) -> None:
        self.db.close()

    def insert_all(self, rows: Sequence[Row]) -> None:
        tags: list[tuple[str, str]] = []

        def encoded() -> Iterator[tuple[str, str]]:
            for row in rows:
                order = PlainOrder.model_validate(row)
                tags.extend((tag, order.id) for tag in order.tags)
                yield order.id, order.model_dump_json()

        self.db.execute("BEGIN IMMEDIATE")
        self.db.executemany("INSERT INTO orders VALUES(?,?)", encoded())
        self.db.executemany("INSERT INTO tags VALUES(?,?)", tags)
        self.db.execute("COMMIT")

    def insert(self, row: Row) -> None:
        order = PlainOrder.model_validate(row)
        tags = [(tag, order.id) for tag in order.tags]
        self.db.execute("BEGIN IMMEDIATE")
        self.db.execute("INSERT INTO orders VALUES(?,?)", (order.id, order.model_dump_json()))
        self.db.executemany("INSERT INTO tags VALUES(?,?)", tags)
        self.db.execute("COMMIT")

    def delete(self, keys: Sequence[str]) -> None:
        named = [(key,) for key in keys]
        self.db.execute("BEGIN IMMEDIATE")
        self.db.executemany(
            "DELETE FROM tags WHERE id=?1 AND tag IN (SELECT value FROM orders, "
            "json_each(doc,'$.tags') WHERE orders.id=?1)",
            named,
        )
        self.db.executemany("DELETE FROM orders WHERE id=?", named)
        self.db.execute("COMMIT")

    def get(self, key: str) -> Any:
        (doc,) = self.db.execute("SELECT doc FROM orders WHERE id=?", (key,)).fetchone()
        return PlainOrder.model_validate_json(doc)

    def of_status_and_country(self) -> Orders:
        return self._orders(f"WHERE {_STATUS}=? AND {_COUNTRY}=?", STATUS, COUNTRY)

    def page(self, since: datetime, until: datetime) -> Orders:
        return self._orders(
            f"WHERE {_CREATED_AT}>=? AND {_CREATED_AT}<? ORDER BY {_CREATED_AT} DESC LIMIT {PAGE}",
            _as_stored(since),
            _as_stored(until),
        )

    def of_amount(self) -> Orders:
        return self._orders("WHERE json_extract(doc,'$.amount')>=?", AMOUNT)

    def of_name(self) -> Orders:
        return self._orders("WHERE json_extract(doc,'$.customer.name')=?", NAME)

    def tagged(self) -> Orders:
        return self._orders("WHERE id IN (SELECT id FROM tags WHERE tag=?)", TAG)

    def count(self) -> int:
        where = f"WHERE {_STATUS}=? AND {_COUNTRY}=?"
        found = self.db.execute(f"SELECT count(*) FROM orders {where}", (STATUS, COUNTRY))
        return int(found.fetchone()[0])

    def size(self) -> int:
        return int(self.db.execute("SELECT count(*) FROM orders").fetchone()[0])

    def countries(self) -> list[str]:
        found = self.db.execute(f"SELECT DISTINCT {_COUNTRY} FROM orders")
        return sorted(country for (country,) in found)

    def all(self) -> Orders:
        return self._orders("")

    def _orders(self, clause: str, *values: Any) -> Orders:
        found = self.db.execute(f"SELECT doc FROM orders {clause}", values)
        return [PlainOrder.model_validate_json(doc) for (doc,) in found]

    def summary(self) -> tuple[int, float, float]:
        amount = "json_extract(doc,'$.amount')"
        found = self.db.execute(f"SELECT count(*), sum({amount}), avg({amount}) FROM orders")
        count, total, average = found.fetchone()
        return count, total, average

    def revenues(self) -> list[tuple[str, Decimal]]:
        sums: dict[str, Decimal] = defaultdict(Decimal)
        found = self.db.execute(f"SELECT {_STATUS}, json_extract(doc,'$.total') FROM orders")
        for status, total in found:  # SQLite has no Decimals
            sums[status] += Decimal(total)
        return sorted(sums.items())

    def briefs(self) -> list[Brief]:
        found = self.db.execute("SELECT doc FROM orders")
        return [Brief.model_validate_json(doc) for (doc,) in found]

    def structs(self) -> list[OrderStruct]:
        decode = Decoder(OrderStruct).decode
        return [decode(doc) for (doc,) in self.db.execute("SELECT doc FROM orders")]

    def note(self, text: str) -> int:
        return self._update("json_set(doc,'$.note',?)", text)

    def raise_amounts(self, by: float) -> int:
        return self._update("json_set(doc,'$.amount',json_extract(doc,'$.amount')+?)", by)

    def _update(self, changed: str, value: Any) -> int:
        where = f"WHERE {_STATUS}=? AND {_COUNTRY}=?"
        statement = f"UPDATE orders SET doc={changed} {where}"
        return self.db.execute(statement, (value, STATUS, COUNTRY)).rowcount


def _as_stored(moment: datetime) -> str:
    """A time as pydantic writes it; the workload's have no fractions, so the text sorts."""
    return moment.isoformat().replace("+00:00", "Z")


class MemoryByHand(Contestant):
    """Dicts: the JSON of each order, which gives isolated copies, its instance, and the indexes."""

    name: ClassVar[str] = BY_HAND

    def open(self, name: str) -> None:
        self._orders: dict[str, tuple[bytes, PlainOrder]] = {}
        self._by_status: dict[tuple[str, str], dict[str, None]] = defaultdict(dict)
        self._by_time: list[tuple[datetime, str]] = []
        self._by_tag: dict[str, dict[str, None]] = defaultdict(dict)

    def close(self) -> None:
        self.open("")

    def insert_all(self, rows: Sequence[Row]) -> None:
        times = [self._keep(row) for row in rows]
        self._by_time.extend(times)
        self._by_time.sort()

    def insert(self, row: Row) -> None:
        insort(self._by_time, self._keep(row))

    def _keep(self, row: Row) -> tuple[datetime, str]:
        order = PlainOrder.model_validate(row)
        if order.id in self._orders:
            raise KeyError(order.id)
        self._orders[order.id] = (order.model_dump_json().encode(), order)
        self._by_status[order.status, order.customer.country][order.id] = None
        for tag in order.tags:
            self._by_tag[tag][order.id] = None
        return order.created_at, order.id

    def delete(self, keys: Sequence[str]) -> None:
        for key in keys:
            _, order = self._orders.pop(key)
            del self._by_status[order.status, order.customer.country][key]
            for tag in order.tags:
                del self._by_tag[tag][key]
            del self._by_time[bisect_left(self._by_time, (order.created_at, key))]

    def get(self, key: str) -> Any:
        return PlainOrder.model_validate_json(self._orders[key][0])

    def of_status_and_country(self) -> Orders:
        return [self.get(key) for key in self._by_status[STATUS, COUNTRY]]

    def page(self, since: datetime, until: datetime) -> Orders:
        low = bisect_left(self._by_time, (since, ""))
        high = bisect_left(self._by_time, (until, ""))
        newest = self._by_time[max(low, high - PAGE) : high]
        return [self.get(key) for _, key in reversed(newest)]

    def of_amount(self) -> Orders:
        found = [data for data, order in self._orders.values() if order.amount >= AMOUNT]
        return [PlainOrder.model_validate_json(data) for data in found]

    def of_name(self) -> Orders:
        found = [data for data, order in self._orders.values() if order.customer.name == NAME]
        return [PlainOrder.model_validate_json(data) for data in found]

    def tagged(self) -> Orders:
        return [self.get(key) for key in self._by_tag[TAG]]

    def count(self) -> int:
        return len(self._by_status[STATUS, COUNTRY])

    def size(self) -> int:
        return len(self._orders)

    def countries(self) -> list[str]:
        return sorted({order.customer.country for _, order in self._orders.values()})

    def all(self) -> Orders:
        return [PlainOrder.model_validate_json(data) for data, _ in self._orders.values()]

    def summary(self) -> tuple[int, float, float]:
        total = math.fsum(order.amount for _, order in self._orders.values())
        return len(self._orders), total, total / len(self._orders)

    def revenues(self) -> list[tuple[str, Decimal]]:
        sums: dict[str, Decimal] = defaultdict(Decimal)
        for _, order in self._orders.values():
            sums[order.status] += order.total
        return sorted(sums.items())

    def briefs(self) -> list[Brief]:
        return [Brief.model_validate_json(data) for data, _ in self._orders.values()]

    def structs(self) -> list[OrderStruct]:
        decode = Decoder(OrderStruct).decode
        return [decode(data) for data, _ in self._orders.values()]

    def note(self, text: str) -> int:
        return self._update(lambda _: {"note": text})

    def raise_amounts(self, by: float) -> int:
        return self._update(lambda order: {"amount": order.amount + by})

    def _update(self, changes: Callable[[PlainOrder], dict[str, Any]]) -> int:
        keys = self._by_status[STATUS, COUNTRY]
        for key in keys:
            order = self._orders[key][1]
            order = order.model_copy(update=changes(order))
            self._orders[key] = (order.model_dump_json().encode(), order)
        return len(keys)
