"""Queries on MongoDB: what the lookups ask of a collection, and the commands that are sent."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

from docmap.plan.engine import EnginePlan, Native, NativeQuery, Record
from docmap.query.nodes import And, Not, Or
from docmap.query.order import OrderTerm
from docmap.query.paths import Path
from docmap.schema.rewrite import reader as logical
from docmap.schema.schema import Schema
from docmap.schema.types import FieldType
from docmap_backends import _mongodb_probes as probes
from docmap_backends._mongodb_converters import reader
from docmap_backends._mongodb_explain import explained
from docmap_backends._mongodb_fields import stored_name, stored_top
from docmap_backends._mongodb_names import ID
from docmap_backends._mongodb_places import NOTHING, Filter
from docmap_backends._mongodb_records import MongoReading
from docmap_backends._mongodb_streams import Search
from docmap_backends._mongodb_types import SCALARS, Known


class MongoQueries(MongoReading):
    """The querying part of `mongodb.MongoDBStorage`."""

    _known: Known

    # -- what the lookups ask

    @property
    def code_point_order(self) -> bool:
        """True if the server orders text by code points."""
        return self._asked("code_point_order")

    @property
    def exact_numbers(self) -> bool:
        """True if the server compares numbers of different types by their exact values."""
        return self._asked("exact_numbers")

    def _asked(self, name: str) -> bool:
        client = self._client
        probe = partial(getattr(probes, name), self._run, client.database)
        return client.abilities.has(name, probe)

    def trusts(self, schema: Schema, path: Path, kind: FieldType) -> bool:
        """True if everything that docmap stored at the path is of this type, or null."""
        return self._known.trusts(schema, path, kind)

    # -- queries

    def _find(self, schema: Schema, query: NativeQuery) -> Iterator[Record]:
        return self._stream(schema, self._search(schema, query))

    def _search(self, schema: Schema, query: NativeQuery) -> Search:
        sort = [
            (field_name(schema, term.path), -1 if term.descending else 1) for term in query.order
        ]
        return Search(render(query.condition), sort, query.offset, query.limit)

    def _count(self, schema: Schema, condition: Any) -> int:
        collection, found = self._collection(schema), render(condition)
        return int(self._run(lambda: collection.count_documents(found, session=self._session)))

    def _distinct(self, schema: Schema, path: Path, kind: FieldType, condition: Any) -> Any:
        if not self.trusts(schema, path, kind):
            return None
        collection, name = self._collection(schema), field_name(schema, path)
        pipeline: list[dict[str, Any]] = [{"$group": {ID: f"${name}"}}]
        if condition is not None:
            pipeline.insert(0, {"$match": render(condition)})
        rows = self._aggregated(collection, pipeline)
        return [logical_value(kind, row.get(ID)) for row in rows]

    def _aggregated(self, collection: Any, pipeline: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """All rows of a pipeline."""
        cursor = self._run(lambda: collection.aggregate(pipeline, session=self._session))
        found: list[dict[str, Any]] = self._run(lambda: cursor.to_list(None))
        return found

    def _delete_matching(self, schema: Schema, condition: Any) -> int:
        collection, found = self._collection(schema), render(condition)
        result = self._run(
            lambda: collection.delete_many(found, session=self._session), writes="many"
        )
        return int(result.deleted_count)

    def _orders(self, schema: Schema, terms: Sequence[OrderTerm]) -> bool:
        return all(self._sorts(schema, term) for term in terms)

    def _sorts(self, schema: Schema, term: OrderTerm) -> bool:
        kind = term.type.kind
        if term.path == schema.key_path:
            textual = kind not in SCALARS - {"str"}
            return self.code_point_order or not textual
        if kind not in SCALARS - {"bigint", "bytes"} or not self.trusts(
            schema, term.path, term.type
        ):
            return False
        return kind != "str" or self.code_point_order

    def _explain(self, schema: Schema, query: NativeQuery) -> EnginePlan:
        return explained(self, schema, self._search(schema, query))


def render(condition: Any) -> Filter:
    """The planner's tree of native conditions as one filter."""
    match condition:
        case None:
            return {}
        case Native(found):
            return found  # type: ignore[no-any-return]
        case And(children):
            return {"$and": [render(child) for child in children]} if children else {}
        case Or(children):
            return {"$or": [render(child) for child in children]} if children else NOTHING
        case Not(child):
            return {"$nor": [render(child)]}
    raise TypeError(f"{type(condition).__name__} is no native condition")


def field_name(schema: Schema, path: Path) -> str:
    """The dotted name of a path through objects."""
    first, *rest = map(str, path.segments)
    return ".".join([stored_top(first, schema.key_field.stored), *map(stored_name, rest)])


def logical_value(kind: FieldType, value: Any) -> Any:
    """The logical value of what is stored in a place of a type."""
    if value is None:
        return None
    to_wire, read = reader(kind), logical(kind)
    held = value if to_wire is None else to_wire(value)
    return held if read is None else read(held)
