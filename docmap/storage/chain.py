"""BaseQueryAdapter: the chain of a query, each call checked against the model at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Generic, Literal, Self, TypeVar

from docmap.errors import (
    DocmapError,
    InvalidQuery,
    InvalidRecord,
)
from docmap.plan.plan import Request, slice_within, with_key
from docmap.query.conditions import Condition, all_of
from docmap.query.nodes import Node, conjunction, negation
from docmap.query.order import OrderTerm
from docmap.query.text import order_text, text
from docmap.schema.bind import bind, bind_order
from docmap.schema.cursors import read_cursor
from docmap.schema.schema import Schema
from docmap.storage.call_options import (
    KEEP,
    Consistency,
    ReadConcern,
    ReadPreference,
    WriteConcern,
)
from docmap.storage.fetching import Branch, branches
from docmap.storage.viewing import Viewing

if TYPE_CHECKING:
    from docmap.storage.base import BaseStorageAdapter

T = TypeVar("T")
OnInvalid = Literal["raise", "skip"] | Callable[[InvalidRecord], None]


class BaseQueryAdapter(Generic[T]):
    """The chain: each call gives a new query, checked against the model at once."""

    __slots__ = ("_fetches", "_invalid", "_raw", "_request", "_storage", "_view")

    def __init__(self, storage: BaseStorageAdapter, schema: Schema) -> None:
        self._storage = storage
        self._request = Request(schema)
        self._invalid: OnInvalid = "raise"
        self._raw = False
        self._view: Viewing | None = None
        self._fetches: tuple[Branch, ...] = ()

    def where(self, /, *conditions: Condition | bool, **lookups: Any) -> Self:
        """Only documents for which all of the conditions and keyword lookups hold.

        Raises InvalidQuery for an unknown field or lookup, with suggestions, and for an operand of
        a wrong type.
        """
        return self._narrowed("where", self._bound(conditions, lookups))

    def where_not(self, /, *conditions: Condition | bool, **lookups: Any) -> Self:
        """Exactly the documents that `where` with the same arguments leaves out."""
        return self._narrowed("where_not", negation(self._bound(conditions, lookups)))

    def order_by(self, *names: Any) -> Self:
        """Sorted by fields, `-` in front descends; the key is always the last criterion.

        Replaces an earlier order. Null and missing come first, last when descending.
        """
        if not names:
            raise self._about(InvalidQuery("order_by takes at least one field name"))
        self._unsliced("order_by")
        if self._request.after:
            message = "order_by behind a cursor would change what it means: call order_by first"
            raise self._about(InvalidQuery(message))
        root = self._request.schema.names
        try:
            for name in names:
                self._check_place(name)
            terms = tuple(bind_order(name, root) for name in names)
        except InvalidQuery as error:
            self._about(error)
            raise
        return self._with(order=with_key(self._request.schema, terms))

    def limit(self, count: int) -> Self:
        """At most `count` documents; 0 is none."""
        return self._sliced(0, self._whole(count, "limit"))

    def offset(self, count: int) -> Self:
        """Without the first `count` documents."""
        return self._sliced(self._whole(count, "offset"), None)

    def after(self, cursor: str | None, /) -> Self:
        """Only the documents that the query's order puts behind a cursor; None is the beginning.

        Call it after `order_by` and before a slice. Raises InvalidQuery for a cursor that was made
        with another order or for another collection, and for one that is damaged.
        """
        self._unsliced("after")
        if cursor is None:
            return self._with(order=with_key(self._request.schema, self._request.order))
        order = with_key(self._request.schema, self._request.order)
        try:
            runs = read_cursor(self._request.schema, order, cursor)
        except InvalidQuery as error:
            raise self._about(error) from error.__cause__
        return self._with(order=order, after=runs)

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
        """What is not a condition: the options of `options` of a storage, for this query alone.

        `allow_scan=False` refuses a plan that reads everything. Raises InvalidConfig for a value
        that cannot be.
        """
        query = self._with()
        query._storage = self._storage.options_of_query(
            allow_scan=allow_scan,
            timeout=timeout,
            consistency=consistency,
            read_preference=read_preference,
            read_concern=read_concern,
            write_concern=write_concern,
        )
        return query

    def fetch(
        self,
        *references: Any,
        storage: BaseStorageAdapter | Mapping[Any, BaseStorageAdapter] | None = None,
    ) -> Self:
        """Read what references refer to as well: `fetch("customer", "items.product")`.

        Each level of a dotted name takes one query for each class, whatever the number of
        documents; a stream is fetched for in batches of 500. The documents are in `value` of the
        references. `storage` is another one that holds them, or a mapping of classes to storages.
        Raises InvalidQuery for a name that is no reference, with suggestions.
        """
        try:
            for name in references:
                self._check_place(name)
            found = branches(self._request.schema, references, storage)
        except InvalidQuery as error:
            self._about(error)
            raise
        query = self._with()
        query._fetches = (*self._fetches, *found)
        return query

    def _unfetched(self) -> Self:
        query = self._with()
        query._fetches = ()
        return query

    def on_invalid(self, what: OnInvalid) -> Self:
        """What to do with a stored record that does not fit: raise, skip, or be called."""
        if what not in {"raise", "skip"} and not callable(what):
            message = 'on_invalid takes "raise", "skip" or a function of one argument'
            raise self._about(InvalidQuery(message))
        query = self._with()
        query._invalid = what
        return query

    def _bound(self, conditions: tuple[Any, ...], lookups: dict[str, Any]) -> Node:
        schema = self._request.schema
        try:
            wanted = all_of(conditions, lookups)
            self._check_owners(wanted.owners)
            return bind(wanted.node, schema.names)
        except DocmapError as error:
            self._about(error)
            raise

    def _about(self, error: DocmapError) -> DocmapError:
        """The error of a query, with the place that it was to be asked."""
        error.engine = error.engine or self._storage.scheme
        error.collection = error.collection or self._request.schema.collection
        return error

    def _whole(self, value: Any, what: str) -> int:
        if not isinstance(value, int) or isinstance(value, bool):
            fault = f"takes whole numbers, not {type(value).__name__}"
        elif value < 0:
            fault = "takes no negative numbers: order the other way round with order_by('-...')"
        else:
            return value
        raise self._about(InvalidQuery(f"{what} {fault}"))

    def _check_place(self, place: Any) -> None:
        """Refuse a field expression, or an order made of one, of another class."""
        owner = place.owner if isinstance(place, OrderTerm) else getattr(place, "_owner", None)
        if isinstance(owner, type):
            self._check_owners(frozenset({owner}))

    def _check_owners(self, owners: frozenset[type]) -> None:
        schema = self._request.schema
        for owner in owners:
            if schema.model is None or not issubclass(schema.model, owner):
                way = f"compare the fields of {schema.name}, or name them by text"
                if schema.model is not None and issubclass(owner, schema.model):
                    way = f"not all of its documents have it, so query db.find({owner.__name__})"
                raise InvalidQuery(
                    f"a query on {schema.name} was given a field of {owner.__name__}: {way}"
                )

    def _narrowed(self, method: str, condition: Node) -> Self:
        self._unsliced(method)
        return self._with(condition=conjunction(self._request.condition, condition))

    def _sliced(self, start: int, stop: int | None) -> Self:
        held = self._request
        offset, limit = slice_within(held.offset, held.limit, start, stop)
        return self._with(order=with_key(held.schema, held.order), offset=offset, limit=limit)

    def _unsliced(self, method: str, instead: str = "") -> None:
        """Refuse a method after a slice; `instead` is the way out if it is not the other order."""
        if self._request.sliced:
            way = instead or (
                f"would change which documents the slice takes: call {method} first, and slice last"
            )
            raise self._about(InvalidQuery(f"{method} after a slice {way}"))

    def _with(self, **changes: Any) -> Self:
        query = type(self).__new__(type(self))
        query._storage, query._invalid, query._raw = self._storage, self._invalid, self._raw
        query._view, query._fetches = self._view, self._fetches
        query._request = self._request._replace(**changes) if changes else self._request
        return query

    def __repr__(self) -> str:
        request = self._request
        parts = [
            f"<Query {request.schema.name} on {self._storage.scheme}: {text(request.condition)}"
        ]
        if request.order:
            parts.append(f", order {order_text(request.order)}")
        if request.after:
            parts.append(", after a cursor")
        if request.sliced:
            end = "" if request.limit is None else request.offset + request.limit
            parts.append(f", [{request.offset}:{end}]")
        return "".join(parts) + ">"
