"""Hand-written code for servers: psycopg and PyMongo with pydantic, and nothing between them."""

# ruff: noqa: D102, S608 - contestant.py says what the methods do; no text here is a user's

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from importlib import import_module
from typing import Any, ClassVar

from msgspec.json import Decoder

from benchmarks.contestant import BY_HAND, Contestant, Orders
from benchmarks.servers import server_url
from benchmarks.views import Brief, OrderStruct
from benchmarks.workload import AMOUNT, COUNTRY, NAME, PAGE, STATUS, TAG, PlainOrder, Row

_STATUS = "(doc->>'status')"
_COUNTRY = "(doc#>>'{customer,country}')"
_CREATED_AT = "(doc->>'created_at')"
_AMOUNT = "(doc->'amount')::float8"


class PostgreSQLByHand(Contestant):
    """psycopg: one JSONB column, indexes on expressions, a GIN index over the tags."""

    name: ClassVar[str] = BY_HAND

    def open(self, name: str) -> None:
        psycopg: Any = import_module("psycopg")
        base: Any = import_module("psycopg.adapt").Loader

        class AsBytes(base):  # type: ignore[misc]
            """The JSON as the server sent it: pydantic reads it from there."""

            def load(self, data: Any) -> bytes:
                return bytes(data)

        self.db: Any = psycopg.connect(server_url("postgresql"), autocommit=True)
        self.db.adapters.register_loader("jsonb", AsBytes)
        for statement in (
            'CREATE TABLE orders(id text COLLATE "C" PRIMARY KEY, doc jsonb NOT NULL)',
            f'CREATE INDEX ON orders({_STATUS} COLLATE "C", {_COUNTRY} COLLATE "C")',
            f'CREATE INDEX ON orders({_CREATED_AT} COLLATE "C")',
            "CREATE INDEX ON orders USING gin((doc->'tags') jsonb_path_ops)",
        ):
            self.db.execute(statement)

    def close(self) -> None:
        self.db.close()

    def insert_all(self, rows: Sequence[Row]) -> None:
        cursor = self.db.cursor()
        with cursor, cursor.copy("COPY orders FROM STDIN") as copy:
            for row in rows:
                order = PlainOrder.model_validate(row)
                copy.write_row((order.id, order.model_dump_json()))
        self.db.execute("ANALYZE orders")

    def insert(self, row: Row) -> None:
        order = PlainOrder.model_validate(row)
        self.db.execute("INSERT INTO orders VALUES(%s,%s)", (order.id, order.model_dump_json()))

    def delete(self, keys: Sequence[str]) -> None:
        self.db.execute("DELETE FROM orders WHERE id = ANY(%s)", (list(keys),))

    def get(self, key: str) -> Any:
        (doc,) = self.db.execute("SELECT doc FROM orders WHERE id=%s", (key,)).fetchone()
        return PlainOrder.model_validate_json(doc)

    def of_status_and_country(self) -> Orders:
        return self._orders(f"WHERE {self._both()}", STATUS, COUNTRY)

    def page(self, since: datetime, until: datetime) -> Orders:
        at = f'{_CREATED_AT} COLLATE "C"'
        clause = f"WHERE {at}>=%s AND {at}<%s ORDER BY {at} DESC LIMIT {PAGE}"
        return self._orders(clause, _as_stored(since), _as_stored(until))

    def of_amount(self) -> Orders:
        return self._orders(f"WHERE {_AMOUNT}>=%s", AMOUNT)

    def of_name(self) -> Orders:
        return self._orders("WHERE doc#>>'{customer,name}'=%s", NAME)

    def tagged(self) -> Orders:
        return self._orders("WHERE doc->'tags' @> to_jsonb(%s::text)", TAG)

    def count(self) -> int:
        counted = f"SELECT count(*) FROM orders WHERE {self._both()}"
        return int(self.db.execute(counted, (STATUS, COUNTRY)).fetchone()[0])

    def size(self) -> int:
        return int(self.db.execute("SELECT count(*) FROM orders").fetchone()[0])

    def countries(self) -> list[str]:
        found = self.db.execute(f"SELECT DISTINCT {_COUNTRY} FROM orders")
        return sorted(country for (country,) in found)

    def all(self) -> Orders:
        return self._orders("")

    def summary(self) -> tuple[int, float, float]:
        found = self.db.execute(f"SELECT count(*), sum({_AMOUNT}), avg({_AMOUNT}) FROM orders")
        count, total, average = found.fetchone()
        return count, total, average

    def revenues(self) -> list[tuple[str, Decimal]]:
        total = "sum((doc->>'total')::numeric)"
        found = self.db.execute(f"SELECT {_STATUS}, {total} FROM orders GROUP BY 1")
        return sorted(found.fetchall())

    def briefs(self) -> list[Brief]:
        found = self.db.execute("SELECT doc FROM orders")
        return [Brief.model_validate_json(doc) for (doc,) in found]

    def structs(self) -> list[OrderStruct]:
        decode = Decoder(OrderStruct).decode
        return [decode(doc) for (doc,) in self.db.execute("SELECT doc FROM orders")]

    def note(self, text: str) -> int:
        return self._update("jsonb_set(doc,'{note}',to_jsonb(%s::text))", text)

    def raise_amounts(self, by: float) -> int:
        return self._update(f"jsonb_set(doc,'{{amount}}',to_jsonb({_AMOUNT}+%s))", by)

    def _both(self) -> str:
        return f'{_STATUS} COLLATE "C"=%s AND {_COUNTRY} COLLATE "C"=%s'

    def _orders(self, clause: str, *values: Any) -> Orders:
        found = self.db.execute(f"SELECT doc FROM orders {clause}", values)
        return [PlainOrder.model_validate_json(doc) for (doc,) in found]

    def _update(self, changed: str, value: Any) -> int:
        statement = f"UPDATE orders SET doc={changed} WHERE {self._both()}"
        return int(self.db.execute(statement, (value, STATUS, COUNTRY)).rowcount)


