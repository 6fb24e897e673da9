"""The catalogue of an ordered byte store: what a collection has, told without its classes.

Indexes are kept up to date by every write, those that the class of the document does not declare
too. So what they are over is read from the catalogue: the paths, and how the values there are read.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from itertools import product
from typing import Any, Final

from docmap.query.paths import Digits, getter
from docmap.query.paths import Path as Place
from docmap.schema.indexes import BoundIndex, IndexTerm
from docmap.schema.partial import decoder
from docmap.schema.types import UNTYPED, FieldType
from docmap.schema.wire import TEXT_READERS, Reader, untagged
from docmap.values import MISSING, RANK_NULL
from docmap_backends._keyvalue_records import CATALOGUE, INDEX
from docmap_backends._ordered import form, rank_byte

LAST_NUMBER: Final = CATALOGUE
"""Under it lies the number that was given to an index last."""
_NULL: Final = rank_byte(RANK_NULL)
NO_ELEMENT: Final = rank_byte(-1)
"""Where a list is declared, a document without elements still has a place in the index."""


class HeldIndex:
    """An index that a collection has: where its entries lie, and which a document has."""

    def __init__(self, number: int, declared: BoundIndex) -> None:
        self.number = number
        self.declared = declared
        self.prefix = INDEX + number.to_bytes(4, "big")
        self.roots = frozenset(str(term.path.segments[0]) for term in declared.terms)
        self._forms = [_forms_of(term) for term in declared.terms]

    def places(self, wire: Any) -> list[bytes]:
        """The forms of a document's values, given its JSON: of a list's elements one for each."""
        if len(self._forms) == 1:
            return self._forms[0](wire)
        first, *others = [forms(wire) for forms in self._forms]
        if len(first) == 1 and all(len(one) == 1 for one in others):
            return [first[0] + b"".join([one[0] for one in others])]
        return [b"".join(forms) for forms in product(first, *others)]

    def owned(self, wire: Any) -> list[bytes]:
        """Those places of a unique index that no other document may have: without null."""
        each = [forms(wire) for forms in self._forms]
        kept = [[one for one in forms if one not in {_NULL, NO_ELEMENT}] for forms in each]
        return [b"".join(forms) for forms in product(*kept)]


def _forms_of(term: IndexTerm) -> Callable[[Any], list[bytes]]:
    """What gives the forms of a document's values at a term of an index."""
    get = getter(term.path)
    kind = term.type.kind
    read: Reader | None = untagged if kind in UNTYPED else TEXT_READERS.get(kind)
    if term.elements:
        return _elements(get, read)
    if read is None:
        return lambda wire: [form(get(wire))]
    reading = read

    def forms(wire: Any) -> list[bytes]:
        value = get(wire)
        return [form(value if value is MISSING else reading(value))]

    return forms


def _elements(get: Callable[[Any], Any], read: Reader | None) -> Callable[[Any], list[bytes]]:
    def forms(wire: Any) -> list[bytes]:
        values = get(wire)
        if type(values) is not list or not values:
            return [NO_ELEMENT]
        values = map(read, values) if read is not None else values
        return list(dict.fromkeys(map(form, values)))

    return forms


@dataclass
class Table:
    """What the catalogue says of a collection."""

    key_names: list[str] = field(default_factory=list)
    """The stored names of the keys of the classes that it was made by."""
    indexes: dict[str, HeldIndex] = field(default_factory=dict)

    def has(self, key_name: str, indexes: tuple[BoundIndex, ...]) -> bool:
        """True if a class with such a key and such indexes finds all that it declares."""
        return key_name in self.key_names and all(one.name in self.indexes for one in indexes)

    @cached_property
    def wire(self) -> Callable[[bytes | str], Any]:
        """What reads of a document's JSON only what the indexes are over.

        It raises ValueError for what is no JSON, or no object.
        """
        return decoder(frozenset().union(*(held.roots for held in self.indexes.values())))

    def copy(self) -> Table:
        """One to change."""
        return Table(list(self.key_names), dict(self.indexes))

    def dumped(self) -> bytes:
        """It as bytes."""
        indexes = {
            name: {
                "number": held.number,
                "unique": held.declared.unique,
                "terms": [_told(term) for term in held.declared.terms],
            }
            for name, held in self.indexes.items()
        }
        return json.dumps({"keys": self.key_names, "indexes": indexes}).encode()

    @classmethod
    def read(cls, data: bytes) -> Table:
        """What was dumped. Raises ValueError, KeyError or TypeError if it was not."""
        held = json.loads(data)
        indexes = {
            name: HeldIndex(
                one["number"], BoundIndex(tuple(_terms(one["terms"])), one["unique"], name)
            )
            for name, one in held["indexes"].items()
        }
        return cls(held["keys"], indexes)


def _told(term: IndexTerm) -> dict[str, Any]:
    path = [{"digits": str(s)} if type(s) is Digits else s for s in term.path.segments]
    return {
        "path": path,
        "descending": term.descending,
        "kind": term.type.kind,
        "elements": term.elements,
    }


def _terms(told: list[dict[str, Any]]) -> Iterator[IndexTerm]:
    for one in told:
        path = [Digits(s["digits"]) if type(s) is dict else s for s in one["path"]]
        kind = FieldType(one["kind"], nullable=True)
        yield IndexTerm(Place(tuple(path)), one["descending"], kind, one["elements"])
