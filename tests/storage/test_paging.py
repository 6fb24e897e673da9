"""Pages by keyset: every document once, whatever the order, the values and who writes meanwhile."""

from __future__ import annotations

import base64
import json
import random
import string
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final
from zlib import crc32

import pytest

from docmap import (
    BaseStorageAdapter,
    Document,
    Index,
    InvalidQuery,
    InvalidRecord,
    Page,
    Query,
    ScanRefused,
)
from docmap.query.evaluate import matches, order
from docmap.query.keyset import after, position, runs
from docmap.query.order import OrderTerm
from docmap.query.paths import Path

START: Final = datetime(2026, 1, 1, tzinfo=UTC)


class Sale(Document, collection="sales", indexes=[Index("shop", "-at"), Index("price"), "count"]):
    id: int
    shop: str = "a"
    at: datetime | None = None
    price: Decimal | None = None
    count: int | None = None
    weight: float = 0.0
    open: bool = False


class ByText(Document, collection="sales", key="shop"):
    """The same collection with another key."""

    shop: str


def sales(count: int, seed: int) -> list[Sale]:
    rng = random.Random(f"sales {seed}")
    return [
        Sale(
            id=number,
            shop=rng.choice("abc"),
            at=rng.choice([None, START + timedelta(hours=rng.randrange(9))]),
            price=rng.choice([None, Decimal(rng.randrange(40)) / 10]),
            count=rng.choice([None, *range(4)]),
            weight=rng.randrange(5) / 4,
            open=rng.random() < 0.5,
        )
        for number in rng.sample(range(1000), count)
    ]


ORDERS: Final = [
    ("id",),
    ("-id",),
    ("at",),
    ("-at",),
    ("price",),
    ("-price", "count"),
    ("count", "-price", "weight"),
    ("-shop", "at", "-count"),
    ("open", "-weight"),
    ("-open",),
    ("shop", "-id"),
]


@pytest.fixture
def sold(db: BaseStorageAdapter, seed: int) -> BaseStorageAdapter:
    """A storage with sales, many of which are equal in what they are ordered by."""
    db.insert_many(sales(120, seed))
    return db


def pages(query: Query[Any], size: int) -> Iterator[Page[Any]]:
    cursor: str | None = None
    while True:
        page = query.page(size, after=cursor)
        yield page
        cursor = page.next
        if cursor is None:
            return


def keys(found: Any) -> list[Any]:
    return [one.id for one in found]


@pytest.mark.parametrize("names", ORDERS, ids=" ".join)
def test_pages_give_every_document_once_in_order(
    sold: BaseStorageAdapter, names: tuple[str, ...]
) -> None:
    for query in (sold.find(Sale), sold.find(Sale, shop="b"), sold.find(Sale, shop__like="[ab]%")):
        ordered = query.order_by(*names)
        wanted = keys(ordered)
        for size in (1, 7, 40, len(wanted) or 1, 500):
            got = list(pages(ordered, size))
            assert [key for page in got for key in keys(page)] == wanted
            assert all(len(page) == size for page in got[:-1])
            assert [key for batch in ordered.batches(size) for key in keys(batch)] == wanted


def test_what_follows_a_cursor_is_what_stands_behind_it(sold: BaseStorageAdapter) -> None:
    query = sold.find(Sale).order_by("-at", "count")
    found = query.list()
    for place in range(0, len(found), 9):
        rest = query.after(query.cursor(found[place]))
        assert keys(rest) == keys(found[place + 1 :])
        assert rest.count() == len(found) - place - 1
        assert rest.exists() is (place < len(found) - 1)
        assert keys(rest[2:5]) == keys(found[place + 3 : place + 6])
        assert rest.values("shop") == sorted({sale.shop for sale in found[place + 1 :]})
        narrowed = rest.where(shop="a")
        assert keys(narrowed) == keys(s for s in found[place + 1 :] if s.shop == "a")
        assert keys(narrowed.after(query.cursor(found[place]))) == keys(narrowed)


