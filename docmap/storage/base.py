"""BaseStorageAdapter: the storage that a user holds, over the hooks of an engine."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, ClassVar, Self, TypeVar, overload

from docmap.errors import DocumentNotFound, InvalidValue
from docmap.query.conditions import Condition
from docmap.schema.described import described
from docmap.schema.schema import Schema
from docmap.storage.bulk import BATCH, delete_documents, save_documents, save_rows
from docmap.storage.changes import ChangeFeeds
from docmap.storage.collection import Collection
from docmap.storage.counting import counted_key
from docmap.storage.creating import get_or_create
from docmap.storage.deadlines import both_ends_in_time, in_time
from docmap.storage.deleting import delete_one
from docmap.storage.expiring import remove_expired
from docmap.storage.fetching import fetch_documents
from docmap.storage.indexing import plan_indexes
from docmap.storage.journal import operation
from docmap.storage.loading import attach, load_record, schema_of, state_of
from docmap.storage.query import Query
from docmap.storage.rollback import taking_back
from docmap.storage.saving import (
    deletion,
    expected_revision,
    save_data,
    save_document,
)
from docmap.storage.transactions import owned, retrying
from docmap.storage.upgrading import Upgrading
from docmap.storage.writes import ANY, NEW
from docmap.values import uuid7_text

D = TypeVar("D")
R = TypeVar("R")
Row = dict[str, Any]


class BaseStorageAdapter(ChangeFeeds, Upgrading):
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
        self.check_open()
        with operation(self, schema.collection, "get"):
            record = self._get(schema, schema.key_value(key))
            if record is None or not schema.sees(record[0]):
                text = f"{schema.collection} on {self.scheme} has no document with this key"
                raise DocumentNotFound(text, key=key)
            return load_record(schema, self, record)

    @overload
    def get_many(self, model: str, keys: Iterable[Any], /) -> list[Row]: ...
    @overload
    def get_many(self, model: type[D], keys: Iterable[Any], /) -> list[D]: ...
    def get_many(self, model: Any, keys: Iterable[Any], /) -> Any:
        """The documents in the order of the keys; missing ones are left out, repeats repeat."""
        schema = schema_of(model)
        self.check_open()
        with operation(self, schema.collection, "get_many") as tally:
            wanted = [schema.key_value(key) for key in keys]
            found = {
                key: record
                for key, record in self._get_many(schema, wanted).items()
                if schema.sees(record[0])
            }
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
        self, model: str, /, defaults: Mapping[str, Any] | None = None, **conditions: Any
    ) -> tuple[Row, bool]: ...
    @overload
    def get_or_create(
        self, model: type[D], /, defaults: Mapping[str, Any] | None = None, **conditions: Any
    ) -> tuple[D, bool]: ...
    def get_or_create(
        self, model: Any, /, defaults: Mapping[str, Any] | None = None, **conditions: Any
    ) -> Any:
        """The first match in key order and False, or a new document of the conditions and True.

        The new document takes the conditions that name a field, then `defaults`; conditions with a
        lookup (`total__gt=5`) only choose among the stored ones. Of callers that race one creates:
        by a transaction, else by the key or a unique index that covers the conditions, else by a
        lock of this storage object. Raises DuplicateKey if what it would create is taken by a
        document that does not match.
        """
        with in_time(self):
            return get_or_create(self, model, conditions, defaults)

    def fetch(
        self,
        documents: Iterable[D],
        /,
        *references: Any,
        storage: BaseStorageAdapter | Mapping[Any, BaseStorageAdapter] | None = None,
    ) -> list[D]:
        """Read what the references of documents at hand refer to; the documents in a list.

        One query for each level of a name and class referred to, as `fetch` of a query does it.
        """
        self.check_open()
        return fetch_documents(self, documents, references, storage)

    # -- writing

    @overload
    def save(self, document: Any, /) -> Any: ...
    @overload
    def save(self, model: Any, data: Mapping[str, Any], /, primary_key: Any = None) -> Any: ...
    def save(self, model: Any, data: Any = ..., /, primary_key: Any = None) -> Any:
        """Store a document and return its key.

        `save(document)` inserts one that is new, and updates one that was loaded: a newer revision
        raises StaleDocument. `save(Model, data, primary_key=k)` validates the dict and replaces or
        creates the document of that key; without a key a new one is made.
        """
        self.check_open()
        if data is not ...:
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
    def insert_many(
        self, documents: Iterable[Any], /, *, batch_size: int = BATCH, ordered: bool = True
    ) -> list[Any]: ...
    @overload
    def insert_many(
        self,
        model: Any,
        rows: Iterable[Mapping[str, Any]],
        /,
        *,
        batch_size: int = BATCH,
        ordered: bool = True,
    ) -> list[Any]: ...
    def insert_many(
        self, model: Any, rows: Any = ..., /, *, batch_size: int = BATCH, ordered: bool = True
    ) -> list[Any]:
        """Store many new documents, or dicts as documents of a class; their keys.

        Stops at the first that fails; earlier ones stay, unless inside a transaction. The error's
        `done` says how many were written. Two with one key in a list are refused before any is.

        With `ordered=False` every document is tried, and BulkError says which were written
        (`written`) and which failed and why (`failed`).
        """
        if rows is not ...:
            return save_rows(self, model, rows, size=batch_size, ordered=ordered)
        return save_documents(self, model, insert=True, size=batch_size, ordered=ordered)

    def save_many(
        self, documents: Iterable[Any], /, *, batch_size: int = BATCH, ordered: bool = True
    ) -> list[Any]:
        """`save` for many documents in batches; their keys. Fails as `insert_many` does."""
        return save_documents(self, documents, insert=False, size=batch_size, ordered=ordered)

    @overload
    def delete(self, document: Any, /) -> bool: ...
    @overload
    def delete(self, model: Any, key: Any, /) -> bool: ...
    def delete(self, model: Any, key: Any = ..., /) -> bool:
        """Delete a document, or the document of a key; True if it was there.

        Deleting a loaded document over a newer revision raises StaleDocument.
        """
        self.check_open()
        schema = schema_of(type(model) if key is ... else model)
        with operation(self, schema.collection, "delete") as tally:
            if key is ...:
                wanted, expected = deletion(self, schema, model)
            else:
                wanted, expected = schema.key_value(key), ANY
            document = model if key is ... else None
            deleted = delete_one(self, schema, wanted, expected, document)
            tally.count = int(deleted)
            return deleted

    def delete_many(
        self, documents: Iterable[Any], /, *, batch_size: int = BATCH, ordered: bool = True
    ) -> int:
        """`delete` for many documents; how many. Fails as `insert_many` does."""
        return delete_documents(self, documents, size=batch_size, ordered=ordered)

    def reload(self, document: Any, /) -> None:
        """Bring a document up to date with what is stored. Raises DocumentNotFound."""
        fresh = self.get(type(document), getattr(document, schema_of(type(document)).key))
        document.__dict__.clear()
        document.__dict__.update(fresh.__dict__)
        for slot in ("__pydantic_fields_set__", "__pydantic_extra__"):
            object.__setattr__(document, slot, getattr(fresh, slot))
        state = state_of(fresh)
        if state is not None:
            attach(document, self, state.revision, state.data)

    @contextmanager
    def transaction(self) -> Iterator[Self]:
        """All or nothing: what is written inside is undone if an exception leaves the block.

        Reads inside see it, and nobody else does before the end. One inside another is undone
        alone. Documents that were saved inside are then new or changed again. It belongs to this
        thread and asyncio task: used elsewhere meanwhile, the storage raises Unsupported. So does
        an engine without transactions; StoreLocked if others write for longer than `timeout`.
        """
        self.check_open()
        with taking_back(self), both_ends_in_time(self, self._transaction()), owned(self):
            yield self

    def retrying(self, function: Callable[[], R], /, *, attempts: int = 5) -> R:
        """Run `function` in a transaction and return its result; anew if others came between.

        After StaleDocument, StoreLocked and TransactionConflict all that it wrote is undone, a
        short random time is waited and it runs again, up to `attempts` times in all; then the last
        error is raised. It must load what it changes. Inside a transaction it runs once: only the
        outermost can start anew.
        """
        return retrying(self, function, attempts)

    def remove_expired(self, *models: Any) -> int:
        """Remove the documents of classes with `expires_after` that have expired; how many.

        No read shows them anyway. Hooks and delete rules are not asked: they are gone already.
        """
        self.check_open()
        removed = 0
        for schema in map(schema_of, models):
            with operation(self, schema.collection, "remove_expired", batched=True) as tally:
                tally.count = remove_expired(self, schema)
                removed += tally.count
        return removed

    # -- collections and indexes

    @overload
    def collection(self, model: str, /) -> Collection[Row]: ...
    @overload
    def collection(self, model: type[D], /) -> Collection[D]: ...
    def collection(self, model: Any, /) -> Collection[Any]:
        """The collection as a container: `len`, `in` by key, iteration, `clear`."""
        return Collection(self, schema_of(model))

    def collections(self) -> list[str]:
        """The names of all collections, sorted."""
        self.check_open()
        with in_time(self):
            return sorted(self._collections())

    def ensure_indexes(self, *models: Any) -> None:
        """Make the collections and the indexes that the classes declare. Drops none."""
        self.check_open()
        for model in models:
            schema = schema_of(model)
            self._ensured.pop(id(schema), None)
            with in_time(self):
                self.prepare_collection(schema)

    def indexes(self, model: Any, /) -> dict[str, list[str]]:
        """The `declared`, `present`, `missing` and `extra` indexes, and `conflicts`.

        A conflict is a present index over the fields of a declared one that is defined otherwise;
        it names both definitions.
        """
        self.check_open()
        (plan,) = plan_indexes(self, [schema_of(model)])
        return plan.labels()

    # -- for the modules beside this one

    def describe(self, collection: str) -> Schema:
        """The schema of a collection as far as the storage knows it: dicts with known types."""
        self.check_open()
        return described(collection, self._shape(collection))

    @contextmanager
    def all_or_nothing(self) -> Iterator[None]:
        """A transaction where the engine has them, else a lock on this storage."""
        if "transactions" in self.abilities:
            with self.transaction():
                yield
        else:
            with self._mutex:
                yield

    def prepare_collection(self, schema: Schema) -> None:
        """Make the collection and its indexes, once for each class and connection."""
        if id(schema) not in self._ensured:
            # The indexes of a collection hold for all classes of its family.
            for one in (schema, *schema.relatives):
                if id(one) not in self._ensured:
                    with in_time(self):
                        self._ensure(one)
                    self._ensured[id(one)] = one

    def new_key(self, schema: Schema) -> Any:
        """A key for a document that came without one. Raises InvalidValue if none can be made."""
        kind = schema.key_field.type.kind
        if schema.model is None:
            return uuid7_text()
        if kind == "int":
            self.prepare_collection(schema)
            return counted_key(self, schema)
        raise InvalidValue(
            f"{schema.name}.{schema.key} is the key and must be given: only an int is counted by "
            "the storage",
            collection=schema.collection,
            field=schema.key,
        )
