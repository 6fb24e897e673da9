"""The workload: orders as every contestant stores them, made from a seed, and what is asked."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from pydantic import BaseModel

from docmap import Document, Index

Row = dict[str, Any]


class Customer(BaseModel):
    """Who ordered."""

    name: str
    email: str
    country: str


class Item(BaseModel):
    """What was ordered."""

    sku: str
    qty: int
    price: Decimal


class PlainOrder(BaseModel):
    """The order of hand-written code: pydantic alone."""

    id: str
    customer: Customer
    status: str
    total: Decimal
    amount: float
    created_at: datetime
    tags: list[str]
    items: list[Item]
    note: str | None = None


class Order(
    Document,
    collection="orders",
    indexes=[Index("status", "customer.country"), Index("created_at"), Index("tags")],
):
    """The same order as a docmap document, with the indexes that hand-written code has too."""

    customer: Customer
    status: str
    total: Decimal
    amount: float
    created_at: datetime
    tags: list[str]
    items: list[Item]
    note: str | None = None


SEED: Final = 20_240_229
STATUSES: Final = ("new", "paid", "packed", "shipped", "closed")
TAGS: Final = tuple(f"tag-{number:02d}" for number in range(50))
COUNTRIES: Final = ("DE", "FR", "IT", "ES", "PL", "SE", "NL", "AT", "CZ", "PT")
COUNTRY_WEIGHTS: Final = (9, 4, 3, 3, 2, 1, 1, 1, 1, 1)
STATUS: Final = "paid"
COUNTRY: Final = "DE"
TAG: Final = TAGS[7]
NAME: Final = "Customer number 042"
AMOUNT: Final = 990.0
PAGE: Final = 20
_FIRST: Final = datetime(2024, 1, 1, tzinfo=UTC)
_STEP: Final = 300  # seconds between two orders, so that no two have the same time


@dataclass(frozen=True, slots=True)
class Workload:
    """The rows of one size, with Python values, and the stretch of time that a page is from."""

    rows: list[Row]
    since: datetime
    until: datetime


def workload(documents: int) -> Workload:
    """The workload of a size: the same rows whenever it is asked for."""
    span = timedelta(seconds=documents * _STEP)
    rows = list(_rows(random.Random(SEED), documents, _FIRST))
    return Workload(rows, _FIRST + span * 0.4, _FIRST + span * 0.6)


def more_rows(seed: int, count: int) -> list[Row]:
    """Rows that are in no workload, to be inserted and deleted again."""
    return list(_rows(random.Random(f"more {seed}"), count, _FIRST - timedelta(days=3650)))


def _rows(chance: random.Random, count: int, first: datetime) -> Iterator[Row]:
    for number in range(count):
        moment = first + timedelta(seconds=number * _STEP + chance.randrange(_STEP))
        yield _row(chance, moment)


def _row(chance: random.Random, moment: datetime) -> Row:
    name = f"Customer number {chance.randrange(100):03d}"
    items = [
        {
            "sku": f"SKU-{chance.randrange(100_000):08d}",
            "qty": chance.randint(1, 9),
            "price": Decimal(chance.randrange(100, 100_000)) / 100,
        }
        for _ in range(chance.randint(1, 5))
    ]
    total: Decimal = sum((item["qty"] * item["price"] for item in items), Decimal(0))  # type: ignore[operator]
    return {
        "id": _key(chance, moment),
        "customer": {
            "name": name,
            "email": f"{name.replace(' ', '.').lower()}@mail.example.com",
            "country": chance.choices(COUNTRIES, COUNTRY_WEIGHTS)[0],
        },
        "status": chance.choice(STATUSES),
        "total": total,
        "amount": round(chance.random() * 1000, 2),
        "created_at": moment,
        "tags": chance.sample(TAGS, chance.randint(0, 5)),
        "items": items,
        "note": _note(chance) if chance.random() < 0.5 else None,
    }


def _key(chance: random.Random, moment: datetime) -> str:
    """A time-ordered UUID (version 7) as text, as docmap makes them."""
    number = int(moment.timestamp() * 1000) << 80 | chance.getrandbits(80)
    number = number & ~(0xF << 76) & ~(0x3 << 62) | 7 << 76 | 2 << 62
    return str(UUID(int=number))


def _note(chance: random.Random) -> str:
    words = ("please", "ring", "twice", "leave", "at", "the", "door", "fragile", "call", "before")
    return " ".join(chance.choices(words, k=chance.randint(30, 110)))
