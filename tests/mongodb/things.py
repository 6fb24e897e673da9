"""The documents of the tests of MongoDB's queries, and a server that can do everything."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any
from unittest.mock import patch
from uuid import UUID

from pydantic import BaseModel, Field

from docmap import BigInt, Document, Index, Indexed, ObjectId, Precision, Stored
from docmap_backends._mongodb_indexes import MongoIndexes
from docmap_backends._mongodb_queries import MongoQueries


class Inner(BaseModel):
    city: str | None = None
    size: int | None = None


class Thing(Document, collection="things", indexes=[Index("status", "-at"), Index("tags")]):
    number: Annotated[str | None, Indexed(unique=True)] = None
    status: str | None = None
    count: int | None = None
    ratio: float | None = None
    price: Decimal | None = None
    big: BigInt | None = None
    flag: bool | None = None
    at: datetime | None = None
    fine: Annotated[datetime | None, Precision("us")] = None
    day: date | None = None
    uid: UUID | None = None
    oid: ObjectId | None = None
    inner: Inner | None = None
    inners: list[Inner] = Field(default=[])
    tags: list[str] = Field(default=[])
    numbers: list[int] = Field(default=[])
    box: dict[str, int] = Field(default={})
    odd: Annotated[int | None, Stored("a.b")] = None
    any: Any = None


class Loose(Document, collection="things", extra="allow"):
    """Writes into the same collection what it likes."""


@contextmanager
def able() -> Iterator[None]:
    """Every server taken for one that compares and indexes as MongoDB does."""
    with (
        patch.object(MongoQueries, "code_point_order", new=True),
        patch.object(MongoQueries, "exact_numbers", new=True),
        patch.object(MongoQueries, "decimal128", new=True),
        patch.object(MongoQueries, "element_filters", new=True),
        patch.object(MongoQueries, "date_expressions", new=True),
        patch.object(MongoIndexes, "unique_indexes", new=True),
    ):
        yield
