"""Keys as PostgreSQL keeps them: one column of text in the order of code points, for every type.

A text is its own key. In front of all texts stand the ints, behind them the other types of untyped
keys, each with a mark; the few texts that begin like a mark get one more character.
"""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID

from docmap.schema.schema import Schema
from docmap.values import ObjectId

_INT: Final = "\x01"
_LOW: Final = "\x02"
_HIGH: Final = "\U0010fffe"
_OTHER: Final = "\U0010ffff"
_OFFSET: Final = 2**63


def column_key(stored: str | int | bytes) -> str:
    r"""What the column holds for a key as JSON engines keep it; the order of keys is kept.

    >>> column_key("a-1"), column_key(5), column_key("")
    ('a-1', '\x018000000000000005', '\x02')
    """
    if isinstance(stored, str):
        if stored[:1] <= _LOW:  # the empty text too
            return _LOW + stored
        return _HIGH + stored if stored[0] >= _HIGH else stored
    if isinstance(stored, int):
        return f"{_INT}{stored + _OFFSET:016x}"
    return _OTHER + stored[:1].decode() + stored[1:].hex()


def key_text(schema: Schema, key: Any) -> bytes:
    """The column's text of a logical key, as it is sent."""
    return column_key(schema.stored_key(key)).encode()


def plain_key(stored: str | int | bytes, kind: str) -> bytes | None:
    """A key in a column of another program, of the type `kind`; None if it cannot stand there.

    >>> plain_key(5, "bigint"), plain_key("a", "bigint"), plain_key("a", "text")
    (b'5', None, b'a')
    """
    if kind == "bigint":
        return str(stored).encode() if isinstance(stored, int) else None
    if kind == "text":
        return stored.encode() if isinstance(stored, str) else None
    try:
        text = stored[1:].hex() if isinstance(stored, bytes) else str(stored)
        return str(UUID(text)).encode()
    except ValueError:
        return None


def wire_key(column: str) -> Any:
    r"""The key in JSON's form again, as a document holds it.

    >>> wire_key(column_key(-7)), wire_key(column_key("\x01"))
    (-7, '\x01')
    """
    first = column[:1]
    if first == _INT:
        return int(column[1:], 16) - _OFFSET
    if first == _OTHER:
        data = bytes.fromhex(column[2:])
        uuid = column[1] == "u"
        return {"$uuid": str(UUID(bytes=data))} if uuid else {"$oid": str(ObjectId(data))}
    return column[1:] if first in {_LOW, _HIGH} else column
