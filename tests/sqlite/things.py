"""A collection with an index on a field of every type, for the tests of this directory."""

from __future__ import annotations

import random
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from uuid import UUID

from pydantic import BaseModel, Field

from docmap import BigInt, Document, Index, ObjectId


class Place(BaseModel):
    city: str
    height: float | None = None


class Thing(
    Document,
    collection="things",
    indexes=[
        *map(Index, "text number flag amount price big at day clock span uid oid raw tags".split()),
        Index("place.city"),
        Index("place.height"),
        Index("kind", "number"),
        Index("kind", "-at"),
        Index("kind", "-price"),
        Index("code", unique=True),
    ],
):
    code: str
    text: str
    kind: str = "a"
    number: int | None = None
    flag: bool = False
    amount: float | None = None
    price: Decimal | None = None
    big: BigInt | None = None
    at: datetime | None = None
    day: date | None = None
    clock: time | None = None
    span: timedelta | None = None
    uid: UUID | None = None
    oid: ObjectId | None = None
    raw: bytes | None = None
    tags: list[str] = Field(default_factory=list)
    numbers: list[int] = Field(default_factory=list)
    place: Place | None = None
    plain: str = ""


NOON = datetime(2024, 3, 4, 12, tzinfo=UTC)
UID = UUID(int=7)
OID = ObjectId("00" * 11 + "07")


def things(count: int = 60) -> list[Thing]:
    """Things that differ in every indexed field."""
    rng = random.Random(count)
    return [_thing(number, rng) for number in range(count)]


def _thing(number: int, rng: random.Random) -> Thing:
    return Thing(
        id=f"key-{number:04d}",
        code=f"c{number}",
        text=f"text {rng.randrange(20):02d}",
        kind="abc"[number % 3],
        number=rng.randrange(20),
        flag=number % 5 == 0,
        amount=rng.randrange(20) / 8,
        price=Decimal(rng.randrange(2000)) / 100,
        big=10**20 + rng.randrange(20),
        at=NOON + timedelta(days=rng.randrange(800)),
        day=date(2024, 1, 1) + timedelta(days=rng.randrange(800)),
        clock=time(rng.randrange(24)),
        span=timedelta(seconds=rng.randrange(20)),
        uid=UUID(int=rng.randrange(20)),
        oid=ObjectId(rng.randrange(20).to_bytes(12, "big")),
        raw=bytes([rng.randrange(20)]),
        tags=[f"tag {rng.randrange(20):02d}" for _ in range(3)],
        numbers=[rng.randrange(20)],
        place=Place(city=f"city {rng.randrange(20):02d}", height=rng.randrange(20) / 8),
        plain=f"plain {number}",
    )
