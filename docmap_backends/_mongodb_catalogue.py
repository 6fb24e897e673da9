"""What docmap notes beside the collections of a MongoDB database: key fields and counted keys.

One document a collection, under its name: `keys` are the storage names of the key in the classes
that have written it, `shapes` the types that they declare, `own` is true if docmap made the
collection, `indexes` what its indexes are over, `last_key` the last int key that was given,
`expires` what its TTL index is over and after how many seconds. Without such a document docmap has
not written the collection yet.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple, Protocol

from pydantic_core import from_json, to_json

from docmap.errors import InvalidValue
from docmap.schema.indexes import IndexDefinition
from docmap.schema.schema import Schema
from docmap.storage.bridge import Lock
from docmap.values import INT_MAX
from docmap_backends._mongodb_names import ID, OWN
from docmap_backends._mongodb_types import Known, shape_of, written

CATALOGUE: Final = f"{OWN}collections"
_KEYS: Final = "keys"
_SHAPES: Final = "shapes"
_OWN: Final = "own"
_INDEXES: Final = "indexes"
_LAST: Final = "last_key"
_EXPIRES: Final = "expires"
Run = Callable[..., Any]
"""How a storage runs a call of the driver, within the deadline of its operation."""


class Expires(NamedTuple):
    """A TTL index: the field that holds a moment, and how many seconds after it."""

    field: str
    seconds: int


class _Client(Protocol):
    @property
    def database(self) -> Any:
        """The driver's database."""


