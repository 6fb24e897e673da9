"""Files of GNU dbm, read without its library: a directory of buckets, each a table of places.

The header says how large these are; a bucket that stands in the directory more than once is one.
Described in GDBM's own manual and in `gdbmdefs.h`.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Final

# The first four bytes, by order of bytes and width of places: standard and with a count of syncs.
_FORMS: Final[dict[bytes, tuple[str, str]]] = {
    magic.to_bytes(4, order): (sign, width)  # type: ignore[arg-type]
    for order, sign in (("little", "<"), ("big", ">"))
    for magic, width in (
        (0x13579ACD, "i"),
        (0x13579ACE, "i"),
        (0x13579ACF, "q"),
        (0x13579AD0, "i"),
        (0x13579AD1, "q"),
    )
}
MAGIC: Final = frozenset(_FORMS)
"""How such files begin."""

_FREE_PLACES: Final = 6  # that a bucket keeps in front of its table
_EMPTY: Final = -1
_KEY_START: Final = 4  # bytes of a key that its element repeats


def gdbm_entries(held: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Keys and values of a file's bytes. Raises ValueError or struct.error if it is damaged."""
    sign, width = _FORMS[held[:4]]
    # Padded as a C compiler would on machines of that width.
    gap = "4x" if width == "q" else ""
    header = struct.Struct(f"{sign}4xi{width}iiii{width}")
    _, directory, directory_size, _, bucket_size, elements, end = header.unpack_from(held)
    place = struct.Struct(f"{sign}{width}")
    bucket = struct.Struct(f"{sign}i{gap}{f'i{gap}{width}' * _FREE_PLACES}ii")
    element = struct.Struct(f"{sign}i{_KEY_START}s{width}ii")
    count = directory_size // place.size
    if not 0 < count <= len(held) or end > len(held) or elements <= 0:
        raise ValueError("the header does not fit the file")
    buckets = dict.fromkeys(
        place.unpack_from(held, directory + number * place.size)[0] for number in range(count)
    )
    for start in buckets:
        used = bucket.unpack_from(held, start)[-1]
        found = 0
        for number in range(elements):
            code, key_start, data, key_size, data_size = element.unpack_from(
                held, start + bucket.size + number * element.size
            )
            if code == _EMPTY:
                continue
            found += 1
            if key_size < 0 or data_size < 0 or not 0 < data <= len(held) - key_size - data_size:
                raise ValueError("an element does not fit the file")
            key = held[data : data + key_size]
            if key[:_KEY_START] != key_start[: min(key_size, _KEY_START)]:
                raise ValueError("a key is not the one that its element says")
            yield key, held[data + key_size : data + key_size + data_size]
        if found != used:
            raise ValueError("a bucket does not hold what it says")
        if start + bucket_size > len(held):
            raise ValueError("a bucket is cut off")
