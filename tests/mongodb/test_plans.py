"""Indexes, updates and groups as MongoDB gets them, and its plans as docmap tells them."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from unittest.mock import patch

import pytest

from docmap import Avg, BaseStorageAdapter, Count, Document, Max, Min, Sum
from docmap.schema.bind_updates import bind_update
from docmap.schema.rewrite import Rewriter
from docmap.storage.loading import schema_of
from docmap.values import order_key
from docmap_backends import _mongodb_aggregates
from docmap_backends._mongodb_explain import reduced
from docmap_backends._mongodb_indexes import index_models, mark
from docmap_backends._mongodb_updates import native_update
from tests.mongodb.things import Thing, able

MOMENT = datetime(2024, 2, 29, 12, tzinfo=UTC)
NO_LIST: dict[str, Any] = {"$not": {"$type": "array"}}


def _models(label: str, *, partial: bool = True) -> list[dict[str, Any]]:
    schema = schema_of(Thing)
    (index,) = [one for one in schema.indexes if one.label == label]
    found = [dict(one.document) for one in index_models(schema, index, partial=partial)]
    for one in found:
        one["name"] = one["name"].replace(index.name, "ix")
        one["key"] = dict(one["key"])
        if not partial:
            one["key"] = {name.replace(index.name, "ix"): way for name, way in one["key"].items()}
    return found


def test_an_index_ends_with_the_key() -> None:
    assert _models("(status, -at)") == [
        {"name": "ix", "key": {"status": 1, "at": -1, "_id": -1}},
    ]
    assert _models("(tags)") == [{"name": "ix", "key": {"tags": 1, "_id": 1}}]


def test_a_unique_index_leaves_null_out_and_has_one_for_orders_beside_it() -> None:
    assert _models("unique (number)") == [
        {
            "name": "ix",
            "key": {"number": 1},
            "unique": True,
            "partialFilterExpression": {"number": {"$type": "string"}},
        },
        {"name": "ix_order", "key": {"number": 1, "_id": 1}},
    ]


def test_a_server_without_partial_indexes_gets_one_over_marks() -> None:
    assert _models("unique (number)", partial=False) == [
        {"name": "ix", "key": {"number": 1, "_id": 1}},
        {"name": "ix_unique", "key": {"_docmap.ix": 1}, "unique": True, "sparse": True},
    ]


def test_marks_are_alike_for_alike_values_and_no_others() -> None:
    def of(*values: Any) -> str | list[str]:
        return mark({(order_key(value),) for value in values})

    assert of(Decimal("1.1")) == of(Decimal("1.10"))
    assert of(1) == of(1.0) == of(Decimal(1))
    assert len({str(of(value)) for value in (1, "1", True, 2, "a", "A")}) == 6
    assert len(of("a", "b")) == 2


@pytest.mark.parametrize(
    ("plan", "indexes", "scan", "detail"),
    [
        (
            {"stage": "FETCH", "inputStage": {"stage": "IXSCAN", "indexName": "ix_1"}},
            ("(status)",),
            False,
            ("FETCH", "IXSCAN (status)"),
        ),
        (
            {"stage": "SORT", "inputStage": {"stage": "COLLSCAN", "direction": "backward"}},
            (),
            True,
            ("SORT", "COLLSCAN backwards"),
        ),
        ({"stage": "EXPRESS_IXSCAN", "indexName": "_id_"}, ("(key)",), False, None),
        ({"stage": "IDHACK"}, ("(key)",), False, ("IDHACK",)),
        (
            {
                "stage": "OR",
                "inputStages": [
                    {"stage": "IXSCAN", "indexName": "ix_1"},
                    {"stage": "IXSCAN", "indexName": "ix_2_order"},
                ],
            },
            ("(status)", "unique (number)"),
            False,
            None,
        ),
        (
            {
                "stage": "SHARD_MERGE",
                "shards": [
                    {"winningPlan": {"stage": "IXSCAN", "indexName": "other"}},
                    {"winningPlan": {"queryPlan": {"stage": "COLLSCAN"}}},
                ],
            },
            ("other",),
            True,
            None,
        ),
    ],
)
def test_a_plan_of_the_server_is_told_in_few_words(
    plan: Any, indexes: Any, scan: Any, detail: Any
) -> None:
    labels = {"ix_1": "(status)", "ix_2": "unique (number)"}
    found = reduced({"queryPlanner": {"winningPlan": plan}}, labels, 7, "find")
    assert (found.indexes, found.scan, found.documents) == (indexes, scan, 7)
    assert detail is None or found.detail == detail


def test_the_plan_of_a_pipeline_is_read_too() -> None:
    plan = {"winningPlan": {"stage": "IXSCAN", "indexName": "ix_1"}}
    stages = {"stages": [{"$cursor": {"queryPlanner": plan}}, {"$group": {"_id": None}}]}
    found = reduced(stages, {"ix_1": "(status)"}, 7, "")
    assert (found.indexes, found.scan) == (("(status)",), False)


def _update(storage: BaseStorageAdapter, **changes: Any) -> Any:
    schema = schema_of(Thing)
    update = bind_update((), changes, schema.names, frozenset())
    with able():
        return native_update(storage, schema, Rewriter(schema, update))


def test_updates_are_operators(things: BaseStorageAdapter) -> None:
    made = _update(things, status="x", at=MOMENT)
    assert made.operators == {
        "$inc": {"_rev": 1},
        "$set": {"status": "x", "at": MOMENT.replace(tzinfo=None)},
    }
    assert made.guards == ()
    made = _update(things, count__inc=5, tags__push="x")
    assert made.operators == {
        "$inc": {"_rev": 1, "count": 5},
        "$push": {"tags": {"$each": ["x"]}},
    }
    ends = {"$gte": -(2**63), "$lte": 2**63 - 6}
    assert made.guards == (
        {"count": {**ends, "$type": ["int", "long"], **NO_LIST}},
        {"tags": {"$type": "array"}},
    )


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"number": "x"}, "unique (number)"),
        ({"price__inc": 1}, "price is no plain int or float"),
        ({"box__k": 1}, "goes through what is no model"),
        ({"tags__pull": "x"}, "pull has no exact form"),
        ({"status": "x" * 500}, "the values are long for the index"),
    ],
)
def test_what_operators_cannot_say_is_told(
    things: BaseStorageAdapter, changes: Any, reason: str
) -> None:
    assert reason in _update(things, **changes)


def test_updates_come_out_alike_however_they_run(things: BaseStorageAdapter) -> None:
    rows = [Thing(id="a", count=1), Thing(id="b"), Thing(id="c", count=7, tags=["x"])]
    things.insert_many(rows)
    before = things.get(Thing, "a")
    # One has no count yet: none is changed by the server, all by docmap.
    assert things.find(Thing).update(count__inc=2).matched == 3
    assert things.find(Thing).update(count__inc=2, tags__push="y").matched == 3
    found = [(one.count, one.tags) for one in things.find(Thing).order_by("id")]
    assert found == [(5, ["y"]), (4, ["y"]), (11, ["x", "y"])]
    changed = things.find(Thing).order_by("-id").find_one_and_update(count__inc=1)
    assert changed is not None
    assert (changed.id, changed.count) == ("c", 12)
    state = getattr(things.get(Thing, "a"), "__docmap_state__", None)
    assert state is None or state.revision == before.__docmap_state__.revision + 2  # type: ignore[attr-defined]


def test_groups_are_the_servers_where_they_are_exact(things: BaseStorageAdapter) -> None:
    things.insert_many([Thing(id=str(i), status="ab"[i % 2], count=i) for i in range(6)])
    groups = things.find(Thing).group_by("status")
    asked = groups.aggregate(n=Count(), total=Sum("count"), most=Max("count"))
    plan = asked.explain()
    assert plan.data["aggregate_native"]
    assert "$group" in plan.data["statement"]
    assert [tuple(row) for row in asked] == [("a", 3, 6, 4), ("b", 3, 9, 5)]
    priced = things.find(Thing).aggregate(total=Sum("price"), n=Count("price"))
    assert tuple(priced) == (0, 0)


def test_a_sum_that_the_server_would_round_is_exact(things: BaseStorageAdapter) -> None:
    things.insert_many([Thing(id=str(i), count=2**63 - 1) for i in range(3)])
    assert things.find(Thing).aggregate(total=Sum("count")).total == 3 * (2**63 - 1)


def test_what_several_results_need_is_asked_for_once(things: BaseStorageAdapter) -> None:
    things.insert_many([Thing(id=str(i), ratio=i / 2) for i in range(5)])
    asked = things.find(Thing).group_by("status")
    made = asked.aggregate(n=Count(), total=Sum("ratio"), mean=Avg("ratio"), held=Count("ratio"))
    plan = made.explain().data
    assert plan["aggregate_native"]
    assert [f"'r{n}'" in plan["statement"] for n in range(4)] == [True, True, True, False]
    assert [tuple(row) for row in made] == [(None, 5, 5.0, 1.0, 5)]


def test_groups_of_decimals_are_made_of_the_fields_alone(things: BaseStorageAdapter) -> None:
    rows = [Thing(id=str(i), status="ab"[i % 2], price=Decimal(i) / 10) for i in range(7)]
    things.insert_many([*rows, Thing(id="null", status="a"), Thing(id="none", price=Decimal(1))])
    inner = things.find(Thing).group_by("status", "inner.city")
    made = inner.aggregate(n=Count(), held=Count("price"), total=Sum("price"), at=Max("at"))
    assert [tuple(row) for row in made] == [
        (None, None, 1, 1, Decimal(1), None),
        ("a", None, 5, 4, Decimal("1.2"), None),
        ("b", None, 3, 3, Decimal("0.9"), None),
    ]
    with patch.object(_mongodb_aggregates, "to_data") as whole:
        assert things.find(Thing).aggregate(total=Sum("price")).total == Decimal("3.1")
    assert not whole.called


def test_large_floats_are_told_apart(things: BaseStorageAdapter) -> None:
    class Large(Document, collection="large"):
        id: int
        size: float

    sizes = [-9.223372036854778e18, -9.223372036854776e18, 9.3e18, 9.4e18]
    things.insert_many([Large(id=9 - n, size=one) for n, one in enumerate(sizes)])
    assert [one.size for one in things.find(Large).order_by("size")] == sizes
    ends = things.find(Large).aggregate(least=Min("size"), most=Max("size"), all=Sum("size"))
    assert (ends.least, ends.most) == (sizes[0], sizes[-1])
    assert abs(ends.all - sum(sizes)) <= 1e-12 * sum(map(abs, sizes))


def test_a_key_is_a_value_and_no_path(things: BaseStorageAdapter) -> None:
    for n, status in enumerate(("$", "$count", "a", None)):
        Thing(id=str(n), status=status, count=7).save(things)
    groups = things.find(Thing).group_by("status").aggregate(n=Count())
    assert sorted(map(str, (row.status for row in groups))) == ["$", "$count", "None", "a"]


def test_values_that_a_server_takes_for_each_other_are_told_apart(
    things: BaseStorageAdapter,
) -> None:
    sizes = [2**63 - 1, 2**64 + 1, -(2**63), -(2**63) - 1]
    things.insert_many([Thing(id=str(n), big=one) for n, one in enumerate(sizes)])
    assert things.find(Thing).values("big") == sorted(sizes)
