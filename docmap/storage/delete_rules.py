"""Following delete rules: what is denied, nullified and deleted along with some documents."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from pydantic_core import from_json, to_json

from docmap.errors import InvalidRecord, InvalidValue, ReferencedDocument
from docmap.plan import execute
from docmap.plan.engine import Record
from docmap.schema.bind import bind
from docmap.schema.delete_rules import Rule, refers, rules_about, without
from docmap.schema.operands import Misfit, coerce
from docmap.schema.readers import to_wire
from docmap.schema.schema import Schema
from docmap.schema.types import FieldType
from docmap.storage.loading import load_record
from docmap.storage.saving import save_document

if TYPE_CHECKING:
    from docmap.storage.base import BaseStorageAdapter
    from docmap.storage.query import Query

At = tuple[str, Any]
"""A document: its collection and its key."""
Doomed = tuple[Schema, Any, int]
"""A document to delete too: its class, key and revision."""
_KEYS = 500


def follow(storage: BaseStorageAdapter, schema: Schema, keys: Sequence[Any]) -> list[Doomed]:
    """Do what the rules say about deleting these documents; which others are to be deleted too.

    What is denied is found before anything is written. Raises ReferencedDocument.
    """
    found = _Closure(storage, schema, keys)
    found.deny()
    found.nullify()
    return list(reversed(found.doomed.values()))


class _Closure:
    """The documents that go together, by following `cascade` from class to class."""

    def __init__(self, storage: BaseStorageAdapter, schema: Schema, keys: Sequence[Any]) -> None:
        self._storage = storage
        self._schema = schema
        self._going: dict[str, set[Any]] = {}
        self.doomed: dict[At, Doomed] = {}
        self._stored: dict[str, set[Any]] = {}
        self._denying: list[tuple[Rule, list[Any]]] = []
        self._nullifying: dict[At, tuple[Schema, Record]] = {}
        level: list[tuple[Schema, list[Any]]] = [(schema, list(keys))]
        while level:
            level = [group for one, some in level for group in self._take(one, some)]

    def _take(self, schema: Schema, keys: list[Any]) -> Iterator[tuple[Schema, list[Any]]]:
        """Note that documents go; those that go with them, in their turn."""
        self._going.setdefault(schema.collection, set()).update(keys)
        for rule in rules_about(schema):
            if rule.name == "deny":
                self._denying.append((rule, keys))
            elif rule.name == "nullify":
                for key, record in self._referring(rule, keys):
                    self._nullifying[_at(rule, key)] = (rule.schema, record)
            elif fresh := self._doom(rule, keys):
                yield rule.schema, fresh

    def _doom(self, rule: Rule, keys: list[Any]) -> list[Any]:
        fresh = []
        going = self._going.setdefault(rule.schema.collection, set())
        for key, record in self._referring(rule, keys):
            if key not in going:
                going.add(key)
                self.doomed[_at(rule, key)] = (rule.schema, key, record[1])
                fresh.append(key)
        return fresh

    def deny(self) -> None:
        """Raise ReferencedDocument if a document that stays refers to one that goes."""
        counts: dict[tuple[str, str], int] = {}
        for rule, keys in self._denying:
            staying = self._staying(rule, keys)
            if staying:
                place = (rule.schema.name, rule.place.dotted)
                counts[place] = counts.get(place, 0) + staying
        if not counts:
            return
        parts = [f"{n} of {name} in {field}" for (name, field), n in counts.items()]
        _, field = next(iter(counts))
        raise ReferencedDocument(
            f"{self._schema.name} cannot be deleted while documents refer to it: "
            f"{', '.join(parts)}; delete those first, or let them refer to another one",
            engine=self._storage.scheme,
            collection=self._schema.collection,
            field=field,
        )

    def _staying(self, rule: Rule, keys: list[Any]) -> int:
        """How many documents that stay refer to one of the keys."""
        going = self._going.get(rule.schema.collection, ())
        if rule.place.askable and not going and len(keys) <= _KEYS:
            return self._asked(rule, keys).count()
        return sum(key not in going for key, _ in self._referring(rule, keys))

    def nullify(self) -> None:
        """Store the documents that stay without their references to those that go."""
        for (collection, key), (schema, (data, revision)) in self._nullifying.items():
            if key in self._going.get(collection, ()):
                continue
            member, current = schema.resolve(data)
            wire = without(member.root, from_json(current), self._unwanted)
            try:
                document = load_record(schema, self._storage, (to_json(wire), revision))
            except InvalidRecord as error:
                raise InvalidValue(
                    f"{schema.name}.{error.field} would not be valid without its reference to "
                    f"what is deleted ({error.message}); nothing was deleted",
                    collection=collection,
                    field=error.field,
                    key=key,
                ) from error
            save_document(self._storage, document, revision)

    def _unwanted(self, kind: FieldType, wire: Any) -> bool:
        if kind.on_delete != "nullify" or kind.target is None:
            return False
        target: Schema = kind.target().__docmap_schema__
        stored = self._stored.get(target.collection)
        if stored is None:
            going = self._going.get(target.collection, ())
            stored = {to_wire(target.key_field.type, key) for key in going}
            self._stored[target.collection] = stored
        return wire in stored

    def _referring(self, rule: Rule, keys: Sequence[Any]) -> Iterator[tuple[Any, Record]]:
        """The documents that refer to one of the keys as the rule says, each once."""
        seen: set[Any] = set()
        for record in self._records(rule, keys):
            found = rule.schema.key_of(record[0])
            if found not in seen:
                seen.add(found)
                yield found, record

    def _records(self, rule: Rule, keys: Sequence[Any]) -> Iterator[Record]:
        if rule.place.askable:
            for start in range(0, len(keys), _KEYS):
                yield from self._asked(rule, keys[start : start + _KEYS])._run(_NAME, _all)
            return
        target = rule.target.__docmap_schema__.key_field.type
        stored = {to_wire(target, key) for key in keys}

        def wanted(kind: FieldType, wire: Any) -> bool:
            mine = kind.on_delete == rule.name and kind.target is not None
            return mine and kind.target() is rule.target and wire in stored  # type: ignore[misc]

        query = self._storage.query_class(self._storage, rule.schema)
        for record in query._run(_NAME, _all):
            if refers(rule.schema.root, from_json(record[0]), wanted):
                yield record

    def _asked(self, rule: Rule, keys: Sequence[Any]) -> Query[Any]:
        """The query for the documents that refer to one of the keys."""
        query = self._storage.query_class(self._storage, rule.schema)
        condition = rule.place.condition(_fitting(rule, keys))
        assert condition is not None  # noqa: S101 - for type checkers
        return query._narrowed(_NAME, bind(condition, rule.schema.names))


_NAME = "delete rule"


def _fitting(rule: Rule, keys: Sequence[Any]) -> list[Any]:
    """Those that can be keys of the class: those of an untyped collection may be others."""
    kind = rule.target.__docmap_schema__.key_field.type
    found = []
    for key in keys:
        with suppress(Misfit):
            found.append(coerce(kind, key))
    return found


def _all(engine: Any, plan: Any) -> list[Record]:
    return list(execute.records(engine, plan))


def _at(rule: Rule, key: Any) -> At:
    return rule.schema.collection, key
