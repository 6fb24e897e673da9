"""A web service on FastAPI and docmap.aio: one storage, awaited by every request.

Run it anywhere: `uvicorn fastapi_shop:app --app-dir examples`. Which engine it runs on is one
setting, `DOCMAP_URL=postgresql://localhost/shop` or `sqlite:///shop.db`. On MongoDB placing an
order needs a replica set, as a server that is alone has no transactions.
"""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Query, Request
from fastapi.responses import JSONResponse, StreamingResponse
from pydantic import BaseModel, Field

import docmap
import docmap.aio
from docmap import (
    Count,
    DocmapError,
    Document,
    DocumentNotFound,
    DuplicateKey,
    Index,
    Indexed,
    InvalidQuery,
    StaleDocument,
    Sum,
)
from docmap.aio import AsyncStorage


class Line(BaseModel):
    """One line of an order."""

    sku: str
    pieces: Annotated[int, Field(gt=0)] = 1
    price: Annotated[Decimal, Field(gt=0)]


class Stock(Document, collection="stock", key="sku"):
    """How many pieces of a thing there are."""

    sku: str
    pieces: Annotated[int, Field(ge=0)]


class Order(Document, collection="orders", indexes=[Index("status", "-number")]):
    """An order of a shop."""

    number: Annotated[str, Indexed(unique=True)]
    lines: Annotated[list[Line], Field(min_length=1)]
    total: Decimal = Decimal(0)
    status: str = "new"


class NewOrder(BaseModel):
    """The body of a request: the total and the status are not the client's."""

    number: str
    lines: Annotated[list[Line], Field(min_length=1)]


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    """Make the indexes before the first request; close the storage after the last."""
    if not os.environ.get("DOCMAP_URL"):
        docmap.configure({"default": "memory://"})
    db = await docmap.aio.storage()
    await db.ensure_indexes(Order, Stock)
    yield
    await docmap.aio.disconnect_all()


app = FastAPI(lifespan=lifespan)
Database = Annotated[AsyncStorage, Depends(docmap.aio.storage)]


@app.put("/stock/{sku}")
async def restock(sku: str, pieces: int, db: Database) -> Stock:
    """Set how many pieces there are."""
    stock = Stock(sku=sku, pieces=pieces)
    await db.upsert(stock)
    return stock


@app.post("/orders", status_code=201)
async def place(body: NewOrder, db: Database) -> Order:
    """Take the pieces from the stock and store the order: both, or neither."""
    order = Order(**body.model_dump())
    order.total = sum((line.price * line.pieces for line in order.lines), Decimal(0))

    async def take_and_store() -> None:
        for line in order.lines:
            stock = await db.get(Stock, line.sku)
            stock.pieces -= line.pieces  # below 0 it is refused, and the transaction undone
            await db.save(stock)
        await db.insert(order)

    await db.retrying(take_and_store)
    return order


@app.get("/orders")
async def orders(
    db: Database,
    status: str | None = None,
    size: Annotated[int, Query(ge=1, le=100)] = 20,
    after: str | None = None,
) -> dict[str, Any]:
    """A page of orders, the highest number first, and the cursor of the next."""
    found = db.find(Order).order_by("-number")
    if status is not None:
        found = found.where(status=status)
    page = await found.page(size, after=after)
    return {"items": page.items, "next": page.next}


@app.get("/orders.ndjson")
async def export(db: Database) -> StreamingResponse:
    """All orders, one a line: memory stays flat, and a slow client is waited for."""

    async def lines() -> AsyncIterator[str]:
        async for order in db.find(Order).order_by("number"):
            yield order.model_dump_json() + "\n"

    return StreamingResponse(lines(), media_type="application/x-ndjson")


@app.get("/revenue")
async def revenue(db: Database) -> dict[str, Any]:
    """Orders and their sum, by status."""
    groups = db.find(Order).group_by("status").aggregate(orders=Count(), total=Sum("total"))
    return {row.status: {"orders": row.orders, "total": f"{row.total:.2f}"} async for row in groups}


@app.get("/orders/{key}")
async def read(key: str, db: Database) -> Order:
    """One order."""
    return await db.get(Order, key)


@app.post("/orders/{key}/status/{status}")
async def change(key: str, status: str, db: Database) -> Order:
    """Change the status of an order where it is stored, without reading it first."""
    order = await db.find(Order, pk=key).find_one_and_update(status=status)
    if order is None:
        raise DocumentNotFound("there is no such order")
    return order


ANSWERS: dict[type[Exception], int] = {
    DocumentNotFound: 404,
    DuplicateKey: 409,
    StaleDocument: 409,
    InvalidQuery: 400,
    ValueError: 422,
}


def answer(_: Request, error: Exception) -> JSONResponse:
    """The answer to an error: docmap's messages hold no stored values."""
    status = next((ANSWERS[one] for one in type(error).__mro__ if one in ANSWERS), 503)
    text = str(error) if isinstance(error, DocmapError) else "the values are not valid"
    return JSONResponse({"error": text}, status_code=status)


for kind in (*ANSWERS, DocmapError):
    app.add_exception_handler(kind, answer)


if __name__ == "__main__":
    print(json.dumps(sorted(app.openapi()["paths"]), indent=2))
