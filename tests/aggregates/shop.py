"""Document classes for the tests of aggregates."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any

from pydantic import BaseModel, Field

from docmap import BaseStorageAdapter, BigInt, Document, Stored


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Line(BaseModel):
    sku: str
    qty: int = 1
    price: Decimal = Decimal(1)
    notes: list[str] = Field(default=[])


class Customer(BaseModel):
    name: str
    country: str | None = None


class Sale(Document, collection="sales"):
    status: str | None = None
    customer: Customer | None = None
    whole: int | None = None
    big: BigInt | None = None
    ratio: float | None = None
    total: Annotated[Decimal | None, Stored("the total")] = None
    flag: bool | None = None
    at: datetime | None = None
    day: date | None = None
    span: timedelta | None = None
    colour: Colour | None = None
    tags: list[str] = Field(default=[])
    lines: list[Line] = Field(default=[])
    box: dict[str, int] = Field(default={})
    anything: Any = None


class OtherProgram(Document, collection="sales", extra="allow"):
    """Writes whatever it likes."""


def moment(month: int, day: int = 1, hour: int = 0) -> datetime:
    """A moment of the year 2024."""
    return datetime(2024, month, day, hour, tzinfo=UTC)


def stored(db: BaseStorageAdapter, name: str, *values: Any) -> Any:
    """A query on sales that have these values in the field `name`, in the order of their keys."""
    for number, value in enumerate(values):
        Sale(id=f"{number:03d}", **{name: value}).save(db)
    return db.find(Sale)


def found(db: BaseStorageAdapter, *rows: dict[str, Any]) -> Any:
    """A query on an untyped collection of these rows, in the order of their keys."""
    db.insert_many("loose", [{"id": f"{number:03d}", **row} for number, row in enumerate(rows)])
    return db.find("loose")
