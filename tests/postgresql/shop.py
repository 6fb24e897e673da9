"""Orders of a shop by the ten thousand, for the tests of PostgreSQL's plans."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Annotated

from pydantic import BaseModel, Field

from docmap import Document, Index, Indexed

BEGIN = datetime(2024, 1, 1, tzinfo=UTC)
STATUSES = ("new", "paid", "sent", "returned", "lost")
COUNTRIES = ("AT", "CH", "DE", "FR", "IT", "NL", "PL", "SE")


class Customer(BaseModel):
    name: str
    country: str


class Sale(
    Document,
    collection="sales",
    indexes=[
        Index("status", "customer.country"),
        Index("customer.country", "-created_at"),
        Index("created_at"),
        Index("tags"),
        Index("-total"),
        Index("weight"),
        Index("count"),
        Index("express"),
    ],
):
    number: Annotated[str, Indexed(unique=True)]
    customer: Customer
    status: str = "new"
    total: Decimal = Decimal(0)
    weight: float | None = None
    count: int = 0
    express: bool | None = None
    created_at: datetime = BEGIN
    tags: list[str] = Field(default_factory=list)
    note: str | None = None


def sales(count: int, seed: int = 7) -> Iterator[Sale]:
    """Sales whose values are spread over all that there are; the same for a seed."""
    rng = random.Random(seed)
    for number in range(count):
        yield Sale(
            id=f"sale-{number:06}",
            number=f"A-{number}",
            customer=Customer(name=f"name {rng.randrange(count)}", country=rng.choice(COUNTRIES)),
            status=rng.choice(STATUSES),
            total=Decimal(rng.randrange(1_000_000)) / 100,
            weight=rng.random() * 100,
            count=rng.randrange(10_000),
            express=rng.choice((None, None, None, None, None, False, True)),
            created_at=BEGIN + timedelta(seconds=rng.randrange(30_000_000)),
            tags=sorted(rng.sample([f"tag {n}" for n in range(200)], rng.randrange(4))),
            note=None if number % 3 else f"note {number}",
        )
