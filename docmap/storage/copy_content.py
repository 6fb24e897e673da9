"""What a record holds, whatever bytes an engine keeps it in: compared and hashed by copies.

An engine may give other bytes back than it was given: another order of keys, other spaces, another
way to write a number. The content is the same, and its canonical form too: keys sorted by code
point, without spaces, numbers in their shortest form.
"""

from __future__ import annotations

import hashlib
from typing import Any

from pydantic_core import from_json, to_json

Stored = tuple[bytes, int]
"""A record's bytes and its revision."""


def canonical(data: bytes | str) -> bytes:
    """The canonical form of a document's JSON.

    >>> canonical('{"b": 1e0, "a": [2, {"d": "é", "c": null}]}').decode()
    '{"a":[2,{"c":null,"d":"é"}],"b":1.0}'
    """
    return to_json(_ordered(from_json(data)))


def _ordered(value: Any) -> Any:
    if type(value) is dict:
        return {
            name: _ordered(inner) if type(inner) in _NESTED else inner
            for name, inner in sorted(value.items())
        }
    if type(value) is list:
        return [_ordered(inner) if type(inner) in _NESTED else inner for inner in value]
    return value


_NESTED = frozenset({dict, list})


def same(one: Stored | None, other: Stored | None) -> bool:
    """True if two records have one content and one revision."""
    if one is None or other is None or one == other:
        return one is other or one == other
    return one[1] == other[1] and canonical(one[0]) == canonical(other[0])


class Digest:
    """The content of a collection as one number: the same records in any order give the same."""

    def __init__(self) -> None:
        self.count = 0
        self._sum = 0

    def add(self, record: Stored) -> None:
        """Take in one record with its revision."""
        data, revision = record
        found = hashlib.sha256(b"%d " % revision + canonical(data)).digest()
        self._sum = (self._sum + int.from_bytes(found, "big")) % (1 << 256)
        self.count += 1

    @property
    def hex(self) -> str:
        """The number as 64 hexadecimal digits."""
        return f"{self._sum:064x}"
