"""Records that were stored without a class are loaded by one."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec
import pytest
from pydantic import BaseModel

from docmap import BaseStorageAdapter, Document, InvalidRecord, ObjectId


class Inner(BaseModel):
    price: Decimal


class Thing(Document, collection="things"):
    price: Decimal
    at: datetime
    day: date
    clock: time
    wait: timedelta
    token: UUID
    blob: bytes
    ref: ObjectId
    prices: list[Decimal]
    table: dict[str, date]
    inner: Inner | None
    inners: list[Inner]
    pair: tuple[date, int]
    anything: Any
    either: Decimal | int


VALUES: dict[str, Any] = {
    "id": "1",
    "price": Decimal("1.10"),
    "at": datetime(2024, 5, 17, 12, 30, tzinfo=UTC),
    "day": date(2024, 5, 17),
    "clock": time(12, 30),
    "wait": timedelta(seconds=1),
    "token": UUID(int=7),
    "blob": b"\x00\xff",
    "ref": ObjectId("0123456789abcdef01234567"),
    "prices": [Decimal("2.5"), Decimal(3)],
    "table": {"a": date(2024, 1, 1)},
    "inner": {"price": Decimal(4)},
    "inners": [{"price": Decimal(5)}],
    "pair": [date(2024, 1, 2), 3],
    "anything": {"a": Decimal(6)},
    "either": Decimal(7),
}


def test_values_with_tags_are_read_in_typed_places(db: BaseStorageAdapter) -> None:
    db.insert_many("things", [VALUES])
    thing = db.find(Thing).one()
    assert thing == Thing.model_validate(VALUES)
    assert db.get(Thing, "1").price == Decimal("1.10")
    thing.save()
    raw: Any = db.find(Thing).raw().one()
    assert (raw["price"], raw["wait"]) == (Decimal("1.10"), timedelta(seconds=1))
    assert db.find(Thing, price__gt=1, inner__price=4).one() == thing


def test_views_read_them_too(db: BaseStorageAdapter) -> None:
    class Brief(msgspec.Struct):
        price: Decimal
        prices: list[Decimal]

    db.insert_many("things", [VALUES])
    assert db.find(Thing).view(Brief).one() == Brief(VALUES["price"], VALUES["prices"])
    assert db.find("things").view(Brief).one() == Brief(VALUES["price"], VALUES["prices"])


def test_another_tag_or_value_does_not_fit(db: BaseStorageAdapter) -> None:
    for changes in ({"price": date(2024, 1, 1)}, {"day": Decimal(1)}, {"inners": [{"a": 1}]}):
        db.clear()
        db.insert_many("things", [{**VALUES, **changes}])
        with pytest.raises(InvalidRecord) as caught:
            db.find(Thing).one()
        assert str(caught.value.field).split(".")[0] == next(iter(changes))
