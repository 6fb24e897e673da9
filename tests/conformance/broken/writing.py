"""Adapters that store the wrong thing, or store what they should refuse."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from typing import Any

from pydantic_core import from_json, to_json

from docmap.errors import DocmapError
from docmap.plan.engine import NativeQuery, Record
from docmap.schema.schema import Schema
from docmap.storage.writes import ANY, NEW, Write, index_entries, not_unique, taken
from tests.conformance.broken.catalogue import broken
from tests.conformance.broken.sound import Collection, SoundStorage


@broken("revisions")
class RevisionStays(SoundStorage):
    """A save does not raise the revision."""

    def checked_revision(self, schema: Schema, write: Write, stored: Record | None) -> int:
        revision = super().checked_revision(schema, write, stored)
        return revision if stored is None else stored[1]


@broken("update", "revisions")
class UpdateKeepsRevision(SoundStorage):
    """An update does not raise the revision of what it changes."""

    def _rewrite(
        self, schema: Schema, writes: Sequence[Write], names: frozenset[str] | None
    ) -> list[Write]:
        changed = super()._rewrite(schema, writes, names)
        for write in writes:
            if write not in changed:
                self._put(schema, write.key, (write.data, write.expected))
        return changed


@broken("delete:anew")
class RevisionsBeginAtOne(SoundStorage):
    """The first revision is 1: a document that was made anew is taken for the old one."""

    def checked_revision(self, schema: Schema, write: Write, stored: Record | None) -> int:
        revision = super().checked_revision(schema, write, stored)
        return 1 if stored is None else revision


@broken("revisions")
class StaleIsSaved(SoundStorage):
    """A save over a newer revision is done."""

    def checked_revision(self, schema: Schema, write: Write, stored: Record | None) -> int:
        if write.expected >= 0 and stored is not None:
            write = write._replace(expected=ANY)
        return super().checked_revision(schema, write, stored)


@broken("delete")
class DeletedComesBack(SoundStorage):
    """Saving a document that was deleted since brings it back."""

    def checked_revision(self, schema: Schema, write: Write, stored: Record | None) -> int:
        if stored is None:
            write = write._replace(expected=NEW)
        return super().checked_revision(schema, write, stored)


@broken("revisions", "delete")
class StaleIsDeleted(SoundStorage):
    """Deleting over a newer revision is done."""

    def _delete(self, schema: Schema, key: Any, expected: int = ANY) -> bool:
        return super()._delete(schema, key, ANY)


@broken("create")
class InsertReplaces(SoundStorage):
    """An insert over a key that is taken replaces what is there."""

    def checked_revision(self, schema: Schema, write: Write, stored: Record | None) -> int:
        if write.expected == NEW and stored is not None:
            return stored[1] + 1
        return super().checked_revision(schema, write, stored)


@broken("unique")
class UniqueIsNotChecked(SoundStorage):
    """Unique indexes are not looked at."""

    def _check_unique(self, schema: Schema, key: Any, data: bytes) -> None:
        pass


@broken("unique")
class NullsCollide(SoundStorage):
    """Null is a value like any other in a unique index."""

    def _check_unique(self, schema: Schema, key: Any, data: bytes) -> None:
        super()._check_unique(schema, key, data)
        for index in schema.indexes:
            if not index.unique or any(term.elements for term in index.terms):
                continue
            wanted = _plain_entry(index, schema, data)
            for other, _ in self._scan(schema):
                if schema.key_of(other) != key and _plain_entry(index, schema, other) == wanted:
                    raise not_unique(schema, index)


def _plain_entry(index: Any, schema: Schema, data: bytes | str) -> list[Any]:
    wire = from_json(data)
    return [wire.get(term.path.segments[0]) if type(wire) is dict else None for term in index.terms]


@broken("unique")
class CompoundIsItsFirst(SoundStorage):
    """A unique index over several fields lets nothing pass that has its first value again."""

    def _check_unique(self, schema: Schema, key: Any, data: bytes) -> None:
        super()._check_unique(schema, key, data)
        for index in schema.indexes:
            if not index.unique or len(index.terms) < 2:
                continue
            wanted = {one[0] for one in index_entries(index, schema.codec.tree(data))}
            for other, _ in self._scan(schema):
                found = {one[0] for one in index_entries(index, schema.codec.tree(other))}
                if schema.key_of(other) != key and wanted & found:
                    raise not_unique(schema, index)


@broken("unique", "update")
class UpdatesBreakUnique(SoundStorage):
    """An update does not look at unique indexes."""

    def _rewrite(
        self, schema: Schema, writes: Sequence[Write], names: frozenset[str] | None
    ) -> list[Write]:
        return super()._rewrite(schema, writes, frozenset())


@broken("bulk")
class BulkLosesItsLast(SoundStorage):
    """Of many documents that are stored at once the last is not, though it is said to be."""

    def _save_many(self, schema: Schema, writes: Sequence[Write]) -> list[int]:
        if len(writes) < 2:
            return super()._save_many(schema, writes)
        return [*super()._save_many(schema, writes[:-1]), 1]


@broken("bulk")
class BulkGoesOn(SoundStorage):
    """After a document that cannot be stored the others are stored all the same."""

    def _save_many(self, schema: Schema, writes: Sequence[Write]) -> list[int]:
        first: DocmapError | None = None
        revisions: list[int] = []
        for write in writes:
            try:
                revisions.append(self._save(schema, write))
            except DocmapError as error:
                error.done = len(revisions)
                first = first or error
        if first is not None:
            raise first
        return revisions


@broken("bulk")
class BulkTakesAllBack(SoundStorage):
    """Where one of many documents fails, those before it are taken back."""

    def _save_many(self, schema: Schema, writes: Sequence[Write]) -> list[int]:
        with self._transaction():
            return super()._save_many(schema, writes)


@broken("bulk")
class BulkMiscounts(SoundStorage):
    """The error of a bulk write says that nothing was written before it."""

    def _save_many(self, schema: Schema, writes: Sequence[Write]) -> list[int]:
        try:
            return super()._save_many(schema, writes)
        except DocmapError as error:
            error.done = 0
            raise


@broken("bulk")
class FailuresAreHidden(SoundStorage):
    """An unordered bulk write says that all was stored."""

    def _save_each(self, schema: Schema, writes: Sequence[Write]) -> Iterator[int | DocmapError]:
        for one in super()._save_each(schema, writes):
            yield 1 if isinstance(one, DocmapError) else one


@broken("update", "create", "revisions")
class UnknownIsDropped(SoundStorage):
    """A save drops what the class does not know."""

    def _save(self, schema: Schema, write: Write) -> int:
        with self._mutex:
            stored = self._get(schema, write.key)
            revision = self.checked_revision(schema, write, stored)
            self._check_unique(schema, write.key, write.data)
            self._put(schema, write.key, (write.data, revision))
            return revision


class _OwnKeys(SoundStorage):
    """Finds records under keys of its own making."""

    def key(self, key: Any) -> Any:
        """The key under which a record lies."""
        return key

    def _get(self, schema: Schema, key: Any) -> Record | None:
        return self.table(schema).records.get(self.key(schema.stored_key(key)))

    def _put(self, schema: Schema, key: Any, record: Record) -> None:
        table, stored = self.writable(schema), schema.stored_key(key)
        table.records[self.key(stored)] = record
        if type(stored) is int:
            table.last_key = max(table.last_key, stored)

    def _remove(self, schema: Schema, key: Any) -> bool:
        return self.table(schema).records.pop(self.key(schema.stored_key(key)), None) is not None


@broken("keys")
class KeysFoldCase(_OwnKeys):
    """The keys "a" and "A" are one."""

    def key(self, key: Any) -> Any:
        return key.casefold() if isinstance(key, str) else key


@broken("keys")
class KeysAreCut(_OwnKeys):
    """Of a key only the first 63 characters count."""

    def key(self, key: Any) -> Any:
        return key[:63] if isinstance(key, str) else key


@broken("keys")
class KeysAreText(_OwnKeys):
    """In a collection without a class, the keys 1 and "1" are one."""

    def key(self, key: Any) -> Any:
        return str(key)


@broken("keys")
class KeysAreStripped(_OwnKeys):
    """Blanks around a key do not count."""

    def key(self, key: Any) -> Any:
        return key.strip() if isinstance(key, str) else key


@broken("names:collections")
class CollectionsFoldCase(SoundStorage):
    """The collections "Orders" and "orders" are one."""

    def table(self, schema: Schema) -> Collection:
        return self.held.get(schema.collection.lower()) or Collection()

    def writable(self, schema: Schema) -> Collection:
        return self.held.setdefault(schema.collection.lower(), Collection())


@broken("keys")
class CollectionsAreNotListed(SoundStorage):
    """`collections()` gives nothing."""

    def _collections(self) -> list[str]:
        return []


@broken("keys:clear")
class ClearKeepsCounters(SoundStorage):
    """`clear` leaves the counters of keys where they are."""

    def _clear(self) -> None:
        for table in self.held.values():
            table.records.clear()


@broken("keys:counted")
class KeysAreUsedAgain(SoundStorage):
    """The next key is one more than the highest that is stored."""

    def _next_key(self, schema: Schema) -> int:
        with self._mutex:
            return max((k for k in self.table(schema).records if type(k) is int), default=0) + 1


@broken("keys:counted")
class CounterMissesGivenKeys(SoundStorage):
    """The counter does not see keys that were given by hand."""

    def _put(self, schema: Schema, key: Any, record: Record) -> None:
        table = self.writable(schema)
        before = table.last_key
        super()._put(schema, key, record)
        table.last_key = before


@broken("read")
class ManyLessOne(SoundStorage):
    """`get_many` does not find the last key."""

    def _get_many(self, schema: Schema, keys: Sequence[Any]) -> dict[Any, Record]:
        return super()._get_many(schema, keys[:-1] if len(keys) > 1 else keys)


class _Rewriting(SoundStorage):
    """Stores another document than it was given."""

    def changed_value(self, value: Any) -> Any:
        """What is stored for a scalar."""
        return value

    def _put(self, schema: Schema, key: Any, record: Record) -> None:
        wire = self._rewritten(from_json(record[0]))
        super()._put(schema, key, (to_json(wire), record[1]))

    def _rewritten(self, wire: Any) -> Any:
        if isinstance(wire, dict):
            return {name: self._rewritten(value) for name, value in wire.items()}
        if isinstance(wire, list):
            return [self._rewritten(value) for value in wire]
        return self.changed_value(wire)


@broken("create", "values")
class FloatsAreRounded(_Rewriting):
    """Floats are kept with 15 digits."""

    def changed_value(self, value: Any) -> Any:
        return float(f"{value:.15g}") if isinstance(value, float) else value


@broken("create", "values")
class WholeFloatsAreInts(_Rewriting):
    """1.0 is stored as 1."""

    def changed_value(self, value: Any) -> Any:
        return int(value) if isinstance(value, float) and value == int(value) else value


@broken("create", "values")
class IntsAreDoubles(_Rewriting):
    """Ints are stored as doubles: from 2**53 on digits are lost."""

    def changed_value(self, value: Any) -> Any:
        return int(float(value)) if type(value) is int else value


@broken("create", "values")
class TextIsStoredNormal(_Rewriting):
    """Text is stored in its normal form."""

    def changed_value(self, value: Any) -> Any:
        return unicodedata.normalize("NFC", value) if isinstance(value, str) else value


@broken("create", "values")
class TextIsStripped(_Rewriting):
    """Blanks at the end of a text are not stored."""

    def changed_value(self, value: Any) -> Any:
        return value.rstrip() if isinstance(value, str) else value


@broken("create", "values")
class EmptyTextIsNull(_Rewriting):
    """An empty text is stored as null, as Oracle does."""

    def changed_value(self, value: Any) -> Any:
        return None if value == "" else value


@broken("create", "values")
class TextIsAscii(_Rewriting):
    """Characters beyond the basic plane are lost, as in an old MySQL."""

    def changed_value(self, value: Any) -> Any:
        return "".join(c for c in value if c <= "\uffff") if isinstance(value, str) else value


@broken("delete")
class DeletesAll(SoundStorage):
    """Deleting by a condition deletes the whole collection."""

    def _delete_matching(self, schema: Schema, condition: Any) -> int:
        found = super()._find(schema, NativeQuery())
        return self._delete_keys(schema, [(schema.key_of(data), rev) for data, rev in found])


@broken("delete")
class DeleteSaysNothing(SoundStorage):
    """Deleting a key says that something was there, whether or not it was."""

    def _remove(self, schema: Schema, key: Any) -> bool:
        super()._remove(schema, key)
        return True


@broken("create", "revisions", "update")
class UpsertInserts(SoundStorage):
    """`upsert` refuses a key that is taken."""

    def checked_revision(self, schema: Schema, write: Write, stored: Record | None) -> int:
        if write.expected == ANY and stored is not None:
            raise taken(schema)
        return super().checked_revision(schema, write, stored)
