"""Aggregates over a plan: by the engine where it can, else from the stream of its records."""

from __future__ import annotations

from itertools import islice

from docmap.plan.engine import Engine, EnginePlan, NativeAggregate
from docmap.plan.execute import records
from docmap.plan.plan import Plan
from docmap.query.aggregates import Grouping
from docmap.query.groups import Groups, Row, in_order

_BATCH = 512


def groups(engine: Engine, plan: Plan, grouping: Grouping) -> list[Row]:
    """The groups in the order of their keys; without keys one, of no documents too."""
    asked = native_form(plan, grouping)
    native = None if asked is None else engine._aggregate(plan.request.schema, asked)
    return in_order(_streamed(engine, plan, grouping) if native is None else native, grouping)


def native_form(plan: Plan, grouping: Grouping) -> NativeAggregate | None:
    """What an engine can be asked; None where the documents have to be seen one by one."""
    request = plan.request
    if request.empty or request.sliced or plan.residual is not None or not plan.ordered:
        return None
    return NativeAggregate(plan.native.condition, plan.native.order, grouping)


def explained(engine: Engine, plan: Plan, grouping: Grouping) -> EnginePlan | None:
    """How the engine would aggregate; None if docmap does, over its records."""
    asked = native_form(plan, grouping)
    return None if asked is None else engine._explain_aggregate(plan.request.schema, asked)


def _streamed(engine: Engine, plan: Plan, grouping: Grouping) -> list[Row]:
    schema, found = plan.request.schema, Groups(grouping)
    tree = schema.codec.tree
    names = {reading.path.segments[0] for reading in grouping.readings}
    names = names or {schema.key_field.stored}  # nothing is read of what is only counted
    stream = records(engine, plan)
    while batch := list(islice(stream, _BATCH)):
        found.add_trees([tree(data, names) for data, _ in batch])
    return list(found.rows())
