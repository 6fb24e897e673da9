"""PostgreSQL's own plan of queries on many documents: which index serves what, and what is read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any, Final

import pytest

from docmap import Query
from docmap_backends.postgresql import PostgreSQLStorage
from tests.postgresql.shop import BEGIN, Sale, sales
from tests.servers import postgresql

Asked = Callable[[Query[Sale]], Query[Sale]]
_DAY: Final = BEGIN + timedelta(days=100)
_SEARCHED, _READ_IN_ORDER = "by a part of it", ""


@pytest.fixture(scope="module")
def shop(long_run: bool) -> Iterator[PostgreSQLStorage]:
    """A storage with the sales, of which the server has made its statistics."""
    storage = PostgreSQLStorage(postgresql.url("plans"))
    with storage:
        storage.clear()
        storage.insert_many(list(sales(50_000 if long_run else 5_000)))
        storage._connections.written("ANALYZE sales")
        yield storage
        storage.clear()


def _where(**lookups: Any) -> Asked:
    return lambda query: query.where(**lookups)


SERVED: Final[dict[str, tuple[Asked, str, str]]] = {
    "text": (_where(number="A-500"), "unique (number)", _SEARCHED),
    "texts": (_where(number__in=["A-1", "A-2"]), "unique (number)", _SEARCHED),
    "prefix": (_where(number__startswith="A-499"), "unique (number)", _SEARCHED),
    "like": (_where(number__like="A-499%"), "unique (number)", _SEARCHED),
    "matches": (_where(number__matches="^A-499.$"), "unique (number)", _SEARCHED),
    "two fields": (
        _where(status="lost", customer__country="DE"),
        "(status, customer.country)",
        _SEARCHED,
    ),
    "moments": (
        _where(created_at__between=(_DAY, _DAY + timedelta(hours=9))),
        "(created_at)",
        _SEARCHED,
    ),
    "decimal": (_where(total=Decimal("99.50")), "(-total)", _SEARCHED),
    "decimals": (_where(total__gt=Decimal("9990.5")), "(-total)", _SEARCHED),
    "floats": (_where(weight__lt=0.5), "(weight)", _SEARCHED),
    "int": (_where(count=77), "(count)", _SEARCHED),
    "large int": (_where(count=2**60), "(count)", _SEARCHED),
    "ints": (_where(count__between=(70, 75)), "(count)", _SEARCHED),
    "some ints": (_where(count__in=[70, 71, 72]), "(count)", _SEARCHED),
    "element": (_where(tags__contains="tag 7"), "(tags)", _SEARCHED),
    "elements": (_where(tags__contains_all=["tag 7", "tag 8"]), "(tags)", _SEARCHED),
    "some elements": (_where(tags__contains_any=["tag 7", "tag 8"]), "(tags)", _SEARCHED),
    "key": (_where(id="sale-000077"), "(key)", _SEARCHED),
    "keys": (_where(id__between=("sale-000070", "sale-000080")), "(key)", _SEARCHED),
    "first of all": (lambda q: q.order_by("created_at")[:20], "(created_at)", _READ_IN_ORDER),
    "last of all": (lambda q: q.order_by("-created_at")[:20], "(created_at)", _READ_IN_ORDER),
    "last of a range": (
        lambda q: q.where(created_at__gte=_DAY).order_by("-created_at")[:20],
        "(created_at)",
        _SEARCHED,
    ),
    "first of one": (
        lambda q: q.where(customer__country="DE").order_by("created_at")[:20],
        "(customer.country, -created_at)",
        _SEARCHED,
    ),
    "last of one": (
        lambda q: q.where(customer__country="DE").order_by("-created_at")[:20],
        "(customer.country, -created_at)",
        _SEARCHED,
    ),
    "dearest": (lambda q: q.order_by("-total")[:20], "(-total)", _READ_IN_ORDER),
    "cheapest": (lambda q: q.order_by("total")[:20], "(-total)", _READ_IN_ORDER),
    "lightest": (lambda q: q.order_by("weight")[:20], "(weight)", _READ_IN_ORDER),
    "with nulls": (lambda q: q.order_by("express")[:20], "(express)", _READ_IN_ORDER),
    "keys in order": (lambda q: q.order_by("-id")[:20], "(key)", _READ_IN_ORDER),
}


@pytest.mark.parametrize("name", SERVED)
def test_an_index_serves(shop: PostgreSQLStorage, name: str) -> None:
    asked, index, how = SERVED[name]
    query = asked(shop.find(Sale))
    plan = query.explain()
    assert plan.indexes == (index,), plan
    assert not plan.scan
    assert plan.data["native"]
    lines = [line for line in plan.data["detail"] if "Index" in line]
    assert lines
    assert all(line.endswith(how) or how in line for line in lines)
    assert not any("Sort" in line for line in plan.data["detail"])


def test_a_page_begins_in_the_index(shop: PostgreSQLStorage) -> None:
    query = shop.find(Sale).where(customer__country="DE").order_by("-created_at")
    found = query[:40].list()
    after = query.after(query.cursor(found[19]))[:20]
    assert [one.id for one in after] == [one.id for one in found[20:]]
    plan = after.explain()
    assert plan.indexes == ("(customer.country, -created_at)",)
    assert not any("Seq Scan" in line for line in plan.data["detail"])


@pytest.mark.parametrize(
    "asked", [_where(note="note 33"), _where(note__gt="note 9"), lambda q: q.order_by("note")[:5]]
)
def test_what_has_no_index_is_a_scan(shop: PostgreSQLStorage, asked: Asked) -> None:
    plan = asked(shop.find(Sale)).explain()
    assert plan.scan
    assert plan.indexes == ()


def test_the_order_of_odd_values_costs_no_scan(shop: PostgreSQLStorage) -> None:
    """Whether there are values of other types is read in an index that holds none but these."""
    statement = shop.find(Sale).order_by("-created_at")[:20].explain().data["statement"]
    rows = shop._connections.rows(f"EXPLAIN {statement}")
    told = "\n".join((line or b"").decode() for (line,) in rows)
    assert "_odd on sales" in told
    assert "Seq Scan" not in told


def test_a_few_documents_are_read_whole_though_an_index_serves(shop: PostgreSQLStorage) -> None:
    class Rare(Sale, collection="few"):
        pass

    shop.insert_many([Rare(**one.model_dump()) for one in sales(20)])
    shop._connections.written("ANALYZE few")
    plan = shop.find(Rare, number="A-5").explain()
    assert not plan.scan
    assert plan.indexes == ("unique (number)",)
    assert "cheaper" in plan.data["detail"][-1]
    assert shop.find(Rare, number="A-5").options(allow_scan=False).one().number == "A-5"