def _as_stored(moment: datetime) -> str:
    """A time as pydantic writes it; the workload's have no fractions, so the text sorts."""
    return moment.isoformat().replace("+00:00", "Z")


class MongoDBByHand(Contestant):
    """PyMongo: documents with the server's own types, and its indexes."""

    name: ClassVar[str] = BY_HAND

    def open(self, name: str) -> None:
        pymongo: Any = import_module("pymongo")
        self.client: Any = pymongo.MongoClient(server_url("mongodb"))
        self.orders: Any = self.client.get_default_database().get_collection(
            "orders", codec_options=_decimals()
        )
        self.orders.create_index([("status", 1), ("customer.country", 1)])
        self.orders.create_index("created_at")
        self.orders.create_index("tags")

    def close(self) -> None:
        self.client.drop_database(self.orders.database.name)
        self.client.close()

    def insert_all(self, rows: Sequence[Row]) -> None:
        self.orders.insert_many([_encoded(row) for row in rows])

    def insert(self, row: Row) -> None:
        self.orders.insert_one(_encoded(row))

    def delete(self, keys: Sequence[str]) -> None:
        self.orders.delete_many({"_id": {"$in": list(keys)}})

    def get(self, key: str) -> Any:
        return _decoded(self.orders.find_one({"_id": key}))

    def of_status_and_country(self) -> Orders:
        return self._found(_BOTH)

    def page(self, since: datetime, until: datetime) -> Orders:
        found = self.orders.find({"created_at": {"$gte": since, "$lt": until}})
        return [_decoded(one) for one in found.sort("created_at", -1).limit(PAGE)]

    def of_amount(self) -> Orders:
        return self._found({"amount": {"$gte": AMOUNT}})

    def of_name(self) -> Orders:
        return self._found({"customer.name": NAME})

    def tagged(self) -> Orders:
        return self._found({"tags": TAG})

    def count(self) -> int:
        return int(self.orders.count_documents(_BOTH))

    def size(self) -> int:
        return int(self.orders.count_documents({}))

    def countries(self) -> list[str]:
        return sorted(self.orders.distinct("customer.country"))

    def all(self) -> Orders:
        return self._found({})

    def summary(self) -> tuple[int, float, float]:
        asked = {"_id": None, "n": {"$sum": 1}, "sum": {"$sum": "$amount"}}
        (row,) = self.orders.aggregate([{"$group": asked}])
        return row["n"], row["sum"], row["sum"] / row["n"]

    def revenues(self) -> list[tuple[str, Decimal]]:
        asked = {"_id": "$status", "sum": {"$sum": "$total"}}
        return sorted(
            (row["_id"], row["sum"]) for row in self.orders.aggregate([{"$group": asked}])
        )

    def briefs(self) -> list[Brief]:
        found = self.orders.find({}, {"total": 1, "created_at": 1})
        return [Brief.model_validate(_with_id(one)) for one in found]

    def structs(self) -> list[OrderStruct]:
        convert: Any = import_module("msgspec").convert
        return [convert(_with_id(one), OrderStruct) for one in self.orders.find({})]

    def note(self, text: str) -> int:
        return int(self.orders.update_many(_BOTH, {"$set": {"note": text}}).modified_count)

    def raise_amounts(self, by: float) -> int:
        return int(self.orders.update_many(_BOTH, {"$inc": {"amount": by}}).modified_count)

    def _found(self, condition: dict[str, Any]) -> Orders:
        return list(_decode_all(self.orders.find(condition)))


_BOTH = {"status": STATUS, "customer.country": COUNTRY}


def _decimals() -> Any:
    """Options that keep Decimals as the server's Decimal128, and times aware."""
    options: Any = import_module("bson.codec_options")
    decimal128: Any = import_module("bson.decimal128").Decimal128
    base: Any = options.TypeCodec

    class AsDecimal128(base):  # type: ignore[misc]
        python_type = Decimal
        bson_type = decimal128

        def transform_python(self, value: Decimal) -> Any:
            return decimal128(value)

        def transform_bson(self, value: Any) -> Decimal:
            decimal: Decimal = value.to_decimal()
            return decimal

    return options.CodecOptions(tz_aware=True, type_registry=options.TypeRegistry([AsDecimal128()]))


def _encoded(row: Row) -> dict[str, Any]:
    document = PlainOrder.model_validate(row).model_dump()
    document["_id"] = document.pop("id")
    return document


def _with_id(document: dict[str, Any]) -> dict[str, Any]:
    document["id"] = document.pop("_id")
    return document


def _decoded(document: dict[str, Any]) -> PlainOrder:
    return PlainOrder.model_validate(_with_id(document))


def _decode_all(found: Iterable[dict[str, Any]]) -> Iterator[PlainOrder]:
    return map(_decoded, found)
