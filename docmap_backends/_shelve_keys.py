"""The keys of documents in a shelf: text that people read, such as `orders:A-1`.

Behind the collection and a colon stands the document's key: text as it is, and with a `#` in front
what is no text: `orders:#5` for the number, `#u` and `#v` with the digits of a UUID or an ObjectId.
Text that begins with `#` itself has another one in front.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from docmap.values import INT_MAX, INT_MIN, MAX_KEY_BYTES, ObjectId

StoredKey = str | int | bytes
"""A key as `Schema.stored_key` gives it."""

_COLLECTION: Final = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,47}\Z")
_NUMBER: Final = re.compile(r"0|-?[1-9][0-9]{0,18}\Z")
_BINARY: Final = {"u": 16, "v": 12}


def shelf_key(collection: str, key: StoredKey) -> bytes:
    """The key in the shelf of a document.

    >>> shelf_key("orders", "A-1"), shelf_key("orders", 5), shelf_key("orders", "#5")
    (b'orders:A-1', b'orders:#5', b'orders:##5')
    """
    if isinstance(key, int):
        text = f"#{key}"
    elif isinstance(key, bytes):
        text = f"#{key[:1].decode()}{key[1:].hex()}"
    else:
        text = f"#{key}" if key.startswith("#") else key
    return f"{collection}:{text}".encode()


def read_shelf_key(key: bytes) -> tuple[str, StoredKey] | None:
    """The collection and the key of a document; None for what is no document's key.

    >>> read_shelf_key(b"orders:#5"), read_shelf_key(b"settings")
    (('orders', 5), None)
    """
    try:
        collection, colon, text = key.decode().partition(":")
    except UnicodeDecodeError:
        return None
    if not colon or not is_collection(collection):
        return None
    found = _read(text)
    return None if found is None else (collection, found)


def is_collection(name: str) -> bool:
    """True if a collection may have this name."""
    return _COLLECTION.match(name) is not None


def collection_of(path: Path) -> str:
    """The name of a file as one of a collection, what cannot be in one left out.

    >>> collection_of(Path("my shop (2).db"))
    'myshop2'
    """
    name = re.sub(r"[^A-Za-z0-9_.-]|^[^A-Za-z]+", "", path.stem)[:48]
    return name if is_collection(name) else "shelf"


def is_text_key(text: str) -> bool:
    """True if a document may have this key."""
    try:
        return 0 < len(text.encode()) <= MAX_KEY_BYTES and "\0" not in text
    except UnicodeEncodeError:
        return False


def _read(text: str) -> StoredKey | None:
    if not text.startswith("#") or text.startswith("##"):
        plain = text.removeprefix("#")
        return plain if is_text_key(plain) else None
    if _NUMBER.fullmatch(text[1:]):
        number = int(text[1:])
        return number if INT_MIN <= number <= INT_MAX else None
    size = _BINARY.get(text[1:2])
    if size is None:
        return None
    try:
        raw = bytes.fromhex(text[2:])
    except ValueError:
        return None
    return text[1:2].encode() + raw if len(raw) == size and raw.hex() == text[2:] else None


def wire_key(key: StoredKey) -> Any:
    """The JSON form of a key, as it stands in the document too."""
    if not isinstance(key, bytes):
        return key
    return (
        {"$uuid": str(UUID(bytes=key[1:]))} if key[:1] == b"u" else {"$oid": str(ObjectId(key[1:]))}
    )
