"""Keys that the storage counts: one at a time, or those of a batch of new documents at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, ClassVar

from docmap.errors import Unsupported
from docmap.schema.schema import Schema
from docmap.storage.bridge import Local

if TYPE_CHECKING:
    from docmap.storage.hooks import Hooks


class CountingHooks:
    """The hooks of an engine that counts keys."""

    scheme: ClassVar[str]

    def _next_key(self, schema: Schema) -> int:
        """The next key of a collection whose key is an int: never one that was used."""
        raise Unsupported(
            f"{self.scheme} does not count keys: give each document of {schema.collection} its "
            f"{schema.key}",
            engine=self.scheme,
            collection=schema.collection,
            field=schema.key,
        )

    def _next_keys(self, schema: Schema, count: int) -> Sequence[int]:
        """So many next keys, rising: for the new documents of a batch, in one step where it can."""
        return [self._next_key(schema) for _ in range(count)]


class _Caller(Local):
    reserve: Reserve | None = None


_caller = _Caller()


class Reserve:
    """Makes a block ask for the keys of a batch at once: when the first of them is wanted."""

    __slots__ = ("_collection", "_count", "_keys", "_outer", "_storage")

    def __init__(self, storage: Hooks, schema: Schema, count: int) -> None:
        self._storage, self._collection, self._count = storage, schema.collection, count
        self._keys: Iterator[int] = iter(())

    def __enter__(self) -> None:
        self._outer = _caller.reserve
        _caller.reserve = self

    def __exit__(self, *exception: object) -> None:
        _caller.reserve = self._outer

    def take(self, storage: Hooks, schema: Schema) -> int | None:
        """The next of the keys; None for another collection, and if all are gone."""
        if storage is not self._storage or schema.collection != self._collection:
            return None
        if self._count:
            self._keys, self._count = iter(storage._next_keys(schema, self._count)), 0
        return next(self._keys, None)


def counted_key(storage: Hooks, schema: Schema) -> int:
    """The next key of a collection, from those of the batch that is being made ready if it is."""
    reserve = _caller.reserve
    taken = None if reserve is None else reserve.take(storage, schema)
    return storage._next_key(schema) if taken is None else taken
