"""Hand-written code for LevelDB and shelve: the library and pydantic, with nothing between them."""

# ruff: noqa: D102 - contestant.py says what the methods do

from __future__ import annotations

import shelve
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from importlib import import_module
from typing import Any, ClassVar

import msgspec
from msgspec.json import Decoder

from benchmarks.contestant import BY_HAND, Contestant, Orders
from benchmarks.views import Brief, OrderStruct
from benchmarks.workload import AMOUNT, COUNTRY, NAME, PAGE, STATUS, TAG, PlainOrder, Row


class _Amount(msgspec.Struct):
    amount: float


class _Name(msgspec.Struct):
    name: str


class _Customer(msgspec.Struct):
    customer: _Name


class _Revenue(msgspec.Struct):
    status: str
    total: Decimal


class JSONByHand(Contestant):
    """Keys and JSON, whatever keeps them: what needs no index is read by scanning all."""

    def documents(self) -> Iterator[bytes]:
        """The JSON of every order."""
        raise NotImplementedError

    def of_amount(self) -> Orders:
        decode = Decoder(_Amount).decode
        return _orders(doc for doc in self.documents() if decode(doc).amount >= AMOUNT)

    def of_name(self) -> Orders:
        decode = Decoder(_Customer).decode
        return _orders(doc for doc in self.documents() if decode(doc).customer.name == NAME)

    def size(self) -> int:
        return sum(1 for _ in self.documents())

    def all(self) -> Orders:
        return _orders(self.documents())

    def summary(self) -> tuple[int, float, float]:
        decode = Decoder(_Amount).decode
        amounts = [decode(doc).amount for doc in self.documents()]
        return len(amounts), sum(amounts), sum(amounts) / len(amounts)

    def revenues(self) -> list[tuple[str, Decimal]]:
        decode = Decoder(_Revenue).decode
        sums: dict[str, Decimal] = defaultdict(Decimal)
        for order in map(decode, self.documents()):
            sums[order.status] += order.total
        return sorted(sums.items())

    def briefs(self) -> list[Brief]:
        return [Brief.model_validate_json(doc) for doc in self.documents()]

    def structs(self) -> list[OrderStruct]:
        return list(map(Decoder(OrderStruct).decode, self.documents()))

    def note(self, text: str) -> int:
        return self._update(lambda _: {"note": text})

    def raise_amounts(self, by: float) -> int:
        return self._update(lambda order: {"amount": order.amount + by})

    def _update(self, changes: Callable[[PlainOrder], dict[str, Any]]) -> int:
        orders = self.of_status_and_country()
        changed = (order.model_copy(update=changes(order)) for order in orders)
        self.replace([(order.id, order.model_dump_json().encode()) for order in changed])
        return len(orders)

    def replace(self, documents: Sequence[tuple[str, bytes]]) -> None:
        """Store orders whose indexed fields are as they were."""
        raise NotImplementedError