def test_ranges_on_what_is_ordered(sold: BaseStorageAdapter) -> None:
    late, early = START + timedelta(hours=7), START + timedelta(hours=2)
    some: list[dict[str, Any]] = [
        {"at__lt": late},
        {"at__lte": late, "at__gt": early},
        {"at__between": (early, late)},
        {"at__gte": early, "shop": "a"},
        {"at__is_null": True},
        {"at__in": [None, late]},
        {"at__lt": late, "at__lte": early},
        {"price__between": (1, 3), "at": late},
    ]
    for conditions in some:
        for names in (("at",), ("-at", "price"), ("price", "-at"), ("-price",)):
            query = sold.find(Sale, **conditions).order_by(*names)
            wanted = query.list()
            assert keys(wanted) == keys(s for s in sold.find(Sale).order_by(*names) if s in wanted)
            assert [key for page in pages(query, 4) for key in keys(page)] == keys(wanted)
            every = sold.find(Sale).order_by(*names)
            for number, sale in enumerate(every):
                if number % 13 == 0:  # also from positions that the conditions leave out
                    rest = set(keys(every.list()[number + 1 :]))
                    found = keys(query.after(every.cursor(sale)))
                    assert found == [key for key in keys(wanted) if key in rest]


def test_ranges_on_values_of_other_types(db: BaseStorageAdapter) -> None:
    db.insert_many("loose", [{"id": n, "x": x} for n, x in enumerate(VALUES)])
    for conditions in ({"x__lt": "b"}, {"x__gte": 0}, {"x__between": (-5, 2)}, {"x__gt": 1}):
        for name in ("x", "-x"):
            every = db.find("loose").order_by(name)
            query = every.where(**conditions)
            wanted = [row["id"] for row in query]
            for number, row in enumerate(every):
                rest = {one["id"] for one in every.list()[number + 1 :]}
                found = [one["id"] for one in query.after(every.cursor(row))]
                assert found == [key for key in wanted if key in rest]


def test_without_an_order_pages_are_in_the_order_of_keys(sold: BaseStorageAdapter) -> None:
    assert [key for page in pages(sold.find(Sale), 13) for key in keys(page)] == sorted(
        keys(sold.find(Sale))
    )
    assert keys(sold.find(Sale).after(None)) == sorted(keys(sold.find(Sale)))


def test_pages_survive_inserts_and_deletes(sold: BaseStorageAdapter) -> None:
    query = sold.find(Sale).order_by("price", "-count")
    before = query.list()
    seen: list[int] = []
    for number, page in enumerate(pages(query, 10)):
        seen += keys(page)
        sold.delete(page.items[-1])  # the cursor's own document
        sold.insert(Sale(id=2000 + number, price=None))  # in front of all that is to come
        if number == 2:
            gone = [sale for sale in before if sale.id not in seen][:4]
            for sale in gone:
                sold.delete(sale)
    expected = [sale.id for sale in before if sale not in gone]
    assert [key for key in seen if key < 2000] == expected


def test_between_batches_the_program_may_write(sold: BaseStorageAdapter) -> None:
    total = 0
    for batch in sold.find(Sale).batches(25):
        total += len(batch)
        for sale in batch:
            sale.shop = "done"
            sale.save()
    assert total == 120
    assert sold.find(Sale, shop="done").count() == 120


def test_batches_of_a_slice_and_of_a_part(sold: BaseStorageAdapter) -> None:
    query = sold.find(Sale).order_by("-weight")
    wanted = keys(query)
    sizes = [len(batch) for batch in query[5:50].batches(20)]
    assert sizes == [20, 20, 5]
    assert [key for b in query[5:50].batches(20) for key in keys(b)] == wanted[5:50]
    assert list(query[:0].batches(5)) == []
    rest = query.after(query.cursor(query[9]))
    assert [key for b in rest.batches(50) for key in keys(b)] == wanted[10:]


VALUES: Final[list[Any]] = [
    None,
    0,
    -3,
    2.5,
    Decimal("2.5"),
    "",
    "ä",
    {"a": 1},
    {"$date": "x"},
    [1, None],
    b"\x00",
    False,
    True,
    START,
    START.date(),
    timedelta(seconds=3),
]


def test_values_of_all_types_in_one_field(db: BaseStorageAdapter) -> None:
    rows = [{"id": f"{n}-{copy}", "x": x} for n, x in enumerate(VALUES) for copy in range(3)]
    db.insert_many("loose", [*rows, {"id": "none"}, {"id": "other"}])
    for names in (("x",), ("-x",), ("-x", "id"), ("x", "-id"), ("id",), ("-id",)):
        query = db.find("loose").order_by(*names)
        wanted = [row["id"] for row in query]
        assert [row["id"] for page in pages(query, 4) for row in page] == wanted
        for row in query:
            assert (
                query.after(query.cursor(row)).count() == len(wanted) - wanted.index(row["id"]) - 1
            )


