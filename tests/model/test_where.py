"""Schema filters: a class that declares what its records satisfy sees no others."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from pydantic import BaseModel

from docmap import (
    BaseStorageAdapter,
    Document,
    DocumentNotFound,
    DuplicateKey,
    Index,
    InvalidModel,
    InvalidValue,
    Q,
    StaleDocument,
)


class Order(Document, collection="orders", indexes=[Index("status", "total")]):
    status: str = "new"
    total: Decimal = Decimal(1)
    note: str = ""


class Paid(Document, collection="orders", where=Q(status="paid")):
    status: str = "paid"
    total: Decimal = Decimal(2)


class Large(Paid, collection="orders", where=Q(total__gte=100)):
    """Paid, too: what it inherits holds."""

    total: Decimal = Decimal(100)


@pytest.fixture
def keys(db: BaseStorageAdapter) -> dict[str, str]:
    """The keys of a new order, a paid one and a large one, which is paid."""
    found = {
        "new": Order(id="1", note="n").save(db),
        "paid": Order(id="2", status="paid", note="p").save(db),
        "large": Order(id="3", status="paid", total=Decimal(200)).save(db),
    }
    Order(id="4", status="new", total=Decimal(300)).save(db)
    return found


def test_reads_are_narrowed(db: BaseStorageAdapter, keys: dict[str, str]) -> None:
    assert sorted(paid.id for paid in db.find(Paid)) == ["2", "3"]
    assert [large.id for large in db.find(Large)] == ["3"]
    assert (db.find(Paid).count(), db.find(Large).count(), db.find(Order).count()) == (2, 1, 4)
    assert db.find(Paid).where_not(total__gte=100).one().id == "2"
    assert db.find(Paid, status="new").first() is None
    assert db.find(Paid).values("total") == [Decimal(1), Decimal(200)]
    assert [paid.id for paid in db.get_many(Paid, "4321")] == ["3", "2"]
    assert len(db.collection(Paid)) == 2
    assert keys["new"] not in db.collection(Paid)
    assert not db.find(Paid, id="1").exists()
    assert db.get(Paid, keys["paid"]).id == "2"
    with pytest.raises(DocumentNotFound):
        db.get(Paid, keys["new"])


def test_the_filter_is_native_and_uses_an_index(full: BaseStorageAdapter) -> None:
    Order().save(full)
    Paid().save(full)
    data = full.find(Paid).explain().data
    assert not data["residual"]
    assert full.find(Paid).options(allow_scan=False).count() == 1


def test_saving_what_the_class_would_not_see_is_refused(db: BaseStorageAdapter) -> None:
    paid = Paid()
    paid.save(db)
    paid.status = "new"
    text = "Paid has only records for which status == 'paid', and this is none"
    writes: list[Any] = [
        paid.save,
        lambda: db.insert(Paid(status="new")),
        lambda: db.upsert(Paid(status="new")),
        lambda: db.save(Paid, {"status": "new"}),
        lambda: db.insert_many([Paid(), Paid(status="new")]),
        lambda: db.save_many([paid]),
        lambda: db.get_or_create(Paid, status="other"),
    ]
    for write in writes:
        with pytest.raises(InvalidValue, match=text) as caught:
            write()
        assert (caught.value.collection, caught.value.fields) == ("orders", ("status",))
    assert {order.status for order in db.find(Order)} == {"paid"}
    with pytest.raises(InvalidValue, match="status == 'paid' and total >= Dec"):
        Large(total=Decimal(5)).save(db)


def test_updates_of_a_query_see_the_same(db: BaseStorageAdapter, keys: dict[str, str]) -> None:
    assert db.find(Paid).update(total__inc=5).matched == 2
    assert [o.total for o in db.find(Order).order_by("id")] == [1, 6, 205, 300]
    with pytest.raises(InvalidValue, match="status == 'paid'"):
        db.find(Paid).update(status="new")
    assert db.find(Paid).count() == 2
    with pytest.raises(InvalidValue, match="total >= Dec"):
        db.find(Large).update(total__mul=Decimal("0.1"))
    assert db.find(Large).count() == 1
    assert db.find(Order).update(status="paid").matched == 4
    assert db.find(Large).count() == 2


def test_deletes_see_the_same(db: BaseStorageAdapter, keys: dict[str, str]) -> None:
    assert db.delete(Paid, keys["new"]) is False
    assert db.find(Large).delete() == 1
    assert db.delete(Paid, keys["paid"]) is True
    assert db.find(Paid).delete() == 0
    assert sorted(order.id for order in db.find(Order)) == ["1", "4"]
    assert db.collection(Paid).clear() == 0
    assert db.find(Order).count() == 2


def test_a_record_that_left_is_gone_for_the_class(db: BaseStorageAdapter) -> None:
    Order(id="2", status="paid").save(db)
    paid, order = db.get(Paid, "2"), db.get(Order, "2")
    order.status = "new"
    order.save()
    with pytest.raises(StaleDocument):
        paid.save()
    with pytest.raises(StaleDocument):
        paid.delete()
    with pytest.raises(DocumentNotFound):
        paid.reload()
    assert db.get(Order, "2").status == "new"


def test_a_record_that_is_not_seen_is_not_replaced(
    db: BaseStorageAdapter, keys: dict[str, str]
) -> None:
    writes: list[Any] = [
        lambda: db.upsert(Paid(id=keys["new"])),
        lambda: db.save(Paid, {}, primary_key=keys["new"]),
        lambda: db.insert(Paid(id=keys["new"])),
    ]
    for write in writes:
        with pytest.raises(DuplicateKey) as caught:
            write()
        assert caught.value.key == keys["new"]
    assert db.get(Order, keys["new"]).status == "new"
    db.upsert(Paid(id=keys["paid"], total=Decimal(9)))
    db.save(Paid, {"total": Decimal(10)}, primary_key=keys["large"])
    assert [o.total for o in db.find(Order).order_by("id")] == [1, 9, 10, 300]
    assert db.get(Order, keys["paid"]).note == "p"


def test_a_view_through_it_is_narrowed(db: BaseStorageAdapter, keys: dict[str, str]) -> None:
    query = db.find(Order).view(Paid)
    assert sorted(paid.id for paid in query) == ["2", "3"]
    assert query.count() == 2
    assert [paid.id for paid in query.order_by("-total")[:1]] == ["3"]

    class Total(BaseModel):
        total: Decimal

    assert [one.total for one in db.find(Large).view(Total)] == [200]


def test_a_condition_on_a_nested_place(db: BaseStorageAdapter) -> None:
    class Box(BaseModel):
        size: int

    class Boxed(Document, collection="boxes"):
        box: Box | None = None
        tags: list[str] = []  # noqa: RUF012 - pydantic copies it

    class Big(Boxed, collection="boxes", where=Q(box__size__gt=5) | Q(tags__contains="big")):
        pass

    for size in (4, 6):
        Boxed(box=Box(size=size)).save(db)
    Boxed(tags=["big"]).save(db)
    assert db.find(Big).count() == 2
    with pytest.raises(InvalidValue, match="box.size > 5 or tags contains 'big'"):
        Big(box=Box(size=1)).save(db)


def test_a_condition_of_a_base_class(db: BaseStorageAdapter) -> None:
    class Base(Document, abstract=True):
        size: int = 0

    class Big(Base, collection="sizes", where=Base.size > 5):
        pass

    Big(size=6).save(db)
    with pytest.raises(InvalidValue, match="size > 5"):
        Big(size=5).save(db)


@pytest.mark.parametrize(
    ("where", "text"),
    [
        (Q(statsu="paid"), "has no field or lookup 'statsu': did you mean 'status'"),
        (Q(status=5), "where cannot be a condition of the class: .*status"),
        (Order.status == "paid", "where names a field of Order: name the fields of"),
        ("paid", "where takes a condition on its fields, such as Q"),
        ({"status": "paid"}, "not dict"),
    ],
)
def test_what_is_no_condition_of_the_class(where: Any, text: str) -> None:
    with pytest.raises(InvalidModel, match=text):

        class Wrong(Document, collection="orders", where=where):
            status: str = "paid"
