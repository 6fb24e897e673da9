"""Decimals and big ints beyond all floats: the same answers as in memory, with an index or without.

PostgreSQL compares them as numerics, which have room for all of them; a float ends at 1.8E+308.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any, Final

import pytest

from docmap import (
    Avg,
    BaseStorageAdapter,
    BigInt,
    Count,
    Document,
    DuplicateKey,
    Index,
    Max,
    Min,
    Sum,
    connect,
)
from docmap_backends.postgresql import PostgreSQLStorage

LAST: Final = "9.999999999999999999999999999999999"
TEXTS: Final = (
    *("0", "0E-6176", "0E+6000", "1.1", "1.10", "1.1" + "0" * 32, "9" * 34, "1E-6176", "9.9E-6175"),
    *("1E+6143", f"{LAST}E+6143", "1.234567890123456789012345678901234E-6143", "4.9E-324"),
    *("1.797693134862315708145274237317043E+308", "1.797693134862315708145274237317044E+308"),
    *("1.8E+308", "2E-324", "5"),
)
PRICES: Final = tuple(Decimal(sign + text) for text in TEXTS for sign in ("", "-"))
LARGE: Final = tuple(
    sign * number for sign in (1, -1) for number in (0, 7, 10**308, 2 * 10**308, 10**999)
)


class Fund(Document, collection="fund"):
    id: int
    price: Decimal
    large: BigInt = 0
    thing: Any = None
    number: int = 0


class IndexedFund(Fund, collection="indexed_fund", indexes=["price", "large", "-number"]):
    pass


class Unique(Document, collection="unique_fund", indexes=[Index("price", unique=True)]):
    id: int
    price: Decimal


Check = Callable[..., None]


@pytest.fixture
def check(db: PostgreSQLStorage) -> Iterator[Check]:
    """Compares an answer of PostgreSQL with that of memory, over all the numbers."""
    with connect("memory://") as memory:
        for kind in (Fund, IndexedFund):
            for storage in (db, memory):
                storage.insert_many(
                    kind(id=place, price=price, thing=price, large=LARGE[place % len(LARGE)])
                    for place, price in enumerate(PRICES)
                )

        def same(ask: Callable[..., Any], *given: Any) -> None:
            """`ask` is called with each storage, and with what is given."""
            assert repr(ask(db, *given)) == repr(ask(memory, *given)), given

        yield same


@pytest.mark.parametrize("kind", [Fund, IndexedFund])
class TestNumbersBeyondFloats:
    @pytest.mark.parametrize("sign", ["equals", "not_equals", "gt", "gte", "lt", "lte"])
    def test_comparisons(self, kind: type[Fund], sign: str, check: Check) -> None:
        wanted = [*(("price", one) for one in PRICES), *(("thing", one) for one in PRICES)]
        for name, value in [*wanted, *(("large", one) for one in LARGE)]:
            asked = {f"{name}__{sign}": value}
            check(lambda db, asked: _keys(db.find(kind, **asked)), asked)

    def test_sets_and_ranges(self, kind: type[Fund], check: Check) -> None:
        for low in PRICES:
            check(lambda db, one: _keys(db.find(kind, price__in=[one, 3])), low)
            for high in PRICES[::5]:
                check(lambda db, *ends: _keys(db.find(kind, price__between=ends)), low, high)

    @pytest.mark.parametrize("name", ["price", "-price", "large", "-large", "thing"])
    def test_order(self, kind: type[Fund], name: str, check: Check) -> None:
        check(lambda db: [one.id for one in db.find(kind).order_by(name)])
        check(lambda db: [one.id for one in db.find(kind).order_by(name)[5:9]])

        def pages(db: BaseStorageAdapter) -> list[int]:
            query = db.find(kind).order_by(name)
            cursor = query.cursor(query[3:4].list()[0])
            return [one.id for one in query.after(cursor).limit(20)]

        check(pages)

    def test_values_and_aggregates(self, kind: type[Fund], check: Check) -> None:
        for name in ("price", "large"):
            check(lambda db, name: list(db.find(kind).values(name)), name)
            check(lambda db, n: db.find(kind).aggregate(low=Min(n), high=Max(n)), name)
            check(lambda db, n: db.find(kind).aggregate(sum=Sum(n)), name)
            check(lambda db, n: list(db.find(kind).group_by(n).aggregate(n=Count())), name)
        check(lambda db: db.find(kind).aggregate(avg=Avg("price")))
        check(lambda db: [str(one.price) for one in db.find(kind).order_by("id")])

    @pytest.mark.parametrize("operator", ["set", "inc", "mul", "min", "max"])
    def test_updates(self, kind: type[Fund], operator: str, check: Check) -> None:
        change = {f"price__{operator}": Decimal("0.10")}
        for place in (0, 6, 10, 14, 18, 22, 35):
            check(lambda db, place: _updated(db, kind, place, change), place)


def _keys(query: Any) -> list[int]:
    return sorted(one.id for one in query)


def _updated(db: BaseStorageAdapter, kind: type[Fund], key: int, change: Any) -> tuple[str, str]:
    try:
        told = str(db.find(kind, id=key).update(**change))
    except Exception as error:  # noqa: BLE001 - whatever it is, it is to be the same
        told = type(error).__name__
    return told, str(db.get(kind, key).price)


@pytest.mark.parametrize(
    ("first", "second"),
    [("1.1", "1.10"), ("0", "0E-6176"), ("1E+6143", "10E+6142"), ("1E-6175", "10E-6176")],
)
def test_a_number_written_in_another_way_is_not_unique(
    db: PostgreSQLStorage, first: str, second: str
) -> None:
    Unique(id=1, price=Decimal(first)).save(db)
    with pytest.raises(DuplicateKey):
        Unique(id=2, price=Decimal(second)).save(db)
    Unique(id=3, price=Decimal("2E-6176")).save(db)


class Measure(Document, collection="measures"):
    ratio: float = 0.0
    thing: Any = None


@pytest.mark.parametrize("value", [1e16, -2.5e20, 1.7976931348623157e308, 1e-7])
def test_a_float_that_an_update_sets_is_read_as_a_float(
    db: PostgreSQLStorage, value: float
) -> None:
    Measure(id="a").save(db)
    assert db.find(Measure).update(ratio=value, thing=value).modified == 1
    (found,) = db.find(Measure).raw()
    assert repr((found["ratio"], found["thing"])) == repr((value, value))