def test_values_of_other_types_than_declared(db: BaseStorageAdapter) -> None:
    db.ensure_indexes(Sale)
    rows = [{"id": n, "price": x, "count": x, "shop": x} for n, x in enumerate(VALUES)]
    db.insert_many("sales", rows)
    for names in (("price",), ("-price",), ("count", "-price"), ("-count",), ("-shop",)):
        query = db.find(Sale).order_by(*names).raw()
        wanted = [row["id"] for row in query]
        assert [row["id"] for page in pages(query, 3) for row in page] == wanted


def test_keys_of_all_types(db: BaseStorageAdapter) -> None:
    from uuid import UUID

    some = [3, -1, "a", "B", UUID(int=5), UUID(int=4), 2**60]
    db.insert_many("loose", [{"id": key} for key in some])
    wanted = [row["id"] for row in db.find("loose").order_by("id")]
    assert [row["id"] for b in db.find("loose").batches(2) for row in b] == wanted


def test_the_condition_is_what_the_order_says(rng: random.Random) -> None:
    """The reference: what sorts strictly after a position, and its runs one after the other."""
    paths = [Path(("x",)), Path(("y",)), Path(("id",))]
    trees: list[Any] = [
        {"id": n, **{name: rng.choice(VALUES) for name in "xy" if rng.random() < 0.9}}
        for n in range(60)
    ]
    for _ in range(40):
        terms = [OrderTerm(p, rng.random() < 0.5) for p in paths]
        placed = sorted(trees, key=order(terms))
        place = rng.randrange(60)
        values = position(terms, placed[place])
        assert [t for t in placed if matches(after(terms, values), t)] == placed[place + 1 :]
        found = [[t for t in placed if matches(r.condition, t)] for r in runs(terms, values)]
        assert [t for run in found for t in run] == placed[place + 1 :]
        for run, part in zip(runs(terms, values), found, strict=True):
            assert sorted(part, key=order(run.order)) == part


# -- cursors


def test_a_cursor_is_text_for_a_url(sold: BaseStorageAdapter) -> None:
    query = sold.find(Sale).order_by("-at")
    for sale in query:
        assert set(query.cursor(sale)) <= set(string.ascii_letters + string.digits + "-_")
    sale = query[0]
    cursor = query.cursor(sale)
    sale.at = None  # not saved: the cursor is of what is stored
    assert query.cursor(sale) == cursor
    fresh = Sale(id=5000, at=START)
    assert query.after(query.cursor(fresh)).count() == sold.find(Sale, at__lt=START).count() + (
        sold.find(Sale, at=START, id__lt=5000).count() + sold.find(Sale, at=None).count()
    )


def test_raw_documents_have_the_same_cursors(sold: BaseStorageAdapter) -> None:
    query = sold.find(Sale).order_by("-at", "price")
    assert [query.raw().cursor(d) for d in query.raw()] == [query.cursor(d) for d in query]
    assert query.raw().page(9).next == query.page(9).next


OTHERS: Final[dict[str, Callable[[BaseStorageAdapter], Query[Any]]]] = {
    "another direction": lambda db: db.find(Sale).order_by("at"),
    "another field": lambda db: db.find(Sale).order_by("-price"),
    "one more field": lambda db: db.find(Sale).order_by("-at", "shop"),
    "no order": lambda db: db.find(Sale),
    "another key": lambda db: db.find(ByText),
    "another collection": lambda db: db.find("loose").order_by("-at"),
    "the same without types": lambda db: db.find("sales").order_by("-at"),
}


@pytest.mark.parametrize("other", OTHERS.values(), ids=OTHERS)
def test_a_cursor_of_another_query_is_refused(
    sold: BaseStorageAdapter, other: Callable[[BaseStorageAdapter], Query[Any]]
) -> None:
    cursor = sold.find(Sale).order_by("-at").page(5).next
    with pytest.raises(InvalidQuery, match="this cursor is of another query"):
        other(sold).after(cursor)


def test_conditions_may_change_from_page_to_page(sold: BaseStorageAdapter) -> None:
    cursor = sold.find(Sale, shop="a").order_by("-at").page(3).next
    rest = sold.find(Sale).order_by("-at").after(cursor)
    assert keys(sold.find(Sale, shop="b").order_by("-at").after(cursor)) == [
        sale.id for sale in rest if sale.shop == "b"
    ]


