"""What a checker says of wrong uses of what is awaited."""

from __future__ import annotations

from docmap import Document
from docmap.aio import connect


class Sale(Document, collection="sales"):
    number: str


async def main() -> None:
    async with connect("memory://") as db:
        for _ in db.find(Sale):  # error
            pass
        found = "A" in db.collection(Sale)  # error
        number: str = await db.find(Sale).count()  # error
        text = (await db.find(Sale).one()).nummer  # error
        db.find(Sale).wher(number="A")  # error
        await db.insert_many()  # error
        with db.transaction():  # error
            pass
        await db.find(Sale, number=f"{found} {number} {text}").count()
