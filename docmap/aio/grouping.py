"""AsyncGroupedQuery and AsyncCollection: groups, and a collection as a container, awaited."""

from __future__ import annotations

import builtins
from collections.abc import AsyncIterator, Awaitable
from typing import TYPE_CHECKING, Any, ClassVar, Generic, NoReturn, Self, TypeVar, overload

from docmap.aio.streams import stream

if TYPE_CHECKING:
    from docmap.aio.query import AsyncQuery
    from docmap.aio.storage import AsyncStorage
    from docmap.plan.explain import Explanation
    from docmap.query.aggregates import Aggregate
    from docmap.query.conditions import Condition
    from docmap.query.rows import AggregateRow
    from docmap.storage.collection import Collection
    from docmap.storage.grouping import GroupedQuery

T = TypeVar("T")


class AsyncGroupedQuery:
    """Groups of a query's documents: `query.group_by("status").aggregate(n=Count())`.

    `async for` gives named tuples of the keys and the results, in the order of the keys.
    """

    __slots__ = ("_groups", "_storage")

    def __init__(self, storage: AsyncStorage, groups: GroupedQuery) -> None:
        self._storage = storage
        self._groups = groups

    def aggregate(self, /, **functions: Aggregate) -> Self:
        """The same groups with results: `aggregate(n=Count(), revenue=Sum("total"))`."""
        return self._of(self._groups.aggregate(**functions))

    def having(self, /, *conditions: Condition | bool, **lookups: Any) -> Self:
        """Only groups for which all conditions hold: `having(n__gt=5)`, `having(status="paid")`."""
        return self._of(self._groups.having(*conditions, **lookups))

    def order_by(self, *names: Any) -> Self:
        """Sorted by keys and results, `-` in front descends; the other keys come last."""
        return self._of(self._groups.order_by(*names))

    def limit(self, count: int) -> Self:
        """At most `count` groups; 0 is none."""
        return self._of(self._groups.limit(count))

    def offset(self, count: int) -> Self:
        """Without the first `count` groups."""
        return self._of(self._groups.offset(count))

    @overload
    def __getitem__(self, index: int) -> Awaitable[AggregateRow]: ...

    @overload
    def __getitem__(self, index: slice) -> Self: ...

    def __getitem__(self, index: int | slice) -> Awaitable[AggregateRow] | Self:
        """`groups[:10]` are groups, `await groups[0]` is one. Raises IndexError."""
        if isinstance(index, slice):
            return self._of(self._groups[index])
        return self._storage._run(self._groups.__getitem__, index)

    def __aiter__(self) -> AsyncIterator[AggregateRow]:
        return stream(self._storage._runner, lambda: iter(self._groups))

    async def list(self) -> builtins.list[AggregateRow]:
        """All groups in a list."""
        return await self._storage._run(self._groups.list)

    async def first(self) -> AggregateRow | None:
        """The first group; None if there is none."""
        return await self._storage._run(self._groups.first)

    async def count(self) -> int:
        """How many groups there are."""
        return await self._storage._run(self._groups.count)

    async def explain(self) -> Explanation:
        """How the groups are made: natively or not, over which plan."""
        return await self._storage._run(self._groups.explain)

    __iter__: ClassVar[None] = None
    __contains__: ClassVar[None] = None

    def __bool__(self) -> NoReturn:
        raise TypeError("whether there are groups is awaited: await groups.count()")

    def __repr__(self) -> str:
        return f"<Async{repr(self._groups)[1:]}"

    def _of(self, groups: GroupedQuery) -> Self:
        return type(self)(self._storage, groups)


class AsyncCollection(Generic[T]):
    """`db.collection(Order)`: how many it holds, whether it has a key, its documents, `clear`."""

    __slots__ = ("_collection", "_storage")

    def __init__(self, storage: AsyncStorage, collection: Collection[T]) -> None:
        self._storage = storage
        self._collection = collection

    @property
    def name(self) -> str:
        """The collection's name in storage."""
        return self._collection.name

    async def count(self) -> int:
        """How many documents it holds."""
        return await self._storage._run(len, self._collection)

    async def contains(self, key: object, /) -> bool:
        """True if it has a document of this key."""
        return await self._storage._run(self._collection.__contains__, key)

    def __aiter__(self) -> AsyncIterator[T]:
        return aiter(self._query())

    async def clear(self) -> int:
        """Delete every document; how many there were. Indexes and the counter of keys stay."""
        return await self._storage._run(self._collection.clear)

    def _query(self) -> AsyncQuery[T]:
        from docmap.aio.query import AsyncQuery

        return AsyncQuery(self._storage, self._collection._query())

    __iter__: ClassVar[None] = None
    __contains__: ClassVar[None] = None

    def __repr__(self) -> str:
        return f"<Async{repr(self._collection)[1:]}"
