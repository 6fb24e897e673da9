"""Families: the classes whose documents share a collection, and how a record tells its class.

A record carries the name of its class; one without a name is of the root, the class that began the
collection. The classes are held weakly: one that nobody uses any more is forgotten, and one that is
defined again, as in a notebook, takes the place of the older.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary, WeakValueDictionary

from pydantic_core import from_json, to_json

from docmap.errors import InvalidModel, InvalidRecord
from docmap.query.nodes import FALSE, Compare, Node
from docmap.query.paths import Path
from docmap.schema.registry import TargetUndefined
from docmap.schema.stamps import TEXT

if TYPE_CHECKING:
    from docmap.schema.schema import Schema

Decode = Callable[[bytes | str], Any]


class Family:
    """The classes of one collection by the names under which records carry them."""

    def __init__(self, field: str, *, declared: bool = False) -> None:
        self.field = field
        """The storage name of the field that holds the class of a record."""
        self.declared = declared
        """The field is one of the model's own."""
        self.root_name = ""
        self.abstract = False
        """The root has no documents of its own."""
        self.validates = False
        """Some class runs its own validators on loading."""
        self._members: WeakValueDictionary[str, Any] = WeakValueDictionary()
        self._conditions: WeakKeyDictionary[Any, Node] = WeakKeyDictionary()
        self._quoted = to_json(field)
        self._mark = self._quoted + b':"'
        self._front = b"{" + self._mark

    @property
    def alone(self) -> bool:
        """True if the root has no subclass, so that every record is its own."""
        return len(self._members) < 2 and not self.abstract

    @property
    def names(self) -> list[str]:
        """The names of the classes that are known."""
        return sorted(name for name, _ in self._named())

    def members(self) -> list[Any]:
        """The classes that have documents."""
        return [member for _, member in self._named()]

    def _named(self) -> list[tuple[str, Any]]:
        """The classes with their names, while other threads may define more."""
        held: list[Any] = self._members.valuerefs()
        return [(one.key, member) for one in held if (member := one()) is not None]

    def schemas(self) -> list[Schema]:
        """The schemas of the classes that are finished."""
        found = []
        for member in self.members():
            if member.__pydantic_complete__:
                with suppress(TargetUndefined):
                    found.append(member.__docmap_schema__)
        return found

    def check(self, cls: Any, name: str) -> None:
        """Raise InvalidModel if another class has the name."""
        other = self._members.get(name)
        if other is not None and _place(other) != _place(cls):
            raise InvalidModel(
                f"{_place(cls)} and {_place(other)} both have the family name {name!r}, and a "
                'record could be of either: give one another with family_name="..."',
            )

    def join(self, cls: Any, name: str) -> None:
        """Take in a class that has documents; one of the same place is replaced."""
        self._members[name] = cls
        self._conditions = WeakKeyDictionary()  # a new one: threads may be filling the old

    def condition(self, cls: Any) -> Node:
        """What the records of a class and of its subclasses fulfil, bound."""
        conditions = self._conditions
        found = conditions.get(cls)
        if found is None:
            wanted = tuple(sorted(n for n, m in self._named() if cls in m.__mro__))
            found = FALSE
            if wanted:
                lookup, value = ("in", wanted) if len(wanted) > 1 else ("equals", wanted[0])
                found = Compare(Path((self.field,)), lookup, value, TEXT)
            conditions[cls] = found
        return found

    def pick(self, schema: Schema, data: bytes | str) -> Schema:
        """The schema of the class that a record is of; `schema` if it is of that class.

        Raises InvalidRecord for a class that is not known.
        """
        name = self.name_in(data)
        if name == schema.family_name and not schema.abstract:
            return schema
        member = self._members.get(name) if isinstance(name, str) else None
        if member is None:
            raise self._unknown(schema, name)
        found: Schema = member.__docmap_schema__
        return found

    def has(self, cls: Any, data: bytes | str) -> bool:
        """True if the record is of the class or of a subclass."""
        name = self.name_in(data)
        member = self._members.get(name) if isinstance(name, str) else None
        return member is not None and cls in member.__mro__

    def name_in(self, data: bytes | str) -> Any:
        """The name that a record carries; the root's for a record that carries none."""
        if isinstance(data, str):
            data = data.encode()
        raw = self._peek(data)
        if raw == b"":
            return self.root_name
        if raw is None:
            try:
                wire = from_json(data)
            except ValueError:
                return self.root_name  # decoding says what is wrong with it
            found = wire.get(self.field) if type(wire) is dict else None
            return self.root_name if found is None else found
        return raw.decode()

    def _peek(self, data: bytes) -> bytes | None:
        """The name as it stands in a record; empty if there is none, None if it must be read."""
        if data.startswith(self._front):
            start = len(self._front)
        else:
            at = data.find(self._mark)
            if at < 0:
                return b"" if self._quoted not in data else None
            # Before the first brace that follows, a name can only be of the record itself.
            if data.find(b"{", 1, at) >= 0:
                return None
            start = at + len(self._mark)
        raw = data[start : data.find(b'"', start)]
        return None if b"\\" in raw or not raw else raw

    def decoder(self, schema: Schema) -> Decode:
        """What makes documents of records of the family, for one read of many."""
        if self.alone:
            mark, own = schema.upgrade_mark, schema.codec.decode

            def load_own(data: bytes | str) -> Any:
                if type(data) is bytes and data.startswith(mark):
                    return own(data)
                return own(schema.resolve(data)[1])

            return load_own
        known: dict[bytes, tuple[bytes, Decode]] = {}
        front, start, peek = self._front, len(self._front), self._peek
        # Records of one class often come in a row: then one look at the beginning is enough.
        before: bytes = b"\0"
        again: Decode = schema.codec.decode

        def load(data: bytes | str) -> Any:
            nonlocal before, again
            if type(data) is not bytes:
                member, current = schema.resolve(data)
                return member.codec.decode(current)
            if data.startswith(before):
                return again(data)
            stands = data.startswith(front)
            name = data[start : data.find(b'"', start)] if stands else peek(data)
            found = known.get(name) if name is not None else None
            if found is not None:
                # The version stands in front too: an older record is upgraded below.
                prefix, decode = found
                if not prefix or data.startswith(prefix):
                    if stands:
                        before, again = prefix or data[: start + len(name or b"") + 2], decode
                    return decode(data)
            member, current = schema.resolve(data)
            if name is not None:
                known[name] = (member.upgrade_mark, member.codec.decode)
            return member.codec.decode(current)

        return load

    def _unknown(self, schema: Schema, name: Any) -> InvalidRecord:
        if self.abstract and name == self.root_name:
            what = f"carries no class under {self.field!r}, and the root of the family is abstract"
        else:
            written = f"{name!r}" if isinstance(name, str) and len(name) < 100 else "no text"
            what = f"is of the class {written} ({self.field!r}), which the family does not have"
        return InvalidRecord(
            f"a record of {schema.collection} {what}: it has {', '.join(self.names) or 'none'}; "
            "import or define the class, or mend the record with the help of raw()",
            collection=schema.collection,
            field=self.field,
        )


class Branch:
    """The part of a scope that holds a class to its own records and those of its subclasses."""

    __slots__ = ("_cls", "_family")

    def __init__(self, family: Family, cls: Any) -> None:
        self._family = family
        self._cls = cls

    def __call__(self) -> Node:
        """The condition, with the subclasses that are known now."""
        return self._family.condition(self._cls)

    def has(self, data: bytes | str) -> bool:
        """True if the record is of the branch; quicker than the condition."""
        return self._family.has(self._cls, data)


def _place(cls: Any) -> str:
    return f"{cls.__module__}.{cls.__qualname__}"