def test_a_damaged_cursor_is_refused(sold: BaseStorageAdapter, rng: random.Random) -> None:
    query = sold.find(Sale).order_by("-price", "at")
    cursor = query.page(5).next
    assert cursor is not None
    damaged: list[Any] = ["", "x", "a b", "ä", cursor + "A", cursor + "=", cursor[:-1], b"x", 5]
    for _ in range(50):
        place = rng.randrange(len(cursor))
        other = rng.choice([c for c in string.ascii_letters if c != cursor[place]])
        damaged.append(cursor[:place] + other + cursor[place + 1 :])
    for one in damaged:
        with pytest.raises(InvalidQuery) as caught:
            query.after(one)
        assert caught.value.collection == "sales"
        assert caught.value.engine == sold.scheme


@pytest.mark.parametrize(
    "values",
    [["x", 1], [{"$date": 5}, "k"], [None, None], [1], [], {}, [[[]], {"a": 1}], [1, 1, 1]],
)
def test_a_forged_cursor_reads_nothing_that_a_query_could_not(
    sold: BaseStorageAdapter, values: Any
) -> None:
    """A cursor is no secret: a forged one is a position like any other, or it is refused."""
    query = sold.find(Sale).order_by("count")
    genuine = query.page(1).next
    assert genuine is not None
    raw = base64.urlsafe_b64decode(genuine + "=" * (-len(genuine) % 4))
    payload = json.dumps(values).encode()
    check = crc32(raw[:6] + payload).to_bytes(4, "big")
    forged = base64.urlsafe_b64encode(raw[:6] + check + payload).decode().rstrip("=")
    if not isinstance(values, list) or len(values) != 2:
        with pytest.raises(InvalidQuery):
            query.after(forged)
        return
    found = query.after(forged).list()
    assert found == sorted(found, key=lambda s: (s.count is not None, s.count or 0, s.id))


def test_what_comes_after_a_cursor_or_a_slice_is_refused(sold: BaseStorageAdapter) -> None:
    query = sold.find(Sale).order_by("-at")
    cursor = query.page(5).next
    with pytest.raises(InvalidQuery, match="call order_by first"):
        query.after(cursor).order_by("at")
    with pytest.raises(InvalidQuery, match="after after a slice"):
        query[:5].after(cursor)
    with pytest.raises(InvalidQuery, match="page after a slice"):
        query[:5].page(2)
    for wrong in (0, -1, 2.5, True):
        with pytest.raises(InvalidQuery):
            query.page(wrong)  # type: ignore[arg-type]
        with pytest.raises(InvalidQuery):
            query.batches(wrong)  # type: ignore[arg-type]
    with pytest.raises(InvalidQuery, match="takes a document of Sale, not dict"):
        query.cursor({"id": 1})
    with pytest.raises(InvalidQuery, match="takes a document of Sale, not ByText"):
        query.cursor(ByText(shop="x"))


def test_a_query_after_a_cursor_says_so(sold: BaseStorageAdapter) -> None:
    query = sold.find(Sale).order_by("-at")
    assert "after a cursor" in repr(query.after(query.page(5).next))
    assert "at < ?" in str(query.after(query.page(5).next).explain())


def test_records_that_do_not_fit_do_not_stop_the_pages(db: BaseStorageAdapter) -> None:
    db.insert_many("sales", [{"id": n, "shop": 5 if n % 3 == 0 else "a"} for n in range(30)])
    for page in pages(db.find(Sale).on_invalid("skip"), 3):
        assert len(page) == 2  # one of three is left out, and the pages go on behind it
    assert sum(len(b) for b in db.find(Sale).on_invalid("skip").batches(3)) == 20
    with pytest.raises(InvalidRecord):
        db.find(Sale).page(3)


def test_the_last_page_says_that_it_is_the_last(db: BaseStorageAdapter) -> None:
    empty = db.find(Sale).page(5)
    assert (list(empty), empty.next, len(empty), bool(empty)) == ([], None, 0, False)
    db.insert_many([Sale(id=n) for n in range(10)])
    first = db.find(Sale).page(5)
    assert first.next is not None
    second = db.find(Sale).page(5, after=first.next)
    assert (keys(second), second.next) == ([5, 6, 7, 8, 9], None)


def test_a_position_without_an_index_is_a_scan(full: BaseStorageAdapter, seed: int) -> None:
    full.insert_many(sales(60, seed))
    query = full.options(allow_scan=False).find(Sale)
    with pytest.raises(ScanRefused):
        query.order_by("weight").page(5)
    assert len(query.where(shop="a").order_by("-at").page(5)) == 5
