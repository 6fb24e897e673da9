"""The classes that the tests store."""
# ruff: noqa: RUF012 - pydantic copies the defaults of a model

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any

from pydantic import BaseModel

from docmap import Document, Index, Indexed, field

NOW = datetime(2024, 5, 17, 12, 30, tzinfo=UTC)


class Address(BaseModel):
    city: str
    street: str | None = None


class Customer(BaseModel):
    name: str
    country: str = "DE"
    address: Address | None = None


class Order(Document, collection="orders", indexes=[Index("status", "-created_at")]):
    number: Annotated[str, Indexed(unique=True)]
    customer: Customer = Customer(name="Ann")
    status: str = "new"
    total: Decimal = Decimal(0)
    created_at: datetime = NOW
    tags: list[str] = []
    attrs: dict[str, Any] = {}


class Ticket(Document, collection="tickets"):
    """Its key is counted by the storage."""

    id: int = field(default=None)  # a default for type checkers
    title: str = ""


class Country(Document, collection="countries", key="code"):
    """Its key has another name, and must be given."""

    code: str
    name: str = ""


class Note(Document, collection="notes"):
    """The plainest of all."""

    text: str = ""
    stars: int = 0
    done: bool | None = None
