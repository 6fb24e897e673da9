"""What a storage has for those who follow its changes: `watch` and `unwatch`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar, cast, overload

from docmap.query.conditions import Condition
from docmap.storage.journal import operation
from docmap.storage.lifecycle import Lifecycle
from docmap.storage.loading import schema_of
from docmap.storage.watching import Watch

if TYPE_CHECKING:
    from docmap.storage.base import BaseStorageAdapter

D = TypeVar("D")


class ChangeFeeds(Lifecycle):
    """The part of `base.BaseStorageAdapter` about changes."""

    @overload
    def watch(
        self,
        model: str,
        /,
        *conditions: Condition | bool,
        after: str | None = None,
        wait: float | None = None,
        **lookups: Any,
    ) -> Watch[dict[str, Any]]: ...
    @overload
    def watch(
        self,
        model: type[D],
        /,
        *conditions: Condition | bool,
        after: str | None = None,
        wait: float | None = None,
        **lookups: Any,
    ) -> Watch[D]: ...
    def watch(
        self,
        model: Any,
        /,
        *conditions: Condition | bool,
        after: str | None = None,
        wait: float | None = None,
        **lookups: Any,
    ) -> Watch[Any]:
        """The committed changes of a collection, from now on or behind the token `after`.

        Conditions are asked of a document after its change, of a deleted one before. `wait` is in
        seconds: iteration ends when there is no change for so long; None blocks. Raises Unsupported
        on engines without a change feed, ChangesLost for a token that is too old.
        """
        storage = cast("BaseStorageAdapter", self)
        query = storage.find(model, *conditions, **lookups)
        self.check_open()
        schema = query._request.schema
        with operation(self, schema.collection, "watch"):
            feed = self._watch(schema, after)
        return Watch(storage, schema, query._request.condition, feed, wait=wait)

    def unwatch(self, model: Any, /) -> None:
        """Log no more changes of a collection, until it is watched again.

        Feeds that are open, and tokens kept, get ChangesLost.
        """
        self.check_open()
        schema = schema_of(model)
        with operation(self, schema.collection, "unwatch"):
            self._unwatch(schema)
