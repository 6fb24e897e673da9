"""A shop's orders: one program, run on an SQLite file and in memory, with the same answers.

Run it anywhere: `python examples/shop.py`. It leaves the file shop.db in the working directory, to
look into with `docmap find sqlite:///shop.db orders`.
"""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated

from pydantic import BaseModel, Field

from docmap import BaseStorageAdapter, Document, Index, Indexed, Q, col, connect


class Customer(BaseModel):
    """Who ordered: a plain pydantic model, stored inside the order."""

    name: str
    country: str


class Order(
    Document,
    collection="orders",
    indexes=[Index("status", "-created_at"), Index("customer.country"), Index("tags")],
):
    """One order; `number` is unique, whoever writes."""

    number: Annotated[str, Indexed(unique=True)]
    customer: Customer
    status: str = "new"
    total: Decimal
    created_at: datetime
    tags: list[str] = Field(default_factory=list)


def orders() -> list[Order]:
    """A dozen orders, always the same."""
    names = ["Ann", "Bob", "Chloé", "Dmitri"]
    countries = ["DE", "FR", "DE", "AT"]
    return [
        Order(
            number=f"A-{number:03}",
            customer=Customer(name=names[number % 4], country=countries[number % 4]),
            status=["new", "paid", "shipped"][number % 3],
            total=number * Decimal("19.95"),
            created_at=datetime(2024, 3, number, 9, 30, tzinfo=UTC),
            tags=["gift"] if number % 5 == 0 else [],
        )
        for number in range(1, 13)
    ]


def run(db: BaseStorageAdapter) -> list[object]:
    """The main job on any storage; what it answers."""
    db.collection(Order).clear()
    db.insert_many(orders())

    paid = db.find(Order).where(status="paid", customer__country="DE")
    newest = paid.order_by("-created_at")[:3]
    print("The newest paid orders from Germany:")
    for order in newest:
        when = order.created_at.strftime("%d %b %Y")
        print(f"  {order.number}  {when}  {order.total:>6}  {order.customer.name}")

    gifts_or_large = db.find(Order, col(Order.tags).contains("gift") | (Order.total >= 200))
    without_austria = gifts_or_large.where_not(customer__country="AT").order_by("number")
    numbers = [order.number for order in without_austria]
    print("Gifts and large orders, not to Austria:", ", ".join(numbers))

    waiting = db.find(Order, Q(status="new") | Q(status="paid")).count()
    countries = db.find(Order).values("customer.country")
    print(f"{waiting} orders wait in {len(countries)} countries: {', '.join(countries)}")

    order = db.find(Order).get(number="A-001")
    order.status = "shipped"
    order.save()  # to the storage it came from; refused if somebody else was faster
    shipped = db.find(Order, status="shipped").count()
    print(f"After {order.number} left, {shipped} are shipped")

    print(newest.explain(), end="\n\n")
    return [[order.number for order in newest], numbers, waiting, countries, shipped]


def main() -> None:
    """Run the job on both engines and compare."""
    answers = []
    for url in ("sqlite:///shop.db", "memory://"):
        print(f"== {url}")
        with connect(url) as db:
            answers.append(run(db))
    print("Both engines gave the same answers:", answers[0] == answers[1])


if __name__ == "__main__":
    main()
