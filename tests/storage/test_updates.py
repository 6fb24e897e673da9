"""Updates on a query, on every storage: what is written, what is refused, and when."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any

import pytest
from pydantic import BaseModel, Field

from docmap import (
    BaseStorageAdapter,
    Document,
    DuplicateKey,
    Indexed,
    InvalidQuery,
    InvalidValue,
    ObjectId,
    Push,
    Q,
    StaleDocument,
    Updated,
    UpdateTypeError,
    before,
)
from tests.storage.engines import undone


class Customer(BaseModel):
    name: str
    country: str = "DE"


class Item(BaseModel):
    sku: str
    qty: Annotated[int, Field(ge=0)] = 1


class Order(Document, collection="orders"):
    number: Annotated[str, Indexed(unique=True)]
    customer: Customer | None = None
    status: str = "new"
    total: Decimal = Decimal("1.10")
    count: int = 0
    tags: list[str] = Field(default=[])
    labels: set[str] = Field(default=set())
    items: list[Item] = Field(default=[])
    box: dict[str, int] = Field(default={})
    note: str | None = None
    thing: Any = None


@pytest.fixture
def orders(db: BaseStorageAdapter) -> BaseStorageAdapter:
    """A storage with three orders."""
    db.insert_many(
        [
            Order(id="a", number="1", customer=Customer(name="Ann"), items=[Item(sku="x", qty=3)]),
            Order(id="b", number="2", customer=Customer(name="Bob"), count=5, tags=["t"]),
            Order(id="c", number="3", status="old", note="n", box={"k": 1}),
        ]
    )
    return db


def test_every_match_is_changed_and_counted(orders: BaseStorageAdapter) -> None:
    done = orders.find(Order, status="new").update(status="sent", total__inc=Decimal("0.90"))
    assert done == Updated(2, 2)
    assert (done.matched, done.modified) == (2, 2)
    found = [(o.id, o.status, o.total) for o in orders.find(Order).order_by("id")]
    assert found == [
        ("a", "sent", Decimal("2.00")),
        ("b", "sent", Decimal("2.00")),
        ("c", "old", Decimal("1.10")),
    ]


def test_a_revision_rises_though_nothing_differs(orders: BaseStorageAdapter) -> None:
    loaded = orders.get(Order, "a")
    assert orders.find(Order, id="a").update(status="new") == Updated(1, 1)
    loaded.status = "late"
    with pytest.raises(StaleDocument):
        orders.save(loaded)


def test_nothing_matches(orders: BaseStorageAdapter) -> None:
    assert orders.find(Order, status="none").update(count__inc=1) == Updated(0, 0)
    assert orders.find(Order, id__in=[]).update(count__inc=1) == Updated(0, 0)


def test_a_residual_condition_chooses_too(orders: BaseStorageAdapter) -> None:
    query = orders.find(Order).where(customer__name__matches_caseless="^bo")
    assert query.update(count__mul=3) == Updated(1, 1)
    assert orders.get(Order, "b").count == 15


def test_nested_places_elements_and_keys(orders: BaseStorageAdapter) -> None:
    query = orders.find(Order, id="a")
    query.update(customer__country="FR", items__0__qty__inc=2, box__new=7, thing__deep__er=[1])
    found = orders.get(Order, "a")
    assert found.customer == Customer(name="Ann", country="FR")
    assert found.items == [Item(sku="x", qty=5)]
    assert found.box == {"new": 7}
    assert found.thing == {"deep": {"er": [1]}}


def test_lists_and_sets(orders: BaseStorageAdapter) -> None:
    query = orders.find(Order, id="b")
    query.update(tags__push_all=["u", "v"], labels__add_to_set_all=["z", "y", "z"])
    query.update(tags__push=Push(["s"], position=0, keep=3), items__push={"sku": "q", "qty": 0})
    found = orders.get(Order, "b")
    assert (found.tags, found.labels) == (["s", "t", "u"], {"y", "z"})
    assert found.items == [Item(sku="q", qty=0)]
    query.update(tags__pull="t", labels__pull_all=["y", "w"], items__pull=Q(qty__lt=1))
    found = orders.get(Order, "b")
    assert (found.tags, found.labels, found.items) == (["s", "u"], {"z"}, [])
    query.update(tags__pop="first")
    assert orders.get(Order, "b").tags == ["u"]


def test_unset_stores_the_default_and_rename_moves(orders: BaseStorageAdapter) -> None:
    query = orders.find(Order, id="c")
    query.update(status__unset=True, box__k__unset=True, note__unset=True)
    found = orders.get(Order, "c")
    assert (found.status, found.box, found.note) == ("new", {}, None)
    query.update(note="moved")
    query.update(note__rename="thing")
    found = orders.get(Order, "c")
    assert (found.note, found.thing) == (None, "moved")


BEFORE_ANYTHING: dict[str, tuple[dict[str, Any], str]] = {
    "no such field": ({"statsu": "x"}, "did you mean 'status'"),
    "no such operator": ({"count__increase": 1}, "no operator 'increase'"),
    "a lookup": ({"count__gte": 1}, "no operator 'gte'"),
    "an operator of numbers on text": ({"status__inc": 1}, "works on numbers"),
    "push on a set": ({"labels__push": "x"}, "use add_to_set"),
    "pop of a set": ({"labels__pop": "last"}, "has no order"),
    "push on text": ({"status__push": "x"}, "works on lists"),
    "the key": ({"id": "x"}, "does not change"),
    "the key by its other name": ({"pk": "x"}, "does not change"),
    "the same place twice": ({"count": 1, "count__inc": 1}, "changed twice"),
    "a place and what holds it": ({"customer__name": "x", "customer": None}, "changed twice"),
    "unset of a required field": ({"number__unset": True}, "is required"),
    "unset of a nested required field": ({"customer__name__unset": True}, "is required"),
    "unset of an element": ({"tags__0__unset": True}, "is an element of a list"),
    "rename of an element": ({"tags__0__rename": "note"}, "is an element of a list"),
    "rename to another type": ({"note__rename": "count"}, "set it instead"),
    "an element of a set": ({"labels__0": "x"}, "of a set"),
    "order of what has none": ({"box__min": {}}, "has no order"),
    "nothing": ({}, "at least one change"),
    "unset with another operand": ({"note__unset": False}, "takes True"),
}


@pytest.mark.parametrize("name", BEFORE_ANYTHING)
def test_what_has_no_meaning_is_refused_before_anything_is_read(
    orders: BaseStorageAdapter, name: str
) -> None:
    changes, message = BEFORE_ANYTHING[name]
    query: Any = orders.find(Order, status="nobody's")  # nothing would match
    with pytest.raises(InvalidQuery, match=message) as caught:
        query.update(**changes)
    assert (caught.value.engine, caught.value.collection) == (orders.scheme, "orders")


WRONG_OPERANDS: dict[str, dict[str, Any]] = {
    "another type": {"count": "many"},
    "a fraction for an int": {"count__inc": 1.5},
    "beyond the range": {"count": 2**63},
    "None where none is taken": {"status": None},
    "an element of another type": {"tags__push": 5},
    "an element that breaks a limit": {"items__push": {"sku": "x", "qty": -1}},
    "a value that breaks a limit": {"items__0__qty": -1},
    "one text for many elements": {"tags__push_all": "abc"},
    "a negative position": {"tags__push": Push(["x"], position=-1)},
    "text that no engine keeps": {"status": "a\0b"},
    "text inside that no engine keeps": {"tags": ["a\0b"]},
    "a model that lacks a field": {"customer": {"country": "DE"}},
    "another end": {"tags__pop": 1},
    "a bool for a number": {"count__inc": True},
    "None for an order": {"count__max": None},
}


@pytest.mark.parametrize("name", WRONG_OPERANDS)
def test_a_wrong_operand_is_refused_before_anything_is_read(
    orders: BaseStorageAdapter, name: str
) -> None:
    query: Any = orders.find(Order, status="nobody's")
    with pytest.raises(InvalidValue, match="nothing was written"):
        query.update(**WRONG_OPERANDS[name])


def test_a_slice_is_refused(orders: BaseStorageAdapter) -> None:
    with pytest.raises(InvalidQuery, match="update after a slice"):
        orders.find(Order)[:2].update(count=1)
    with pytest.raises(InvalidQuery, match="find_one_and_update after a slice"):
        orders.find(Order).limit(1).find_one_and_update(count=1)


FAILING: dict[str, tuple[Any, type[Exception], str]] = {
    "an object that would lack a field": ({"customer__country": "FR"}, InvalidValue, "c"),
    "an element out of range": ({"items__0__qty__inc": 1}, UpdateTypeError, "b"),
    "beyond 64 bits": ({"count__inc": 2**63 - 5}, InvalidValue, "b"),
    "too many digits": ({"total__inc": Decimal("1E+40")}, InvalidValue, "a"),
    "a value that is taken": ({"number": "2"}, DuplicateKey, "a"),
    "what the class refuses": ({"items__0__qty__inc": -9}, InvalidValue, "a"),
}


@pytest.mark.parametrize("name", FAILING)
def test_the_first_that_fails_stops_it(orders: BaseStorageAdapter, name: str) -> None:
    changes, error, key = FAILING[name]
    before = list(orders.find(Order).order_by("id"))
    with pytest.raises(error) as caught:
        orders.find(Order).update(**changes)
    failure: Any = caught.value
    after = list(orders.find(Order).order_by("id"))
    first = next(i for i, order in enumerate(before) if order.id == key)
    assert failure.key == key
    if "transactions" in orders.abilities:
        assert (failure.done, after) == (0, before)
    else:
        assert failure.done == first
        assert after[first:] == before[first:]
        assert all(one != two for one, two in zip(after[:first], before[:first], strict=True))


def test_find_one_and_update(orders: BaseStorageAdapter) -> None:
    queue = orders.find(Order, status="new").order_by("-number")
    assert queue.find_one_and_update(status="taken", count__inc=1) == Order(
        id="b", number="2", customer=Customer(name="Bob"), count=6, tags=["t"], status="taken"
    )
    before = queue.find_one_and_update(status="taken", return_new=False)
    assert before is not None
    assert (before.id, before.status) == ("a", "new")
    assert queue.find_one_and_update(status="taken") is None
    assert [order.status for order in orders.find(Order).order_by("id")] == [
        "taken",
        "taken",
        "old",
    ]
    with pytest.raises(StaleDocument):
        orders.save(before)


def test_the_document_of_find_one_and_update_can_be_saved(orders: BaseStorageAdapter) -> None:
    found = orders.find(Order).find_one_and_update(note="first")
    assert found is not None
    assert found.id == "a"
    found.note = "second"
    orders.save(found)
    assert orders.get(Order, "a").note == "second"
    row = orders.find(Order, id="b").raw().find_one_and_update(note="raw")
    assert row is not None
    assert row["note"] == "raw"


def test_a_transaction_takes_an_update_back(full: BaseStorageAdapter) -> None:
    full.insert(Order(id="a", number="1", tags=["t"]))
    with undone(full):
        full.find(Order).update(count__inc=1, tags__push="u")
        assert full.find(Order, count=1, tags__contains="u").count() == 1
    assert full.find(Order, count=0, tags=["t"]).count() == 1


def test_an_untyped_collection(db: BaseStorageAdapter) -> None:
    db.insert_many("loose", [{"id": "a", "n": 1, "l": [1, "x"]}, {"id": "b", "n": Decimal("1.5")}])
    db.find("loose").update(n__inc=1, new__deep=[{"$date": 1}])
    db.find("loose", id="a").update(l__pull=1, n__max=50, new__rename="old")
    assert db.get("loose", "a") == {"id": "a", "n": 50, "l": ["x"], "old": {"deep": [{"$date": 1}]}}
    assert db.get("loose", "b") == {"id": "b", "n": Decimal("2.5"), "new": {"deep": [{"$date": 1}]}}
    db.insert_many("loose", [{"id": "c", "n": 0.5}])
    with pytest.raises(UpdateTypeError, match="n holds a float, which inc does not take"):
        db.find("loose").update(n__inc=Decimal(1))


class Mixed(Document, collection="mixed"):
    thing: Any = None
    moment: datetime | None = None
    pair: tuple[str, str] | None = None
    customers: dict[str, dict[str, Any]] | None = None


@pytest.mark.parametrize(
    ("thing", "target"),
    [
        (timedelta(days=1), "moment"),
        (86400, "moment"),
        ({"a": ObjectId("5" * 24)}, "pair"),
        ({"a": timedelta(1)}, "customers"),
    ],
)
def test_a_renamed_value_of_another_type_is_refused(
    db: BaseStorageAdapter, thing: Any, target: str
) -> None:
    Mixed(thing=thing).save(db)
    with pytest.raises((InvalidValue, UpdateTypeError), match=target):
        db.find(Mixed).update(Mixed.thing.rename(getattr(Mixed, target)))
    assert db.find(Mixed).get().thing == thing


class Watched(Document, collection="watched"):
    id: int
    rank: int = 0
    twice: int = 0

    @before("update")
    def count(self) -> None:
        if self.rank > 50:
            raise ValueError("too much")
        self.twice = self.rank * 2


def test_hooks_get_the_documents(full: BaseStorageAdapter) -> None:
    full.insert_many([Watched(id=n, rank=n) for n in range(3)])
    called: list[int] = []
    full.after("update", Watched)(lambda document: called.append(document.id))
    assert full.find(Watched, rank__gte=1).update(rank__inc=10) == Updated(2, 2)
    found = [(one.id, one.rank, one.twice) for one in full.find(Watched).order_by("id")]
    assert found == [(0, 0, 0), (1, 11, 22), (2, 12, 24)]
    assert called == [1, 2]
    with pytest.raises(ValueError, match="too much"):
        full.find(Watched).update(rank__mul=5)
    assert [one.rank for one in full.find(Watched).order_by("id")] == [0, 11, 12]
    assert called == [1, 2]
    first = full.find(Watched).find_one_and_update(rank__inc=1)
    assert first is not None
    assert (first.rank, first.twice) == (1, 2)


def test_the_plan_says_how_an_update_runs(orders: BaseStorageAdapter) -> None:
    query = orders.find(Order, status="new")
    plan = query.explain_update(count__inc=1, tags__push="x")
    assert plan.data["update"] == "inc count, push tags"
    assert plan.data["update_native"] is (not plan.data["update_why"])
    assert "inc count, push tags" in str(plan)
    assert query.count() == 2
    assert orders.get(Order, "a").count == 0
    watched = orders.find(Watched).explain_update(rank=1)
    assert (watched.data["update_native"], "hooks" in str(watched)) == (False, True)
