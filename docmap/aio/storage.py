"""AsyncStorage: the storage that a program awaits, over the sync core of its engine."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self, TypeVar, overload

from docmap.aio.grouping import AsyncCollection
from docmap.aio.hooking import Hooking
from docmap.aio.query import AsyncQuery, cores
from docmap.aio.runners import finished, runner_of
from docmap.aio.transactions import AsyncTransaction, retrying
from docmap.aio.watching import AsyncWatch
from docmap.storage.bulk import BATCH
from docmap.storage.call_options import (
    KEEP,
    Consistency,
    ReadConcern,
    ReadPreference,
    WriteConcern,
)

if TYPE_CHECKING:
    from docmap.query.conditions import Condition
    from docmap.storage.base import BaseStorageAdapter
    from docmap.storage.upgrading import UpgradeReport

D = TypeVar("D")
R = TypeVar("R")
Row = dict[str, Any]


class AsyncStorage(Hooking):
    """A storage that is awaited: `await connect(url)` gives one.

    Every method has the name, the arguments and the meaning of that of a storage, whose page says
    more; what reads or writes is awaited. It may be used from all tasks of one event loop.
    """

    awaited: ClassVar[Literal[True]] = True
    """What the methods of documents look at, which cannot use it."""

    # -- connecting

    async def connect(self) -> None:
        """Open the storage. Raises AlreadyConnected if it is open: use `reconnect()`."""
        was_open = self.is_open
        if not was_open:
            await self._runner.open()
        try:
            await self._run(self._core.connect)
        except BaseException:
            if not was_open:  # a thread may have opened it while the task was cancelled
                await finished(self.disconnect())
            raise

    async def disconnect(self) -> None:
        """Close the storage; nothing happens if it is closed."""
        await self._runner.open()  # also if it was connected in an event loop that has ended
        await self._run(self._core.disconnect)
        await self._runner.close()

    async def reconnect(self) -> None:
        """Close the storage if it is open, and open it."""
        await self.disconnect()
        await self.connect()

    async def __aenter__(self) -> Self:
        if not self.is_open:
            await self.connect()
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.disconnect()

    async def clear(self) -> None:
        """Remove all data of the storage, and set the counters of keys back."""
        await self._run(self._core.clear)

    async def sync(self) -> None:
        """Make everything that was acknowledged durable."""
        await self._run(self._core.sync)

    async def ping(self) -> bool:
        """True if the engine answers. Raises StorageError if it does not."""
        return await self._run(self._core.ping)

    async def info(self) -> dict[str, Any]:
        """What a person may want to know: engine, URL without secrets, version, size."""
        return await self._run(self._core.info)

    def options(  # noqa: PLR0913 - each is an option of a call
        self,
        *,
        allow_scan: bool = KEEP,
        timeout: float | None = KEEP,
        consistency: Consistency | None = KEEP,
        read_preference: ReadPreference | None = KEEP,
        read_concern: ReadConcern | None = KEEP,
        write_concern: WriteConcern | None = KEEP,
    ) -> Self:
        """This storage with other options for what is asked of it; both share the connection."""
        view = self._core.options(
            allow_scan=allow_scan,
            timeout=timeout,
            consistency=consistency,
            read_preference=read_preference,
            read_concern=read_concern,
            write_concern=write_concern,
        )
        return type(self)(view, self._runner)

    # -- reading

    @overload
    async def get(self, model: str, key: Any, /) -> Row: ...
    @overload
    async def get(self, model: type[D], key: Any, /) -> D: ...
    async def get(self, model: Any, key: Any, /) -> Any:
        """The document of a key. Raises DocumentNotFound, which is a KeyError."""
        return await self._run(self._core.get, model, key)

    @overload
    async def get_many(self, model: str, keys: Iterable[Any], /) -> list[Row]: ...
    @overload
    async def get_many(self, model: type[D], keys: Iterable[Any], /) -> list[D]: ...
    async def get_many(self, model: Any, keys: Iterable[Any], /) -> Any:
        """The documents in the order of the keys; missing ones are left out, repeats repeat."""
        return await self._run(self._core.get_many, model, keys)

    @overload
    def find(
        self, model: str, /, *conditions: Condition | bool, **lookups: Any
    ) -> AsyncQuery[Row]: ...
    @overload
    def find(
        self, model: type[D], /, *conditions: Condition | bool, **lookups: Any
    ) -> AsyncQuery[D]: ...
    def find(self, model: Any, /, *conditions: Condition | bool, **lookups: Any) -> Any:
        """A query over the collection, narrowed by conditions as `where` would."""
        return AsyncQuery(self, self._core.find(model, *conditions, **lookups))

    @overload
    def get_query(self, model: str, /) -> AsyncQuery[Row]: ...
    @overload
    def get_query(self, model: type[D], /) -> AsyncQuery[D]: ...
    def get_query(self, model: Any, /) -> Any:
        """A query over the whole collection."""
        return AsyncQuery(self, self._core.get_query(model))

    @overload
    async def get_or_create(
        self, model: str, /, defaults: Mapping[str, Any] | None = None, **conditions: Any
    ) -> tuple[Row, bool]: ...
    @overload
    async def get_or_create(
        self, model: type[D], /, defaults: Mapping[str, Any] | None = None, **conditions: Any
    ) -> tuple[D, bool]: ...
    async def get_or_create(
        self, model: Any, /, defaults: Mapping[str, Any] | None = None, **conditions: Any
    ) -> Any:
        """The first match in key order and False, or a new document of the conditions and True."""
        return await self._run(lambda: self._core.get_or_create(model, defaults, **conditions))

    async def fetch(
        self,
        documents: Iterable[D],
        /,
        *references: Any,
        storage: AsyncStorage | Mapping[Any, AsyncStorage] | None = None,
    ) -> list[D]:
        """Read what the references of documents at hand refer to; the documents in a list."""
        return await self._run(self._core.fetch, documents, *references, storage=cores(storage))

    # -- writing

    @overload
    async def save(self, document: Any, /) -> Any: ...
    @overload
    async def save(
        self, model: Any, data: Mapping[str, Any], /, primary_key: Any = None
    ) -> Any: ...
    async def save(self, model: Any, data: Any = ..., /, primary_key: Any = None) -> Any:
        """Store a document, or a dict as one of a class, and return its key."""
        return await self._run(self._core.save, model, data, primary_key=primary_key)

    async def insert(self, document: Any, /) -> Any:
        """Store a new document and return its key. Raises DuplicateKey if the key is taken."""
        return await self._run(self._core.insert, document)

    async def upsert(self, document: Any, /) -> Any:
        """Store a document whether or not its key is taken, whatever the revision; its key."""
        return await self._run(self._core.upsert, document)

    @overload
    async def insert_many(
        self, documents: Iterable[Any], /, *, batch_size: int = BATCH, ordered: bool = True
    ) -> list[Any]: ...
    @overload
    async def insert_many(
        self,
        model: Any,
        rows: Iterable[Mapping[str, Any]],
        /,
        *,
        batch_size: int = BATCH,
        ordered: bool = True,
    ) -> list[Any]: ...
    async def insert_many(
        self, model: Any, rows: Any = ..., /, *, batch_size: int = BATCH, ordered: bool = True
    ) -> list[Any]:
        """Store many new documents, or dicts as documents of a class; their keys."""
        return await self._run(
            self._core.insert_many, model, rows, batch_size=batch_size, ordered=ordered
        )

    async def save_many(
        self, documents: Iterable[Any], /, *, batch_size: int = BATCH, ordered: bool = True
    ) -> list[Any]:
        """`save` for many documents in batches; their keys. Fails as `insert_many` does."""
        return await self._run(
            self._core.save_many, documents, batch_size=batch_size, ordered=ordered
        )

    @overload
    async def delete(self, document: Any, /) -> bool: ...
    @overload
    async def delete(self, model: Any, key: Any, /) -> bool: ...
    async def delete(self, model: Any, key: Any = ..., /) -> bool:
        """Delete a document, or the document of a key; True if it was there."""
        return await self._run(self._core.delete, model, key)

    async def delete_many(
        self, documents: Iterable[Any], /, *, batch_size: int = BATCH, ordered: bool = True
    ) -> int:
        """`delete` for many documents; how many. Fails as `insert_many` does."""
        return await self._run(
            self._core.delete_many, documents, batch_size=batch_size, ordered=ordered
        )

    async def reload(self, document: Any, /) -> None:
        """Bring a document up to date with what is stored. Raises DocumentNotFound."""
        await self._run(self._core.reload, document)

    def transaction(self) -> AsyncTransaction[Self]:
        """All or nothing for what is written in the block: `async with db.transaction():`.

        It belongs to this task: others work beside it and do not see it, and the tasks that it
        starts inside raise Unsupported until it has ended. A task that is cancelled undoes it.
        """
        return AsyncTransaction(self)

    async def retrying(self, function: Callable[[], Awaitable[R]], /, *, attempts: int = 5) -> R:
        """Await `function()` in a transaction and return its result; anew if others came between.

        It must load what it changes. Inside a transaction it runs once.
        """
        return await retrying(self, function, attempts)

    async def remove_expired(self, *models: Any) -> int:
        """Remove the documents of classes with `expires_after` that have expired; how many."""
        return await self._run(self._core.remove_expired, *models)

    async def upgrade(
        self,
        model: Any,
        /,
        *,
        dry_run: bool = False,
        batch_size: int = 500,
        progress: Callable[[int], None] | None = None,
    ) -> UpgradeReport:
        """Write the records of older versions of a class back as of its version, in batches."""
        return await self._run(
            self._core.upgrade, model, dry_run=dry_run, batch_size=batch_size, progress=progress
        )

    # -- changes

    @overload
    def watch(
        self,
        model: str,
        /,
        *conditions: Condition | bool,
        after: str | None = None,
        wait: float | None = None,
        **lookups: Any,
    ) -> AsyncWatch[Row]: ...
    @overload
    def watch(
        self,
        model: type[D],
        /,
        *conditions: Condition | bool,
        after: str | None = None,
        wait: float | None = None,
        **lookups: Any,
    ) -> AsyncWatch[D]: ...
    def watch(
        self,
        model: Any,
        /,
        *conditions: Condition | bool,
        after: str | None = None,
        wait: float | None = None,
        **lookups: Any,
    ) -> AsyncWatch[Any]:
        """The committed changes of a collection, from when it begins or behind the token `after`.

        It begins with `await db.watch(Order)`, `async with` or `async for`.
        """
        core = self._core
        return AsyncWatch(
            self,
            lambda: core.watch(model, *conditions, after=after, wait=wait, **lookups),
            wait,
        )

    async def unwatch(self, model: Any, /) -> None:
        """Log no more changes of a collection, until it is watched again."""
        await self._run(self._core.unwatch, model)

    # -- collections and indexes

    @overload
    def collection(self, model: str, /) -> AsyncCollection[Row]: ...
    @overload
    def collection(self, model: type[D], /) -> AsyncCollection[D]: ...
    def collection(self, model: Any, /) -> AsyncCollection[Any]:
        """The collection as a container."""
        return AsyncCollection(self, self._core.collection(model))

    async def collections(self) -> list[str]:
        """The names of all collections, sorted."""
        return await self._run(self._core.collections)

    async def ensure_indexes(self, *models: Any) -> None:
        """Make the collections and the indexes that the classes declare. Drops none."""
        await self._run(self._core.ensure_indexes, *models)

    async def indexes(self, model: Any, /) -> dict[str, list[str]]:
        """The `declared`, `present`, `missing` and `extra` indexes, and `conflicts`."""
        return await self._run(self._core.indexes, model)

    def same(self, other: object) -> bool:
        """True if both are one storage, perhaps with other options."""
        return isinstance(other, AsyncStorage) and self._core.same(other._core)

    async def _run(self, function: Callable[..., R], /, *args: Any, **kwargs: Any) -> R:
        return await self._runner.run(function, *args, **kwargs)

    def __repr__(self) -> str:
        return f"<AsyncStorage {self._core.url or self.scheme + '://'}>"


def awaited(core: BaseStorageAdapter) -> AsyncStorage:
    """An awaited storage over one that nobody has connected."""
    core.make_async()
    return AsyncStorage(core, runner_of(core))
