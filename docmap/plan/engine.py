"""What the planner asks of an engine: native conditions, records, and how it would find them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple, Protocol

from docmap.query.aggregates import Grouping
from docmap.query.groups import Row
from docmap.query.managers import LookupManager
from docmap.query.nodes import And, Not, Or
from docmap.query.order import OrderTerm
from docmap.query.paths import Path
from docmap.schema.readers import to_wire
from docmap.schema.schema import Schema
from docmap.schema.types import ANY, FieldType

Record = tuple[bytes | str, int]
"""A stored document's bytes, and its revision."""


class Native(NamedTuple):
    """An engine's own form of a condition; a superset of the matches unless `exact`."""

    condition: Any
    exact: bool = True


NativeNode = Native | And | Or | Not
"""A tree of native conditions: And, Or and Not with Native leaves."""


class NativeQuery(NamedTuple):
    """What an engine is asked to run: a condition, an order of its own, a slice."""

    condition: Any = None
    order: tuple[OrderTerm, ...] = ()
    offset: int = 0
    limit: int | None = None
    parts: tuple[NativeQuery, ...] = ()
    """The same once more, in parts whose matches follow one another in the order: each is what an
    index gives from its first match on. Their slices are open. An engine may leave them alone."""


class NativeAggregate(NamedTuple):
    """What an engine is asked to aggregate: a condition, an order, keys and functions."""

    condition: Any
    order: tuple[OrderTerm, ...]
    """Empty unless a function depends on it."""
    grouping: Grouping


@dataclass(frozen=True, slots=True)
class EnginePlan:
    """How an engine would run a query: the index it uses, or that it reads everything."""

    indexes: tuple[str, ...] = ()
    scan: bool = True
    documents: int = 0
    """About how many documents the collection has."""
    detail: tuple[str, ...] = field(default=())
    """The engine's own words."""
    statement: str = ""
    targeted: bool | None = None
    """Of a collection that is spread over servers: whether it asks only some of them. None where
    the condition alone says it."""


@dataclass(slots=True)
class FieldCodec:
    """The third argument of an adapter's lookup processor: the place that is compared.

    One is made for each comparison of each query, so it is not frozen: that is four times slower.
    """

    type: FieldType
    schema: Schema
    engine: Any

    def to_db(self, value: Any) -> Any:
        """A logical operand in the form in which the engine stores it at this place."""
        kind = self.type
        if kind.kind in {"list", "set", "tuple"} and not isinstance(value, list):
            kind = kind.item or ANY
        return to_wire(kind, value)


class Engine(Protocol):
    """The hooks of a storage adapter that the planner calls; docmap.storage.base documents them."""

    scheme: ClassVar[str]
    lookups: ClassVar[LookupManager]

    def deadline(self) -> float | None:
        """When the operation must have ended, by `time.monotonic()`; None if at no time."""

    def check_deadline(self) -> None:
        """Raise Unavailable if the operation should have ended."""

    def _refresh(self, schema: Schema) -> None: ...

    def _find(self, schema: Schema, query: NativeQuery) -> Iterator[Record]: ...

    def _count(self, schema: Schema, condition: Any) -> int: ...

    def _distinct(self, schema: Schema, path: Path, kind: FieldType, condition: Any) -> Any: ...

    def _aggregate(self, schema: Schema, asked: NativeAggregate) -> Iterable[Row] | None: ...

    def _explain_aggregate(self, schema: Schema, asked: NativeAggregate) -> EnginePlan | None: ...

    def _delete_matching(self, schema: Schema, condition: Any) -> int: ...

    def _delete_keys(self, schema: Schema, records: Iterable[tuple[Any, int]]) -> int: ...

    def _orders(self, schema: Schema, terms: Sequence[OrderTerm]) -> bool: ...

    def _explain(self, schema: Schema, query: NativeQuery) -> EnginePlan: ...