class LevelDBByHand(JSONByHand):
    """plyvel: JSON by key, and an entry in each index, all of an order in one batch."""

    name: ClassVar[str] = BY_HAND
    sync: ClassVar[bool] = True

    def open(self, name: str) -> None:
        plyvel: Any = import_module("plyvel")
        self.db: Any = plyvel.DB(
            str(self.directory / f"{name}.by_hand"),
            create_if_missing=True,
            write_buffer_size=64 << 20,
            bloom_filter_bits=10,
        )

    def close(self) -> None:
        self.db.close()

    def insert_all(self, rows: Sequence[Row]) -> None:
        with self.db.write_batch(transaction=True, sync=self.sync) as batch:
            for row in rows:
                self._put(batch, row)

    def insert(self, row: Row) -> None:
        with self.db.write_batch(transaction=True, sync=self.sync) as batch:
            self._put(batch, row)

    def _put(self, batch: Any, row: Row) -> None:
        order = PlainOrder.model_validate(row)
        batch.put(b"o" + order.id.encode(), order.model_dump_json().encode())
        for entry in _entries(order):
            batch.put(entry, b"")

    def delete(self, keys: Sequence[str]) -> None:
        with self.db.write_batch(transaction=True, sync=self.sync) as batch:
            for key in keys:
                for entry in _entries(self.get(key)):
                    batch.delete(entry)
                batch.delete(b"o" + key.encode())

    def get(self, key: str) -> Any:
        return PlainOrder.model_validate_json(self.db.get(b"o" + key.encode()))

    def of_status_and_country(self) -> Orders:
        return self._indexed(_STATUS_AND_COUNTRY)

    def page(self, since: datetime, until: datetime) -> Orders:
        low, high = (b"t" + _as_stored(moment).encode() for moment in (since, until))
        newest = self.db.iterator(start=low, stop=high, reverse=True, include_value=False)
        with newest:
            keys = [next(newest).rpartition(b"\0")[2] for _ in range(PAGE)]
        return _orders(self.db.get(b"o" + key) for key in keys)

    def tagged(self) -> Orders:
        return self._indexed(b"g" + TAG.encode() + b"\0")

    def _indexed(self, prefix: bytes) -> Orders:
        with self.db.iterator(prefix=prefix, include_value=False) as entries:
            keys = [entry.rpartition(b"\0")[2] for entry in entries]
        return _orders(self.db.get(b"o" + key) for key in keys)

    def count(self) -> int:
        with self.db.iterator(prefix=_STATUS_AND_COUNTRY, include_value=False) as entries:
            return sum(1 for _ in entries)

    def countries(self) -> list[str]:
        found: set[str] = set()
        with self.db.iterator(prefix=b"s", include_value=False) as entries:
            for entry in entries:
                status, country, _ = entry.split(b"\0")
                found.add(country.decode())
                entries.seek(b"%b\0%b\1" % (status, country))  # past all of the same two
        return sorted(found)

    def documents(self) -> Iterator[bytes]:
        with self.db.iterator(prefix=b"o", include_key=False) as documents:
            yield from documents

    def replace(self, documents: Sequence[tuple[str, bytes]]) -> None:
        with self.db.write_batch(transaction=True, sync=self.sync) as batch:
            for key, document in documents:
                batch.put(b"o" + key.encode(), document)


class LevelDBByHandUnsynced(LevelDBByHand):
    """The same without fsync, as plyvel does if it is not told."""

    sync: ClassVar[bool] = False


_STATUS_AND_COUNTRY = f"s{STATUS}\0{COUNTRY}\0".encode()


def _entries(order: PlainOrder) -> Iterator[bytes]:
    yield f"s{order.status}\0{order.customer.country}\0{order.id}".encode()
    yield f"t{_as_stored(order.created_at)}\0{order.id}".encode()
    for tag in order.tags:
        yield f"g{tag}\0{order.id}".encode()


def _as_stored(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")


def _orders(documents: Any) -> Orders:
    return [PlainOrder.model_validate_json(document) for document in documents]


class ShelveByHand(JSONByHand):
    """The standard library's shelve with JSON in it. It has no indexes: all is read each time."""

    name: ClassVar[str] = BY_HAND

    def open(self, name: str) -> None:
        self.shelf: shelve.Shelf[bytes] = shelve.open(  # noqa: S301, SIM115 - its own
            str(self.directory / f"{name}.by_hand")
        )

    def close(self) -> None:
        self.shelf.close()

    def insert_all(self, rows: Sequence[Row]) -> None:
        for row in rows:
            self._put(row)
        self.shelf.sync()

    def insert(self, row: Row) -> None:
        self._put(row)
        self.shelf.sync()

    def _put(self, row: Row) -> None:
        order = PlainOrder.model_validate(row)
        self.shelf[order.id] = order.model_dump_json().encode()

    def delete(self, keys: Sequence[str]) -> None:
        for key in keys:
            del self.shelf[key]

    def get(self, key: str) -> Any:
        return PlainOrder.model_validate_json(self.shelf[key])

    def of_status_and_country(self) -> Orders:
        return [
            order
            for order in self.all()
            if (order.status, order.customer.country) == (STATUS, COUNTRY)
        ]

    def page(self, since: datetime, until: datetime) -> Orders:
        found = [order for order in self.all() if since <= order.created_at < until]
        return sorted(found, key=lambda order: order.created_at, reverse=True)[:PAGE]

    def tagged(self) -> Orders:
        return [order for order in self.all() if TAG in order.tags]

    def count(self) -> int:
        return len(self.of_status_and_country())

    def size(self) -> int:
        return len(self.shelf)

    def countries(self) -> list[str]:
        return sorted({order.customer.country for order in self.all()})

    def documents(self) -> Iterator[bytes]:
        return iter(self.shelf.values())

    def replace(self, documents: Sequence[tuple[str, bytes]]) -> None:
        self.shelf.update(documents)
        self.shelf.sync()
