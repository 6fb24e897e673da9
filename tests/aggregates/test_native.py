"""What engines aggregate by themselves, and that `explain` tells."""

from __future__ import annotations

from typing import Any

import pytest

from docmap import (
    Avg,
    BaseStorageAdapter,
    Collect,
    Count,
    Document,
    First,
    Index,
    Max,
    Min,
    Sum,
    connect,
    path,
)
from docmap.plan.engine import NativeAggregate
from docmap.schema.schema import Schema
from tests.aggregates.shop import OtherProgram, Sale, stored

NATIVE: list[tuple[tuple[Any, ...], dict[str, Any]]] = [
    ((), {"n": Count()}),
    ((), {"n": Count("status"), "m": Count("status", distinct=True)}),
    (("status",), {"n": Sum("whole"), "a": Avg("whole")}),
    (("status", "flag"), {"n": Min("at"), "m": Max("total")}),
    (("at__month",), {"n": Sum("total"), "a": Avg("ratio"), "b": Sum("big"), "s": Sum("span")}),
    (("ratio",), {"n": First("status"), "m": Collect("total")}),
    (("customer.country",), {"n": Count("id")}),
]
NOT_NATIVE: list[tuple[tuple[Any, ...], dict[str, Any]]] = [
    ((), {"n": Sum("anything")}),
    ((), {"n": Sum(path("lines").each()["qty"])}),
    ((path("tags").each(),), {"n": Count()}),
]


def _explained(query: Any, keys: tuple[Any, ...], functions: dict[str, Any]) -> Any:
    return query.group_by(*keys).aggregate(**functions).explain()


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Whether each aggregate that an engine was asked for came natively."""
    from docmap_backends.sqlite import SQLiteStorage

    told: list[bool] = []
    native = SQLiteStorage._aggregate

    def spy(self: SQLiteStorage, schema: Schema, wanted: NativeAggregate) -> Any:
        found = native(self, schema, wanted)
        told.append(found is not None)
        return found

    monkeypatch.setattr(SQLiteStorage, "_aggregate", spy)
    return told


@pytest.mark.parametrize(("keys", "functions"), NATIVE)
def test_sqlite_runs_them_and_explain_says_so(
    asked: list[bool], keys: tuple[Any, ...], functions: dict[str, Any]
) -> None:
    with connect("sqlite://") as db:
        query = stored(db, "status", "a", "b", None)
        explanation = _explained(query, keys, functions)
        assert explanation.data["aggregate_native"]
        assert "(by the engine)" in str(explanation)
        assert "doc, CAST" not in explanation.data["statement"]
        query.group_by(*keys).aggregate(**functions).list()
    assert asked == [True]


@pytest.mark.parametrize(("keys", "functions"), NOT_NATIVE)
def test_what_sqlite_cannot_tell_is_made_of_its_records(
    asked: list[bool], keys: tuple[Any, ...], functions: dict[str, Any]
) -> None:
    with connect("sqlite://") as db:
        query = stored(db, "status", "a", "b", None)
        explanation = _explained(query, keys, functions)
        assert not explanation.data["aggregate_native"]
        assert "(by docmap, from its records)" in str(explanation)
        query.group_by(*keys).aggregate(**functions).list()
    assert asked == [False]


def test_sqlite_does_not_trust_what_another_program_wrote(asked: list[bool]) -> None:
    with connect("sqlite://") as db:
        query = stored(db, "whole", 1, 2)
        assert query.aggregate(n=Sum("whole")) == (3,)
        OtherProgram.model_validate({"id": "x", "whole": "5"}).save(db)
        assert query.aggregate(n=Sum("whole")) == (3,)
    assert asked == [True, False]


def test_groups_of_an_indexed_field_are_counted_in_the_order_of_the_index() -> None:
    class Indexed(Document, indexes=[Index("status", "whole")]):
        status: str
        whole: int

    with connect("sqlite://") as db:
        db.insert_many(Indexed, [{"status": "a", "whole": number} for number in range(5)])
        explanation = db.find(Indexed).group_by("status").aggregate(n=Count()).explain()
        assert explanation.indexes == ("(status, whole)",)
        assert "USING INDEX" in explanation.data["detail"][0]
        assert "GROUP BY" in explanation.data["statement"]


def test_explain_names_keys_and_functions(db: BaseStorageAdapter) -> None:
    groups = stored(db, "status", "a").group_by("at__year", "status")
    groups = groups.aggregate(n=Count("id", distinct=True), s=Sum("total"))
    data = groups.explain().data
    wanted = "by at year, status: n = count(distinct id), s = sum(the total)"
    assert data["aggregate"] == wanted
    assert data["aggregate_native"] is (db.scheme != "bare")
    assert db.find(Sale).explain().data["aggregate"] == ""


def test_a_slice_or_a_residual_is_aggregated_from_records(full: BaseStorageAdapter) -> None:
    query = stored(full, "status", "a", "b")
    assert not query[:1].group_by("status").explain().data["aggregate_native"]
    assert query[:1].group_by("status").explain().data["limit"] == 1


def test_a_collection_that_does_not_exist_is_empty(db: BaseStorageAdapter) -> None:
    class Nothing(Document):
        status: str

    query = db.find(Nothing)
    assert query.aggregate(n=Count(), m=Max("status")) == (0, None)
    assert list(query.group_by("status")) == []
    assert query.group_by("status").explain().data["documents"] == 0


def test_sums_of_many_documents_stay_exact_on_sqlite() -> None:
    with connect("sqlite://") as db:
        values = [2**63 - 1, -(2**63), 2**62, -1, 3, 2**32, -(2**32)] * 300
        db.insert_many(Sale, [{"whole": value} for value in values])
        row = db.find(Sale).aggregate(s=Sum("whole"), a=Avg("whole"))
        assert row == (sum(values), sum(values) / len(values))


def test_a_stream_of_many_rows_from_a_file(tmp_path: Any) -> None:
    with connect(f"sqlite:///{tmp_path / 'many.db'}") as db:
        db.insert_many(Sale, [{"status": f"s{number % 7}", "ratio": 0.1} for number in range(9000)])
        rows = db.find(Sale).group_by("status").aggregate(n=Count(), s=Sum("ratio")).list()
        assert sum(row.n for row in rows) == 9000
        assert abs(sum(row.s for row in rows) - 900) < 1e-9
