"""The classes that orders are viewed through: three fields of them, and a Struct of all."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

import msgspec
from pydantic import BaseModel


class Brief(BaseModel):
    """Three fields of an order."""

    id: str
    total: Decimal
    created_at: datetime


class CustomerStruct(msgspec.Struct):
    """Who ordered."""

    name: str
    email: str
    country: str


class ItemStruct(msgspec.Struct):
    """What was ordered."""

    sku: str
    qty: int
    price: Decimal


class OrderStruct(msgspec.Struct):
    """A whole order, as msgspec decodes it."""

    id: str
    customer: CustomerStruct
    status: str
    total: Decimal
    amount: float
    created_at: datetime
    tags: list[str]
    items: list[ItemStruct]
    note: str | None = None