class Catalogue:
    """The notes of one database, through one client. Nothing of them is part of a transaction."""

    def __init__(self, client: _Client) -> None:
        self._client = client
        self._turn = Lock()
        self._counted: dict[str, int] = {}
        """What the counters have reached at least."""
        self._expires: dict[str, Expires | None] = {}
        """The TTL indexes, as noted when the collections were last looked up."""
        self.known = Known()

    @property
    def _notes(self) -> Any:
        return self._client.database[CATALOGUE]

    def forget(self) -> None:
        """Nothing is known any more: collections were removed."""
        self._counted.clear()
        self._expires.clear()
        self.known.forget()

    # -- collections

    def has(self, run: Run, schema: Schema) -> bool:
        """True if the collection was made, and written with this key field and these types."""
        keys = self.look(run, schema.collection)
        known = self.known.has(schema.collection, written(shape_of(schema)))
        return known and schema.key_field.stored in keys

    def look(self, run: Run, collection: str) -> list[str]:
        """Read who writes the collection; the storage names of its key."""
        found = self._found(run, collection)
        self.known.learn(collection, found.get(_SHAPES, ()), own=bool(found.get(_OWN)))
        noted = found.get(_EXPIRES)
        self._expires[collection] = Expires(*from_json(noted)) if noted else None
        return _texts(found.get(_KEYS))

    def note(self, run: Run, schema: Schema, *, made: bool) -> None:
        """Note a collection, whether docmap made it, and how it is written."""
        notes, shape = self._notes, written(shape_of(schema))
        change: dict[str, Any] = {"$addToSet": {_KEYS: schema.key_field.stored, _SHAPES: shape}}
        if made:
            change["$set"] = {_OWN: True}
        run(lambda: notes.update_one({ID: schema.collection}, change, upsert=True), writes="one")
        own = made or schema.collection not in self.known.foreign
        self.known.learn(schema.collection, [shape], own=own)

    def key_name(self, run: Run, collection: str) -> str:
        """The storage name of the key field; empty if none or more than one is known."""
        keys = _texts(self._found(run, collection).get(_KEYS))
        return keys[0] if len(keys) == 1 else ""

    def drop(self, run: Run, collection: str) -> None:
        """Forget a collection that is removed, and its counter."""
        notes = self._notes
        run(lambda: notes.delete_one({ID: collection}), writes="one")
        self._counted.pop(collection, None)
        self._expires.pop(collection, None)

    def _found(self, run: Run, collection: str) -> dict[str, Any]:
        notes = self._notes
        found = run(lambda: notes.find_one({ID: collection}))
        return dict(found) if found else {}

    # -- indexes

    def note_index(self, run: Run, collection: str, index: IndexDefinition) -> None:
        """Note what an index is over."""
        notes = self._notes
        told = to_json([index.fields, index.kinds, index.unique]).decode()
        change = {"$set": {f"{_INDEXES}.{index.name}": told}}
        run(lambda: notes.update_one({ID: collection}, change, upsert=True), writes="one")

    def forget_index(self, run: Run, collection: str, name: str) -> None:
        """Note that an index is gone."""
        notes, change = self._notes, {"$unset": {f"{_INDEXES}.{name}": ""}}
        if "." not in name:
            run(lambda: notes.update_one({ID: collection}, change), writes="one")

    def indexes(self, run: Run, collection: str) -> dict[str, IndexDefinition]:
        """What is known of the indexes of a collection, by name."""
        found = self._found(run, collection).get(_INDEXES) or {}
        return {
            name: IndexDefinition(name, tuple(fields), tuple(kinds), bool(unique))
            for name, (fields, kinds, unique) in zip(
                found, map(from_json, found.values()), strict=True
            )
        }

    # -- what has expired

    def expires(self, collection: str) -> Expires | None:
        """The TTL index that a collection has, as `look` found it; None if it has none."""
        return self._expires.get(collection)

    def note_expires(self, run: Run, collection: str, found: Expires | None) -> None:
        """Note the TTL index that a collection has from now on."""
        notes, told = self._notes, to_json(found).decode() if found is not None else ""
        change = {"$set": {_EXPIRES: told}}
        run(lambda: notes.update_one({ID: collection}, change, upsert=True), writes="one")
        self._expires[collection] = found

    # -- counters

    def knows(self, schema: Schema) -> bool:
        """True once the counter is known to be beyond all keys that were there."""
        return schema.collection in self._counted

    def next_keys(self, run: Run, schema: Schema, count: int, highest: int) -> range:
        """So many next int keys, beyond `highest` too. Raises InvalidValue where there are none."""
        name = schema.collection
        with self._turn:  # else the threads of one process would keep one another from counting
            if not self.knows(schema):
                self.count_to(run, schema, highest)
            last = self._counted[name]
            while not self._step(run, name, last, count):
                if last > INT_MAX - count:
                    raise InvalidValue(
                        f"{name} has used the last int key: give {schema.key} yourself",
                        collection=name,
                        field=schema.key,
                    )
                self._counted.pop(name, None)  # others counted meanwhile, or cleared the database
                self.count_to(run, schema, highest)
                last = self.counted(run, schema)
            self._counted[name] = last + count
            return range(last + 1, last + count + 1)

    def _step(self, run: Run, name: str, last: int, count: int) -> bool:
        """Count on from `last`; False if that is not what the counter says."""
        if last > INT_MAX - count:
            return False
        notes, place = self._notes, {ID: name, _LAST: last}
        change = {"$set": {_LAST: last + count}}
        # Without `writes`: a key that nobody uses is lost if the answer is, and no document.
        result = run(lambda: notes.update_one(place, change))
        return bool(result.matched_count)

    def count_to(self, run: Run, schema: Schema, key: int) -> None:
        """Let no key up to this one be given again."""
        notes, name = self._notes, schema.collection
        if self._counted.get(name, -1) >= key:
            return
        change = {"$max": {_LAST: key}}
        run(lambda: notes.update_one({ID: name}, change, upsert=True))
        self._counted[name] = key

    def counted(self, run: Run, schema: Schema) -> int:
        """The highest key that was counted; 0 if none was."""
        return int(self._found(run, schema.collection).get(_LAST) or 0)


def _texts(found: Any) -> list[str]:
    return [name for name in found if isinstance(name, str)] if isinstance(found, list) else []
