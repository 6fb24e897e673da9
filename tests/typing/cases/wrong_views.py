"""What a view is not."""

from __future__ import annotations

from pydantic import BaseModel

from docmap import connect
from tests.typing.cases.shop import Order


class Summary(BaseModel):
    number: str


def wrong(order: Order) -> None:
    """Never called."""
    db = connect("memory://")
    total = db.find(Order).view(Summary).one().total  # error
    db.find(Order).view(Summary(number="1"))  # error
    names: list[str] = db.find(Order).view(Summary).list()  # error
    order.convert_to(Summary).save()  # error
    number: int = order.save_as(Order).number  # error
    order.save_as(Summary)  # error
    fields: int = Order.input_model().model_fields  # error
    del total, names, number, fields
