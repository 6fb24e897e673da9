"""The change feed of MongoDB: a change stream of one collection, taken up again by its tokens."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from time import monotonic
from typing import Any, Final

import bson
from bson.errors import BSONError

from docmap.errors import (
    ChangesLost,
    DocmapError,
    InvalidQuery,
    StorageError,
    Unsupported,
)
from docmap.plan.engine import Record
from docmap.schema.schema import Schema
from docmap.storage.bridge import Lock
from docmap.storage.watching import Kind, Logged, not_now
from docmap_backends._mongodb_client import Client
from docmap_backends._mongodb_names import ID
from docmap_backends._mongodb_transactions import MongoTransactions
from docmap_backends._mongodb_values import to_record

_LOOK: Final = 0.1  # seconds that the server waits for a change before it says that there is none
_BATCH: Final = 500
_ANSWER: Final = 10.0  # seconds for an answer
_CLOSING: Final = 1.0  # seconds to tell the server of a stream that it would end by itself
_KINDS: Final[Mapping[str, Kind]] = {
    "insert": "insert",
    "update": "update",
    "replace": "update",
    "delete": "delete",
}
_ENDS: Final = frozenset({"drop", "rename", "dropDatabase", "invalidate"})
_LOST: Final = frozenset({136, 260, 280, 286})
_ANEW: Final = "watch without a token, and read the collection anew"


class MongoWatching(MongoTransactions):
    """The change feed of `mongodb.MongoDBStorage`."""

    def _watch(self, schema: Schema, after: str | None) -> MongoFeed:
        if self._session is not None:
            raise not_now(schema)
        if not self._has_streams():
            raise self._without_streams(schema)
        place = None if after is None else _place_of(after, schema.collection)
        self._create(schema)
        images = self._keep_images(schema, keep=True)
        feed = MongoFeed(self._client, self._collection(schema), schema, place, images=images)
        feed.begin()
        return feed

    def _unwatch(self, schema: Schema) -> None:
        if self._session is not None:
            raise not_now(schema)
        if self._has_streams():
            self._keep_images(schema, keep=False)

    def _keep_images(self, schema: Schema, *, keep: bool) -> bool:
        """Let the server keep documents as they were before and after a change; True if it does.

        Without them a deletion is told by its key alone, and an update with the document as it is
        when it is told.
        """
        database, name = self._client.database, self._collection(schema).name
        images = {"enabled": keep}
        try:
            self._run(
                lambda: database.command("collMod", name, changeStreamPreAndPostImages=images)
            )
        except (Unsupported, StorageError) as error:
            if type(error) not in {Unsupported, StorageError}:
                raise  # no answer
            return False  # an older server, or the user may not
        return keep

    def _has_streams(self) -> bool:
        abilities = self._client.abilities
        if not abilities.sessions:
            return False
        return abilities.replicated or abilities.has("change streams", self._try_stream)

    def _try_stream(self) -> None:
        """Open a change stream. Raises Unsupported where there are none."""
        stream = self._run(self._client.database["_docmap_collections"].watch)
        self._run(stream.close)

    def _without_streams(self, schema: Schema) -> Unsupported:
        return Unsupported(
            f"mongodb: {self._client.place} has no change streams: they need a replica set or a "
            "sharded cluster",
            engine="mongodb",
            collection=schema.collection,
        )


class MongoFeed:
    """A place in the changes of one collection."""

    def __init__(
        self,
        client: Client,
        collection: Any,
        schema: Schema,
        place: Mapping[str, Any] | None,
        *,
        images: bool,
    ) -> None:
        self._client = client
        self._collection = collection
        self._schema = schema
        self._place: Mapping[str, Any] = place or {}
        """Where to begin: `resume_after`, or `start_at_operation_time`; empty is now."""
        self._images = images
        self._stream: Any = None
        self._found: deque[Logged] = deque()
        self._failure: DocmapError | None = None
        """What came behind the changes that were found; raised once they were fetched."""
        self._closed = False
        self._turn = Lock()

    @property
    def token(self) -> str:
        """The place behind everything that was fetched."""
        return _token_of(self._place, self._schema.collection)

    def begin(self) -> None:
        """Open the stream, so that what is committed from now on is seen."""
        with self._turn:
            self._open()
            self._note_place()

    def fetch(self) -> list[Logged]:
        """Some of the changes that follow. Raises ChangesLost."""
        with self._turn:
            failure, self._failure = self._failure, None
            if failure is not None:
                raise failure
            # A token is behind what was found: that is kept whatever happens here.
            while len(self._found) < _BATCH and not self._closed and self._failure is None:
                if not self._look():
                    break
            found = list(self._found)
            self._found.clear()
            return found

    def wait(self, seconds: float | None) -> None:
        """Return when there is a change to fetch, after `seconds`, or when it is closed."""
        end = None if seconds is None else monotonic() + seconds
        while not self._closed and not self._found and self._failure is None:
            with self._turn:
                self._look()
            if end is not None and monotonic() >= end:
                return

    def close(self) -> None:
        """End it; who waits finds out when the server has answered."""
        self._closed = True
        with self._turn:
            self._end()

    # -- the stream

    def _open(self) -> None:
        before = "whenAvailable" if self._images else None
        self._stream = self._run(
            lambda: self._collection.watch(
                full_document="whenAvailable" if self._images else "updateLookup",
                full_document_before_change=before,
                max_await_time_ms=int(_LOOK * 1000),
                **self._place,
            )
        )

    def _end(self) -> None:
        stream, self._stream = self._stream, None
        if stream is not None:
            with suppress(StorageError, Unsupported):
                self._client.run(stream.close, deadline=monotonic() + _CLOSING)

    def _look(self) -> bool:
        """Keep the next change, if the server has one within a moment; True if there was any."""
        if self._closed:
            return False
        try:
            event = self._event()
            if event is None:
                return False
            logged = self._logged(event)
        except DocmapError as error:
            if not self._found:
                raise
            self._failure = error
            return True
        if logged is not None:
            self._found.append(logged)
        return True

    def _event(self) -> Mapping[str, Any] | None:
        """The next event of the stream, which is opened where the last one stood."""
        if self._stream is None:
            self._open()
        stream = self._stream
        try:
            event: Mapping[str, Any] | None = self._run(stream.try_next)
        except BaseException:
            # An answer may have been lost on its way, also to a task that was cancelled. So the
            # next look begins where this one stood.
            self._end()
            raise
        self._note_place()
        if event is None and not stream.alive:  # the server ended it
            self._end()
        return event

    def _note_place(self) -> None:
        token = self._stream.resume_token
        if token is not None:
            self._place = {"resume_after": token}
        elif not self._place and self._client.clock.now is not None:
            self._place = {"start_at_operation_time": self._client.clock.now}

    def _logged(self, event: Mapping[str, Any]) -> Logged | None:
        """A change; None for one without a document, as that was deleted before it was looked up.

        Raises ChangesLost where the collection is gone.
        """
        what = event["operationType"]
        if what in _ENDS:
            raise self._lost("as it was removed or renamed")
        kind = _KINDS.get(what)
        if kind is None:
            return None
        if kind == "delete":
            document = event.get("fullDocumentBeforeChange") or {ID: event["documentKey"][ID]}
        else:
            document = event.get("fullDocument")
        if document is None:
            return None
        record: Record = to_record(self._schema, dict(document))
        return Logged(kind, record, self.token)

    def _run(self, call: Callable[[], Any]) -> Any:
        try:
            return self._client.run(call, deadline=monotonic() + _ANSWER)
        except (StorageError, Unsupported) as error:
            if getattr(error.__cause__, "code", None) in _LOST:
                raise self._lost("as the server keeps them for a time only") from error.__cause__
            raise

    def _lost(self, why: str) -> ChangesLost:
        name = self._schema.collection
        return ChangesLost(
            f"changes of {name} that follow are not kept any more, {why}: {_ANEW}",
            engine="mongodb",
            collection=name,
        )


# -- tokens


def _token_of(place: Mapping[str, Any], collection: str) -> str:
    data = bson.encode({"collection": collection, "place": dict(place)})
    return urlsafe_b64encode(data).decode().rstrip("=")


def _place_of(token: str, collection: str) -> dict[str, Any]:
    """Where a token stands. Raises InvalidQuery for what is no token of the collection."""
    try:
        told = bson.decode(urlsafe_b64decode(token + "=" * (-len(token) % 4)))
        name, place = told["collection"], dict(told["place"])
    except (BSONError, ValueError, TypeError, AttributeError, KeyError):
        raise InvalidQuery(
            "after takes the token of a change, or of the watch itself", collection=collection
        ) from None
    if name != collection or not place.keys() <= {"resume_after", "start_at_operation_time"}:
        raise InvalidQuery(
            f"this token is of the collection {name}, and {collection} is watched: keep a token "
            "for each",
            collection=collection,
        )
    return place
