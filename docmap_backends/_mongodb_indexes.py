"""The indexes of a collection, and whose values a write would repeat.

Null and missing never collide: a unique index covers only documents that have a value of the
declared type in every field. MongoDB uses such an index for a condition that asks for the type too,
and for no order, so that an index of one field has another beside it for that.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Context, Decimal
from functools import partial
from hashlib import sha256
from typing import Any, Final

from pymongo import IndexModel
from pymongo.errors import DuplicateKeyError

from docmap.errors import DuplicateKey, InvalidRecord, StorageError
from docmap.plan.engine import NativeQuery
from docmap.query.paths import getter
from docmap.schema.indexes import BoundIndex, IndexDefinition
from docmap.schema.schema import Schema
from docmap.storage.writes import cannot_be_unique, index_entries, not_unique
from docmap.values import MISSING
from docmap_backends._mongodb_aggregates import MongoAggregates
from docmap_backends._mongodb_converters import without_decimals
from docmap_backends._mongodb_errors import scrubbed
from docmap_backends._mongodb_judging import KEY
from docmap_backends._mongodb_names import EXPIRY, ID, MARKS
from docmap_backends._mongodb_places import NO_ARRAY, Filter
from docmap_backends._mongodb_queries import field_name
from docmap_backends._mongodb_streams import Search
from docmap_backends._mongodb_types import indexed_type
from docmap_backends._mongodb_values import to_native

_ORDER, _UNIQUE = "_order", "_unique"
"""What the names of the indexes beside a unique one end with."""
_SAME_KEYS: Final = frozenset({85, 86})  # an index over the same fields has another name


class MongoIndexes(MongoAggregates):
    """The indexes of `mongodb.MongoDBStorage`."""

    @property
    def unique_indexes(self) -> bool:
        """True if the server itself refuses what a unique index forbids."""
        return self._asked("partial_indexes")

    def _ensure_indexes(self, schema: Schema) -> None:
        """Make the declared indexes that are missing."""
        if schema.indexes:
            present = self._index_keys(schema)
            for index in schema.indexes:
                if index.name not in present:
                    self._make_index(schema, index)

    def _index_keys(self, schema: Schema) -> dict[str, Mapping[str, Any]]:
        """The keys of the indexes that are there, by name."""
        found = self.listed_indexes(schema)
        return {one["name"]: one["key"] for one in found if one["name"] not in {KEY, EXPIRY}}

    def _make_index(self, schema: Schema, index: BoundIndex) -> None:
        collection = self._collection(schema)
        if index.unique and not self.unique_indexes:
            self._mark_all(schema, index)
        models = index_models(schema, index, partial=self.unique_indexes)
        try:
            self._run(lambda: collection.create_indexes(models), writes="many")
        except DuplicateKeyError as error:
            stored = (data for data, _ in self._find(schema, NativeQuery()))
            raise cannot_be_unique(schema, index, stored) from scrubbed(error)
        except StorageError as error:
            if getattr(error.__cause__, "code", None) not in _SAME_KEYS or index.unique:
                raise
        self._catalogue.note_index(self._run, schema.collection, index.definition)

    def _mark_all(self, schema: Schema, index: BoundIndex) -> None:
        """Mark all documents; DuplicateKey if a unique index cannot be made of what is stored."""
        collection = self._collection(schema)
        seen: set[tuple[Any, ...]] = set()
        for data, _ in self._find(schema, NativeQuery()):
            try:
                found = index_entries(index, schema.codec.tree(data))
            except InvalidRecord:
                continue  # what cannot be read has no values to compare
            if not seen.isdisjoint(found):
                stored = (one for one, _ in self._find(schema, NativeQuery()))
                raise cannot_be_unique(schema, index, stored)
            seen |= found
            if found:
                own = {ID: to_native(schema.key_field.type, schema.key_of(data))}
                change = {"$set": {f"{MARKS}.{index.name}": mark(found)}}
                self._run(partial(collection.update_one, own, change), writes="one")

    def _present_indexes(self, schema: Schema) -> dict[str, IndexDefinition]:
        known = self._catalogue.indexes(self._run, schema.collection)
        names = [n for n in self._index_keys(schema) if not n.endswith((_ORDER, _UNIQUE))]
        return {name: known.get(name, IndexDefinition(name)) for name in sorted(names)}

    def _build_index(self, schema: Schema, index: BoundIndex, done: Callable[[int], None]) -> None:
        self._make_index(schema, index)
        done(int(self._run(self._collection(schema).estimated_document_count)))

    def _drop_index(self, schema: Schema, name: str) -> None:
        collection, present = self._collection(schema), self._index_keys(schema)
        for one in (name, name + _ORDER, name + _UNIQUE):
            if one in present:
                self._run(partial(collection.drop_index, one), writes="many")
        self._catalogue.forget_index(self._run, schema.collection, name)

    # -- what a write would repeat

    def _marks(self, schema: Schema, data: bytes | str) -> dict[str, Any] | None:
        """What a document has in unique indexes; None where the server finds that by itself."""
        uniques = [
            (one, index)
            for one in (schema, *schema.relatives)
            for index in one.indexes
            if index.unique
        ]
        if not uniques or self.unique_indexes:
            return None
        found = ((i.name, index_entries(i, one.codec.tree(data))) for one, i in uniques)
        return {name: mark(held) for name, held in found if held}

    def _first_conflict(self, schema: Schema, key: Any, data: bytes | str) -> DuplicateKey | None:
        """The error for the first unique index that has a value of the document for another key."""
        own = to_native(schema.key_field.type, key)
        for one in (schema, *schema.relatives):
            for index in one.indexes:
                if not index.unique:
                    continue
                tree = one.codec.tree(data)
                taken = entries(one, index, tree, partial=self.unique_indexes)
                if taken is None:
                    continue
                if not self.decimal128:
                    taken = without_decimals(taken)
                others = {**taken, ID: {"$ne": own}}
                if self._has(schema, others) and self._shares(one, index, tree, others):
                    return not_unique(schema, index)
        return None

    def _shares(self, schema: Schema, index: BoundIndex, tree: Any, others: Filter) -> bool:
        """True if one of the documents has an entry of this one; a server may round numbers."""
        if self.exact_numbers:
            return True
        own, read = index_entries(index, tree), schema.codec.tree
        found = self._stream(schema, Search(others))
        return any(not own.isdisjoint(index_entries(index, read(data))) for data, _ in found)

    def _has(self, schema: Schema, condition: Filter) -> bool:
        collection = self._collection(schema)
        found = self._run(lambda: collection.find_one(condition, {ID: 1}, session=self._session))
        return found is not None

    def _check_unique(self, schema: Schema, key: Any, data: bytes) -> None:
        found = self._first_conflict(schema, key, data)
        if found is not None:
            raise found


def index_models(schema: Schema, index: BoundIndex, *, partial: bool) -> list[IndexModel]:
    """The indexes that MongoDB makes of a declared one.

    Where the server keeps no partial indexes a unique one is over the marks of documents.
    """
    keys = [(field_name(schema, term.path), -1 if term.descending else 1) for term in index.terms]
    # The key is always the last criterion of an order, in the direction of the one before it.
    ordered = [*keys, (ID, keys[-1][1])]
    if not index.unique:
        return [IndexModel(ordered, name=index.name)]
    if not partial:
        marks = [(f"{MARKS}.{index.name}", 1)]
        unique = IndexModel(marks, name=index.name + _UNIQUE, unique=True, sparse=True)
        return [IndexModel(ordered, name=index.name), unique]
    condition = {
        field_name(schema, term.path): {"$type": indexed_type(term.type)} for term in index.terms
    }
    unique = IndexModel(keys, name=index.name, unique=True, partialFilterExpression=condition)
    if index.elements:
        return [unique]
    return [unique, IndexModel(ordered, name=index.name + _ORDER)]


def entries(schema: Schema, index: BoundIndex, tree: Any, *, partial: bool) -> Filter | None:
    """The filter of documents with a value of this one in a unique index; None if it has none."""
    condition: Filter = {}
    for term in index.terms:
        value = getter(term.path)(tree)
        values = value if term.elements and isinstance(value, list) else [value]
        wanted = [to_native(term.type, one) for one in values if not _is_null(one)]
        if not wanted:
            return None
        typed = {"$type": indexed_type(term.type)} if partial else {}
        alone = {} if term.elements else NO_ARRAY
        condition[field_name(schema, term.path)] = {"$in": wanted, **typed, **alone}
    return condition


def mark(held: set[tuple[Any, ...]]) -> str | list[str]:
    """The entries of a document in an index as text: alike for alike values, and for no others."""
    texts = sorted(sha256(repr(_plain(entry)).encode()).hexdigest()[:40] for entry in held)
    return texts[0] if len(texts) == 1 else texts


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return tuple(map(_plain, value))
    is_number = isinstance(value, (int, float, Decimal)) and not isinstance(value, bool)
    return str(Decimal(value).normalize(_EXACT)) if is_number else value


_EXACT: Final = Context(prec=5_000, Emin=-999_999, Emax=999_999)


def _is_null(value: Any) -> bool:
    return value is None or value is MISSING
