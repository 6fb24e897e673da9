"""The hooks with which a whole database is copied; each has a general form, correct and slow.

Copying reads with `_scan` and `_get_many`. It writes records as they are, with the revisions that
they have: what an engine is given here another one kept, or will keep.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from docmap.plan.engine import Record
from docmap.schema.schema import Schema


class CopyHooks:
    """What `docmap copy` asks of an engine beside the other hooks."""

    if TYPE_CHECKING:

        def _scan(self, schema: Schema) -> Iterator[Record]: ...
        def _put(self, schema: Schema, key: Any, record: Record) -> None: ...
        def _remove(self, schema: Schema, key: Any) -> bool: ...

    def _key_name(self, collection: str) -> str:
        """The storage name of the field that holds each document's key; empty if not known.

        It is the stored name of the key of the class that made the collection, where all classes
        that have written it agree.
        """
        return ""

    def _write_records(self, schema: Schema, records: Sequence[tuple[Any, Record]]) -> None:
        """Store records with their revisions, replacing what is there under the same keys.

        Keys are logical values, no two alike in a call. Raises DuplicateKey for a value that a
        unique index has of another key. Called inside a transaction where the engine has those.
        """
        for key, record in records:
            self._put(schema, key, record)

    def _counted_key(self, schema: Schema) -> int:
        """The highest int key that was counted or used; 0 if none was, or nothing is counted."""
        return 0

    def _count_to(self, schema: Schema, key: int) -> None:
        """Let no key up to this one be given again; nothing happens where the counter is beyond."""

    def _drop_collection(self, schema: Schema) -> None:
        """Remove a collection with all that it has; nothing happens if there is none."""
        for data, _ in list(self._scan(schema)):
            self._remove(schema, schema.key_of(data))
