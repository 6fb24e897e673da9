"""Names of fields in MongoDB: those that a dotted path cannot reach are stored escaped.

MongoDB keeps a name with a dot or a `$` in front, and no query, index or update reaches it; some
servers of its protocol refuse it. Such a name, and the empty one, is stored with `%` in front:
`a.b` as `%a%2Eb`. The same name unescaped, as another program wrote it, is read as it is.

What JSON escapes is escaped in such names too, since some servers put JSON together of them.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from docmap_backends._mongodb_names import ID, MARKS, REVISION

_MARK: Final = "%"
_RESERVED: Final = frozenset({REVISION, MARKS})
_ESCAPED: Final = {f"%{ord(one):02X}": one for one in '%."\\' + "".join(map(chr, range(32)))}
_ESCAPES: Final = {ord(one): escape for escape, one in _ESCAPED.items()}
_ESCAPE: Final = re.compile("|".join(_ESCAPED))


@lru_cache(maxsize=8192)
def stored_name(name: str) -> str:
    """The name under which a field is stored.

    >>> [stored_name(name) for name in ("size", "a.b", '"a."', "", "100%", "%a")]
    ['size', '%a%2Eb', '%%22a%2E%22', '%', '100%', '%a']
    """
    return _escaped(name) if is_awkward(name) else name


@lru_cache(maxsize=8192)
def read_name(stored: str) -> str:
    """The name of a field from that under which it is stored.

    >>> [read_name(name) for name in ("size", "%a%2Eb", "%$gt", "%", "100%", "%a", "a.b")]
    ['size', 'a.b', '$gt', '', '100%', '%a', 'a.b']
    """
    name = _escaped_name(stored)
    return stored if name is None else name


def is_awkward(name: str) -> bool:
    """True for a name that is stored escaped: as it is unreachable, or looks like an escape."""
    if not name or name[0] == "$" or "." in name:
        return True
    return name[0] == _MARK and _escaped_name(name) is not None


def _escaped(name: str) -> str:
    return _MARK + name.translate(_ESCAPES)


def _escaped_name(stored: str) -> str | None:
    """What was escaped to `stored`; None if nothing was."""
    if stored[:1] != _MARK:
        return None
    name = _ESCAPE.sub(lambda found: _ESCAPED[found[0]], stored[1:])
    return name if is_awkward(name) and _escaped(name) == stored else None


# -- the names at the top of a document, where the key and the revision have theirs


def stored_top(name: str, key: str) -> str:
    """The name at the top of a document; `key` is that of the key field, which is always `_id`.

    A field that is called `_id` and is not the key takes the key's name.

    >>> [stored_top(name, "id") for name in ("id", "_id", "_rev", "%_rev", "a.b")]
    ['_id', 'id', '%_rev', '%%_rev', '%a%2Eb']
    """
    if name == key:
        return ID
    if name == ID:
        return stored_name(key)
    if name.lstrip(_MARK) in _RESERVED:
        return _MARK + name
    return stored_name(name)


def read_top(stored: str, key: str) -> str:
    """The name of a field from that at the top of a document.

    >>> [read_top(name, "id") for name in ("_id", "id", "%_rev", "%%_rev", "%a%2Eb")]
    ['id', '_id', '_rev', '%_rev', 'a.b']
    """
    if stored == ID:
        return key
    if stored == stored_name(key):
        return ID
    if stored.lstrip(_MARK) in _RESERVED:
        return stored[1:] if stored[0] == _MARK else stored
    return read_name(stored)
