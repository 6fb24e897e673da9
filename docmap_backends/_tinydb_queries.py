"""Lookups as queries of TinyDB that know the condition they stand for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic_core import to_json
from tinydb.queries import QueryInstance

from docmap.plan.engine import Native
from docmap.query.evaluate import matches
from docmap.query.lookups import VOCABULARY
from docmap.query.nodes import Compare, Node, conjunction, disjunction, negation
from docmap.query.paths import Path
from docmap.query.text import text
from docmap.schema.schema import Schema
from docmap_backends._references import References, node_asked


class NodeQuery(QueryInstance):
    """A query that any TinyDB table runs, and that a table of docmap's serves from its indexes.

    It holds for exactly the documents that docmap finds: `&`, `|` and `~` of such queries too.
    """

    def __init__(self, node: Node, schema: Schema | None) -> None:
        self.node = node
        self.schema = schema
        super().__init__(self._holds, None)

    def _holds(self, document: Mapping[str, Any]) -> bool:
        if self.schema is None:
            return matches(self.node, document)
        return matches(self.node, self.schema.codec.tree(to_json(document)))

    def __and__(self, other: QueryInstance) -> QueryInstance:
        if isinstance(other, NodeQuery) and other.schema is self.schema:
            return NodeQuery(conjunction(self.node, other.node), self.schema)
        return super().__and__(other)

    def __or__(self, other: QueryInstance) -> QueryInstance:
        if isinstance(other, NodeQuery) and other.schema is self.schema:
            return NodeQuery(disjunction(self.node, other.node), self.schema)
        return super().__or__(other)

    def __invert__(self) -> QueryInstance:
        return NodeQuery(negation(self.node), self.schema)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, NodeQuery):
            return NotImplemented
        return self.schema is other.schema and self.node == other.node

    def __hash__(self) -> int:
        return hash((type(self), id(self.schema)))

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {text(self.node)}>"


class Lookups(References):
    """Every lookup gives a TinyDB query; without a codec for documents as plain TinyDB has them.

    >>> paid = Lookups().resolve("status", "equals", "paid")
    >>> paid({"status": "paid"}), (~paid)({"status": "paid"})
    (True, False)
    """

    def resolve(self, name: Any, operation: str | None, value: Any, codec: Any = None) -> Any:
        """A query; wrapped in Native where the planner asks, which gives a codec."""
        if codec is not None:
            return Native(NodeQuery(node_asked(name, operation, value, codec), codec.schema))
        lookup = operation or "equals"
        if lookup not in VOCABULARY:
            raise self.exception_class(
                f"no lookup {lookup!r} takes a value; these do: {', '.join(sorted(VOCABULARY))}"
            )
        path = name if isinstance(name, Path) else Path(tuple(str(name).split(".")))
        return NodeQuery(Compare(path, lookup, value), None)
