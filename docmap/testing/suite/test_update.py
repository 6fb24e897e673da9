"""Updates on a query: every operator, on what matches and on nothing else, whole or not at all."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final

import pytest

from docmap import BaseStorageAdapter, Change, Document, Push, StaleDocument, UpdateTypeError, path
from docmap.testing.answers import exact
from docmap.testing.models import Account, Address, Item, Order
from docmap.testing.reference import ReferenceStorage

_CHANGES: Final[dict[str, Callable[[], Change]]] = {
    "set text": lambda: path("status").set("päid"),
    "set null": lambda: path("note").set(None),
    "set Decimal": lambda: path("total").set(Decimal("1.10")),
    "set nested": lambda: path("address", "city").set("x"),
    "set model": lambda: path("address").set(Address(city="y", zip_code=2**53 + 1)),
    "set in dict": lambda: path("address", "geo", "a.b").set(0.1),
    "set list": lambda: path("tags").set(["%", "_"]),
    "unset": lambda: path("note").unset(),
    "inc int": lambda: path("lines").inc(2),
    "inc float": lambda: path("amount").inc(0.1),
    "inc Decimal": lambda: path("total").inc(Decimal("0.1")),
    "mul": lambda: path("total").mul(3),
    "min": lambda: path("lines").min(3),
    "max": lambda: path("lines").max(3),
    "max text": lambda: path("status").max("n"),
    "push": lambda: path("tags").push("z"),
    "push first": lambda: path("tags").push("y", "z", position=0),
    "push and keep": lambda: path("tags").push("y", "z", keep=-2),
    "push model": lambda: path("items").push(Item(sku="n", qty=3)),
    "add to set": lambda: path("tags").add_to_set("a", "new"),
    "pull": lambda: path("tags").pull("a"),
    "pop first": lambda: path("tags").pop("first"),
    "pop last": lambda: path("tags").pop("last"),
    "rename": lambda: path("status").rename(path("note")),
    "inside a list": lambda: path("items", 0, "qty").inc(1),
}


def _orders() -> list[Order]:
    return [
        Order(
            id=f"{n:02}",
            number=f"A-{n}",
            status=["new", "paid"][n % 2],
            total=Decimal(n) / 10,
            amount=n / 3,
            lines=None if n % 5 == 4 else n,
            paid=[None, True, False][n % 3],
            address=None if n % 4 == 0 else Address(city="a", geo={"k": 1.0}),
            tags=[["a", "b", "a"], [], ["c"]][n % 3],
            items=[Item(sku="s", qty=n)],
            note=[None, "x", "é"][n % 3],
        )
        for n in range(12)
    ]


def _state(storage: BaseStorageAdapter, model: Any) -> dict[str, Any]:
    return {row["id"]: exact(row) for row in storage.find(model).raw()}


@pytest.mark.parametrize("change", _CHANGES)
def test_operator(db: BaseStorageAdapter, oracle: ReferenceStorage, change: str) -> None:
    """All, some natively found, some found by what no engine has, and none."""
    for conditions in ({}, {"lines__gte": 3}, {"status__iexact": "PAID"}, {"number": "none"}):
        for storage in (db, oracle):
            storage.clear()
            storage.insert_many(_orders())
        made = _CHANGES[change]()
        done, wanted = (storage.find(Order, **conditions).update(made) for storage in (db, oracle))
        assert done == wanted
        assert _state(db, Order) == _state(oracle, Order)


def test_several_changes_at_once(db: BaseStorageAdapter) -> None:
    db.insert_many(_orders())
    done = db.find(Order, status="paid").update(
        status="sent", lines__inc=5, tags__push=Push(["t"], keep=2), address__city="z"
    )
    assert done == (6, 6)
    found = {one.id: one for one in db.find(Order)}
    for before in _orders():
        after = found[before.id]
        if before.status == "new":
            assert after == before
            continue
        assert (after.status, after.lines) == ("sent", (before.lines or 0) + 5)
        assert after.address is not None
        assert after.address.city == "z"
        assert after.tags == [*before.tags, "t"][:2]


def test_every_matched_document_gets_a_new_revision(db: BaseStorageAdapter) -> None:
    db.insert_many(_orders())
    before = {one.id: one for one in db.find(Order)}
    assert db.find(Order, status="paid").update(status="paid") == (6, 6)
    for one in before.values():
        one.note = "late"
        if one.status == "paid":
            with pytest.raises(StaleDocument):
                one.save()
        else:
            one.save()
    assert db.find(Order, note="late").count() == 6


def test_what_is_updated_is_found_by_its_new_values(db: BaseStorageAdapter) -> None:
    db.insert_many([Account(id=f"{n:02}", email=f"{n}@x", visits=n) for n in range(20)])
    assert db.find(Account, visits__lt=10).update(visits__inc=100) == (10, 10)
    assert db.find(Account, visits__lt=10).count() == 0
    assert db.find(Account, visits__between=(100, 109)).count() == 10
    assert [one.visits for one in db.find(Account).order_by("-visits")[:3]] == [109, 108, 107]


def test_an_update_of_what_it_is_found_by_ends(db: BaseStorageAdapter) -> None:
    class Step(Document, collection="steps", indexes=["n"]):
        n: int

    db.insert_many([Step(id=f"{n:03}", n=n) for n in range(100)])
    assert db.find(Step, n__gte=0).update(n__inc=50) == (100, 100)
    assert sorted(one.n for one in db.find(Step)) == list(range(50, 150))


def test_a_type_that_does_not_fit_is_named(db: BaseStorageAdapter) -> None:
    rows: list[dict[str, Any]] = [
        {"id": "a", "n": 1},
        {"id": "b", "n": "text"},
        {"id": "c", "n": 3},
    ]
    db.insert_many("rows", rows)
    with pytest.raises(UpdateTypeError) as caught:
        db.find("rows").update(path("n").inc(1))
    assert caught.value.key == "b"
    undone = "transactions" in db.abilities
    assert caught.value.done == (0 if undone else 1)
    wanted = [1 if undone else 2, "text", 3]
    assert [row["n"] for row in db.find("rows").order_by("id")] == wanted


def test_an_update_does_not_make_documents(db: BaseStorageAdapter) -> None:
    assert db.find(Order, number="x").update(status="y") == (0, 0)
    assert db.find(Order).count() == 0


def test_no_zero_that_is_set_has_a_sign(db: BaseStorageAdapter) -> None:
    db.insert(
        Order(id="a", number="1", total=Decimal("2.50"), items=[Item(sku="s", price=Decimal(1))])
    )
    zero = Decimal("-0.00")
    db.find(Order).update(path("total").set(zero), path("items", 0, "price").set(zero))
    stored = db.get(Order, "a")
    assert exact([stored.total, stored.items[0].price]) == exact([Decimal("0.00")] * 2)
    db.find(Order).update(path("total").set(Decimal(1)))
    db.find(Order).update(path("total").min(zero), path("amount").set(-0.0))
    stored = db.get(Order, "a")
    assert exact([stored.total, stored.amount]) == exact([Decimal("0.00"), 0.0])
