"""The plan of a query: what runs natively, what stays residual, and why."""

from __future__ import annotations

from typing import NamedTuple

from docmap.plan.engine import Engine, NativeQuery
from docmap.plan.split import Ask, asking, split
from docmap.query.keyset import Run
from docmap.query.nodes import TRUE, Node, Or, conjunction, disjunction
from docmap.query.order import OrderTerm
from docmap.query.paths import Segment
from docmap.schema.schema import Schema


class Request(NamedTuple):
    """What a query asks for, bound and independent of any engine."""

    schema: Schema
    condition: Node = TRUE
    order: tuple[OrderTerm, ...] = ()
    """Empty where no order is promised."""
    offset: int = 0
    limit: int | None = None
    after: tuple[Run, ...] = ()
    """What sorts after a position, in runs; empty for no position."""

    @property
    def whole(self) -> Node:
        """The condition and, as a part of it, the position."""
        if not self.after:
            return self.condition
        return conjunction(self.condition, disjunction(*(run.condition for run in self.after)))

    @property
    def sliced(self) -> bool:
        """True if the request takes only a part of the matches."""
        return bool(self.offset) or self.limit is not None

    @property
    def empty(self) -> bool:
        """True if nothing can match, so that nothing needs to be read."""
        # Compared with FALSE, a condition would compare its operands.
        return self.limit == 0 or (isinstance(self.condition, Or) and not self.condition.children)


class Plan(NamedTuple):
    """How one request runs on one engine."""

    request: Request
    native: NativeQuery
    residual: Node | None
    ordered: bool
    """The engine's order is the wanted one."""

    @property
    def exact(self) -> bool:
        """True if the engine needs no help: slice, count, distinct and delete run natively."""
        return self.residual is None and self.ordered


def make(engine: Engine, request: Request) -> Plan:
    """The plan of a request: native where the engine's form is exact, residual elsewhere."""
    engine._refresh(request.schema)
    ask = asking(engine, request.schema)
    native, residual = split(request.whole, ask)
    ordered = not request.order or engine._orders(request.schema, request.order)
    exact = residual is None and ordered
    query = NativeQuery(
        native,
        request.order if ordered else (),
        request.offset if exact else 0,
        request.limit if exact else None,
        _parts(request, ask) if ordered and request.after else (),
    )
    return Plan(request, query, residual, ordered)


def _parts(request: Request, ask: Ask) -> tuple[NativeQuery, ...]:
    """The native query in parts, one for each run behind the position."""
    if any(split(run.condition, ask).residual is not None for run in request.after):
        return ()
    found = ((run.of(request.condition), run.order) for run in request.after)
    return tuple(
        NativeQuery(split(node, ask).native, order) for node, order in found if node is not None
    )


def slice_within(
    offset: int, limit: int | None, start: int, stop: int | None
) -> tuple[int, int | None]:
    """Offset and limit of a slice of what another slice leaves."""
    if stop is not None:
        wanted = max(0, stop - start)
        limit = wanted if limit is None else min(wanted, max(0, limit - start))
    elif limit is not None:
        limit = max(0, limit - start)
    return offset + start, limit


def with_key(schema: Schema, terms: tuple[OrderTerm, ...]) -> tuple[OrderTerm, ...]:
    """The order made total: the key last, in the direction of the term before it."""
    key = schema.key_path
    kept: dict[tuple[Segment, ...], OrderTerm] = {}
    for term in terms:
        kept.setdefault(term.path.segments, term)
        if term.path.segments == key.segments:
            return tuple(kept.values())
    # A repeated term has no effect, on the key's direction either.
    descending = next(reversed(kept.values())).descending if kept else False
    return (*kept.values(), OrderTerm(key, descending, schema.key_field.type))
