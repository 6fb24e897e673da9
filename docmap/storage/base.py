"""BaseStorageAdapter: the storage that a user holds, over the hooks of an engine."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, ClassVar, Self, TypeVar, overload

from docmap.errors import DocumentNotFound, InvalidValue
from docmap.query.conditions import Condition
from docmap.schema.schema import Schema
from docmap.storage.collection import Collection
from docmap.storage.journal import operation
from docmap.storage.lifecycle import Lifecycle
from docmap.storage.loading import attach, load_record, schema_of, state_of
from docmap.storage.query import Query
from docmap.storage.saving import (
    BATCH,
    build,
    expected_revision,
    save_all,
    save_data,
    save_document,
)
from docmap.storage.writes import ANY, NEW
from docmap.values import uuid7_text

D = TypeVar("D")
Row = dict[str, Any]


class BaseStorageAdapter(Lifecycle):
    """A storage: `connect(url)` gives one. Every method that takes a class takes a name too.

    A public method `foo` checks, decodes and logs, and calls the hook `_foo`; an adapter overrides
    hooks only. Safe to use from many threads.
    """

    query_class: ClassVar[type[Query[Any]]] = Query

    # -- reading

    @overload
    def get(self, model: str, key: Any, /) -> Row: ...
    @overload
    def get(self, model: type[D], key: Any, /) -> D: ...
    def get(self, model: Any, key: Any, /) -> Any:
        """The document of a key. Raises DocumentNotFound, which is a KeyError."""
        schema = schema_of(model)
        wanted = schema.key_value(key)
        self.check_open()
        with operation(self, schema.collection, "get"):
            record = self._get(schema, wanted)
            if record is None:
                raise DocumentNotFound(
                    f"{schema.collection} on {self.scheme} has no document with this key",
                    engine=self.scheme,
                    collection=schema.collection,
                    key=key,
                )
            return load_record(schema, self, record)

    @overload
    def get_many(self, model: str, keys: Iterable[Any], /) -> list[Row]: ...
    @overload
    def get_many(self, model: type[D], keys: Iterable[Any], /) -> list[D]: ...
    def get_many(self, model: Any, keys: Iterable[Any], /) -> Any:
        """The documents in the order of the keys; missing ones are left out, repeats repeat."""
        schema = schema_of(model)
        wanted = [schema.key_value(key) for key in keys]
        self.check_open()
        with operation(self, schema.collection, "get_many") as tally:
            found = self._get_many(schema, wanted)
            documents = [load_record(schema, self, found[key]) for key in wanted if key in found]
            tally.count = len(documents)
            return documents

    @overload
    def find(self, model: str, /, *conditions: Condition | bool, **lookups: Any) -> Query[Row]: ...
    @overload
    def find(
        self, model: type[D], /, *conditions: Condition | bool, **lookups: Any
    ) -> Query[D]: ...
    def find(self, model: Any, /, *conditions: Condition | bool, **lookups: Any) -> Any:
        """A query over the collection, narrowed by conditions as `where` would."""
        query = self.query_class(self, schema_of(model))
        return query.where(*conditions, **lookups) if conditions or lookups else query

    @overload
    def get_query(self, model: str, /) -> Query[Row]: ...
    @overload
    def get_query(self, model: type[D], /) -> Query[D]: ...
    def get_query(self, model: Any, /) -> Any:
        """A query over the whole collection."""
        return self.find(model)

    @overload
    def get_or_create(
        self, model: str, /, *, defaults: Mapping[str, Any] | None = None, **conditions: Any
    ) -> tuple[Row, bool]: ...
    @overload
    def get_or_create(
        self, model: type[D], /, *, defaults: Mapping[str, Any] | None = None, **conditions: Any
    ) -> tuple[D, bool]: ...
    def get_or_create(
        self, model: Any, /, *, defaults: Mapping[str, Any] | None = None, **conditions: Any
    ) -> Any:
        """The first match in key order and False, or a new document of the conditions and True."""
        schema = schema_of(model)
        with self._mutex:
            found: Any = self.find(model, **conditions).first()
            if found is not None:
                return found, False
            document = build(schema, {**conditions, **(defaults or {})})
            if schema.model is None:
                self.insert_many(model, [document])
            else:
                self.insert(document)
            return document, True

    # -- writing

    @overload
    def save(self, document: Any, /) -> Any: ...
    @overload
    def save(self, model: Any, data: Mapping[str, Any], /, primary_key: Any = None) -> Any: ...
    def save(self, model: Any, data: Any = None, /, primary_key: Any = None) -> Any:
        """Store a document and return its key.

        `save(document)` inserts one that is new, and updates one that was loaded: a newer revision
        raises StaleDocument. `save(Model, data, primary_key=k)` validates the dict and replaces or
        creates the document of that key; without a key a new one is made.
        """
        self.check_open()
        if data is not None:
            with operation(self, schema_of(model).collection, "save"):
                return save_data(self, model, data, primary_key)
        with operation(self, schema_of(type(model)).collection, "save"):
            return save_document(self, model, expected_revision(self, model))

    def insert(self, document: Any, /) -> Any:
        """Store a new document and return its key. Raises DuplicateKey if the key is taken."""
        self.check_open()
        with operation(self, schema_of(type(document)).collection, "insert"):
            return save_document(self, document, NEW)

    def upsert(self, document: Any, /) -> Any:
        """Store a document whether or not its key is taken, whatever the revision; its key."""
        self.check_open()
        with operation(self, schema_of(type(document)).collection, "upsert"):
            return save_document(self, document, ANY)

    @overload
    def insert_many(self, documents: Iterable[Any], /, *, batch_size: int = BATCH) -> list[Any]: ...
    @overload
    def insert_many(
        self, model: Any, rows: Iterable[Mapping[str, Any]], /, *, batch_size: int = BATCH
    ) -> list[Any]: ...
    def insert_many(self, model: Any, rows: Any = None, /, *, batch_size: int = BATCH) -> list[Any]:
        """Store many new documents, or dicts as documents of a class; their keys.

        Stops at the first that fails; earlier ones stay, unless inside a transaction. The error's
        `done` says how many were written.
        """
        if rows is not None:
            schema = schema_of(model)
            return self._bulk("insert_many", schema, (build(schema, r) for r in rows), batch_size)
        return self._each_class("insert_many", model, batch_size, insert=True)

    def save_many(self, documents: Iterable[Any], /, *, batch_size: int = BATCH) -> list[Any]:
        """`save` for many documents in batches; their keys. Stops at the first that fails."""
        return self._each_class("save_many", documents, batch_size, insert=False)

    def _each_class(
        self, name: str, documents: Iterable[Any], batch_size: int, *, insert: bool
    ) -> list[Any]:
        keys: list[Any] = []
        run: list[Any] = []
        for document in documents:
            if run and (type(document) is not type(run[-1]) or len(run) >= batch_size):
                keys += self._bulk(name, schema_of(type(run[-1])), run, batch_size, insert=insert)
                run = []
            run.append(document)
        if run:
            keys += self._bulk(name, schema_of(type(run[-1])), run, batch_size, insert=insert)
        return keys

    def _bulk(
        self, name: str, schema: Schema, documents: Iterable[Any], size: int, *, insert: bool = True
    ) -> list[Any]:
        self.check_open()
        with operation(self, schema.collection, name) as tally:
            keys = save_all(self, schema, documents, insert=insert, batch_size=size)
            tally.count = len(keys)
            return keys

    @overload
    def delete(self, document: Any, /) -> bool: ...
    @overload
    def delete(self, model: Any, key: Any, /) -> bool: ...
    def delete(self, model: Any, key: Any = None, /) -> bool:
        """Delete a document, or the document of a key; True if it was there.

        Deleting a loaded document over a newer revision raises StaleDocument.
        """
        self.check_open()
        document = None
        expected = ANY
        if key is None:
            document = model
            schema = schema_of(type(document))
            key, expected = getattr(document, schema.key), expected_revision(self, document)
            if expected == NEW:
                raise InvalidValue(
                    f"this {schema.name} is not stored on {self.scheme}: nothing to delete",
                    collection=schema.collection,
                )
        else:
            schema = schema_of(model)
        with operation(self, schema.collection, "delete"):
            return self._delete(schema, schema.key_value(key), expected)

    def delete_many(self, documents: Iterable[Any], /) -> int:
        """Delete documents, in one transaction where the engine has them; how many there were."""
        with self._all_or_nothing():
            return sum(self.delete(document) for document in documents)

    def reload(self, document: Any, /) -> None:
        """Bring a document up to date with what is stored. Raises DocumentNotFound."""
        fresh = self.get(type(document), getattr(document, schema_of(type(document)).key))
        document.__dict__.clear()
        document.__dict__.update(fresh.__dict__)
        object.__setattr__(document, "__pydantic_fields_set__", fresh.__pydantic_fields_set__)
        state = state_of(fresh)
        if state is not None:
            attach(document, self, state.revision, state.data)

    @contextmanager
    def transaction(self) -> Iterator[Self]:
        """All or nothing: what is written inside is undone if an exception leaves the block.

        Bound to this thread. Raises Unsupported on an engine without transactions.
        """
        self.check_open()
        with self._transaction():
            yield self

    @contextmanager
    def _all_or_nothing(self) -> Iterator[None]:
        if "transactions" in self.abilities:
            with self._transaction():
                yield
        else:
            yield

    # -- collections and indexes

    def collection(self, model: type[D], /) -> Collection[D]:
        """The collection as a container: `len`, `in` by key, iteration, `clear`."""
        return Collection(self, schema_of(model))

    def collections(self) -> list[str]:
        """The names of all collections, sorted."""
        self.check_open()
        return sorted(self._collections())

    def ensure_indexes(self, *models: Any) -> None:
        """Make the collections and the indexes that the classes declare. Drops none."""
        self.check_open()
        for model in models:
            schema = schema_of(model)
            self._ensured.pop(id(schema), None)
            self.prepare_collection(schema)

    def indexes(self, model: Any, /) -> dict[str, list[str]]:
        """The `declared`, `present`, `missing` and `extra` indexes of a collection."""
        self.check_open()
        schema = schema_of(model)
        declared = {index.name: index.label for index in schema.indexes}
        present = self._present_indexes(schema)
        return {
            "declared": list(declared.values()),
            "present": list(present.values()),
            "missing": [label for name, label in declared.items() if name not in present],
            "extra": [label for name, label in present.items() if name not in declared],
        }

    # -- for the modules beside this one

    def prepare_collection(self, schema: Schema) -> None:
        """Make the collection and its indexes, once for each class and connection."""
        if id(schema) not in self._ensured:
            self._ensure(schema)
            self._ensured[id(schema)] = schema

    def new_key(self, schema: Schema) -> Any:
        """A key for a document that came without one. Raises InvalidValue if none can be made."""
        kind = schema.key_field.type.kind
        if schema.model is None:
            return uuid7_text()
        if kind == "int":
            self.prepare_collection(schema)
            return self._next_key(schema)
        raise InvalidValue(
            f"{schema.name}.{schema.key} is the key and must be given: only an int is counted by "
            "the storage",
            collection=schema.collection,
            field=schema.key,
        )
