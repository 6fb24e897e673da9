"""What statements ask PostgreSQL for: what is needed, and that once."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any, Final

import pytest

from docmap import Count, GroupedQuery, Query, Sum
from docmap.query.paths import Path
from docmap_backends._postgresql_distinct import few_texts
from docmap_backends._postgresql_places import Source, any_odd, expressions
from docmap_backends.postgresql import PostgreSQLStorage
from tests.postgresql.shop import BEGIN, STATUSES, Sale, sales
from tests.servers import postgresql

_FROM: Final = BEGIN + timedelta(days=50)
_TO: Final = BEGIN + timedelta(days=250)


@pytest.fixture(scope="module")
def shop() -> Iterator[PostgreSQLStorage]:
    with PostgreSQLStorage(postgresql.url("asked")) as storage:
        storage.clear()
        storage.insert_many(list(sales(3_000)))
        storage._connections.written("ANALYZE sales")
        yield storage
        storage.clear()


@pytest.fixture
def odd(shop: PostgreSQLStorage) -> Iterator[PostgreSQLStorage]:
    """The same, with a sale of another program, whose time is no time, and its total no Decimal."""
    doc = '{"id": "sale-odd", "number": "odd", "created_at": "2024-05-32", "total": ".5"}'
    shop._connections.written("INSERT INTO sales(key, rev, doc) VALUES('sale-odd', 1, %s)", (doc,))
    yield shop
    shop._connections.written("DELETE FROM sales WHERE key = 'sale-odd'")


def _page(shop: PostgreSQLStorage, **conditions: Any) -> Query[Sale]:
    found = shop.find(Sale, created_at__gte=_FROM, created_at__lt=_TO, **conditions)
    return found.order_by("-created_at")[:20]


def test_a_page_asks_once_for_values_of_other_types(shop: PostgreSQLStorage) -> None:
    statement = _page(shop).explain().data["statement"]
    assert statement.count("SELECT count(*)") == 1
    assert statement.endswith("LIMIT 20")


def _keys(query: Query[Sale]) -> set[str]:
    return {tree["id"] for tree in query.raw()}


@pytest.mark.parametrize("order", ["created_at", "-created_at", "id", "-total"])
def test_what_is_no_time_is_in_no_range_of_times(odd: PostgreSQLStorage, order: str) -> None:
    after = odd.find(Sale).where(created_at__gte=_FROM)
    others = odd.find(Sale).where_not(created_at__gte=_FROM)
    between = odd.find(Sale).where(created_at__between=(_FROM, _TO))
    assert "sale-odd" not in _keys(after.order_by(order)[:900])
    assert "sale-odd" not in _keys(between.order_by(order))
    assert "sale-odd" in _keys(others.order_by(order))


def _grouped(shop: PostgreSQLStorage, place: str, **functions: Any) -> GroupedQuery:
    return shop.find(Sale).group_by(place).aggregate(**functions)


def test_decimals_are_added_without_looking_at_their_form(shop: PostgreSQLStorage) -> None:
    asked = _grouped(shop, "status", sum=Sum("total"))
    wanted = dict.fromkeys(STATUSES, Decimal(0))
    for one in sales(3_000):
        wanted[one.status] += one.total
    assert {row.status: row.sum for row in asked} == wanted
    assert "::numeric" in asked.explain().data["statement"]
    assert "[0-9]" not in asked.explain().data["statement"]
    assert not shop._catalogue.inexact


def test_where_other_values_are_stored_their_form_is_looked_at(odd: PostgreSQLStorage) -> None:
    asked = _grouped(odd, "status", sum=Sum("total"))
    before = {row.status: row.sum for row in asked}
    assert before[None] == Decimal("0.5")
    assert "[0-9]" in asked.explain().data["statement"]
    assert {row.status: row.sum for row in asked} == before


@pytest.mark.parametrize("place", ["status", "customer.country"])
def test_other_values_are_looked_for_in_the_index_of_several_fields(
    shop: PostgreSQLStorage, place: str
) -> None:
    told = shop._connections.rows(
        f"EXPLAIN {_grouped(shop, place, n=Count()).explain().data['statement']}"
    )
    plan = "\n".join((line or b"").decode() for (line,) in told)
    assert "_odd on sales" in plan
    assert plan.count("Seq Scan") == 1


def _read(shop: PostgreSQLStorage, place: str) -> str:
    """The plan of the statement that reads the distinct texts of a place one by one."""
    schema = Sale.__docmap_schema__
    table = shop._table(schema)
    assert table is not None
    kind = schema.root.fields[place].type
    statement = few_texts(table, schema, Path((place,)), kind)
    assert statement
    rows = shop._rows(f"EXPLAIN {statement}")
    return "\n".join((line or b"").decode() for (line,) in rows)


def test_few_distinct_texts_are_read_from_their_index(shop: PostgreSQLStorage) -> None:
    shop._catalogue.inexact.clear()
    assert shop.find(Sale).values("status") == sorted(STATUSES)
    assert not shop._catalogue.inexact
    assert "Seq Scan" not in _read(shop, "status")


def test_many_distinct_texts_are_read_at_once(shop: PostgreSQLStorage) -> None:
    shop._catalogue.inexact.clear()
    wanted = sorted(f"A-{number}" for number in range(3_000))
    for _ in range(2):
        assert shop.find(Sale).values("number") == wanted
        assert len(shop._catalogue.inexact) == 1


def test_distinct_texts_beside_others(odd: PostgreSQLStorage) -> None:
    assert odd.find(Sale).values("status", nulls=True) == [None, *sorted(STATUSES)]
    odd._connections.written(
        "UPDATE sales SET doc = jsonb_set(doc, '{status}', '5') WHERE key = 'sale-odd'"
    )
    assert odd.find(Sale).values("status") == [5, *sorted(STATUSES)]
    assert odd.find(Sale, status="lost").values("status") == ["lost"]
    with odd.transaction():
        assert odd.find(Sale).values("status", nulls=True) == [5, *sorted(STATUSES)]


def test_no_workers_are_started_to_look_for_other_values(shop: PostgreSQLStorage) -> None:
    table = shop._table(Sale.__docmap_schema__)
    assert table is not None
    json, text = expressions(Path(("status",)), Source(table.doc))
    settings = ("parallel_setup_cost", "parallel_tuple_cost", "min_parallel_table_scan_size")
    with shop.transaction():
        for name in (*settings, "min_parallel_index_scan_size"):
            shop._connections.written(f"SET LOCAL {name} = 0")
        asked = f"EXPLAIN SELECT {any_odd(table.name, 'str', json, text)}"
        plan = "\n".join((line or b"").decode() for (line,) in shop._rows(asked))
    assert "_odd on sales" in plan
    assert "Gather" not in plan
