"""What messages say about common mistakes: the way out has to be one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any

import pytest
from pydantic import BaseModel, Field

from docmap import (
    BulkError,
    Count,
    Document,
    InvalidModel,
    InvalidQuery,
    InvalidValue,
    Ref,
    Stored,
    Sum,
    connect,
    path,
)


class Item(BaseModel):
    sku: str
    qty: int = 1


class Sale(Document, collection="hinted_sales"):
    number: int = 0
    note: Annotated[str, Stored("n")] = ""
    item: Item = Item(sku="a")
    items: list[Item] = Field(default_factory=list)


@dataclass
class Line:
    number: int


DB: Any = connect("memory://")

QUERIES: list[tuple[Callable[[Any], Any], str]] = [
    (lambda q: q[:2].update(number=1), "call it on the query without one"),
    (lambda q: q[:2].explain_update(number=1), "call it on the query without one"),
    (lambda q: q[:2].delete(), r"where\(pk__in="),
    (lambda q: q[:2].find_one_and_update(number=1), "the first document in the query's order"),
    (lambda q: q[:2].page(1), "a page is a slice itself"),
    (lambda q: q.update(Sale.number), "not FieldExpression"),
    (lambda q: q.update(Sale.number == 3), "not Condition"),
    (lambda q: q.update(number__rename="note"), "is int, and note is text: set it instead"),
    (lambda q: q.aggregate(n=Sum("items.qty")), r"path\('items'\)\.each\(\)\['qty'\]"),
    (lambda q: q.aggregate(n=Count(distinct=True)), r"n: Count\(distinct=True\) needs a place"),
    (lambda q: q.group_by("item"), "such: name a field in it$"),
    (lambda q: q.group_by("items"), r"such: take its elements with path\('items'\)\.each\(\)$"),
    (lambda q: q.view(Line(1)), "an instance of Line is none of them"),
]


@pytest.mark.parametrize(("ask", "told"), QUERIES)
def test_a_query_says_the_way_out(ask: Callable[[Any], Any], told: str) -> None:
    with pytest.raises(InvalidQuery, match=told):
        ask(DB.find(Sale))


def test_the_way_out_of_a_slice_and_of_a_list_is_one() -> None:
    db: Any = connect("memory://")
    db.insert_many([Sale(number=n, items=[Item(sku="b", qty=n)]) for n in range(5)])
    few = db.find(Sale).order_by("-number")[:2]
    assert db.find(Sale).where(pk__in=[document.pk for document in few]).delete() == 2
    assert db.find(Sale).aggregate(n=Sum(path("items").each()["qty"])).n == 3


WRITES: list[Callable[[Any], Any]] = [
    lambda db: db.insert_many([{"number": 1}]),
    lambda db: db.save_many([{"number": 1}]),
    lambda db: db.delete_many(["key"]),
    lambda db: db.save([Sale(number=1)]),
    lambda db: db.save({"number": 1}),
    lambda db: db.upsert({"number": 1}),
    lambda db: db.delete(Sale),
    lambda db: db.delete("key"),
]


@pytest.mark.parametrize("write", WRITES)
def test_what_is_no_document_needs_its_class(write: Callable[[Any], Any]) -> None:
    with pytest.raises(
        InvalidModel, match=r"a document is wanted here, not a .*save\(Order, data\)"
    ):
        write(DB)


def test_data_that_is_no_dict_is_told_of_the_class() -> None:
    with pytest.raises(InvalidValue, match="^Sale is not valid"):
        DB.insert_many(Sale, [5])


def test_a_repeated_key_is_told_without_numbers_where_all_are_tried() -> None:
    rows = [{"id": "a", "number": 1}, {"id": "b", "number": 2}, {"id": "a", "number": 3}]
    with pytest.raises(BulkError) as caught:
        connect("memory://").insert_many(Sale, iter(rows), ordered=False)
    assert str(caught.value.failed[0].error).endswith("have the same key")
    assert caught.value.done == 2


def test_references_of_what_is_none() -> None:
    unknown: Any = None
    with pytest.raises(InvalidValue, match=r"Ref\[Sale\] is None"):
        Ref[Sale](unknown)
    with pytest.raises(InvalidValue, match="takes a document; for a key write"):
        Ref("key")


def test_a_lifetime_needs_something_to_count_from() -> None:
    with pytest.raises(InvalidModel, match="since the class has no field of these types"):

        class Timeless(Document, expires_after=timedelta(hours=1)):
            number: int


def test_defaults_of_get_or_create_have_a_place() -> None:
    db: Any = connect("memory://")
    sale, created = db.get_or_create(Sale, {"number": 7}, id="a")
    assert (sale.number, created) == (7, True)
