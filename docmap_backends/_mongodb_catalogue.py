"""What docmap notes beside the collections of a MongoDB database: the counters of keys."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from pymongo import ReturnDocument

from docmap.errors import InvalidValue
from docmap.schema.schema import Schema
from docmap.values import INT_MAX
from docmap_backends._mongodb_client import Client
from docmap_backends._mongodb_names import ID, OWN

CATALOGUE: Final = f"{OWN}collections"
_LAST: Final = "last_key"
Run = Callable[..., Any]
"""How a storage runs a call of the driver, within the deadline of its operation."""


class Catalogue:
    """The notes of one database, through one client."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._counted: dict[str, int] = {}
        """What the counters have reached at least."""

    @property
    def _notes(self) -> Any:
        return self._client.database[CATALOGUE]

    def knows(self, schema: Schema) -> bool:
        """True once the counter is known to be beyond all keys that were there."""
        return schema.collection in self._counted

    def next_key(self, run: Run, schema: Schema, highest: int) -> int:
        """The next int key, beyond `highest` too. Raises InvalidValue where there is none."""
        notes, name = self._notes, schema.collection
        if not self.knows(schema):
            self.count_to(run, schema, highest)
        # Not of a transaction: a key that was given is never given again.
        found = run(
            lambda: notes.find_one_and_update(
                {ID: name, _LAST: {"$lt": INT_MAX}},
                {"$inc": {_LAST: 1}},
                return_document=ReturnDocument.AFTER,
            ),
            writes="one",
        )
        if found is None:
            raise InvalidValue(
                f"{name} has used the last int key: give {schema.key} yourself",
                collection=name,
                field=schema.key,
            )
        key = int(found[_LAST])
        self._counted[name] = key
        return key

    def count_to(self, run: Run, schema: Schema, key: int) -> None:
        """Let no key up to this one be given again."""
        notes, name = self._notes, schema.collection
        if self._counted.get(name, -1) >= key:
            return
        run(
            lambda: notes.update_one({ID: name}, {"$max": {_LAST: key}}, upsert=True),
            writes="one",
        )
        self._counted[name] = key

    def counted(self, run: Run, schema: Schema) -> int:
        """The highest key that was counted; 0 if none was."""
        notes, name = self._notes, schema.collection
        found = run(lambda: notes.find_one({ID: name}))
        return int(found.get(_LAST) or 0) if found else 0

    def forget(self) -> None:
        """Nothing is known any more: collections were removed."""
        self._counted.clear()
