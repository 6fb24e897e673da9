"""The models of the cases, with plain annotations."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, Field

from docmap import Document


class Color(Enum):
    RED = "red"
    BLUE = "blue"


class Customer(BaseModel):
    name: str
    country: str
    tags: list[str] = []


class Address(BaseModel):
    city: str


class Item(BaseModel):
    sku: str
    qty: int


class Order(Document, collection="orders"):
    number: Annotated[str, Field(max_length=20)]
    customer: Customer
    address: Address | None = None
    status: Literal["new", "paid"] = "new"
    total: Decimal
    count: int = 0
    weight: float | None = None
    flag: bool = False
    maybe: bool | None = None
    created_at: datetime
    day: date | None = None
    tags: list[str] = Field(default_factory=list)
    scores: list[int] = Field(default_factory=list)
    labels: set[str] | None = None
    pair: tuple[int, str] = (0, "")
    items: list[Item] = Field(default_factory=list)
    note: str | None = None
    color: Color = Color.RED
    token: UUID | None = None
    box: dict[str, int] = Field(default_factory=dict)
    blob: bytes = b""
    anything: Any = None
