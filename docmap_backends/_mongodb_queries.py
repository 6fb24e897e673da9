"""Queries on MongoDB: what the lookups ask of a collection, and the commands that are sent."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache, partial
from typing import Any, Final

from bson import Int64

from docmap.errors import StorageError
from docmap.plan.engine import EnginePlan, Native, NativeQuery, Record
from docmap.query.nodes import And, Not, Or
from docmap.query.order import OrderTerm
from docmap.query.paths import Path
from docmap.schema.rewrite import reader as logical
from docmap.schema.schema import Schema
from docmap.schema.types import FieldType
from docmap_backends import _mongodb_probes as probes
from docmap_backends._mongodb_catalogue import Catalogue
from docmap_backends._mongodb_converters import reader
from docmap_backends._mongodb_explain import explained
from docmap_backends._mongodb_fields import stored_name, stored_top
from docmap_backends._mongodb_names import ID
from docmap_backends._mongodb_places import NOTHING, Filter
from docmap_backends._mongodb_records import MongoReading
from docmap_backends._mongodb_streams import Search
from docmap_backends._mongodb_types import SCALARS, label_of, stored_type


class MongoQueries(MongoReading):
    """The querying part of `mongodb.MongoDBStorage`."""

    _catalogue: Catalogue

    # -- what the lookups ask

    @property
    def code_point_order(self) -> bool:
        """True if the server orders text by code points."""
        return self._asked("code_point_order")

    @property
    def exact_numbers(self) -> bool:
        """True if the server compares numbers of different types by their exact values."""
        return self.decimal128 and self._asked("exact_numbers")

    @property
    def decimal128(self) -> bool:
        """True if the server keeps Decimals as MongoDB does; else they are objects of text."""
        return self._asked("decimal128")

    @property
    def element_filters(self) -> bool:
        """True if filters on the elements of lists tell lists and objects apart."""
        return self._asked("element_filters")

    @property
    def date_expressions(self) -> bool:
        """True if filters can compute the parts of dates."""
        return self._asked("date_expressions")

    def _asked(self, name: str) -> bool:
        client = self._client
        probe = partial(getattr(probes, name), self._run, client.database)
        return client.abilities.has(name, probe)

    def _refresh(self, schema: Schema) -> None:
        if not self._catalogue.known.is_fresh(schema.collection):
            self._catalogue.look(self._run, schema.collection)

    def trusts(self, schema: Schema, path: Path, kind: FieldType) -> bool:
        """True if everything that is stored at the path is of this type, or null.

        Of a collection of another program's that is found out by looking, once.
        """
        known = self._catalogue.known
        if not known.trusts(schema, path, kind):
            return False
        if schema.collection not in known.foreign or path == schema.key_path:
            return True
        name = field_name(schema, path)
        asked = (schema.collection, name, label_of(kind))
        if asked not in known.found:
            known.found[asked] = self._is_all(schema, name, kind)
        return known.found[asked]

    def _is_all(self, schema: Schema, name: str, kind: FieldType) -> bool:
        """True if no document has a list on the way, or a value of another type at the place."""
        parts = name.split(".")
        ways: list[Filter] = [
            {".".join(parts[:end]): {"$type": "array"}} for end in range(1, len(parts) + 1)
        ]
        ways.append({name: {"$exists": True, "$not": {"$type": [stored_type(kind), "null"]}}})
        collection = self._collection(schema)
        odd = self._run(lambda: collection.find_one({"$or": ways}, {ID: 1}, session=self._session))
        return odd is None

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
        if kind.kind in _NUMBERS and not self.exact_numbers:
            return None  # such a server takes large ones that differ for one
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
        return (kind != "str" or self.code_point_order) and (
            kind not in {"decimal", "float"} or self.exact_numbers
        )

    def listed_indexes(self, schema: Schema) -> list[dict[str, Any]]:
        """The indexes that are there, in the server's words."""
        collection = self._collection(schema)
        try:
            cursor = self._run(collection.list_indexes)
            found: list[dict[str, Any]] = self._run(cursor.to_list)
        except StorageError as error:
            if getattr(error.__cause__, "code", None) == _NO_COLLECTION:
                return []
            raise
        return found

    def _explain(self, schema: Schema, query: NativeQuery) -> EnginePlan:
        return explained(self, schema, self._search(schema, query))


_NO_COLLECTION: Final = 26
_NUMBERS: Final = frozenset({"int", "bigint", "float", "decimal"})


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
    return None if value is None else logical_reader(kind)(value)


@lru_cache(maxsize=1024)
def logical_reader(kind: FieldType) -> Callable[[Any], Any]:
    """What makes logical values of those that are stored in a place of a type; none is null."""
    to_wire, read = reader(kind), logical(kind)

    def value_of(value: Any) -> Any:
        held = int(value) if type(value) is Int64 else value
        if to_wire is not None:
            held = to_wire(held)
        return held if read is None else read(held)

    return value_of
