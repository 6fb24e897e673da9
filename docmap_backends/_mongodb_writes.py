"""Writing to MongoDB: documents under their revisions, each in one statement that checks them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

from pymongo import DeleteOne
from pymongo.errors import BulkWriteError, DuplicateKeyError

from docmap.errors import DocmapError, DuplicateKey, OutcomeUnknown, StorageError, Unavailable
from docmap.plan.engine import Record
from docmap.schema.schema import Schema
from docmap.storage.writes import (
    ANY,
    NEW,
    Write,
    first_revision,
    not_unique,
    stale,
    taken,
)
from docmap.values import INT_MAX
from docmap_backends._mongodb_catalogue import Catalogue
from docmap_backends._mongodb_changes import Update, changing, is_operators, replacing, saving
from docmap_backends._mongodb_converters import without_decimals
from docmap_backends._mongodb_errors import scrubbed
from docmap_backends._mongodb_names import ID, MARKS, REVISION
from docmap_backends._mongodb_sharding import (
    may_be_taken_elsewhere,
    shard_command,
    shard_place,
)
from docmap_backends._mongodb_updates import MongoUpdates
from docmap_backends._mongodb_values import to_document, to_key

_EXISTS: Final = 48


class MongoWriting(MongoUpdates):
    """The writing part of `mongodb.MongoDBStorage`."""

    _catalogue: Catalogue

    # -- collections

    def _create(self, schema: Schema) -> bool:
        """Make the collection, if others have not; True if it was made."""
        database, name = self._client.database, self._collection(schema).name
        try:
            self._run(lambda: database.command("create", name))
        except StorageError as error:
            if getattr(error.__cause__, "code", None) != _EXISTS:
                raise
            return False
        if schema.shard_key is not None and self._client.abilities.sharded:
            command = shard_command(schema, database.name, name)
            self._run(lambda: self._client.native.admin.command(command))
        return True

    # -- single documents

    def _put(self, schema: Schema, key: Any, record: Record) -> None:
        collection = self._collection(schema)
        data, revision = record
        document = self._document(schema, as_bytes(data), revision)
        self._run(
            lambda: collection.replace_one(
                {ID: document[ID], **shard_place(schema, document)},
                document,
                upsert=True,
                session=self._session,
            ),
            writes="one",
        )

    def _remove(self, schema: Schema, key: Any) -> bool:
        return self._deleted(schema, {ID: to_key(schema, key)})

    def _save(self, schema: Schema, write: Write) -> int:
        self._look_before(schema, write)
        if write.expected == NEW:
            revision = self._insert(schema, write)
        elif write.expected == ANY or write.before is None:
            revision = self._replace(schema, write)
        else:
            revision = self._save_over(schema, write, write.before)
        self._count_up(schema, (write.key,))
        return revision

    def _look_before(self, schema: Schema, write: Write) -> None:
        """Raise DuplicateKey for what a unique index would refuse, where the server must not.

        In a transaction any refusal ends it on the server.
        """
        inside, unique = self._session is not None, has_unique(schema)
        alone = self._client.abilities.sharded and may_be_taken_elsewhere(schema, write.key)
        look = write.expected == NEW and (inside or alone)
        if look and self._get(schema, write.key) is not None:
            raise taken(schema)
        if unique and (inside or not self.unique_indexes):
            self._check_unique(schema, write.key, write.data)

    def _insert(self, schema: Schema, write: Write) -> int:
        collection = self._collection(schema)
        revision = first_revision()
        document = self._document(schema, write.data, revision)
        try:
            self._run(lambda: collection.insert_one(document, session=self._session), writes="one")
        except DuplicateKeyError as error:
            raise self._duplicate(schema, write, error) from scrubbed(error)
        return revision

    def _save_over(self, schema: Schema, write: Write, before: bytes | str) -> int:
        """Save what was loaded, over the revision that it was loaded with."""
        revision = write.expected + 1
        update = saving(schema, write, before, revision)
        if not self._swap(schema, write, write.expected, update):
            raise stale(schema, deleted=self._get(schema, write.key) is None)
        return revision

    def _replace(self, schema: Schema, write: Write) -> int:
        """Write over what is stored, or anew where it may; anew if others come between."""
        while True:
            stored = self._get(schema, write.key)
            revision = self.checked_revision(schema, write, stored)
            if stored is None:
                try:
                    return self._insert(schema, write._replace(expected=NEW))
                except DuplicateKey as error:
                    if error.index is not None:
                        raise
                    continue  # the key: somebody was faster
            if self._swap(schema, write, stored[1], saving(schema, write, stored[0], revision)):
                return revision

    def _swap(self, schema: Schema, write: Write, before: int, update: Update) -> bool:
        """Change the document if it still has the revision `before`; True if it had."""
        collection = self._collection(schema)
        place = {ID: to_key(schema, write.key), REVISION: matching(before)}
        if schema.shard_key is not None and self._client.abilities.sharded:
            place |= shard_place(schema, to_document(schema, write.data))
        change = collection.update_one if is_operators(update) else collection.replace_one
        update, marks = self._fitting(update), self._marks(schema, write.data)
        if marks is not None:
            (update["$set"] if is_operators(update) else update)[MARKS] = marks
        try:
            result = self._run(lambda: change(place, update, session=self._session), writes="one")
        except DuplicateKeyError as error:
            raise self._duplicate(schema, write, error) from scrubbed(error)
        return bool(result.matched_count)

    def _delete(self, schema: Schema, key: Any, expected: int = ANY) -> bool:
        condition = {ID: to_key(schema, key)}
        if expected == ANY:
            return self._deleted(schema, condition)
        if not self._deleted(schema, {**condition, REVISION: matching(expected)}):
            raise stale(schema, deleted=self._get(schema, key) is None)
        return True

    def _deleted(self, schema: Schema, condition: dict[str, Any]) -> bool:
        collection = self._collection(schema)
        result = self._run(
            lambda: collection.delete_one(condition, session=self._session), writes="one"
        )
        return bool(result.deleted_count)

    # -- many

    def _save_many(self, schema: Schema, writes: Sequence[Write]) -> list[int]:
        if any(write.expected != NEW for write in writes) or not self._trusts_server(
            schema, writes
        ):
            return super()._save_many(schema, writes)
        return self._insert_many(schema, writes)

    def _trusts_server(self, schema: Schema, writes: Sequence[Write]) -> bool:
        """True if the server may be asked to write what it may have to refuse."""
        if self._session is not None:
            return False
        if self._client.abilities.sharded and any(
            may_be_taken_elsewhere(schema, write.key) for write in writes
        ):
            return False
        return not has_unique(schema) or self.unique_indexes

    def _insert_many(self, schema: Schema, writes: Sequence[Write]) -> list[int]:
        collection = self._collection(schema)
        revisions = [first_revision() for _ in writes]
        documents = [
            self._document(schema, write.data, revision)
            for write, revision in zip(writes, revisions, strict=True)
        ]
        if not documents:
            return []
        try:
            self._run(
                lambda: collection.insert_many(documents, session=self._session), writes="many"
            )
        except BulkWriteError as error:
            failures: list[Any] = error.details.get("writeErrors") or [{}]
            failure = failures[0]
            done = int(failure.get("index", 0))
            try:
                found = self._duplicate(schema, writes[done], error, failure)
                self._count_up(schema, [write.key for write in writes[:done]])
            except StorageError:  # the server has gone: what it had said holds
                found = of_some_index(schema)
            found.done = done
            raise found from scrubbed(error)
        self._count_up(schema, [write.key for write in writes])
        return revisions

    def _rewrite(
        self, schema: Schema, writes: Sequence[Write], names: frozenset[str] | None
    ) -> list[Write]:
        changed: list[Write] = []
        touched = has_unique(schema, names)
        for position, write in enumerate(writes):
            try:
                if touched:
                    self._look_before(schema, write)
                update = changing(schema, write, names, write.expected + 1)
                if not self._swap(schema, write, write.expected, update):
                    changed.append(write)
            except DocmapError as error:
                error.key, error.done = write.key, position - len(changed)
                raise
        return changed

    def _delete_keys(self, schema: Schema, records: Iterable[tuple[Any, int]]) -> int:
        collection = self._collection(schema)
        requests = [
            DeleteOne({ID: to_key(schema, key), REVISION: matching(revision)})
            for key, revision in records
        ]
        if not requests:
            return 0
        result = self._run(
            lambda: collection.bulk_write(requests, ordered=False, session=self._session),
            writes="many",
        )
        return int(result.deleted_count)

    # -- keys that are counted

    def _next_key(self, schema: Schema) -> int:
        return self._next_keys(schema, 1)[0]

    def _next_keys(self, schema: Schema, count: int) -> range:
        highest = 0 if self._catalogue.knows(schema) else self._highest_key(schema)
        return self._catalogue.next_keys(self._run, schema, count, highest)

    def _highest_key(self, schema: Schema) -> int:
        """The highest int key that is used; 0 if there is none."""
        collection = self._collection(schema)
        counted = {ID: {"$type": ["int", "long", "double"], "$gte": 0, "$lte": INT_MAX}}
        found = self._run(
            lambda: collection.find_one(counted, {ID: 1}, sort=[(ID, -1)], session=self._session)
        )
        return min(int(found[ID]), INT_MAX) if found else 0

    def _count_up(self, schema: Schema, keys: Iterable[Any]) -> None:
        """Keep the counter beyond every key that was given by hand."""
        if schema.model is None or schema.key_field.type.kind != "int":
            return
        try:
            self._catalogue.count_to(self._run, schema, max(keys, default=0))
        except Unavailable as error:
            if self._session is not None:
                raise  # the document is undone with the transaction
            raise OutcomeUnknown(
                f"mongodb: a document was written to {self._client.place}, which went away before "
                "its key was noted as used: get it by its key before you write it again",
                engine="mongodb",
            ) from error.__cause__

    # -- helpers

    def _document(self, schema: Schema, data: bytes, revision: int) -> dict[str, Any]:
        document = self._fitting(replacing(schema, data, revision))
        marks = self._marks(schema, data)
        return document if marks is None else {**document, MARKS: marks}

    def _fitting(self, document: dict[str, Any]) -> dict[str, Any]:
        """A document, or an update, with values that the server keeps."""
        if self._client.abilities.known("decimal128"):
            return document
        found: dict[str, Any] = without_decimals(document)
        return document if found == document or self.decimal128 else found

    def _duplicate(
        self, schema: Schema, write: Write, error: Exception, failure: Any = None
    ) -> DocmapError:
        """The error for a broken unique index: the key's first, else the first declared."""
        details = failure if failure is not None else getattr(error, "details", None) or {}
        pattern = details.get("keyPattern")
        if write.expected == NEW and (
            pattern == {ID: 1} or self._get(schema, write.key) is not None
        ):
            return taken(schema)
        found = self._first_conflict(schema, write.key, write.data)
        if found is not None:
            return found
        unique = [index for index in schema.indexes if index.unique]
        for index in unique:  # whoever had the value may be gone by now
            if len(unique) == 1 or index.name in str(details.get("errmsg", "")):
                return not_unique(schema, index)
        return of_some_index(schema)


def of_some_index(schema: Schema) -> DuplicateKey:
    """The error for a unique index that the server does not name."""
    return DuplicateKey(
        f"{schema.collection} has another document with the same value of a unique index",
        collection=schema.collection,
    )


def has_unique(schema: Schema, names: frozenset[str] | None = None) -> bool:
    """True if a unique index of the collection is over one of the fields; None are all."""
    return any(
        index.unique and (names is None or any(t.path.segments[0] in names for t in index.terms))
        for one in (schema, *schema.relatives)
        for index in one.indexes
    )


def matching(revision: int) -> Any:
    """The condition on a revision: a document of another program has none, which counts as 0."""
    return revision or {"$in": [0, None]}


def as_bytes(data: bytes | str) -> bytes:
    """The bytes of a record."""
    return data if isinstance(data, bytes) else data.encode()
