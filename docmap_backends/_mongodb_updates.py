"""Updates that MongoDB does by itself, as update operators of one command.

Only what can fail for no document, or is asked for before: an update of many documents that fails
for one leaves others changed. Decimals, BigInts, values that the class limits, and what a unique
index may refuse are left to docmap.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple

from pymongo import ReturnDocument

from docmap.errors import StorageError
from docmap.plan.engine import NativeQuery, Record
from docmap.query.changes import Step
from docmap.schema.indexes import BoundIndex
from docmap.schema.rewrite import Rewriter
from docmap.schema.schema import Schema
from docmap.values import INT_MAX, INT_MIN
from docmap_backends._mongodb_converters import writer
from docmap_backends._mongodb_indexes import MongoIndexes
from docmap_backends._mongodb_names import REVISION
from docmap_backends._mongodb_native import native
from docmap_backends._mongodb_places import NO_ARRAY, Filter
from docmap_backends._mongodb_queries import field_name, render
from docmap_backends._mongodb_types import stored_type
from docmap_backends._mongodb_values import to_record

_LONGEST_INDEXED: Final = 200  # characters of a value that an index of several fields gets
_LONGEST: Final = 100_000  # characters of all operands
_FARTHEST: Final = 1e300  # a float up to which a sum is finite


class NativeUpdate(NamedTuple):
    """The operators of an update, and what must hold of a document so that they are exact."""

    operators: dict[str, dict[str, Any]]
    guards: tuple[Filter, ...]
    refusing: bool
    """The operators themselves refuse a document for which the guards do not hold."""


class _NotNatively(Exception):
    """The update has no exact form; the text says why."""


class MongoUpdates(MongoIndexes):
    """The updating part of `mongodb.MongoDBStorage`."""

    def _update_matching(self, schema: Schema, condition: Any, rewriter: Rewriter) -> int | None:
        made = native_update(self, schema, rewriter)
        if isinstance(made, str):
            return None
        collection, found = self._collection(schema), render(condition)
        if made.guards:
            guarded = {"$and": list(made.guards)}
            if self._has(schema, {"$and": [found, {"$nor": [guarded]}]}):
                return None
            found = {"$and": [found, guarded]}
        result = self._run(
            lambda: collection.update_many(found, made.operators, session=self._session),
            writes="many",
        )
        return int(result.matched_count)

    def _update_first(
        self, schema: Schema, query: NativeQuery, rewriter: Rewriter, *, new: bool
    ) -> list[Record] | None:
        made = native_update(self, schema, rewriter)
        if isinstance(made, str) or not made.refusing or self._client.abilities.sharded:
            return None  # a router would want to know the shard
        collection, search = self._collection(schema), self._search(schema, query)
        try:
            found = self._run(
                lambda: collection.find_one_and_update(
                    search.filter,
                    made.operators,
                    sort=list(search.sort) or None,
                    return_document=ReturnDocument.AFTER if new else ReturnDocument.BEFORE,
                    session=self._session,
                ),
                writes="one",
            )
        except StorageError as error:
            # The document is of a form that the operators refuse: going through it finds out.
            if made.guards and getattr(error.__cause__, "code", None) in _OF_A_VALUE:
                return None
            raise
        return [] if found is None else [to_record(schema, found)]

    def _update_reason(self, schema: Schema, rewriter: Rewriter) -> str:
        made = native_update(self, schema, rewriter)
        return made if isinstance(made, str) else ""


_OF_A_VALUE: Final = frozenset({2, 14})  # BadValue, TypeMismatch


def native_update(storage: Any, schema: Schema, rewriter: Rewriter) -> NativeUpdate | str:
    """The native form of an update; why it has none, as text."""
    try:
        return _Builder(storage, schema, rewriter).build()
    except _NotNatively as reason:
        return str(reason)


class _Builder:
    def __init__(self, storage: Any, schema: Schema, rewriter: Rewriter) -> None:
        self._storage = storage
        self._schema = schema
        self._rewriter = rewriter
        self._operators: dict[str, dict[str, Any]] = {"$inc": {REVISION: 1}}
        self._guards: list[Filter] = []
        self._refusing = True

    def build(self) -> NativeUpdate:
        if self._schema.model is None:
            raise _NotNatively("the collection has no class")
        if not self._storage.decimal128:
            raise _NotNatively("the server has no Decimal128")
        if self._rewriter.names is None:
            raise _NotNatively("records may be of other classes or versions")
        for step in self._rewriter.update:
            self._check_place(step)
            make = _MAKERS.get(step.operator)
            if make is None:
                raise _NotNatively(f"{step.operator} has no exact form in MongoDB")
            make(self, step, field_name(self._schema, step.path))
        if len(repr(self._operators)) > _LONGEST:
            raise _NotNatively("the values are long")
        for one in (self._schema, *self._schema.relatives):
            for index in one.indexes:
                self._check_index(index)
        return NativeUpdate(self._operators, tuple(self._guards), self._refusing)

    def _check_place(self, step: Step) -> None:
        if not all(type(segment) is str for segment in step.path.segments):
            raise _NotNatively(f"{step.path} goes through a list")
        if any(kind.kind != "model" or kind.extra for kind in step.kinds[:-1]):
            raise _NotNatively(f"{step.path} goes through what is no model")
        parts = field_name(self._schema, step.path).split(".")
        for end in range(1, len(parts)):
            self._guard({".".join(parts[:end]): {"$type": "object", **NO_ARRAY}})

    def set(self, step: Step, name: str) -> None:
        """The operand was checked as a document's value would be."""
        convert = writer(step.kind) or native
        self._add("$set", name, convert(step.operand.stored))

    def inc(self, step: Step, name: str) -> None:
        """Of plain ints and floats, where the sum is within what engines keep."""
        core = _inner(step.kind.core)
        amount = step.operand.logical
        if step.kind.kind == "int" and core["type"] == "int" and type(amount) is int:
            if core.keys() - _PLAIN_NUMBER:
                raise _NotNatively(f"{step.path} has limits")
            low, high = max(INT_MIN, INT_MIN - amount), min(INT_MAX, INT_MAX - amount)
            wanted: dict[str, Any] = {"$gte": low, "$lte": high, "$type": ["int", "long"]}
        elif step.kind.kind == "float" and core["type"] == "float" and type(amount) is float:
            if core.keys() - _PLAIN_NUMBER or not -_FARTHEST < amount < _FARTHEST:
                raise _NotNatively(f"{step.path} has limits")
            wanted = {"$gte": -_FARTHEST, "$lte": _FARTHEST, "$type": "double"}
        else:
            raise _NotNatively(f"{step.path} is no plain int or float")
        whole = step.kind.kind == "int" and self._trusts(step)
        self._guard({name: {**wanted, **NO_ARRAY}}, refusing=whole)
        self._add("$inc", name, amount)

    def extreme(self, step: Step, name: str) -> None:
        """Of scalars that MongoDB orders as docmap does; null is no value to compare."""
        if step.kind.kind not in _ORDERED or type(step.kind.core) is not dict:
            raise _NotNatively(f"{step.path} is not ordered by MongoDB alone")
        if not self._trusts(step):
            raise _NotNatively(f"{step.path} may hold other types")
        self._guard({name: {"$type": stored_type(step.kind), **NO_ARRAY}})
        convert = writer(step.kind) or native
        self._add(f"${step.operator}", name, convert(step.operand.stored))

    def push(self, step: Step, name: str) -> None:
        """At the end of a list without limits."""
        core = _inner(step.kind.core)
        if step.kind.kind != "list" or core["type"] != "list" or core.keys() & _LENGTHS:
            raise _NotNatively(f"{step.path} is no list without limits")
        values, position, keep = step.operand
        if keep is not None:
            raise _NotNatively("what is kept of the list is counted by docmap")
        convert = writer(step.item) or native
        pushed: dict[str, Any] = {"$each": [convert(value.stored) for value in values]}
        if position is not None:
            pushed["$position"] = position
        self._guard({name: {"$type": "array"}})
        self._add("$push", name, pushed)

    def _trusts(self, step: Step) -> bool:
        return bool(self._storage.trusts(self._schema, step.path, step.kind))

    def _guard(self, condition: Filter, *, refusing: bool = False) -> None:
        self._guards.append(condition)
        self._refusing = self._refusing and refusing

    def _add(self, operator: str, name: str, value: Any) -> None:
        self._operators.setdefault(operator, {})[name] = value

    def _check_index(self, index: BoundIndex) -> None:
        touched = [
            step
            for step in self._rewriter.update
            for term in index.terms
            if _related(step.path.segments, term.path.segments)
        ]
        if not touched:
            return
        if index.unique:
            raise _NotNatively(f"the index {index.label} may refuse a document")
        for step in touched:
            if len(repr(step.operand)) > _LONGEST_INDEXED:
                raise _NotNatively(f"the values are long for the index {index.label}")


_MAKERS: Final[dict[str, Callable[[_Builder, Step, str], None]]] = {
    "set": _Builder.set,
    "inc": _Builder.inc,
    "min": _Builder.extreme,
    "max": _Builder.extreme,
    "push": _Builder.push,
    "push_all": _Builder.push,
}
_PLAIN_NUMBER: Final = frozenset({"type", "strict", "serialization", "allow_inf_nan"})
_LENGTHS: Final = frozenset({"min_length", "max_length", "fail_fast"})
_ORDERED: Final = frozenset({"int", "float", "datetime", "date", "time", "timedelta"})


def _inner(core: Any) -> dict[str, Any]:
    found: dict[str, Any] = core["schema"] if core["type"] == "nullable" else core
    return found


def _related(path: tuple[Any, ...], other: tuple[Any, ...]) -> bool:
    """True if one of the places lies in the other."""
    return all(one == two for one, two in zip(path, other, strict=False))
