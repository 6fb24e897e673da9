"""Query: what a user chains. Immutable and lazy; nothing is read before it is asked for."""

from __future__ import annotations

import builtins
import sys
from collections.abc import Callable, Iterator
from itertools import chain, islice
from time import perf_counter
from typing import TYPE_CHECKING, Any, Self, TypeVar, overload

from docmap.errors import (
    DocumentNotFound,
    InvalidQuery,
    InvalidRecord,
    MultipleFound,
    ScanRefused,
)
from docmap.plan import execute
from docmap.plan.aggregate import groups
from docmap.plan.engine import Record
from docmap.plan.explain import Explanation, explain
from docmap.plan.plan import Plan, Request, make
from docmap.query.aggregates import Aggregate, Grouping
from docmap.query.conditions import Condition
from docmap.query.groups import Row
from docmap.query.nodes import TRUE, conjunction
from docmap.query.rows import AggregateRow
from docmap.schema.resolve import Resolved, resolve_place
from docmap.storage.deadlines import in_time
from docmap.storage.deleting import delete_matching
from docmap.storage.fetching import fetched
from docmap.storage.firing import hooked
from docmap.storage.grouping import GroupedQuery
from docmap.storage.journal import Tally, attending, report
from docmap.storage.loading import load_record, load_records
from docmap.storage.paging import PagingQuery
from docmap.storage.updating_query import SLICED, UpdatingQuery
from docmap.storage.viewing import viewing

if TYPE_CHECKING:
    from docmap.storage.base import BaseStorageAdapter

T = TypeVar("T")
R = TypeVar("R")
V = TypeVar("V")


