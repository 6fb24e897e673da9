"""The documents that the conformance suite stores: fields of every portable type."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, Field

from docmap import BigInt, Document, Index, Indexed, ObjectId, Precision, Stored


class Colour(Enum):
    """Values of text."""

    RED = "red"
    GREEN = "green"


class Address(BaseModel):
    """A nested model."""

    city: str | None = None
    zip_code: int | None = None
    geo: dict[str, float] = Field(default_factory=dict)


class Item(BaseModel):
    """An element of a list."""

    sku: str
    qty: int = 1
    price: Decimal = Decimal(0)


class Order(Document, collection="orders"):
    """A document as programs have them."""

    number: str
    status: str = "new"
    total: Decimal = Decimal(0)
    amount: float = 0.0
    lines: int | None = None
    paid: bool | None = None
    created: datetime = datetime(2024, 1, 1, tzinfo=UTC)
    address: Address | None = None
    tags: list[str] = Field(default_factory=list)
    items: list[Item] = Field(default_factory=list)
    note: str | None = None


class Everything(Document, collection="everything"):
    """A field of every portable type, all of them may be null."""

    flag: bool | None = None
    whole: int | None = None
    big: BigInt | None = None
    ratio: float | None = None
    price: Decimal | None = None
    word: str | None = None
    odd: Annotated[str | None, Stored("o.dd 'x' \\ $\"é")] = None
    blob: bytes | None = None
    moment: datetime | None = None
    fine: Annotated[datetime | None, Precision("us")] = None
    day: date | None = None
    clock: time | None = None
    span: timedelta | None = None
    uid: UUID | None = None
    oid: ObjectId | None = None
    colour: Colour | None = None
    address: Address | None = None
    words: list[str] | None = None
    numbers: list[int | None] | None = None
    tags: set[str] | None = None
    items: list[Item] | None = None
    box: dict[str, int] | None = None
    pair: tuple[str, int] | None = None
    thing: Any = None


class Indexes(
    Everything,
    collection="indexed",
    indexes=[
        Index("whole"),
        Index("-price"),
        Index("word", "-moment"),
        Index("words"),
        Index("numbers", "word"),
        Index("colour", "whole"),
        Index("address.city"),
        Index("thing"),
        Index("ratio"),
        Index("day", "clock"),
        Index("tags"),
        Index("big"),
        Index("odd"),
    ],
):
    """The same with indexes, so that engines choose other ways."""


class Account(Document, collection="accounts"):
    """With a unique index."""

    email: Annotated[str | None, Indexed(unique=True)] = None
    name: str = ""
    visits: int = 0


class Numbered(Document, collection="numbered"):
    """With a key that the storage counts."""

    id: int | None = None
    text: str = ""
