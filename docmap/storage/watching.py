"""The change feed: what `db.watch` gives, one committed change after the other."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING, Any, Generic, Literal, NamedTuple, Protocol, Self, TypeVar

from docmap.errors import ChangesLost, InvalidConfig, InvalidQuery
from docmap.plan.engine import Record
from docmap.query.evaluate import matches
from docmap.query.nodes import Node, conjunction
from docmap.schema.schema import Schema
from docmap.storage.bridge import Lock
from docmap.storage.loading import load_record

if TYPE_CHECKING:
    from docmap.storage.base import BaseStorageAdapter

T = TypeVar("T")
Kind = Literal["insert", "update", "delete"]


@dataclass(frozen=True, slots=True)
class ChangeEvent(Generic[T]):
    """One committed change of a collection."""

    kind: Kind
    key: Any
    document: T | None
    """The document after the change, as if it had been loaded then; None of a deletion."""
    token: str
    """Where the feed can be taken up again: `db.watch(Model, after=token)` goes on behind it."""


class Logged(NamedTuple):
    """A change as an engine gives it; the record is the one before of a deletion, else after."""

    kind: Kind
    record: Record
    token: str


class Feed(Protocol):
    """What an engine's `_watch` gives: a place in its log of one collection's changes.

    `close` may be called from any thread, all else from one thread at a time.
    """

    @property
    def token(self) -> str:
        """The place behind everything that was fetched."""

    def fetch(self) -> list[Logged]:
        """Some of the committed changes that follow, in the order of commits; none if there are.

        Raises ChangesLost if some of them are not kept any more.
        """

    def wait(self, seconds: float | None) -> None:
        """Return when there may be changes to fetch, after `seconds`, or when it is closed."""

    def close(self) -> None:
        """End what waits, and give back what is held."""


class Watch(Generic[T]):
    """The changes of a collection in the order of their commits: iterate over it.

    `db.watch` makes it. With `wait=None` iteration blocks until there is a change; with a number
    it ends when there was none for so many seconds, and a new loop goes on behind it. `close()`
    ends it for good, from any thread; a `with` block closes it too.
    """

    def __init__(
        self,
        storage: BaseStorageAdapter,
        schema: Schema,
        condition: Node,
        feed: Feed,
        *,
        wait: float | None,
    ) -> None:
        self._storage = storage
        self._schema = schema
        self._condition = condition
        self._feed = feed
        self._wait = wait
        self._token = feed.token
        self._fetched: deque[Logged] = deque()
        self._turn = Lock()
        self._closed = False

    @property
    def token(self) -> str:
        """Where it stands: behind the change that it gave last, or where it began."""
        return self._token

    def __iter__(self) -> Iterator[ChangeEvent[T]]:
        return self

    def __next__(self) -> ChangeEvent[T]:
        """The next change. Raises ChangesLost, and InvalidRecord for one that does not fit.

        After InvalidRecord the next call goes on with the change that follows.
        """
        found = self.within(self._wait)
        if found is None:
            raise StopIteration
        return found

    def within(self, seconds: float | None) -> ChangeEvent[T] | None:
        """The next change; None if there is none for so many seconds, or it was closed."""
        with self._turn:  # threads and tasks that share it get each change once
            end = None if seconds is None else monotonic() + seconds
            while not self._closed:
                found = self._ready()
                if found is not None:
                    return found
                left = None if end is None else end - monotonic()
                if left is not None and left <= 0:
                    break
                self._feed.wait(left)
            return None

    def _ready(self) -> ChangeEvent[T] | None:
        """The next change that is there already and matches."""
        while True:
            while self._fetched:
                logged = self._fetched.popleft()
                self._token = logged.token
                if self._sees(logged):
                    return self._change(logged)
            self._storage.check_open()
            found = self._feed.fetch()
            if not found:
                self._token = self._feed.token
                return None
            self._fetched.extend(found)

    def _sees(self, logged: Logged) -> bool:
        schema = self._schema
        scope = schema.scope()
        if logged.kind == "delete" and schema.expiry is not None:
            # What has expired was there until it was removed: who keeps a copy has to know.
            expires = schema.expiry.scope
            scope = conjunction(*(part() for part in schema.scopes if part != expires))
        condition = conjunction(scope, self._condition)
        return matches(condition, schema.codec.tree(logged.record[0]))

    def _change(self, logged: Logged) -> ChangeEvent[T]:
        schema, (data, _) = self._schema, logged.record
        key = schema.key_of(data)
        document = None
        if logged.kind != "delete":
            document = load_record(schema, self._storage, logged.record)
        return ChangeEvent(logged.kind, key, document, logged.token)

    def close(self) -> None:
        """End the iteration, in whichever thread it waits; nothing happens if it has ended."""
        self._closed = True
        self._feed.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Watch {self._schema.name} on {self._storage.scheme}>"


# -- tokens


def token_of(log: str, collection: str, position: int) -> str:
    """The token of a place in a log."""
    return urlsafe_b64encode(f"{position}/{log}/{collection}".encode()).decode().rstrip("=")


def position_of(token: str, log: str | None, collection: str, last: int) -> int:
    """The place that a token names, in a log that goes up to `last`; None is no log at all.

    Raises InvalidQuery for what is no token of the collection, ChangesLost for one of another log.
    """
    try:
        text = urlsafe_b64decode(token + "=" * (-len(token) % 4)).decode()
        position, origin, name = text.split("/", 2)
        place = int(position)
    except (ValueError, TypeError, AttributeError):
        raise InvalidQuery(
            "after takes the token of a change, or of the watch itself",
            collection=collection,
        ) from None
    if name != collection:
        raise InvalidQuery(
            f"this token is of the collection {name}, and {collection} is watched: keep a token "
            "for each",
            collection=collection,
        )
    if origin != log or place > last:
        raise ChangesLost(
            f"this token is of another store, or of {collection} before its changes were logged "
            f"anew: {_ANEW}",
            collection=collection,
        )
    return place


def lost(collection: str, kept: str) -> ChangesLost:
    """The error of a place in the log whose next changes were dropped."""
    more = "" if kept == NO_MORE else "; to keep more, raise the option kept_changes"
    return ChangesLost(
        f"changes of {collection} that follow are not kept any more, {kept}: {_ANEW}{more}",
        collection=collection,
    )


def not_now(schema: Schema) -> InvalidQuery:
    """The error of a watch that begins inside a transaction."""
    return InvalidQuery(
        f"a watch of {schema.collection} cannot begin or end inside a transaction: whether it is "
        "committed is not known yet; call watch() before it",
        collection=schema.collection,
    )


def check_kept(kept: int, engine: str) -> int:
    """The option `kept_changes`. Raises InvalidConfig if it keeps nothing."""
    if kept < 1:
        raise InvalidConfig(
            f"{engine}: kept_changes is a number of changes, at least 1",
            engine=engine,
            field="kept_changes",
        )
    return kept


NO_MORE = "as unwatch() ended the log of the collection"
_ANEW = "watch without a token, and read the collection anew"
KEPT = 100_000
"""How many changes a log keeps, if the option `kept_changes` says nothing else."""
