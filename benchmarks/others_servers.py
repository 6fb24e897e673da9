"""What users would pick instead on servers: SQLAlchemy's async ORM, MongoEngine, Beanie.

Each is written as its manual shows. They are imported when they are used, so that a part of them
will do; what awaits runs on an event loop of its own.
"""

# ruff: noqa: D102 - contestant.py says what the methods do

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from datetime import datetime
from importlib import import_module
from typing import Any, ClassVar, TypeVar

from pydantic import BaseModel, Field

from benchmarks.contestant import Contestant, Orders
from benchmarks.others import encoded, orders_of, text_of
from benchmarks.servers import server_url
from benchmarks.workload import AMOUNT, COUNTRY, NAME, PAGE, STATUS, TAG, PlainOrder, Row

R = TypeVar("R")


class Awaiting(Contestant):
    """A library that is awaited."""

    def open(self, name: str) -> None:
        self.loop = asyncio.new_event_loop()
        self.run(self.prepare())

    def close(self) -> None:
        self.run(self.finish())
        self.loop.close()

    def run(self, work: Coroutine[Any, Any, R]) -> R:
        """The result of something awaited."""
        return self.loop.run_until_complete(work)

    async def prepare(self) -> None:
        """Open an empty store."""
        raise NotImplementedError

    async def finish(self) -> None:
        """Close it."""
        raise NotImplementedError


class SQLAlchemyAsync(Awaiting):
    """SQLAlchemy's asynchronous ORM on PostgreSQL, one JSONB column."""

    name: ClassVar[str] = "SQLAlchemy async"

    async def prepare(self) -> None:
        self.sa: Any = import_module("sqlalchemy")
        orm: Any = import_module("sqlalchemy.orm")
        self.aio: Any = import_module("sqlalchemy.ext.asyncio")
        jsonb: Any = import_module("sqlalchemy.dialects.postgresql").JSONB
        base: Any = orm.declarative_base()
        columns = {
            "__tablename__": "orders",
            "id": self.sa.Column(self.sa.String(36), primary_key=True),
            "doc": self.sa.Column(jsonb),
        }
        record: Any = type("Record", (base,), columns)
        url = server_url("postgresql").replace("postgresql://", "postgresql+psycopg://")
        self.engine: Any = self.aio.create_async_engine(url)
        self.record, doc = record, record.doc
        self.sa.Index("by_status", doc["status"].astext, doc["customer", "country"].astext)
        self.sa.Index("by_time", doc["created_at"].astext)
        async with self.engine.begin() as connection:
            await connection.run_sync(base.metadata.create_all)

    async def finish(self) -> None:
        await self.engine.dispose()

    def insert_all(self, rows: Sequence[Row]) -> None:
        self.run(self._execute(self.sa.insert(self.record), encoded(rows)))

    def insert(self, row: Row) -> None:
        self.run(self._add(encoded([row])[0]))

    def delete(self, keys: Sequence[str]) -> None:
        self.run(self._execute(self.sa.delete(self.record).where(self.record.id.in_(keys))))

    def get(self, key: str) -> Any:
        return self.run(self._get(key))

    def of_status_and_country(self) -> Orders:
        return self._found(self.sa.select(self.record).where(*self._both()))

    def page(self, since: datetime, until: datetime) -> Orders:
        created_at = self.record.doc["created_at"].astext
        chosen = self.sa.select(self.record).where(
            created_at >= text_of(since), created_at < text_of(until)
        )
        return self._found(chosen.order_by(created_at.desc()).limit(PAGE))

    def of_amount(self) -> Orders:
        amount = self.record.doc["amount"].as_float()
        return self._found(self.sa.select(self.record).where(amount >= AMOUNT))

    def of_name(self) -> Orders:
        name = self.record.doc["customer", "name"].astext
        return self._found(self.sa.select(self.record).where(name == NAME))

    def tagged(self) -> Orders:
        held = self.record.doc["tags"].contains([TAG])
        return self._found(self.sa.select(self.record).where(held))

    def count(self) -> int:
        return self._number(self.sa.select(self.sa.func.count()).where(*self._both()))

    def size(self) -> int:
        return self._number(self.sa.select(self.sa.func.count()).select_from(self.record))

    def countries(self) -> list[str]:
        country = self.record.doc["customer", "country"].astext
        return sorted(self.run(self._scalars(self.sa.select(country).distinct())))

    def all(self) -> Orders:
        return self._found(self.sa.select(self.record))

    def _both(self) -> tuple[Any, Any]:
        doc = self.record.doc
        return doc["status"].astext == STATUS, doc["customer", "country"].astext == COUNTRY

    def _found(self, statement: Any) -> Orders:
        return orders_of(record.doc for record in self.run(self._scalars(statement)))

    def _number(self, statement: Any) -> int:
        return int(self.run(self._scalars(statement))[0])

    async def _execute(self, statement: Any, values: Any = None) -> None:
        async with self.aio.AsyncSession(self.engine) as session, session.begin():
            await session.execute(statement, values)

    async def _add(self, values: dict[str, Any]) -> None:
        async with self.aio.AsyncSession(self.engine) as session, session.begin():
            session.add(self.record(**values))

    async def _get(self, key: str) -> Any:
        async with self.aio.AsyncSession(self.engine) as session:
            return PlainOrder.model_validate((await session.get_one(self.record, key)).doc)

    async def _scalars(self, statement: Any) -> list[Any]:
        async with self.aio.AsyncSession(self.engine) as session:
            return list(await session.scalars(statement))


