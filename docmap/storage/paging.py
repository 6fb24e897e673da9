"""Pages: a part of a query's documents in its order, and the cursor with which it goes on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any, Generic, TypeVar

from pydantic_core import to_json

from docmap.errors import InvalidQuery
from docmap.plan.engine import Record
from docmap.plan.plan import with_key
from docmap.query.order import OrderTerm
from docmap.schema.cursors import write_cursor
from docmap.schema.readers import to_wire
from docmap.storage.chain import BaseQueryAdapter
from docmap.storage.loading import state_of

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """The documents of one page in `items`; `next` is the cursor of the next, None on the last.

    Iterating a page, its length and its truth are those of the items.
    """

    items: list[T]
    next: str | None = None

    def __iter__(self) -> Iterator[T]:
        return iter(self.items)

    def __len__(self) -> int:
        return len(self.items)


class PagingQuery(BaseQueryAdapter[T]):
    """The part of a query that takes its documents in pages."""

    __slots__ = ()

    def cursor(self, document: Any, /) -> str:
        """The cursor of a document in the query's order: text for `after`, safe in a URL.

        It is made of what was stored when the document was read, and shows the sort values and the
        key to whoever decodes it. Raises InvalidQuery for what is no document of the query.
        """
        schema, state = self._request.schema, state_of(document)
        if state is not None and isinstance(document, schema.model or ()):
            data = state.data
        elif schema.model is not None and isinstance(document, schema.model):
            data = schema.codec.encode(document)
        elif isinstance(document, dict) and (schema.model is None or self._raw):
            data = to_json(to_wire(schema.root, document))
        else:
            message = f"cursor takes a document of {schema.name}, not {type(document).__name__}"
            raise self._about(InvalidQuery(message))
        return write_cursor(schema, self._total_order(), data)

    def page(self, size: int, /, after: str | None = None) -> Page[T]:
        """At most `size` documents in the query's order, and in `next` the cursor of the next page.

        `after` is the `next` of the page before. Documents that are written or deleted meanwhile
        move no others from page to page. Raises InvalidQuery as `after` does.
        """
        self._unsliced("page", "is not possible: a page is a slice itself, so call it without one")
        taken, query = _Taken(self._positive(size, "page")), self.after(after)
        # One more is asked for: only that says whether another page follows.
        items = list(query._with(limit=size + 1)._documents(taken.of, "page"))
        return Page(items, query._behind(taken.last) if taken.more and taken.last else None)

    def batches(self, size: int, /) -> Iterator[list[T]]:
        """All documents in lists of `size`, in the query's order: each list a read of its own.

        Never more than one list is held, and the program may write in between: a document that
        then stands behind those read comes as it is, one that moved in front of them does not.
        """
        return self._batches(self._positive(size, "batches"))

    def _batches(self, size: int) -> Iterator[list[T]]:
        query, left = self._with(order=self._total_order()), self._request.limit
        while left is None or left > 0:
            wanted = size if left is None else min(size, left)
            taken = _Taken(wanted)
            documents = list(query._with(limit=wanted)._documents(taken.of, "batch"))
            if documents:
                yield documents
            if taken.last is None or taken.count < wanted:
                return
            left = None if left is None else left - wanted
            query = query._with(offset=0, limit=None).after(query._behind(taken.last))

    def _behind(self, record: Record) -> str:
        return write_cursor(self._request.schema, self._total_order(), record[0])

    def _total_order(self) -> tuple[OrderTerm, ...]:
        return with_key(self._request.schema, self._request.order)

    def _positive(self, size: int, method: str) -> int:
        if self._whole(size, method) == 0:
            raise self._about(InvalidQuery(f"{method} takes a size of at least 1"))
        return size

    def _documents(
        self, through: Callable[[Iterator[Record]], Iterator[Record]] = iter, name: str = "find"
    ) -> Iterator[T]:
        raise NotImplementedError


class _Taken:
    """Lets so many records through, and keeps the last of them, whatever is made of it."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.count = 0
        self.more = False
        self.last: Record | None = None

    def of(self, found: Iterator[Record]) -> Iterator[Record]:
        """The first records of those found; `more` is set if there is another."""
        for record in islice(found, self.size):
            self.count += 1
            self.last = record
            yield record
        self.more = next(found, None) is not None