class Query(UpdatingQuery[T], PagingQuery[T]):
    """A query and what runs it: iterate, count, take the first, list values, delete, explain."""

    __slots__ = ("_asked",)

    def __iter__(self) -> Iterator[T]:
        """Stream the documents; without `order_by` or a slice their order is not promised."""
        asker = sys._getframe(1)
        self._asked: Any = (asker, asker.f_lasti)
        return self._documents()

    @overload
    def __getitem__(self, index: int) -> T: ...

    @overload
    def __getitem__(self, index: slice) -> Self: ...

    def __getitem__(self, index: int | slice) -> T | Self:
        """`query[10:20]` is a query, `query[3]` a document. Raises IndexError beyond the end."""
        if isinstance(index, slice):
            if index.step not in {None, 1}:
                message = "a slice of a query has no step: take every document, or filter"
                raise self._about(InvalidQuery(message))
            start = 0 if index.start is None else self._whole(index.start, "a slice")
            stop = None if index.stop is None else self._whole(index.stop, "a slice")
            return self._sliced(start, stop)
        position = self._whole(index, "an index")
        for document in self._sliced(position, position + 1)._documents():
            return document
        raise IndexError(f"the query has no document at {position}")

    def raw(self) -> Query[dict[str, Any]]:
        """The stored values as plain dicts under their storage names, not checked."""
        query: Any = self._with()
        query._raw = True
        return query  # type: ignore[no-any-return]

    def view(self, other: type[V], /) -> Query[V]:
        """The same records as instances of another class, which takes only the fields it names.

        A pydantic model, dataclass, TypedDict, named tuple or msgspec Struct; a document class over
        the same collection gives partial documents, whose save leaves all other fields as they are.
        Names are the document's; its validators do not run. Conditions, order, values and counts
        are those of the query. Raises InvalidQuery for a field that the documents do not have, and
        for one of a type that cannot be read from what is stored.
        """
        query: Any = self._with()
        try:
            query._view, query._raw = viewing(self._request.schema, other), False
        except InvalidQuery as error:
            self._about(error)
            raise
        return query  # type: ignore[no-any-return]

    def list(self) -> builtins.list[T]:
        """All documents in a list."""
        if self._fetches:
            return list(fetched(self, self._fetches, self._unfetched()._documents(), None))
        return list(self._documents())

    def first(self) -> T | None:
        """The first document in the query's order, else in the order of keys; None if empty."""
        return next(self._leading(1), None)

    def one(self) -> T:
        """The only document. Raises DocumentNotFound or MultipleFound."""
        found = list(islice(self._leading(2), 2))
        if len(found) == 1:
            return found[0]
        name, engine = self._request.schema.collection, self._storage.scheme
        if found:
            raise MultipleFound(
                f"more than one document of {name} matches: narrow the query, or use first()",
                engine=engine,
                collection=name,
            )
        raise DocumentNotFound(f"no document of {name} matches", engine=engine, collection=name)

    def _leading(self, count: int) -> Iterator[T]:
        """The first documents; all of them where some may be left out as invalid."""
        stop = count if self._invalid == "raise" else None
        return self._sliced(0, stop)._documents()

    def get(self, /, *conditions: Condition | bool, **lookups: Any) -> T:
        """`where(...)` and `one()` in one."""
        return self.where(*conditions, **lookups).one()

    def count(self) -> int:
        """The number of documents, the slice seen; one statement that reads none of them."""
        return self._run("count", execute.count)

    def exists(self) -> bool:
        """True if there is a document."""
        return self._run("exists", execute.exists)

    def values(self, name: Any, *, nulls: bool = False) -> builtins.list[Any]:
        """The distinct values of a field in canonical order; nulls only if asked for.

        Raises InvalidQuery for a list or an object: `values(path("tags").each())` gives elements.
        """
        found = self._place_of_values(name)
        return self._run(
            "values",
            lambda engine, plan: execute.values(engine, plan, found.path, found.type, nulls=nulls),
        )

    def _place_of_values(self, name: Any) -> Resolved:
        root = self._request.schema.names
        try:
            self._check_place(name)
            found = resolve_place(root, name)
        except InvalidQuery as error:
            self._about(error)
            raise
        if found.type.kind not in {"list", "set", "tuple", "dict", "model"}:
            return found
        written = found.path.dotted
        message = (
            f"{root.name}.{written} is {found.type.label}: name a field in it, or take the "
            f"elements of a list with values(path({written!r}).each())"
        )
        raise self._about(InvalidQuery(message, field=written))

    def delete(self) -> int:
        """Delete every match; returns how many there were."""
        self._unsliced("delete", SLICED)
        return self._run("delete", delete_matching)

    def aggregate(self, /, **functions: Aggregate) -> AggregateRow:
        """Results over all documents, as a named tuple: `aggregate(n=Count(), sum=Sum("total"))`.

        Sees the slice. Raises InvalidQuery for an unknown place and for one that a function has no
        meaning for, InvalidValue where a result is no value that docmap gives.
        """
        return GroupedQuery(self, (), {}).aggregate(**functions)[0]

    def group_by(self, /, *places: Any, **named: Any) -> GroupedQuery:
        """Groups of documents that have the same values: `group_by("status", "at__year")`.

        A keyword names the key in the result: `group_by(country="customer.country")`. Null and
        missing are one group, with the key None. `aggregate` of what is returned adds results.
        """
        return GroupedQuery(self, places, named)

    def _groups(self, grouping: Grouping) -> builtins.list[Row]:
        return self._run("aggregate", lambda engine, plan: groups(engine, plan, grouping))

    def explain(self) -> Explanation:
        """How the query runs: natively or not, by which index, what stays residual and why."""
        return self._explain(None)

    def _explain(self, grouping: Grouping | None) -> Explanation:
        self._storage.check_open()
        found = explain(self._storage, make(self._storage, self._scoped()), grouping)
        schema = self._request.schema
        found.data["loads"] = [
            n for n in ("update", "delete") if hooked(self._storage, schema, n, family=True)
        ]
        return found

    def __len__(self) -> int:
        # In `list(query)` CPython asks for the length as a hint, in the very instruction that made
        # the iterator: counting would be a second statement. It swallows a TypeError.
        asked, self._asked = getattr(self, "_asked", None), None
        if asked is not None:
            asker = sys._getframe(1)
            if asked == (asker, asker.f_lasti):
                raise TypeError("no hint of the length of a query without counting")
        return self.count()

    def __bool__(self) -> bool:
        return self.exists()

    def _scoped(self) -> Request:
        """The request within what the class sees at all."""
        request = self._request
        scopes = [request.schema.scope()] if request.schema.scopes else []
        if self._view is not None and (scope := self._view.scope()) is not TRUE:
            scopes.append(scope)
        if not scopes:
            return request
        return request._replace(condition=conjunction(*scopes, request.condition))

    def _plan(self) -> Plan:
        self._storage.check_open()
        with in_time(self._storage):  # an adapter may ask its server what there is
            return self._planned()

    def _planned(self) -> Plan:
        plan = make(self._storage, self._scoped())
        if not self._storage.allow_scan and not self._request.empty:
            explanation = explain(self._storage, plan)
            if explanation.scan:
                raise ScanRefused(
                    f"allow_scan=False, and no index serves this query:\n{explanation}",
                    engine=self._storage.scheme,
                    collection=self._request.schema.collection,
                    plan=explanation.data,
                )
        return plan

    def _run(self, name: str, action: Callable[[Any, Plan], R]) -> R:
        with in_time(self._storage):
            return self._run_in_time(name, action)

    def _run_in_time(self, name: str, action: Callable[[Any, Plan], R]) -> R:
        plan, tally = self._plan(), Tally()
        start = perf_counter()
        try:
            with attending(self._storage, tally):
                result = action(self._storage, plan)
            tally.count = len(result) if isinstance(result, list) else int(result)  # type: ignore[call-overload]
        except BaseException as error:
            tally.failure = type(error).__name__
            raise
        finally:
            tally.seconds = perf_counter() - start
            report(self._storage, self._request.schema.collection, name, tally, plan)
        return result

    def _documents(
        self,
        through: Callable[[Iterator[Record]], Iterator[Record]] = iter,
        name: str = "find",
    ) -> Iterator[T]:
        """The documents; `through` sees the records before they are loaded."""
        self._asked = None
        if self._fetches:
            found = self._unfetched()._documents(through, name)
            yield from fetched(self, self._fetches, found)
            return
        plan, tally = self._plan(), Tally()
        schema, storage = self._request.schema, self._storage
        found = _timed(storage, lambda: through(execute.records(storage, plan)), tally)
        try:
            if self._raw:
                yield from (schema.codec.tree(data) for batch in found for data, _ in batch)
            elif self._invalid == "raise":
                view = self._view
                yield from (
                    view.many(storage, found)
                    if view
                    else load_records(schema, storage, found, tally)
                )
            else:
                yield from self._lenient(found)
        except Exception as error:
            tally.failure = type(error).__name__
            raise
        finally:
            found.close()
            tally.seconds += tally.decode
            report(storage, schema.collection, name, tally, plan)

    def _lenient(self, found: Iterator[builtins.list[Record]]) -> Iterator[T]:
        schema, storage = self._request.schema, self._storage
        for record in chain.from_iterable(found):
            try:
                view = self._view
                yield view.one(storage, record) if view else load_record(schema, storage, record)
            except InvalidRecord as error:
                if callable(self._invalid):
                    self._invalid(error)


_FIRST, _BATCH = 32, 512


def _timed(
    storage: BaseStorageAdapter, search: Callable[[], Iterator[Record]], tally: Tally
) -> Any:
    """The records in batches, their number and the time spent on them noted; closes the stream."""
    start = perf_counter()
    found, size = search(), _FIRST
    try:
        while True:
            with attending(storage, tally):
                if tally.count:
                    storage.check_deadline()
                batch = list(islice(found, size))
            tally.seconds += perf_counter() - start
            if not batch:
                return
            tally.count += len(batch)
            yield batch
            start, size = perf_counter(), _BATCH
    finally:
        close = getattr(found, "close", None)
        if close is not None:
            close()
