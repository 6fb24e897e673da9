"""What users would pick instead: SQLAlchemy and peewee with a JSON column, TinyDB.

Each is written as its manual shows, with pydantic around it; none of them has indexes inside JSON
unless the user writes SQL. They are imported when they are used, so that a part of them will do.
"""

# ruff: noqa: D102 - contestant.py says what the methods do

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from importlib import import_module
from typing import Any, ClassVar

from benchmarks.contestant import Contestant, Orders
from benchmarks.workload import AMOUNT, COUNTRY, NAME, PAGE, STATUS, TAG, PlainOrder, Row


def encoded(rows: Iterable[Row]) -> list[dict[str, Any]]:
    """The rows validated, as a JSON column takes them."""
    orders = map(PlainOrder.model_validate, rows)
    return [{"id": order.id, "doc": order.model_dump(mode="json")} for order in orders]


def orders_of(documents: Iterable[Any]) -> Orders:
    """The documents of a JSON column as instances."""
    return [PlainOrder.model_validate(document) for document in documents]


def text_of(moment: datetime) -> str:
    """A time as pydantic writes it."""
    return moment.isoformat().replace("+00:00", "Z")


class SQLAlchemyJSON(Contestant):
    """SQLAlchemy's ORM on SQLite, one JSON column."""

    name: ClassVar[str] = "SQLAlchemy"

    def open(self, name: str) -> None:
        self.sa: Any = import_module("sqlalchemy")
        self.orm: Any = import_module("sqlalchemy.orm")
        base: Any = self.orm.declarative_base()
        columns = {
            "__tablename__": "orders",
            "id": self.sa.Column(self.sa.String(36), primary_key=True),
            "doc": self.sa.Column(self.sa.JSON),
        }
        self.record: Any = type("Record", (base,), columns)
        self.engine: Any = self.sa.create_engine(f"sqlite:///{self.directory / name}.db")
        with self.engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA journal_mode=WAL")
        base.metadata.create_all(self.engine)

    def close(self) -> None:
        self.engine.dispose()

    def insert_all(self, rows: Sequence[Row]) -> None:
        with self.orm.Session(self.engine) as session, session.begin():
            session.execute(self.sa.insert(self.record), encoded(rows))

    def insert(self, row: Row) -> None:
        with self.orm.Session(self.engine) as session, session.begin():
            session.add_all(self.record(**one) for one in encoded([row]))

    def delete(self, keys: Sequence[str]) -> None:
        with self.orm.Session(self.engine) as session, session.begin():
            session.execute(self.sa.delete(self.record).where(self.record.id.in_(keys)))

    def get(self, key: str) -> Any:
        with self.orm.Session(self.engine) as session:
            return PlainOrder.model_validate(session.get_one(self.record, key).doc)

    def of_status_and_country(self) -> Orders:
        return self._found(self.sa.select(self.record).where(*self._status_and_country()))

    def page(self, since: datetime, until: datetime) -> Orders:
        created_at = self.record.doc["created_at"].as_string()
        chosen = self.sa.select(self.record).where(
            created_at >= text_of(since), created_at < text_of(until)
        )
        return self._found(chosen.order_by(created_at.desc()).limit(PAGE))

    def of_amount(self) -> Orders:
        amount = self.record.doc["amount"].as_float()
        return self._found(self.sa.select(self.record).where(amount >= AMOUNT))

    def of_name(self) -> Orders:
        name = self.record.doc["customer", "name"].as_string()
        return self._found(self.sa.select(self.record).where(name == NAME))

    def tagged(self) -> Orders:
        tag = self.sa.func.json_each(self.record.doc, "$.tags").table_valued("value")
        held = self.sa.exists(self.sa.select(tag.c.value).where(tag.c.value == TAG))
        return self._found(self.sa.select(self.record).where(held))

    def count(self) -> int:
        counted = self.sa.select(self.sa.func.count()).where(*self._status_and_country())
        return self._number(counted)

    def size(self) -> int:
        return self._number(self.sa.select(self.sa.func.count()).select_from(self.record))

    def countries(self) -> list[str]:
        country = self.record.doc["customer", "country"].as_string()
        with self.orm.Session(self.engine) as session:
            return sorted(session.scalars(self.sa.select(country).distinct()))

    def all(self) -> Orders:
        return self._found(self.sa.select(self.record))

    def _status_and_country(self) -> tuple[Any, Any]:
        doc = self.record.doc
        return (
            doc["status"].as_string() == STATUS,
            doc["customer", "country"].as_string() == COUNTRY,
        )

    def _found(self, statement: Any) -> Orders:
        with self.orm.Session(self.engine) as session:
            return orders_of(record.doc for record in session.scalars(statement))

    def _number(self, statement: Any) -> int:
        with self.orm.Session(self.engine) as session:
            return int(session.scalar(statement))


