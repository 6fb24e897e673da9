"""AsyncQuery: the query that a user chains and awaits, over the one of the sync core."""

from __future__ import annotations

import builtins
from collections.abc import AsyncIterator, Awaitable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Generic, NoReturn, Self, TypeVar, overload

from docmap.aio.grouping import AsyncGroupedQuery
from docmap.aio.streams import BATCH, FIRST, stream
from docmap.errors import InvalidQuery
from docmap.schema.events import LOADED
from docmap.storage.call_options import (
    KEEP,
    Consistency,
    ReadConcern,
    ReadPreference,
    WriteConcern,
)
from docmap.storage.firing import hooked

if TYPE_CHECKING:
    from docmap.aio.storage import AsyncStorage
    from docmap.plan.explain import Explanation
    from docmap.query.aggregates import Aggregate
    from docmap.query.changes import Change, Updated
    from docmap.query.conditions import Condition
    from docmap.query.rows import AggregateRow
    from docmap.storage.chain import OnInvalid
    from docmap.storage.paging import Page
    from docmap.storage.query import Query

T = TypeVar("T")
V = TypeVar("V")


class AsyncQuery(Generic[T]):
    """A query of a storage that is awaited: `db.find(Order)` gives one.

    It is chained as Query is, and what reads or writes is awaited; `async for` streams it. Nothing
    is read before it is asked for.
    """

    __slots__ = ("_query", "_storage")

    def __init__(self, storage: AsyncStorage, query: Query[T]) -> None:
        self._storage = storage
        self._query = query

    # -- the chain

    def where(self, /, *conditions: Condition | bool, **lookups: Any) -> Self:
        """Only documents for which all of the conditions and keyword lookups hold."""
        return self._of(self._query.where(*conditions, **lookups))

    def where_not(self, /, *conditions: Condition | bool, **lookups: Any) -> Self:
        """Exactly the documents that `where` with the same arguments leaves out."""
        return self._of(self._query.where_not(*conditions, **lookups))

    def order_by(self, *names: Any) -> Self:
        """Sorted by fields, `-` in front descends; the key is always the last criterion."""
        return self._of(self._query.order_by(*names))

    def limit(self, count: int) -> Self:
        """At most `count` documents; 0 is none."""
        return self._of(self._query.limit(count))

    def offset(self, count: int) -> Self:
        """Without the first `count` documents."""
        return self._of(self._query.offset(count))

    def after(self, cursor: str | None, /) -> Self:
        """Only the documents that the query's order puts behind a cursor; None is the beginning."""
        return self._of(self._query.after(cursor))

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
        """The options of `options` of a storage, for this query alone."""
        return self._of(
            self._query.options(
                allow_scan=allow_scan,
                timeout=timeout,
                consistency=consistency,
                read_preference=read_preference,
                read_concern=read_concern,
                write_concern=write_concern,
            )
        )

    def fetch(
        self,
        *references: Any,
        storage: AsyncStorage | Mapping[Any, AsyncStorage] | None = None,
    ) -> Self:
        """Read what references refer to as well: `fetch("customer", "items.product")`."""
        return self._of(self._query.fetch(*references, storage=cores(storage)))

    def on_invalid(self, what: OnInvalid) -> Self:
        """What to do with a stored record that does not fit: raise, skip, or be called."""
        return self._of(self._query.on_invalid(what))

    def raw(self) -> AsyncQuery[dict[str, Any]]:
        """The stored values as plain dicts under their storage names, not checked."""
        return AsyncQuery(self._storage, self._query.raw())

    def view(self, other: type[V], /) -> AsyncQuery[V]:
        """The same records as instances of another class, which takes only the fields it names."""
        return AsyncQuery(self._storage, self._query.view(other))

    def group_by(self, /, *places: Any, **named: Any) -> AsyncGroupedQuery:
        """Groups of documents that have the same values: `group_by("status", "at__year")`."""
        return AsyncGroupedQuery(self._storage, self._query.group_by(*places, **named))

    def cursor(self, document: Any, /) -> str:
        """The cursor of a document in the query's order: text for `after`, safe in a URL."""
        return self._query.cursor(document)

    # -- reading

    def __aiter__(self) -> AsyncIterator[T]:
        """Stream the documents in bounded batches; leaving the loop ends it."""
        query = self._query
        storage, schema = query._storage, query._request.schema
        if hooked(storage, schema, LOADED, family=True):
            # What is never asked for is not announced as loaded.
            return stream(self._storage._runner, query._documents, 1, 1)
        return stream(self._storage._runner, query._documents, FIRST, BATCH)

    @overload
    def __getitem__(self, index: int) -> Awaitable[T]: ...

    @overload
    def __getitem__(self, index: slice) -> Self: ...

    def __getitem__(self, index: int | slice) -> Awaitable[T] | Self:
        """`query[10:20]` is a query, `await query[3]` a document. Raises IndexError."""
        if isinstance(index, slice):
            return self._of(self._query[index])
        self._query._whole(index, "an index")
        return self._storage._run(self._query.__getitem__, index)

    async def list(self) -> builtins.list[T]:
        """All documents in a list."""
        return await self._storage._run(self._query.list)

    async def first(self) -> T | None:
        """The first document in the query's order, else in the order of keys; None if empty."""
        return await self._storage._run(self._query.first)

    async def one(self) -> T:
        """The only document. Raises DocumentNotFound or MultipleFound."""
        return await self._storage._run(self._query.one)

    async def get(self, /, *conditions: Condition | bool, **lookups: Any) -> T:
        """`where(...)` and `one()` in one."""
        return await self._storage._run(self._query.where(*conditions, **lookups).one)

    async def count(self) -> int:
        """The number of documents, the slice seen; one statement that reads none of them."""
        return await self._storage._run(self._query.count)

    async def exists(self) -> bool:
        """True if there is a document."""
        return await self._storage._run(self._query.exists)

    async def values(self, name: Any, *, nulls: bool = False) -> builtins.list[Any]:
        """The distinct values of a field in canonical order; nulls only if asked for."""
        return await self._storage._run(self._query.values, name, nulls=nulls)

    async def aggregate(self, /, **functions: Aggregate) -> AggregateRow:
        """Results over all documents, as a named tuple: `aggregate(n=Count())`."""
        return await self._storage._run(lambda: self._query.aggregate(**functions))

    async def page(self, size: int, /, after: str | None = None) -> Page[T]:
        """At most `size` documents in the query's order, and in `next` the cursor of the next."""
        return await self._storage._run(self._query.page, size, after=after)

    def batches(self, size: int, /) -> AsyncIterator[builtins.list[T]]:
        """All documents in lists of `size`, in the query's order: each list a read of its own."""
        found: Iterator[builtins.list[T]] = self._query.batches(size)
        return stream(self._storage._runner, lambda: found, 1, 1)

    async def explain(self) -> Explanation:
        """How the query runs: natively or not, by which index, what stays residual and why."""
        return await self._storage._run(self._query.explain)

    # -- writing

    async def update(self, /, *changes: Change, **fields: Any) -> Updated:
        """Change every match in storage, each document atomically; how many were matched."""
        return await self._storage._run(lambda: self._query.update(*changes, **fields))

    async def find_one_and_update(
        self, /, *changes: Change, return_new: bool = True, **fields: Any
    ) -> T | None:
        """Change the first match in storage and return it; None if there is none."""
        return await self._storage._run(
            lambda: self._query.find_one_and_update(*changes, return_new=return_new, **fields)
        )

    async def explain_update(self, /, *changes: Change, **fields: Any) -> Explanation:
        """How an update would run: natively, or document by document and why. Changes nothing."""
        return await self._storage._run(lambda: self._query.explain_update(*changes, **fields))

    async def delete(self) -> int:
        """Delete every match; returns how many there were."""
        return await self._storage._run(self._query.delete)

    # -- what Python would do without awaiting

    __iter__: ClassVar[None] = None
    __contains__: ClassVar[None] = None

    def __bool__(self) -> NoReturn:
        raise TypeError("whether a query finds something is awaited: await query.exists()")

    def __repr__(self) -> str:
        return f"<Async{repr(self._query)[1:]}"

    def _of(self, query: Query[T]) -> Self:
        return type(self)(self._storage, query)


def cores(storage: Any) -> Any:
    """The sync storages of awaited ones, alone or in a mapping; anything else is refused."""
    if isinstance(storage, Mapping):
        return {model: cores(one) for model, one in storage.items()}
    core = getattr(storage, "_core", None)
    if core is None and storage is not None:
        raise InvalidQuery(
            "what is awaited fetches from storages of docmap.aio, alone or in a mapping of "
            f"classes to them, not from {type(storage).__name__}"
        )
    return core