class MongoEngine(Contestant):
    """MongoEngine, whose documents are its own and no pydantic models."""

    name: ClassVar[str] = "MongoEngine"

    def open(self, name: str) -> None:
        self.me: Any = import_module("mongoengine")
        url = server_url("mongodb")
        self.client: Any = self.me.connect(host=url, alias="default", tz_aware=True)
        me = self.me
        customer = type(
            "Customer",
            (me.EmbeddedDocument,),
            {"name": me.StringField(), "email": me.StringField(), "country": me.StringField()},
        )
        item = type(
            "Item",
            (me.EmbeddedDocument,),
            {"sku": me.StringField(), "qty": me.IntField(), "price": me.Decimal128Field()},
        )
        record: Any = type(
            "Record",
            (me.Document,),
            {
                "meta": {
                    "collection": "orders",
                    "indexes": [("status", "customer.country"), "created_at", "tags"],
                },
                "id": me.StringField(primary_key=True),
                "customer": me.EmbeddedDocumentField(customer),
                "status": me.StringField(),
                "total": me.Decimal128Field(),
                "amount": me.FloatField(),
                "created_at": me.DateTimeField(),
                "tags": me.ListField(me.StringField()),
                "items": me.ListField(me.EmbeddedDocumentField(item)),
                "note": me.StringField(),
            },
        )
        self.customer, self.item = customer, item
        self.record = record
        record.ensure_indexes()

    def close(self) -> None:
        self.client.drop_database(self.record._get_db().name)
        self.me.disconnect()

    def insert_all(self, rows: Sequence[Row]) -> None:
        self.record.objects.insert([self._made(row) for row in rows])

    def insert(self, row: Row) -> None:
        self._made(row).save(force_insert=True)

    def delete(self, keys: Sequence[str]) -> None:
        self.record.objects(id__in=list(keys)).delete()

    def get(self, key: str) -> Any:
        return self.record.objects.get(id=key)

    def of_status_and_country(self) -> Orders:
        return list(self._both())

    def page(self, since: datetime, until: datetime) -> Orders:
        found = self.record.objects(created_at__gte=since, created_at__lt=until)
        return list(found.order_by("-created_at").limit(PAGE))

    def of_amount(self) -> Orders:
        return list(self.record.objects(amount__gte=AMOUNT))

    def of_name(self) -> Orders:
        return list(self.record.objects(customer__name=NAME))

    def tagged(self) -> Orders:
        return list(self.record.objects(tags=TAG))

    def count(self) -> int:
        return int(self._both().count())

    def size(self) -> int:
        return int(self.record.objects.count())

    def countries(self) -> list[str]:
        return sorted(self.record.objects.distinct("customer.country"))

    def all(self) -> Orders:
        return list(self.record.objects)

    def _both(self) -> Any:
        return self.record.objects(status=STATUS, customer__country=COUNTRY)

    def _made(self, row: Row) -> Any:
        parts = {
            "customer": self.customer(**row["customer"]),
            "items": [self.item(**item) for item in row["items"]],
        }
        return self.record(**{**row, **parts})


