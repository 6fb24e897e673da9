"""How collections lie in an ordered byte store: which keys there are, and what is under them.

```
c<collection>                        the catalogue: the name of its key, its indexes
n<collection>                        the highest int key that was given or used, 8 bytes
r<collection> 00 <key>               a record: checksum, revision, the document's JSON
x<4 bytes of the index><values><key> an entry of an index; under it <key> again
```

`<key>` and `<values>` are forms of `docmap_backends._ordered`. Numbers are big-endian. Keys that
begin with another byte are the engine's own.
"""

from __future__ import annotations

import struct
from typing import Final
from zlib import crc32

from docmap.errors import CorruptStore
from docmap.plan.engine import Record
from docmap_backends._ordered import form, plain

CATALOGUE: Final = b"c"
COUNTER: Final = b"n"
RECORD: Final = b"r"
INDEX: Final = b"x"
HEAD_SIZE: Final = 12
_revision = struct.Struct(">Q").pack


def is_record(key: bytes) -> bool:
    """True for the key of a record."""
    return key[:1] == RECORD


def records_of(collection: str) -> bytes:
    """How the keys of all records of a collection begin."""
    return RECORD + collection.encode() + b"\0"


def key_form(stored_key: str | int | bytes) -> bytes:
    """The form of a key: `schema.stored_key` gives what it takes."""
    return form(stored_key)


def record_place(key: bytes) -> tuple[str, str | int | bytes]:
    """The collection and the stored key that a record's key is made of."""
    collection, _, rest = key[1:].partition(b"\0")
    return collection.decode(), plain(rest)


def packed(key: bytes, data: bytes, revision: int) -> bytes:
    """What lies under the key of a record: 12 bytes, and the document as it is."""
    body = _revision(revision) + data
    return crc32(body, crc32(key)).to_bytes(4, "big") + body


def split_record(value: bytes) -> tuple[bytes, bytes]:
    """The checksum and revision of a packed record, and the document's bytes."""
    return value[:HEAD_SIZE], value[HEAD_SIZE:]


def unpacked(key: bytes, value: bytes, path: str = "") -> Record:
    """The record that was packed under a key. Raises CorruptStore if it is not what it was.

    `path` is the file or directory that the error names.
    """
    body = value[4:]
    if len(body) >= 8 and crc32(body, crc32(key)) == int.from_bytes(value[:4], "big"):
        return body[8:], int.from_bytes(body[:8], "big")
    raise damaged(key, "does not have the checksum that it was stored with", path)


def damaged(key: bytes, what: str, path: str = "") -> CorruptStore:
    """The error of a record, or of an index entry, that is not as it was written."""
    collection = key[1:].partition(b"\0")[0].decode(errors="replace")
    return CorruptStore(
        f"{path or 'the store'} is damaged: a record of {collection} {what}; restore it from a "
        "backup, or copy what can still be read with `docmap export`",
        collection=collection,
        path=path or None,
    )
