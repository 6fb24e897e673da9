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
from docmap.values import order_key
from docmap_backends._ordered import ordered, plain

CATALOGUE: Final = b"c"
COUNTER: Final = b"n"
RECORD: Final = b"r"
INDEX: Final = b"x"
_HEAD: Final = struct.Struct(">IQ")
HEAD_SIZE: Final = _HEAD.size
_head, _unhead = _HEAD.pack, _HEAD.unpack_from
_revision = struct.Struct(">Q").pack


def is_record(key: bytes) -> bool:
    """True for the key of a record."""
    return key[:1] == RECORD


def records_of(collection: str) -> bytes:
    """How the keys of all records of a collection begin."""
    return RECORD + collection.encode() + b"\0"


def key_form(stored_key: str | int | bytes) -> bytes:
    """The form of a key: `schema.stored_key` gives what it takes."""
    return ordered(order_key(stored_key))


def record_place(key: bytes) -> tuple[str, str | int | bytes]:
    """The collection and the stored key that a record's key is made of."""
    collection, _, form = key[1:].partition(b"\0")
    return collection.decode(), plain(form)


def packed(key: bytes, data: bytes, revision: int) -> bytes:
    """What lies under the key of a record: 12 bytes, and the document as it is."""
    return _head(crc32(data, crc32(key + _revision(revision))), revision) + data


def split_record(value: bytes) -> tuple[bytes, bytes]:
    """The checksum and revision of a packed record, and the document's bytes."""
    return value[:HEAD_SIZE], value[HEAD_SIZE:]


def unpacked(key: bytes, value: bytes) -> Record:
    """The record that was packed under a key. Raises CorruptStore if it is not what it was."""
    if len(value) >= HEAD_SIZE:
        checksum, revision = _unhead(value)
        data = value[HEAD_SIZE:]
        if crc32(data, crc32(key + value[4:HEAD_SIZE])) == checksum:
            return data, revision
    raise damaged(key, "does not have the checksum that it was stored with")


def damaged(key: bytes, what: str) -> CorruptStore:
    """The error of a record, or of an index entry, that is not as it was written."""
    collection = key[1:].partition(b"\0")[0].decode(errors="replace")
    return CorruptStore(
        f"a record of {collection} {what}: the store is damaged; restore it from a backup, or copy "
        "what can still be read with `docmap export`",
        collection=collection,
    )