class PeeweeJSON(Contestant):
    """peewee on SQLite, one JSON column."""

    name: ClassVar[str] = "peewee"

    def open(self, name: str) -> None:
        peewee: Any = import_module("peewee")
        extension: Any = import_module("playhouse.sqlite_ext")
        self.extract: Any = peewee.fn.json_extract
        self.exists: Any = peewee.fn.EXISTS
        self.sql: Any = peewee.SQL
        self.db: Any = peewee.SqliteDatabase(
            self.directory / f"{name}.db", pragmas={"journal_mode": "wal"}
        )
        columns = {
            "Meta": type("Meta", (), {"database": self.db, "table_name": "orders"}),
            "id": peewee.CharField(36, primary_key=True),
            "doc": extension.JSONField(),
        }
        self.record: Any = type("Record", (peewee.Model,), columns)
        self.db.create_tables([self.record])

    def close(self) -> None:
        self.db.close()

    def insert_all(self, rows: Sequence[Row]) -> None:
        records = encoded(rows)
        with self.db.atomic():
            for start in range(0, len(records), 1000):
                self.record.insert_many(records[start : start + 1000]).execute()

    def insert(self, row: Row) -> None:
        self.record.insert_many(encoded([row])).execute()

    def delete(self, keys: Sequence[str]) -> None:
        self.record.delete().where(self.record.id.in_(keys)).execute()

    def get(self, key: str) -> Any:
        return PlainOrder.model_validate(self.record.get_by_id(key).doc)

    def of_status_and_country(self) -> Orders:
        return self._found(self._status_and_country())

    def page(self, since: datetime, until: datetime) -> Orders:
        created_at = self._at("created_at")
        chosen = self.record.select().where(
            created_at >= text_of(since), created_at < text_of(until)
        )
        return self._found(chosen.order_by(created_at.desc()).limit(PAGE))

    def of_amount(self) -> Orders:
        return self._found(self.record.select().where(self._at("amount") >= AMOUNT))

    def of_name(self) -> Orders:
        return self._found(self.record.select().where(self._at("customer.name") == NAME))

    def tagged(self) -> Orders:
        held = self.sql("EXISTS(SELECT 1 FROM json_each(doc, '$.tags') WHERE value = ?)", (TAG,))
        return self._found(self.record.select().where(held))

    def count(self) -> int:
        return int(self._status_and_country().count())

    def size(self) -> int:
        return int(self.record.select().count())

    def countries(self) -> list[str]:
        found = self.record.select(self._at("customer.country")).distinct().tuples()
        return sorted(country for (country,) in found)

    def all(self) -> Orders:
        return self._found(self.record.select())

    def _at(self, path: str) -> Any:
        return self.extract(self.record.doc, self.sql(f"'$.{path}'"))

    def _status_and_country(self) -> Any:
        return self.record.select().where(
            self._at("status") == STATUS, self._at("customer.country") == COUNTRY
        )

    def _found(self, query: Any) -> Orders:
        return orders_of(record.doc for record in query)


class TinyDBFile(Contestant):
    """TinyDB in a JSON file."""

    name: ClassVar[str] = "TinyDB"
    slow: ClassVar[bool] = True

    def open(self, name: str) -> None:
        tinydb: Any = import_module("tinydb")
        self.order: Any = tinydb.Query()
        self.db: Any = tinydb.TinyDB(self.directory / f"{name}.json")

    def close(self) -> None:
        self.db.close()

    def insert_all(self, rows: Sequence[Row]) -> None:
        self.db.insert_multiple(one["doc"] for one in encoded(rows))

    def insert(self, row: Row) -> None:
        self.db.insert(encoded([row])[0]["doc"])

    def delete(self, keys: Sequence[str]) -> None:
        self.db.remove(self.order.id.one_of(keys))

    def get(self, key: str) -> Any:
        return PlainOrder.model_validate(self.db.get(self.order.id == key))

    def of_status_and_country(self) -> Orders:
        return self._found(self._status_and_country())

    def page(self, since: datetime, until: datetime) -> Orders:
        created_at = self.order.created_at
        found = self.db.search((created_at >= text_of(since)) & (created_at < text_of(until)))
        return orders_of(sorted(found, key=lambda doc: doc["created_at"], reverse=True)[:PAGE])

    def of_amount(self) -> Orders:
        return self._found(self.order.amount >= AMOUNT)

    def of_name(self) -> Orders:
        return self._found(self.order.customer.name == NAME)

    def tagged(self) -> Orders:
        return self._found(self.order.tags.any([TAG]))

    def count(self) -> int:
        return int(self.db.count(self._status_and_country()))

    def size(self) -> int:
        return len(self.db)

    def countries(self) -> list[str]:
        return sorted({doc["customer"]["country"] for doc in self.db})

    def all(self) -> Orders:
        return orders_of(self.db)

    def _status_and_country(self) -> Any:
        return (self.order.status == STATUS) & (self.order.customer.country == COUNTRY)

    def _found(self, query: Any) -> Orders:
        self.db.clear_cache()
        return orders_of(self.db.search(query))