class Beanie(Awaiting):
    """Beanie on PyMongo's asynchronous client."""

    name: ClassVar[str] = "Beanie"

    async def prepare(self) -> None:
        self.beanie: Any = import_module("beanie")
        pymongo: Any = import_module("pymongo")
        self.client: Any = pymongo.AsyncMongoClient(server_url("mongodb"), tz_aware=True)
        decimal: Any = import_module("beanie.odm.custom_types").DecimalAnnotation
        base: Any = self.beanie.Document

        class Customer(BaseModel):
            name: str
            email: str
            country: str

        class Item(BaseModel):
            sku: str
            qty: int
            price: decimal

        class Record(base):  # type: ignore[misc]
            id: str = Field(alias="_id")
            customer: Customer
            status: str
            total: decimal
            amount: float
            created_at: datetime
            tags: list[str]
            items: list[Item]
            note: str | None = None

            class Settings:
                name = "orders"
                indexes: ClassVar[list[Any]] = [
                    [("status", 1), ("customer.country", 1)],
                    "created_at",
                    "tags",
                ]

        self.record: Any = Record
        database = self.client.get_default_database()
        await self.beanie.init_beanie(database=database, document_models=[self.record])

    async def finish(self) -> None:
        await self.client.drop_database(self.client.get_default_database().name)
        await self.client.close()

    def insert_all(self, rows: Sequence[Row]) -> None:
        self.run(self.record.insert_many([self._made(row) for row in rows]))

    def insert(self, row: Row) -> None:
        self.run(self._made(row).insert())

    def delete(self, keys: Sequence[str]) -> None:
        self.run(self._ended({"_id": {"$in": list(keys)}}))

    def get(self, key: str) -> Any:
        return self.run(self.record.get(key))

    def of_status_and_country(self) -> Orders:
        return self._found(self._both())

    def page(self, since: datetime, until: datetime) -> Orders:
        created_at = self.record.created_at
        found = self.record.find(created_at >= since, created_at < until)
        return self._found(found.sort("-created_at").limit(PAGE))

    def of_amount(self) -> Orders:
        return self._found(self.record.find(self.record.amount >= AMOUNT))

    def of_name(self) -> Orders:
        return self._found(self.record.find(self.record.customer.name == NAME))

    def tagged(self) -> Orders:
        return self._found(self.record.find(self.record.tags == TAG))

    def count(self) -> int:
        return int(self.run(self._both().count()))

    def size(self) -> int:
        return int(self.run(self.record.count()))

    def countries(self) -> list[str]:
        return sorted(self.run(self.record.distinct("customer.country")))

    def all(self) -> Orders:
        return self._found(self.record.find())

    def _both(self) -> Any:
        return self.record.find(
            self.record.status == STATUS, self.record.customer.country == COUNTRY
        )

    def _found(self, query: Any) -> Orders:
        return list(self.run(query.to_list()))

    async def _ended(self, condition: dict[str, Any]) -> None:
        await self.record.find(condition).delete()

    def _made(self, row: Row) -> Any:
        return self.record.model_validate({**row, "_id": row["id"]})
