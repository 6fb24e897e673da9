"""Entries of a shelf as documents: JSON as it is, pickled plain data with the types told."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NamedTuple

from pydantic_core import from_json, to_json

from docmap.errors import InvalidRecord
from docmap.schema.wire import tagged
from docmap.values import INT_MAX, INT_MIN
from docmap.values.portable import Unportable, portable
from docmap_backends._files_foreign import is_storable
from docmap_backends._shelve_keys import StoredKey, is_text_key, read_shelf_key, wire_key
from docmap_backends._shelve_pickles import plain_data
from docmap_backends._shelve_plain import NotPlain


class Placed(NamedTuple):
    """A document, and where it belongs."""

    collection: str
    key: StoredKey
    data: bytes


@dataclass(frozen=True, slots=True)
class Reading:
    """How the entries of a shelf that docmap did not make are read."""

    collection: str
    """The collection of all entries that do not name their own."""
    assume_utc: bool = False
    """Take a datetime without a time zone for UTC."""
    skip: bool = False
    """Leave out what cannot be read."""
    path: str = ""
    skipped: list[tuple[bytes, bytes]] = field(default_factory=list)
    """What was left out."""

    def documents(self, entries: Iterable[tuple[bytes, bytes]]) -> Iterator[Placed]:
        """The entries as documents. Raises InvalidRecord for one that cannot be one."""
        seen: set[tuple[str, StoredKey]] = set()
        for number, (key, value) in enumerate(entries, 1):
            try:
                found = self._new(self._document(key, value), seen)
            except NotPlain as error:
                if self.skip:
                    self.skipped.append((key, value))
                    continue
                raise InvalidRecord(
                    f"{self.path}: the entry {number} of the shelf {error}. Nothing of the shelf "
                    "was changed; skip_unreadable=true leaves out such entries",
                    engine="shelve",
                    path=self.path or None,
                    key=key.decode(errors="replace"),
                ) from error
            seen.add(found[:2])
            yield found

    def _new(self, found: Placed, seen: set[tuple[str, StoredKey]]) -> Placed:
        if found[:2] in seen:
            raise NotPlain("has the key of another")
        return found

    def _document(self, key: bytes, value: bytes) -> Placed:
        if value[:1] == b"{":
            wire = read_json(value)
            # What stands as docmap lays it out came from there.
            place = read_shelf_key(key)
            if place is not None and wire.get("id") == wire_key(place[1]):
                return Placed(*place, to_json(wire))
        else:
            wire = read_pickle(value, assume_utc=self.assume_utc)
        try:
            text = key.decode()
        except UnicodeDecodeError:
            raise NotPlain("has a key that is no text") from None
        if not is_text_key(text):
            raise NotPlain("has a key that no document may have")
        own = wire.setdefault("id", text)
        if own == text:
            return Placed(self.collection, text, to_json(wire))
        # The keys of a shelf are text, though those of its documents may be numbers.
        if type(own) is int and str(own) == text and INT_MIN <= own <= INT_MAX:
            return Placed(self.collection, own, to_json(wire))
        raise NotPlain("has a field id with another value than its key")


def read_value(value: bytes) -> dict[str, Any]:
    """The JSON form of a document that another program wrote. Raises NotPlain."""
    return read_json(value) if value[:1] == b"{" else read_pickle(value)


def read_json(value: bytes) -> dict[str, Any]:
    """The document of JSON text. Raises NotPlain."""
    try:
        wire = from_json(value)
    except ValueError:
        raise NotPlain("is no JSON") from None
    if type(wire) is not dict or not is_storable(wire):
        raise NotPlain("holds a value that no document may hold")
    return wire


def read_pickle(value: bytes, *, assume_utc: bool = False) -> dict[str, Any]:
    """The JSON form of the document in a pickle: of its own or, of another value, around it.

    Raises NotPlain for what is no plain data, or none that a document may hold.
    """
    found = plain_data(value)
    document = found if isinstance(found, dict) else {"value": found}
    try:
        logical = portable(_aware(document) if assume_utc else document, microseconds=True)
    except Unportable as fault:
        raise NotPlain(f"holds at {fault.path or 'its top'} what {fault.reason}") from fault
    return {name: tagged(item) for name, item in logical.items()}


def _aware(value: Any) -> Any:
    """The value with a time zone for every datetime in it."""
    if isinstance(value, dict):
        return {name: _aware(item) for name, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return type(value)(map(_aware, value))
    if isinstance(value, datetime) and value.tzinfo is None:
        return value.replace(tzinfo=UTC)
    return value
