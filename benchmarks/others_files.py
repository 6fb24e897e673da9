"""What users would pick instead for a JSON file: TinyDB with its cache, MontyDB, TinyMongo."""

# ruff: noqa: D102 - contestant.py says what the methods do

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import datetime
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar

from benchmarks.contestant import Contestant, Orders
from benchmarks.others import TinyDBFile, encoded, orders_of, text_of
from benchmarks.workload import AMOUNT, COUNTRY, NAME, PAGE, STATUS, TAG, PlainOrder, Row


class TinyDBCached(TinyDBFile):
    """TinyDB with its caching middleware: it writes every thousandth change, and at the end.

    What was not written is lost if the program dies: its writes are not durable.
    """

    name: ClassVar[str] = "TinyDB cached"

    def open(self, name: str) -> None:
        tinydb: Any = import_module("tinydb")
        caching: Any = import_module("tinydb.middlewares").CachingMiddleware
        self.order: Any = tinydb.Query()
        path = self.directory / f"{name}.json"
        self.db: Any = tinydb.TinyDB(path, storage=caching(tinydb.JSONStorage))


class MongoLike(Contestant):
    """A library with the methods of pymongo over a file of its own."""

    slow: ClassVar[bool] = True

    def connected(self, place: Path) -> Any:
        """A client whose data is in a directory."""
        raise NotImplementedError

    def open(self, name: str) -> None:
        self.client = self.connected(self.directory / name)
        self.orders: Any = self.client["bench"]["orders"]

    def close(self) -> None:
        self.client.close()

    def insert_all(self, rows: Sequence[Row]) -> None:
        self.orders.insert_many([_keyed(one) for one in encoded(rows)])

    def insert(self, row: Row) -> None:
        self.orders.insert_one(_keyed(encoded([row])[0]))

    def delete(self, keys: Sequence[str]) -> None:
        self.orders.delete_many({"_id": {"$in": list(keys)}})

    def get(self, key: str) -> Any:
        return PlainOrder.model_validate(self.orders.find_one({"_id": key}))

    def of_status_and_country(self) -> Orders:
        return orders_of(self.orders.find(_STATUS_AND_COUNTRY))

    def page(self, since: datetime, until: datetime) -> Orders:
        found = self.orders.find({"created_at": {"$gte": text_of(since), "$lt": text_of(until)}})
        return orders_of(found.sort("created_at", -1).limit(PAGE))

    def of_amount(self) -> Orders:
        return orders_of(self.orders.find({"amount": {"$gte": AMOUNT}}))

    def of_name(self) -> Orders:
        return orders_of(self.orders.find({"customer.name": NAME}))

    def tagged(self) -> Orders:
        return orders_of(self.orders.find({"tags": TAG}))

    def count(self) -> int:
        return int(self.orders.count_documents(_STATUS_AND_COUNTRY))

    def size(self) -> int:
        return int(self.orders.count_documents({}))

    def countries(self) -> list[str]:
        return sorted(self.orders.distinct("customer.country"))

    def all(self) -> Orders:
        return orders_of(self.orders.find({}))


_STATUS_AND_COUNTRY = {"status": STATUS, "customer.country": COUNTRY}


def _keyed(record: dict[str, Any]) -> dict[str, Any]:
    return {"_id": record["id"], **record["doc"]}


class MontyDBFile(MongoLike):
    """MontyDB as it is if it is told nothing: JSON files."""

    name: ClassVar[str] = "MontyDB"

    def connected(self, place: Path) -> Any:
        return import_module("montydb").MontyClient(str(place))


class TinyMongoFile(MongoLike):
    """TinyMongo as it is if it is told nothing: a file of TinyDB.

    It needs an older TinyDB than docmap does: both are loaded, each from a directory of its own.
    """

    name: ClassVar[str] = "TinyMongo"
    place: ClassVar[Path | None] = None
    """A directory in which `pip install --target` put it."""

    def connected(self, place: Path) -> Any:
        return _aside(self.place, "tinymongo", "tinydb").TinyMongoClient(str(place))


def _aside(place: Path | None, name: str, needed: str) -> Any:
    """A module from a directory, with the version of another that is there, unseen by all else."""
    if place is None:
        raise ModuleNotFoundError(name)
    if name in sys.modules:
        return sys.modules[name]
    held = {one: sys.modules.pop(one) for one in list(sys.modules) if _within(one, needed)}
    sys.path.insert(0, str(place))
    try:
        return import_module(name)
    finally:
        sys.path.remove(str(place))
        for one in [one for one in sys.modules if _within(one, needed)]:
            del sys.modules[one]
        sys.modules.update(held)


def _within(module: str, package: str) -> bool:
    return module == package or module.startswith(f"{package}.")
