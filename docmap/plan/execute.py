"""Running a plan: records from the engine, the residual over them, order and slice where needed."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any, Final

from docmap.plan.engine import Engine, Record
from docmap.plan.plan import Plan
from docmap.query.evaluate import distinct_values, roots, sorted_by
from docmap.query.fast import compiled
from docmap.query.nodes import Node
from docmap.query.paths import Path
from docmap.schema.types import FieldType


def records(engine: Engine, plan: Plan) -> Iterator[Record]:
    """The matching records in the wanted order, cut to the wanted slice."""
    request = plan.request
    if request.empty:
        return iter(())
    found = engine._find(request.schema, plan.native)
    if plan.exact:
        return found
    if engine.deadline() is not None:
        found = _in_time(engine, found)
    if plan.residual is not None:
        found = _filtered(found, plan, plan.residual)
    stop = None if request.limit is None else request.offset + request.limit
    if not plan.ordered:
        found = _sorted(found, plan, stop)
    return islice(found, request.offset, stop)


def _in_time(engine: Engine, found: Iterator[Record]) -> Iterator[Record]:
    """The records, with a look at the clock now and then: docmap may try many in vain."""
    for position, record in enumerate(found):
        if position % _TIMED == 0:
            engine.check_deadline()
        yield record


_TIMED: Final = 64


def _filtered(found: Iterator[Record], plan: Plan, residual: Node) -> Iterator[Record]:
    matches, names = compiled(residual), roots(residual)
    tree = plan.request.schema.codec.tree
    for record in found:
        if matches(tree(record[0], names)):
            yield record


def _sorted(found: Iterator[Record], plan: Plan, stop: int | None) -> Iterator[Record]:
    terms, tree = plan.request.order, plan.request.schema.codec.tree
    names = {term.path.segments[0] for term in terms}
    return iter(sorted_by(found, terms, lambda record: tree(record[0], names), stop))


def count(engine: Engine, plan: Plan) -> int:
    """How many documents match, the slice seen."""
    request = plan.request
    if request.empty:
        return 0
    if plan.residual is not None:
        return sum(1 for _ in records(engine, plan))
    total = engine._count(request.schema, plan.native.condition)
    total = max(0, total - request.offset)
    return total if request.limit is None else min(total, request.limit)


def exists(engine: Engine, plan: Plan) -> bool:
    """True if a document matches, the slice seen."""
    return next(records(engine, plan), None) is not None


def values(engine: Engine, plan: Plan, path: Path, kind: FieldType, *, nulls: bool) -> list[Any]:
    """The distinct values at `path` in canonical order."""
    request = plan.request
    if request.empty:
        return []
    if plan.residual is None and not request.sliced:
        native = engine._distinct(request.schema, path, kind, plan.native.condition)
        if native is not None:
            return distinct_values(native, Path(), nulls=nulls)
    tree, names = request.schema.codec.tree, set(path.segments[:1])
    trees = (tree(data, names) for data, _ in records(engine, plan))
    return distinct_values(trees, path, nulls=nulls)


def delete(engine: Engine, plan: Plan) -> int:
    """Delete every match; how many there were."""
    request = plan.request
    if request.empty:
        return 0
    if plan.residual is None:
        return engine._delete_matching(request.schema, plan.native.condition)
    found = [(request.schema.key_of(data), revision) for data, revision in records(engine, plan)]
    return engine._delete_keys(request.schema, found)
