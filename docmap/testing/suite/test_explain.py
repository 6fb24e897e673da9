"""A plan tells the truth: what is native, what an index serves, what is scanned."""

from __future__ import annotations

import pytest

from docmap import BaseStorageAdapter, Count, Document, Query, ScanRefused
from docmap.testing.cases import built_in, cases
from docmap.testing.corpus import INDEXED, fill
from docmap.testing.models import Indexes, Order
from docmap.testing.profile import BackendProfile

_BY_KEY = "(key)"


def _orders(db: BaseStorageAdapter, count: int = 20) -> None:
    db.insert_many([Order(id=f"{n:03}", number=f"A-{n}", lines=n) for n in range(count)])


def _queries(db: BaseStorageAdapter, model: type[Document]) -> list[Query[Document]]:
    every = db.find(model)
    return [
        every,
        db.find(model, whole=1),
        db.find(model, whole__gte=1),
        db.find(model, word="a"),
        db.find(model, word__iexact="a"),
        db.find(model, ratio__lt=1.5),
        db.find(model, words__contains="a"),
        db.find(model, colour="red", whole=1),
        db.find(model, thing=1),
        db.find(model, id="k01"),
        every.order_by("whole")[:3],
        every.order_by("-price"),
        every.where_not(whole=1).order_by("word", "-moment")[2:4],
    ]


def test_a_plan_names_indexes_that_exist(db: BaseStorageAdapter) -> None:
    fill(db, INDEXED)
    present = {*db.indexes(Indexes)["present"], _BY_KEY}
    for query in _queries(db, Indexes):
        assert set(query.explain().indexes) <= present


def test_without_indexes_a_plan_names_none(db: BaseStorageAdapter) -> None:
    _orders(db)
    for query in (
        db.find(Order, lines=3),
        db.find(Order, number__startswith="A"),
        db.find(Order).order_by("-lines")[:5],
        db.find("orders", lines__gte=3),
    ):
        plan = query.explain()
        assert set(plan.indexes) <= {_BY_KEY}
        assert plan.scan


def test_a_scan_is_refused_where_the_plan_says_scan(db: BaseStorageAdapter) -> None:
    fill(db, INDEXED)
    for query in _queries(db, Indexes):
        strict = query.options(allow_scan=False)
        if not query.explain().scan:
            assert strict.count() == query.count()
            continue
        with pytest.raises(ScanRefused) as caught:
            strict.list()
        assert caught.value.plan is not None


def test_the_parts_of_a_plan_fit_together(db: BaseStorageAdapter) -> None:
    fill(db, INDEXED)
    for query in _queries(db, Indexes):
        plan = query.explain()
        data = plan.data
        assert data["native"] is (data["residual"] == "")
        assert not data["slice_native"] or (data["native"] and data["order_native"])
        assert data["engine"] == db.scheme
        assert data["collection"] == "indexed"
        assert str(plan)


def test_a_plan_holds_no_operands(db: BaseStorageAdapter) -> None:
    _orders(db)
    for condition in ({"number": "s3cret-operand"}, {"note__contains": "s3cret-operand"}):
        text = str(db.find(Order, **condition).explain())
        assert "s3cret-operand" not in text
        assert "orders" in text


def test_a_plan_changes_nothing(db: BaseStorageAdapter) -> None:
    _orders(db)
    before = db.find(Order).order_by("id").list()
    db.find(Order, lines__lt=5).explain()
    db.find(Order, lines__lt=5).explain_update(status="changed")
    db.find(Order).group_by("status").aggregate(n=Count()).explain()
    assert db.find(Order).order_by("id").list() == before


@pytest.mark.parametrize("lookup", built_in())
def test_native_lookups_are_those_of_the_profile(
    db: BaseStorageAdapter, backend: BackendProfile, lookup: str
) -> None:
    """A lookup is native if the engine runs it exactly on one of the declared fields."""
    fill(db, INDEXED, foreign=False)
    plans = [db.find(Indexes, case.condition()).explain() for case in cases(lookup)[:40]]
    native = any(plan.data["native"] for plan in plans)
    assert backend.native is None or native is (lookup in backend.native)


def test_what_cannot_match_is_not_read(db: BaseStorageAdapter) -> None:
    _orders(db)
    for query in (db.find(Order, number__in=[]), db.find(Order).limit(0)):
        assert not query.explain().scan
        assert query.options(allow_scan=False).list() == []
