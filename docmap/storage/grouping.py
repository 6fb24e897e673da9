"""GroupedQuery: what a user chains after `group_by`. Immutable and lazy, as a query is."""

from __future__ import annotations

import builtins
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Self, TypeVar, overload

from docmap.errors import DocmapError, InvalidQuery
from docmap.plan.explain import Explanation
from docmap.plan.plan import Request, slice_within, with_key
from docmap.query.aggregates import Aggregate, Grouping
from docmap.query.conditions import Condition, all_of
from docmap.query.evaluate import predicate, sorted_by
from docmap.query.groups import Row
from docmap.query.nodes import TRUE, And, Node, conjunction
from docmap.query.order import OrderTerm
from docmap.query.paths import Path
from docmap.query.rows import AggregateRow, row_type
from docmap.schema.bind import bind, bind_order
from docmap.schema.bind_aggregates import bind_grouping, bind_keys, bind_terms, result_names

if TYPE_CHECKING:
    from docmap.storage.query import Query

V = TypeVar("V")


class GroupedQuery:
    """Groups of a query's documents: `query.group_by("status").aggregate(n=Count())`.

    Iterating gives named tuples of the keys and the results, in the order of the keys. `having`,
    `order_by` and slices speak of the groups, by the names of keys and results.
    """

    __slots__ = ("_grouping", "_having", "_limit", "_offset", "_order", "_query")

    def __init__(self, query: Query[Any], places: tuple[Any, ...], named: dict[str, Any]) -> None:
        self._query = query
        self._having: Node = TRUE
        self._order: tuple[OrderTerm, ...] = ()
        self._offset = 0
        self._limit: int | None = None
        self._grouping = Grouping((), ())
        self._grouping = self._asked(lambda: self._grouped(places, named))

    def _grouped(self, places: tuple[Any, ...], named: dict[str, Any]) -> Grouping:
        for place in (*places, *named.values()):
            self._query._check_place(place)
        return Grouping(bind_keys(self._query._request.schema.names, places, named), ())

    def aggregate(self, /, **functions: Aggregate) -> Self:
        """The same groups with results: `aggregate(n=Count(), revenue=Sum("total"))`.

        Raises InvalidQuery for an unknown place, for one that a function has no meaning for, and
        for a name that is taken.
        """
        if not functions:
            text = "aggregate needs at least one result, as in aggregate(n=Count())"
            raise self._query._about(InvalidQuery(text))
        root, held = self._query._request.schema.names, self._grouping

        def bound() -> Grouping:
            for function in functions.values():
                self._query._check_place(getattr(function, "place", None))
            terms = bind_terms(root, functions)
            return bind_grouping(root, held.keys, (*held.terms, *terms))

        return self._with(_grouping=self._asked(bound))

    def having(self, /, *conditions: Condition | bool, **lookups: Any) -> Self:
        """Only groups for which all conditions hold: `having(n__gt=5)`, `having(status="paid")`.

        Raises InvalidQuery for a name that is neither a key nor a result so far.
        """
        self._unsliced("having")

        def bound() -> Node:
            wanted = all_of(conditions, lookups)
            if wanted.owners:
                raise InvalidQuery(
                    "having speaks of groups: name a key or a result, as in having(n__gt=5); for "
                    "a condition on the documents call where before group_by"
                )
            return bind(wanted.node, self._names)

        return self._with(_having=conjunction(self._having, self._asked(bound)))

    def order_by(self, *names: Any) -> Self:
        """Sorted by keys and results, `-` in front descends; the other keys are the last criteria.

        Replaces an earlier order. Null comes first, last when descending.
        """
        if not names:
            raise self._query._about(InvalidQuery("order_by takes at least one name"))
        self._unsliced("order_by")
        terms = self._asked(lambda: tuple(bind_order(name, self._names) for name in names))
        known = {term.path for term in terms}
        rest = [Path((key.name,)) for key in self._grouping.keys]
        more = (OrderTerm(path, terms[-1].descending) for path in rest if path not in known)
        return self._with(_order=(*terms, *more))

    def limit(self, count: int) -> Self:
        """At most `count` groups; 0 is none."""
        return self._sliced(0, self._query._whole(count, "limit"))

    def offset(self, count: int) -> Self:
        """Without the first `count` groups."""
        return self._sliced(self._query._whole(count, "offset"), None)

    @overload
    def __getitem__(self, index: int) -> AggregateRow: ...

    @overload
    def __getitem__(self, index: slice) -> Self: ...

    def __getitem__(self, index: int | slice) -> AggregateRow | Self:
        """`groups[:10]` are groups, `groups[0]` is one. Raises IndexError beyond the end."""
        whole = self._query._whole
        if isinstance(index, slice):
            if index.step not in {None, 1}:
                raise self._query._about(InvalidQuery("a slice of groups has no step"))
            start = 0 if index.start is None else whole(index.start, "a slice")
            stop = None if index.stop is None else whole(index.stop, "a slice")
            return self._sliced(start, stop)
        position = whole(index, "an index")
        for row in self._sliced(position, position + 1):
            return row
        raise IndexError(f"there is no group at {position}")

    def __iter__(self) -> Iterator[AggregateRow]:
        made: Any = row_type(self._grouping.names)
        return map(made._make, self._rows())

    def list(self) -> builtins.list[AggregateRow]:
        """All groups in a list."""
        return list(self)

    def first(self) -> AggregateRow | None:
        """The first group; None if there is none."""
        return next(iter(self._sliced(0, 1)), None)

    def count(self) -> int:
        """How many groups there are."""
        return len(self._rows())

    def __bool__(self) -> bool:
        return self.count() > 0

    def explain(self) -> Explanation:
        """How the groups are made: natively or not, over which plan."""
        return self._asking()._explain(self._grouping)

    def _rows(self) -> builtins.list[Row]:
        if self._limit == 0:
            return []
        rows = self._asked(lambda: self._asking()._groups(self._grouping))
        names = self._grouping.names
        if self._having != And(()):
            holds = predicate(self._having)
            rows = [row for row in rows if holds(dict(zip(names, row, strict=True)))]
        stop = None if self._limit is None else self._offset + self._limit
        if self._order:
            rows = sorted_by(
                rows, self._order, lambda row: dict(zip(names, row, strict=True)), stop
            )
        return rows[self._offset : stop]

    def _asking(self) -> Query[Any]:
        """The query in the order that the functions need: none for most."""
        request: Request = self._query._request
        if request.sliced or request.after:
            return self._query
        if not self._grouping.in_order:
            return self._query._with(order=())
        return self._query._with(order=request.order or with_key(request.schema, ()))

    @property
    def _names(self) -> Any:
        return result_names(self._query._request.schema.names, self._grouping)

    def _asked(self, action: Callable[[], V]) -> V:
        """What `action` gives; its error says where it was to be asked."""
        try:
            return action()
        except DocmapError as error:
            self._query._about(error)
            raise

    def _sliced(self, start: int, stop: int | None) -> Self:
        offset, limit = slice_within(self._offset, self._limit, start, stop)
        return self._with(_offset=offset, _limit=limit)

    def _unsliced(self, method: str) -> None:
        if self._offset or self._limit is not None:
            text = f"{method} after a slice would change which groups it takes: slice last"
            raise self._query._about(InvalidQuery(text))

    def _with(self, **changes: Any) -> Self:
        copy = type(self).__new__(type(self))
        for name in GroupedQuery.__slots__:
            setattr(copy, name, changes.get(name, getattr(self, name)))
        return copy

    def __repr__(self) -> str:
        return (
            f"<GroupedQuery by {', '.join(self._grouping.names) or 'nothing'} of {self._query!r}>"
        )
